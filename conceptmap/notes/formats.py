"""Formats of note files: which reader a file is for, by its first bytes and its name."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import BinaryIO

from conceptmap.errors import InputError
from conceptmap.notes import rows as limits
from conceptmap.notes.columns import TableFormat, is_header
from conceptmap.notes.compressed import PACKED, Opener, recoded, spooled, unpacked, without_packing
from conceptmap.notes.delimited import SEPARATORS, open_delimited
from conceptmap.notes.json_lines import open_json_lines
from conceptmap.notes.parquet import open_parquet
from conceptmap.notes.rows import SUPPORTED, Row, RowSource, reading
from conceptmap.notes.workbook import open_workbook

__all__ = ["TABLES", "open_file", "open_standard_input", "text_row"]

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".xlsx")
ALONE = "stdin"
"""Id of a note that comes on standard input as it is."""
_ZIP = "a zip archive or an Excel workbook"
_MAGIC = {
    b"PAR1": "parquet",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"PK\x03\x04": _ZIP,
    b"%PDF": "PDF",
    b"\xd0\xcf\x11\xe0": "an old Office document",
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def open_file(where: Path, how: TableFormat) -> RowSource:
    """Find out what a file is, and check what can be checked without reading it all.

    Raises:
        InputError: it cannot be read, is of no known kind, or lacks the columns that are needed.
    """
    suffix = Path(without_packing(where.name.lower())).suffix
    if suffix == ".txt":
        note_id = without_packing(where.name)[: -len(".txt")]
        return RowSource(where.name, lambda: iter([text_row(where, note_id, how)]), columns=("note_id", "text"))
    return _open_stream(where.name, lambda: where.open("rb"), how, suffix=suffix, path=where)


def open_standard_input(stream: BinaryIO, how: TableFormat) -> RowSource:
    """CSV or JSONL from a stream that can be read only once; what is no table is one note.

    Raises:
        InputError: as `open_file`.
    """
    return _open_stream("standard input", spooled(stream), how, suffix="")


def _open_stream(name: str, reopen: Opener, how: TableFormat, *, suffix: str, path: Path | None = None) -> RowSource:
    """Choose the reader of a single file by its first bytes, then by its suffix."""
    head = _head(name, reopen)
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if kind in PACKED:
        reopen, kind = unpacked(reopen, kind), None
    if kind == "parquet" and path is not None:
        return open_parquet(name, path, how)
    if kind == _ZIP and suffix == ".xlsx" and path is not None:
        return open_workbook(name, path, how)
    if kind is not None:
        then = "give the file's path" if kind == "parquet" else "unpack it, or save it as CSV UTF-8"
        raise InputError(f"cannot read notes from {name}", got=kind, expected=SUPPORTED, then=then)
    if not head:
        raise InputError(f"{name} is empty", got="0 bytes", expected=SUPPORTED)
    encoding = _encoding(how, _head(name, reopen))
    return _open_text(name, reopen if encoding == "utf-8" else recoded(reopen, encoding), how, suffix)


def _open_text(name: str, reopen: Opener, how: TableFormat, suffix: str) -> RowSource:
    """Choose the reader of UTF-8; without a suffix, as on standard input, by how it begins."""
    if suffix == "":
        start = _head(name, reopen, 1 << 16).lstrip(b"\xef\xbb\xbf \t\r\n")
        if not start.startswith(b"{") and not _begins_as_table(start, how):
            return RowSource(name, lambda: iter([_alone(name, reopen)]), columns=("note_id", "text"))
        suffix = ".jsonl" if start.startswith(b"{") else ".csv"
    if suffix in (".csv", ".tsv"):
        return open_delimited(name, reopen, how)
    if suffix in (".jsonl", ".ndjson"):
        return open_json_lines(name, reopen, how)
    raise InputError(f"cannot read notes from {name}", got=f"a {suffix} file", expected=SUPPORTED)


def _head(name: str, reopen: Opener, size: int = 4) -> bytes:
    with reading(name), reopen() as file:
        return file.read(size)


def _encoding(how: TableFormat, head: bytes) -> str:
    """What a text is in: what was said, or UTF-16 where its mark says so."""
    return "utf-16" if how.encoding == "utf-8" and head.startswith(_UTF16) else how.encoding


def _begins_as_table(start: bytes, how: TableFormat) -> bool:
    """Whether the first line is a header: of several columns, or of the text alone."""
    line = start.partition(b"\n")[0].decode("utf-8", errors="replace").strip()
    cells = [[cell.strip('"') for cell in line.split(separator)] for separator in SEPARATORS]
    return any(len(header) > 1 and is_header(header, how) for header in cells) or line == (how.text_column or "text")


def _alone(name: str, reopen: Opener) -> Row:
    with reading(name), reopen() as file:
        data = file.read(limits.LONGEST_LINE + 1)
    return _one_text(name, ALONE, data, "utf-8")


def text_row(file: Path, note_id: str, how: TableFormat) -> Row:
    """A file as one note, unpacked if it has to be."""
    where = f"file {file.name}"
    try:
        with reading(file.name):
            data = _content(file)
    except OSError as error:
        return Row(where, note_id, problem=f"cannot be read: {error.strerror or type(error).__name__}")
    except InputError:
        return Row(where, note_id, problem="cannot be read: the file is damaged")
    return _one_text(where, note_id, data, _encoding(how, data))


def _one_text(where: str, note_id: str, data: bytes, encoding: str) -> Row:
    if len(data) > limits.LONGEST_LINE:
        return Row(where, note_id, problem=f"the text is longer than {limits.LONGEST_LINE:,} bytes")
    try:
        return Row(where, note_id, data.decode(encoding, errors="surrogateescape"))
    except UnicodeDecodeError as error:
        return Row(
            where, note_id, problem=f"is not {encoding}: got byte 0x{data[error.start]:02x} at byte {error.start}"
        )


def _content(file: Path) -> bytes:
    """The bytes of a file; of one that is too long its beginning, longer than the limit."""
    kind = next((kind for kind, suffix in PACKED.items() if file.name.lower().endswith(suffix)), None)
    with contextlib.ExitStack() as opened:
        content = opened.enter_context(file.open("rb") if kind is None else unpacked(lambda: file.open("rb"), kind)())
        parts, size = [], 0
        while size <= limits.LONGEST_LINE and (part := content.read(1 << 20)):
            parts.append(part)
            size += len(part)
        return b"".join(parts)
