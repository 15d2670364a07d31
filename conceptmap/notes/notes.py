"""Read notes out of CSV, JSONL, Parquet or a folder of ``.txt``, exactly as they are, in bounded memory.

A file is read twice. The first pass finds what is wrong before any note is coded: trouble with the file as a whole is
an error, trouble with one note puts that note in quarantine with its reason. The second pass hands out the good notes
in chunks. No code point of a text is ever changed: CRLF, tabs and white space at the edges stay, because offsets count
them.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

import polars as pl

from conceptmap.errors import said_id
from conceptmap.notes.columns import TableFormat, require_columns
from conceptmap.notes.folders import open_source
from conceptmap.notes.rows import LONGEST_TEXT, Row

__all__ = ["BadNote", "Notes", "n_within", "read_notes"]

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class BadNote:
    """A note that is not coded, and why. Holds no note text, so that it can go into a log or ``run.json``.

    Attributes:
        where: the line, row or file of the input.
        note_id: the note's id when it could be read and is short enough to be one.
        reason: got / expected, in words.
    """

    where: str
    note_id: str | None
    reason: str


@dataclass(frozen=True)
class Notes:
    """Notes that have been checked and can be streamed, any number of times.

    Attributes:
        source: what was read, for messages and ``run.json``.
        schema: ``note_id``, ``text`` and the carried columns, in the order of the input.
        n_notes, n_chars: the good notes and their code points.
        quarantined: the bad ones.
        left_out: columns that cannot be carried along (nested values, bytes).
        integer_ids: whether every ``note_id`` is an integer of at most 18 digits, written as integers are.
    """

    source: str
    schema: pl.Schema
    n_notes: int
    n_chars: int
    quarantined: tuple[BadNote, ...]
    left_out: tuple[str, ...] = ()
    integer_ids: bool = False
    _rows: Callable[[], Iterator[Row]] = field(repr=False, default=lambda: iter(()))
    _skip: frozenset[int] = field(repr=False, default=frozenset())

    @property
    def carried(self) -> tuple[str, ...]:
        """The columns beside ``note_id`` and ``text``."""
        return tuple(name for name in self.schema.names() if name not in ("note_id", "text"))

    def chunks(self, *, notes: int = 128, chars: int = 1_000_000) -> Iterator[pl.DataFrame]:
        """Frames of at most ``notes`` notes and, unless a single note is longer, at most ``chars`` code points.

        The cuts depend on the input alone, so the same input gives the same chunks.
        """
        batch: list[Row] = []
        size = 0
        for position, row in enumerate(self._rows()):
            if position in self._skip:
                continue
            length = len(row.text or "")
            if batch and (len(batch) >= notes or size + length > chars):
                yield self._frame(batch)
                batch, size = [], 0
            batch.append(row)
            size += length
        if batch:
            yield self._frame(batch)

    def frame(self) -> pl.DataFrame:
        """All good notes in one frame: for small inputs."""
        return pl.concat([self._frame([]), *self.chunks()])

    def _frame(self, rows: list[Row]) -> pl.DataFrame:
        columns: dict[str, list[object]] = {name: [row.extra.get(name) for row in rows] for name in self.schema.names()}
        columns["note_id"] = [row.note_id for row in rows]
        columns["text"] = [row.text for row in rows]
        return pl.DataFrame(columns, schema=self.schema)


def read_notes(
    path: str | os.PathLike[str],
    *,
    id_column: str | None = None,
    text_column: str | None = None,
    encoding: str = "utf-8",
) -> Notes:
    r"""Check the notes in a file or folder and get ready to stream them.

    Args:
        path: ``.csv`` or ``.tsv`` (cells between commas, semicolons, tabs or bars), ``.jsonl`` / ``.ndjson``,
            ``.parquet``, ``.xlsx``, a ``.txt`` file, a folder of ``.txt`` files (the note's id is the file's name
            without ``.txt``), a folder of any one of the other kinds, a pattern such as ``notes/2024-*.parquet``, or
            ``-`` for CSV, JSONL or one note on standard input. All but Parquet and Excel also compressed (``.gz``,
            ``.zst``).
        id_column: the column of the ids; by default ``note_id``, in any case. Rows of a table without one, nor one that
            may be meant for it, are numbered.
        text_column: the column of the texts; by default ``text``, in any case.
        encoding: of CSV, JSONL and ``.txt``; UTF-16 with its byte-order mark is known by itself.

    Returns:
        The notes, with the bad ones in ``quarantined``: no or repeated ``note_id`` (the first one counts), no text,
        only white space, bytes that are not UTF-8, too few or too many cells, a line that is not a JSON object.

    Raises:
        InputError: the file as a whole cannot be read, or lacks a column.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_bytes("Café au lait spots.\r\n".encode())
    ...     _ = Path(folder, "b.txt").write_bytes(b" ")
    ...     notes = read_notes(folder)
    >>> notes.n_notes, notes.quarantined[0].note_id, notes.quarantined[0].reason
    (1, 'b', 'the text is only white space')
    """
    source = open_source(path, TableFormat(id_column, text_column, encoding))
    seen: set[str] = set()
    bad: dict[int, BadNote] = {}
    n_notes = n_chars = 0
    integer_ids = True
    columns: dict[str, None] = dict.fromkeys(source.columns)
    for position, row in enumerate(source.rows()):
        if source.open_columns and not row.problem:
            columns.update(dict.fromkeys(name for name in row.columns if not _not_text(name)))
        if reason := _problem(row, seen):
            bad[position] = BadNote(row.where, _shown_id(row), reason)
            continue
        n_notes += 1
        integer_ids = integer_ids and _INTEGER.fullmatch(row.note_id or "") is not None
        n_chars += len(row.text or "")
    if source.open_columns:
        require_columns(source.name, list(columns), numbered=source.numbered)
    carried = {name: source.dtypes.get(name, pl.String()) for name in columns if name not in source.left_out}
    return Notes(
        source=source.name,
        schema=pl.Schema({**carried, "note_id": pl.String(), "text": pl.String()}),
        n_notes=n_notes,
        n_chars=n_chars,
        quarantined=tuple(bad.values()),
        left_out=source.left_out,
        integer_ids=integer_ids and n_notes > 0,
        _rows=source.rows,
        _skip=frozenset(bad),
    )


def _problem(row: Row, seen: set[str]) -> str | None:
    """Why a note cannot be coded, or ``None``; remembers its id."""
    if row.problem:
        return row.problem
    if row.note_id is None or not row.note_id.strip():
        return "note_id is empty"
    if row.text is None:
        return "there is no text"
    if not row.text:
        return "the text is empty"
    if len(row.text) > LONGEST_TEXT:
        return f"the text is longer than {LONGEST_TEXT:,} characters"
    if row.text.isspace():
        return "the text is only white space"
    for name, value in (("note_id", row.note_id), ("text", row.text), *row.extra.items()):
        if isinstance(value, str) and (trouble := _not_text(value)):
            return f"{name if name in ('note_id', 'text') else 'another column'} {trouble}"
    if any(_not_text(name) for name in row.extra):
        return "the name of a column is not UTF-8"
    if row.note_id in seen:
        return "note_id is a duplicate: an earlier note has it and is the one that is coded"
    seen.add(row.note_id)
    return None


def _not_text(value: str) -> str | None:
    """What keeps a string from being UTF-8; undecodable bytes arrive as the surrogates U+DC80 to U+DCFF."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        character = ord(value[error.start])
        if 0xDC80 <= character <= 0xDCFF:
            return f"is not UTF-8: got byte 0x{character - 0xDC00:02x} at character {error.start}"
        return f"holds a lone surrogate U+{character:04X} at character {error.start}"
    return None


def _shown_id(row: Row) -> str | None:
    """A note's id if it can be shown: a broken row may have note text where the id belongs."""
    return None if row.problem else said_id(row.note_id)


def n_within(texts: Iterable[str], n_chars: int) -> int:
    """How many of the first texts hold at most so many code points together, one at least.

    >>> n_within(["12345", "678", "9"], 8), n_within(["12345"], 4)
    (2, 1)
    """
    return max(1, bisect_right(list(accumulate(map(len, texts))), n_chars))
