"""Notes in CSV: commas, semicolons, tabs or bars between the cells, whichever the header has."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from conceptmap.errors import InputError
from conceptmap.notes import rows as limits
from conceptmap.notes.columns import TableFormat, is_header, named
from conceptmap.notes.compressed import Opener
from conceptmap.notes.rows import Row, RowSource, reading

__all__ = ["SEPARATORS", "open_delimited"]

SEPARATORS = (",", ";", "\t", "|")


def open_delimited(name: str, reopen: Opener, how: TableFormat) -> RowSource:
    """The notes of a CSV file.

    Raises:
        InputError: its header cannot be read, or lacks a column.
    """
    separator, header = _header(name, reopen, how)
    if any("\0" in cell or any("\udc80" <= mark <= "\udcff" for mark in cell) for cell in header):
        then = "say which it is in with --encoding, or save it as CSV UTF-8"
        raise InputError(f"{name} is not UTF-8", got="a header in another encoding", then=then)
    columns = named(name, header, how)
    numbered = "note_id" not in columns
    return RowSource(
        name,
        lambda: _rows(name, reopen, separator, columns),
        columns=(("note_id",) if numbered else ()) + columns,
        numbered=numbered,
    )


def _header(name: str, reopen: Opener, how: TableFormat) -> tuple[str, list[str]]:
    """What separates the cells, and the names of the columns: by the first separator that makes them a header."""
    for separator in SEPARATORS:
        with reading(name), reopen() as file:
            try:
                header = next(_cells(file, separator), [])
            except csv.Error:  # quotes that fit another one
                continue
        if len(header) > 1 and is_header(header, how):
            return separator, header
    with reading(name), reopen() as file:
        return ",", next(_cells(file, ","), [])


def _cells(file: BinaryIO, separator: str) -> Iterator[list[str]]:
    """Rows of cells, exactly: line ends inside quotes are kept, undecodable bytes become surrogates."""
    csv.field_size_limit(max(csv.field_size_limit(), limits.LONGEST_TEXT))
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(_lines(text), strict=True, delimiter=separator)
    try:
        yield from reader
    except csv.Error as error:
        raise csv.Error(f"{error}, in the row that ends at line {reader.line_num}") from None
    finally:
        with contextlib.suppress(ValueError):  # closed before this generator, when a pass is given up
            text.detach()  # the file belongs to whoever opened it


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(limits.LONGEST_LINE + 1):
        if len(line) > limits.LONGEST_LINE:
            raise csv.Error(f"a line of more than {limits.LONGEST_LINE:,} characters")
        yield line


def _rows(name: str, reopen: Opener, separator: str, columns: tuple[str, ...]) -> Iterator[Row]:
    text_at, id_at = columns.index("text"), columns.index("note_id") if "note_id" in columns else None
    with reading(name), reopen() as file:
        rows = _cells(file, separator)
        next(rows)
        for number, cells in enumerate(rows, 1):
            if not cells:
                continue
            if len(cells) != len(columns):
                yield Row(f"row {number}", problem=f"got {len(cells)} cells, expected {len(columns)} as in the header")
                continue
            extra = {columns[at]: cell for at, cell in enumerate(cells) if at not in (id_at, text_at)}
            note_id = str(number) if id_at is None else cells[id_at]
            yield Row(f"row {number}", note_id, cells[text_at], extra)
