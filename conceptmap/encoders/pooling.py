"""Sentence pooling: packed token vectors to one vector for each text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["mean", "mean_normalised"]


def mean(rows: NDArray[np.float32], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean over every token, special tokens included, as sentence-transformers does.

    Args:
        rows: packed vectors. *Shape:* (total, dim) float32.
        lengths: tokens of each sequence, at least one. *Shape:* (n,) int64.

    >>> mean(np.array([[1, 1], [3, 5], [4, 4]], np.float32), np.array([2, 1])).tolist()
    [[2.0, 3.0], [4.0, 4.0]]
    """
    starts = np.cumsum(lengths) - lengths
    return np.asarray(np.add.reduceat(rows, starts, axis=0) / lengths[:, None], dtype=np.float32)


def mean_normalised(rows: NDArray[np.float32], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean over every token, scaled to length 1."""
    means = mean(rows, lengths)
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), dtype=np.float32)
