"""The HTML report of a run, written as the notes come: one page for few notes, an index and many pages for more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from conceptmap.export.charts import Totals
from conceptmap.export.html import NoteCard, note_card, notes_page, report_page
from conceptmap.export.paths import PathOf
from conceptmap.export.views import NoteView

__all__ = ["NOTES_ON_A_PAGE", "ReportFiles"]

NOTES_ON_A_PAGE = 50


class ReportFiles:
    """``report.html`` and, for more notes than one page holds, ``report-0001.html`` and so on beside it.

    No more than the notes of one page are held.
    """

    def __init__(self, folder: Path, *, n_notes: int, path: PathOf, title: str) -> None:
        self._folder, self._path, self._title = folder, path, title
        self._single = n_notes <= NOTES_ON_A_PAGE
        self._cards: list[NoteCard] = []
        self._totals = Totals()
        self._waiting: list[NoteView] = []

    def write(self, notes: Iterable[NoteView]) -> None:
        """Append notes. A page is written when its last note is there."""
        for note in notes:
            name = "" if self._single else _name(len(self._cards) // NOTES_ON_A_PAGE)
            self._cards.append(note_card(note, path=self._path, href=f"{name}#n{len(self._cards) + 1}"))
            self._totals.add(note.codes, self._path)
            self._waiting.append(note)
            if not self._single and len(self._waiting) == NOTES_ON_A_PAGE:
                self._write_page()

    def _write_page(self) -> None:
        notes, self._waiting = self._waiting, []
        first = len(self._cards) - len(notes)
        name = _name(first // NOTES_ON_A_PAGE)
        title = f"{self._title}, {name[7:11]}"
        self._write(name, notes_page(title, notes, path=self._path, home=self._title, first=first + 1))

    def _write(self, name: str, pieces: Iterable[str]) -> None:
        with (self._folder / name).open("xb") as file:
            file.writelines(piece.encode() for piece in pieces)

    def finish(self, *, facts: Sequence[str], quarantined: Sequence[Mapping[str, str | None]]) -> None:
        """Write ``report.html``: what was run and a line for each note, and the notes themselves if they are few."""
        if not self._single and self._waiting:
            self._write_page()
        notes, self._waiting = self._waiting, []
        page = report_page(
            self._title,
            self._cards,
            notes,
            path=self._path,
            charts=self._totals.charts(),
            facts=facts,
            quarantined=quarantined,
        )
        self._write("report.html", page)


def _name(page: int) -> str:
    return f"report-{page + 1:04}.html"
