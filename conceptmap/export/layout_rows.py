"""How a text was understood before any code, as rows of a table: its sections, statements and answers."""

from __future__ import annotations

from collections.abc import Iterator

from conceptmap.text.layout import Entry
from conceptmap.text.page import Page
from conceptmap.text.sections import section_at

__all__ = ["layout_rows"]

NOTHING = "·"


def layout_rows(note: str) -> list[tuple[str, str, str, str]]:
    r"""Rows of a table, its heading first: section, kind, answer and text of every statement of a note.

    >>> layout_rows("PMH: gout.\nFever: no")[2:]
    [('past medical history', 'says', '·', 'gout.'), ('·', 'pair', 'no', 'Fever')]
    """
    page = Page.of(note)
    return [("section", "kind", "answer", "text"), *_rows(page)]


def _rows(page: Page) -> Iterator[tuple[str, str, str, str]]:
    for start, end in page.sentences:
        section = section_at(page.sections, start)
        name = (section.name if section else None) or NOTHING
        if section is not None and section.heading_start <= start < section.heading_end:
            yield name, "heading", NOTHING, page.text[section.heading_start : section.heading_end]
            start = section.heading_end
        for kind, answer, first, last in _parts(page, start, end):
            said = " ".join(page.text[first:last].split())
            if said and not said.isspace():
                yield name, kind, answer, said


def _parts(page: Page, start: int, end: int) -> Iterator[tuple[str, str, int, int]]:
    """What a form asks in a statement, and what else it says: kind, answer, start and end of each part."""
    inside = [entry for entry in page.layout.entries if start <= entry.start_char and entry.end_char <= end]
    if not inside:
        if not _is_answer(page, start, end):
            yield "says", NOTHING, start, end
        return
    for entry in inside:
        if page.text[start : entry.start_char].strip():
            yield "says", NOTHING, start, entry.start_char
        yield entry.kind, entry.answer, entry.start_char, entry.end_char
        start = max(_end(entry), entry.end_char)
    if page.text[start:end].strip(" .,;:|)]"):
        yield "says", NOTHING, start, end


def _end(entry: Entry) -> int:
    return entry.answer_end if entry.answer_start >= entry.end_char else entry.end_char


def _is_answer(page: Page, start: int, end: int) -> bool:
    """Whether a statement is only the answer to a question before it."""
    said = ((entry.answer_start, entry.answer_end) for entry in page.layout.entries)
    return any(start <= first and last <= end <= last + 2 for first, last in said)
