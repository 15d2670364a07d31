"""A table written piece by piece, in bounded memory, to one file of each format that is asked for."""

from __future__ import annotations

import errno
import io
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import polars as pl

from conceptmap.export.csv import CsvFile
from conceptmap.export.jsonl import jsonl_bytes

__all__ = ["TABLE_FORMATS", "TableFiles", "joined_parts", "parts_folder"]

TABLE_FORMATS = ("csv", "parquet", "jsonl")


class TableFiles:
    """The files of one table: ``annotations.csv``, ``annotations.parquet`` and so on.

    Attributes:
        rows: how many were written.
    """

    def __init__(
        self, folder: Path, name: str, schema: pl.Schema, *, formats: Sequence[str], spreadsheet_safe: bool = False
    ) -> None:
        self.rows = 0
        self._folder, self._name = folder, name
        self._csv: CsvFile | None = None
        self._jsonl: BinaryIO | None = None
        self._parts: Path | None = None
        self._n_parts = 0
        with ExitStack() as stack:
            for suffix in formats:
                if suffix == "parquet":
                    self._parts = parts_folder(folder, name)
                elif suffix == "csv":
                    self._csv = CsvFile(folder / f"{name}.csv", schema, safe=spreadsheet_safe)
                    stack.callback(self._csv.close)
                elif suffix == "jsonl":
                    self._jsonl = stack.enter_context((folder / f"{name}.jsonl").open("xb"))
            self.write(pl.DataFrame(schema=schema))
            self._stack = stack.pop_all()

    def __enter__(self) -> TableFiles:
        return self

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows. The first, empty piece gives the Parquet file its schema."""
        if not (self._n_parts == 0 or frame.height):
            return
        if self._csv is not None:
            self._csv.write(frame)
        if self._jsonl is not None:
            self._jsonl.write(jsonl_bytes(frame))
        if self._parts is not None:
            buffer = io.BytesIO()  # Polars itself would not say that the disk is full
            frame.write_parquet(buffer)
            (self._parts / f"{self._n_parts:08}.parquet").write_bytes(buffer.getvalue())
        self._n_parts += 1
        self.rows += frame.height

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if kind is None and self._parts is not None:
            joined_parts(self._parts, self._folder / f"{self._name}.parquet")


def parts_folder(folder: Path, name: str) -> Path:
    """A new folder for pieces of a file that is written at the end; ``publishing`` knows such names."""
    parts = folder / f".{name}.parts"
    parts.mkdir()
    return parts


def joined_parts(parts: Path, target: Path) -> None:
    """Make one Parquet file of those in a folder, in the order of their names, and remove the folder.

    Raises:
        OSError: the disk is full.
    """
    files = sorted(parts.glob("*.parquet"))
    try:
        pl.scan_parquet(files).sink_parquet(target, row_group_size=1 << 17, maintain_order=True)
    except pl.exceptions.PolarsError as error:
        if shutil.disk_usage(parts).free < sum(file.stat().st_size for file in files):
            raise OSError(errno.ENOSPC, "no space left") from error
        raise
    shutil.rmtree(parts)
