"""Notes in Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from conceptmap.errors import InputError
from conceptmap.notes.columns import TableFormat, named
from conceptmap.notes.rows import Row, RowSource, reading

__all__ = ["open_parquet"]

ROWS_AT_ONCE = 1024


def open_parquet(name: str, path: Path, how: TableFormat) -> RowSource:
    """The notes of a Parquet file.

    Raises:
        InputError: it is damaged, lacks a column, or has another type in one.
    """
    with reading(name):
        schema = pl.scan_parquet(path, glob=False).collect_schema()
    columns = named(name, list(schema), how)
    types = dict(zip(columns, schema.values(), strict=True))
    numbered = "note_id" not in types
    if not numbered:
        _check_type(name, "note_id", types["note_id"], types["note_id"].is_integer(), expected="strings or integers")
    _check_type(name, "text", types["text"], types["text"] == pl.Binary, expected="strings")
    carried = {column: dtype for column, dtype in types.items() if column not in ("note_id", "text")}
    left_out = tuple(c for c, d in carried.items() if d.is_nested() or d in (pl.Binary, pl.Object))
    dtypes = {c: _plain(d) for c, d in carried.items() if c not in left_out}
    as_written = dict(zip(columns, schema, strict=True))
    return RowSource(
        name,
        lambda: _rows(name, path, as_written, dtypes),
        columns=(("note_id",) if numbered else ()) + columns,
        dtypes=dtypes,
        left_out=left_out,
        numbered=numbered,
    )


def _check_type(name: str, column: str, dtype: pl.DataType, also: bool, *, expected: str) -> None:
    if not also and dtype not in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        raise InputError(f"{name} has a column {column} of another type", got=str(dtype), expected=expected)


def _plain(dtype: pl.DataType) -> pl.DataType:
    """The type that a column has once its values have passed through Python objects."""
    if dtype in (pl.Categorical, pl.Enum, pl.Null):
        return pl.String()
    if isinstance(dtype, pl.Datetime):
        return pl.Datetime("us", dtype.time_zone)
    return pl.Duration("us") if dtype == pl.Duration else dtype


def _rows(name: str, path: Path, as_written: Mapping[str, str], dtypes: Mapping[str, pl.DataType]) -> Iterator[Row]:
    wanted = {"text": pl.col(as_written["text"])}
    if "note_id" in as_written:
        wanted["note_id"] = pl.col(as_written["note_id"]).cast(pl.String)
    wanted |= {column: pl.col(as_written[column]).cast(dtype) for column, dtype in dtypes.items()}
    with reading(name):
        number = 0
        for part in pl.scan_parquet(path, glob=False).select(**wanted).collect_batches(chunk_size=ROWS_AT_ONCE):
            for values in part.iter_rows(named=True):
                number += 1
                text = values.pop("text")
                if isinstance(text, bytes):
                    text = text.decode("utf-8", errors="surrogateescape")
                note_id = values.pop("note_id") if "note_id" in as_written else str(number)
                yield Row(f"row {number}", note_id, text, values)
