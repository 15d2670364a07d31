"""Reading: one note after linking, and the rows that it becomes in the frames handed out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from conceptmap.coding.acceptance.acceptance import Acceptance, acceptance_of
from conceptmap.coding.allergies import with_allergens
from conceptmap.coding.coding import CodedNote, NoteCode, note_candidates, note_codes
from conceptmap.coding.derived.derived import with_derived
from conceptmap.coding.instructions import Instructions
from conceptmap.coding.neoplasms import with_neoplasms
from conceptmap.coding.results import with_results
from conceptmap.coding.stated_codes import with_stated_codes
from conceptmap.encoders import Spans, TokenEmbeddings
from conceptmap.learned.code_adapter import CodeAdapter
from conceptmap.learned.mention_vectors import mention_vectors
from conceptmap.learned.near_windows import near_windows
from conceptmap.learned.note_facts import EVERY_CONTEXT, NoteFacts, facts_of
from conceptmap.linking.linker import Linker, Spotted
from conceptmap.linking.ranking import Ranked
from conceptmap.linking.senses import in_place
from conceptmap.linking.tags import tag_tokens, tag_words
from conceptmap.matching.content import Content, content_words
from conceptmap.matching.mentions import Mention
from conceptmap.matching.short_forms import expander
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.context import Context, assess
from conceptmap.text.page import Page
from conceptmap.text.sections import Section, section_at, section_name
from conceptmap.text.snippets import counted, snippet
from conceptmap.text.words import words

__all__ = [
    "Reading",
    "SpottedNotes",
    "acceptance_for",
    "annotation_rows",
    "by_sections",
    "candidate_rows",
    "code_rows",
    "coded",
    "facts_of_reading",
    "outside_headings",
    "reading_of",
    "span_rows",
    "tag_rows",
]

NOTHING_LEARNED: Mapping[str, CodeAdapter] = MappingProxyType({})
ABSTAINS = 0
"""Rank of the one row, without a code, of a mention that an adapter found too improbable."""


@dataclass(frozen=True, slots=True)
class SpottedNotes:
    """Notes after the first pass: their words, and for each linker what it spotted in each."""

    note_ids: list[str]
    pages: list[Page]
    contents: list[Content]
    spotted: list[list[Spotted]]

    @classmethod
    def of(cls, note_ids: list[str], texts: Sequence[str], linkers: Sequence[Linker]) -> SpottedNotes:
        """Go through the words of notes."""
        pages = [Page.of(text) for text in texts]
        contents = [content_words(page.text, expander(page.text, page.sections), page.sentences) for page in pages]
        read = [page.text for page in pages]
        return cls(note_ids, pages, contents, [linker.spot(read, contents) for linker in linkers])

    @property
    def texts(self) -> list[str]:
        """What is read of each note."""
        return [page.text for page in self.pages]

    @property
    def spans(self) -> list[Spans]:
        """For each note where vectors are asked for."""
        return [[span for one in note for span in one.asked] for note in zip(*self.spotted, strict=True)]


@dataclass(frozen=True)
class Reading:
    """A note and what was found in it.

    Attributes:
        note_id: as given.
        page: the note laid open; all offsets here are those of what is read of it.
        tokens: its tokens, or None without an encoder.
        mentions: for each linker its mentions in reading order.
        abstaining: for each linker the mentions that its adapter found too improbable; they name nothing.
        coding: for each linker the mentions that may give a code, with the concepts that may be one.
        spans: the distinct spans of all mentions in reading order; the n-th is mention ``m<n+1>``.
        contexts: what is said of each span.
        content: its content words, abbreviations expanded.
        asked: for each linker the spans whose vectors were asked for; rules make mentions of others.
    """

    note_id: str
    page: Page
    tokens: TokenEmbeddings | None
    mentions: Sequence[Sequence[Mention]]
    abstaining: Sequence[Sequence[Mention]]
    coding: Sequence[Sequence[Mention]]
    spans: Sequence[tuple[int, int]]
    contexts: Mapping[tuple[int, int], Context]
    content: Content
    asked: Sequence[frozenset[tuple[int, int]]]

    def written(self, start: int, end: int) -> tuple[int, int, str]:
        """A span of what is read as it stands in the note: start, end and text there."""
        start, end = self.page.view.span(start, end)
        return start, end, self.page.view.original[start:end]

    def mention_id(self, mention: Mention) -> str:
        """``m1`` for the first span of the note, and so on."""
        return f"m{self._numbers[mention.start_char, mention.end_char]}"

    @cached_property
    def _numbers(self) -> Mapping[tuple[int, int], int]:
        return {span: number for number, span in enumerate(self.spans, 1)}

    def section(self, mention: Mention) -> str | None:
        """Name of the section that a mention stands in."""
        return section_name(self.page.sections, mention.start_char)

    def wording(self, mention: Mention) -> str:
        """The words of a mention, with the bracket behind them that they open."""
        _, end, text = self.written(mention.start_char, mention.end_char)
        return (
            f"{text})" if text.count("(") > text.count(")") and self.page.view.original[end : end + 1] == ")" else text
        )

    def snippet(self, mention: Mention) -> str:
        """The words around a mention, no further than its sentence."""
        lines, edges = self.page.sentences, (mention.start_char, mention.end_char - 1)
        first, last = (max(bisect_right(lines, at, key=lambda line: line[0]) - 1, 0) for at in edges)
        bounds = (lines[first][0], lines[last][1]) if lines else edges
        within = self.page.view.span(min(bounds[0], mention.start_char), max(bounds[1], mention.end_char))
        start, end, _ = self.written(mention.start_char, mention.end_char)
        return snippet(self.page.view.original, start, end, within=within)


def outside_headings(mentions: Sequence[Mention], parts: Sequence[Section]) -> list[Mention]:
    """The mentions that are not part of a section's heading: "Allergies:" is no allergy."""
    out = []
    for mention in mentions:
        part = section_at(parts, mention.start_char)
        if part is None or not part.heading_start <= mention.start_char < part.heading_end:
            out.append(mention)
    return out


def by_sections(
    text: str,
    parts: Sequence[Section],
    lines: Sequence[tuple[int, int]],
    found: Sequence[Mention],
    book: CodeBook,
) -> list[Mention]:
    """The mentions of a note as its sections have them: none in headings; allergens, and what follows from drugs."""
    known = with_stated_codes(text, outside_headings(found, parts), book)
    named = with_neoplasms(text, with_allergens(text, parts, known, book), book)
    return with_derived(text, parts, lines, with_results(text, lines, named, book), book)


def reading_of(
    note_id: str,
    page: Page,
    content: Content,
    tokens: TokenEmbeddings | None,
    linkers: Sequence[Linker],
    linked: Sequence[Sequence[Mention]],
) -> Reading:
    """A note with its mentions where its sections want them, and what is said of each."""
    text, parts, lines = page.text, page.sections, page.sentences
    every = [
        linker.in_scope(by_sections(text, parts, lines, in_place(text, parts, found, linker), linker.book))
        for linker, found in zip(linkers, linked, strict=True)
    ]
    mentions = [[m for m in found if not m.abstains] for found in every]
    abstaining = [[m for m in found if m.abstains] for found in every]
    spans = sorted({(m.start_char, m.end_char) for found in every for m in found})
    contexts = dict(zip(spans, assess(text, spans, parts, lines, page.layout), strict=True))
    coding = [linker.that_code(found) for linker, found in zip(linkers, mentions, strict=True)]
    asked = [frozenset((m.start_char, m.end_char) for m in found) for found in linked]
    return Reading(note_id, page, tokens, mentions, abstaining, coding, spans, contexts, content, asked)


def annotation_rows(reading: Reading, linkers: Sequence[Linker], encoder: str) -> Iterator[tuple[Any, ...]]:
    """Rows of ``frames.ANNOTATIONS``: a row per mention × rank."""
    for linker, standing, abstaining in zip(linkers, reading.mentions, reading.abstaining, strict=True):
        book, index = linker.book, linker.index
        for mention in sorted([*standing, *abstaining], key=lambda m: m.start_char):
            span = mention.start_char, mention.end_char
            head = (reading.note_id, reading.mention_id(mention), *reading.written(*span))
            said = reading.contexts[span]
            tail = (reading.section(mention), said.negated, said.subject, said.temporality, said.certainty, None, None)
            if mention.abstains:
                nothing = (index.system, None, None, mention.candidates[0].score, mention.probability, None)
                yield (*head, ABSTAINS, *nothing, *tail, index.release, encoder, None, None)
                continue
            for rank, c in enumerate(mention.candidates, 1):
                sure = mention.probability if rank == 1 else None
                concept = (index.system, book.codes[c.concept], book.names[c.concept], c.score, sure, c.evidence)
                order = mention.confidence(rank), mention.why(rank)
                yield (*head, rank, *concept, *tail, index.release, encoder, *order)


def acceptance_for(linker: Linker) -> Acceptance | None:
    """The acceptance model that holds for a linker's codes; an adapter's mentions are other than those it has seen."""
    return None if linker.adapter is not None else acceptance_of(linker.index.system)


def coded(
    reading: Reading,
    linkers: Sequence[Linker],
    instructions: Sequence[Instructions | None],
    include: frozenset[str],
    setting: str | None = None,
    *,
    accepting: Callable[[Linker], Acceptance | None] = acceptance_for,
    learned: Mapping[str, CodeAdapter] = NOTHING_LEARNED,
) -> list[CodedNote]:
    """The codes of a note for each linker, whose release may have coding instructions.

    Where coded notes were learned from, by system, they decide; what they say holds for every context.
    """
    found = _by_rules(reading, linkers, instructions, include, setting, accepting, learned)
    for at, linker in enumerate(linkers):
        if (adapter := learned.get(linker.index.system)) is not None:
            found[at] = _as_learned(adapter, reading, at, linker, found[at], instructions[at])
    return [_within(linker, note) for linker, note in zip(linkers, found, strict=True)]


def facts_of_reading(reading: Reading, linker: Linker, note: CodedNote, at: int) -> NoteFacts:
    """What learning from codes sees of a note; ``at`` is the place of the linker among those that it was read with."""
    mentions = reading.coding[at]
    contexts = [reading.contexts[m.start_char, m.end_char] for m in mentions]
    facts = facts_of(reading.note_id, reading.page, reading.content, mentions, contexts, linker.book, note)
    if reading.tokens is None:
        return facts
    spans = [(m.start_char, m.end_char) for m in mentions]
    facts = replace(facts, vectors=mention_vectors(reading.tokens, spans, reading.asked[at], linker.names))
    return replace(facts, near=near_windows(reading.content, reading.tokens, linker)) if linker.index.dim else facts


def _as_learned(
    adapter: CodeAdapter,
    reading: Reading,
    at: int,
    linker: Linker,
    note: CodedNote,
    instructions: Instructions | None,
) -> CodedNote:
    facts = facts_of_reading(reading, linker, note, at)
    spans = [(m.start_char, m.end_char) for m in reading.coding[at]]
    contexts = [reading.contexts[span] for span in spans]
    return adapter.coded(facts, reading.page, contexts, spans, linker.book, note, instructions)


def _by_rules(
    reading: Reading,
    linkers: Sequence[Linker],
    instructions: Sequence[Instructions | None],
    include: frozenset[str],
    setting: str | None,
    accepting: Callable[[Linker], Acceptance | None],
    learned: Mapping[str, CodeAdapter],
) -> list[CodedNote]:
    theirs = [learned.get(linker.index.system) for linker in linkers]
    return [
        note_codes(
            mentions,
            [reading.contexts[m.start_char, m.end_char] for m in mentions],
            linker.book,
            text=reading.page.text,
            sections=reading.page.sections,
            sentences=reading.page.sentences,
            instructions=rules,
            include=EVERY_CONTEXT if adapter else include,
            setting=setting or (adapter.setting if adapter else None),
            acceptance=accepting(linker),
        )
        for linker, rules, mentions, adapter in zip(linkers, instructions, reading.coding, theirs, strict=True)
    ]


def _within(linker: Linker, note: CodedNote) -> CodedNote:
    """The note without the codes out of scope that rules made of mentions within it."""
    wanted = linker.within
    if wanted is None:
        return note
    lists = (note.accepted, note.taken, note.ranked)
    accepted, taken, ranked = (tuple(c for c in codes if wanted[c.concept]) for codes in lists)
    return replace(note, accepted=accepted, taken=taken, ranked=ranked)


def code_rows(reading: Reading, linkers: Sequence[Linker], notes: Sequence[CodedNote]) -> Iterator[tuple[Any, ...]]:
    """Rows of ``frames.CODES`` for the accepted codes."""
    for linker, mentions, note in zip(linkers, reading.coding, notes, strict=True):
        yield from _rows(reading, linker, mentions, note.accepted, note.setting)


def candidate_rows(
    reading: Reading,
    linkers: Sequence[Linker],
    notes: Sequence[CodedNote],
    include: frozenset[str],
    n: int,
) -> Iterator[tuple[Any, ...]]:
    """Rows of ``frames.CODES`` for the n best codes, accepted or not."""
    for linker, mentions, note in zip(linkers, reading.coding, notes, strict=True):
        contexts = [reading.contexts[m.start_char, m.end_char] for m in mentions]
        ranked = note.ranked or note_candidates(mentions, contexts, linker.book, note, include=include)
        if linker.within is not None:
            ranked = [code for code in ranked if linker.within[code.concept]]
        ranked = ranked[:n]
        yield from _rows(reading, linker, mentions, ranked, note.setting)


def _rows(
    reading: Reading, linker: Linker, mentions: Sequence[Mention], codes: Sequence[NoteCode], setting: str
) -> Iterator[tuple[Any, ...]]:
    book = linker.book
    for rank, code in enumerate(codes, 1):
        found = [mentions[number] for number in code.evidence]
        evidence = " ".join(map(reading.mention_id, found))
        c, best, links = code.concept, Mention(*code.place, ()) if code.place else mentions[code.best], code.links
        words = counted(map(reading.wording, found or [best]))
        place = reading.section(best), reading.written(best.start_char, best.end_char)[0], reading.snippet(best)
        others = (links.excludes, links.code_first, links.use_additional, links.combined_from)
        score = None if code.place else code.score
        facts = (book.codes[c], book.names[c], score, book.billable[c], rank, evidence)
        said = (
            code.role,
            setting,
            code.poa,
            code.probability,
            words,
            *place,
            *(";".join(dict.fromkeys(codes)) for codes in others),
            code.rests_on or None,
            code.weighed or None,
        )
        yield (reading.note_id, linker.index.system, *facts, *said, code.reason, code.notes)


def tag_rows(reading: Reading, linkers: Sequence[Linker], k: int) -> Iterator[tuple[Any, ...]]:
    """Rows of ``frames.TAGS``: a row per token × rank; per word × rank where there are no token vectors."""
    tokens = reading.tokens
    found = words(reading.page.text) if tokens is None else tokens
    starts, ends = [int(at) for at in found.start_char], [int(at) for at in found.end_char]
    for linker, mentions in zip(linkers, reading.mentions, strict=True):
        if tokens is None:
            tags = tag_words(starts, ends, mentions, k)
        elif linker.index.dim:
            tags = tag_tokens(reading.page.text, tokens, mentions, linker, k)
        else:
            continue
        book = linker.book
        for tag in tags:
            named = (None, None) if tag.concept is None else (book.codes[tag.concept], book.names[tag.concept])
            head = (reading.note_id, tag.token, *reading.written(starts[tag.token], ends[tag.token]), tag.rank)
            yield (*head, linker.index.system, *named, tag.score, tag.confidence, tag.why)


def span_rows(
    note_id: str, spans: Sequence[tuple[int, int]], ranked: Sequence[Sequence[Ranked]], linker: Linker
) -> Iterator[tuple[Any, ...]]:
    """Rows of ``frames.SPANS``: a row per given span × rank."""
    book = linker.book
    for (start, end), best in zip(spans, ranked, strict=True):
        for rank, (c, score, sure) in enumerate(best, 1):
            yield note_id, start, end, rank, linker.index.system, book.codes[c], book.names[c], score, sure
