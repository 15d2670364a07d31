"""What the pages show of a note: its text as plain stretches, explained words and marked mentions, and its codes.

Nothing here is HTML: the templates are, see `conceptmap.export.html`. What a mark shows on hovering or focusing is
inside it, so that no script is needed.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import polars as pl

from conceptmap.export.paths import PathOf
from conceptmap.export.tagged_words import TaggedWord, WordConcept, tagged_words

__all__ = [
    "CodeLine",
    "Explained",
    "MentionView",
    "NotePage",
    "NoteView",
    "Score",
    "Shown",
    "TextPart",
    "Top",
    "clusters",
    "hue",
    "mentions_of",
    "note_page",
    "top_of",
]

Row = Mapping[str, Any]
Steps = Sequence[tuple[str, str]]
MENTION_CONCEPTS = 5
"""Concepts of a mention that its pop-up shows; the tables have all."""
WORD_CONCEPTS = 3
_NONE = pl.Series(dtype=pl.Float32)
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
class MentionView:
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


class Top(NamedTuple):
    """The chapter, or whatever is at the top of a hierarchy, that gives a mention its colour."""

    code: str
    name: str


class Score(NamedTuple):
    """A score as it is written, and as the length of its bar."""

    said: str
    bar: str

    @classmethod
    def of(cls, score: float) -> Score:
        """For a confidence, a probability or a cosine.

        >>> Score.of(0.825)
        Score(said='0.82', bar='82%')
        """
        return cls(f"{score:.2f}", f"{max(0.0, min(score, 1.0)):.0%}")


class Shown(NamedTuple):
    """A candidate in a pop-up: ``look`` tells the best from the rest, ``way`` leads from the top where it is shown.

    ``said`` and ``bar`` are its confidence, which orders the list; ``why`` says why it stands there.
    """

    look: str
    code: str
    name: str
    hue: str
    said: str
    bar: str
    why: str
    cosine: str
    way: Steps


class Explained(NamedTuple):
    """A mention in a pop-up: what was found out about it, loud where it does not code, and its candidates."""

    text: str
    loud: list[str]
    quiet: list[str]
    concepts: list[Shown]
    more: int


class TextPart(NamedTuple):
    """A part of the text: plain (no ``look``), a word with tags (``w``), or marked mentions (``m`` and others).

    Attributes:
        look: classes.
        anchor, hue, label: of a mark; its colour is that of the first mention.
        entries: of the pop-up.
    """

    text: str
    look: str = ""
    anchor: str = ""
    hue: str = ""
    label: str = ""
    entries: Sequence[Explained] = ()


class CodeLine(NamedTuple):
    """An accepted code: links to its evidence by anchor and text, what else is said of it.

    ``score`` is what orders the codes of a role: the probability, else the score.
    """

    code: str
    name: str
    hue: str
    role: str
    score: Score
    billable: bool
    evidence: list[tuple[str, str]]
    way: Steps
    remarks: list[str]


class NotePage(NamedTuple):
    """A note as the template ``note.html`` reads it."""

    anchor: str
    note_id: str
    facts: list[str]
    parts: list[TextPart]
    codes: list[CodeLine]
    measure: str


def top_of(system: str, code: str, name: str, path: PathOf) -> Top:
    """The first step of a concept's path, or the concept itself at the top."""
    steps = path(system, code)
    return Top(*steps[0]) if steps else Top(code, name)


@lru_cache(maxsize=1 << 12)
def hue(top: Top) -> str:
    """A hue from 0 to 359: chapters with numbers are spread by the golden angle, others by a checksum of their code."""
    number = int(top.code) if top.code.isdecimal() and len(top.code) < 4 else zlib.crc32(top.code.encode()) % 97
    return str(round(number * 137.508 + 20) % 360)


def mentions_of(note: NoteView) -> list[MentionView]:
    """The note's mentions in reading order, the longer first where two start together; none that abstains."""
    evidence = note.codes["evidence"].to_list()
    supporting = {mention_id for ids in evidence if ids for mention_id in _MENTION_IDS.split(ids)}
    grouped: dict[str, list[Row]] = {}
    standing = [row for row in note.mentions.iter_rows(named=True) if row["rank"] > 0]
    for row in sorted(standing, key=lambda row: row["rank"]):
        grouped.setdefault(row["mention_id"], []).append(row)
    found = [
        MentionView(mention_id, rows[0]["start_char"], rows[0]["end_char"], rows, mention_id in supporting)
        for mention_id, rows in grouped.items()
    ]
    return sorted(found, key=lambda mention: (mention.start, -mention.end, mention.mention_id))


def clusters(mentions: Iterable[MentionView]) -> list[list[MentionView]]:
    """Mentions that overlap or nest, together; in each cluster the one to show first comes first.

    That is the longest; of equal ones, one that supports a code, then the one of which the words are surest.
    """
    found: list[list[MentionView]] = []
    end = -1
    for mention in mentions:
        if mention.start >= end:
            found.append([])
        found[-1].append(mention)
        end = max(end, mention.end)
    return [sorted(cluster, key=_prominence) for cluster in found]


def _prominence(mention: MentionView) -> tuple[int, bool, float, int]:
    return mention.start - mention.end, not mention.codes, -(mention.best["confidence"] or 0.0), mention.start


def note_page(note: NoteView, *, path: PathOf, anchor: str) -> NotePage:
    """What the template shows of a note.

    Args:
        note: what to show.
        path: gives a concept's way to the top.
        anchor: id of the note on its page, prefix of the ids of its marks.
    """
    groups = clusters(mentions_of(note))
    anchors = {mention.mention_id: f"{anchor}m{at}" for at, group in enumerate(groups, 1) for mention in group}
    words = tagged_words(note.text, note.tags) if note.tags is not None and note.tags.height else []
    facts = [*note.facts, f"{len(anchors)} mentions", f"{note.codes.height} codes"]
    parts = list(_parts(note.text, groups, words, anchors, path))
    measure = "Probability" if note.codes.get_column("probability", default=_NONE).count() else "Score"
    return NotePage(anchor, note.note_id, facts, parts, _code_lines(note, anchors, path), measure)


def _parts(
    text: str, groups: list[list[MentionView]], words: list[TaggedWord], anchors: Mapping[str, str], path: PathOf
) -> Iterator[TextPart]:
    """The text in order."""
    at, next_word = 0, 0
    for group in [*groups, []]:
        start = min((mention.start for mention in group), default=len(text))
        end = max((mention.end for mention in group), default=len(text))
        while next_word < len(words) and words[next_word].start_char < start:
            word = words[next_word]
            next_word += 1
            if word.concepts and word.start_char >= at and word.end_char <= start:
                yield TextPart(text[at : word.start_char])
                yield _word(word, path)
                at = word.end_char
        yield TextPart(text[at:start])
        if group:
            yield _mark(text[start:end], group, anchors[group[0].mention_id], path)
        at = end


def _word(word: TaggedWord, path: PathOf) -> TextPart:
    concepts = [_shown(one, path, lead=at == 0) for at, one in enumerate(word.concepts[:WORD_CONCEPTS])]
    return TextPart(word.text, "w", entries=[Explained(word.text, [], ["tags of this word"], concepts, 0)])


def _mark(text: str, group: Sequence[MentionView], anchor: str, path: PathOf) -> TextPart:
    """The longest mention is explained first, then those inside or beside it."""
    best = group[0].best
    top = top_of(best["system"] or "", best["code"] or "", best["name"] or "", path)
    kind, label = _context_mark(best)
    if not kind and not any(mention.codes for mention in group):
        kind = "idle"
    return TextPart(text, f"m {kind}".rstrip(), anchor, hue(top), label, [_explained(one, path) for one in group])


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


def _explained(mention: MentionView, path: PathOf) -> Explained:
    concepts = []
    ranked = [row for row in mention.ranked if row["code"] is not None]
    seen: Steps = ()
    for at, row in enumerate(ranked[:MENTION_CONCEPTS]):
        figures = row["score"] or 0.0, row["confidence"] or 0.0, row["why"] or ""
        concept = WordConcept(row["system"] or "", row["code"], row["name"] or "", *figures)
        steps = tuple(path(concept.system, concept.code))
        concepts.append(_shown(concept, path, lead=at == 0, way=at == 0 or (at < 3 and steps != seen)))
        seen = steps
    more = max(0, len(ranked) - MENTION_CONCEPTS)
    return Explained(mention.best["text"], *_context(mention.best), concepts, more)


def _context(row: Row) -> tuple[list[str], list[str]]:
    """What is known of a mention beside its concepts; what was not assessed is not mentioned."""
    loud = []
    if row["negated"]:
        loud.append("negated")
    if row["subject"] not in (None, "patient"):
        loud.append(f"of the {row['subject']}" if row["subject"] == "family" else f"subject: {row['subject']}")
    loud += [value for value in (row["temporality"], row["certainty"]) if value not in (None, "recent", "certain")]
    return loud, [f"section: {row['section']}"] if row["section"] else []


def _shown(concept: WordConcept, path: PathOf, *, lead: bool, way: bool | None = None) -> Shown:
    steps = path(concept.system, concept.code)
    top = Top(*steps[0]) if steps else Top(concept.code, concept.name)
    steps = steps if (lead if way is None else way) else ()
    look, sure, cosine = "cand" if lead else "cand rest", Score.of(concept.confidence or 0.0), f"{concept.score:.2f}"
    return Shown(look, concept.code, concept.name, hue(top), *sure, concept.why or "", cosine, steps)


def _code_lines(note: NoteView, anchors: Mapping[str, str], path: PathOf) -> list[CodeLine]:
    texts = dict(zip(note.mentions["mention_id"], note.mentions["text"], strict=True))
    rows = sorted(note.codes.iter_rows(named=True), key=lambda row: (row["system"] or "", row["rank"]))
    return [_code_line(row, texts, anchors, path) for row in rows]


def _code_line(row: Row, texts: Mapping[str, str], anchors: Mapping[str, str], path: PathOf) -> CodeLine:
    links: dict[tuple[str, str], None] = {}
    for mention_id in _MENTION_IDS.split(row["evidence"] or ""):
        if mention_id in anchors:
            links[anchors[mention_id], texts[mention_id]] = None
    steps = path(row["system"] or "", row["code"])
    top = Top(*steps[0]) if steps else Top(row["code"], row["name"] or "")
    return CodeLine(
        row["code"],
        row["name"] or "",
        hue(top),
        row["role"] or "",
        Score.of(row["score"] or 0.0 if row.get("probability") is None else row["probability"]),
        row["billable"] is not False,
        [(anchor, " ".join(text.split())) for anchor, text in links],
        steps[:1],
        [said for said in (row["notes"] or "").split("; ") if said],
    )
