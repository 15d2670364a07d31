from __future__ import annotations

import polars as pl
import pytest
from invented import RF2, UMLS
from small_ontologies import ontology_of

from conceptmap.errors import InputError
from conceptmap.index.building import build_index
from conceptmap.index.lent_terms import lend_terms
from conceptmap.matching.lexicon import LENT
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers import load_ontology

EDGES = [("S1", "A"), ("A", "A.1"), ("A", "A.2"), ("S1", "B"), ("S1", "C")]


@pytest.fixture
def codes() -> Ontology:
    """A shelf, and codes with names of their own; ``old`` was replaced by ``C``."""
    small = ontology_of(EDGES, extra=("old",), inactive=("old",))
    heirs = {"old": ["C"]}
    concepts = small.concepts.with_columns(
        kind=pl.when(pl.col("node") == "S1").then(pl.lit("block")).otherwise(pl.lit("code")),
        replaced_by=pl.col("node").replace_strict(heirs, default=[], return_dtype=pl.List(pl.String)),
    )
    more = pl.DataFrame({"node": "B", "code": "B", "term": "Blue fever", "kind": "synonym"})
    return Ontology("test", "2099", concepts, pl.concat([small.terms, more]), small.edges)


def lender(maps: list[tuple[str, str, str]], terms: list[tuple[str, str, str | None]]) -> Ontology:
    """Concepts with these references to codes, and these terms with their scope; the first term is the name."""
    names = {node: term for node, term, _ in reversed(terms)}
    concepts = pl.DataFrame({"node": list(names), "code": list(names), "name": list(names.values())}).with_columns(
        kind=pl.lit("concept"), active=pl.lit(True), billable=pl.lit(None, dtype=pl.Boolean)
    )
    rows = [(node, node, term, "synonym" if scope else "preferred", scope) for node, term, scope in terms]
    frame = pl.DataFrame(rows, schema=["node", "code", "term", "kind", "scope"], orient="row")
    edges = pl.DataFrame(schema={"parent": pl.String, "child": pl.String})
    to = [(node, "test", code, relation) for node, code, relation in maps]
    joined = pl.DataFrame(to, schema=["code", "target_system", "target_code", "relation"], orient="row")
    return Ontology("lender", "1", concepts, frame, edges, joined)


def lent(maps: list[tuple[str, str, str]], terms: list[tuple[str, str, str | None]], codes: Ontology) -> set[object]:
    return set(lend_terms(lender(maps, terms), codes).terms.select("code", "term").iter_rows())


def test_names_and_exact_synonyms_are_lent_over_references_of_one_meaning(codes: Ontology) -> None:
    terms = [("1", "sky fever", None), ("1", "azure fever", "EXACT"), ("1", "fever", "RELATED"), ("2", "red eye", None)]
    maps = [("1", "B", "xref"), ("2", "old", "exactMatch")]
    assert lent(maps, terms, codes) == {("B", "sky fever"), ("B", "azure fever"), ("C", "red eye")}
    assert lent([("1", "B", "broadMatch"), ("2", "C", "xref")], terms, codes) == {("C", "red eye")}


def test_of_several_codes_the_one_above_the_others_gets_the_terms(codes: Ontology) -> None:
    terms: list[tuple[str, str, str | None]] = [
        ("1", "sky fever", None),
        ("2", "red eye", None),
        ("3", "a shelf", None),
    ]
    maps = [("1", "A.1", "xref"), ("1", "A", "xref"), ("2", "A.1", "xref"), ("2", "B", "xref"), ("3", "S1", "xref")]
    found = lend_terms(lender([*maps, ("1", "gone", "xref")], terms), codes)
    assert found.terms.select("code", "term", "kind").rows() == [("A", "sky fever", LENT)]
    assert (found.concepts, {what: n for what, n in found.left_out.items() if n}) == (
        1,
        {
            "references to codes that the release does not hold": 1,
            "concepts that refer to codes of several meanings": 1,
            "concepts that refer to a chapter or block": 1,
        },
    )


def test_what_could_mean_something_else_is_not_lent(codes: Ontology) -> None:
    terms: list[tuple[str, str, str | None]] = [
        ("1", "sky fever", None),
        ("1", "BLUE FEVER", "EXACT"),  # the release's own
        ("1", "SF", "EXACT"),
        ("1", "SkyF", "EXACT"),
        ("1", "Pale fever", "EXACT"),  # the other's too
        ("2", "hard palate cancer", None),
        ("2", "Hard palate", "EXACT"),
        ("2", "hard palate carcinoma (disorder)", "EXACT"),
        ("3", "pale fever", None),
    ]
    expected = {("A", "sky fever"), ("C", "hard palate cancer"), ("C", "hard palate carcinoma")}
    maps = [("1", "A", "xref"), ("2", "C", "xref"), ("3", "B", "xref")]
    assert lent(maps, terms, codes) == expected


def test_a_lender_without_references_to_the_system_is_refused(codes: Ontology) -> None:
    with pytest.raises(InputError, match="lender 1 lends no terms: got none, expected cross-references to test"):
        lend_terms(lender([], [("1", "x", None)]), codes)


def test_own_wordings_win_over_lent_ones(codes: Ontology) -> None:
    terms: list[tuple[str, str, str | None]] = [("1", "fever, blue", None), ("1", "sky fever", "EXACT")]
    found = lend_terms(lender([("1", "A", "xref")], terms), codes).terms
    index = build_index(codes, None, synonyms=found)
    assert index.lexicon is not None
    places = {
        forms: index.concepts["code"][concept] for forms, concept in index.lexicon.select("forms", "concept").rows()
    }
    assert places["sky fever"] == "A"
    assert [place for forms, place in places.items() if set(forms.split()) == {"blue", "fever"}] == ["B"]


def test_the_umls_lends_over_the_codes_of_its_sources() -> None:
    found = lend_terms(load_ontology(UMLS), load_ontology(RF2)).terms
    assert ("10049999999101", "Disease, Velmora") in found.select("code", "term").rows()
    assert found["source"].unique().to_list() == ["umls 2025AA"]
