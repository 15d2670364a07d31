"""Sentence pooling: packed token vectors to one vector for each text, as sentence-transformers defines the modes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MODES", "normalise", "pool"]

MODES = ("mean", "cls", "max", "lasttoken", "mean_sqrt_len_tokens", "weightedmean")


def pool(rows: NDArray[np.float32], lengths: NDArray[np.int64], mode: str) -> NDArray[np.float32]:
    """Pool every token of each text, special tokens included.

    Args:
        rows: packed vectors. *Shape:* (total, dim) float32.
        lengths: tokens of each text, at least one. *Shape:* (n,) int64.
        mode: one of `MODES`.

    Returns:
        *Shape:* (n, dim) float32.

    >>> rows = np.array([[1, 1], [3, 5], [4, 4]], np.float32)
    >>> pool(rows, np.array([2, 1]), "mean").tolist()
    [[2.0, 3.0], [4.0, 4.0]]
    >>> pool(rows, np.array([2, 1]), "lasttoken").tolist()
    [[3.0, 5.0], [4.0, 4.0]]
    """
    stops = np.cumsum(lengths)
    starts = stops - lengths
    count = lengths[:, None].astype(np.float32)
    if mode == "cls":
        return np.asarray(rows[starts])
    if mode == "lasttoken":
        return np.asarray(rows[stops - 1])
    if mode == "max":
        return np.asarray(np.maximum.reduceat(rows, starts, axis=0), dtype=np.float32)
    if mode == "weightedmean":
        weights = (np.arange(len(rows)) - np.repeat(starts, lengths) + 1).astype(np.float32)[:, None]
        sums = np.add.reduceat(rows * weights, starts, axis=0)
        return np.asarray(sums / (count * (count + 1) / 2), dtype=np.float32)
    sums = np.add.reduceat(rows, starts, axis=0)
    return np.asarray(sums / (np.sqrt(count) if mode == "mean_sqrt_len_tokens" else count), dtype=np.float32)


def normalise(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors to length 1. *Shape:* (n, dim)."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
