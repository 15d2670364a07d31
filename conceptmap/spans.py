"""Pooled vectors of spans.

A span's vector is the mean of its tokens' vectors, from one running sum a note. Special tokens never take part: a
TokenEmbeddings holds none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import TokenEmbeddings

__all__ = ["pool"]


def pool(tokens: TokenEmbeddings, spans: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """Mean vector of the tokens that overlap each span.

    Args:
        tokens: of the note.
        spans: half-open (start, end) in code points of the note.

    Returns:
        *Shape:* (n_spans, dim) float32; a span without tokens gets a zero row.
    """
    out = np.zeros((len(spans), tokens.vectors.shape[1]), dtype=np.float32)
    if not len(tokens):
        return out
    bounds = np.asarray(spans, dtype=np.int64).reshape(-1, 2)
    left = np.searchsorted(np.maximum.accumulate(tokens.end_char), bounds[:, 0], side="right")
    right = np.searchsorted(tokens.start_char, bounds[:, 1], side="left")
    for row, (i, j) in enumerate(zip(left, right, strict=True)):
        if i < j:
            tokens.vectors[i:j].mean(axis=0, out=out[row])
    return out
