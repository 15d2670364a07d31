"""What every reader of notes gives: rows of one kind, out of a source that can be gone through again."""

from __future__ import annotations

import contextlib
import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from conceptmap.errors import InputError
from conceptmap.frames import no_panic

__all__ = ["LONGEST_LINE", "LONGEST_TEXT", "SUPPORTED", "Row", "RowSource", "reading"]

LONGEST_TEXT = 1 << 26
"""Code points of a note or cell: 13,000 times a long discharge summary. An unclosed quote, say, would otherwise swallow
the rest of a file."""
LONGEST_LINE = 1 << 28
"""Bytes of a line of JSONL or of a file of text, characters of a line of CSV: more is never held in memory."""
SUPPORTED = (
    ".csv, .tsv, .jsonl, .ndjson or .txt (also .gz, .zst), .parquet, .xlsx, or a folder or pattern of such files"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One note as read, not yet judged. ``problem`` says why the reader could not make it out."""

    where: str
    note_id: str | None = None
    text: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class RowSource:
    """An opened input: ``rows()`` starts a fresh pass over it.

    Attributes:
        columns: the columns that the input declares; none for JSONL, whose ``open_columns`` come with the rows.
        dtypes: types of carried columns that are not strings.
        left_out: columns that cannot be carried along.
        numbered: whether the ids are the numbers of the rows, because the input has none.
    """

    name: str
    rows: Callable[[], Iterator[Row]]
    columns: tuple[str, ...] = ()
    open_columns: bool = False
    dtypes: Mapping[str, pl.DataType] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    numbered: bool = False


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn whatever a damaged file raises into an ``InputError`` that names the file and holds none of its content."""
    try:
        with no_panic():
            yield
    except csv.Error as error:
        advice = "double the quotes in quoted cells"
        raise InputError(f"{name} is not well-formed CSV", got=str(error), then=advice) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{name} is damaged", got=type(error).__name__, expected="a whole file") from None
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise InputError(f"cannot read {name}", got=got, expected=SUPPORTED) from None
    except pl.exceptions.PolarsError as error:
        raise InputError(f"cannot read {name}", got=type(error).__name__, expected="a whole file") from None
