"""Notes in JSONL: an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, BinaryIO

from conceptmap.errors import InputError
from conceptmap.files import json_of
from conceptmap.notes import rows as limits
from conceptmap.notes.columns import TableFormat, may_be_numbered, renamed
from conceptmap.notes.compressed import Opener
from conceptmap.notes.rows import Row, RowSource, reading

__all__ = ["open_json_lines"]


def open_json_lines(name: str, reopen: Opener, how: TableFormat) -> RowSource:
    """The notes of a JSONL file; lines have their numbers for ids when the first has none, nor a key meant for one.

    Raises:
        InputError: it holds no object.
    """
    first = next((row for row in _rows(name, reopen, how, numbered=False) if not row.problem), None)
    numbered = first is not None and may_be_numbered(first.columns)
    return RowSource(name, lambda: _rows(name, reopen, how, numbered=numbered), open_columns=True, numbered=numbered)


def _rows(name: str, reopen: Opener, how: TableFormat, *, numbered: bool) -> Iterator[Row]:
    objects = 0
    names = lru_cache(256)(lambda keys: renamed(keys, how))
    with reading(name), reopen() as file:
        for number, line in enumerate(_lines(file), 1):
            content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if not content.strip():
                continue
            found = _object(content)
            if isinstance(found, str):
                yield Row(f"line {number}", problem=found)
                continue
            objects += 1
            yield _row(number, found, names(tuple(found)), numbered=numbered)
    if not objects:
        raise InputError(f"cannot read notes from {name}", got="no JSON object", expected="one JSON object a line")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines; of one that is too long its beginning, one byte over the limit."""
    while line := file.readline(limits.LONGEST_LINE + 1):
        yield line
        while len(line) > limits.LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(limits.LONGEST_LINE + 1)


def _object(line: bytes) -> dict[str, Any] | str:
    """The object in a line, or what is wrong with it."""
    if len(line) > limits.LONGEST_LINE:
        return f"the line is longer than {limits.LONGEST_LINE:,} bytes"
    try:
        record: Any = json_of(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return f"is not UTF-8: got byte 0x{line[error.start]:02x} at byte {error.start}"
    except ValueError:
        return "the line is not a JSON object"
    return record if isinstance(record, dict) else f"got a JSON {type(record).__name__}, expected an object"


def _row(number: int, record: dict[str, Any], names: tuple[str, ...], *, numbered: bool) -> Row:
    where = f"line {number}"
    if len(set(names)) < len(names):
        return Row(where, problem="two of its keys are columns of the same name")
    values = dict(zip(names, record.values(), strict=True))
    if numbered:
        values.setdefault("note_id", number)
    note_id: Any = values.get("note_id")
    text: Any = values.get("text")
    if isinstance(note_id, int) and not isinstance(note_id, bool):
        note_id = str(note_id)
    for key, value in (("note_id", note_id), ("text", text)):
        if value is not None and not isinstance(value, str):
            return Row(where, problem=f"{key} is a {type(value).__name__}, expected a string")
    extra = {key: _scalar_text(value) for key, value in values.items() if key not in ("note_id", "text")}
    return Row(where, note_id, text, extra, columns=tuple(values))


def _scalar_text(value: object) -> str | None:
    """A JSON value as a cell: strings as they are, the rest as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
