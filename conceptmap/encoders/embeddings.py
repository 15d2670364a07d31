"""TokenEmbeddings: what every token encoder returns for one note. Free of torch, so that anything may import it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TokenEmbeddings"]


@dataclass(frozen=True, slots=True)
class TokenEmbeddings:
    """The tokens of one note, in reading order, special tokens left out.

    Attributes:
        vectors: pre-projection token vectors. *Shape:* (n_tokens, dim) float32.
        start_char: first code point of each token in the note. *Shape:* (n_tokens,) int64.
        end_char: one past the last code point. *Shape:* (n_tokens,) int64. ``note[start:end]`` has no white space at
            either edge and is never empty; several tokens may share a span (one emoji, four byte-level tokens).
    """

    vectors: NDArray[np.float32]
    start_char: NDArray[np.int64]
    end_char: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start_char)
