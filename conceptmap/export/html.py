"""The HTML report: notes with every word explained, on pages that need no script and load nothing.

The pages are the templates in ``templates/``. Whatever they are given is escaped, unless a template made it; a
character that would steer a terminal is shown as its picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol
from zlib import crc32

import polars as pl

from conceptmap.export.charts import Chart, Totals
from conceptmap.export.paths import PathOf
from conceptmap.export.views import NoteView, hue, note_page, top_of

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["NoteCard", "NoteLike", "NoteView", "note_card", "note_part", "notes_page", "page", "report", "report_page"]

MOST_QUARANTINED = 1000
"""Bad notes that a report names; run.json names all."""
_DARK = re.compile(r"@media \(prefers-color-scheme: dark\) \{\s*:root \{([^}]*)\}\s*\}\n")
_PAGE_ONLY = re.compile(
    r"^html \{.*\n|^body \{[^}]*\}\n|^@media \(max-width: (?:62|40)rem\) (?:\{.*\}|\{(?:\n .*)*\n\})\n", re.MULTILINE
)
"""Rules for a page that are none for a part of one: its edges, its columns by the width of the window."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class NoteLike(Protocol):
    """A note as the mapper annotates it: mentions as ``frames.ANNOTATIONS``, codes as ``frames.CODES``."""

    @property
    def note_id(self) -> str:
        """The note's id."""

    @property
    def text(self) -> str:
        """The note itself."""

    @property
    def mentions(self) -> pl.DataFrame:
        """A row per mention × rank."""

    @property
    def codes(self) -> pl.DataFrame:
        """A row per accepted code."""


class FirstCode(NamedTuple):
    """A code in a note's line of the index."""

    code: str
    name: str
    hue: str


@dataclass(frozen=True)
class NoteCard:
    """What the index says of a note.

    Attributes:
        href: where the note is.
        codes: the first codes.
    """

    note_id: str
    href: str
    n_mentions: int
    n_codes: int
    codes: tuple[FirstCode, ...]


def note_card(note: NoteLike, *, path: PathOf, href: str) -> NoteCard:
    """The line of a note in the index."""
    columns = (note.codes[column] for column in ("system", "code", "name"))
    tops = [
        (code, name or "", top_of(system or "", code, name or "", path))
        for system, code, name in zip(*columns, strict=True)
    ]
    ranked = zip(note.mentions["mention_id"], note.mentions["rank"], strict=True)
    return NoteCard(
        note_id=note.note_id,
        href=href,
        n_mentions=len({mention_id for mention_id, rank in ranked if rank > 0}),
        n_codes=len(tops),
        codes=tuple(FirstCode(code, name, hue(top)) for code, name, top in tops[:6]),
    )


def report(notes: Iterable[NoteLike], *, path: PathOf, title: str = "Coded notes", facts: Sequence[str] = ()) -> str:
    """A whole report in one string, for few notes; ``export.pages`` writes long ones page by page.

    Args:
        notes: annotated notes.
        path: gives a concept's way to the top of its hierarchy, see ``export.paths``.
        title: of the page.
        facts: short strings shown under the title, such as the release and the encoder.
    """
    views = [_view(note) for note in notes]
    cards = [note_card(view, path=path, href=f"#n{at}") for at, view in enumerate(views, 1)]
    totals = Totals()
    for view in views:
        totals.add(view.codes, path)
    return "".join(report_page(title, cards, views, path=path, charts=totals.charts(), facts=facts))


def note_part(note: NoteLike, *, path: PathOf) -> str:
    """One note for a notebook: a part of its page as high as it is, in the colours of the notebook's theme.

    Its style is nested in a class of its own, so that it stays inside, and its anchors are its own among all notes.
    """
    view = _view(note)
    anchor = f"c{crc32(f'{view.note_id} {view.text}'.encode('utf-8', 'surrogatepass')):08x}"
    return "".join(page("part.html", note=note_page(view, path=path, anchor=anchor)))


def report_page(
    title: str,
    cards: Sequence[NoteCard],
    notes: Iterable[NoteView],
    *,
    path: PathOf,
    charts: Sequence[Chart] = (),
    facts: Sequence[str] = (),
    quarantined: Sequence[Mapping[str, str | None]] = (),
) -> Iterator[str]:
    """The first page of a report, piece by piece: what was run, how to read it, the bad notes, a line a note.

    Args:
        title: of the report.
        cards: of all its notes.
        notes: those that this page shows itself.
        path: gives a concept's way to the top.
        charts: of all its codes.
        facts: shown under the title.
        quarantined: notes that were not coded: where, note_id, reason.
    """
    counts = [f"{len(cards):,} notes", f"{sum(c.n_mentions for c in cards):,} mentions"]
    return page(
        "report.html",
        title=title,
        facts=[*counts, f"{sum(card.n_codes for card in cards):,} codes", *facts],
        charts=charts,
        quarantined=quarantined[:MOST_QUARANTINED],
        n_quarantined=f"{len(quarantined):,}",
        n_more=f"{len(quarantined) - MOST_QUARANTINED:,}" if len(quarantined) > MOST_QUARANTINED else "",
        cards=cards,
        notes=_note_pages(notes, path, 1),
        links=True,
    )


def notes_page(
    title: str, notes: Iterable[NoteView], *, path: PathOf, home: str = "", first: int = 1, links: bool = True
) -> Iterator[str]:
    """A page of notes, piece by piece.

    Args:
        title: of the page.
        notes: on it.
        path: gives a concept's way to the top.
        home: words of the link to the report's first page, or none.
        first: number of the first of the notes, for their anchors.
        links: whether each note has links to its neighbours.
    """
    return page("notes.html", title=title, home=home, notes=_note_pages(notes, path, first), links=links)


def page(template: str, **given: object) -> Iterator[str]:
    """A template filled in, piece by piece."""
    return _templates().get_template(template).generate(given)


def _note_pages(notes: Iterable[NoteView], path: PathOf, first: int) -> Iterator[object]:
    return (note_page(note, path=path, anchor=f"n{at}") for at, note in enumerate(notes, first))


def _view(note: NoteLike) -> NoteView:
    tags = getattr(note, "tags", None)
    facts = getattr(note, "facts", ())
    return NoteView(note.note_id, note.text, note.mentions, note.codes, tags, facts)


@cache
def _templates() -> Environment:
    """Loaded and compiled once; a name that a template is not given is an error."""
    from jinja2 import ChoiceLoader, Environment, FunctionLoader, PackageLoader, StrictUndefined

    files = PackageLoader("conceptmap.export", "templates")

    def made(name: str) -> str | None:
        return _nested(*(source(name) for name in ("part.css", "report.css"))) if name == "nested.css" else None

    def source(name: str) -> str:
        return files.get_source(environment, name)[0]

    environment = Environment(
        loader=ChoiceLoader([files, FunctionLoader(made)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    return environment


def _nested(part: str, style: str) -> str:
    """The pages' style inside the class of a part, its dark colours by the notebook's theme, else by the system's."""
    style = _PAGE_ONLY.sub("", style)
    (dark,) = _DARK.findall(style)
    style = _DARK.sub("", style).replace(":root {", "& {").replace("body {", "& {")
    return part.replace("/* style */", style).replace("/* dark */", dark)


def _visible(value: object) -> object:
    r"""Control characters of a text as visible pictures, white space as it is; what a template made, untouched.

    >>> _visible("\x1b[31m and \t")
    '␛[31m and \t'
    """
    if type(value) is not str or value.isprintable() or _CONTROL.search(value) is None:
        return value
    return _CONTROL.sub(lambda match: "␡" if match[0] == "\x7f" else chr(0x2400 + ord(match[0])), value)
