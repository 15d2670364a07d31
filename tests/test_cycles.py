"""Edges that make cycles go by a rule, and no others do."""

from __future__ import annotations

import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from conceptmap.readers.cycles import edges_without_cycles

EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=30)


def kept(edges: list[tuple[int, int]], n_nodes: int = 8) -> list[bool]:
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    return [bool(stays) for stays in edges_without_cycles(n_nodes, ends[:, 0], ends[:, 1])]


@given(EDGES)
def test_what_stays_has_no_cycle_and_what_was_on_none_stays(edges: list[tuple[int, int]]) -> None:
    graph = nx.DiGraph(edges)
    stays = kept(edges)
    left = [edge for edge, keep in zip(edges, stays, strict=True) if keep]
    assert nx.is_directed_acyclic_graph(nx.DiGraph(left))
    knots = [knot for knot in nx.strongly_connected_components(graph) if len(knot) > 1]
    knotted = set().union(*knots)
    between = {a for a in graph if any(nx.has_path(graph, k, a) for k in knotted)} & {
        a for a in graph if any(nx.has_path(graph, a, k) for k in knotted)
    }
    for (parent, child), keep in zip(edges, stays, strict=True):
        if parent != child and not {parent, child} <= between:
            assert keep


@given(EDGES)
def test_the_order_of_edges_does_not_matter(edges: list[tuple[int, int]]) -> None:
    assert kept(edges) == kept(edges[::-1])[::-1]


def test_the_edge_that_climbs_most_goes_first() -> None:
    chain = [(0, 1), (1, 2), (2, 3)]
    assert kept([*chain, (3, 1)]) == [True, True, True, False]


def test_within_a_level_the_lower_number_stays_above() -> None:
    assert kept([(0, 1), (0, 2), (1, 2), (2, 1)]) == [True, True, True, False]


def test_a_cycle_that_no_root_reaches_is_opened() -> None:
    assert kept([(1, 2), (2, 3), (3, 1)]) == [True, True, False]
    assert kept([(0, 1), (1, 2), (2, 0)]) == [True, True, False]


def test_edges_to_themselves_go_and_no_edges_are_fine() -> None:
    assert kept([(1, 1), (1, 2)]) == [False, True]
    assert kept([]) == []
