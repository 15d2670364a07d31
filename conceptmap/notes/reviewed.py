"""What people have marked in the column Accept: yes or no beside codes and mentions, in a workbook or another table.

A cell that is left empty says nothing, neither that a code is right nor that it is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from conceptmap.errors import InputError, said_columns, said_id
from conceptmap.notes.marked import MarkedNote, MarkedSpan
from conceptmap.notes.workbook import sheets_of

__all__ = ["accepted_codes", "is_reviewed", "reviewed_notes", "reviewed_spans", "with_marks"]

ACCEPTED: Final = "accepted"
_COLUMN: Final = "accept"
_MARKS: Final = dict.fromkeys(("yes", "y", "x", "✓", "✔", "true", "1", "1.0", "ok"), True) | dict.fromkeys(
    ("no", "n", "false", "0", "0.0", "-"), False
)
_SHEETS: Final = {
    "Codes": ("note_id", "system", "code", "evidence"),
    "Mentions": ("note_id", "mention_id", "system", "code", "text", "start_char", "end_char"),
    "Notes": ("note_id", "text"),
}
_PLACED: Final = ("note_id", "code", "text", "spans")
_KEYS: Final = ["note_id", "system", "mention_id"]


def is_reviewed(table: pl.DataFrame) -> bool:
    """Whether a table has the column Accept."""
    return any(name.strip().lower() == _COLUMN for name in table.columns)


def with_marks(table: pl.DataFrame, where: str) -> pl.DataFrame:
    """The table with a column ``accepted``: true for yes, false for no, null where nothing is marked.

    Args:
        table: columns Accept and others, as text.
        where: what to call it in an error.

    Raises:
        InputError: a mark that means neither.

    >>> with_marks(pl.DataFrame({"Accept": ["Yes", "x", "no", " ", None]}), "here")["accepted"].to_list()
    [True, True, False, None, None]
    """
    column = next(name for name in table.columns if name.strip().lower() == _COLUMN)
    marks = [(mark or "").strip().lower() for mark in table[column].to_list()]
    for row, mark in enumerate(marks, 1):
        if mark and mark not in _MARKS:
            expected = "yes or no (y, x, ✓, 1 and n, 0 will do), or nothing"
            raise InputError(
                f"{where}: row {row} has another mark under Accept", got=said_id(mark) or "a text", expected=expected
            )
    return table.with_columns(pl.Series(ACCEPTED, [_MARKS.get(mark) for mark in marks], pl.Boolean))


def accepted_codes(table: pl.DataFrame, where: str) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """Accepted codes, those of the same notes that nobody has marked, and the notes with a mark.

    Args:
        table: columns note_id, code, Accept, as text.
        where: what to call it in an error.

    Raises:
        InputError: nothing is marked, or not with yes or no.
    """
    table = with_marks(table.drop_nulls(["note_id", "code"]), where)
    marked = table.filter(pl.col(ACCEPTED).is_not_null())
    if not marked.height:
        raise InputError(f"nothing is marked in {where}", then="type yes or no under Accept, beside the codes")
    left = table.filter(pl.col(ACCEPTED).is_null() & pl.col("note_id").is_in(marked["note_id"].implode()))
    return marked.filter(ACCEPTED), left, marked["note_id"].unique(maintain_order=True).to_list()


def reviewed_notes(path: str | Path) -> list[MarkedNote]:
    """The notes of a reviewed ``codes.xlsx`` in which something is marked.

    A mention is right where it is marked so, or supports the same code and that is; it is wrong where it is marked so;
    what is not marked is left alone. A code that somebody has typed over counts as the right one.

    Raises:
        InputError: the file is no such workbook, nothing is marked in it, or a note is not as it was written.
        MissingExtraError: its reader is not installed.
    """
    codes, mentions, notes = _read(Path(path))
    known = mentions.join(_of_codes(codes), on=_KEYS, how="left", maintain_order="left")
    same = pl.col("code").str.strip_chars().str.to_uppercase().is_in(pl.col("right"))
    known = known.with_columns(accepted=pl.coalesce(ACCEPTED, pl.when(same).then(pl.lit(value=True))))
    marked = known.filter(pl.col(ACCEPTED).is_not_null())["note_id"].unique()
    if marked.is_empty():
        raise InputError(f"nothing is marked in {path}", then="type yes or no under Accept, beside codes or mentions")
    by_note = known.filter(pl.col("note_id").is_in(marked.implode())).partition_by("note_id", as_dict=True)
    return [_note(note_id, text, by_note[note_id,], path) for note_id, text in _texts(notes) if (note_id,) in by_note]


def reviewed_spans(table: pl.DataFrame, texts: Mapping[str, str], where: str) -> list[MarkedNote]:
    """The notes of a reviewed CSV, as the report and the page of ``serve`` give it, in which something is marked.

    The words of an accepted code are right; those of a rejected one are wrong; everything else is left alone.

    Args:
        table: columns ``note_id, code, text, spans`` and Accept, as text; spans are places, ``12-31 88-107``.
        texts: the notes that were reviewed, by their ids.
        where: what to call the table in an error.

    Raises:
        InputError: nothing is marked, a note is not there, or is not as it was when it was reviewed.
    """
    if missing := [name for name in _PLACED if name not in table.columns]:
        got, expected = said_columns(table.columns), f"{', '.join(_PLACED)} and accept, as the page gives them"
        raise InputError(f"{where} lacks the columns {', '.join(missing)}", got=got, expected=expected)
    marked = with_marks(table.drop_nulls(["note_id", "code"]), where).filter(pl.col(ACCEPTED).is_not_null())
    if marked.is_empty():
        raise InputError(f"nothing is marked in {where}", then="accept or reject codes, and download the table again")
    notes = []
    for (note_id,), rows in marked.partition_by("note_id", as_dict=True, maintain_order=True).items():
        if note_id not in texts:
            raise InputError(
                f"{where} has a note that the notes given lack", got=said_id(note_id), expected="the notes reviewed"
            )
        notes.append(_placed(note_id, texts[note_id], rows, where))
    return notes


def _placed(note_id: str, text: str, rows: pl.DataFrame, where: str) -> MarkedNote:
    right, judged = [], []
    for code, words, spans, accepted in rows.select("code", "text", "spans", ACCEPTED).iter_rows():
        for place in (spans or "").split():
            start, _, end = place.partition("-")
            span = (int(start), int(end)) if start.isdecimal() and end.isdecimal() else (0, 0)
            if not _is_among(text[slice(*span)], words or ""):
                then = "give the notes as they were reviewed"
                raise InputError(f"{where}: the words of a code are not where the note has them", got=place, then=then)
            judged.append(span)
            if accepted:
                right.append(MarkedSpan(*span, (code.strip(),)))
    return MarkedNote.of(note_id, text, right, _between(judged, len(text)))


def _between(spans: Iterable[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """What spans leave of a text.

    >>> _between([(2, 9), (4, 6), (12, 20)], 20)
    [(0, 2), (9, 12)]
    """
    left, at = [], 0
    for start, end in [*sorted(spans), (size, size)]:
        if at < start:
            left.append((at, start))
        at = max(at, end)
    return left


def _is_among(said: str, words: str) -> bool:
    """Whether words of a note are among those of a code, of which there may be more than were written."""
    return bool(said) and (" ".join(said.split()).casefold() in words.casefold() or words.endswith("…"))


def _read(path: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    sheets = sheets_of(str(path), path)
    for name, needed in _SHEETS.items():
        if name not in sheets or not {*needed} <= {*sheets[name].columns}:
            got = f"the sheets {', '.join(sheets)}" if name not in sheets else said_columns(sheets[name].columns)
            expected = "the sheets Codes, Mentions and Notes as conceptmap code --format xlsx writes them"
            raise InputError(f"{path} is no workbook of codes", got=got, expected=expected)
    marked = [with_marks(sheets[name], f"{path}, {name}") for name in ("Codes", "Mentions")]
    return marked[0].drop_nulls("note_id"), marked[1].drop_nulls("note_id"), sheets["Notes"].drop_nulls("note_id")


def _of_codes(codes: pl.DataFrame) -> pl.DataFrame:
    """For each mention the accepted codes that it supports, as ``right``."""
    accepted = codes.filter(pl.col(ACCEPTED) & pl.col("evidence").is_not_null())
    code, ids = pl.col("code").str.strip_chars().str.to_uppercase(), pl.col("evidence").str.split(" ")
    pairs = accepted.select("note_id", "system", right=code, mention_id=ids).explode("mention_id")
    return pairs.group_by(_KEYS, maintain_order=True).agg("right")


def _texts(notes: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """The notes, which go on in the cells to the right of ``text``."""
    first = notes.columns.index("text")
    for row in notes.iter_rows():
        yield row[notes.columns.index("note_id")], "".join(cell or "" for cell in row[first:])


def _note(note_id: str, text: str, mentions: pl.DataFrame, path: str | Path) -> MarkedNote:
    right, ignored = [], []
    rows = list(mentions.select("mention_id", "start_char", "end_char", "text", "code", ACCEPTED).iter_rows())
    spans = [(int(float(start)), int(float(end)), said or "") for _, start, end, said, *_ in rows]
    text = _as_written(text, spans)
    for (start, end, said), (mention_id, *_, code, accepted) in zip(spans, rows, strict=True):
        if not _is_said(text, start, end, said):
            moved = f"{path}: mention {mention_id} is not where its note has it"
            raise InputError(
                moved, then="change nothing but Accept and codes, and leave the notes as they were written"
            )
        if accepted is None:
            ignored.append((start, end))
        elif accepted:
            right.append(MarkedSpan(start, end, ((code or "").strip(),)))
    return MarkedNote.of(note_id, text, right, ignored)


def _as_written(text: str, spans: Sequence[tuple[int, int, str]]) -> str:
    """The note with the line ends that it had: some programs save CR LF as LF."""
    other = re.sub(r"(?<!\r)\n", "\r\n", text)
    return other if other != text and not _all_said(text, spans) and _all_said(other, spans) else text


def _all_said(text: str, spans: Sequence[tuple[int, int, str]]) -> bool:
    return all(_is_said(text, *span) for span in spans)


def _is_said(text: str, start: int, end: int, said: str) -> bool:
    return text[start:end].split() == said.split()
