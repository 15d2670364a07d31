"""The slow twin of the token encoder: one window after the other, each token from its most central window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.encoder import TokenModel

__all__ = ["stitched_oracle"]


def stitched_oracle(model: TokenModel, text: str) -> NDArray[np.float32]:
    """Vectors of all pieces of a note, white-space pieces included."""
    (pieces,) = model.tokeniser.pieces([text])
    total = len(pieces.ids)
    best = np.full(total, -1.0)
    vectors = np.zeros((total, model.dim), dtype=np.float32)
    for window in model.windows(text, pieces):
        rows = model.forward([model.tokeniser.wrap(pieces.ids[window.start : window.stop])])
        rows = rows[len(model.tokeniser.prefix) :]
        for i in range(window.start, window.stop):
            left = i - window.start if window.start < window.own_start else np.inf  # an outer edge cuts no context off
            right = window.stop - 1 - i if window.stop > window.own_stop else np.inf
            if min(left, right) > best[i]:
                best[i], vectors[i] = min(left, right), rows[i - window.start]
    return vectors
