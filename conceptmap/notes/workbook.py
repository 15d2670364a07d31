"""Notes in an Excel workbook: the first sheet that has a column of texts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from conceptmap.errors import InputError, MissingExtraError
from conceptmap.notes.columns import TableFormat, is_header, named
from conceptmap.notes.rows import Row, RowSource, reading

__all__ = ["open_workbook", "sheets_of"]

FULL_CELL = 32_767
"""Characters that a cell of a workbook holds; Excel cuts off what is longer."""


def open_workbook(name: str, path: Path, how: TableFormat) -> RowSource:
    """The notes of an ``.xlsx`` file.

    Raises:
        InputError: it is damaged, or no sheet has the columns.
        MissingExtraError: its reader is not installed.

    Warns:
        UserWarning: texts that fill their cell, so that their ends may be lost.
    """
    sheets = sheets_of(name, path)
    fitting = [sheet for sheet in sheets.values() if is_header(sheet.columns, how)]
    sheet = fitting[0] if fitting else next(iter(sheets.values()))
    if not sheet.width:
        raise InputError(f"{name} is empty", got="no cell", expected="a sheet with the columns note_id and text")
    columns = named(name, sheet.columns, how)
    sheet = sheet.rename(dict(zip(sheet.columns, columns, strict=True)))
    if full := sheet.filter(pl.col("text").str.len_chars() >= FULL_CELL).height:
        said = f"{full:,} text{' fills its cell' if full == 1 else 's fill their cells'} of {FULL_CELL:,} characters"
        warnings.warn(f"{name}: {said}; what is longer was cut off when it was saved", stacklevel=2)
    numbered = "note_id" not in columns
    names = (("note_id",) if numbered else ()) + columns
    return RowSource(name, lambda: _rows(sheet), columns=names, numbered=numbered)


def sheets_of(name: str, path: Path) -> dict[str, pl.DataFrame]:
    """All sheets of a workbook by name, every cell as text.

    Args:
        name: what to call it in an error.
        path: the file.

    Raises:
        InputError: it is damaged.
        MissingExtraError: its reader is not installed.
    """
    try:
        import fastexcel
    except ImportError as error:
        raise MissingExtraError("fastexcel", extra="excel", purpose=f"reading {name}") from error
    try:
        with reading(name):
            return pl.read_excel(path, sheet_id=0, engine="calamine", infer_schema_length=0, raise_if_empty=False)
    except fastexcel.FastExcelError:
        raise InputError(f"cannot read {name}", got="no whole Excel workbook", expected="a whole file") from None


def _rows(sheet: pl.DataFrame) -> Iterator[Row]:
    for number, values in enumerate(sheet.iter_rows(named=True), 1):
        if any(value is not None for value in values.values()):
            text = values.pop("text")
            yield Row(f"row {number}", values.pop("note_id", str(number)), text, values)
