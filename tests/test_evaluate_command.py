"""``conceptmap evaluate``: the gold standards that it takes, two systems, errors, the page, what a terminal shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_mapper import ontology

from conceptmap.cli import main
from conceptmap.evaluation.errors import code_errors, mention_errors, relation
from conceptmap.evaluation.mentions import GoldMentions
from conceptmap.notes.marked import MarkedNote, MarkedSpan
from conceptmap.ontology.ontology import Ontology

Capture = pytest.CaptureFixture[str]


def table(path: Path, columns: str, *rows: tuple[object, ...]) -> str:
    pl.DataFrame([[*map(str, row)] for row in rows], schema=columns.split(), orient="row").write_csv(path)
    return str(path)


@pytest.fixture
def codes(tmp_path: Path) -> tuple[str, str, str]:
    """Gold, good and bad codes of twenty notes."""
    notes = [f"n{at:02}" for at in range(20)]
    gold = [(note, code, kind) for note in notes for code, kind in (("I10", "principal"), ("E11.9", "secondary"))]
    good = [(note, code, "secondary", 0.8, 0.9) for note, code, _ in gold if (note, code) != ("n03", "E11.9")]
    bad = [(note, "E11.22" if code == "E11.9" else code, "principal", 0.5, 0.6) for note, code, _ in gold]
    columns = "note_id code role score probability"
    return (
        table(tmp_path / "gold.csv", "note_id code kind", *gold),
        table(tmp_path / "good.csv", columns, *good),
        table(tmp_path / "bad.csv", columns, *bad),
    )


def evaluated(capfd: Capture, *words: str) -> dict[str, Any]:
    assert main(["evaluate", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def test_two_systems_are_compared(codes: tuple[str, str, str], capfd: Capture) -> None:
    gold, good, bad = codes
    found = evaluated(capfd, gold, good, "--against", bad)
    assert found["full code"]["f1"] == pytest.approx(2 * 39 / 79)
    low, high = found["intervals"]["full code"]["f1"]
    assert low < found["full code"]["f1"] <= high
    difference = found["against"]["full code"]["f1"]
    assert difference["other"] == 0.5
    assert difference["difference"] == pytest.approx(2 * 39 / 79 - 0.5)
    assert 0 < difference["interval"][0] < difference["interval"][1]
    assert difference["p"] < 0.01
    assert [one["n"] for one in found["reliability"]] == [39]
    assert "intervals" not in evaluated(capfd, gold, good, "--draws", "0")
    assert main(["evaluate", gold, good, "--against", bad, "--draws", "0"]) == 2


@pytest.mark.parametrize("against", [False, True])
def test_lines_fit_a_terminal(
    codes: tuple[str, str, str], capfd: Capture, monkeypatch: pytest.MonkeyPatch, against: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    gold, good, bad = codes
    assert main(["evaluate", gold, good, *(["--against", bad] if against else [])]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert all(len(line) <= 80 and "…" not in line for line in lines)
    first = lines[1].split()
    assert first[:4] == ["full", "code", "precision", "1.000"]
    assert first[4:6] == (["0.500", "+0.500"] if against else ["1.000", "to"])
    assert any("role principal" in line for line in lines) is not against
    assert lines[-1] == "notes 20  gold per note 2.000  predicted per note 1.950"


def test_errors_and_the_page(codes: tuple[str, str, str], tmp_path: Path, capfd: Capture) -> None:
    gold, good, bad = codes
    page, errors = tmp_path / "page.html", tmp_path / "errors.csv"
    line = ["evaluate", gold, bad, "--against", good, "--errors", str(errors), "--html", str(page)]
    assert main(line) == 0
    assert "errors: 20 category" in capfd.readouterr().err
    rows = pl.read_csv(errors).select("error", "gold_code", "code").unique().rows()
    assert rows == [("category", "E11.9", "E11.22")]
    text = page.read_text()
    assert "<script" not in text
    assert text.count("<style") == 1, "the page's policy lets one in"
    assert " style=" not in text
    assert text.count('<svg class="dot"') > 20
    assert [word for word in ("Differences", "Reliability", "Commonest errors") if word not in text] == []
    assert main(line) == 2, "nothing is replaced unasked"


def test_what_is_near_by_the_hierarchy() -> None:
    near = relation(ontology())
    pairs = [
        ("E11", "E11.9"),
        ("E11.9", "E11"),
        ("E11.22", "E11.9"),
        ("I10", "E11.9"),
        ("Z99", "E11.9"),
        ("9", "I50.9"),
    ]
    assert [near(*pair) for pair in pairs] == ["parent", "child", "sibling", None, None, "parent"]
    small = ontology()
    concepts = small.concepts.with_columns(
        active=pl.col("code") != "E11.22",
        replaced_by=pl.when(pl.col("code") == "E11.22")
        .then(pl.lit(["E11.9"]))
        .otherwise(pl.lit([], pl.List(pl.String))),
    )
    terms = small.terms.filter(pl.col("code") != "E11.22")
    edges = small.edges.filter(pl.col("child") != "E11.22")
    retired = Ontology(small.system, small.release, concepts, terms, edges)
    assert relation(retired)("E11.22", "E11.9") == "other release"


def test_each_error_is_one_row() -> None:
    gold = pl.DataFrame({"note_id": ["a", "a", "a", "b"], "code": ["E11.9", "I10", "R50.9", "I10"]})
    found = pl.DataFrame({"note_id": ["a", "a", "a", "c"], "code": ["E11", "E11.22", "R50.9", "I10"]})
    errors = code_errors(gold, found, notes=["a", "b"], ontology=ontology())
    assert errors.select("note_id", "error", "gold_code", "code").rows() == [
        ("a", "parent", "E11.9", "E11"),
        ("a", "missed", "I10", None),
        ("a", "invented", None, "E11.22"),
        ("b", "missed", "I10", None),
    ]
    assert errors["name"].to_list()[0] == "Type 2 diabetes mellitus"
    coders = pl.concat([gold.with_columns(coder=pl.lit("1")), gold[:1].with_columns(coder=pl.lit("2"))])
    assert code_errors(coders, found, notes=["a", "b"], ontology=ontology())["error"].to_list() == [
        "parent",
        "invented",
    ]


def test_each_wrong_mention_is_one_row() -> None:
    spans = [
        MarkedSpan(0, 5, ("E11.9",)),
        MarkedSpan(10, 15, ("I10",)),
        MarkedSpan(20, 25, ()),
        MarkedSpan(30, 35, ("I10",)),
    ]
    gold = GoldMentions.of([MarkedNote.of("a", "first     other     aside     again", spans)])
    rows = [("a", 0, 5, "E11"), ("a", 2, 4, "Z99"), ("a", 20, 25, "I10"), ("a", 30, 35, "I10"), ("a", 26, 29, "I10")]
    predicted = pl.DataFrame(rows, schema=["note_id", "start_char", "end_char", "code"], orient="row")
    texts = {"a": "first     other     aside     again"}
    errors = mention_errors(gold, predicted, ontology=ontology(), texts=texts)
    assert errors.select("error", "gold_code", "code", "start_char", "text").rows() == [
        ("parent", "E11.9", "E11", 0, "first"),
        ("other code", "E11.9", "Z99", 2, "rs"),
        ("missed", "I10", None, 10, "other"),
        ("invented", None, "I10", 26, "   "),
    ]


def test_gold_mentions_in_a_table_also_as_the_challenge_has_them(tmp_path: Path, capfd: Capture) -> None:
    predicted = table(tmp_path / "p.csv", "note_id start_char end_char code", ("a", 0, 5, "I10"), ("a", 8, 9, "R50.9"))
    ours = table(tmp_path / "g.csv", "note_id start_char end_char code", ("a", 0, 5, "E11.9"), ("a", 0, 5, "I10"))
    theirs = table(tmp_path / "t.csv", "note_id start end concept_id", ("a", 0, 5, "I10"), ("a", 20, 25, "R50.9"))
    found = evaluated(capfd, ours, predicted)
    assert (found["strict"]["precision"], found["strict"]["recall"]) == (0.5, 1.0)
    found = evaluated(capfd, theirs, predicted, "--seen", ours)
    assert found["characters"]["macro_iou"] == 0.5
    assert (found["seen"]["recall"], found["unseen"]["recall"]) == (1.0, 0.0)
    assert main(["evaluate", table(tmp_path / "x.csv", "note_id kode", ("a", "b")), predicted]) == 2
    assert "lacks the columns code" in capfd.readouterr().err
