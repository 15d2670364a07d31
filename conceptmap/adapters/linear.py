"""Linear maps from the space of token vectors to that of an index, fitted to annotated mentions.

Every fit takes unit queries and knows which rows of the index are right for each; widths may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["METHODS", "Pairs", "fit", "start", "unit"]

METHODS = ("none", "procrustes", "ridge", "low-rank", "linear")
"""Plainest first: of equally good ones the first is taken."""

RIDGE = 10.0
PULL = 2.0
"""What moving the index's rows costs a contrastive map. Without it, concepts that nobody annotated are told apart less
well than before: training mentions say nothing of them."""
RANK = 64
TEMPERATURE = 0.05
EPOCHS = 10
LEAST_STEPS = 120
BATCH = 256
LEARNING_RATE = {"linear": 2e-3, "low-rank": 5e-3}


@dataclass(frozen=True)
class Pairs:
    """Queries, and the index rows that they are compared with.

    Attributes:
        queries: unit vectors. *Shape:* (n, dim) float32.
        rows: unit rows of the index: those of the right concepts, and others that come near. *Shape:* (m, index dim).
        concepts: concept of each row. *Shape:* (m,) int64.
        right: concepts that are right for each query; some row has one of them.
        still: mean outer product of rows of the whole index, where queries lie in their space: what a map is not to
            move. *Shape:* (dim, dim) float32.
    """

    queries: NDArray[np.float32]
    rows: NDArray[np.float32]
    concepts: NDArray[np.int64]
    right: Sequence[frozenset[int]]
    still: NDArray[np.float32] | None = None


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows at length 1; zero rows stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def fit(method: str, pairs: Pairs, *, seed: int = 0) -> NDArray[np.float32]:
    """Fit a map.

    Args:
        method: one of ``METHODS``.
        pairs: what to learn from.
        seed: of the order of the queries and of the first low-rank factor.

    Returns:
        *Shape:* (dim, index dim) float32: ``unit(vectors) @ map`` is compared with the rows.
    """
    if method == "none":
        return start(pairs)
    if method in ("linear", "low-rank"):
        return _contrastive(pairs, method, seed)
    targets = _targets(pairs)
    return _procrustes(pairs.queries, targets) if method == "procrustes" else _ridge(pairs, targets)


def start(pairs: Pairs) -> NDArray[np.float32]:
    """Where learning starts: the identity, or the best rotation where the widths differ."""
    dim, width = pairs.queries.shape[1], pairs.rows.shape[1]
    if dim == width:
        return np.eye(dim, dtype=np.float32)
    return _procrustes(pairs.queries, _targets(pairs))


def _targets(pairs: Pairs) -> NDArray[np.float32]:
    """For each query the mean of the rows of its right concepts. *Shape:* (n, index dim)."""
    by_right: dict[frozenset[int], NDArray[np.float32]] = {}
    for right in pairs.right:
        if right not in by_right:
            by_right[right] = pairs.rows[np.isin(pairs.concepts, list(right))].mean(axis=0)
    return np.stack([by_right[right] for right in pairs.right])


def _procrustes(queries: NDArray[np.float32], targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rotation that takes queries nearest to targets (Schönemann 1966); semi-orthogonal where widths differ."""
    from scipy.linalg import svd

    left, _, right = svd(queries.T.astype(np.float64) @ targets.astype(np.float64), full_matrices=False)
    return np.asarray(left @ right, dtype=np.float32)


def _ridge(pairs: Pairs, targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Least squares, drawn towards the start."""
    from scipy.linalg import solve

    x, first = pairs.queries.astype(np.float64), start(pairs).astype(np.float64)
    gram = x.T @ x + RIDGE * np.eye(x.shape[1])
    return np.asarray(first + solve(gram, x.T @ (targets - x @ first), assume_a="pos"), dtype=np.float32)


def _contrastive(pairs: Pairs, method: str, seed: int) -> NDArray[np.float32]:
    """Softmax over all rows of the pool, the right concepts' rows against the rest (InfoNCE, van den Oord 2018)."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    queries, rows, first = (torch.from_numpy(array) for array in (pairs.queries, pairs.rows, start(pairs)))
    masks, which = _right_rows(pairs)
    right, number = torch.from_numpy(masks), torch.from_numpy(which)
    still = None if pairs.still is None else torch.from_numpy(pairs.still)
    dim, width = first.shape
    if method == "linear":
        factors = [torch.zeros(dim, width)]
    else:
        factors = [torch.randn(dim, RANK, generator=generator) / dim**0.5, torch.zeros(RANK, width)]
    for factor in factors:
        factor.requires_grad_()
    batches = -(-len(queries) // BATCH)
    epochs = max(EPOCHS, -(-LEAST_STEPS // batches))
    rate, steps, step = LEARNING_RATE[method], epochs * batches, 0
    moments = [(torch.zeros_like(factor), torch.zeros_like(factor)) for factor in factors]
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(len(queries), generator=generator), BATCH):
            change = factors[0] if method == "linear" else factors[0] @ factors[1]
            mapped = torch.nn.functional.normalize(queries[batch] @ (first + change), dim=1)
            scores = mapped @ rows.T / TEMPERATURE
            wrong = ~right[number[batch]]
            loss = (scores.logsumexp(1) - scores.masked_fill(wrong, -torch.inf).logsumexp(1)).mean()
            if still is not None:
                loss = loss + PULL * ((still @ change) * change).sum()
            slopes = torch.autograd.grad(loss, factors)
            step += 1
            with torch.no_grad():
                for factor, slope, (first_moment, second_moment) in zip(factors, slopes, moments, strict=True):
                    _adam(factor, slope, first_moment, second_moment, step, rate * (1.0 - (step - 1) / steps))
    with torch.no_grad():
        change = factors[0] if method == "linear" else factors[0] @ factors[1]
        return np.asarray((first + change).numpy(), dtype=np.float32)


def _adam(factor: Tensor, slope: Tensor, mean: Tensor, square: Tensor, step: int, rate: float) -> None:
    """One step of Adam (Kingma and Ba 2015), in place. torch's own takes seconds to import its compiler first."""
    mean.mul_(0.9).add_(slope, alpha=0.1)
    square.mul_(0.999).addcmul_(slope, slope, value=0.001)
    spread = (square / (1 - 0.999**step)).sqrt_().add_(1e-8)
    factor.addcdiv_(mean, spread, value=-rate / (1 - 0.9**step))


def _right_rows(pairs: Pairs) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The different masks of right rows, and the number of each query's mask."""
    numbers = {right: i for i, right in enumerate(dict.fromkeys(pairs.right))}
    masks = np.stack([np.isin(pairs.concepts, list(right)) for right in numbers])
    return masks, np.array([numbers[right] for right in pairs.right], dtype=np.int64)
