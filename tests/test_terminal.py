"""A note in a terminal: lines that fit, colours where they are wanted, and nothing that steers the terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from coded_mapper import embedded, full_mapper, small_ontology

from conceptmap.cli import main
from conceptmap.commands.options.tables import columns
from conceptmap.commands.options.terminal import colours_wanted, note_lines
from conceptmap.export.html import view_of
from conceptmap.export.report.views import note_page
from conceptmap.index.building import build_index

TEXT = "HPI: No pneumonia. Known hypertension; mother had heart failure.\r\nFever \x1b[31m and 高血压 " + "word " * 30
STYLE = re.compile(r"\x1b\[[\d;]*m")


def lines(width: int = 80, *, colour: bool = False) -> list[str]:
    note = note_page(view_of(full_mapper().annotate(TEXT, note_id="n\x1b[2J")), path=lambda *_: (), anchor="n")
    return list(note_lines(note, width=width, colour=colour))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_lines_fit_and_hold_the_same_words_with_and_without_colours(width: int) -> None:
    plain, coloured = lines(width), lines(width, colour=True)
    assert max(map(columns, plain)) <= width
    assert max(columns(STYLE.sub("", line)) for line in coloured) <= width
    assert not any("\x1b" in line for line in plain)
    assert not any("\x1b" in STYLE.sub("", line) for line in coloured), "a note brings no colours of its own"
    words = [" ".join(" ".join(given).split()) for given in (plain, (STYLE.sub("", line) for line in coloured))]
    assert words[0].replace("[", "").replace("]", "") == words[1].replace("[", "").replace("]", "")


def test_marks_say_what_is_said_of_them_and_codes_stand_below() -> None:
    text = "\n".join(lines())
    assert "[pneumonia (denied)]" in text
    assert "[hypertension]" in text
    assert "heart failure\n(family)]" in text
    assert re.search(r"^  I10 +Essential \(primary\) hypertension +\d\.\d\d$", text, re.MULTILINE)
    assert "\x1b[1;38;5;" in "\n".join(lines(colour=True))


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"NO_COLOR": "", "FORCE_COLOR": "3"}, True),
    ],
)
def test_colours_are_given_where_they_are_wanted(
    environment: dict[str, str], wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "pipe").open("w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        assert colours_wanted(environment) is wanted


def test_tag_shows_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    build_index(small_ontology(), embedded()).save(tmp_path / "index")
    line = ["tag", "No fever. Hypertension.", "--show", "--ontology", str(tmp_path / "index"), "--encoder", "none"]
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    assert main(line) == 0
    out = capfd.readouterr().out
    assert "No [fever (denied)]. [Hypertension]." in out
    assert "  I10 " in out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(line) == 0
    assert "\x1b[2mfever\x1b[0m" in capfd.readouterr().out
