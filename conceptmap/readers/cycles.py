"""Takes cycles out of a hierarchy that many sources wrote together, by a rule and no more edges than it needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from conceptmap.ontology.dag import Dag, Ints

__all__ = ["edges_without_cycles"]


def edges_without_cycles(n_nodes: int, parents: Ints, children: Ints) -> NDArray[np.bool_]:
    """Returns which edges stay, so that no node is its own ancestor.

    Of the edges on cycles or between them, those go first that climb most levels against the hierarchy, a node's
    level being its shortest path from a root; last, of edges within a level, those from a higher number to a lower
    one. Edges elsewhere stay. The answer depends on the edges alone, not on their order.

    Args:
        n_nodes: number of nodes; they are numbered from 0.
        parents: upper ends. *Shape:* (n_edges,).
        children: lower ends. *Shape:* (n_edges,).

    Returns:
        *Shape:* (n_edges,).

    >>> edges_without_cycles(3, np.array([0, 1, 2, 1]), np.array([1, 2, 1, 1]))
    array([ True,  True, False, False])
    """
    stays = parents != children
    dag = Dag(n_nodes, parents[stays], children[stays])
    depths = np.where(dag.depths < 0, n_nodes, dag.depths)  # a cycle that no root reaches lies below all else
    climb = depths[parents] - depths[children]
    knotted = np.flatnonzero(stays)
    knotted = knotted[_knotted(parents[knotted], children[knotted])]
    while len(knotted):
        most = int(climb[knotted].max())
        goes = climb[knotted] == most if most > 0 else (climb[knotted] == 0) & (parents[knotted] > children[knotted])
        stays[knotted[goes]] = False
        knotted = knotted[~goes]
        knotted = knotted[_knotted(parents[knotted], children[knotted])]
    return np.asarray(stays)


def _knotted(parents: Ints, children: Ints) -> NDArray[np.bool_]:
    """Which edges lie on a cycle or on a way from one cycle to another. *Shape:* (n_edges,)."""
    nodes, ends = np.unique(np.concatenate([parents, children]), return_inverse=True)
    up, down = ends[: len(parents)], ends[len(parents) :]
    below = Dag(len(nodes), up, down).levels < 0
    above = Dag(len(nodes), down, up).levels < 0
    knot = below & above
    return np.asarray(knot[up] & knot[down])
