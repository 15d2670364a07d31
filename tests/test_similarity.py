"""Similarity on the hierarchy: held against networkx on random DAGs, and nxontology's figures on its own example."""

from __future__ import annotations

from itertools import product
from math import isclose, log
from typing import Any

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_ontologies import Edge, dags, ontology_of

from conceptmap.errors import InputError, UnknownCodeError
from conceptmap.evaluation.codes import score_codes
from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.similarity import MEASURES, Measure, Similarity, information_content

METAL = [
    ("metal", "precious"), ("metal", "coinage"), ("precious", "platinum"), ("precious", "palladium"),
    ("precious", "gold"), ("precious", "silver"), ("coinage", "gold"), ("coinage", "silver"), ("coinage", "copper"),
]  # fmt: skip
"""The ontology that nxontology shows itself on: figure 1 of "Semantic Similarity Definition", Encyclopedia of
Bioinformatics and Computational Biology."""

# nxontology 0.5.0: resnik, lin, batet with intrinsic_ic, then resnik and lin with intrinsic_ic_sanchez
FIGURES = {
    ("metal", "gold"): (0.0, 0.0, 0.25, 0.0, 0.0),
    ("metal", "metal"): (0.0, 1.0, 1.0, 0.0, 1.0),
    ("gold", "gold"): (2.079442, 1.0, 1.0, 1.568616, 1.0),
    ("gold", "copper"): (0.693147, 0.333333, 0.4, 0.875469, 0.569838),
    ("gold", "precious"): (0.470004, 0.368711, 0.5, 0.693147, 0.612926),
    ("silver", "gold"): (0.693147, 0.333333, 0.6, 0.875469, 0.558115),
    ("copper", "precious"): (0.0, 0.0, 0.25, 0.0, 0.0),
    ("palladium", "gold"): (0.470004, 0.226024, 0.4, 0.693147, 0.451166),
    ("palladium", "copper"): (0.0, 0.0, 0.2, 0.0, 0.0),
    ("coinage", "copper"): (0.693147, 0.5, 0.666667, 0.875469, 0.735828),
    ("coinage", "precious"): (0.0, 0.0, 0.333333, 0.0, 0.0),
}


@pytest.fixture(scope="module")
def metal() -> Ontology:
    return ontology_of(METAL)


def test_figures_are_nxontologys_own(metal: Ontology) -> None:
    codes, others = zip(*FIGURES, strict=True)
    intrinsic, sanchez = Similarity.of(metal), Similarity.of(metal, "sanchez")
    asked: list[tuple[Similarity, Measure]] = [
        (intrinsic, "resnik"), (intrinsic, "lin"), (intrinsic, "ancestors"), (sanchez, "resnik"), (sanchez, "lin"),
    ]  # fmt: skip
    for at, (similarity, measure) in enumerate(asked):
        expected = [row[at] for row in FIGURES.values()]
        np.testing.assert_allclose(similarity.pairs(codes, others, measure=measure), expected, atol=5e-7)


def test_nxontology_agrees_where_it_is_installed(metal: Ontology) -> None:
    nxontology = pytest.importorskip("nxontology")
    nxo: Any = nxontology.NXOntology()
    nxo.graph.add_edges_from(METAL)
    nxo.freeze()
    pairs = list(product(sorted(nxo.graph), repeat=2))
    codes, others = zip(*pairs, strict=True)
    for ic, named in (("intrinsic", "intrinsic_ic"), ("sanchez", "intrinsic_ic_sanchez")):
        found = [nxo.similarity(*pair, ic_metric=named) for pair in pairs]
        similarity = Similarity.of(metal, ic)
        named_so: dict[Measure, str] = {"resnik": "resnik", "lin": "lin", "ancestors": "batet"}
        for measure, name in named_so.items():
            expected = np.array([float(getattr(one, name)) for one in found])
            np.testing.assert_allclose(similarity.pairs(codes, others, measure=measure), expected, atol=1e-12)


def slow(graph: nx.DiGraph, one: str, two: str, ic: dict[str, float], measure: str) -> float:
    """One pair, by networkx."""
    above = [nx.ancestors(graph, node) | {node} for node in (one, two)]
    common = above[0] & above[1]
    if not common:
        return 0.0
    ways = {node: sum(nx.shortest_path_length(graph, node, end) for end in (one, two)) for node in common}
    if measure == "path":
        return float(1 / (1 + min(ways.values())))
    if measure == "wu_palmer":
        roots = [node for node in graph if not graph.in_degree(node)]
        deep = {
            node: 1
            + min(nx.shortest_path_length(graph, root, node) for root in roots if nx.has_path(graph, root, node))
            for node in common
        }
        return float(max(2 * deep[node] / (ways[node] + 2 * deep[node]) for node in common))
    if measure == "ancestors":
        return len(common) / len(above[0] | above[1])
    shared = max(ic[node] for node in common)
    if measure == "resnik":
        return shared
    own = ic[one] + ic[two]
    return 2 * shared / own if own > 0 else 1.0


def graph_of(ontology: Ontology) -> nx.DiGraph:
    return ontology.graph


@settings(max_examples=30, deadline=None)
@given(edges=dags(8), counts=st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_pairs_are_those_of_networkx(edges: list[Edge], counts: list[int]) -> None:
    ontology = ontology_of(edges, extra=["n0"])
    graph, nodes = graph_of(ontology), list(ontology.nodes)
    pairs = list(product(nodes, repeat=2))
    codes, others = zip(*pairs, strict=True)
    corpus = pl.DataFrame({"code": nodes, "count": counts[: len(nodes)]})
    kinds: list[str | pl.DataFrame] = ["intrinsic", "sanchez"]
    kinds += [corpus] if corpus["count"].sum() else []
    for kind in kinds:
        similarity = Similarity.of(ontology, kind)
        ic = dict(zip(nodes, similarity.ic, strict=True))
        for node in nodes:
            assert isclose(ic[node], slow_ic(graph, node, kind), abs_tol=1e-12), (node, kind)
        for measure in MEASURES:
            found = similarity.pairs(codes, others, measure=measure)
            expected = [slow(graph, one, two, ic, measure) for one, two in pairs]
            np.testing.assert_allclose(found, expected, atol=1e-12, err_msg=measure)


def slow_ic(graph: nx.DiGraph, node: str, kind: str | pl.DataFrame) -> float:
    below = nx.descendants(graph, node) | {node}
    if isinstance(kind, pl.DataFrame):
        seen = dict(kind.iter_rows())
        total = sum(seen.values())
        reached = sum(seen[one] for one in below)
        return -log(reached / total) if reached else -log(1 / (total + 1))
    if kind == "intrinsic":
        return log(len(graph)) - log(len(below))
    leaves = {one for one in graph if not graph.out_degree(one)}
    return abs(log((len(leaves & below) / (len(nx.ancestors(graph, node)) + 1) + 1) / (len(leaves) + 1)))


def test_sets_are_the_mean_of_best_matches(metal: Ontology) -> None:
    similarity = Similarity.of(metal)
    left, right = [["gold", "copper"], ["gold"], [], []], [["silver"], ["gold", "gold"], [], ["gold"]]
    one, two = similarity.pairs(["gold", "copper"], ["silver", "silver"])
    found = similarity.sets(left, right)
    np.testing.assert_allclose(found, [((one + two) / 2 + max(one, two)) / 2, 1.0, 1.0, 0.0])
    jaccard = similarity.ancestor_sets(left, right)
    # gold, copper, precious, coinage, metal against silver, precious, coinage, metal
    np.testing.assert_allclose(jaccard, [3 / 6, 1.0, 1.0, 0.0])


def test_chunks_change_nothing(metal: Ontology, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = list(product(metal.nodes, repeat=2))
    codes, others = zip(*pairs, strict=True)
    similarity = Similarity.of(metal)
    whole = similarity.pairs(codes, others)
    monkeypatch.setattr("conceptmap.ontology.similarity._PAIRS", 7)
    np.testing.assert_array_equal(similarity.pairs(codes, others), whole)


def test_what_cannot_be_compared_is_said(metal: Ontology) -> None:
    similarity = Similarity.of(metal)
    with pytest.raises(InputError, match="no such measure"):
        similarity.pairs(["gold"], ["gold"], measure="cosine")  # type: ignore[arg-type]
    with pytest.raises(UnknownCodeError):
        similarity.pairs(["gold"], ["lead"])
    with pytest.raises(InputError, match="as many"):
        similarity.pairs(["gold"], [])
    with pytest.raises(InputError, match="corpus"):
        information_content(metal, pl.DataFrame({"code": ["lead"]}))
    with pytest.raises(InputError, match="information content"):
        information_content(metal, "zhou")


def test_evaluation_gives_partial_credit() -> None:
    metal = ontology_of([(up.upper(), down.upper()) for up, down in METAL])
    gold = pl.DataFrame({"note_id": ["1", "1", "2"], "code": ["GOLD", "COPPER", "PLATINUM"]})
    predicted = pl.DataFrame({"note_id": ["1", "2", "2"], "code": ["SILVER", "PLATINUM", "LEAD"]})
    scores = score_codes(gold, predicted, ontology=metal)["similar"]
    silver = Similarity.of(metal).pairs(["SILVER", "SILVER"], ["GOLD", "COPPER"])
    assert isclose(scores["precision"], (max(silver) + 1 + 0) / 3)
    assert isclose(scores["recall"], (sum(silver) + 1) / 3)
    assert isclose(scores["best-match average"], ((sum(silver) / 2 + max(silver)) / 2 + (1 + 0.5) / 2) / 2)
    assert isclose(scores["shared ancestors"], (2 / 5 + 2 / 3) / 2), "what is above everything says nothing"
    assert score_codes(gold, predicted.clear(), ontology=metal)["similar"]["recall"] == 0
