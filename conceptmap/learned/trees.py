"""Boosted trees as LightGBM writes them, read and applied without it: what they give, and what each feature carried.

What a feature carried is its Shapley value under the path-dependent expectation of TreeSHAP (S. Lundberg et al., 2018,
arXiv:1802.03888), as LightGBM's ``pred_contrib`` has it. A shallow tree has few features above each leaf, so the shares
of a leaf are worked out once for every set of them that a row may miss (as J. Yang's Fast TreeSHAP v2 does, 2021,
arXiv:2109.09847), and a row looks them up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import factorial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEEPEST", "Trees"]

DEEPEST: Final = 8
"""Steps down to the lowest leaf that is read: a leaf's shares take memory by two to the power of them."""
_NUMERIC: Final = frozenset({"0", "2"})
"""Kinds of decisions: a number is at most the threshold; there are no values missing."""
_AT_ONCE: Final = 1024
_TOLD_AT_ONCE: Final = 16


class _Path(NamedTuple):
    """The way down to a leaf.

    Attributes:
        leaf: its number.
        steps: node, whether the way goes to the left, and share of the node's training rows that it takes.
    """

    leaf: int
    steps: tuple[tuple[int, bool, float], ...]


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees whose outputs are added up. Nodes of all trees are numbered through, leaves among them.

    Attributes:
        n_features: of a row.
        roots: *Shape:* (n_trees,) int64.
        feature: that each node asks for; 0 for leaves. *Shape:* (n_nodes,) int64.
        threshold: up to which the way goes to the left. *Shape:* (n_nodes,).
        child: the left and the right one of each node; a leaf's are itself. *Shape:* (2 * n_nodes,) int64.
        value: of leaves; 0 for others. *Shape:* (n_nodes,).
        paths: to every leaf.
    """

    n_features: int
    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    child: NDArray[np.int64]
    value: NDArray[np.float64]
    paths: Sequence[_Path]

    @classmethod
    def of(cls, text: str) -> Trees:
        """Read LightGBM's text format.

        Raises:
            ValueError, KeyError: it is damaged, or holds what is not read here: categories, missing values, more than
                one class, linear leaves, or a tree of more than ``DEEPEST`` steps.
        """
        head, *bodies = text.partition("\nend of trees")[0].split("\nTree=")
        facts = _lines(head)
        if facts["num_class"] != "1" or facts["num_tree_per_iteration"] != "1" or not bodies:
            raise ValueError("trees")
        read, first = [], 0
        for body in bodies:
            read.append(_Tree.of(_lines(body), first))
            first += len(read[-1].feature)
        feature, threshold, child, value = (np.concatenate(column) for column in list(zip(*read, strict=True))[:-1])
        roots = np.array([len(one.feature) for one in read], dtype=np.int64)
        paths = [path for one in read for path in one.paths]
        n_features = int(facts["max_feature_idx"]) + 1
        if feature.max() >= n_features or max(len(path.steps) for path in paths) > DEEPEST:
            raise ValueError("trees")
        return cls(n_features, np.cumsum(roots) - roots, feature, threshold, child, value, paths)

    @cached_property
    def _steps(self) -> int:
        return max(len(path.steps) for path in self.paths)

    def logits(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the trees give, added up in their order. *Shape:* (n, n_features) to (n,)."""
        parts = [self._sums(rows[at : at + _AT_ONCE]) for at in range(0, len(rows), _AT_ONCE)]
        return np.concatenate([np.empty(0), *parts])

    def _sums(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        values = np.ascontiguousarray(rows, dtype=np.float64).ravel()
        row = (np.arange(len(rows)) * self.n_features)[:, None]
        at = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        for _ in range(self._steps):
            is_more = values[row + self.feature[at]] > self.threshold[at]
            at = self.child[2 * at + is_more]
        return self.value[at].cumsum(axis=1)[:, -1]

    def carried(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each feature adds to the mean of the training rows. *Shape:* (n, n_features) to the same."""
        parts = [self._shares.carried(rows[at : at + _TOLD_AT_ONCE]) for at in range(0, len(rows), _TOLD_AT_ONCE)]
        return np.concatenate([np.empty((0, self.n_features)), *parts])

    @cached_property
    def _shares(self) -> _Shares:
        return _Shares.of(self)


class _Tree(NamedTuple):
    """One tree, its nodes before its leaves: columns as in ``Trees``."""

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    child: NDArray[np.int64]
    value: NDArray[np.float64]
    paths: list[_Path]

    @classmethod
    def of(cls, facts: Mapping[str, str], first: int) -> _Tree:
        """Read one; ``first`` is the number of its root."""
        n_leaves = int(facts["num_leaves"])
        n_nodes, values = n_leaves - 1, _numbers(facts, "leaf_value", n_leaves)
        if not n_nodes:
            here = np.array([first, first])
            return cls(np.zeros(1, np.int64), np.zeros(1), here, values, [_Path(first, ())])
        if (
            facts["num_cat"] != "0"
            or facts["is_linear"] != "0"
            or not _NUMERIC.issuperset(facts["decision_type"].split())
        ):
            raise ValueError("decisions")
        asks = _numbers(facts, "split_feature", n_nodes).astype(np.int64)
        sides = [_numbers(facts, f"{side}_child", n_nodes).astype(np.int64) for side in ("left", "right")]
        child = np.stack(sides, axis=1)
        child = np.where(child < 0, n_nodes - 1 - child, child)  # leaf 0 is written -1
        below = child > np.arange(n_nodes)[:, None]
        if not below.all() or sorted(child.ravel().tolist()) != [*range(1, n_nodes + n_leaves)] or asks.min() < 0:
            raise ValueError("children")
        counts = np.concatenate(
            [_numbers(facts, f"{of}_count", n) for of, n in (("internal", n_nodes), ("leaf", n_leaves))]
        )
        if counts.min() <= 0:
            raise ValueError("counts")
        return cls(
            np.concatenate([asks, np.zeros(n_leaves, np.int64)]),
            np.concatenate([_numbers(facts, "threshold", n_nodes), np.zeros(n_leaves)]),
            first + np.concatenate([child.ravel(), np.repeat(np.arange(n_nodes, n_nodes + n_leaves), 2)]),
            np.concatenate([np.zeros(n_nodes), values]),
            [*_paths(child, counts, first)],
        )


def _lines(block: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.splitlines())
    return {name: value for name, _, value in pairs}


def _numbers(facts: Mapping[str, str], name: str, n: int) -> NDArray[np.float64]:
    found = np.array(facts[name].split(), dtype=np.float64)
    if len(found) != n or not np.isfinite(found).all():
        raise ValueError(name)
    return found


def _paths(child: NDArray[np.int64], counts: NDArray[np.float64], first: int) -> Iterator[_Path]:
    """The ways to all leaves of a tree."""
    open_ = [_Path(0, ())]
    for node, steps in open_:
        if node >= len(child):
            yield _Path(first + node, steps)
            continue
        for is_left, below in zip((True, False), child[node].tolist(), strict=True):
            open_.append(_Path(below, (*steps, (first + node, is_left, float(counts[below] / counts[node])))))


@dataclass(frozen=True, eq=False)
class _Shares:
    """What the features above each leaf carry, for every set of them that a row misses.

    The features above a leaf are numbered in the order of the way down, and each has a bit. Pairs of a leaf and a
    feature above it are sorted by feature. Nodes are those that are no leaves.

    Attributes:
        n_features: of a row.
        feature: that each node asks for. *Shape:* (n_nodes,) int64.
        threshold: up to which the way goes to the left. *Shape:* (n_nodes,).
        node: at each step above each leaf; any where there are fewer. *Shape:* (n_steps, n_leaves) int64.
        is_left: whether the way goes to the left there. *Shape:* (n_steps, n_leaves) bool.
        bit: of the feature that is asked for; 0 where there are fewer steps. *Shape:* (n_steps, n_leaves) uint8.
        shares: by leaf, bits that are missed, and number of the feature. *Shape:* (n_leaves * n_sets * n_above,).
        above: how many features are above a leaf at most.
        leaf: of each pair. *Shape:* (n_pairs,) int64.
        first: where its shares start. *Shape:* (n_pairs,) int64.
        asked: the features that any leaf has above it, rising, and ``start`` where the pairs of each start.
    """

    n_features: int
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    node: NDArray[np.int64]
    is_left: NDArray[np.bool_]
    bit: NDArray[np.uint8]
    shares: NDArray[np.float64]
    above: int
    leaf: NDArray[np.int64]
    first: NDArray[np.int64]
    asked: NDArray[np.int64]
    start: NDArray[np.int64]

    @classmethod
    def of(cls, trees: Trees) -> _Shares:
        inner = np.flatnonzero(trees.child[::2] != np.arange(len(trees.feature)))
        shape = max(len(path.steps) for path in trees.paths), len(trees.paths)
        node, is_left, bit = np.zeros(shape, np.int64), np.zeros(shape, np.bool_), np.zeros(shape, np.uint8)
        kept, pairs = np.ones(shape[::-1]), []
        for leaf, path in enumerate(trees.paths):
            numbers: dict[int, int] = {}
            for at, (its, left, share) in enumerate(path.steps):
                place = numbers.setdefault(int(trees.feature[its]), len(numbers))
                node[at, leaf], is_left[at, leaf], bit[at, leaf] = np.searchsorted(inner, its), left, 1 << place
                kept[leaf, place] *= share
            pairs += [(feature, leaf, place) for feature, place in numbers.items()]
        above = max((place for _, _, place in pairs), default=-1) + 1
        value = trees.value[[path.leaf for path in trees.paths]]
        shares = _shares_of(kept[:, :above], value).ravel()
        features, leaves, places = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 3).T
        asked, start = np.unique(features, return_index=True)
        first = (leaves << above) * above + places
        asks = trees.feature[inner], trees.threshold[inner]
        return cls(trees.n_features, *asks, node, is_left, bit, shares, above, leaves, first, asked, start)

    def carried(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each feature carried. *Shape:* (n, n_features) to the same."""
        out = np.zeros((len(rows), self.n_features))
        if not len(self.asked):
            return out
        is_left = rows.take(self.feature, axis=1) <= self.threshold
        missed = np.zeros((len(rows), self.node.shape[1]), dtype=np.uint8)
        for node, goes, bit in zip(self.node, self.is_left, self.bit, strict=True):
            missed |= (is_left.take(node, axis=1) != goes) * bit
        places = missed.take(self.leaf, axis=1) * np.int64(self.above)
        places += self.first
        out[:, self.asked] = np.add.reduceat(self.shares.take(places), self.start, axis=1)
        return out


def _shares_of(kept: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shapley values of the features above leaves, for every set of them that a row misses.

    Args:
        kept: share of the training rows that go the leaf's way at the steps that ask for each feature; 1 where there
            is none. *Shape:* (n_leaves, n).
        value: of the leaves. *Shape:* (n_leaves,).

    Returns:
        *Shape:* (n_leaves, 2 ** n, n).
    """
    n = kept.shape[1]
    is_met = (np.arange(2**n)[:, None] >> np.arange(n) & 1) == 0
    weights = np.array([factorial(size) * factorial(n - 1 - size) / factorial(n) for size in range(n)])
    out = np.empty((len(value), 2**n, n))
    for own in range(n):
        sums = np.zeros((len(value), 2**n, n))  # over the sets of other features that are known, by their size
        sums[..., 0] = 1.0
        for other in {*range(n)} - {own}:
            known = sums[..., :-1] * is_met[None, :, other, None]
            sums *= kept[:, None, None, other]
            sums[..., 1:] += known
        out[..., own] = (sums @ weights) * (is_met[:, own] - kept[:, None, own]) * value[:, None]
    return out
