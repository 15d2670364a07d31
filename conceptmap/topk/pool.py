"""Pairs of a query and a row that may still belong to the answer, and the rules that drop them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["Pool", "best_of_groups", "join", "kth_of_each", "ranked", "reaching"]


@dataclass(frozen=True, slots=True)
class Pool:
    """Pairs with the product's approximation of their cosine.

    Attributes:
        query: *Shape:* (n_pairs,) int64.
        row: *Shape:* (n_pairs,) int64.
        approx: *Shape:* (n_pairs,) float32.
    """

    query: torch.Tensor
    row: torch.Tensor
    approx: torch.Tensor

    def __len__(self) -> int:
        return len(self.query)

    def at(self, chosen: torch.Tensor) -> Pool:
        """Some of the pairs: a mask, or their places. By numpy, whose threads never wait for each other."""
        place = chosen.numpy()
        return Pool(*(torch.from_numpy(part.numpy()[place]) for part in (self.query, self.row, self.approx)))


def join(pools: Sequence[Pool]) -> Pool:
    """All pairs of several pools."""
    if not pools:
        nothing = torch.empty(0, dtype=torch.int64)
        return Pool(nothing, nothing, torch.empty(0))
    return Pool(*(torch.cat(parts) for parts in zip(*((p.query, p.row, p.approx) for p in pools), strict=True)))


def reaching(tile: torch.Tensor, threshold: torch.Tensor) -> Pool:
    """Pairs of one block at or above their query's threshold; rows count from the block's first.

    By numpy, whose loops never wait for a thread that another program keeps from running.

    Args:
        tile: approximations. *Shape:* (n, n_rows of the block).
        threshold: *Shape:* (n,).
    """
    scores = tile.to(torch.float32).numpy()
    place = np.flatnonzero(scores >= threshold.numpy()[:, None])
    query, row = np.divmod(place, scores.shape[1])
    return Pool(*map(torch.from_numpy, (query, row, scores.reshape(-1)[place])))


def best_of_groups(pool: Pool, groups: torch.Tensor) -> tuple[torch.Tensor, Pool]:
    """The best approximation of every query and group.

    Args:
        pool: at least one pair.
        groups: *Shape:* (n_rows,) int64.

    Returns:
        For every pair the best of its query and group, *Shape:* (n_pairs,); and one pair for each query and group.
    """
    names, member = torch.unique(pool.query * (int(groups.max()) + 1) + groups[pool.row], return_inverse=True)
    best = torch.full((len(names),), -torch.inf).scatter_reduce_(0, member, pool.approx, "amax")
    query = torch.empty(len(names), dtype=torch.int64).scatter_(0, member, pool.query)
    return best[member], Pool(query, query, best)


def kth_of_each(pool: Pool, n: int, k: int) -> torch.Tensor:
    """The k-th largest approximation of every query, -inf where there are fewer. *Shape:* (n,) float32.

    Query and value are packed into one integer, the value's bits flipped so that larger floats sort first: numpy sorts
    integers many times faster than it (or torch) finds the order of pairs.
    """
    bits = pool.approx.numpy().view(np.int32).astype(np.int64)
    falling = np.where(bits < 0, bits & 0x7FFFFFFF, 0x7FFFFFFF - bits) + np.where(bits < 0, 1 << 31, 0)
    keys = np.sort((pool.query.numpy() << 32) | falling)
    counts = np.bincount(pool.query.numpy(), minlength=n)
    place = np.cumsum(counts) - counts + k - 1
    enough = counts >= k
    value = keys[place[enough]] & 0xFFFFFFFF
    kth = np.full(n, -np.inf, dtype=np.float32)
    kth[enough] = np.where(value >= 1 << 31, value, 0x7FFFFFFF - value).astype(np.uint32).view(np.float32)
    return torch.from_numpy(kth)


def ranked(
    pool: Pool, scores: torch.Tensor, k: int, groups: torch.Tensor | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The k best pairs of every query by (-score, row), one a group.

    Args:
        pool: any pairs.
        scores: final scores. *Shape:* (n_pairs,).
        k: how many of each query.
        groups: *Shape:* (n_rows,) int64, or None.

    Returns:
        Places in the pool, and the rank of each within its query.
    """
    query, row = pool.query.numpy(), pool.row.numpy()
    order = np.lexsort((row, -scores.numpy(), query))
    if groups is not None:
        key = query[order] * (int(groups.max()) + 1) + groups.numpy()[row[order]]
        order = order[np.sort(np.unique(key, return_index=True)[1])]
    counts = np.bincount(query[order])
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[rank < k], rank[rank < k]
