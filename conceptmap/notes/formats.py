"""Formats of note files (CSV, JSONL, Parquet, text): a generator of rows for each, with the same row and errors."""

from __future__ import annotations

import contextlib
import csv
import difflib
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from conceptmap.errors import InputError, said_columns
from conceptmap.files import json_of
from conceptmap.frames import no_panic
from conceptmap.notes.compressed import PACKED, Opener, spooled, unpacked, without_packing

__all__ = [
    "SUPPORTED",
    "TABLES",
    "Row",
    "RowSource",
    "open_file",
    "open_standard_input",
    "require_columns",
    "text_row",
]

_ALIASES = {
    "note_id": ("id", "noteid", "row_id", "doc_id", "document_id", "file", "filename"),
    "text": ("note", "note_text", "body", "content", "report", "document", "narrative", "notes", "txt"),
}
ROWS_AT_ONCE = 1024
LONGEST_TEXT = 1 << 26
"""Code points of a note or cell: 13,000 times a long discharge summary. An unclosed quote, say, would otherwise swallow
the rest of a file."""
LONGEST_LINE = 1 << 28
"""Bytes of a line of JSONL or of a file of text, characters of a line of CSV: more is never held in memory."""
SUPPORTED = ".csv, .jsonl, .ndjson or .txt (also .gz, .zst), .parquet, or a folder or pattern of such files"
TABLES = (".csv", ".jsonl", ".ndjson", ".parquet")
_MAGIC = {
    b"PAR1": "parquet",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"%PDF": "PDF",
    b"\xd0\xcf\x11\xe0": "an old Office document",
}


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
    """

    name: str
    rows: Callable[[], Iterator[Row]]
    columns: tuple[str, ...] = ()
    open_columns: bool = False
    dtypes: Mapping[str, pl.DataType] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def open_file(where: Path) -> RowSource:
    """Find out what a file is, by its first bytes and its name, and check what can be checked without reading it all.

    Raises:
        InputError: it cannot be read, is of no known kind, or lacks the columns that are needed.
    """
    suffix = Path(without_packing(where.name.lower())).suffix
    if suffix == ".txt":
        note_id = without_packing(where.name)[: -len(".txt")]
        return RowSource(where.name, lambda: iter([text_row(where, note_id)]), columns=("note_id", "text"))
    return _open_stream(where.name, lambda: where.open("rb"), suffix=suffix, path=where)


def open_standard_input(stream: BinaryIO) -> RowSource:
    """CSV or JSONL from a stream that can be read only once.

    Raises:
        InputError: as `open_file`.
    """
    return _open_stream("standard input", spooled(stream), suffix="")


def require_columns(name: str, columns: Sequence[str]) -> None:
    """Refuse columns without ``note_id`` or ``text``, or with one name twice.

    Raises:
        InputError: says which columns there are, and which one was probably meant.

    >>> require_columns("notes.csv", ["id", "note_text", "sex"])
    Traceback (most recent call last):
        ...
    conceptmap.errors.InputError: notes.csv lacks the columns note_id and text: got 3 columns, expected note_id and
        text among them; rename 'id' to 'note_id' and 'note_text' to 'text'
    """
    places: dict[str, int] = {}
    for place, column in enumerate(columns, 1):
        if (first := places.setdefault(column, place)) != place:
            got = f"columns {first} and {place} of {len(columns)}"
            raise InputError(f"{name} has columns of the same name", got=got, then="rename them")
    missing = [column for column in ("note_id", "text") if column not in places]
    if not missing:
        return
    hints = [f"{likely} to {column!r}" for column in missing if (likely := _likely(column, columns))]
    advice = f"rename {' and '.join(hints)}" if hints else "rename the columns that hold them"
    if len(columns) == 1 and (found := [mark for mark in (";", "\t", "|") if mark in columns[0]]):
        advice = f"the cells seem to be separated by {found[0]!r}: write the file with commas"
    raise InputError(
        f"{name} lacks the column{'s' * (len(missing) > 1)} {' and '.join(missing)}",
        got=said_columns(columns),
        expected="note_id and text among them",
        then=advice,
    )


def _likely(wanted: str, columns: Sequence[str]) -> str | None:
    """The column that probably holds ``wanted``: by one of our names for it, else by its place, never as it is."""
    places = {column[:60].strip().lower().replace(" ", "_"): place for place, column in enumerate(columns, 1)}
    for alias in (wanted, *_ALIASES[wanted]):
        if alias in places:
            return repr(alias)
    close = difflib.get_close_matches(wanted, list(places), n=1, cutoff=0.75)
    return f"column {places[close[0]]}" if close else None


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
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
        raise InputError(f"cannot read {name}", got=type(error).__name__, expected="a whole Parquet file") from None


def _open_stream(name: str, reopen: Opener, *, suffix: str, path: Path | None = None) -> RowSource:
    """Choose the reader of a single file by its first bytes, then by its suffix."""
    with _reading(name), reopen() as file:
        head = file.read(4)
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    if kind in PACKED:
        reopen, kind = unpacked(reopen, kind), None
    if kind == "parquet" and path is not None:
        return _open_parquet(name, path)
    if kind is not None:
        then = "give the file's path" if kind == "parquet" else "unpack it, or save it as CSV UTF-8"
        raise InputError(f"cannot read notes from {name}", got=kind, expected=SUPPORTED, then=then)
    if not head:
        raise InputError(f"{name} is empty", got="0 bytes", expected=SUPPORTED)
    if suffix == "" and path is None:
        with _reading(name), reopen() as file:
            suffix = ".jsonl" if file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else ".csv"
    if suffix == ".csv":
        return _open_csv(name, reopen)
    if suffix in (".jsonl", ".ndjson"):
        return RowSource(name, lambda: _jsonl_rows(name, reopen), open_columns=True)
    raise InputError(f"cannot read notes from {name}", got=f"a {suffix or 'nameless'} file", expected=SUPPORTED)


def _csv_reader(file: BinaryIO) -> Iterator[list[str]]:
    """Rows of cells, exactly: line ends inside quotes are kept, undecodable bytes become surrogates."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_TEXT))
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(_lines(text), strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise csv.Error(f"{error}, in the row that ends at line {reader.line_num}") from None
    finally:
        with contextlib.suppress(ValueError):  # closed before this generator, when a pass is given up
            text.detach()  # the file belongs to whoever opened it


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise csv.Error(f"a line of more than {LONGEST_LINE:,} characters")
        yield line


def _open_csv(name: str, reopen: Opener) -> RowSource:
    with _reading(name), reopen() as file:
        header = next(_csv_reader(file), [])
    if any("\0" in cell or any("\udc80" <= mark <= "\udcff" for mark in cell) for cell in header):
        raise InputError(f"{name} is not UTF-8", got="a header in another encoding", then="save it as CSV UTF-8")
    require_columns(name, header)
    return RowSource(name, lambda: _csv_rows(name, reopen, tuple(header)), columns=tuple(header))


def _csv_rows(name: str, reopen: Opener, header: tuple[str, ...]) -> Iterator[Row]:
    id_at, text_at = header.index("note_id"), header.index("text")
    with _reading(name), reopen() as file:
        rows = _csv_reader(file)
        next(rows)
        for number, cells in enumerate(rows, 1):
            if not cells:
                continue
            if len(cells) != len(header):
                yield Row(f"row {number}", problem=f"got {len(cells)} cells, expected {len(header)} as in the header")
                continue
            extra = {header[at]: cell for at, cell in enumerate(cells) if at not in (id_at, text_at)}
            yield Row(f"row {number}", cells[id_at], cells[text_at], extra)


def _jsonl_rows(name: str, reopen: Opener) -> Iterator[Row]:
    objects = 0
    with _reading(name), reopen() as file:
        for number, line in enumerate(_json_lines(file), 1):
            content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if content.strip():
                row = _json_row(f"line {number}", content)
                objects += row.problem is None
                yield row
    if not objects:
        raise InputError(f"cannot read notes from {name}", got="no JSON object", expected="one JSON object a line")


def _json_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines; of one that is too long its beginning, one byte over the limit."""
    while line := file.readline(LONGEST_LINE + 1):
        yield line
        while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE + 1)


def _json_row(where: str, line: bytes) -> Row:
    if len(line) > LONGEST_LINE:
        return Row(where, problem=f"the line is longer than {LONGEST_LINE:,} bytes")
    try:
        record: Any = json_of(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Row(where, problem=f"is not UTF-8: got byte 0x{line[error.start]:02x} at byte {error.start}")
    except ValueError:
        return Row(where, problem="the line is not a JSON object")
    if not isinstance(record, dict):
        return Row(where, problem=f"got a JSON {type(record).__name__}, expected an object")
    note_id: Any = record.get("note_id")
    text: Any = record.get("text")
    if isinstance(note_id, int) and not isinstance(note_id, bool):
        note_id = str(note_id)
    for key, value in (("note_id", note_id), ("text", text)):
        if value is not None and not isinstance(value, str):
            return Row(where, problem=f"{key} is a {type(value).__name__}, expected a string")
    extra = {key: _scalar_text(value) for key, value in record.items() if key not in ("note_id", "text")}
    return Row(where, note_id, text, extra, columns=tuple(record))


def _scalar_text(value: object) -> str | None:
    """A JSON value as a cell: strings as they are, the rest as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _open_parquet(name: str, path: Path) -> RowSource:
    with _reading(name):
        schema = pl.scan_parquet(path, glob=False).collect_schema()
    require_columns(name, list(schema))
    _check_type(name, "note_id", schema["note_id"], schema["note_id"].is_integer(), expected="strings or integers")
    _check_type(name, "text", schema["text"], schema["text"] == pl.Binary, expected="strings")
    allowed = ("note_id", "text")
    left_out = tuple(
        c for c, d in schema.items() if c not in allowed and (d.is_nested() or d in (pl.Binary, pl.Object))
    )
    dtypes = {c: _plain(d) for c, d in schema.items() if c not in allowed and c not in left_out}
    return RowSource(
        name, lambda: _parquet_rows(name, path, dtypes), columns=tuple(schema), dtypes=dtypes, left_out=left_out
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


def _parquet_rows(name: str, path: Path, dtypes: Mapping[str, pl.DataType]) -> Iterator[Row]:
    with _reading(name):
        columns = [pl.col("note_id").cast(pl.String), pl.col("text"), *(pl.col(c).cast(d) for c, d in dtypes.items())]
        number = 0
        for part in pl.scan_parquet(path, glob=False).select(columns).collect_batches(chunk_size=ROWS_AT_ONCE):
            for values in part.iter_rows(named=True):
                number += 1
                text = values.pop("text")
                if isinstance(text, bytes):
                    text = text.decode("utf-8", errors="surrogateescape")
                yield Row(f"row {number}", values.pop("note_id"), text, values)


def text_row(file: Path, note_id: str) -> Row:
    """A file as one note, unpacked if it has to be."""
    where = f"file {file.name}"
    try:
        with _reading(file.name):
            data = _content(file)
        if len(data) > LONGEST_LINE:
            return Row(where, note_id, problem=f"the text is longer than {LONGEST_LINE:,} bytes")
    except OSError as error:
        return Row(where, note_id, problem=f"cannot be read: {error.strerror or type(error).__name__}")
    except InputError:
        return Row(where, note_id, problem="cannot be read: the file is damaged")
    return Row(where, note_id, data.decode("utf-8", errors="surrogateescape"))


def _content(file: Path) -> bytes:
    """The bytes of a file; of one that is too long its beginning, longer than the limit."""
    kind = next((kind for kind, suffix in PACKED.items() if file.name.lower().endswith(suffix)), None)
    with contextlib.ExitStack() as opened:
        content = opened.enter_context(file.open("rb") if kind is None else unpacked(lambda: file.open("rb"), kind)())
        parts, size = [], 0
        while size <= LONGEST_LINE and (part := content.read(1 << 20)):
            parts.append(part)
            size += len(part)
        return b"".join(parts)
