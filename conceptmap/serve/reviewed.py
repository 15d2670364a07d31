"""What was decided in the page, as a table and as a workbook, which ``evaluate`` and ``adapt`` read back.

The page sends back what it was answered: notes with their mentions and codes, each code with ``accept``. Nothing of it
is kept; a workbook lies in a private folder while it is written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from conceptmap.errors import InputError
from conceptmap.export.csv import csv_bytes
from conceptmap.export.mentions import best_mentions
from conceptmap.export.workbook import ACCEPT, WORKBOOK, WorkbookFile, check_workbooks
from conceptmap.frames import ANNOTATIONS, CODES, MENTIONS

__all__ = ["COLUMNS", "CSV_TYPE", "WORKBOOK_TYPE", "Reviewed", "csv_of", "reviewed_of", "workbook_of"]

WORKBOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV_TYPE = "text/csv; charset=utf-8"
COLUMNS = ("note_id", "system", "code", "name", "role", "accept", "text", "spans")
"""Of the table. ``spans`` are the places of the mentions that name the code, ``12-31 88-107``."""
_MARKED = {"accept": pl.String(), "spans": pl.String()}
_MENTION = {"mention_id": "id", "start_char": "start", "end_char": "end"}
"""Names of columns as the API says them."""
_CONTEXT = ("text", "section", "negated", "subject", "temporality", "certainty")


class Reviewed(NamedTuple):
    """Reviewed notes.

    Attributes:
        notes: columns ``note_id, text``.
        mentions: ``frames.ANNOTATIONS``, the best concept of each.
        codes: ``frames.CODES`` with ``accept`` and ``spans``.
    """

    notes: pl.DataFrame
    mentions: pl.DataFrame
    codes: pl.DataFrame


def reviewed_of(notes: Sequence[Any]) -> Reviewed:
    """The notes of a request.

    Args:
        notes: objects with ``note_id, text, mentions, codes`` as the API answers them, codes with ``accept`` (yes, no
            or nothing) and ``spans``.

    Raises:
        InputError: they are none; nothing of a note is told.
    """
    texts = pl.Schema({"note_id": pl.String(), "text": pl.String()})
    schemas = texts, ANNOTATIONS, pl.Schema({**CODES, **_MARKED})
    try:
        rows = (
            [{"note_id": note["note_id"], "text": note["text"]} for note in notes],
            [_mention(note["note_id"], one) for note in notes for one in note["mentions"] if one["concepts"]],
            [_code(note["note_id"], one) for note in notes for one in note["codes"]],
        )
        frames = (pl.DataFrame(of, schema=schema) for of, schema in zip(rows, schemas, strict=True))
        return Reviewed(*frames)
    except (KeyError, TypeError, AttributeError, OverflowError, pl.exceptions.PolarsError):
        expected = "note_id, text, mentions and codes as /api/annotate answers them, codes with accept"
        raise InputError("a note is no reviewed note", expected=expected) from None


def _mention(note_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
    best = given["concepts"][0]
    row: dict[str, Any] = dict.fromkeys(ANNOTATIONS) | {"note_id": note_id, "rank": 1, "score": best.get("cosine")}
    row |= {column: given[name] for column, name in _MENTION.items()} | {name: given.get(name) for name in _CONTEXT}
    return row | {name: best.get(name) for name in ("system", "code", "name", "confidence", "evidence", "why")}


def _code(note_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: given.get(name) for name in (*CODES, *_MARKED)} | {"note_id": note_id}
    return row | {"system": given["system"], "code": given["code"], "evidence": " ".join(given.get("evidence") or ())}


def csv_of(reviewed: Reviewed) -> bytes:
    """The table of codes, by the one writer of CSV."""
    return csv_bytes(reviewed.codes.select(COLUMNS))


def workbook_of(reviewed: Reviewed) -> bytes:
    """An ``.xlsx`` file with the sheets Codes, Mentions and Notes, by the one writer of workbooks.

    Raises:
        MissingExtraError: the writer is not installed.
    """
    check_workbooks()
    codes = reviewed.codes.rename({"accept": ACCEPT})
    mentions = _with_added(best_mentions(reviewed.mentions, reviewed.codes, reviewed.notes), codes)
    with tempfile.TemporaryDirectory() as folder:
        with WorkbookFile(Path(folder), codes=CODES.names(), mentions=MENTIONS.names(), carried=()) as book:
            book.write(reviewed.notes, mentions, codes)
        return (Path(folder) / WORKBOOK).read_bytes()


def _with_added(mentions: pl.DataFrame, codes: pl.DataFrame) -> pl.DataFrame:
    """Mentions for which another concept was taken: that concept is the right one."""
    taken = {
        (note_id, system, place): (code, name)
        for note_id, system, code, name, spans in _added(codes)
        for place in spans.split()
    }
    places = mentions.select("note_id", "system", pl.format("{}-{}", "start_char", "end_char")).iter_rows()
    right = [taken.get(place) for place in places]
    columns = {name: [one[at] if one else None for one in right] for at, name in enumerate(("code", "name"))}
    typed = [pl.coalesce(pl.Series(column, values, pl.String), column) for column, values in columns.items()]
    marks = pl.Series(ACCEPT, ["yes" if one else None for one in right], pl.String)
    return mentions.with_columns(*typed, marks)


def _added(codes: pl.DataFrame) -> Iterable[tuple[str, ...]]:
    """Codes that were accepted without a mention that gave them, but with words."""
    own = (pl.col("evidence") == "") & (pl.col(ACCEPT) == "yes") & pl.col("spans").is_not_null()
    return codes.filter(own).select("note_id", "system", "code", "name", "spans").iter_rows()
