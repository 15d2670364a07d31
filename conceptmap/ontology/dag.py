"""Parent→child edges of an ontology as arrays: levels, depths and walks over integer positions, numpy only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dag", "Links"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Links:
    """Neighbours of every node in compressed rows: those of node i are ``flat[starts[i]:starts[i + 1]]``.

    Attributes:
        starts: *Shape:* (n_nodes + 1,), int64.
        flat: *Shape:* (n_edges,), int64.
    """

    starts: Ints
    flat: Ints

    @classmethod
    def of(cls, n_nodes: int, sources: Ints, ends: Ints) -> Links:
        """Groups the edges' ends by their sources, in the order in which the edges come."""
        starts = np.zeros(n_nodes + 1, dtype=np.int64)
        np.cumsum(np.bincount(sources, minlength=n_nodes), out=starts[1:])
        return cls(starts, ends[np.argsort(sources, kind="stable")])

    def of_many(self, nodes: Ints) -> Ints:
        """Returns the neighbours of all these nodes, one after the other. *Shape:* (n_found,)."""
        first, count = self.starts[nodes], self.starts[nodes + 1] - self.starts[nodes]
        offsets = np.repeat(first - np.concatenate(([0], np.cumsum(count)[:-1])), count) if len(nodes) else first
        found: Ints = self.flat[offsets + np.arange(int(count.sum()))]
        return found

    @cached_property
    def lists(self) -> tuple[list[int], list[int]]:
        """The same as plain lists, which single walks read faster than arrays."""
        return self.starts.tolist(), self.flat.tolist()

    @cached_property
    def reached(self) -> Callable[[int], frozenset[int]]:
        """All nodes that can be reached from one, itself left out; the last 65,536 answers are kept."""
        starts, flat = self.lists

        def walk(node: int) -> frozenset[int]:
            seen: set[int] = set()
            waiting = [node]
            while waiting:
                here = waiting.pop()
                for neighbour in flat[starts[here] : starts[here + 1]]:
                    if neighbour not in seen:
                        seen.add(neighbour)
                        waiting.append(neighbour)
            return frozenset(seen)

        return lru_cache(maxsize=1 << 16)(walk)


@dataclass(frozen=True, eq=False)
class Dag:
    """Edges between ``n_nodes`` positions.

    Attributes:
        n_nodes: number of nodes, positions ``0 … n_nodes - 1``.
        parents: upper end of each edge. *Shape:* (n_edges,), int64.
        children: lower end of each edge. *Shape:* (n_edges,), int64.
    """

    n_nodes: int
    parents: Ints
    children: Ints

    @cached_property
    def up(self) -> Links:
        """Parents of every node."""
        return Links.of(self.n_nodes, self.children, self.parents)

    @cached_property
    def down(self) -> Links:
        """Children of every node."""
        return Links.of(self.n_nodes, self.parents, self.children)

    @cached_property
    def root(self) -> int | None:
        """The node that all others with parents lie below; None where there are several such tops, or no edge."""
        tops = np.flatnonzero((np.diff(self.up.starts) == 0) & (np.diff(self.down.starts) > 0))
        return int(tops[0]) if len(tops) == 1 else None

    @cached_property
    def levels(self) -> Ints:
        """Longest path from a root, in edges; -1 on a cycle and below one. *Shape:* (n_nodes,), int64."""
        waiting_for = np.bincount(self.children, minlength=self.n_nodes)
        levels = np.full(self.n_nodes, -1, dtype=np.int64)
        front, level = np.flatnonzero(waiting_for == 0), 0
        while len(front):
            levels[front] = level
            reached, times = np.unique(self.down.of_many(front), return_counts=True)
            waiting_for[reached] -= times
            front, level = reached[waiting_for[reached] == 0], level + 1
        return levels

    @cached_property
    def by_level(self) -> Ints:
        """All nodes, roots first, so that parents come before their children. *Shape:* (n_nodes,), int64."""
        return np.argsort(self.levels, kind="stable")

    @cached_property
    def depths(self) -> Ints:
        """Shortest path from a root, in edges. *Shape:* (n_nodes,), int64."""
        depths = np.full(self.n_nodes, -1, dtype=np.int64)
        front, depth = np.flatnonzero(np.diff(self.up.starts) == 0), 0
        while len(front):
            depths[front] = depth
            reached = np.unique(self.down.of_many(front))
            front, depth = reached[depths[reached] < 0], depth + 1
        return depths
