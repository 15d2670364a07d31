"""What the pages show of a note: its text as plain stretches, explained words and marked mentions, and its codes.

Nothing here is HTML: the templates are, see `conceptmap.export.html`. What a mark shows on hovering or focusing is
beside it, so that no script is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from conceptmap.errors import counted
from conceptmap.export.paths import PathOf
from conceptmap.export.report.codes import CodeGroup, code_groups
from conceptmap.export.report.marks import (
    MentionView,
    NoteView,
    Row,
    Score,
    Steps,
    Top,
    clusters,
    hue,
    mentions_of,
    top_of,
)
from conceptmap.export.tagged_words import TaggedWord, WordConcept, tagged_words

__all__ = ["Explained", "NotePage", "Shown", "TextPart", "note_page", "word_parts"]

MENTION_CONCEPTS = 5
"""Concepts of a mention that its pop-up shows; the tables have all."""
WORD_CONCEPTS = 3
_NONE = pl.Series(dtype=pl.Float32)
_IN_WORDS = {"historical": "in the past", "hypothetical": "only talked of", "possible": "uncertain"}


class Shown(NamedTuple):
    """A candidate in a pop-up: ``look`` tells the best from the rest, ``way`` leads from the top where it is shown.

    ``said`` and ``bar`` are its confidence, which orders the list; ``why`` says why it stands there.
    """

    look: str
    code: str
    name: str
    hue: int
    said: str
    bar: int
    why: str
    way: Steps


class Explained(NamedTuple):
    """A mention in a pop-up: what was found out about it, loud where it does not code, and its candidates.

    ``place`` is where it stands, ``12-31``; a word that is no mention has none.
    """

    text: str
    system: str
    place: str
    loud: list[str]
    quiet: list[str]
    concepts: list[Shown]
    more: int


class TextPart(NamedTuple):
    """A part of the text: plain (no ``look``), a word with tags (``w``), or marked mentions (``m`` and others).

    Attributes:
        look: classes.
        anchor, hue, label: of a mark; its colour is that of the first mention.
        says: the best concept and what is said of it, for those who hear the page.
        entries: of the pop-up.
    """

    text: str
    look: str = ""
    anchor: str = ""
    hue: int = 0
    label: str = ""
    says: str = ""
    entries: Sequence[Explained] = ()


class NotePage(NamedTuple):
    """A note as the template ``note.html`` reads it; ``measure`` says in words what the figures of its codes are."""

    anchor: str
    note_id: str
    facts: list[str]
    parts: list[TextPart]
    groups: list[CodeGroup]
    measure: str


def note_page(note: NoteView, *, path: PathOf, anchor: str) -> NotePage:
    """What the template shows of a note.

    Args:
        note: what to show.
        path: gives a concept's way to the top.
        anchor: id of the note on its page, prefix of the ids of its marks.
    """
    mentions = mentions_of(note)
    groups = clusters(mentions)
    anchors = {mention.mention_id: f"{anchor}m{at}" for at, group in enumerate(groups, 1) for mention in group}
    words = tagged_words(note.text, note.tags) if note.tags is not None and note.tags.height else []
    facts = [*note.facts, counted(len(anchors), "mention"), counted(note.codes.height, "code")]
    parts = list(_parts(note.text, groups, words, anchors, path))
    known = note.codes.get_column("probability", default=_NONE).count()
    measure = "how likely a coder would report it" if known else "how well the words fit"
    by_id = {mention.mention_id: mention for mention in mentions}
    return NotePage(anchor, note.note_id, facts, parts, code_groups(note, by_id, anchors, path), measure)


def word_parts(text: str, words: Iterable[TaggedWord], *, path: PathOf, says: str) -> list[TextPart]:
    """A text in which words alone are explained, each by ``says``."""
    parts, at = [], 0
    for word in words:
        if word.concepts and word.start_char >= at:
            parts += [TextPart(text[at : word.start_char]), _word(word, path, says)]
            at = word.end_char
    return [*parts, TextPart(text[at:])]


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
                yield _word(word, path, "this word by itself, part of no mention")
                at = word.end_char
        yield TextPart(text[at:start])
        if group:
            yield _mark(text[start:end], group, anchors[group[0].mention_id], path)
        at = end


def _word(word: TaggedWord, path: PathOf, says: str) -> TextPart:
    concepts = [_shown(one, path, lead=at == 0) for at, one in enumerate(word.concepts[:WORD_CONCEPTS])]
    place = f"{word.start_char}-{word.end_char}"
    return TextPart(
        word.text, "w", entries=[Explained(word.text, word.concepts[0].system, place, [], [says], concepts, 0)]
    )


def _mark(text: str, group: Sequence[MentionView], anchor: str, path: PathOf) -> TextPart:
    """The longest mention is explained first, then those inside or beside it."""
    best = group[0].best
    top = top_of(best["system"] or "", best["code"] or "", best["name"] or "", path)
    kind, label = _context_mark(best)
    if not kind and not any(mention.codes for mention in group):
        kind = "idle"
    entries = [_explained(one, path) for one in group]
    named = f"{best['code']} {best['name']}" if best["code"] else "no concept"
    says = "; ".join([named, *entries[0].loud, *(["supports no code"] if kind == "idle" else [])])
    return TextPart(text, f"m {kind}".rstrip(), anchor, hue(top), label, says, entries)


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
    ranked = [row for row in mention.ranked if row["code"] is not None]
    concepts = []
    for at, row in enumerate(ranked[:MENTION_CONCEPTS]):
        figures = row["score"] or 0.0, row["confidence"] or 0.0, row["why"] or ""
        concept = WordConcept(row["system"] or "", row["code"], row["name"] or "", *figures)
        concepts.append(_shown(concept, path, lead=at == 0))
    best = mention.best
    more = max(0, len(ranked) - MENTION_CONCEPTS)
    return Explained(best["text"], best["system"] or "", mention.place, *_context(best), concepts, more)


def _context(row: Row) -> tuple[list[str], list[str]]:
    """What is known of a mention beside its concepts; what was not assessed is not mentioned."""
    loud = []
    if row["negated"]:
        loud.append("denied")
    if row["subject"] not in (None, "patient"):
        loud.append("of the family" if row["subject"] == "family" else f"of another: {row['subject']}")
    known: list[str] = [
        row[name] for name in ("temporality", "certainty") if row[name] not in (None, "recent", "certain")
    ]
    loud += [_IN_WORDS.get(value, value) for value in known]
    return loud, [f"under “{row['section']}”"] if row["section"] else []


def _shown(concept: WordConcept, path: PathOf, *, lead: bool) -> Shown:
    steps = path(concept.system, concept.code)
    top = Top(*steps[0]) if steps else Top(concept.code, concept.name)
    cosine = f"cosine {concept.score:.2f}" if concept.score else ""
    why = " · ".join(said for said in (concept.why, cosine) if said)
    look, sure = "cand" if lead else "cand rest", Score.of(concept.confidence or 0.0)
    return Shown(look, concept.code, concept.name, hue(top), *sure, why, steps if lead else ())
