"""BRAT standoff: for each note its text and its annotations, to look at and correct in BRAT."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import polars as pl

from conceptmap.export.csv import CsvFile
from conceptmap.export.file_names import FILE_NAME, FileNames

__all__ = ["BRAT", "CONFIGURATION", "FILES", "BratFiles", "digests_in", "is_member", "standoff"]

BRAT, FILES = "brat", "brat_notes.csv"
"""The folder, and beside it the list of its notes."""
CONFIGURATION = "annotation.conf"
COLUMNS = pl.Schema({name: pl.String() for name in ("note_id", "file", "txt_sha256", "ann_sha256")})
_MEMBER = re.compile(rf"{BRAT}/(?:{CONFIGURATION}|{FILE_NAME}\.(?:txt|ann))")
_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
"""What ends a line somewhere, and the tab, which ends a field: a span is split there."""
ATTRIBUTES = {"negated": "Negated", "subject": "Subject", "temporality": "Temporality", "certainty": "Certainty"}
VALUES = {
    "subject": ("patient", "family", "other"),
    "temporality": ("recent", "historical", "hypothetical"),
    "certainty": ("certain", "possible"),
}


def is_member(name: str) -> bool:
    """Whether a run can write this file into the folder ``brat``."""
    return _MEMBER.fullmatch(name) is not None


def digests_in(listed: Path) -> Iterator[tuple[str, str]]:
    """The files of the notes in a ``brat_notes.csv``, with ``brat/`` before their names, and their SHA-256.

    Nothing where it is another table.
    """
    try:
        rows = pl.read_csv(listed, schema=COLUMNS)
    except pl.exceptions.PolarsError:
        return
    for file, txt, ann in rows.select("file", "txt_sha256", "ann_sha256").iter_rows():
        yield f"{BRAT}/{file}.txt", txt
        yield f"{BRAT}/{file}.ann", ann


class BratFiles:
    """The folder ``brat``: a ``.txt`` and a ``.ann`` for each note, and ``annotation.conf``.

    Beside it ``brat_notes.csv`` says which file is which note's, and what was written into it.

    Attributes:
        counts: notes written.
    """

    def __init__(self, folder: Path, *, spreadsheet_safe: bool = False) -> None:
        self.counts = {"brat_notes": 0}
        self.notices: tuple[str, ...] = ()
        self._folder = folder / BRAT
        self._systems: set[str] = set()
        self._names = FileNames()
        self._folder.mkdir()
        self._list = CsvFile(folder / FILES, COLUMNS, safe=spreadsheet_safe)

    def __enter__(self) -> BratFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._list.close()
        if kind is None:
            (self._folder / CONFIGURATION).write_bytes(_configuration(sorted(self._systems)).encode())

    def write(self, notes: pl.DataFrame, mentions: pl.DataFrame) -> None:
        """Write the files of some notes, with the best concept of every mention."""
        best = mentions.filter(pl.col("rank") == 1)
        self._systems |= set(best["system"].unique())
        found = best.partition_by("note_id", as_dict=True)
        written: list[tuple[str, str, str, str]] = []
        for note_id, text in notes.select("note_id", "text").iter_rows():
            rows = found[(note_id,)].to_dicts() if (note_id,) in found else []
            name = self._names.of(note_id)
            contents = {"txt": text.encode(), "ann": standoff(text, rows).encode()}
            for suffix, content in contents.items():
                (self._folder / f"{name}.{suffix}").write_bytes(content)
            digests = [hashlib.sha256(content).hexdigest() for content in contents.values()]
            written.append((note_id, name, *digests))
            self.counts["brat_notes"] += 1
        self._list.write(pl.DataFrame(written, schema=COLUMNS, orient="row"))


def standoff(text: str, mentions: Sequence[dict[str, Any]]) -> str:
    r"""The annotations of one note: for each mention its spans, its concept and its context.

    >>> row = {"start_char": 0, "end_char": 8, "system": "icd10cm", "code": "I50.9", "name": "Heart failure"}
    >>> print(standoff("weak\nheart.", [{**row, "start_char": 5, "end_char": 10, "negated": True}]).replace("\t", "|"))
    T1|icd10cm 5 10|heart
    N1|Reference T1 icd10cm:I50.9|Heart failure
    A1|Negated T1
    <BLANKLINE>
    >>> standoff("weak\nheart.", [{**row, "end_char": 10}]).splitlines()[0]
    'T1\ticd10cm 0 4;5 10\tweak heart'
    """
    lines: list[str] = []
    n_attributes = 0
    for number, row in enumerate(mentions, 1):
        parts = list(_parts(text, row["start_char"], row["end_char"]))
        spans = ";".join(f"{start} {end}" for start, end in parts)
        lines.append(f"T{number}\t{row['system']} {spans}\t{' '.join(text[start:end] for start, end in parts)}")
        name = _BREAKS.sub(" ", row["name"] or "")
        lines.append(f"N{number}\tReference T{number} {row['system']}:{row['code']}\t{name}")
        for said in _said(row):
            n_attributes += 1
            lines.append(f"A{n_attributes}\t{said.format(f'T{number}')}")
    return "".join(f"{line}\n" for line in lines)


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The pieces of a span between line ends and tabs, without white space at their edges."""
    at = start
    for found in [*_BREAKS.finditer(text, start, end), None]:
        until = found.start() if found else end
        piece = text[at:until]
        left, right = len(piece) - len(piece.lstrip()), len(piece.rstrip())
        if left < right:
            yield at + left, at + right
        at = found.end() if found else end


def _said(row: dict[str, Any]) -> Iterator[str]:
    for column, name in ATTRIBUTES.items():
        value = row.get(column)
        if value is True:
            yield f"{name} {{}}"
        elif isinstance(value, str) and value not in ("patient", "recent", "certain"):
            yield f"{name} {{}} {value}"


def _configuration(systems: Sequence[str]) -> str:
    """What BRAT has to know of the types."""
    attributes = ["Negated\tArg:<ENTITY>"]
    attributes += [f"{ATTRIBUTES[name]}\tArg:<ENTITY>, Value:{'|'.join(values)}" for name, values in VALUES.items()]
    return "\n".join(["[entities]", *systems, "[relations]", "[events]", "[attributes]", *attributes]) + "\n"
