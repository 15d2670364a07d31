"""Coding one shard: a pure function of its notes, the mapper and what is asked."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from conceptmap.batch.coded import Coded, joined
from conceptmap.errors import IndexMismatchError, ModelError, OutOfSpaceError
from conceptmap.memory import is_out_of_memory
from conceptmap.notes.notes import BadNote

if TYPE_CHECKING:
    from conceptmap.batch.settings import Asked
    from conceptmap.mapper import ConceptMapper, Results

__all__ = ["CHUNK_CHARS", "CHUNK_NOTES", "Tick", "code_shard"]

CHUNK_NOTES = 128
CHUNK_CHARS = 400_000

Tick = Callable[[int, int], None]
"""Called with the notes of a finished chunk and how many of them failed."""


@dataclass(frozen=True)
class _Piece:
    """Some notes, what was found in them, and those that failed."""

    notes: pl.DataFrame
    results: Results | None
    failed: tuple[BadNote, ...] = ()


def code_shard(notes: pl.DataFrame, mapper: ConceptMapper, asked: Asked, *, tick: Tick | None = None) -> Coded:
    """Code notes; one that the mapper fails on is set aside and the others are coded.

    A batch that the memory does not hold is halved, down to one note, which is set aside if it is still too large.

    Args:
        notes: columns note_id, text.
        mapper: loaded.
        asked: what to find.
        tick: called after each chunk.

    Raises:
        OutOfSpaceError, IndexMismatchError, ModelError: no note's fault.
    """
    pieces: list[_Piece] = []
    for chunk in _chunks(notes):
        done = list(_pieces(chunk, mapper, asked))
        pieces += done
        if tick is not None:
            tick(chunk.height, sum(len(piece.failed) for piece in done))
    return Coded(
        results=joined(piece.results for piece in pieces if piece.results is not None),
        failed=tuple(bad for piece in pieces for bad in piece.failed),
        notes=sum(piece.notes.height for piece in pieces),
        words=sum(int(piece.notes["text"].str.count_matches(r"\S+").sum()) for piece in pieces),
    )


def _chunks(notes: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """At most so many notes, and so many characters unless a single note is longer."""
    first, size = 0, 0
    for at, length in enumerate(notes["text"].str.len_chars()):
        if at > first and (at - first >= CHUNK_NOTES or size + length > CHUNK_CHARS):
            yield notes[first:at]
            first, size = at, 0
        size += length
    if first < notes.height:
        yield notes[first:]


def _pieces(chunk: pl.DataFrame, mapper: ConceptMapper, asked: Asked) -> Iterator[_Piece]:
    """The chunk with its results; where that fails, its halves."""
    try:
        yield _Piece(chunk, mapper.annotate_many(chunk, **asdict(asked)))
        return
    except (IndexMismatchError, ModelError, OutOfSpaceError):
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 - told by kind and place
        if chunk.height == 1:
            bad = BadNote("mapper", chunk["note_id"][0], _reason(error, chunk["text"].str.len_chars()[0]))
            yield _Piece(chunk.clear(), None, (bad,))
            return
    half = chunk.height // 2
    yield from _pieces(chunk[:half], mapper, asked)
    yield from _pieces(chunk[half:], mapper, asked)


def _reason(error: BaseException, n_chars: int) -> str:
    """Why the mapper failed at a note."""
    if is_out_of_memory(error):
        what = f"does not fit into memory: got {n_chars:,} characters"
        return f"{what}; split it, use fewer workers, or close other programs"
    return f"the mapper failed: {place_of(error)}"


def place_of(error: BaseException) -> str:
    """Kind and place of an error. Its message may hold note text, so it is not repeated."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "conceptmap" in Path(frame.filename).parts] or frames
    where = f" in {Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else ""
    return type(error).__name__ + where
