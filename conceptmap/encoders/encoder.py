"""TokenEncoder: any model behind two verbs, `tokens` for notes and `terms` for short strings. Loads no torch by itself.

READ FIRST in this folder. A note becomes pieces with offsets (`tokenise`), pieces become overlapping windows or
sentences (`windows`), windows become length-sorted batches, the model's forward turns a batch into vectors
(`packed_bert`, `transformer`), and the vectors are stitched here. Windows in which nobody asks for a vector are left
out, and equal ones go through the model once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import TokenEmbeddings, Vectors, covered, empty, put
from conceptmap.encoders.tokenise import Pieces, Tokeniser, WordTokeniser
from conceptmap.encoders.windows import Window, batches, cut, cut_at
from conceptmap.memory import halved
from conceptmap.text.sentences import sentences

if TYPE_CHECKING:
    from conceptmap.encoders.device import Meter

__all__ = [
    "EncodeTerms",
    "Forward",
    "Progress",
    "Spans",
    "TokenEncoder",
    "TokenModel",
    "encode_notes",
    "once",
    "run_model",
]

Item = TypeVar("Item")

LEAST_BATCH = 256
"""Tokens; smaller batches do not keep a core busy."""

Forward = Callable[..., Vectors]
"""Model inputs, special tokens included, to their last hidden states, one sequence after the other: (total, dim).

Called as ``forward(inputs)``, or as ``forward(inputs, rows)`` for some rows of these, in that order: (n_rows, dim).
"""

Progress = Callable[[int, int], None]
"""Called as ``progress(tokens_done, tokens_in_all)``."""

Spans = Sequence[tuple[int, int]]
"""Half-open (start, end) in code points of one note."""

EncodeTerms = Callable[[Sequence[str], Progress | None], NDArray[np.float32]]
"""Short strings to one vector each: (n_terms, term_dim)."""


@dataclass(frozen=True)
class TokenModel:
    """A tokenizer and a forward, and how to feed them.

    Attributes:
        tokeniser: text to pieces and special tokens; or to words, each an input by itself.
        forward: batch of inputs to packed last hidden states.
        dim: width of a hidden state.
        window: most tokens of a note that are read at once, special tokens included.
        by_sentence: whether each sentence is read by itself, as models that were trained on sentences want it.
        batch_tokens: most tokens in a batch, padding included.
        threads: batches that run side by side; 0 for as many as torch has threads (CPU), 1 on an accelerator.
        empty: room for (n, dim) vectors where the forward leaves them.
        lane: a context in which a device works on notes beside others; at its end the vectors are ready.
        meter: sizes batches by the device's memory, instead of ``batch_tokens``.
    """

    tokeniser: Tokeniser | WordTokeniser
    forward: Forward
    dim: int
    window: int
    by_sentence: bool = False
    batch_tokens: int = 1024
    threads: int = 0
    empty: Callable[[int, int], Vectors] = empty
    lane: Callable[[], AbstractContextManager[None]] = nullcontext
    meter: Meter | None = None

    @property
    def room(self) -> int:
        """Most pieces in a window, special tokens not counted."""
        return self.window - len(self.tokeniser.prefix) - len(self.tokeniser.suffix)

    def windows(self, text: str, pieces: Pieces) -> list[Window]:
        """How a note is cut."""
        if not self.by_sentence:
            return cut(pieces.breaks, self.room)
        starts = np.array([start for start, _ in sentences(text)], dtype=np.int64)
        return cut_at(np.searchsorted(pieces.start, starts), pieces.breaks, self.room)


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
        encode_index: encodes the terms of an index where that is done otherwise than other terms.
        index_dtype: what these are computed in: ``float32``, ``bfloat16``, ``float16`` or ``int8``.
    """

    name: str
    revision: str
    licence: str
    non_commercial: bool
    term_dim: int
    model: TokenModel = field(repr=False)
    encode_terms: EncodeTerms = field(repr=False)
    encode_index: EncodeTerms | None = field(default=None, repr=False)
    index_dtype: str = "float32"

    @property
    def dim(self) -> int:
        """Width of a token vector."""
        return self.model.dim

    @property
    def window(self) -> int:
        """Most tokens of a note that are read at once, special tokens included."""
        return self.model.window

    def tokens(
        self, texts: Sequence[str], progress: Progress | None = None, *, spans: Sequence[Spans] | None = None
    ) -> list[TokenEmbeddings]:
        """Encode notes of any length; nothing is truncated.

        Args:
            texts: the notes. An empty or white-space note gives no token.
            progress: called with the tokens done and their total (tokens in overlaps count twice, those of equal
                windows once).
            spans: for each note the spans (start, end) in code points whose tokens are asked for; None for all of it.

        Returns:
            For each note its tokens in reading order, special tokens left out; with `spans`, those that overlap one. A
            token's vector is the same whatever is asked for.
        """
        return encode_notes(self.model, texts, progress, spans=spans)

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

    def index_terms(self, terms: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """As `terms`, for those of an index, of which there are so many that time counts more than the last digits."""
        return (self.encode_index or self.encode_terms)(terms, progress)


def encode_notes(
    model: TokenModel,
    texts: Sequence[str],
    progress: Progress | None = None,
    *,
    spans: Sequence[Spans] | None = None,
) -> list[TokenEmbeddings]:
    """Cut notes into windows, run those that are asked for in batches and stitch their token vectors."""
    pieces = model.tokeniser.pieces(texts)
    asked = [_asked(piece, None if spans is None else spans[note]) for note, piece in enumerate(pieces)]
    jobs = [
        (note, window)
        for note, piece in enumerate(pieces)
        for window in model.windows(texts[note], piece)
        if asked[note][window.own_start : window.own_stop].any()
    ]
    inputs, jobs_of = once(jobs, [model.tokeniser.wrap(pieces[n].ids[w.start : w.stop]) for n, w in jobs])
    edges = np.cumsum([0, *(int(mask.sum()) for mask in asked)]).tolist()
    rows_of = [np.cumsum(mask) - 1 + first for mask, first in zip(asked, edges, strict=False)]
    moves = [_moves(served, asked, rows_of, len(model.tokeniser.prefix)) for served in jobs_of]
    with model.lane():
        vectors = model.empty(edges[-1], model.dim)

        def store(batch: NDArray[np.int64], rows: Vectors) -> None:
            put(vectors, np.concatenate([moves[i][1] for i in batch]), rows, np.arange(len(rows)))

        run_model(model, inputs, store, progress, wanted=[source for source, _ in moves])
    return [
        TokenEmbeddings(vectors[first:stop], piece.start[mask], piece.end[mask], text)
        for text, piece, mask, (first, stop) in zip(texts, pieces, asked, pairwise(edges), strict=True)
    ]


def _asked(piece: Pieces, spans: Spans | None) -> NDArray[np.bool_]:
    """Which pieces cover more than white space, and overlap a span if there are spans. *Shape:* (n_pieces,) bool."""
    inked = piece.end > piece.start
    if spans is None:
        return inked
    out = np.zeros(len(inked), dtype=np.bool_)
    for first, stop in zip(*covered(piece.start, piece.end, spans), strict=True):
        out[first:stop] = True
    return out & inked


def _moves(
    jobs: Sequence[tuple[int, Window]],
    asked: Sequence[NDArray[np.bool_]],
    rows_of: Sequence[NDArray[np.int64]],
    prefix: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where in an input's rows the vectors are that its windows own, and which rows of the result they become."""
    source, row = [], []
    for note, window in jobs:
        own = slice(window.own_start, window.own_stop)
        kept = np.flatnonzero(asked[note][own])
        source.append(kept + (window.own_start - window.start + prefix))
        row.append(rows_of[note][own][kept])
    return np.concatenate(source), np.concatenate(row)


def once(
    items: Iterable[Item], inputs: Sequence[NDArray[np.int64]]
) -> tuple[list[NDArray[np.int64]], list[list[Item]]]:
    """The different inputs, and the items that each serves: notes repeat their boilerplate, systems their terms.

    Args:
        items: one for each input.
        inputs: ids of each sequence.
    """
    different: dict[bytes, list[Item]] = {}
    for item, ids in zip(items, inputs, strict=True):
        different.setdefault(ids.tobytes(), []).append(item)
    return [np.frombuffer(key, dtype=np.int64) for key in different], list(different.values())


def run_model(
    model: TokenModel,
    inputs: Sequence[NDArray[np.int64]],
    store: Callable[[NDArray[np.int64], Vectors], None],
    progress: Progress | None = None,
    *,
    wanted: Sequence[NDArray[np.int64]] | None = None,
) -> None:
    """Send inputs through the model in length-sorted batches; one that memory does not hold is halved.

    Args:
        model: the model.
        inputs: ids of each sequence, special tokens included.
        store: gets the positions of a batch's inputs and their packed vectors, from several threads.
        progress: called from the calling thread with the tokens done and their total.
        wanted: for each input the tokens whose vectors `store` gets; all of them by default. The last layer of a model
            that can do so computes no others.
    """
    from conceptmap.encoders.parallel import each, side_by_side

    lengths = np.array([len(ids) for ids in inputs], dtype=np.int64)

    release = (lambda: None) if model.meter is None else model.meter.memory.release

    def forward(batch: NDArray[np.int64]) -> Vectors:
        given = [inputs[i] for i in batch]
        if wanted is None:
            return model.forward(given)
        first = np.cumsum(lengths[batch]) - lengths[batch]
        return model.forward(given, np.concatenate([wanted[i] + at for i, at in zip(batch, first, strict=True)]))

    def work(batch: NDArray[np.int64]) -> int:
        done = halved(lambda part: forward(batch[part]), len(batch), at_once=len(batch), release=release)
        for part, rows in done:
            store(batch[part], rows)
        return int(lengths[batch].sum())

    done, total = 0, int(lengths.sum())
    threads = side_by_side(model.threads)
    most = model.batch_tokens if model.meter is None else model.meter.batch_tokens(model.forward, inputs)
    budget = min(most, max(LEAST_BATCH, -(-total // threads)))  # a little work is shared as well
    for tokens in each(work, list(batches(lengths, budget)), threads=threads):
        done += tokens
        if progress is not None:
            progress(done, total)
