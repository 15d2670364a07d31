"""Pooled vectors of spans.

A span's vector is the mean of its tokens' vectors. Special tokens never take part: a TokenEmbeddings holds none.
Vectors on a device are pooled there, those of all notes at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import TokenEmbeddings, Vectors, covered, joined, mixed

__all__ = ["pool", "pool_all"]


def pool(tokens: TokenEmbeddings, spans: Sequence[tuple[int, int]]) -> Vectors:
    """Mean vector of the tokens that overlap each span.

    Args:
        tokens: of the note.
        spans: half-open (start, end) in code points of the note.

    Returns:
        *Shape:* (n_spans, dim) float32, where the tokens' vectors are; a span without tokens gets a zero row.
    """
    left, right = covered(tokens.start_char, tokens.end_char, spans)
    if not isinstance(tokens.vectors, np.ndarray):
        return _means(tokens.vectors, left, right)
    out = np.zeros((len(spans), tokens.vectors.shape[1]), dtype=np.float32)
    for row, (i, j) in enumerate(zip(left, right, strict=True)):
        if i < j:
            tokens.vectors[i:j].mean(axis=0, out=out[row])
    return out


def pool_all(notes: Sequence[TokenEmbeddings], spans: Sequence[Sequence[tuple[int, int]]]) -> Vectors:
    """What `pool` gives for each note, one after another.

    Args:
        notes: at least one.
        spans: of each note.

    Returns:
        *Shape:* (n_spans of all notes, dim) float32, where the vectors are.
    """
    if all(isinstance(tokens.vectors, np.ndarray) for tokens in notes):
        return joined([pool(tokens, wanted) for tokens, wanted in zip(notes, spans, strict=True)])
    first = np.cumsum([0, *(len(tokens) for tokens in notes)])
    bounds = [covered(note.start_char, note.end_char, wanted) for note, wanted in zip(notes, spans, strict=True)]
    left, right = (
        np.concatenate([side[which] + start for side, start in zip(bounds, first, strict=False)]) for which in (0, 1)
    )
    return _means(joined([tokens.vectors for tokens in notes]), left, right)


def _means(vectors: Vectors, left: NDArray[np.int64], right: NDArray[np.int64]) -> Vectors:
    counts = np.maximum(right - left, 0)
    starts = np.cumsum(counts) - counts
    rows = np.arange(counts.sum()) + np.repeat(left - starts, counts)
    weights = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
    return mixed(vectors, rows, weights, starts)
