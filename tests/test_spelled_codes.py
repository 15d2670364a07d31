"""Tables of codes as people write them: without points, with blanks, retired, or of no release."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from conceptmap.cli import main
from conceptmap.evaluation.codes import score_codes
from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.rollup_frames import spelled
from conceptmap.readers.obo import read_obo

OLD_AND_NEW = """format-version: 1.4

[Term]
id: HP:0000001
name: All

[Term]
id: HP:0000002
name: Fever
is_a: HP:0000001

[Term]
id: HP:0000003
name: Pyrexia
is_obsolete: true
replaced_by: HP:0000002
"""


@pytest.fixture
def release(tmp_path: Path) -> Path:
    (tmp_path / "hp.obo").write_text(OLD_AND_NEW)
    return tmp_path / "hp.obo"


def table(folder: Path, name: str, codes: list[str | None]) -> str:
    pl.DataFrame({"note_id": ["n"] * len(codes), "code": codes}).write_csv(folder / name)
    return str(folder / name)


def test_rollup_fills_what_it_knows_and_names_the_rest(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = table(tmp_path, "codes.csv", [" HP:0000002 ", "hp:0000002", "HP:0000003", "HP:7777777", None])
    assert main(["rollup", codes, "--to", "depth:1", "--ontology", str(release)]) == 0
    printed = capsys.readouterr()
    rows = [line.split(",")[1:] for line in printed.out.splitlines()[1:]]
    fever = ["HP:0000002", "Fever"]
    assert rows == [
        [" HP:0000002 ", *fever],
        ["hp:0000002", *fever],
        ["HP:0000003", *fever],
        ["HP:7777777", "", ""],
        ["", "", ""],
    ]
    assert "1 codes are unknown, not rolled up: HP:7777777" in printed.err
    assert "HP:0000003 → HP:0000002" in printed.err


def test_points_are_forgiven_where_the_release_knows_the_code(toy: Ontology) -> None:
    frame, unknown = spelled(pl.DataFrame({"code": ["E119", " e11.9", "E11 .9", "Q99", None]}), [toy])
    assert frame["code"].to_list() == ["E11.9", "E11.9", "E11.9", None, None]
    assert unknown.rows() == [("icd10cm", "Q99")]


def test_codes_are_scored_with_and_without_their_point() -> None:
    gold = pl.DataFrame({"note_id": ["n", "n"], "code": ["E11.9", "I10"]})
    guess = pl.DataFrame({"note_id": ["n", "n"], "code": [" e119", "I 10 "]})
    assert score_codes(gold, guess)["full code"]["f1"] == pytest.approx(1.0)


def test_a_retired_code_counts_as_what_replaced_it(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gold, guess = table(tmp_path, "gold.csv", ["HP:0000003", "HP:7"]), table(tmp_path, "guess.csv", ["HP:0000002"])
    above = score_codes(pl.read_csv(gold), pl.read_csv(guess), ontology=read_obo(release))["hierarchy"]
    assert above["precision"] == 1.0
    assert main(["evaluate", gold, guess, "--ontology", str(release)]) == 0
    said = capsys.readouterr().err
    assert "1 codes are unknown" in said
    assert "HP:7" in said
    assert "1 inactive codes" in said
    assert "HP:0000003" in said


@pytest.fixture
def toy() -> Ontology:
    nodes = ["E11", "E11.9"]
    concepts = pl.DataFrame(
        {
            "node": nodes,
            "code": nodes,
            "kind": ["category", "code"],
            "name": nodes,
            "active": [True, True],
            "billable": [False, True],
        }
    )
    terms = pl.DataFrame({"node": nodes, "code": nodes, "term": nodes, "kind": ["preferred"] * 2})
    return Ontology("icd10cm", "2099", concepts, terms, pl.DataFrame({"parent": ["E11"], "child": ["E11.9"]}))
