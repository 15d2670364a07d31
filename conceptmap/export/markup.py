"""One note as HTML: its text with every mention marked and explained, its codes with links to their evidence.

Everything that comes from a note or an ontology is escaped, codes too. What a mark shows on hovering or focusing is
inside it, so that no script is needed.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import polars as pl

from conceptmap.export.paths import PathOf
from conceptmap.export.tagged_words import TaggedWord, WordConcept, tagged_words

__all__ = ["Mention", "NoteView", "Top", "clusters", "hue", "note_markup", "shown", "top_of"]

Row = Mapping[str, Any]
MENTION_CONCEPTS = 5
"""Concepts of a mention that its pop-up shows; the tables have all."""
WORD_CONCEPTS = 3
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MENTION_IDS = re.compile(r"[\s;,|]+")


@dataclass(frozen=True)
class NoteView:
    """What the report shows of a note. The annotations of a mapper have the same attributes and do as well.

    Attributes:
        mentions: rows of ``frames.ANNOTATIONS`` for this note.
        codes: rows of ``frames.CODES`` for this note.
        tags: rows of ``frames.TAGS``; with them the words outside mentions are explained too.
        facts: short strings such as sex and age, shown under the note's id.
    """

    note_id: str
    text: str
    mentions: pl.DataFrame
    codes: pl.DataFrame
    tags: pl.DataFrame | None = None
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mention:
    """A mention with its candidates, best first."""

    mention_id: str
    start: int
    end: int
    ranked: list[Row]
    codes: bool = field(default=False)

    @property
    def best(self) -> Row:
        """The candidate of rank 1."""
        return self.ranked[0]


@dataclass(frozen=True, slots=True)
class Top:
    """The chapter, or whatever is at the top of a hierarchy, that gives a mention its colour."""

    code: str
    name: str


def top_of(system: str, code: str, name: str, path: PathOf) -> Top:
    """The first step of a concept's path, or the concept itself at the top."""
    steps = path(system, code)
    return Top(*steps[0]) if steps else Top(code, name)


def hue(top: Top) -> int:
    """A hue from 0 to 359: chapters with numbers are spread by the golden angle, others by a checksum of their code."""
    number = int(top.code) if top.code.isdecimal() and len(top.code) < 4 else zlib.crc32(top.code.encode()) % 97
    return round(number * 137.508 + 20) % 360


def shown(text: str) -> str:
    """Text for an HTML page: escaped, control characters as visible pictures, white space as it is."""
    return escape(_CONTROL.sub(lambda match: "␡" if match[0] == "\x7f" else chr(0x2400 + ord(match[0])), text))


def mentions_of(note: NoteView) -> list[Mention]:
    """The note's mentions in reading order, the longer first where two start together; none that abstains."""
    supporting = {
        mention_id for evidence in note.codes["evidence"].drop_nulls() for mention_id in _MENTION_IDS.split(evidence)
    }
    grouped: dict[str, list[Row]] = {}
    standing = note.mentions.filter(pl.col("rank") > 0)
    for row in standing.sort("mention_id", "rank", maintain_order=True).iter_rows(named=True):
        grouped.setdefault(row["mention_id"], []).append(row)
    found = [
        Mention(mention_id, rows[0]["start_char"], rows[0]["end_char"], rows, mention_id in supporting)
        for mention_id, rows in grouped.items()
    ]
    return sorted(found, key=lambda mention: (mention.start, -mention.end, mention.mention_id))


def clusters(mentions: Iterable[Mention]) -> list[list[Mention]]:
    """Mentions that overlap or nest, together; in each cluster the one to show first comes first.

    That is the longest; of equal ones, one that supports a code, then the one with the best score.
    """
    found: list[list[Mention]] = []
    end = -1
    for mention in mentions:
        if mention.start >= end:
            found.append([])
        found[-1].append(mention)
        end = max(end, mention.end)
    return [sorted(cluster, key=_prominence) for cluster in found]


def _prominence(mention: Mention) -> tuple[int, bool, float, int]:
    return mention.start - mention.end, not mention.codes, -(mention.best["score"] or 0.0), mention.start


def note_markup(note: NoteView, *, path: PathOf, anchor: str, neighbours: str = "") -> str:
    """The ``<article>`` of a note.

    Args:
        note: what to show.
        path: gives a concept's way to the top.
        anchor: id of the article, prefix of the ids of its mentions.
        neighbours: links to the notes before and after, as HTML.
    """
    groups = clusters(mentions_of(note))
    anchors = {mention.mention_id: f"{anchor}m{at}" for at, group in enumerate(groups, 1) for mention in group}
    words = tagged_words(note.text, note.tags) if note.tags is not None else []
    body = "".join(_text_markup(note.text, groups, words, anchors, path))
    facts = [*note.facts, f"{len(anchors)} mentions", f"{note.codes.height} codes"]
    meta = "".join(f"<span>{shown(fact)}</span>" for fact in facts)
    return (
        f'<article class="note" id="{anchor}"><header><h2 dir="auto">{shown(note.note_id)}</h2>'
        f'<p class="meta">{meta}</p><nav>{neighbours}</nav></header>'
        f'<div class="columns"><div class="text" dir="auto">{body}</div>'
        f"<div>{_codes_markup(note, anchors, path)}</div></div></article>\n"
    )


def _text_markup(
    text: str, groups: list[list[Mention]], words: list[TaggedWord], anchors: Mapping[str, str], path: PathOf
) -> Iterator[str]:
    """The text in order: plain stretches, words with tags, marked mentions."""
    at, next_word = 0, 0
    for group in [*groups, []]:
        start = min((mention.start for mention in group), default=len(text))
        end = max((mention.end for mention in group), default=len(text))
        while next_word < len(words) and words[next_word].start_char < start:
            word = words[next_word]
            next_word += 1
            if word.concepts and word.start_char >= at and word.end_char <= start:
                yield shown(text[at : word.start_char])
                yield _word_markup(word, path)
                at = word.end_char
        yield shown(text[at:start])
        if group:
            yield _mention_markup(text[start:end], group, anchors[group[0].mention_id], path)
        at = end


def _word_markup(word: TaggedWord, path: PathOf) -> str:
    shown_concepts = enumerate(word.concepts[:WORD_CONCEPTS])
    entries = "".join(_concept_markup(concept, path, lead=at == 0) for at, concept in shown_concepts)
    label = shown(word.text)
    return (
        f'<span class="w" tabindex="0">{label}<span class="pop"><b dir="auto">{label}</b>'
        f'<span class="ctx"><span>tags of this word</span></span>{entries}</span></span>'
    )


def _mention_markup(text: str, group: Sequence[Mention], anchor: str, path: PathOf) -> str:
    """A mark around the text; its pop-up explains the longest mention first, then those inside or beside it."""
    first = group[0]
    top = top_of(first.best["system"] or "", first.best["code"] or "", first.best["name"] or "", path)
    kind, label = _context_mark(first.best)
    if not kind and not any(mention.codes for mention in group):
        kind = "idle"
    entries = "".join(_explained(mention, path) for mention in group)
    data = f' data-l="{label}"' if label else ""
    return (
        f'<span class="{" ".join(filter(None, ("m", kind)))}" id="{anchor}" tabindex="0" style="--h:{hue(top)}"{data}>'
        f'<span class="t">{shown(text)}</span><span class="pop">{entries}</span></span>'
    )


def _context_mark(row: Row) -> tuple[str, str]:
    """Class and short label of a mention that is not simply affirmed of the patient."""
    if row["negated"]:
        return "off neg", "no"
    if row["subject"] not in (None, "patient"):
        return "off", "fam" if row["subject"] == "family" else "other"
    if row["temporality"] == "hypothetical":
        return "off", "if"
    label = "hx" if row["temporality"] == "historical" else ""
    return "", label or ("?" if row["certainty"] == "possible" else "")


def _explained(mention: Mention, path: PathOf) -> str:
    entries = []
    ranked = [row for row in mention.ranked if row["code"] is not None]
    seen: tuple[tuple[str, str], ...] = ()
    for at, row in enumerate(ranked[:MENTION_CONCEPTS]):
        concept = WordConcept(row["system"] or "", row["code"], row["name"] or "", row["score"] or 0.0)
        steps = tuple(path(concept.system, concept.code))
        entries.append(_concept_markup(concept, path, lead=at == 0, way=at == 0 or (at < 3 and steps != seen)))
        seen = steps
    if len(ranked) > MENTION_CONCEPTS:
        entries.append(f'<span class="way">and {len(ranked) - MENTION_CONCEPTS} more</span>')
    return f'<b dir="auto">{shown(mention.best["text"])}</b>{_context_line(mention.best)}{"".join(entries)}'


def _context_line(row: Row) -> str:
    """What is known of a mention beside its concepts; what was not assessed is not mentioned."""
    loud = []
    if row["negated"]:
        loud.append("negated")
    if row["subject"] not in (None, "patient"):
        loud.append(f"of the {row['subject']}" if row["subject"] == "family" else f"subject: {row['subject']}")
    loud += [value for value in (row["temporality"], row["certainty"]) if value not in (None, "recent", "certain")]
    quiet = [f"section: {row['section']}"] if row["section"] else []
    quiet += [f"{row['evidence']} evidence"] if row["evidence"] else []
    parts = [f"<em>{shown(part)}</em>" for part in loud] + [f"<span>{shown(part)}</span>" for part in quiet]
    return f'<span class="ctx">{"".join(parts)}</span>'


def _concept_markup(concept: WordConcept, path: PathOf, *, lead: bool, way: bool | None = None) -> str:
    steps = way_markup(path(concept.system, concept.code)) if (lead if way is None else way) else ""
    top = top_of(concept.system, concept.code, concept.name, path)
    return (
        f'<span class="cand{"" if lead else " rest"}" style="--h:{hue(top)}"><span>'
        f'<span class="c">{shown(concept.code)}</span><span class="name">{shown(concept.name)}</span>'
        f"{score_markup(concept.score)}</span>{steps}</span>"
    )


def score_markup(score: float) -> str:
    """A score with a bar from 0 to 1."""
    return f'<span class="s" style="--p:{max(0.0, min(score, 1.0)):.0%}">{score:.2f}</span>'


def way_markup(steps: Sequence[tuple[str, str]]) -> str:
    """The way down from the top; empty at the top."""
    inner = "<i>›</i>".join(f"{shown(code)} {shown(name)}" for code, name in steps)
    return f'<span class="way">{inner}</span>' if inner else ""


def _codes_markup(note: NoteView, anchors: Mapping[str, str], path: PathOf) -> str:
    if not note.codes.height:
        return "<h3>Codes</h3><p class=meta>No code was accepted for this note.</p>"
    texts = {row[0]: row[1] for row in note.mentions.select("mention_id", "text").iter_rows()}
    rows = "".join(
        _code_row(row, texts, anchors, path)
        for row in note.codes.sort("system", "rank", maintain_order=True).iter_rows(named=True)
    )
    head = '<tr><th>Code<th>Name<th class="n">Score</tr>'
    return f'<h3>Codes</h3><table class="codes"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _code_row(row: Row, texts: Mapping[str, str], anchors: Mapping[str, str], path: PathOf) -> str:
    links: dict[tuple[str, str], None] = {}
    for mention_id in _MENTION_IDS.split(row["evidence"] or ""):
        if mention_id in anchors:
            links[anchors[mention_id], texts[mention_id]] = None
    evidence = ", ".join(f'<a href="#{anchor}">{shown(" ".join(text.split()))}</a>' for anchor, text in links)
    top = top_of(row["system"] or "", row["code"], row["name"] or "", path)
    billable = ' <span class="no" title="a header: not valid for billing">not billable</span>'
    remarks = "".join(f'<span class="remark">{shown(said)}</span>' for said in (row["notes"] or "").split("; ") if said)
    said = f'<span class="evidence">{evidence}</span>' if evidence else ""
    return (
        f'<tr style="--h:{hue(top)}"><td class="c"><span class="swatch"></span>{shown(row["code"])}</td>'
        f"<td>{shown(row['name'] or '')}{billable if row['billable'] is False else ''}{said}"
        f"{way_markup(path(row['system'] or '', row['code'])[:1])}{remarks}</td>"
        f'<td class="n">{score_markup(row["score"] or 0.0)}</td></tr>'
    )
