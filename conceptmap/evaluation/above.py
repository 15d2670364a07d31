"""Codes with everything above them, for figures that give credit for what gold and prediction share there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conceptmap.ontology.ontology import Ontology

__all__ = ["upwards"]


def upwards(ontology: Ontology) -> Callable[[str], Iterable[str]]:
    """A code's nodes today and all above them, save a root that is above everything; an unknown code alone.

    Source: Kiritchenko, Matwin, Nock and Famili (2006), "Learning and evaluation in the presence of class hierarchies".
    """
    roots = ontology.edges.join(ontology.edges, left_on="parent", right_on="child", how="anti")["parent"].unique()
    everything = frozenset(roots) if len(roots) == 1 else frozenset()

    @cache
    def above(code: str) -> frozenset[str]:
        node = ontology.find(code)
        if node is None:
            return frozenset((code,))
        nodes = ontology.current(node) or frozenset((node,))
        reached = ontology.dag_with_history.up.reached
        over = {ontology.nodes[at] for one in nodes for at in reached(ontology.positions[one])}
        return (nodes | over) - everything or nodes

    return above
