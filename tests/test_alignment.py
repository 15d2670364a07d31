from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from small_mapper import index
from small_ontologies import ontology_of

from conceptmap.errors import InputError
from conceptmap.index.building import build_index
from conceptmap.linking.alignment import align
from conceptmap.mapper import ConceptMapper
from conceptmap.ontology.crosswalk import Crosswalk
from conceptmap.ontology.ontology import Ontology

MENTIONS = ["note_id", "mention_id", "start_char", "end_char", "text", "rank", "system", "code", "name", "score"]


def named(system: str, edges: list[tuple[str, str]], maps: list[tuple[str, str, str, str | None]]) -> Ontology:
    """An ontology of that system with maps: code, target system, target code, relation."""
    small = ontology_of(edges)
    columns = ["code", "target_system", "target_code", "relation"]
    frame = pl.DataFrame(maps, schema=dict.fromkeys(columns, pl.String), orient="row")
    return Ontology(system, "2099", small.concepts, small.terms, small.edges, frame)


#  a:  root - A - A1 - A11      b:  root - B - B1, B2
A = [("root", "A"), ("A", "A1"), ("A1", "A11"), ("root", "Z"), ("root", "Q")]
B = [("root", "B"), ("B", "B1"), ("B", "B2")]


@pytest.fixture
def walk() -> Crosswalk:
    a = named("a", A, [("A1", "b", "B1", "xref"), ("A", "m", "M7", None), ("Z", "b", "B2", "broadMatch")])
    b = named("b", B, [("B2", "m", "M7", "xref"), ("B2", "b", "B1", "replaced_by"), ("B1", "a", "A?", "map")])
    return Crosswalk({"a": a, "b": b})


@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        ("A1", "B1", "same"),
        ("A", "B2", "same"),  # both are the third system's M7
        ("A", "B1", "same"),  # "A?" is A with something to be chosen
        ("A1", "B", "near"),
        ("A11", "B1", "near"),  # B1 leads to A1, which is above A11
        ("A1", "root", "differ"),  # everything lies below a root
        ("A1", "B2", "near"),  # B2 leads to A, which is above A1
        ("Q", "B1", "differ"),
        ("Z", "B", None),  # a broader meaning is no map
        ("Z", None, None),
    ],
)
def test_agreement_follows_the_maps(walk: Crosswalk, one: str, two: str | None, said: str | None) -> None:
    pairs = pl.DataFrame({"a": [one], "b": [two]}, schema={"a": pl.String, "b": pl.String})
    assert walk.agreement(pairs, "a", "b").to_list() == [said]
    assert walk.agreement(pairs, "b", "a").to_list() == [said]


def test_mentions_stand_side_by_side_by_their_spans(walk: Crosswalk) -> None:
    rows = [
        ("n2", "m1", 0, 9, "long span", 1, "a", "A1", "A one", 0.9),
        ("n2", "m1", 0, 9, "long span", 2, "a", "Q", "Q", 0.8),
        ("n2", "m2", 5, 9, "span", 1, "b", "B1", "B one", 0.7),
        ("n2", "m3", 20, 24, "word", 1, "b", "B", "B", 0.6),
        ("n2", "m4", 30, 34, "mute", 0, "b", None, None, 0.1),
        ("n1", "m1", 0, 4, "both", 1, "a", "Q", "Q", 0.5),
        ("n1", "m1", 0, 4, "both", 1, "b", "B1", "B one", 0.5),
    ]
    aligned = align(pl.DataFrame(rows, schema=MENTIONS, orient="row"), walk)
    shown = ["note_id", "mention_id", "a", "a_mention_id", "b", "b_name", "b_mention_id", "agreement_a_b"]
    assert aligned.select(shown).rows() == [
        ("n2", "m1", "A1", "m1", "B1", "B one", "m2", "same"),
        ("n2", "m2", "A1", "m1", "B1", "B one", "m2", "same"),
        ("n2", "m3", None, None, "B", "B", "m3", None),
        ("n2", "m4", None, None, None, None, None, None),
        ("n1", "m1", "Q", "m1", "B1", "B one", "m1", "differ"),
    ]
    assert aligned.columns[:5] == ["note_id", "mention_id", "start_char", "end_char", "text"]
    assert align(pl.DataFrame(rows, schema=MENTIONS, orient="row"), walk, ["b"]).columns[5:] == [
        "b",
        "b_name",
        "b_score",
        "b_mention_id",
    ]


def test_of_overlapping_mentions_the_one_that_shares_most_stands_beside(walk: Crosswalk) -> None:
    rows = [
        ("n", "m1", 0, 10, "ten", 1, "a", "A1", "A one", 0.9),
        ("n", "m2", 0, 4, "few", 1, "b", "B1", "B one", 0.7),
        ("n", "m3", 4, 10, "more", 1, "b", "B2", "B two", 0.7),
    ]
    aligned = align(pl.DataFrame(rows, schema=MENTIONS, orient="row"), walk)
    assert aligned.select("mention_id", "b_mention_id").rows() == [("m2", "m2"), ("m1", "m3"), ("m3", "m3")]


def test_tokens_stand_side_by_side(walk: Crosswalk) -> None:
    columns = [name.replace("mention_id", "token_index") for name in MENTIONS]
    rows = [
        ("n", 0, 0, 2, "ab", 1, "a", "A1", "A one", 0.9),
        ("n", 0, 0, 2, "ab", 2, "a", "A", "A", 0.8),
        ("n", 1, 2, 4, "cd", 1, "a", None, None, 0.2),
        ("n", 0, 0, 2, "ab", 1, "b", "B1", "B one", 0.9),
        ("n", 1, 2, 4, "cd", 1, "b", "B2", "B two", 0.9),
    ]
    aligned = align(pl.DataFrame(rows, schema=columns, orient="row"), walk)
    shown = aligned.select("token_index", "a", "b", "b_score", "agreement_a_b").rows()
    assert shown == [(0, "A1", "B1", 0.9, "same"), (1, None, "B2", 0.9, None)]


def test_what_cannot_be_aligned_is_refused(walk: Crosswalk) -> None:
    with pytest.raises(InputError, match="a table to align lacks columns: got 1 column"):
        align(pl.DataFrame({"note_id": []}), walk)
    numbers = {"start_char": pl.Int64, "end_char": pl.Int64, "rank": pl.Int64, "score": pl.Float32}
    empty = pl.DataFrame(schema={**dict.fromkeys(MENTIONS, pl.String), **numbers})
    with pytest.raises(InputError, match="got c, expected a, b"):
        align(empty, walk, ["a", "c"])
    assert align(empty, walk).height == 0


def test_a_mapper_aligns_what_it_found(tmp_path: Path) -> None:
    other = named("other", [("t", "F1"), ("t", "H1")], [("F1", "test", "R50.9", "xref")])
    terms = pl.DataFrame({"code": ["F1", "H1"], "term": ["fever", "high blood pressure"]})
    mapper = ConceptMapper.load(index(), build_index(other, None, synonyms=terms), encoder=None)
    note = mapper.annotate("Fever and high blood pressure.")
    aligned = mapper.align(note.mentions)
    assert aligned.select("text", "test", "other", "agreement_test_other").rows() == [
        ("Fever", "R50.9", "F1", "same"),
        ("high blood pressure", "I10", "H1", None),
    ]
