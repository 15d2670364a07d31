"""Context of mentions: negation, subject, temporality and certainty, by trigger phrases and their scope (ConText).

After Chapman et al. 2001 (NegEx) and Harkema et al. 2009 (ConText): a trigger reaches forward or backward over the
sentence until a stop phrase, the start of another clause, or its longest reach; pseudo-triggers ("no increase") hold
their words and do nothing. Sections give defaults: what stands under "Family history" is the family's.

Two definitions differ from ConText's on purpose, because codes hang on them. A complaint with a duration ("two-month
history of cough") is recent whatever its length, and "consistent with" and its like are probable, not certain: the
ICD-10-CM guidelines (II.H) count them among the uncertain terms that code as if they were established.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from conceptmap.errors import InputError
from conceptmap.text.layout import Entry, Layout, layout_of
from conceptmap.text.sections import Section, section_at
from conceptmap.text.sentences import ITEM, sentences
from conceptmap.text.statement import Statement
from conceptmap.text.triggers import Tokens, tokens

__all__ = ["Context", "assess"]


@dataclass(frozen=True, slots=True)
class Context:
    """What a note says of a mention; ``None`` is "not assessed", never "no".

    ``subject`` is "patient", "family" or "other"; ``temporality`` "recent", "historical" or "hypothetical";
    ``certainty`` "certain", "probable" ("consistent with") or "possible". ``ended`` adds to "historical" that a list or
    form says it is over: resolved, inactive, in remission.
    """

    negated: bool | None = None
    subject: str | None = None
    temporality: str | None = None
    certainty: str | None = None
    ended: bool = field(default=False, repr=False)


_SECTION_SUBJECT: Final = {"family history": "family"}
_SECTION_TEMPORALITY: Final = {
    "past medical history": "historical",
    "past surgical history": "historical",
    "immunizations": "hypothetical",
    "instructions": "hypothetical",
    "discharge instructions": "hypothetical",
}
_CANDIDATES: Final = frozenset({"differential diagnosis"})
_PERSONS: Final = frozenset({"family", "other"})
_THIRD_PERSON: Final = frozenset("he she his her patient patient's".split())  # instructions say "you"
_LONGEST_STEM: Final = 24
_LONGEST_STEM_TEXT: Final = 400


def assess(
    text: str,
    spans: Sequence[tuple[int, int]],
    sections: Sequence[Section],
    bounds: Sequence[tuple[int, int]] | None = None,
    layout: Layout | None = None,
) -> list[Context]:
    """Assess mentions in their sentences.

    Args:
        text: the note.
        spans: half-open ``(start, end)`` of the mentions in code points, in any order; they may nest and overlap.
        sections: the note's ``sections(text)``; an empty list leaves out what sections tell.
        bounds: the note's sentences, where they are known already.
        layout: the note's ``layout_of(text)``, where it is known already: what its forms answer.

    Returns:
        One context for each span, in their order; a mention in a heading is not assessed: all four are ``None``.

    Raises:
        InputError: a span is empty or reaches beyond the note.

    >>> assess("Denies cough but has fever.", [(7, 12), (21, 26)], [])  # doctest: +NORMALIZE_WHITESPACE
    [Context(negated=True, subject='patient', temporality='recent', certainty='certain'),
     Context(negated=False, subject='patient', temporality='recent', certainty='certain')]
    """
    if not spans:
        return []
    layout = layout_of(text) if layout is None else layout
    note = _Note(text, sections, sentences(text, layout.breaks) if bounds is None else bounds)
    by_window: dict[tuple[int, int], list[int]] = {}
    found = [Context()] * len(spans)
    for place, (start, end) in enumerate(spans):
        if not 0 <= start < end <= len(text):
            raise InputError("a mention does not fit its note", got=(start, end), expected=f"within 0 and {len(text)}")
        window = note.window(start, end)
        entry = layout.entry(start, end)
        if entry is not None and (window is not None or entry.kind in _FORMS) and (entry.kind, entry.answer) != _PLUS:
            asked = note.asked(entry, (start, end)).context(start, end)
            found[place] = _answered(asked, entry.answer, over=note.is_over(entry))
        elif window is not None:
            by_window.setdefault(window, []).append(place)
    for (first, last), places in by_window.items():
        sentence = note.sentence(first, last, [spans[place] for place in places])
        for place in places:
            found[place] = sentence.context(*spans[place])
    return found


_PLUS: Final = ("sign", "yes")
"""A plus only sets a finding apart from those with a minus; what else is said of it holds."""
_FORMS: Final = frozenset({"question", "box", "table"})


_STAY: Final = frozenset(
    "hospital course|discharge diagnosis|diagnosis|assessment|assessment and plan|impression|plan"
    "|history of present illness|postoperative diagnosis".split("|")
)
"""Sections in which what is resolved was treated in this stay."""


def _answered(asked: Context, answer: str, *, over: bool) -> Context:
    """What is said of a finding that a form asks for: as its own words have it, but for the answer."""
    then = asked.temporality if asked.temporality == "historical" else "recent"
    if answer in ("no", "error"):
        return replace(asked, negated=True, certainty="certain", temporality=then)
    if answer == "blank":
        return replace(asked, temporality="hypothetical")
    if answer == "past":
        return replace(asked, temporality="historical", certainty="certain", ended=over)
    return replace(asked, temporality=then, certainty="certain")


class _Note:
    """A note's sentences and sections, to find where a mention stands."""

    def __init__(self, text: str, sections: Sequence[Section], bounds: Sequence[tuple[int, int]]) -> None:
        self.text = text
        self.sections = sections
        self.bounds = bounds
        self.starts = [start for start, _ in self.bounds]
        self.nitric_oxide = "NO" in text and "nitric oxide" in text.lower()

    def window(self, start: int, end: int) -> tuple[int, int] | None:
        """Numbers of the first and last sentence that a mention touches; ``None`` in a heading or in white space."""
        section = section_at(self.sections, start)
        if section is not None and start < section.heading_end and section.heading_start < end:
            return None
        first = max(bisect_right(self.starts, start) - 1, 0)
        last = bisect_right(self.starts, end - 1) - 1
        if last < first or self.bounds[first][1] <= start:
            return None
        return first, last

    def sentence(self, first: int, last: int, spans: Sequence[tuple[int, int]]) -> _Sentence:
        """The tokens and triggers that bear on the mentions of a window."""
        start, end = self.bounds[first][0], self.bounds[last][1]
        section = section_at(self.sections, spans[0][0])
        if section is not None:
            start = max(start, section.heading_end)
            end = min(end, max(section.end_char, *(end for _, end in spans)))
        stem = self._stem(first, section)
        found = tokens(self.text, start, end, nitric_oxide=self.nitric_oxide)
        if stem:
            before = tokens(self.text, *stem)
            found = Tokens(before.words + found.words, before.starts + found.starts, before.ends + found.ends)
        return _Sentence(found, spans, section.name if section else None)

    def is_over(self, entry: Entry) -> bool:
        """Whether what a form puts in the past is over, and not resolved in the stay that the section tells of."""
        section = section_at(self.sections, entry.start_char)
        said = self.text[entry.answer_start : entry.answer_end].lower()
        return not said.startswith(("resol", "heal")) or section is None or section.name not in _STAY

    def asked(self, entry: Entry, span: tuple[int, int]) -> _Sentence:
        """What a form asks, as a sentence of its own."""
        section = section_at(self.sections, span[0])
        found = tokens(self.text, entry.start_char, entry.end_char, nitric_oxide=self.nitric_oxide)
        return _Sentence(found, [span], section.name if section else None)

    def _stem(self, number: int, section: Section | None) -> tuple[int, int] | None:
        """The line that opens the list that a sentence is an item of ("She denies:")."""
        floor = section.heading_end if section else 0
        for before in range(number - 1, max(number - _LONGEST_STEM, -1), -1):
            start, end = self.bounds[before + 1]
            if not (ITEM.match(self.text, start) or (end - start < 50 and self.text[end - 1] != ".")):
                return None
            start, end = self.bounds[before]
            if start < floor:
                return None
            if self.text[end - 1] == ":":
                return max(start, end - _LONGEST_STEM_TEXT), end
        return None


class _Sentence:
    """A sentence under its heading, and what both say of its mentions."""

    def __init__(self, found: Tokens, spans: Sequence[tuple[int, int]], section: str | None) -> None:
        self.statement = Statement(found, spans)
        self.section = section or ""
        self.third_person = not _THIRD_PERSON.isdisjoint(found.words)

    def context(self, start: int, end: int) -> Context:
        """The context of one mention."""
        reached, stopped = self.statement.reached(start, end)
        over = "ended" in reached
        if over:
            reached.append("historical")
        usual = "possible" if self.section in _CANDIDATES else "certain"
        return Context(
            negated="negated" in reached,
            subject=self._subject(reached, stopped),
            temporality=self._temporality(reached, stopped),
            certainty=next((degree for degree in ("possible", "probable") if degree in reached), usual),
            ended=over,
        )

    def _subject(self, reached: list[str], stopped: set[str]) -> str:
        for name in reached:
            if name in _PERSONS:
                return name
        return "patient" if "family" in stopped else _SECTION_SUBJECT.get(self.section, "patient")

    def _temporality(self, reached: list[str], stopped: set[str]) -> str:
        if "named" in reached and "negated" not in reached:
            return "hypothetical"
        for name in ("hypothetical", "historical"):
            if name in reached:
                return name
        default = _SECTION_TEMPORALITY.get(self.section, "recent")
        if default == "hypothetical" and self.third_person:
            return "recent"
        return "recent" if default in stopped else default
