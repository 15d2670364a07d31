"""What a new release changes: held against plain sets, and in notes with the reason."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invented import RF2
from small_ontologies import Edge, dags

from conceptmap.cli import main
from conceptmap.errors import InputError
from conceptmap.index.building import build_index
from conceptmap.linking.note_changes import note_changes
from conceptmap.mapper import ConceptMapper
from conceptmap.ontology.changes import changes
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers import load_ontology

Concepts = dict[str, tuple[str, bool, list[str]]]
"""Name, whether it is billable, further terms."""


def release(concepts: Concepts, edges: list[Edge], version: str = "1", inactive: tuple[str, ...] = ()) -> Ontology:
    rows = [
        (code, code, "code", name, code not in inactive, billable) for code, (name, billable, _) in concepts.items()
    ]
    frame = pl.DataFrame(rows, schema=["node", "code", "kind", "name", "active", "billable"], orient="row")
    terms = [
        (code, code, term, "preferred" if at == 0 else "synonym")
        for code, (name, _, more) in concepts.items()
        if code not in inactive
        for at, term in enumerate(dict.fromkeys([name, *more]))
    ]
    named = pl.DataFrame(terms, schema=dict.fromkeys(("node", "code", "term", "kind"), pl.String), orient="row")
    pairs = pl.DataFrame(edges, schema={"parent": pl.String, "child": pl.String}, orient="row")
    return Ontology("test", version, frame, named, pairs)


NAMES = st.sampled_from(["velmora", "lumenel", "coastal fever"])
CONCEPTS = st.fixed_dictionaries(
    {}, optional={f"n{n}": st.tuples(NAMES, st.booleans(), st.lists(NAMES, max_size=2)) for n in range(6)}
).filter(bool)


@st.composite
def releases(draw: st.DrawFn) -> Ontology:
    concepts: Concepts = draw(CONCEPTS)
    edges = [(up, down) for up, down in draw(dags(6)) if {up, down} <= concepts.keys()]
    inactive = draw(st.sets(st.sampled_from(sorted(concepts)), max_size=1)) if len(concepts) > 1 else set[str]()
    kept = [(up, down) for up, down in edges if not {up, down} & inactive]
    return release(concepts, kept, inactive=tuple(inactive))


def slow(old: Ontology, new: Ontology) -> set[tuple[str, ...]]:
    """Kind, code, what was, what is, by plain sets."""
    facts = [{row["node"]: row for row in one.concepts.filter("active").to_dicts()} for one in (old, new)]
    terms = [set(one.terms.select("node", "term").iter_rows()) for one in (old, new)]
    edges = [set(one.edges.iter_rows()) for one in (old, new)]
    found: set[tuple[str, ...]] = set()
    for code in facts[1].keys() - facts[0].keys():
        found.add(("added" if code not in old.positions else "reinstated", code))
    found |= {("retired", code) for code in facts[0].keys() - facts[1].keys()}
    for code in facts[0].keys() & facts[1].keys():
        was, now = facts[0][code], facts[1][code]
        found |= {("renamed", code, was["name"], now["name"])} if was["name"] != now["name"] else set()
        found |= {("billable", code)} if was["billable"] != now["billable"] else set()
        found |= {("term gained", code, term) for node, term in terms[1] - terms[0] if node == code}
        found |= {("term lost", code, term) for node, term in terms[0] - terms[1] if node == code}
        lost, gained = (
            frozenset(up for up, down in one - other if down == code)
            for one, other in ((edges[0], edges[1]), (edges[1], edges[0]))
        )
        if lost or gained:
            found.add(("moved", code, " ".join(sorted(lost)), " ".join(sorted(gained))))
    return found


def fast(old: Ontology, new: Ontology) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for change, code, was, now in changes(old, new).select("change", "code", "old", "new").iter_rows():
        if change == "renamed":
            found.add((change, code, was, now))
        elif change in ("term gained", "term lost"):
            found.add((change, code, now if change == "term gained" else was))
        elif change == "moved":
            sides = (" ".join(part.split()[0] for part in (side or "").split("; ") if part) for side in (was, now))
            found.add((change, code, *sides))
        else:
            found.add((change, code))
    return found


@settings(max_examples=40, deadline=None)
@given(old=releases(), new=releases())
def test_changes_are_those_of_plain_sets(old: Ontology, new: Ontology) -> None:
    assert fast(old, new) == slow(old, new)
    assert changes(old, old).height == 0


def test_a_release_in_its_real_format_against_itself_a_year_earlier() -> None:
    old, new = load_ontology(RF2, at="20240101"), load_ontology(RF2)
    assert fast(old, new) == slow(old, new)
    retired = changes(old, new).filter(change="retired")
    assert set(retired["reason"].drop_nulls()) <= {
        "same as",
        "replaced by",
        "possibly equivalent to",
        "was a",
        "retired",
    }
    assert retired.height


def test_releases_of_different_systems_are_not_compared() -> None:
    with pytest.raises(InputError, match="different systems"):
        changes(load_ontology(RF2), release({"a": ("a", True, [])}, []))


OLD = release(
    {
        "A": ("velmora disease", True, ["coastal fever"]),
        "B": ("lumenel ache", True, []),
        "C": ("brindle rash", True, []),
        "D": ("tarsic gout", True, []),
    },
    [],
)
NEW = release(
    {
        "A": ("velmora disease", True, []),
        "A1": ("acute velmora disease", True, []),
        "C": ("brindle rash", True, ["brindled skin"]),
        "D": ("tarsic gout", True, []),
    },
    [("A", "A1")],
    version="2",
)
TEXT = "Coastal fever. Lumenel ache. Acute velmora disease. Brindled skin. Tarsic gout."


def test_notes_say_what_changes_and_why() -> None:
    notes = pl.DataFrame({"note_id": ["n"], "text": [TEXT]})
    found = [ConceptMapper.load(build_index(one, None), encoder=None).annotate_many(notes) for one in (OLD, NEW)]
    (before, after) = ((results.mentions, results.codes) for results in found)
    rows = note_changes(before, after, changes(OLD, NEW), OLD, NEW)
    why = {(row["change"], row["old_code"], row["new_code"]): row["reason"] for row in rows.to_dicts()}
    assert why["mention lost", "A", None] == "term lost: coastal fever"
    assert why["mention lost", "B", None] == "concept retired, no longer in the release"
    assert why["mention gained", None, "C"] == "term gained: brindled skin"
    assert why["code lost", "B", None] == "concept retired, no longer in the release"
    assert why["code gained", None, "A1"] == "new concept"
    assert not [key for key in why if "D" in key]
    for row in rows.drop_nulls("start_char").to_dicts():
        assert TEXT[row["start_char"] : row["end_char"]] == row["text"]


def test_a_finer_code_is_said_to_be_one() -> None:
    mentions = {"note_id": "n", "start_char": 0, "end_char": 7, "text": "velmora", "rank": 1}
    frames = [pl.DataFrame([{**mentions, "code": code, "name": "x"}]) for code in ("A", "A1")]
    none = pl.DataFrame(schema={"note_id": pl.String, "code": pl.String, "name": pl.String})
    rows = note_changes((frames[0], none), (frames[1], none), changes(OLD, NEW), OLD, NEW)
    assert rows.select("change", "reason").rows() == [("another code", "new specific code below A")]


def test_the_command_writes_tables_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text("note_id,text\nn1,Acute velmora disease & <b>coastal</b> fever.\n")
    old = tmp_path / "old"
    assert main(["build", str(RF2), "--at", "20240101", "-o", str(old), "--encoder", "none"]) == 0
    out, table, page = tmp_path / "out.csv", tmp_path / "notes-out.csv", tmp_path / "page.html"
    command = ["diff", str(old), str(RF2), "--notes", str(notes), "--notes-table", str(table), "--html", str(page)]
    assert main([*command, "-o", str(out)]) == 0
    rows = pl.read_csv(out, infer_schema=False)
    assert {"retired", "added"} & set(rows["change"])
    assert pl.read_csv(table, infer_schema=False).columns[:3] == ["change", "note_id", "start_char"]
    text = page.read_text()
    assert "<script" not in text
    assert "INT_20250101" in text
    assert "retired" in capsys.readouterr().err
    assert main(["diff", str(old), str(RF2), "--notes-table", str(table)]) == 2
