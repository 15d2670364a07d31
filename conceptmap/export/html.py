"""The HTML report: notes with every word explained, on pages that need no script, load nothing and run their own alone.

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

from conceptmap.errors import counted
from conceptmap.export.paths import PathOf
from conceptmap.export.report.assets import asset
from conceptmap.export.report.charts import Chart, Totals
from conceptmap.export.report.marks import NoteView, hue, top_of
from conceptmap.export.report.views import TextPart, note_page

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = [
    "Article",
    "NoteCard",
    "NoteLike",
    "note_article",
    "note_card",
    "note_part",
    "notes_page",
    "page",
    "report",
    "report_page",
    "text_alone",
    "view_of",
]

MOST_QUARANTINED = 1000
"""Bad notes that a report names; run.json names all."""
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
    hue: int


class Article(NamedTuple):
    """A note as a piece of a page, and its anchor there."""

    anchor: str
    drawn: str


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
    """A whole report in one string, for few notes; ``export.report.pages`` writes long ones page by page.

    Args:
        notes: annotated notes.
        path: gives a concept's way to the top of its hierarchy, see ``export.paths``.
        title: of the page.
        facts: short strings shown under the title, such as the release and the encoder.
    """
    views = [view_of(note) for note in notes]
    cards = [note_card(view, path=path, href=f"#n{at}") for at, view in enumerate(views, 1)]
    articles = [note_article(view, path=path, number=at) for at, view in enumerate(views, 1)]
    totals = Totals()
    for view in views:
        totals.add(view.codes, path)
    return "".join(report_page(title, cards, articles, charts=totals.charts(), facts=facts))


def note_article(note: NoteView, *, path: PathOf, number: int) -> Article:
    """A note as the pages show it.

    Args:
        note: what to show.
        path: gives a concept's way to the top.
        number: of the note in its report, for the anchors.
    """
    anchor = f"n{number}"
    drawn = _templates().get_template("note.html").module.article(note_page(note, path=path, anchor=anchor))  # type: ignore[attr-defined]
    return Article(anchor, drawn)


def text_alone(parts: Sequence[TextPart]) -> str:
    """The text of a note by itself, explained, as the pages show it."""
    return str(_templates().get_template("note.html").module.text(parts))  # type: ignore[attr-defined]


def note_part(note: NoteLike, *, path: PathOf) -> str:
    """One note for a notebook: a part of its page as high as it is, in the colours of the notebook's theme.

    Its style is nested in a class of its own, so that it stays inside, and its anchors are its own among all notes.
    """
    view = view_of(note)
    anchor = f"c{crc32(f'{view.note_id} {view.text}'.encode('utf-8', 'surrogatepass')):08x}"
    return "".join(page("part.html", note=note_page(view, path=path, anchor=anchor)))


def report_page(
    title: str,
    cards: Sequence[NoteCard],
    articles: Sequence[Article],
    *,
    parts: int = 0,
    charts: Sequence[Chart] = (),
    facts: Sequence[str] = (),
    quarantined: Sequence[Mapping[str, str | None]] = (),
) -> Iterator[str]:
    """The first page of a report, piece by piece: what was run, how to read it, the bad notes, a line a note.

    Args:
        title: of the report.
        cards: of all its notes.
        articles: the notes that this page shows itself.
        parts: pages of notes beside this one.
        charts: of all its codes.
        facts: shown under the title.
        quarantined: notes that were not coded: where, note_id, reason.
    """
    sizes = {"note": len(cards), "mention": sum(c.n_mentions for c in cards), "code": sum(c.n_codes for c in cards)}
    return page(
        "report.html",
        title=title,
        facts=[*(counted(n, what) for what, n in sizes.items()), *facts],
        charts=charts,
        quarantined=quarantined[:MOST_QUARANTINED],
        not_coded=f"{counted(len(quarantined), 'note')} {'was' if len(quarantined) == 1 else 'were'} not coded",
        n_more=f"{len(quarantined) - MOST_QUARANTINED:,}" if len(quarantined) > MOST_QUARANTINED else "",
        cards=cards,
        articles=articles,
        parts=parts,
    )


def notes_page(title: str, cards: Sequence[NoteCard], articles: Sequence[Article], *, home: str) -> Iterator[str]:
    """A page of notes, piece by piece.

    Args:
        title: of the page.
        cards: of its notes.
        articles: the notes.
        home: words of the link to the report's first page.
    """
    return page("notes.html", title=title, cards=cards, articles=articles, home=home)


def page(template: str, **given: object) -> Iterator[str]:
    """A template filled in, piece by piece."""
    return _templates().get_template(template).generate(given)


def view_of(note: NoteLike) -> NoteView:
    """What the pages show of an annotated note."""
    tags = getattr(note, "tags", None)
    facts = getattr(note, "facts", ())
    return NoteView(note.note_id, note.text, note.mentions, note.codes, tags, facts)


@cache
def _templates() -> Environment:
    """Loaded and compiled once; a name that a template is not given is an error."""
    from jinja2 import ChoiceLoader, Environment, FunctionLoader, PackageLoader, StrictUndefined

    return Environment(
        loader=ChoiceLoader([FunctionLoader(asset), PackageLoader("conceptmap.export", "templates")]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )


def _visible(value: object) -> object:
    r"""Control characters of a text as visible pictures, white space as it is; what a template made, untouched.

    >>> _visible("\x1b[31m and \t")
    '␛[31m and \t'
    """
    if type(value) is not str or value.isprintable() or _CONTROL.search(value) is None:
        return value
    return _CONTROL.sub(lambda match: "␡" if match[0] == "\x7f" else chr(0x2400 + ord(match[0])), value)
