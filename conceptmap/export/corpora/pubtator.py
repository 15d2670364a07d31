"""PubTator and BioC: the formats of biomedical text mining, one file of all notes each.

PubTator keeps a note on one line, so every line end and tab in it becomes a space, one for one; BioC keeps them.
Offsets are code points of the note in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import polars as pl

from conceptmap.export.corpora.xml_text import xml_text

__all__ = ["BIOC", "PUBTATOR", "BiocFile", "PubtatorFile", "best_of_notes", "bioc_document", "pubtator_lines"]

PUBTATOR, BIOC = "pubtator.txt", "bioc.xml"
_BREAK = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")
"""What ends a line or a field somewhere."""
_UNFIT = re.compile(r"[|%\x00-\x1f\x7f\x85\u2028\u2029]")
_INFONS = ("section", "negated", "subject", "temporality", "certainty", "evidence", "release")
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE collection SYSTEM "BioC.dtd">\n'
    "<collection><source>conceptmap</source><date></date><key>conceptmap.key</key>\n"
)
Row = dict[str, Any]


class PubtatorFile:
    """``pubtator.txt``: of each note a line with its text as the title, and a line for the best concept of a mention.

    Attributes:
        counts: notes written.
    """

    def __init__(self, folder: Path) -> None:
        self.counts = {"pubtator_notes": 0}
        self.notices: tuple[str, ...] = ()
        self._file = (folder / PUBTATOR).open("xb")

    def __enter__(self) -> PubtatorFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, notes: pl.DataFrame, mentions: pl.DataFrame) -> None:
        """Append notes."""
        for note_id, text, rows in best_of_notes(notes, mentions):
            self._file.write(pubtator_lines(note_id, text, rows).encode())
            self.counts["pubtator_notes"] += 1


class BiocFile:
    """``bioc.xml``: a document with one passage for each note, and an annotation for the best concept of a mention.

    Attributes:
        counts: notes written.
    """

    def __init__(self, folder: Path) -> None:
        self.counts = {"bioc_documents": 0}
        self.notices: tuple[str, ...] = ()
        self._file = (folder / BIOC).open("xb")
        self._file.write(_HEAD.encode())

    def __enter__(self) -> BiocFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._file.write(b"</collection>\n")

    def write(self, notes: pl.DataFrame, mentions: pl.DataFrame) -> None:
        """Append notes."""
        for note_id, text, rows in best_of_notes(notes, mentions):
            self._file.write(bioc_document(note_id, text, rows).encode())
            self.counts["bioc_documents"] += 1


def best_of_notes(notes: pl.DataFrame, mentions: pl.DataFrame) -> Iterator[tuple[str, str, list[Row]]]:
    """Each note's id and text with the best concepts of its mentions."""
    found = mentions.filter(pl.col("rank") == 1).partition_by("note_id", as_dict=True)
    for note_id, text in notes.select("note_id", "text").iter_rows():
        yield note_id, text, found[(note_id,)].to_dicts() if (note_id,) in found else []


def pubtator_lines(note_id: str, text: str, mentions: Sequence[Row]) -> str:
    r"""The block of one note; what would break a line or field of an id is written as %XX.

    >>> row = {"start_char": 5, "end_char": 10, "system": "icd10cm", "code": "I50.9"}
    >>> print(pubtator_lines("a|1", "weak\nheart", [row]).replace("\t", ","), end="")
    a%7C1|t|weak heart
    a%7C1|a|
    a%7C1,5,10,heart,icd10cm,icd10cm:I50.9
    <BLANKLINE>
    """
    name, line = _UNFIT.sub(lambda found: quote(found[0]), note_id), _BREAK.sub(" ", text)
    lines = [f"{name}|t|{line}", f"{name}|a|"]
    for row in mentions:
        start, end = row["start_char"], row["end_char"]
        concept = f"{row['system']}:{row['code']}"
        lines.append("\t".join((name, str(start), str(end), line[start:end], row["system"], concept)))
    return "".join(f"{part}\n" for part in [*lines, ""])


def bioc_document(note_id: str, text: str, mentions: Sequence[Row]) -> str:
    """The ``<document>`` of one note."""
    parts = [f"<document><id>{xml_text(note_id)}</id><passage><offset>0</offset><text>{xml_text(text)}</text>"]
    for number, row in enumerate(mentions, 1):
        start, end = row["start_char"], row["end_char"]
        infons = {"type": row["system"], "identifier": f"{row['system']}:{row['code']}", "name": row["name"] or ""}
        said = ((name, row.get(name)) for name in _INFONS)
        infons |= {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in said
            if value is not None
        }
        body = "".join(f'<infon key="{key}">{xml_text(value)}</infon>' for key, value in infons.items())
        place = f'<location offset="{start}" length="{end - start}"/><text>{xml_text(text[start:end])}</text>'
        parts.append(f'<annotation id="{row.get("mention_id") or number}">{body}{place}</annotation>')
    return "".join([*parts, "</passage></document>\n"])
