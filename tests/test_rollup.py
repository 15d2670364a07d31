from __future__ import annotations

import math
from typing import Literal

import numpy as np
import oracles_ontology
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from small_ontologies import Edge, dags, ontology_of

from conceptmap.errors import InputError, UnknownCodeError
from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.rollup import best_cut, closure, roll_up, roll_up_frame, roll_up_scores

#        t1      t2
#       /  \    /
#      a    t3 b
#       \  /  /
#        leaf        lone
EDGES = [("t1", "a"), ("t1", "t3"), ("t2", "b"), ("a", "leaf"), ("t3", "leaf"), ("b", "leaf")]


@pytest.fixture
def small() -> Ontology:
    return ontology_of(EDGES, extra=("lone",))


def test_nearest_targets_do_not_subsume_each_other(small: Ontology) -> None:
    assert roll_up(["leaf", "a", "t3", "lone", "leaf"], small, to="target") == [
        {"t3", "t2"},
        {"t1"},
        {"t3"},
        frozenset(),
        {"t3", "t2"},
    ]


def test_every_way_to_name_targets(small: Ontology) -> None:
    assert roll_up(["leaf"], small, to=["t1", "a"]) == [{"a"}]
    assert roll_up(["leaf"], small, to="depth:0") == [{"t1", "t2"}]
    assert roll_up(["leaf", "lone"], small, to="depth:1") == [{"a", "t3", "b"}, frozenset()]
    tagged = small.concepts.with_columns(semantic_tag=pl.lit("finding"))
    with_tags = Ontology("test", "2099", tagged, small.terms, small.edges)
    assert roll_up(["leaf"], with_tags, to="finding") == [{"leaf"}]


def test_targets_that_are_not_there_are_refused(small: Ontology) -> None:
    nothing: list[str | list[str]] = ["chapter", "depth:9", "depth:x", []]
    for to in nothing:
        with pytest.raises(InputError, match=r"no concept to roll up to: got .* depth:N, or one of .*target"):
            roll_up(["leaf"], small, to=to)
    with pytest.raises(UnknownCodeError, match="did you mean"):
        roll_up(["leaf"], small, to=["leave"])
    with pytest.raises(UnknownCodeError, match="2 codes are not in test 2099: got 2 that look like no code"):
        roll_up(["leaf", "x", "y"], small, to="target")
    with pytest.raises(InputError, match=r"expected \['leaf'\]"):
        roll_up("leaf", small, to="target")


def test_codes_that_are_no_texts_are_refused(small: Ontology) -> None:
    with pytest.raises(InputError, match="got int, expected str"):
        roll_up([22298006], small, to="target")  # type: ignore[list-item]
    with pytest.raises(InputError, match="a code is missing"):
        roll_up(["leaf", None], small, to="target")  # type: ignore[list-item]


def test_no_codes_give_no_sets(small: Ontology) -> None:
    assert roll_up([], small, to="target") == []


@given(dags())
def test_closure_agrees_with_the_oracle(edges: list[Edge]) -> None:
    ontology = ontology_of(edges, extra=("n0",))
    above = closure(ontology)
    for row, node in enumerate(ontology.nodes):
        found = [ontology.nodes[column] for column in above[[row]].indices]
        assert sorted(found) == sorted(oracles_ontology.ancestors(node, edges))
    assert above.dtype == np.bool_


@given(dags(), st.data())
def test_roll_up_agrees_with_the_oracle(edges: list[Edge], data: st.DataObject) -> None:
    ontology = ontology_of(edges, extra=("n0",))
    targets = data.draw(st.sets(st.sampled_from(ontology.nodes), min_size=1))
    codes = data.draw(st.lists(st.sampled_from(ontology.nodes), max_size=15))
    expected = [oracles_ontology.nearest(code, edges, targets) for code in codes]
    assert roll_up(codes, ontology, to=sorted(targets)) == expected


def test_many_codes_take_the_same_way_as_few(small: Ontology) -> None:
    """A look-up of many codes joins, one of few does not; see ``Ontology.rows_of``."""
    edges = [(f"n{number // 3}", f"n{number}") for number in range(1, 400)]
    wide = ontology_of(edges)
    assert roll_up(list(wide.nodes), wide, to=["n1", "n2", "n3", "n4"]) == [
        roll_up([node], wide, to=["n1", "n2", "n3", "n4"])[0] for node in wide.nodes
    ]


def replaced(small: Ontology, heirs: dict[str, list[str]]) -> Ontology:
    """The ontology with further, inactive concepts and what replaced them."""
    old = pl.DataFrame({"node": list(heirs), "code": list(heirs), "name": list(heirs)}).with_columns(
        kind=pl.lit("target"),
        active=pl.lit(False),
        billable=pl.lit(None, dtype=pl.Boolean),
        replaced_by=pl.Series(list(heirs.values()), dtype=pl.List(pl.String)),
    )
    none = pl.lit([], dtype=pl.List(pl.String))
    concepts = pl.concat([small.concepts.with_columns(replaced_by=none), old])
    return Ontology("test", "2099", concepts, small.terms, small.edges)


def test_old_codes_stand_for_what_replaced_them(small: Ontology) -> None:
    heirs = {"old": ["leaf"], "split": ["a", "b"], "gone": [], "lost": ["nowhere", "old"]}
    ontology = replaced(small, heirs)
    codes = ["old", "split", "gone", "lost", "leaf"]
    assert roll_up(codes, ontology, to="target") == [{"t3", "t2"}, {"t1", "t2"}, frozenset(), frozenset(), {"t3", "t2"}]
    assert roll_up(["leaf"], ontology, to=["split", "gone"]) == [{"a", "b"}]
    assert roll_up(["gone"], ontology, to=["gone"]) == [{"gone"}]  # nothing replaced it: it is itself still
    scores = roll_up_scores(pl.DataFrame({"code": ["split"], "score": [1.0]}), ontology, to=None)
    assert set(scores["node"]) == {"a", "b", "t1", "t2"}


def test_each_of_several_semantic_types_counts(small: Ontology) -> None:
    tags = {"a": "Sign; Finding", "t1": "Disease (rare)", "t2": "Findings"}
    tagged = small.concepts.with_columns(semantic_tag=pl.col("node").replace_strict(tags, default=None))
    ontology = Ontology("test", "2099", tagged, small.terms, small.edges)
    assert roll_up(["leaf", "t2"], ontology, to="Finding") == [{"a"}, frozenset()]
    assert roll_up(["leaf"], ontology, to="Sign") == [{"a"}]
    assert roll_up(["leaf"], ontology, to="Disease (rare)") == [{"t1"}]
    with pytest.raises(InputError, match="Finding"):
        roll_up(["leaf"], ontology, to="Finding; Sign")


# -- frames -----------------------------------------------------------------------------------------------------------


def test_frames_keep_their_rows_and_columns(small: Ontology) -> None:
    frame = pl.DataFrame({"x": [1, 2, 3, 4], "code": ["leaf", "lone", None, "a"]})
    rolled = roll_up_frame(frame, small, to="target")
    assert rolled.columns == ["x", "code", "rollup_code", "rollup_name"]
    assert rolled["rollup_code"].to_list() == ["t2|t3", None, None, "t1"]
    assert rolled["rollup_name"].to_list() == ["t2|t3", None, None, "t1"]
    apart = roll_up_frame(frame, small, to="target", explode=True)
    assert apart.select("x", "rollup_code").rows() == [(1, "t2"), (1, "t3"), (2, None), (3, None), (4, "t1")]
    assert_frame_equal(roll_up_frame(rolled, small, to="target"), rolled)  # a second time replaces
    nothing = roll_up_frame(frame.with_columns(code=pl.lit("lone")), small, to="target")
    assert nothing["rollup_code"].to_list() == [None] * 4


def test_a_frame_without_codes_stays_empty(small: Ontology) -> None:
    frame = pl.DataFrame({"code": []}, schema={"code": pl.String})
    assert roll_up_frame(frame, small, to="target").columns == ["code", "rollup_code", "rollup_name"]


def test_rollup_code_is_the_code_where_the_node_is_another() -> None:
    concepts = pl.DataFrame(
        {
            "node": ["block:B20", "B20"],
            "code": ["B20", "B20"],
            "kind": ["block", "category"],
            "name": ["Block", "Category"],
            "active": [True, True],
            "billable": [None, True],
        }
    )
    terms = concepts.select("node", "code", term="name", kind=pl.lit("preferred"))
    ontology = Ontology("icd10cm", "2099", concepts, terms, pl.DataFrame({"parent": ["block:B20"], "child": ["B20"]}))
    frame = roll_up_frame(pl.DataFrame({"code": ["B20"]}), ontology, to="block")
    assert frame.rows() == [("B20", "B20", "Block")]
    assert roll_up(["B20"], ontology, to="block") == [{"block:B20"}]


# -- scores -----------------------------------------------------------------------------------------------------------


def test_nothing_is_counted_twice(small: Ontology) -> None:
    frame = pl.DataFrame(
        {
            "code": ["leaf", "a", "t3", "leaf"],
            "score": [0.5, 0.25, 0.75, 0.125],
            "evidence": ["m1", "m1", "m2", "m3"],
        }
    )
    sums = roll_up_scores(frame, small, to=["t1", "t2"], how="sum")
    assert sums.select("node", "score", "n_evidence").rows() == [("t1", 0.5 + 0.75 + 0.125, 3), ("t2", 0.625, 2)]
    best = roll_up_scores(frame, small, to=["t1", "t2"])
    assert best.select("code", "name", "score").rows() == [("t1", "t1", 0.75), ("t2", "t2", 0.5)]


def test_rows_without_evidence_are_evidence_each(small: Ontology) -> None:
    frame = pl.DataFrame({"code": ["a", "a", None], "score": [0.5, 0.25, 1.0]})
    assert roll_up_scores(frame, small, to="target", how="sum")["score"].to_list() == [0.75]


def test_notes_are_kept_apart(small: Ontology) -> None:
    frame = pl.DataFrame({"note_id": ["n", "m", "m"], "code": ["a", "a", "b"], "score": [0.5, 0.75, 0.875]})
    rolled = roll_up_scores(frame, small, to="target", by=["note_id"])
    assert rolled.select("note_id", "node", "score").rows() == [("m", "t2", 0.875), ("m", "t1", 0.75), ("n", "t1", 0.5)]


def test_an_unknown_way_to_combine_is_refused(small: Ontology) -> None:
    frame = pl.DataFrame({"code": ["a"], "score": [0.5]})
    with pytest.raises(InputError, match="got 'mean', expected 'max' or 'sum'"):
        roll_up_scores(frame, small, to="target", how="mean")  # type: ignore[arg-type]


@given(dags(), st.data(), st.sampled_from(["max", "sum"]))
def test_scores_agree_with_the_oracle(edges: list[Edge], data: st.DataObject, how: Literal["max", "sum"]) -> None:
    ontology = ontology_of(edges, extra=("n0",))
    row = st.tuples(st.sampled_from(ontology.nodes), st.integers(1, 8).map(lambda n: n / 8), st.sampled_from("abc"))
    rows = data.draw(st.lists(row, min_size=1, max_size=6))
    frame = pl.DataFrame(rows, schema=["code", "score", "evidence"], orient="row")
    found = dict(roll_up_scores(frame, ontology, to=None, how=how).select("node", "score").iter_rows())
    expected = {node: oracles_ontology.support(rows, node, edges, how) for node in ontology.nodes}
    assert found == {node: score for node, score in expected.items() if score is not None}


@given(dags(), st.data(), st.sampled_from(["max", "sum"]))
def test_the_best_cut_is_as_specific_as_can_be(
    edges: list[Edge], data: st.DataObject, how: Literal["max", "sum"]
) -> None:
    ontology = ontology_of(edges, extra=("n0",))
    row = st.tuples(st.sampled_from(ontology.nodes), st.integers(1, 8).map(lambda n: n / 8), st.sampled_from("abc"))
    rows = data.draw(st.lists(row, min_size=1, max_size=6))
    threshold = data.draw(st.integers(1, 16)) / 8
    frame = pl.DataFrame(rows, schema=["code", "score", "evidence"], orient="row")
    support = {node: oracles_ontology.support(rows, node, edges, how) or -math.inf for node in ontology.nodes}
    tops = {above for above, _ in edges} - {below for _, below in edges}
    passing = {node for node, score in support.items() if score >= threshold} - (tops if len(tops) == 1 else set())
    expected = {node for node in passing if not any(ontology.ancestors(other) >= {node} for other in passing)}
    cut = best_cut(frame, ontology, threshold=threshold, how=how)
    assert set(cut["node"]) == expected
    assert not set().union(*(ontology.ancestors(node) for node in cut["node"])) & set(cut["node"])


def test_the_best_cut_is_never_the_root() -> None:
    one, two = ontology_of([("All", "x"), ("All", "y")]), ontology_of([("x1", "a"), ("x1", "b"), ("x2", "c")])
    frame = pl.DataFrame({"code": ["x", "y", "a", "b"], "score": [0.5] * 4})
    assert best_cut(frame.head(2), one, threshold=1.0).height == 0
    assert best_cut(frame.tail(2), two, threshold=1.0)["node"].to_list() == ["x1"], "one top of several is an answer"


def test_the_best_cut_is_found_for_each_note(small: Ontology) -> None:
    frame = pl.DataFrame({"note_id": ["n", "n", "m"], "code": ["a", "t3", "leaf"], "score": [0.5, 0.5, 1.0]})
    cut = best_cut(frame, small, threshold=0.75, by=["note_id"])
    assert cut.select("note_id", "node").rows() == [("m", "leaf"), ("n", "t1")]
