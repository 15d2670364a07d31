"""``conceptmap evaluate --learning-curve``: what more marked notes bring, on notes that nothing was learned from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from coded_mapper import lexical_mapper, small_ontology
from small_mapper import ontology
from test_learning import made

from conceptmap.cli import main
from conceptmap.encoders import load_encoder
from conceptmap.index.building import build_index
from conceptmap.learned.code_adapter import learned_for
from conceptmap.learning import code_curve
from conceptmap.learning.count_associations import TrainingNote
from conceptmap.learning.learn_codes import CodeSettings, Learned, folds, learned_from, training_notes

WORDS = {"the sugars": "E11.9", "pressure trouble": "I10", "fever": "R50.9"}


def marked(path: Path, n_notes: int, *, first: int) -> str:
    lines = []
    for number in range(first, first + n_notes):
        text = f"Day {number}. Known the sugars and pressure trouble, with fever again."
        places = [(text.index(said), code, said) for said, code in WORDS.items()]
        mentions = [{"start": at, "end": at + len(said), "codes": [code]} for at, code, said in places]
        lines.append(json.dumps({"note_id": f"n{number}", "text": text, "mentions": mentions}))
    path.write_text("\n".join(lines))
    return str(path)


def test_more_notes_teach_more(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    build_index(ontology(), load_encoder("embedded")).save(tmp_path / "index")
    gold, training = marked(tmp_path / "g.jsonl", 6, first=100), marked(tmp_path / "t.jsonl", 16, first=0)
    line = ["evaluate", gold, "--learning-curve", training, "--index", str(tmp_path / "index"), "--sizes", "10,16"]
    assert main(line) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [one.split()[0] for one in lines] == ["notes", "0", "10", "16"]
    assert all(len(one) <= 80 for one in lines)
    assert float(lines[1].split()[3]) < float(lines[2].split()[3]) == 1.0, "words that only training notes have"
    for wrong in (["--sizes", "99"], ["--encoder", "none"], ["--tokens"], ["--learning-curve", gold]):
        assert main([*line, *wrong]) == 2
    assert main(["evaluate", gold]) == 2
    err = capfd.readouterr().err
    assert "PREDICTED is missing" in err
    assert "6 notes of the gold standard are among those to learn from" in err


def test_more_coded_notes_teach_more(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    build_index(small_ontology(), None).save(tmp_path / "index")
    notes, codes = made(60)
    notes.write_csv(tmp_path / "notes.csv")
    codes.write_csv(tmp_path / "codes.csv")
    line = ["evaluate", str(tmp_path / "codes.csv"), "--learning-curve", str(tmp_path / "notes.csv")]
    line += ["--index", str(tmp_path / "index"), "--model", "logistic", "--setting", "inpatient"]
    assert main([*line, "--html", str(tmp_path / "page.html")]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [one.split()[0] for one in lines] == ["notes", "0", "24", "48"], "a half and all of four parts of five"
    assert all(len(one) <= 80 for one in lines)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count('<svg class="plot"') == 3
    assert page.count("<circle cx=") >= 3 + 3 + 2, "ranks are of what was learned"
    assert main([*line, "--sizes", "48", "--json"]) == 0
    rules, learned = json.loads(capfd.readouterr().out)
    assert learned["full code"]["f1"] > rules["full code"]["f1"]
    assert learned["ranked"]["map"] > 0.8
    assert (rules["notes"], learned["notes"], learned["counts"]["notes"]) == (0, 48, 60)
    assert main([*line, "--sizes", "49"]) == 2
    assert main([*line, "--tokens"]) == 2


def test_each_part_is_coded_by_what_other_patients_notes_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    notes, codes = made(60)
    given = {note_id: set(part["code"]) for (note_id,), part in codes.group_by("note_id")}
    whose = {note_id: f"p{int(note_id[1:]) // 2}" for note_id in notes["note_id"]}
    mapper = lexical_mapper()
    (linker,) = mapper.linkers
    coded = training_notes(mapper.readings(notes), linker, mapper.instructions[0], given, patients=whose)
    taught: list[list[str]] = []

    def counted(some: Sequence[TrainingNote], *rest: Any) -> Learned:
        taught.append([note.facts.note_id for note in some])
        return learned_from(some, *rest)

    monkeypatch.setattr(code_curve, "learned_from", counted)
    made_for = learned_for(linker.index, encoder="none", revision="")
    settings = CodeSettings(model="logistic", setting="inpatient")
    points = list(code_curve.code_curve(coded, made_for, linker.book, settings, sizes=[24, 48]))
    assert [size for size, _ in points] == [0, 24, 48]
    fold = dict(zip(sorted(whose), folds(coded, 0).tolist(), strict=True))
    for number, some in enumerate(taught):
        held = number % 5
        assert not any(fold[note_id] == held for note_id in some)
        assert len(some) == (24 if number < 5 else 48)
        assert set(some) <= set(taught[5 + held])
