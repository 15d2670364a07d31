"""Slow twins of the fast paths, written to be obviously right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["maxsim_oracle", "topk_oracle"]


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


def maxsim_oracle(
    query: NDArray[Any],
    tokens: NDArray[Any],
    edges: NDArray[np.int64],
    *,
    mask: NDArray[np.bool_] | None = None,
    passages: NDArray[np.bool_] | None = None,
    groups: NDArray[Any] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Scores, passages and best rows of all passages that may answer, in order: float64, parts rounded to float32."""
    left, right = (np.asarray(array, dtype=np.float64) for array in (query, tokens))
    left, right = (array / np.sqrt((array * array).sum(axis=1, keepdims=True)) for array in (left, right))
    found = []
    for passage in range(len(edges) - 1):
        rows = [row for row in range(int(edges[passage]), int(edges[passage + 1])) if mask is None or mask[row]]
        if not rows or (passages is not None and not passages[passage]):
            continue
        cosine = (right[rows] @ left.T).astype(np.float32)
        best = cosine.argmax(axis=0)
        found.append((math.fsum(map(float, cosine.max(axis=0))), passage, [rows[place] for place in best]))
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    if groups is not None:
        firsts: dict[int, tuple[float, int, list[int]]] = {}
        for entry in found:
            firsts.setdefault(int(groups[entry[1]]), entry)
        found = list(firsts.values())
    scores, best_passages, rows_of = ([entry[at] for entry in found] for at in range(3))
    return np.array(scores, np.float64), np.array(best_passages, np.int64), np.array(rows_of, np.int64)
