"""Cohorts: expressions, everything below a code, context, counts by branch."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
import small_mapper
from hypothesis import given
from hypothesis import strategies as st

import conceptmap as cm
from conceptmap.cli import main
from conceptmap.errors import InputError, UnknownCodeError
from conceptmap.retrieval.cohort import Cohort, cohort
from conceptmap.retrieval.expressions import FLAGS, AskedCode, parsed

NOTES = {
    "a": "Heart failure. Type 2 diabetes.",
    "b": "Heart failure. No fever.",
    "c": "Mother had type 2 diabetes. Hypertension.",
    "d": "Fever and headache.",
    "e": "Nothing to report.",
}


def find(expression: str, **given: object) -> Cohort:
    read = small_mapper.mapper().annotate_many(NOTES)
    tables = {"mentions": read.mentions, "note_ids": list(NOTES), **given}
    return cohort(expression, read.codes, small_mapper.ontology(), **tables)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expression", "notes"),
    [
        ("I50", "ab"),
        ("I50.9", "ab"),
        ("test:I50", "ab"),
        ("I50[exact]", ""),
        ("test:9", "abc"),
        ("E11", "a"),
        ("NOT E11", "bcde"),
        ("I50 AND NOT E11", "b"),
        ("I50 and not E11", "b"),
        ("R50 OR I50 AND E11", "ad"),
        ("(R50 OR I50) AND E11", "a"),
        ("NOT (I50 OR R50)", "ce"),
        ("NOT I50 AND NOT R50", "ce"),
        ("R50[negated]", "b"),
        ("R50", "d"),
        ("R50[mentioned]", "bd"),
        ("R50 [ affirmed ]", "d"),
        ("E11[family]", "c"),
        ("E11[family,negated]", ""),
        ("I50 AND R50[negated]", "b"),
    ],
)
def test_expressions_find_notes(expression: str, notes: str) -> None:
    assert set(find(expression).note_ids) == set(notes)


def test_principal_asks_for_the_role_of_a_code() -> None:
    rows = {
        "note_id": ["a", "a", "b"],
        "code": ["I50.9", "E11.9", "E11.9"],
        "role": ["principal", "secondary", "principal"],
    }
    codes = pl.DataFrame(rows)
    assert cohort("E11", codes, small_mapper.ontology()).note_ids == ("a", "b")
    assert cohort("E11[principal]", codes, small_mapper.ontology()).note_ids == ("b",)
    with pytest.raises(InputError, match="no column role"):
        cohort("E11[principal]", codes.drop("role"), small_mapper.ontology())


VALUES = {"I50": "ab", "E11": "a", "R50": "d", "I10": "c"}
TREES = st.recursive(
    st.sampled_from(sorted(VALUES)),
    lambda inner: st.one_of(
        inner.map(lambda one: f"NOT {one}" if " " not in one else f"NOT ({one})"),
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(" ".join),
        inner.map(lambda one: f"({one})"),
    ),
    max_leaves=6,
)


@given(TREES)
def test_expressions_mean_what_python_makes_of_them(expression: str) -> None:
    """NOT, AND and OR bind as Python's do: each note's truth, one after the other."""
    tree = parsed(expression)
    everything = frozenset("abcde")
    found = tree.notes(lambda term: frozenset(VALUES[term.code]), everything)
    spoken = re.sub(r"AND|OR|NOT", lambda word: word[0].lower(), expression)
    for note in everything:
        values = {code: note in notes for code, notes in VALUES.items()}
        assert (note in found) == eval(spoken, {}, values), (expression, note)


@pytest.mark.parametrize(
    "wrong",
    ["", "I50 AND", "AND I50", "I50 E11", "(I50", "I50)", "NOT", "()", "1", "I50[loud]", "I50[]", "I50 ? E11", "[x]"],
)
def test_what_cannot_be_parsed_is_refused(wrong: str) -> None:
    with pytest.raises(InputError):
        parsed(wrong)


def test_errors_say_what_is_missing() -> None:
    with pytest.raises(UnknownCodeError, match="X99"):
        find("X99")
    with pytest.raises(InputError, match="asks for mentions"):
        find("I50[negated]", mentions=None)
    with pytest.raises(InputError, match="lacks columns"):
        find("I50[negated]", mentions=pl.DataFrame({"note_id": ["a"]}))
    with pytest.raises(InputError, match="principal is of codes"):
        find("I50[principal,negated]")
    assert str(AskedCode("I50", frozenset({"negated", "family"}))) == "I50[family,negated]"
    assert set(re.findall(r"[a-z]+", (Path(__file__).parents[1] / "docs" / "retrieval.md").read_text("utf-8"))) >= set(
        FLAGS
    )


def test_counts_go_by_the_branches_below_each_term() -> None:
    found = find("test:9 OR R50[negated]")
    rows = found.branches.select("term", "code", "notes").rows()
    assert rows == [("test:9", "I50", 2), ("test:9", "I10", 1), ("R50[negated]", "R50.9", 1)]
    assert found.members.rows() == [("a", "I50.9"), ("b", "I50.9; R50.9"), ("c", "I10")]
    assert find("I50.9").branches.select("code", "notes").rows() == [("I50.9", 2)]


def test_without_all_notes_not_means_the_others_that_are_coded() -> None:
    assert set(find("NOT I50", note_ids=None).note_ids) == {"c", "d"}


def test_a_run_becomes_a_cohort(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = small_mapper.index().save(tmp_path / "index")
    notes = tmp_path / "notes.csv"
    pl.DataFrame({"note_id": list(NOTES), "text": list(NOTES.values())}).write_csv(notes)
    own = ["--ontology", str(index)]
    assert main(["code", str(notes), "-o", str(tmp_path / "out"), *own, "--fast"]) == 0
    table, counts = tmp_path / "ids.csv", tmp_path / "counts.csv"
    asked = ["cohort", str(tmp_path / "out"), "I50 AND R50[negated] OR NOT test:9", *own, "--notes", str(notes)]
    assert main([*asked, "-o", str(table), "--counts", str(counts)]) == 0
    assert pl.read_csv(table)["note_id"].to_list() == ["b", "d", "e"]
    assert pl.read_csv(counts).columns == ["term", "system", "code", "name", "notes"]
    assert "3 of 5 notes" in capsys.readouterr().err
    assert main([*asked, "-o", str(table)]) == 2, "a file that is there is kept"
    assert main(["cohort", str(tmp_path / "out" / "codes.csv"), "I50", *own]) == 0
    assert "b,I50.9" in capsys.readouterr().out
    assert main(["cohort", str(tmp_path), "I50", *own]) == 2
    assert main(["cohort", str(tmp_path / "out"), "I50 AND", *own]) == 2


def test_the_name_is_public() -> None:
    assert cm.cohort is cohort


def test_an_expression_where_the_run_belongs_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cohort", "I50 AND NOT N18", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "no such run" in said
    assert "then the expression" in said
