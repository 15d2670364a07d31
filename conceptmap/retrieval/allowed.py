"""What may answer: notes that hold a concept or one below it, and tokens that are not part of a denied mention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.retrieval.collection import Collection
from conceptmap.retrieval.segments import Segment
from conceptmap.retrieval.why import Concepts

__all__ = ["EVERYTHING", "Allowed", "allowed_in", "mentions_of"]

_COLUMNS = ("start_char", "end_char", "system", "code", "negated")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What of a segment may answer.

    Attributes:
        passages: *Shape:* (n_passages,) bool; None for all.
        rows: *Shape:* (n_rows,) bool; None for all.
    """

    passages: NDArray[np.bool_] | None = None
    rows: NDArray[np.bool_] | None = None


EVERYTHING = Allowed()


def mentions_of(collection: Collection, concepts: Concepts) -> list[pl.DataFrame]:
    """The mentions of each segment's notes, first rank alone: ``note`` (its place) and where and what they are."""
    found = []
    for segment in collection.segments:
        pairs = ((str(place), text) for place, text in enumerate(segment.texts))
        mentions = concepts.reader.annotate_many(pairs).mentions.filter(pl.col("rank") == 1)
        found.append(mentions.select(pl.col("note_id").cast(pl.Int64).alias("note"), *_COLUMNS))
    return found


def allowed_in(
    collection: Collection,
    mentions: Sequence[pl.DataFrame],
    concepts: Concepts,
    *,
    codes: Iterable[str],
    affirmed: bool,
) -> list[Allowed]:
    """What of each segment may answer.

    Args:
        collection: the index.
        mentions: of each segment's notes, as `mentions_of` gives them.
        concepts: of the loaded indexes.
        codes: notes must hold each of these, or a concept below it.
        affirmed: denied mentions hold nothing, and their tokens take no part.

    Raises:
        UnknownCodeError: no index holds a code.
    """
    wanted = [_with_all_below(concepts, code) for code in codes]
    found = []
    for segment, held in zip(collection.segments, mentions, strict=True):
        denied = held.filter(pl.col("negated").fill_null(value=False))
        counted = held.filter(~pl.col("negated").fill_null(value=False)) if affirmed else held
        passages = None
        if wanted:
            notes = np.ones(segment.notes.height, dtype=np.bool_)
            for nodes in wanted:
                having = np.zeros_like(notes)
                having[counted.join(nodes, on=["system", "code"], how="semi")["note"].to_numpy()] = True
                notes &= having
            passages = notes[segment.note_of]
        found.append(Allowed(passages, _outside(segment, denied) if affirmed else None))
    return found


def _with_all_below(concepts: Concepts, code: str) -> pl.DataFrame:
    """System and code of a concept and of all that lie below it."""
    system, node = concepts.resolved(code)
    ontology = concepts.ontology(system)
    nodes = [node, *ontology.descendants(node)]
    codes = ontology.concepts.filter(pl.col("node").is_in(pl.Series(nodes, dtype=pl.String).implode()))["code"]
    return pl.DataFrame({"system": [system] * len(codes), "code": codes}).unique()


def _outside(segment: Segment, denied: pl.DataFrame) -> NDArray[np.bool_]:
    """Rows that share no character with a denied mention of their note. *Shape:* (n_rows,) bool."""
    kept = np.ones(segment.n_rows, dtype=np.bool_)
    bounds = np.searchsorted(segment.row_note, np.arange(segment.notes.height + 1))
    for note, start, end in denied.select("note", "start_char", "end_char").iter_rows():
        rows = slice(int(bounds[note]), int(bounds[note + 1]))
        kept[rows] &= (segment.end_char[rows] <= start) | (segment.start_char[rows] >= end)
    return kept
