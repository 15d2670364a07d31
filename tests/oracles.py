"""Slow twins of the fast paths, written to be obviously right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["topk_oracle"]


def topk_oracle(
    queries: NDArray[Any],
    matrix: NDArray[Any],
    k: int,
    *,
    mask: NDArray[np.bool_] | None = None,
    groups: NDArray[Any] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Exact cosine top-k in float64, one query after the other: scores rounded to float32, order (-score, row)."""
    left, right = (np.asarray(array, dtype=np.float64) for array in (queries, matrix))
    right = right / np.sqrt((right * right).sum(axis=1, keepdims=True))
    scores = np.full((len(left), k), -np.inf, dtype=np.float32)
    rows = np.full((len(left), k), -1, dtype=np.int64)
    for i, query in enumerate(left):
        cosine = (right @ (query / np.sqrt(query @ query))).astype(np.float32)
        used: set[int] = set()
        rank = 0
        for row in np.lexsort((np.arange(len(right)), -cosine)).tolist():
            if rank == k:
                break
            if mask is not None and not mask[row]:
                continue
            if groups is not None:
                if int(groups[row]) in used:
                    continue
                used.add(int(groups[row]))
            scores[i, rank], rows[i, rank] = cosine[row], row
            rank += 1
    return scores, rows
