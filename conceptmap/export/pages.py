"""The HTML report of a run, written as the notes come: one page for few notes, an index and many pages for more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from conceptmap.export.html import PAGE_TAIL, NoteCard, neighbours, note_card, page_head, summary
from conceptmap.export.markup import NoteView, note_markup, shown
from conceptmap.export.paths import PathOf

__all__ = ["NOTES_ON_A_PAGE", "ReportFiles"]

NOTES_ON_A_PAGE = 50


class ReportFiles:
    """``report.html`` and, for more notes than one page holds, ``report-0001.html`` and so on beside it."""

    def __init__(self, folder: Path, *, n_notes: int, path: PathOf, title: str) -> None:
        self._folder, self._path, self._title = folder, path, title
        self._single = n_notes <= NOTES_ON_A_PAGE
        self._cards: list[NoteCard] = []
        self._bodies: list[str] = []
        self._page: BinaryIO | None = None
        self._waiting: NoteView | None = None

    def write(self, notes: Iterable[NoteView]) -> None:
        """Append notes. Each is written when the next one comes, so that it knows whether there is a next one."""
        for note in notes:
            self._write_waiting(more=True)
            self._waiting = note

    def _write_waiting(self, *, more: bool) -> None:
        note, self._waiting = self._waiting, None
        if note is None:
            return
        at = len(self._cards) + 1
        first = 1 if self._single else (at - 1) // NOTES_ON_A_PAGE * NOTES_ON_A_PAGE + 1
        ends_page = not self._single and at == first + NOTES_ON_A_PAGE - 1
        name = "" if self._single else f"report-{first // NOTES_ON_A_PAGE + 1:04}.html"
        links = neighbours(at, first, at if ends_page or not more else None)
        body = note_markup(note, path=self._path, anchor=f"n{at}", neighbours=links)
        self._cards.append(note_card(note, path=self._path, href=f"{name}#n{at}"))
        if self._single:
            self._bodies.append(body)
        else:
            self._append(name, body, new=at == first)

    def _append(self, name: str, body: str, *, new: bool) -> None:
        if new:
            self._end_page()
            self._page = (self._folder / name).open("xb")
            home = f'<p class="meta"><a href="report.html">{shown(self._title)}</a></p>\n'
            self._page.write((page_head(f"{self._title}, {name[7:11]}") + home).encode())
        assert self._page is not None
        self._page.write(body.encode())

    def _end_page(self) -> None:
        if self._page is not None:
            self._page.write(PAGE_TAIL.encode())
            self._page.close()
            self._page = None

    def close(self) -> None:
        """Close what is open, finished or not."""
        if self._page is not None:
            self._page.close()

    def finish(self, *, facts: Sequence[str], quarantined: Sequence[Mapping[str, str | None]]) -> None:
        """Write ``report.html``: what was run and a line for each note, and the notes themselves if they are few."""
        self._write_waiting(more=False)
        self._end_page()
        top = summary(self._title, self._cards, facts=facts, quarantined=quarantined, index=len(self._cards) > 1)
        with (self._folder / "report.html").open("xb") as file:
            file.write((page_head(self._title) + top).encode())
            for body in self._bodies:
                file.write(body.encode())
            file.write(PAGE_TAIL.encode())
