"""A row a note: ``wide.csv`` for people; for programs ``matrix.parquet``, which says which codes it has."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import numpy as np
import polars as pl

from conceptmap.export.csv import CsvFile
from conceptmap.export.tables import joined_parts, parts_folder

__all__ = ["MATRIX", "WIDE", "WIDE_COLUMNS", "WideFiles", "wide_rows"]

WIDE, MATRIX = "wide.csv", "matrix.parquet"
WIDE_COLUMNS = pl.Schema(
    {"note_id": pl.String(), "principal": pl.String(), "codes": pl.String(), "n_codes": pl.Int64()}
)
_WAITING = pl.Schema({"note_id": pl.String(), "column": pl.List(pl.String())})


def wide_rows(notes: pl.DataFrame, codes: pl.DataFrame) -> pl.DataFrame:
    """A row for each note, in their order: ``note_id, principal, codes, n_codes`` and the other columns of the notes.

    Args:
        notes: note_id and whatever is to stand beside the codes.
        codes: schema ``frames.CODES``.

    >>> notes = pl.DataFrame({"note_id": ["a", "b"], "ward": ["3", "4"]})
    >>> codes = pl.DataFrame({"note_id": ["a", "a"], "code": ["A41.9", "N39.0"], "role": ["principal", "secondary"]})
    >>> wide_rows(notes, codes).rows()
    [('a', 'A41.9', 'A41.9;N39.0', 2, '3'), ('b', None, '', 0, '4')]
    """
    first = pl.col("code").filter(pl.col("role") == "principal").first()
    by_note = codes.group_by("note_id", maintain_order=True).agg(
        principal=first, codes=pl.col("code").str.join(";"), n_codes=pl.len().cast(pl.Int64)
    )
    found = notes.join(by_note, on="note_id", how="left", maintain_order="left")
    filled = found.with_columns(pl.col("codes").fill_null(""), pl.col("n_codes").fill_null(0))
    return filled.select(*WIDE_COLUMNS, *(name for name in notes.columns if name not in WIDE_COLUMNS))


class WideFiles:
    """``wide.csv``, and ``matrix.parquet``: note_id and a column of 0 and 1 for each code of the run, in their order.

    Where the codes are of several systems a column is named ``system:code``. Which codes there are is known at the end
    alone, so that the codes of the notes wait on disk.

    Attributes:
        counts: notes and columns of the matrix.
    """

    notices: tuple[str, ...] = ()

    def __init__(self, folder: Path, kept: pl.Schema, *, spreadsheet_safe: bool) -> None:
        self.counts = {"wide": 0, "matrix_codes": 0}
        self._folder, self._waiting = folder, parts_folder(folder, "lists")
        self._codes: set[tuple[str, str]] = set()
        more = {name: dtype for name, dtype in kept.items() if name not in WIDE_COLUMNS}
        self._csv = CsvFile(folder / WIDE, pl.Schema({**WIDE_COLUMNS, **more}), safe=spreadsheet_safe)
        self._n_parts = 0

    def __enter__(self) -> WideFiles:
        return self

    def write(self, notes: pl.DataFrame, codes: pl.DataFrame) -> None:
        """Append notes.

        Args:
            notes: note_id and the columns to carry along.
            codes: of these notes.
        """
        self._csv.write(wide_rows(notes, codes))
        self.counts["wide"] += notes.height
        column = pl.concat_str("system", "code", separator=":")
        lists = codes.select("note_id", column=column).group_by("note_id").agg("column")
        self._codes.update(codes.select("system", "code").unique().iter_rows())
        self.counts["matrix_codes"] = len(self._codes)
        part = notes.select("note_id").join(lists, on="note_id", how="left", maintain_order="left")
        _write_part(part, self._waiting, self._n_parts)
        self._n_parts += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._csv.close()
        if kind is None:
            self._write_matrix()

    def _write_matrix(self) -> None:
        several = len({system for system, _ in self._codes}) > 1
        columns = {f"{system}:{code}": f"{system}:{code}" if several else code for system, code in sorted(self._codes)}
        parts = parts_folder(self._folder, "matrix")
        _write_part(_matrix(pl.DataFrame(schema=_WAITING), columns), parts, 0)
        for number in range(self._n_parts):
            waiting = pl.read_parquet(self._waiting / _name(number))
            _write_part(_matrix(waiting, columns), parts, number + 1)
            (self._waiting / _name(number)).unlink()
        self._waiting.rmdir()
        joined_parts(parts, self._folder / MATRIX)


def _matrix(lists: pl.DataFrame, columns: Mapping[str, str]) -> pl.DataFrame:
    """Note ids and the matrix, with the names that its columns get. *Shape:* (n_notes, 1 + n_codes)."""
    place = {name: at for at, name in enumerate(columns)}
    has = np.zeros((len(columns), lists.height), dtype=np.uint8)
    for row, names in enumerate(lists["column"].to_list()):
        has[[place[name] for name in names or ()], row] = 1
    return pl.DataFrame({"note_id": lists["note_id"], **{named: has[place[name]] for name, named in columns.items()}})


def _name(number: int) -> str:
    return f"{number:08}.parquet"


def _write_part(frame: pl.DataFrame, folder: Path, number: int) -> None:
    buffer = io.BytesIO()  # Polars itself would not say that the disk is full
    frame.write_parquet(buffer)
    (folder / _name(number)).write_bytes(buffer.getvalue())
