"""Column names and types of the frames and files that conceptmap hands out (formats are a contract: only add)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import polars as pl

__all__ = [
    "ANNOTATIONS",
    "CODES",
    "CODES_ROLLED_UP",
    "LOOKED_UP",
    "MENTIONS",
    "NEAREST",
    "SITUATIONS",
    "SPANS",
    "TAGS",
    "frame_of",
    "no_panic",
    "overlapping",
]

BLOCK_CHARS = 64
"""Spans of a note are paired within blocks of so many characters."""

ANNOTATIONS = pl.Schema(
    {
        "note_id": pl.String,
        "mention_id": pl.String,
        "start_char": pl.Int64,
        "end_char": pl.Int64,
        "text": pl.String,
        "rank": pl.Int64,
        "system": pl.String,
        "code": pl.String,
        "name": pl.String,
        "score": pl.Float32,
        "probability": pl.Float32,
        "evidence": pl.String,
        "section": pl.String,
        "negated": pl.Boolean,
        "subject": pl.String,
        "temporality": pl.String,
        "certainty": pl.String,
        "rollup_code": pl.String,
        "rollup_name": pl.String,
        "release": pl.String,
        "encoder": pl.String,
        "confidence": pl.Float32,
        "why": pl.String,
    }
)
"""A row per mention × rank (``annotations.csv``). ``confidence`` orders the ranks; ``score`` is a cosine."""

TAGS = pl.Schema(
    {
        "note_id": pl.String,
        "token_index": pl.Int64,
        "start_char": pl.Int64,
        "end_char": pl.Int64,
        "text": pl.String,
        "rank": pl.Int64,
        "system": pl.String,
        "code": pl.String,
        "name": pl.String,
        "score": pl.Float32,
        "confidence": pl.Float32,
        "why": pl.String,
    }
)
"""A row per token × rank (``tags.csv``)."""

CODES = pl.Schema(
    {
        "note_id": pl.String,
        "system": pl.String,
        "code": pl.String,
        "name": pl.String,
        "score": pl.Float32,
        "billable": pl.Boolean,
        "rank": pl.Int64,
        "evidence": pl.String,
        "role": pl.String,
        "setting": pl.String,
        "poa": pl.String,
        "probability": pl.Float32,
        "text": pl.String,
        "section": pl.String,
        "start_char": pl.Int64,
        "snippet": pl.String,
        "excludes": pl.String,
        "code_first": pl.String,
        "use_additional": pl.String,
        "combined_from": pl.String,
        "rests_on": pl.String,
        "weighed": pl.String,
        "reason": pl.String,
        "notes": pl.String,
    }
)
"""A row per note × accepted code (``codes.csv``)."""

CODES_ROLLED_UP = pl.Schema(
    {
        **{name: dtype for name, dtype in CODES.items() if name not in ("reason", "notes")},
        "rollup_code": pl.String(),
        "rollup_name": pl.String(),
        "reason": pl.String(),
        "notes": pl.String(),
    }
)
"""The same where a roll-up is asked for."""

MENTIONS = pl.Schema(
    {
        "note_id": pl.String,
        "text": pl.String,
        "code": pl.String,
        "name": pl.String,
        "confidence": pl.Float32,
        "why": pl.String,
        "context": pl.String,
        "section": pl.String,
        "snippet": pl.String,
        "supports": pl.String,
        "start_char": pl.Int64,
        "end_char": pl.Int64,
        "mention_id": pl.String,
        "system": pl.String,
        "score": pl.Float32,
        "probability": pl.Float32,
        "rollup_code": pl.String,
        "rollup_name": pl.String,
    }
)
"""A row per mention and system, its best concept (``mentions.csv``)."""

SITUATIONS = pl.Schema(
    {
        **{name: ANNOTATIONS[name] for name in ("note_id", "mention_id", "start_char", "end_char", "text", "section")},
        **{name: ANNOTATIONS[name] for name in ("system", "code", "name")},
        "context": pl.String(),
        "situation_code": pl.String(),
        "situation_name": pl.String(),
        "by": pl.String(),
        "of_code": pl.String(),
        "of_name": pl.String(),
        "release": pl.String(),
    }
)
"""A row per mention that is negated, historical, suspected or the family's, with the concept that says both."""

SPANS = pl.Schema(
    {
        "note_id": pl.String,
        "start_char": pl.Int64,
        "end_char": pl.Int64,
        "rank": pl.Int64,
        "system": pl.String,
        "code": pl.String,
        "name": pl.String,
        "score": pl.Float32,
        "confidence": pl.Float32,
    }
)
"""A row per given span × rank."""


LOOKED_UP = pl.Schema(
    {
        "code": pl.String,
        "name": pl.String,
        "term": pl.String,
        "confidence": pl.Float32,
        "score": pl.Float32,
        "evidence": pl.String,
        "billable": pl.Boolean,
        "system": pl.String,
        "path": pl.String,
    }
)
"""A row per concept that a query may mean; ``term`` has the query's words, ``path`` leads down to its parent."""

NEAREST = pl.Schema(
    {
        "text": pl.String,
        "code": pl.String,
        "name": pl.String,
        "score": pl.Float32,
        "rank": pl.Int64,
        "system": pl.String,
        "token_index": pl.Int64,
        "start_char": pl.Int64,
        "end_char": pl.Int64,
    }
)
"""A row per vector × rank; of a vector that is no note's token the text and its place are null."""


@contextmanager
def no_panic() -> Iterator[None]:
    """Turn a panic of Polars' Rust, which is no ``Exception``, into a ``PolarsError`` that holds nothing of the data.

    Raises:
        pl.exceptions.ComputeError: Polars met a file that it cannot read, in a way that it did not foresee.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise pl.exceptions.ComputeError("a panic") from None


def frame_of(rows: Sequence[tuple[object, ...]], schema: pl.Schema) -> pl.DataFrame:
    """Returns tuples as a frame: by columns, which takes Polars a fraction of the time that rows take.

    >>> frame_of([("E11.9", True)], pl.Schema({"code": pl.String, "billable": pl.Boolean})).rows()
    [('E11.9', True)]
    """
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema)
    return pl.DataFrame({name: list(column) for name, column in zip(schema, columns, strict=True)}, schema=schema)


def overlapping(rows: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Rows with each span of the same note that shares a character with them.

    Args:
        rows: columns ``note_id, start_char, end_char`` and others.
        spans: likewise; columns of the same name get ``_right``.

    >>> rows = pl.DataFrame({"note_id": ["a", "b"], "start_char": [0, 0], "end_char": [5, 5]})
    >>> spans = pl.DataFrame({"note_id": ["a", "a"], "start_char": [4, 5], "end_char": [9, 9], "name": ["x", "y"]})
    >>> overlapping(rows, spans)["name"].to_list()
    ['x']
    """
    left, right = _in_blocks(rows, "_row"), _in_blocks(spans, "_span")
    starts = pl.max_horizontal("start_char", "start_char_right")
    share = (pl.col("start_char") < pl.col("end_char_right")) & (pl.col("start_char_right") < pl.col("end_char"))
    once = starts // BLOCK_CHARS == pl.col("_block")
    pairs = left.join(right, on=["note_id", "_block"]).filter(share & once)
    return pairs.sort("_row", "_span").drop("_row", "_span", "_block")


def _in_blocks(spans: pl.DataFrame, number: str) -> pl.DataFrame:
    """Each span once for each block of characters that it reaches into, so that far ones are never paired."""
    first, last = pl.col("start_char"), pl.max_horizontal("start_char", pl.col("end_char") - 1)
    blocks = pl.int_ranges(first // BLOCK_CHARS, last // BLOCK_CHARS + 1)
    return spans.with_row_index(number).with_columns(_block=blocks).explode("_block")
