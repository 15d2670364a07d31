"""The HTML report: notes with every word explained, on pages that need no script and load nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Protocol

import polars as pl

from conceptmap.export.markup import NoteView, Top, hue, note_markup, shown, top_of
from conceptmap.export.paths import PathOf

__all__ = ["NoteCard", "NoteLike", "NoteView", "note_card", "note_frame", "page", "report", "summary"]


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


@dataclass(frozen=True)
class NoteCard:
    """What the index says of a note.

    Attributes:
        href: where the note is.
        codes: the first codes, each with its colour's top.
        tops: how many codes there are under each chapter.
    """

    note_id: str
    href: str
    n_mentions: int
    n_codes: int
    codes: tuple[tuple[str, str, Top], ...]
    tops: Counter[Top]


def note_card(note: NoteLike, *, path: PathOf, href: str) -> NoteCard:
    """The line of a note in the index."""
    tops = [
        (code, name or "", top_of(system or "", code, name or "", path))
        for system, code, name in note.codes.select("system", "code", "name").iter_rows()
    ]
    return NoteCard(
        note_id=note.note_id,
        href=href,
        n_mentions=note.mentions.filter(pl.col("rank") > 0)["mention_id"].n_unique(),
        n_codes=len(tops),
        codes=tuple(tops[:6]),
        tops=Counter(top for _, _, top in tops),
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
    body = "".join(
        note_markup(view, path=path, anchor=f"n{at}", neighbours=neighbours(at, 1, len(views)))
        for at, view in enumerate(views, 1)
    )
    return page(title, summary(title, cards, facts=facts, index=len(cards) > 1) + body)


def note_frame(note: NoteLike, *, path: PathOf) -> str:
    """One note for a notebook: a page of its own in a frame without scripts, so that its style stays inside."""
    body = note_markup(_view(note), path=path, anchor="n")
    lines = sum(1 + len(line) // 70 for line in note.text.splitlines())
    height = min(max(24, 2 * lines + 10, 5 * note.codes.height + 8), 48)
    style = f"width:100%;height:{height}em;border:0"
    return f'<iframe sandbox style="{style}" srcdoc="{escape(page(note.note_id, body))}"></iframe>'


def neighbours(at: int, first: int, last: int | None) -> str:
    """Links from note ``at`` to the ones before and after on the same page and to the top."""
    links = ['<a href="#top">top</a>']
    if at > first:
        links.insert(0, f'<a href="#n{at - 1}">‹ previous</a>')
    if last is None or at < last:
        links.append(f'<a href="#n{at + 1}">next ›</a>')
    return " · ".join(links)


def _view(note: NoteLike) -> NoteView:
    tags = getattr(note, "tags", None)
    facts = getattr(note, "facts", ())
    return NoteView(note.note_id, note.text, note.mentions, note.codes, tags, facts)


def page(title: str, body: str) -> str:
    """A document around the body, its style inside."""
    return page_head(title) + body + PAGE_TAIL


PAGE_TAIL = "</body>\n</html>\n"


def page_head(title: str) -> str:
    """Everything before the body's content. The policy forbids scripts and any loading, whatever a note may hold."""
    style = resources.files("conceptmap.export").joinpath("report.css").read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{shown(title)}</title>\n<style>\n{style}</style>\n</head>\n<body id="top">\n'
    )


def summary(
    title: str,
    cards: Sequence[NoteCard],
    *,
    facts: Sequence[str] = (),
    quarantined: Sequence[Mapping[str, str | None]] = (),
    index: bool = True,
) -> str:
    """The top of a report: what was run, how to read it, the bad notes, and a line a note."""
    tops: Counter[Top] = Counter()
    for card in cards:
        tops.update(card.tops)
    facts = [f"{len(cards):,} notes", f"{sum(c.n_mentions for c in cards):,} mentions", *facts]
    facts.insert(2, f"{sum(card.n_codes for card in cards):,} codes")
    lines = "".join(f"<span>{shown(fact)}</span>" for fact in facts)
    return (
        f'<header><h1>{shown(title)}</h1><p class="facts">{lines}</p>{_LEGEND}{_tops_markup(tops)}'
        f"{_quarantine_markup(quarantined)}</header>\n{_index_markup(cards) if index else ''}"
    )


_LEGEND = (
    '<ul class="key"><li><span class="m" style="--h:210">supports a code</span></li>'
    '<li><span class="m idle" style="--h:210">mention without an accepted code</span></li>'
    '<li><span class="m off neg" data-l="no"><span class="t">negated</span></span></li>'
    '<li><span class="m off" data-l="fam">of the family</span></li>'
    '<li><span class="m off" data-l="if">hypothetical</span></li>'
    '<li><span class="m" style="--h:210" data-l="hx">history</span></li>'
    '<li><span class="m" style="--h:210" data-l="?">possible</span></li>'
    '<li class="meta">Hover over a mark, tap it or tab to it: it shows its concepts.</li></ul>'
)


def _tops_markup(tops: Counter[Top]) -> str:
    items = "".join(
        f'<li><span class="swatch" style="--h:{hue(top)}"></span>{shown(top.code)} {shown(top.name)} '
        f'<span class="meta">{count}</span></li>'
        for top, count in sorted(tops.items(), key=lambda item: (-item[1], item[0].code))
    )
    return f'<details open><summary>Codes by chapter</summary><ul class="key">{items}</ul></details>' if items else ""


def _quarantine_markup(quarantined: Sequence[Mapping[str, str | None]]) -> str:
    if not quarantined:
        return ""
    items = "".join(
        f"<tr><td>{shown(bad['where'] or '')}</td><td>{shown(bad['note_id'] or '–')}</td>"
        f"<td>{shown(bad['reason'] or '')}</td></tr>"
        for bad in quarantined[:1000]
    )
    more = f"<p>… and {len(quarantined) - 1000:,} more in run.json</p>" if len(quarantined) > 1000 else ""
    return (
        f'<details><summary class="no">{len(quarantined):,} notes were not coded</summary>'
        f"<table><thead><tr><th>Where<th>Note<th>Why</tr></thead><tbody>{items}</tbody></table>{more}</details>"
    )


def _index_markup(cards: Sequence[NoteCard]) -> str:
    rows = "".join(
        f'<tr><td dir="auto"><a href="{shown(card.href)}">{shown(card.note_id)}</a></td>'
        f'<td class="n">{card.n_codes}</td><td>{_first_codes(card)}</td></tr>'
        for card in cards
    )
    head = '<tr><th>Note<th class="n">Codes<th>First codes</tr>'
    return f'<div class="index"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>\n'


def _first_codes(card: NoteCard) -> str:
    codes = [
        f'<span class="swatch" style="--h:{hue(top)}"></span><span class="c" title="{shown(name)}">{shown(code)}</span>'
        for code, name, top in card.codes
    ]
    return " &nbsp; ".join(codes) + (" …" if card.n_codes > len(card.codes) else "")
