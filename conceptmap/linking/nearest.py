"""The nearest concepts of vectors as they are: no mention, no smoothing over neighbours, nobody abstains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders import TokenEncoder
from conceptmap.encoders.embeddings import TokenEmbeddings, Vectors
from conceptmap.errors import InputError
from conceptmap.linking.linker import Linker

__all__ = ["as_tokens", "nearest_rows"]


def as_tokens(
    given: str | TokenEmbeddings | Vectors | NDArray[np.floating[Any]], encoder: TokenEncoder | None = None
) -> TokenEmbeddings:
    """The tokens of a text; vectors as tokens that stand nowhere; tokens as they are.

    Raises:
        InputError: a text without an encoder, or what is no matrix.

    >>> len(as_tokens(np.eye(3)))
    3
    """
    if isinstance(given, TokenEmbeddings):
        return given
    if isinstance(given, str):
        if encoder is None:
            raise InputError("tokens have no vectors", got="no encoder", expected="an encoder, or vectors")
        return encoder.tokens([given])[0]
    vectors: Any = given if hasattr(given, "cpu") else np.asarray(given)
    numbers = not isinstance(vectors, np.ndarray) or np.issubdtype(vectors.dtype, np.number)
    if getattr(vectors, "ndim", 0) != 2 or not numbers:
        got = f"shape {tuple(vectors.shape)}" if hasattr(vectors, "shape") else type(given).__name__
        raise InputError("these are no vectors", got=got, expected="a text, tokens, or an array of shape (n, dim)")
    if isinstance(vectors, np.ndarray):
        vectors = vectors.astype(np.float32, copy=False)
    nowhere = np.zeros(len(vectors), dtype=np.int64)
    return TokenEmbeddings(vectors, nowhere, nowhere)


def nearest_rows(tokens: TokenEmbeddings, linkers: Sequence[Linker], k: int) -> Iterator[tuple[Any, ...]]:
    """Rows of ``frames.NEAREST``: a row per token × rank in each system that has vectors.

    Args:
        tokens: those of a note, or vectors that stand nowhere.
        linkers: indexes with their adapters.
        k: concepts for each token.
    """
    places = list(zip(tokens.start_char.tolist(), tokens.end_char.tolist(), strict=True))
    for linker in (linker for linker in linkers if linker.index.dim):
        book, system = linker.book, linker.index.system
        scores, concepts = linker.near(linker.mapped(tokens.vectors), k)
        for at, (start, end) in enumerate(places):
            place = (start, end) if end > start else (None, None)
            for rank, (concept, score) in enumerate(zip(concepts[at].tolist(), scores[at].tolist(), strict=True), 1):
                if concept >= 0:
                    named = (tokens.note[start:end] or None, book.codes[concept], book.names[concept])
                    yield (*named, score, rank, system, at, *place)
