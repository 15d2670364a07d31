"""TokenEncoder: any model behind two verbs, `tokens` for notes and `terms` for short strings. Free of torch.

READ FIRST in this folder. A note becomes pieces with offsets (`tokenise`), pieces become overlapping windows (`windows`),
windows become length-sorted batches, the model's forward turns a batch into vectors, and the vectors are stitched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import TokenEmbeddings
from conceptmap.encoders.tokenise import Pieces, Tokeniser
from conceptmap.encoders.windows import Window, batches, cut

__all__ = ["Forward", "Progress", "TokenEncoder"]

Forward = Callable[[list[NDArray[np.int64]]], NDArray[np.float32]]
"""Model inputs, special tokens included, to their last hidden states, one sequence after the other: (total, dim)."""

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)``."""

Pool = Callable[[NDArray[np.float32], NDArray[np.int64]], NDArray[np.float32]]
"""Packed vectors (total, dim) and sequence lengths (n,) to one vector for each sequence (n, dim)."""


@dataclass(frozen=True)
class TokenEncoder:
    """A loaded encoder; make one with `load_encoder`.

    Attributes:
        name: model name, as recorded in indexes and runs.
        revision: commit, or digest of the weights.
        licence: SPDX-like licence name of the weights, ``unknown`` where the model folder does not say.
        dim: width of a token vector and of a term vector.
        window: most tokens that the model reads at once, special tokens included.
        non_commercial: the licence forbids commercial use.
    """

    name: str
    revision: str
    licence: str
    dim: int
    window: int
    non_commercial: bool
    tokeniser: Tokeniser = field(repr=False)
    forward: Forward = field(repr=False)
    pool: Pool = field(repr=False)
    batch_tokens: int = 4096

    def tokens(self, texts: Sequence[str], progress: Progress | None = None) -> list[TokenEmbeddings]:
        """Encode notes of any length; nothing is truncated.

        Args:
            texts: the notes. An empty or white-space note gives no token.
            progress: called with the tokens done and their total (tokens in overlaps count twice).

        Returns:
            For each note its tokens in reading order, special tokens left out.
        """
        pieces = self.tokeniser.pieces(texts)
        width = self.window - len(self.tokeniser.prefix) - len(self.tokeniser.suffix)
        jobs = [(note, window) for note, piece in enumerate(pieces) for window in cut(piece.breaks, width)]
        vectors = [np.empty((len(piece.ids), self.dim), dtype=np.float32) for piece in pieces]
        inputs = [self.tokeniser.wrap(pieces[note].ids[window.start : window.stop]) for note, window in jobs]
        self._run(inputs, lambda i, rows: _keep(vectors, jobs[i], rows, len(self.tokeniser.prefix)), progress)
        return [_embeddings(piece, rows) for piece, rows in zip(pieces, vectors, strict=True)]

    def terms(self, terms: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Encode short strings with the model's own sentence pooling; equal strings are encoded once.

        Args:
            terms: names of concepts, mentions, queries. What exceeds the window is left out of the vector.
            progress: called with the tokens done and their total.

        Returns:
            *Shape:* (n_terms, dim) float32, normalised only where the model does so itself.
        """
        distinct = {term: row for row, term in enumerate(dict.fromkeys(terms))}
        inputs = self.tokeniser.ids(list(distinct), self.window)
        out = np.empty((len(inputs), self.dim), dtype=np.float32)

        def store(i: int, rows: NDArray[np.float32]) -> None:
            out[i] = self.pool(rows, np.array([len(rows)]))[0]

        self._run(inputs, store, progress)
        return out[[distinct[term] for term in terms]]

    def _run(
        self,
        inputs: list[NDArray[np.int64]],
        store: Callable[[int, NDArray[np.float32]], None],
        progress: Progress | None,
    ) -> None:
        """Send inputs through the model in length-sorted batches; `store` gets each input's own rows."""
        lengths = np.array([len(ids) for ids in inputs], dtype=np.int64)
        done, total = 0, int(lengths.sum())
        for batch in batches(lengths, self.batch_tokens):
            rows = self.forward([inputs[i] for i in batch])
            stops = np.cumsum(lengths[batch])
            for i, stop in zip(batch, stops, strict=True):
                store(int(i), rows[stop - lengths[i] : stop])
            done += int(stops[-1])
            if progress is not None:
                progress(done, total)


def _keep(vectors: list[NDArray[np.float32]], job: tuple[int, Window], rows: NDArray[np.float32], prefix: int) -> None:
    """Copy the rows that a window owns into its note's array."""
    note, window = job
    first = window.own_start - window.start + prefix
    vectors[note][window.own_start : window.own_stop] = rows[first : first + window.own_stop - window.own_start]


def _embeddings(piece: Pieces, vectors: NDArray[np.float32]) -> TokenEmbeddings:
    """Leave out pieces that cover nothing but white space."""
    shown = piece.end > piece.start
    if shown.all():
        return TokenEmbeddings(vectors, piece.start, piece.end)
    return TokenEmbeddings(vectors[shown], piece.start[shown], piece.end[shown])
