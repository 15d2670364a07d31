"""Tables that commands read, CSV and Parquet files with columns that must be there, and show, in lines that fit."""

from __future__ import annotations

import io
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.errors import InputError, printable, said_columns

if TYPE_CHECKING:
    import polars as pl

__all__ = ["aligned", "columns", "cut", "read_table", "terminal_width"]


def read_table(
    path: str, needed: Sequence[str], *, integers: Sequence[str] = (), floats: Sequence[str] = ()
) -> pl.DataFrame:
    """A CSV (``-`` for stdin) or Parquet file, or a workbook's sheet Codes, as strings, save for the columns named.

    Raises:
        InputError: the file cannot be read, lacks a column, or holds something else than a number where one must be.
    """
    import polars as pl

    from conceptmap.frames import no_panic
    from conceptmap.notes.workbook import sheets_of

    try:
        with no_panic():
            if path != "-" and Path(path).suffix.lower() == ".parquet":
                frame = pl.read_parquet(path).with_columns(pl.exclude(pl.String).cast(pl.String))
            elif Path(path).suffix.lower() == ".xlsx":
                sheets = sheets_of(path, Path(path))
                frame = sheets.get("Codes", next(iter(sheets.values())))
            else:
                data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
                frame = pl.read_csv(io.BytesIO(data), infer_schema=False)
    except OSError as error:
        raise InputError(f"cannot read {path}", got=error.strerror, expected="a CSV or Parquet file") from None
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"cannot read {path}", got=type(error).__name__, expected="a UTF-8 CSV or Parquet file"
        ) from None
    if missing := [name for name in needed if name not in frame.columns]:
        got, expected = said_columns(frame.columns), f"{', '.join(needed)} among them"
        raise InputError(f"{path} lacks the columns {', '.join(missing)}", got=got, expected=expected)
    for names, dtype in ((integers, pl.Int64), (floats, pl.Float64)):
        for name in (name for name in names if name in frame.columns):
            frame = _as_numbers(frame, name, dtype(), path)
    return frame


def _as_numbers(frame: pl.DataFrame, name: str, dtype: pl.DataType, path: str) -> pl.DataFrame:
    numbers = frame[name].cast(dtype, strict=False)
    bad = numbers.is_null() & frame[name].is_not_null()
    if bad.any():
        row = bad.arg_max()
        raise InputError(f"{path} has no number in column {name}, row {(row or 0) + 1}", expected=str(dtype))
    return frame.with_columns(numbers)


def terminal_width() -> int | None:
    """Columns that a line may have; no limit where nobody looks."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return None
    return shutil.get_terminal_size().columns


_LAST = 20
"""Columns of a terminal that the last column of a table keeps while others need room."""


def aligned(rows: Sequence[tuple[str, ...]], width: int | None) -> Iterable[str]:
    """The rows as lines; none steers the terminal.

    Args:
        rows: cells, as many in each.
        width: most columns of a line; None for no limit.
    """
    shown = [tuple(printable(cell) for cell in row) for row in rows]
    widths = _fitting([max(columns(row[at]) for row in shown) for at in range(len(shown[0]))], width)
    for row in shown:
        cells = [cut(cell, size) for cell, size in zip(row, widths, strict=True)]
        padded = [cell + " " * (size - columns(cell)) for cell, size in zip(cells, widths, strict=True)]
        line = "  ".join(padded).rstrip()
        yield line if width is None else cut(line, width)


def _fitting(widths: Sequence[int], width: int | None) -> list[int]:
    """The widths of columns, the last and then the widest made narrower until a line fits: each keeps its place.

    >>> _fitting([6, 4, 60, 40], 80), _fitting([6, 4, 20], 80)
    ([6, 4, 44, 20], [6, 4, 20])
    """
    if width is None:
        return list(widths)
    room = width - 2 * (len(widths) - 1)
    *others, last = widths
    last = min(last, max(_LAST, room - sum(others)))
    most = next((most for most in range(max(widths), 1, -1) if sum(min(w, most) for w in (*others, last)) <= room), 1)
    return [min(w, most) for w in (*others, last)]


def cut(text: str, width: int) -> str:
    """The beginning of a text that is wider than this."""
    if columns(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += columns(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept) + "…"


def columns(text: str) -> int:
    """Columns that a terminal takes for a text."""
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me", "Cf") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
