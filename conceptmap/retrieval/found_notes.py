"""Found: the notes that a query found, their best passages, and which tokens made the score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.errors import InputError
from conceptmap.frames import frame_of
from conceptmap.retrieval.collection import Collection
from conceptmap.retrieval.encoding import QueryTokens

if TYPE_CHECKING:
    from conceptmap.topk.maxsim import MaxSim

__all__ = ["HITS", "MATCHES", "Answer", "FoundNotes"]

HITS = pl.Schema(
    {
        "rank": pl.Int64,
        "note_id": pl.String,
        "score": pl.Float64,
        "mean": pl.Float64,
        "start_char": pl.Int64,
        "end_char": pl.Int64,
        "passage": pl.String,
        "words": pl.Float64,
        "fused": pl.Float64,
    }
)
"""A row per note that was found. ``score`` is the sum over the query's tokens, ``mean`` their mean cosine; ``words``
BM25, where words were searched; ``fused`` both ranks, where both were."""

MATCHES = pl.Schema(
    {
        "rank": pl.Int64,
        "note_id": pl.String,
        "query_token": pl.String,
        "query_start": pl.Int64,
        "query_end": pl.Int64,
        "note_token": pl.String,
        "start_char": pl.Int64,
        "end_char": pl.Int64,
        "score": pl.Float64,
    }
)
"""A row per note and token of the query: the token of the note that answers it best. The scores of a note add up to its
score. What stands nowhere in a text (``[CLS]``, a query's expansion) has no places."""


@dataclass(frozen=True, eq=False)
class Answer:
    """One note that was found.

    Attributes:
        score: sum of the parts.
        order: of equal scores: segment and passage.
        collection: where its note is.
        parts: best cosine of each query token. *Shape:* (n_tokens,) float32.
        rows: the row that has it, in the segment. *Shape:* (n_tokens,) int64.
        words: BM25 of a passage, where words were searched.
        fused: sum of reciprocal ranks, where both were.
    """

    score: float
    order: tuple[int, int]
    collection: Collection = field(repr=False)
    parts: NDArray[np.float32] = field(repr=False)
    rows: NDArray[np.int64] = field(repr=False)
    words: float | None = None
    fused: float | None = None

    @classmethod
    def each(cls, collection: Collection, segment: int, best: MaxSim) -> Iterator[Answer]:
        """The answers of one segment."""
        for score, passage, parts, rows in zip(*best, strict=True):
            yield cls(float(score), (segment, int(passage)), collection, parts, rows)

    def __lt__(self, other: Answer) -> bool:
        return (-self.score, self.order) < (-other.score, other.order)

    @property
    def note_id(self) -> str:
        """The note's id."""
        segment, passage = self.order
        own = self.collection.segments[segment]
        return str(own.notes["note_id"][int(own.note_of[passage])])

    @property
    def text(self) -> str:
        """The whole note, as it was indexed."""
        segment, passage = self.order
        own = self.collection.segments[segment]
        return str(own.texts[int(own.note_of[passage])])

    @property
    def span(self) -> tuple[int, int]:
        """The passage in the note."""
        segment, passage = self.order
        start, end = self.collection.segments[segment].spans[passage].tolist()
        return int(start), int(end)

    @property
    def places(self) -> list[tuple[int, int] | None]:
        """For each query token where its note token stands, None where it stands nowhere."""
        own = self.collection.segments[self.order[0]]
        spans = zip(own.start_char[self.rows].tolist(), own.end_char[self.rows].tolist(), strict=True)
        return [(start, end) if start >= 0 else None for start, end in spans]


@dataclass(frozen=True, eq=False)
class FoundNotes:
    """What a query found, best first.

    Attributes:
        query: what was looked for.
        tokens: its tokens.
        answers: the notes.
        codes: codes that were asked for (``system:code``), and where their wordings stand in the query.
    """

    query: str
    tokens: QueryTokens = field(repr=False)
    answers: tuple[Answer, ...] = field(repr=False)
    codes: tuple[tuple[tuple[int, int], str], ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.answers)

    def __repr__(self) -> str:
        return f"FoundNotes({len(self)} notes, query of {len(self.tokens.texts)} tokens)"

    @cached_property
    def hits(self) -> pl.DataFrame:
        """Schema ``HITS``."""
        rows = [
            (
                *(rank, one.note_id, one.score, one.score / len(one.parts)),
                *(*one.span, one.text[slice(*one.span)], one.words, one.fused),
            )
            for rank, one in enumerate(self.answers, 1)
        ]
        return frame_of(rows, HITS)

    @cached_property
    def matches(self) -> pl.DataFrame:
        """Schema ``MATCHES``."""
        rows: list[tuple[object, ...]] = []
        asked = list(
            zip(self.tokens.texts, self.tokens.start_char.tolist(), self.tokens.end_char.tolist(), strict=True)
        )
        for rank, one in enumerate(self.answers, 1):
            text = one.text
            for (token, start, end), place, part in zip(asked, one.places, one.parts.tolist(), strict=True):
                own = (start, end) if start >= 0 else (None, None)
                theirs = (text[slice(*place)], *place) if place else (None, None, None)
                rows.append((rank, one.note_id, token, *own, *theirs, part))
        return frame_of(rows, MATCHES)

    def answer(self, rank: int) -> Answer:
        """The note of a rank, from 1.

        Raises:
            InputError: there is no such rank.
        """
        if not 1 <= rank <= len(self.answers):
            raise InputError("no note has this rank", got=rank, expected=f"1 to {len(self.answers)}")
        return self.answers[rank - 1]
