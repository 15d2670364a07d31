"""TokenEncoder: any model behind two verbs, `tokens` for notes and `terms` for short strings. Loads no torch by itself.

READ FIRST in this folder. A note becomes pieces with offsets (`tokenise`), pieces become overlapping windows
(`windows`), windows become length-sorted batches, the model's forward turns a batch into vectors (`packed_bert`,
`transformer`), and the vectors are stitched here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import TokenEmbeddings
from conceptmap.encoders.tokenise import Pieces, Tokeniser
from conceptmap.encoders.windows import Window, batches, cut

__all__ = ["EncodeTerms", "Forward", "Progress", "TokenEncoder", "TokenModel", "encode_notes", "run_model"]

LEAST_BATCH = 256
"""Tokens; smaller batches do not keep a core busy."""

Forward = Callable[[list[NDArray[np.int64]]], NDArray[np.float32]]
"""Model inputs, special tokens included, to their last hidden states, one sequence after the other: (total, dim)."""

Progress = Callable[[int, int], None]
"""Called as ``progress(tokens_done, tokens_in_all)``."""

EncodeTerms = Callable[[Sequence[str], Progress | None], NDArray[np.float32]]
"""Short strings to one vector each: (n_terms, term_dim)."""


@dataclass(frozen=True)
class TokenModel:
    """A tokenizer and a forward, and how to feed them.

    Attributes:
        tokeniser: text to pieces and special tokens.
        forward: batch of inputs to packed last hidden states.
        dim: width of a hidden state.
        window: most tokens of a note that are read at once, special tokens included.
        batch_tokens: most tokens in a batch, padding included.
        threads: batches that run side by side; 0 for as many as torch has threads (CPU), 1 on an accelerator.
    """

    tokeniser: Tokeniser
    forward: Forward
    dim: int
    window: int
    batch_tokens: int = 1024
    threads: int = 0

    @property
    def room(self) -> int:
        """Most pieces in a window, special tokens not counted."""
        return self.window - len(self.tokeniser.prefix) - len(self.tokeniser.suffix)


@dataclass(frozen=True)
class TokenEncoder:
    """A loaded encoder; make one with `load_encoder`.

    Attributes:
        name: model name, as recorded in indexes and runs.
        revision: commit of the hub, or digest of the weights.
        licence: licence of the weights as their model card names it, ``unknown`` where it does not.
        non_commercial: the licence forbids commercial use, or is one that only its owner can read out.
        term_dim: width of a term vector; `dim` unless the model projects its sentence vectors.
        model: the model behind it.
    """

    name: str
    revision: str
    licence: str
    non_commercial: bool
    term_dim: int
    model: TokenModel = field(repr=False)
    encode_terms: EncodeTerms = field(repr=False)

    @property
    def dim(self) -> int:
        """Width of a token vector."""
        return self.model.dim

    @property
    def window(self) -> int:
        """Most tokens of a note that are read at once, special tokens included."""
        return self.model.window

    def tokens(self, texts: Sequence[str], progress: Progress | None = None) -> list[TokenEmbeddings]:
        """Encode notes of any length; nothing is truncated.

        Args:
            texts: the notes. An empty or white-space note gives no token.
            progress: called with the tokens done and their total (tokens in overlaps count twice).

        Returns:
            For each note its tokens in reading order, special tokens left out.
        """
        return encode_notes(self.model, texts, progress)

    def terms(self, terms: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Encode short strings with the model's own sentence pooling; equal strings are encoded once.

        Args:
            terms: names of concepts, mentions, queries. What exceeds the model's own sentence length is left out, as
                its reference library does.
            progress: called with the tokens done and their total.

        Returns:
            *Shape:* (n_terms, term_dim) float32, of length 1 only where the model normalises.
        """
        return self.encode_terms(terms, progress)


def encode_notes(model: TokenModel, texts: Sequence[str], progress: Progress | None = None) -> list[TokenEmbeddings]:
    """Cut notes into windows, run them in batches and stitch their token vectors."""
    pieces = model.tokeniser.pieces(texts)
    jobs = [(note, window) for note, piece in enumerate(pieces) for window in cut(piece.breaks, model.room)]
    inputs = [model.tokeniser.wrap(pieces[note].ids[window.start : window.stop]) for note, window in jobs]
    vectors = [np.empty((len(piece.ids), model.dim), dtype=np.float32) for piece in pieces]

    def store(batch: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
        stops = accumulate(len(inputs[i]) for i in batch)
        for i, stop in zip(batch, stops, strict=True):
            note, window = jobs[i]
            first = stop - len(inputs[i]) + len(model.tokeniser.prefix)
            _keep(vectors[note], window, rows[first:])

    run_model(model, inputs, store, progress)
    return [_embeddings(piece, rows) for piece, rows in zip(pieces, vectors, strict=True)]


def run_model(
    model: TokenModel,
    inputs: Sequence[NDArray[np.int64]],
    store: Callable[[NDArray[np.int64], NDArray[np.float32]], None],
    progress: Progress | None = None,
) -> None:
    """Send inputs through the model in length-sorted batches.

    Args:
        model: the model.
        inputs: ids of each sequence, special tokens included.
        store: gets the positions of a batch's inputs and their packed vectors, from several threads.
        progress: called from the calling thread with the tokens done and their total.
    """
    from conceptmap.encoders.parallel import each, side_by_side

    lengths = np.array([len(ids) for ids in inputs], dtype=np.int64)

    def work(batch: NDArray[np.int64]) -> int:
        store(batch, model.forward([inputs[i] for i in batch]))
        return int(lengths[batch].sum())

    done, total = 0, int(lengths.sum())
    threads = side_by_side(model.threads)
    budget = min(model.batch_tokens, max(LEAST_BATCH, -(-total // threads)))  # a little work is shared as well
    for tokens in each(work, list(batches(lengths, budget)), threads=threads):
        done += tokens
        if progress is not None:
            progress(done, total)


def _keep(vectors: NDArray[np.float32], window: Window, rows: NDArray[np.float32]) -> None:
    """Copy the rows that a window owns into its note's array."""
    first = window.own_start - window.start
    vectors[window.own_start : window.own_stop] = rows[first : first + window.own_stop - window.own_start]


def _embeddings(piece: Pieces, vectors: NDArray[np.float32]) -> TokenEmbeddings:
    """Leave out pieces that cover nothing but white space."""
    shown = piece.end > piece.start
    if shown.all():
        return TokenEmbeddings(vectors, piece.start, piece.end)
    return TokenEmbeddings(vectors[shown], piece.start[shown], piece.end[shown])
