"""The HTML report of a run, written as the notes come: one page for few notes, an index and many pages for more."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from conceptmap.export.html import Article, NoteCard, note_article, note_card, notes_page, report_page
from conceptmap.export.paths import PathOf
from conceptmap.export.report.charts import Totals
from conceptmap.export.report.marks import NoteView

__all__ = ["ARCHIVE", "FIRST", "MOST_BYTES", "NOTES_ON_A_PAGE", "ReportFiles"]

FIRST: Final = "report.html"
ARCHIVE: Final = "report.zip"
"""All pages of a report that has several, for sending them together."""
NOTES_ON_A_PAGE = 50
MOST_BYTES = 2_000_000
"""Bytes of notes on a page, which opens at once then; a longer note has a page of its own."""
_NEVER: Final = (1980, 1, 1, 0, 0, 0)


class ReportFiles:
    """``report.html`` and, for more notes than one page holds, ``report-0001.html`` and so on beside it.

    With the latter comes ``report.zip``, which holds all of them. No more than the notes of one page are held.
    """

    def __init__(self, folder: Path, *, n_notes: int, path: PathOf, title: str) -> None:
        self._folder, self._path, self._title = folder, path, title
        self._single = n_notes <= NOTES_ON_A_PAGE
        self._cards: list[NoteCard] = []
        self._totals = Totals()
        self._waiting: list[Article] = []
        self._bytes = self._pages = 0

    def write(self, notes: Iterable[NoteView]) -> None:
        """Append notes. A page is written when its last note is there."""
        for note in notes:
            number = len(self._cards) + 1
            article = note_article(note, path=self._path, number=number)
            size = len(article.drawn.encode())
            if self._waiting and self._bytes + size > MOST_BYTES:
                self._write_page()
            self._waiting.append(article)
            self._bytes += size
            self._cards.append(note_card(note, path=self._path, href=f"#{article.anchor}"))
            self._totals.add(note.codes, self._path)
            if not self._single and len(self._waiting) == NOTES_ON_A_PAGE:
                self._write_page()

    def _write_page(self) -> None:
        """Write the waiting notes as the next page, to which the lines of the index lead from now on."""
        articles, self._waiting, self._bytes = self._waiting, [], 0
        self._pages += 1
        name = _name(self._pages)
        first = len(self._cards) - len(articles)
        cards = self._cards[first:]
        self._cards[first:] = [replace(card, href=f"{name}{card.href}") for card in cards]
        title = f"{self._title}, {name[7:11]}"
        self._write(name, notes_page(title, cards, articles, home=self._title))

    def _write(self, name: str, pieces: Iterable[str]) -> None:
        with (self._folder / name).open("xb") as file:
            file.writelines(piece.encode() for piece in pieces)

    def finish(self, *, facts: Sequence[str], quarantined: Sequence[Mapping[str, str | None]]) -> None:
        """Write ``report.html``: what was run and a line for each note, and the notes themselves if they are few."""
        if self._waiting and (self._pages or not self._single):
            self._write_page()
        articles, self._waiting = self._waiting, []
        page = report_page(
            self._title,
            self._cards,
            articles,
            parts=self._pages,
            charts=self._totals.charts(),
            facts=facts,
            quarantined=quarantined,
        )
        self._write(FIRST, page)
        if self._pages:
            self._pack([FIRST, *(_name(number) for number in range(1, self._pages + 1))])

    def _pack(self, names: Sequence[str]) -> None:
        """All pages in one file, the same bytes whenever it is written."""
        with (self._folder / ARCHIVE).open("xb") as file, ZipFile(file, "w") as archive:
            for name in names:
                entry = ZipInfo(name, _NEVER)
                entry.compress_type = ZIP_DEFLATED
                with (self._folder / name).open("rb") as page, archive.open(entry, "w", force_zip64=True) as packed:
                    shutil.copyfileobj(page, packed)


def _name(page: int) -> str:
    return f"report-{page:04}.html"
