"""Where notes come from: one file, a folder, a pattern of files, or standard input, each as one stream of rows."""

from __future__ import annotations

import dataclasses
import glob
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from conceptmap.errors import InputError
from conceptmap.notes.columns import AS_IT_IS, TableFormat
from conceptmap.notes.compressed import without_packing
from conceptmap.notes.formats import TABLES, open_file, open_standard_input, text_row
from conceptmap.notes.rows import SUPPORTED, Row, RowSource

__all__ = ["open_source"]


def open_source(path: str | os.PathLike[str], how: TableFormat = AS_IT_IS) -> RowSource:
    """Find out what an input is, by its first bytes and its name, and check what can be checked without reading it all.

    Raises:
        InputError: it does not exist, cannot be read, is of no known kind, or lacks the columns that are needed.
    """
    name = os.fspath(path)
    if name == "-":
        return open_standard_input(sys.stdin.buffer, how)
    where = Path(path)
    if where.is_dir():
        return _open_folder(where, how)
    if where.exists():
        return open_file(where, how)
    if glob.has_magic(name):
        return _open_pattern(name, how)
    raise InputError(f"cannot read notes from {where}", got="no such file or folder", expected=SUPPORTED)


def _open_pattern(pattern: str, how: TableFormat) -> RowSource:
    files = sorted(path for path in map(Path, glob.glob(pattern, recursive=True)) if path.is_file())  # noqa: PTH207
    if not files:
        raise InputError(f"cannot read notes from {pattern}", got="no such file", expected=SUPPORTED)
    if all(_kind(file) == ".txt" for file in files):
        return _texts(pattern, [(_common_name(file), file) for file in files], how)
    return _tables(pattern, [(file.as_posix(), file) for file in files], how)


def _common_name(file: Path) -> str:
    return without_packing(file.as_posix())[: -len(".txt")]


def _kind(file: Path) -> str:
    """The suffix that says how a file is read."""
    return Path(without_packing(file.name.lower())).suffix


def _open_folder(folder: Path, how: TableFormat) -> RowSource:
    """The ``.txt`` files below a folder or, without any, its tables of one kind."""
    files = sorted(
        (file.relative_to(folder).as_posix(), file)
        for file in folder.rglob("*")
        if not file.name.startswith(".") and file.is_file()
    )
    texts = [(name, file) for name, file in files if _kind(file) == ".txt"]
    if texts:
        return _texts(folder.name, [(without_packing(name)[: -len(".txt")], file) for name, file in texts], how)
    tables = [(name, file) for name, file in files if _kind(file) in TABLES]
    if len(kinds := {_kind(file) for _, file in tables}) > 1:
        got = " and ".join(sorted(kinds))
        raise InputError(f"the folder {folder.name} holds several kinds of files", got=got, then="give a pattern")
    if tables:
        return _tables(folder.name, tables, how)
    kinds = {file.suffix or "nameless" for _, file in files}
    got = f"only {', '.join(sorted(kinds)[:8])} files" if kinds else "no file"
    raise InputError(f"the folder {folder.name} holds no notes", got=got, expected=SUPPORTED)


def _texts(name: str, files: Sequence[tuple[str, Path]], how: TableFormat) -> RowSource:
    """A note in each file; two that differ in nothing but their compression have the same id, and are told of."""
    return RowSource(
        name, lambda: (text_row(file, note_id, how) for note_id, file in files), columns=("note_id", "text")
    )


def _tables(name: str, files: Sequence[tuple[str, Path]], how: TableFormat) -> RowSource:
    """The rows of several tables, one after the other, under the columns of all of them."""
    sources = [(file_name, open_file(file, how)) for file_name, file in files]
    left_out = tuple(dict.fromkeys(column for _, source in sources for column in source.left_out))
    columns = tuple(dict.fromkeys(column for _, source in sources for column in source.columns))
    return RowSource(
        name,
        lambda: itertools.chain.from_iterable(_rows(file_name, source) for file_name, source in sources),
        columns=columns,
        open_columns=any(source.open_columns for _, source in sources),
        dtypes={c: _one_type(name, c, sources) for c in columns if any(c in source.dtypes for _, source in sources)},
        left_out=left_out,
    )


def _one_type(name: str, column: str, sources: Sequence[tuple[str, RowSource]]) -> pl.DataType:
    """The type of a column in all files that have it.

    Raises:
        InputError: it has several.
    """
    found: dict[pl.DataType, str] = {}
    for file, source in sources:
        if column in source.columns and column not in source.left_out:
            found.setdefault(source.dtypes.get(column, pl.String()), file)
    if len(found) > 1:
        got = " and ".join(f"{dtype} in {file}" for dtype, file in found.items())
        raise InputError(f"the files of {name} have different types in the column {column}", got=got)
    return next(iter(found), pl.String())


def _rows(file: str, source: RowSource) -> Iterator[Row]:
    for row in source.rows():
        numbered = source.numbered and row.note_id is not None
        note_id = f"{file}:{row.note_id}" if numbered else row.note_id
        yield dataclasses.replace(row, where=f"{file}, {row.where}", note_id=note_id)
