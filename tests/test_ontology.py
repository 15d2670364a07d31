from __future__ import annotations

import networkx as nx
import numpy as np
import oracles_ontology
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_ontologies import dags, ontology_of

from conceptmap.errors import InputError, UnknownCodeError
from conceptmap.ontology.dag import Dag
from conceptmap.ontology.ontology import Ontology

DIAMOND = [("top", "left"), ("top", "right"), ("left", "bottom"), ("right", "bottom"), ("bottom", "leaf")]


@pytest.fixture
def diamond() -> Ontology:
    return ontology_of(DIAMOND, extra=("island",))


def test_hierarchy_answers_are_frozen_sets_of_nodes(diamond: Ontology) -> None:
    assert diamond.parents("bottom") == {"left", "right"}
    assert diamond.children("top") == {"left", "right"}
    assert diamond.ancestors("leaf") == {"bottom", "left", "right", "top"}
    assert diamond.descendants("left") == {"bottom", "leaf"}
    assert diamond.ancestors("island") == diamond.descendants("leaf") == frozenset()
    for answer in (diamond.parents("leaf"), diamond.children("top"), diamond.ancestors("leaf")):
        assert isinstance(answer, frozenset)


def test_is_a_depth_and_lowest_common_ancestors(diamond: Ontology) -> None:
    assert diamond.is_a("leaf", "top")
    assert diamond.is_a("leaf", "leaf")
    assert not diamond.is_a("left", "right")
    assert [diamond.depth(node) for node in ("top", "left", "leaf", "island")] == [0, 1, 3, 0]
    assert diamond.lowest_common_ancestors("left", "right") == {"top"}
    assert diamond.lowest_common_ancestors("leaf", "right") == {"right"}
    assert diamond.lowest_common_ancestors("leaf", "island") == frozenset()
    assert diamond.lowest_common_ancestors("leaf") == {"leaf"}
    with pytest.raises(InputError, match="no codes"):
        diamond.lowest_common_ancestors()


def test_two_concepts_can_have_two_lowest_common_ancestors() -> None:
    crossed = ontology_of([("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("root", "a"), ("root", "b")])
    assert crossed.lowest_common_ancestors("x", "y") == {"a", "b"}


def test_the_graph_is_frozen_directed_downwards_and_built_once(diamond: Ontology) -> None:
    assert set(diamond.graph.edges) == set(DIAMOND)
    assert set(diamond.graph.nodes) == set(diamond.nodes)
    assert diamond.graph is diamond.graph
    with pytest.raises(nx.NetworkXError):
        diamond.graph.add_edge("leaf", "top")


@given(dags())
def test_ancestors_and_depths_agree_with_the_oracle_and_networkx(edges: list[tuple[str, str]]) -> None:
    ontology = ontology_of(edges, extra=("n0",))
    for node in ontology.nodes:
        assert ontology.ancestors(node) == oracles_ontology.ancestors(node, edges)
        assert ontology.descendants(node) == nx.descendants(ontology.graph, node)
        roots = [root for root in ontology.nodes if not ontology.parents(root)]
        paths = [nx.shortest_path_length(ontology.graph, r, node) for r in roots if ontology.is_a(node, r)]
        assert ontology.depth(node) == min(paths)
        assert ontology.dag.levels[ontology.positions[node]] == max(
            (len(path) - 1 for r in roots for path in nx.all_simple_paths(ontology.graph, r, node)), default=0
        )


@given(dags(), st.data())
def test_lowest_common_ancestors_subsume_all_and_no_other(edges: list[tuple[str, str]], data: st.DataObject) -> None:
    ontology = ontology_of(edges, extra=("n0",))
    codes = data.draw(st.lists(st.sampled_from(ontology.nodes), min_size=1, max_size=3))
    common = [node for node in ontology.nodes if all(ontology.is_a(code, node) for code in codes)]
    lowest = {node for node in common if not any(ontology.is_a(o, node) for o in common if o != node)}
    assert ontology.lowest_common_ancestors(*codes) == lowest


# -- codes ------------------------------------------------------------------------------------------------------------


def icd(**more: object) -> Ontology:
    concepts = pl.DataFrame(
        {
            "node": ["block:B20", "B20", "S10", "S10.XXXA", "E11.9"],
            "code": ["B20", "B20", "S10", "S10.XXXA", "E11.9"],
            "kind": ["block", "category", "category", "code", "code"],
            "name": ["Block", "Sound fever", "Glass", "Glass, first", "Old"],
            "active": [True, True, True, True, False],
            "billable": [None, True, False, True, False],
            "expanded": [False, False, False, True, False],
            "replaced_by": [[], [], [], [], ["B20", "gone", "E11.9"]],
        }
        | more
    )
    terms = concepts.filter("active").select("node", "code", term="name", kind=pl.lit("preferred"))
    edges = pl.DataFrame({"parent": ["block:B20", "S10"], "child": ["B20", "S10.XXXA"]})
    return Ontology("icd10cm", "2099", concepts, terms, edges)


def test_a_code_is_found_in_other_spellings_and_by_kind() -> None:
    ontology = icd()
    assert ontology.node("b20") == "B20"
    assert ontology.node("B20", kind="block") == "block:B20"
    assert ontology.node("block:B20") == "block:B20"
    assert ontology.node("s10xxxa") == "S10.XXXA"
    assert ontology.name("B20") == "Sound fever"
    assert ontology.name("block:B20") == "Block"
    with pytest.raises(UnknownCodeError, match="no such chapter"):
        ontology.node("B20", kind="chapter")


def test_an_obo_alternative_id_means_the_concept() -> None:
    ontology = icd(alt_ids=[[], ["OLD:1", "OLD:2"], [], [], []])
    assert ontology.node("OLD:2") == "B20"
    assert ontology.name("OLD:1") == "Sound fever"


def test_unknown_codes_get_close_suggestions() -> None:
    with pytest.raises(UnknownCodeError, match=r"no such concept in icd10cm 2099: got E11\.8; did you mean E11\.9"):
        icd().parents("E11.8")
    with pytest.raises(UnknownCodeError, match=r"got 1 that looks like no code$"):
        icd().is_a("B20", "zzzzzz")


def test_current_follows_replacements_to_active_concepts() -> None:
    ontology = icd()
    assert ontology.current("B20") == {"B20"}
    assert ontology.current("E11.9") == {"B20"}
    assert ontology_of(DIAMOND, inactive=("leaf",)).current("leaf") == frozenset()


def test_expansions_are_told_apart() -> None:
    assert [icd().is_expanded(code) for code in ("S10", "S10.XXXA")] == [False, True]
    assert not ontology_of(DIAMOND).is_expanded("leaf")


# -- more terms -------------------------------------------------------------------------------------------------------


def test_with_terms_adds_each_new_term_once() -> None:
    ontology = icd()
    extra = pl.DataFrame({"code": ["b20", "B20", "S10"], "term": [" Hum ", "Hum", "Glass"], "weight": [1, 2, 3]})
    more = ontology.with_terms(extra)
    assert more.terms.filter(pl.col("term") == "Hum").rows(named=True) == [
        {"node": "B20", "code": "B20", "term": "Hum", "kind": "synonym", "weight": 1}
    ]
    assert more.terms.height == ontology.terms.height + 1  # "Glass" was there
    assert ontology.terms.filter(pl.col("term") == "Hum").is_empty()


def test_with_terms_refuses_what_it_cannot_place() -> None:
    ontology = icd()
    with pytest.raises(InputError, match="lack columns: got 1 column, expected term"):
        ontology.with_terms(pl.DataFrame({"code": ["B20"]}))
    with pytest.raises(UnknownCodeError, match=r"2 codes are not in icd10cm 2099: got X99, Y99"):
        ontology.with_terms(pl.DataFrame({"code": ["B20", "X99", "Y99"], "term": ["a", "b", "c"]}))
    for term in ("", "  ", None):
        with pytest.raises(InputError, match="an empty code, term or kind"):
            ontology.with_terms(pl.DataFrame({"code": ["B20"], "term": [term]}, schema_overrides={"term": pl.String}))


# -- construction -----------------------------------------------------------------------------------------------------


def test_cycles_are_named_five_and_counted() -> None:
    rings = [(f"r{ring}-{i}", f"r{ring}-{(i + 1) % 3}") for ring in range(7) for i in range(3)]
    with pytest.raises(InputError, match=r"may not be its own ancestor: got 7 cycles, the first 5 are r0-0 → r0-1 →"):
        ontology_of([*rings, ("r0-0", "below")])
    with pytest.raises(InputError, match="got 1 cycles, the first 1 are self → self"):
        ontology_of([("self", "self")])


def test_frames_are_checked_once_at_construction() -> None:
    good = ontology_of(DIAMOND)
    parts = {name: getattr(good, name) for name in ("system", "release", "concepts", "terms", "edges")}

    def broken(**changed: object) -> None:
        Ontology(**(parts | changed))

    broken()
    with pytest.raises(InputError, match="the terms frame lacks kind"):
        broken(terms=good.terms.drop("kind"))
    with pytest.raises(InputError, match="the remarks frame lacks node, kind, text"):
        broken(remarks=pl.DataFrame({"code": ["leaf"]}))
    with pytest.raises(InputError, match="the ontology has no concepts"):
        broken(concepts=good.concepts.clear())
    with pytest.raises(InputError, match="1 nodes stand on several rows of concepts: got leaf"):
        broken(concepts=pl.concat([good.concepts, good.concepts.filter(pl.col("node") == "leaf")]))
    with pytest.raises(InputError, match="1 edges have a parent that is no concept: got nowhere"):
        broken(edges=pl.concat([good.edges, pl.DataFrame({"parent": ["nowhere"], "child": ["leaf"]})]))
    with pytest.raises(InputError, match="1 edges have a child that is no concept: got None"):
        broken(edges=pl.concat([good.edges, pl.DataFrame({"parent": ["top"], "child": [None]}, good.edges.schema)]))
    with pytest.raises(InputError, match="2 edges stand on several rows"):
        broken(edges=pl.concat([good.edges, good.edges.head(1)]))
    with pytest.raises(InputError, match="1 terms belong to no concept: got lost"):
        broken(terms=pl.concat([good.terms, good.terms.head(1).with_columns(node=pl.lit("lost"))]))
    with pytest.raises(InputError, match="a concept lacks its node, code or name"):
        broken(concepts=good.concepts.with_columns(name=pl.lit(None, dtype=pl.String)))


def test_an_ontology_without_edges_is_fine() -> None:
    flat = ontology_of([], extra=("a", "b"))
    assert flat.ancestors("a") == frozenset()
    assert flat.dag.levels.tolist() == [0, 0]
    assert "2 concepts" in repr(flat)


def test_levels_mark_what_lies_on_or_below_a_cycle() -> None:
    dag = Dag(4, np.array([0, 1, 2, 1]), np.array([1, 2, 1, 3]))
    assert dag.levels.tolist() == [0, -1, -1, -1]
    assert dag.depths.tolist() == [0, 1, 2, 2]
