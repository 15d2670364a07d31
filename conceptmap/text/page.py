"""A note before any ontology is asked: what is read of it, its layout, sections and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from conceptmap.text.layout import Layout, layout_of
from conceptmap.text.sections import Section, sections
from conceptmap.text.sentences import sentences
from conceptmap.text.view import View, view_of

__all__ = ["Page"]


@dataclass(frozen=True, eq=False)
class Page:
    """A note laid open. All offsets are half-open code points of ``text``, what is read.

    Attributes:
        view: what is read, and the way back to the note as it is.
        layout: its lines, forms and tables.
        sentences: its statements.
    """

    view: View
    layout: Layout
    sentences: Sequence[tuple[int, int]]

    @classmethod
    def of(cls, note: str) -> Page:
        """Lay open a note."""
        view = view_of(note)
        layout = layout_of(view.text)
        return cls(view, layout, sentences(view.text, layout.breaks))

    @property
    def text(self) -> str:
        """What is read of the note."""
        return self.view.text

    @cached_property
    def sections(self) -> list[Section]:
        """What its headings cut it into."""
        return sections(self.text)
