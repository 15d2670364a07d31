"""Final scores: float64 cosines of stored values, rounded to float32, the same on every machine and in every order."""

from __future__ import annotations

import math

import numpy as np
import torch

__all__ = ["UNIT64", "cosines"]

UNIT64 = 2.0**-53
GATHER_ELEMENTS = 1 << 21


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
    dim = stored.shape[1]
    scores = torch.empty(len(query), dtype=torch.float64)
    step = max(1, GATHER_ELEMENTS // dim)
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        left = queries[query[part]].to(torch.float64)
        right = stored[row[part]].to(torch.float64)
        scores[part] = left.mul_(right).sum(1)
    scores /= query_norms[query] * norms[row]
    slack = (2 * dim + 16) * UNIT64
    unsure = torch.nonzero((scores - slack).to(torch.float32) != (scores + slack).to(torch.float32)).ravel()
    for pair in unsure.tolist():
        scores[pair] = _summed_exactly(queries[query[pair]], stored[row[pair]])
    return scores.to(torch.float32)


def _summed_exactly(query: torch.Tensor, row: torch.Tensor) -> float:
    """Products of two float32 are exact in float64, and `math.fsum` rounds their sum once."""
    left, right = (vector.to(torch.float64).numpy() for vector in (query, row))
    dot = math.fsum(np.multiply(left, right).tolist())
    squares = [math.fsum(np.square(vector).tolist()) for vector in (left, right)]
    return dot / (math.sqrt(squares[0]) * math.sqrt(squares[1]))
