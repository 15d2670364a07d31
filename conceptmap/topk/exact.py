"""Final scores: float64 cosines of stored values, rounded to float32, the same on every machine and in every order."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.topk.loops.native import kernels
from conceptmap.topk.rows import Prepared, norms_of, tensor_over

__all__ = ["UNIT64", "cosines", "cosines_of", "summed_exactly"]

UNIT64 = 2.0**-53
GATHER_ELEMENTS = 1 << 17
DENSE, DENSE_COMPILED = 16, 4
"""A matrix product of float64 does a pair this many times faster than one gathered by itself, or by a compiled loop."""


def cosines(
    queries: torch.Tensor,
    query_norms: torch.Tensor,
    stored: torch.Tensor,
    norms: torch.Tensor,
    *,
    pairs: tuple[torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """Cosine of each pair (query, row), correctly rounded from its float64 value.

    A float64 sum depends in its last bits on the order of its terms, which differs between machines. Its error is below
    ``(2 dim + 16) 2**-53``; only where that much could change the rounding to float32 (about one pair in a million) the
    sums are taken exactly instead (`math.fsum`), so that the answer is a function of the stored values alone.

    Args:
        queries: *Shape:* (n_queries, dim) float32.  query_norms: *Shape:* (n_queries,) float64.
        stored: *Shape:* (n_rows, dim) float16, bfloat16 or float32.  norms: *Shape:* (n_rows,) float64.
        pairs: query and row of each pair. *Shape:* (n_pairs,) int64 each.

    Returns:
        *Shape:* (n_pairs,) float32.
    """
    query, row = pairs
    scores = _dots(queries, stored, query, row) / (query_norms[query] * norms[row])
    slack = (2 * stored.shape[1] + 16) * UNIT64
    unsure = torch.nonzero((scores - slack).to(torch.float32) != (scores + slack).to(torch.float32)).ravel()
    for pair in unsure.tolist():
        scores[pair] = summed_exactly(queries[query[pair]], stored[row[pair]])
    return scores.to(torch.float32)


def cosines_of(
    queries: NDArray[np.float32], prepared: Prepared, query: NDArray[np.int64], row: NDArray[np.int64]
) -> NDArray[np.float32]:
    """See `conceptmap.topk.cosines`."""
    asked, pairs = tensor_over(queries), (torch.from_numpy(query), torch.from_numpy(row))
    norms = norms_of(asked, what="query")
    if len(row):
        prepared.announce(torch.unique(pairs[1]))
    return cosines(asked, norms, prepared.stored, prepared.norms, pairs=pairs).numpy()


def _dots(queries: torch.Tensor, stored: torch.Tensor, query: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """Products of the pairs in float64: one by one, or of all queries with some rows where most of these are asked."""
    dots = torch.empty(len(query), dtype=torch.float64)
    if not len(query):  # compiled loops take one turn at least
        return dots
    loops = kernels() if stored.shape[1] % 8 == 0 and stored.is_contiguous() and queries.is_contiguous() else None
    rows, place = torch.unique(row, return_inverse=True)
    dense = len(query) * (DENSE_COMPILED if loops else DENSE) > len(rows) * len(queries)
    if loops is not None and not dense:
        left, right = query.contiguous(), row.contiguous()
        where = (queries.data_ptr(), stored.data_ptr(), stored.shape[1], len(query))
        loops.dots[stored.dtype](*where, left.data_ptr(), right.data_ptr(), dots.data_ptr())
        return dots
    step = max(1, GATHER_ELEMENTS // max(stored.shape[1], len(queries) if dense else 1))
    if dense:
        order = torch.argsort(place)
        edges = torch.searchsorted(place[order], torch.arange(0, len(rows) + step, step)).tolist()
        left = queries.to(torch.float64).T.contiguous()
        for i, start in enumerate(range(0, len(rows), step)):
            part = order[edges[i] : edges[i + 1]]
            products = stored[rows[start : start + step]].to(torch.float64) @ left
            dots[part] = products[place[part] - start, query[part]]
        return dots
    for start in range(0, len(query), step):
        some = slice(start, start + step)
        right = stored[row[some]].to(torch.float64)
        dots[some] = queries[query[some]].to(torch.float64).mul_(right).sum(1)
    return dots


def summed_exactly(query: torch.Tensor, row: torch.Tensor) -> float:
    """Products of two float32 are exact in float64, and `math.fsum` rounds their sum once."""
    left, right = (vector.to(torch.float64).numpy() for vector in (query, row))
    dot = math.fsum(np.multiply(left, right).tolist())
    squares = [math.fsum(np.square(vector).tolist()) for vector in (left, right)]
    return dot / (math.sqrt(squares[0]) * math.sqrt(squares[1]))
