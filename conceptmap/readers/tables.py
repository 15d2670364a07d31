"""Tab- or pipe-separated release tables, streamed in blocks: every row is checked, none is dropped silently.

RF2 and RRF have no quoting: a quote is a character like any other. Polars reads a row that is too short as nulls, so
a block's separators are counted first, and a block that does not add up is sifted line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.errors import ReaderError
from conceptmap.readers.archive import Archive, Member, stream

__all__ = ["MalformedRow", "ReadReport", "TableLayout", "broken_off", "read_header", "read_table"]

_BLOCK_BYTES = 48 * 2**20
_LISTED = 1000  # malformed rows that a report lists; all are counted

Check = Callable[[pl.DataFrame], NDArray[np.bool_]]


@dataclass(frozen=True)
class MalformedRow:
    """A row that was left out in lenient mode: its file, its line (from 1) and why."""

    file: str
    line: int
    reason: str


@dataclass
class ReadReport:
    """What a reader saw. Hand one in to learn what a lenient reading left out.

    ``rows`` counts the rows of each file, well-formed or not; ``malformed`` lists the first thousand bad rows and
    ``n_malformed`` counts all; ``left_out`` counts well-formed rows that a rule keeps out of the ontology, by rule.
    """

    rows: dict[str, int] = field(default_factory=dict)
    malformed: list[MalformedRow] = field(default_factory=list)
    n_malformed: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def said(self, left_out: Iterable[str] = ()) -> str:
        """The malformed rows in words, after other things that were left out; empty where there is none of either."""
        parts = list(left_out)
        if self.n_malformed:
            first = "; ".join(f"line {row.line}: {row.reason}" for row in self.malformed[:5])
            parts.append(f"{self.n_malformed} lines that cannot be read ({first})")
        return f"left out {', '.join(parts)}" if parts else ""

    def leave_out(self, rule: str, count: int) -> None:
        """Count rows that ``rule`` keeps out of the ontology; a count of zero is not noted."""
        if count:
            self.left_out[rule] = self.left_out.get(rule, 0) + count

    def add_malformed(self, rows: list[MalformedRow]) -> None:
        """Count malformed rows, and list them while the list is short."""
        self.n_malformed += len(rows)
        self.malformed.extend(rows[: max(0, _LISTED - len(self.malformed))])


@dataclass(frozen=True)
class TableLayout:
    """How a table is written: its separator, all its columns in order, and what must hold of a row.

    ``types`` gives the columns that are not text but Int32 or Int64; ``required`` the columns that may not be blank;
    ``checks`` maps a reason to a function that answers True for each good row of a frame.
    """

    separator: str
    columns: tuple[str, ...]
    types: Mapping[str, type[pl.DataType]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    has_header: bool = True

    @property
    def schema(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        """Every column with its type."""
        return {column: self.types.get(column, pl.String) for column in self.columns}


def read_header(archive: Archive, member: Member, *, separator: str = "\t") -> tuple[str, ...]:
    """The column names in a table's first line; empty for a file of zero bytes."""
    for chunk in stream(archive, member, chunk_bytes=2**16):
        first = _without_bom(chunk, member).split(b"\n", 1)[0].rstrip(b"\r")
        return tuple(first.decode("utf-8", "replace").split(separator)) if first else ()
    return ()


def read_table(
    archive: Archive,
    member: Member,
    layout: TableLayout,
    *,
    keep: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
    strict: bool = True,
    report: ReadReport | None = None,
) -> pl.DataFrame:
    """Read one table of a release.

    Args:
        archive: the release that ``member`` belongs to.
        member: the file.
        layout: its columns and checks.
        keep: makes of a block's well-formed rows what is kept of them: fewer rows, fewer or other columns.
        strict: raise at the first malformed row; otherwise leave it out and note it in ``report``.
        report: takes the row count and the malformed rows.

    Raises:
        ReaderError: a malformed row in strict mode, named by file and line.
    """
    report = ReadReport() if report is None else report
    keep = _everything if keep is None else keep
    frames = [keep(pl.DataFrame(schema=layout.schema))]
    rows = 0
    for block, first_line in _prefetched(_blocks(archive, member, has_header=layout.has_header)):
        frame, bad = _parse(block, first_line, layout, member)
        if bad and strict:
            raise _malformed_error(bad[0])
        report.add_malformed(bad)
        rows += frame.height + len(bad)
        frames.append(keep(frame))
    report.rows[member.path] = rows
    return pl.concat(frames)


def broken_off(member: Member, *, strict: bool, report: ReadReport) -> None:
    """Refuse a file of zero bytes, or list it.

    Raises:
        ReaderError: in strict mode.
    """
    row = MalformedRow(member.path, 1, "the file has 0 bytes, as after a download that broke off")
    if strict:
        raise _malformed_error(row)
    report.add_malformed([row])


def _everything(frame: pl.DataFrame) -> pl.DataFrame:
    return frame


def _malformed_error(row: MalformedRow) -> ReaderError:
    return ReaderError(
        f"{row.file}, line {row.line}: {row.reason}",
        then="download the release again, or leave such rows out: --lenient, strict=False in Python",
    )


def _prefetched(blocks: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """The same blocks, the next one unpacked while the last is parsed (zlib and Polars release the interpreter)."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = pool.submit(next, blocks, None)
            yield block


def _blocks(archive: Archive, member: Member, *, has_header: bool) -> Iterator[tuple[bytes, int]]:
    """Whole lines of a member with the number of their first line; the header and a byte-order mark are taken off."""
    pending, size, line = [b""], 0, 1
    for chunk in stream(archive, member):
        pending.append(chunk if line > 1 or size else _without_bom(chunk, member))
        size += len(chunk)
        if size >= _BLOCK_BYTES:
            block, rest = _cut_after_last_line(b"".join(pending), member)
            yield from _without_header(block, line, has_header=has_header)
            line += block.count(b"\n")
            pending, size = [rest], len(rest)
    if block := b"".join(pending):
        yield from _without_header(block if block.endswith(b"\n") else block + b"\n", line, has_header=has_header)


def _cut_after_last_line(data: bytes, member: Member) -> tuple[bytes, bytes]:
    end = data.rfind(b"\n") + 1
    if not end:
        raise ReaderError(f"{member.path} is not a table", got=f"{len(data)} bytes without a line end")
    return data[:end], data[end:]


def _without_header(block: bytes, line: int, *, has_header: bool) -> Iterator[tuple[bytes, int]]:
    if has_header and line == 1:
        block, line = block[block.find(b"\n") + 1 :], 2
    if block:
        yield block, line


def _without_bom(chunk: bytes, member: Member) -> bytes:
    if chunk.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ReaderError(f"{member.path} is not UTF-8", got="UTF-16", then="use the file as it was released")
    return chunk.removeprefix(b"\xef\xbb\xbf")


def _parse(
    block: bytes, first_line: int, layout: TableLayout, member: Member
) -> tuple[pl.DataFrame, list[MalformedRow]]:
    """A block as a frame of its good rows, and its malformed rows in the order of their lines."""
    bad: list[MalformedRow] = []
    lines = None
    frame = _quick(block, layout)
    if frame is None:
        block, lines, bad = _sift(block, first_line, layout, member)
        frame = _csv(block, layout) if block else pl.DataFrame(schema=layout.schema)
    reasons = _failed_checks(frame, layout)
    if reasons:
        at = np.arange(first_line, first_line + frame.height) if lines is None else np.asarray(lines)
        bad = sorted(
            bad + [MalformedRow(member.path, int(at[row]), why) for row, why in reasons.items()], key=lambda b: b.line
        )
        frame = frame.filter(~pl.int_range(pl.len()).is_in(list(reasons)))
    return frame, bad


def _quick(block: bytes, layout: TableLayout) -> pl.DataFrame | None:
    """The block parsed at full speed, or None when any of its rows may be malformed.

    Polars raises on a row that is too long. When none is, and the separators add up, none is too short either.
    """
    if block.count(layout.separator.encode()) != block.count(b"\n") * (len(layout.columns) - 1):
        return None
    try:
        return _csv(block, layout)
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        return None


def _csv(block: bytes, layout: TableLayout) -> pl.DataFrame:
    return pl.read_csv(block, separator=layout.separator, quote_char=None, has_header=False, schema=layout.schema)


def _sift(
    block: bytes, first_line: int, layout: TableLayout, member: Member
) -> tuple[bytes, list[int], list[MalformedRow]]:
    """Well-formed lines of a block joined again, their numbers, and the malformed ones. Blank lines hold no row."""
    good: list[bytes] = []
    lines: list[int] = []
    bad: list[MalformedRow] = []
    types = [layout.types.get(column) for column in layout.columns]
    numeric = {
        at: 9 if kind is pl.Int32 else 18 for at, kind in enumerate(types) if kind is not None
    }  # digits that fit
    for number, line in enumerate(block.split(b"\n"), first_line):
        if not (row := line.rstrip(b"\r")):
            continue
        if reason := _fault(row, layout, numeric):
            bad.append(MalformedRow(member.path, number, reason))
        else:
            good.append(row)
            lines.append(number)
    return b"\n".join([*good, b""]) if good else b"", lines, bad


def _fault(row: bytes, layout: TableLayout, numeric: dict[int, int]) -> str | None:
    fields = row.split(layout.separator.encode())
    if len(fields) != len(layout.columns):
        return f"got {len(fields)} fields, expected {len(layout.columns)}"
    try:
        row.decode()
    except UnicodeDecodeError:
        return "not valid UTF-8"
    for position, digits in numeric.items():
        value = fields[position]
        if value and not (value.removeprefix(b"-").isdigit() and len(value) <= digits):
            return f"{layout.columns[position]} is not a number"
    return None


def _failed_checks(frame: pl.DataFrame, layout: TableLayout) -> dict[int, str]:
    """Row of the frame -> why it is malformed."""
    reasons: dict[int, str] = {}
    for column in layout.required:
        if frame[column].null_count():
            blank = frame[column].is_null().arg_true().to_list()
            reasons.update(dict.fromkeys(blank, f"{column} is blank"))
    for reason, check in layout.checks.items():
        good = check(frame)
        if not good.all():
            reasons.update({int(row): reason for row in np.flatnonzero(~good) if int(row) not in reasons})
    return reasons
