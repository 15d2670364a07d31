"""BRAT standoff: for each note its text and its annotations, to look at and correct in BRAT."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import polars as pl

from conceptmap.errors import InputError

__all__ = ["BratFiles", "check_folder", "file_stem", "standoff"]

CONFIGURATION = "annotation.conf"
_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
"""What ends a line somewhere, and the tab, which ends a field: a span is split there."""
ATTRIBUTES = {"negated": "Negated", "subject": "Subject", "temporality": "Temporality", "certainty": "Certainty"}
VALUES = {
    "subject": ("patient", "family", "other"),
    "temporality": ("recent", "historical", "hypothetical"),
    "certainty": ("certain", "possible"),
}
LONGEST_NAME = 120


def check_folder(folder: Path) -> None:
    """Refuse to replace a folder that is no export.

    Raises:
        InputError: it holds something else.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CONFIGURATION).is_file():
        raise InputError(f"{folder} exists and is no BRAT export", then="choose another output folder")


class BratFiles:
    """The folder ``brat``: ``NOTE.txt`` and ``NOTE.ann`` for each note, and ``annotation.conf``.

    Attributes:
        counts: notes written.
    """

    def __init__(self, folder: Path) -> None:
        self.counts = {"brat_notes": 0}
        self.notices: tuple[str, ...] = ()
        self._folder = folder
        self._systems: set[str] = set()
        folder.mkdir()

    def __enter__(self) -> BratFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            (self._folder / CONFIGURATION).write_bytes(_configuration(sorted(self._systems)).encode())

    def write(self, notes: pl.DataFrame, mentions: pl.DataFrame) -> None:
        """Write the files of some notes, with the best concept of every mention."""
        best = mentions.filter(pl.col("rank") == 1)
        self._systems |= set(best["system"].unique())
        found = best.partition_by("note_id", as_dict=True)
        for note_id, text in notes.select("note_id", "text").iter_rows():
            stem = file_stem(note_id)
            rows = found[(note_id,)].to_dicts() if (note_id,) in found else []
            (self._folder / f"{stem}.txt").write_bytes(text.encode())
            (self._folder / f"{stem}.ann").write_bytes(standoff(text, rows).encode())
            self.counts["brat_notes"] += 1


def file_stem(note_id: str) -> str:
    """A file name for a note: its id, with what file systems do not take, or confuse, as %XX.

    >>> file_stem("ward 3/17"), file_stem("n1")
    ('ward%203%2F17', 'n1')
    """
    name = quote(note_id, safe="")
    if name.startswith(".") or len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME].lstrip('.')}~{hashlib.sha256(note_id.encode()).hexdigest()[:16]}"
    return name


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
