"""Context of mentions: negation, subject, temporality and certainty, by trigger phrases and their scope (ConText).

After Chapman et al. 2001 (NegEx) and Harkema et al. 2009 (ConText): a trigger reaches forward or backward over the
sentence until a stop phrase, the start of another clause, or its longest reach; pseudo-triggers ("no increase") hold
their words and do nothing. Sections give defaults: what stands under "Family history" is the family's.

Two definitions differ from ConText's on purpose, because codes hang on them. A complaint with a duration ("two-month
history of cough") is recent whatever its length, and "consistent with" and its like are probable, not certain: the
ICD-10-CM guidelines (II.H) count them among the uncertain terms that code as if they were established.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from conceptmap.errors import InputError
from conceptmap.text.sections import Section, section_at
from conceptmap.text.sentences import ITEM, sentences
from conceptmap.text.triggers import Hit, Tokens, find_triggers, tokens

__all__ = ["Context", "assess"]


@dataclass(frozen=True, slots=True)
class Context:
    """What a note says of a mention; ``None`` is "not assessed", never "no".

    ``subject`` is "patient", "family" or "other"; ``temporality`` "recent", "historical" or "hypothetical";
    ``certainty`` "certain", "probable" ("consistent with") or "possible".
    """

    negated: bool | None = None
    subject: str | None = None
    temporality: str | None = None
    certainty: str | None = None


_SECTION_SUBJECT: Final = {"family history": "family"}
_SECTION_TEMPORALITY: Final = {
    "past medical history": "historical",
    "past surgical history": "historical",
    "immunizations": "hypothetical",
    "instructions": "hypothetical",
    "discharge instructions": "hypothetical",
}
_VERBS: Final = frozenset(
    "is are was were has had have shows showed showing reveals revealed demonstrates demonstrated presents presented"
    " developed develops underwent received started began complained appeared appears remained remains became"
    " required underwent undergoes included includes lowers lowered suppresses"
    " suggests indicates suffered experienced continued continues does did will would".split()
)
_SEEN: Final = frozenset(
    "noted seen observed found present detected identified appreciated reported evident visualized demonstrated"
    " palpated".split()
)
_SUBJECTS: Final = frozenset("he she they it we i patient pt the his her a an this there".split())
_JOINS: Final = frozenset({"or", "nor", "and"})
_AUXILIARIES: Final = frozenset("is are was were be been being has have had also clearly to".split())
_ASIDES: Final = frozenset("with without which who including such as".split())
_PERSONS: Final = frozenset({"family", "other"})
_THIRD_PERSON: Final = frozenset("he she his her patient patient's".split())  # instructions say "you"
_LONGEST_STEM: Final = 24
_LONGEST_STEM_TEXT: Final = 400
_FARTHEST: Final = 100  # words; no trigger reaches farther


def assess(
    text: str,
    spans: Sequence[tuple[int, int]],
    sections: Sequence[Section],
    bounds: Sequence[tuple[int, int]] | None = None,
) -> list[Context]:
    """Assess mentions in their sentences.

    Args:
        text: the note.
        spans: half-open ``(start, end)`` of the mentions in code points, in any order; they may nest and overlap.
        sections: the note's ``sections(text)``; an empty list leaves out what sections tell.
        bounds: the note's ``sentences(text)``, where they are known already.

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
    note = _Note(text, sections, sentences(text) if bounds is None else bounds)
    by_window: dict[tuple[int, int], list[int]] = {}
    found = [Context()] * len(spans)
    for place, (start, end) in enumerate(spans):
        if not 0 <= start < end <= len(text):
            raise InputError("a mention does not fit its note", got=(start, end), expected=f"within 0 and {len(text)}")
        window = note.window(start, end)
        if window is not None:
            by_window.setdefault(window, []).append(place)
    for (first, last), places in by_window.items():
        sentence = note.sentence(first, last, [spans[place] for place in places])
        for place in places:
            found[place] = sentence.context(*spans[place])
    return found


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
        if section is not None and section.heading_start <= start < section.heading_end:
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
    """A sentence's tokens and triggers, and what they say of its mentions."""

    def __init__(self, found: Tokens, spans: Sequence[tuple[int, int]], section: str | None) -> None:
        self.words, self.starts, self.ends = found
        self.section = section
        self.third_person = not _THIRD_PERSON.isdisjoint(self.words)
        self.hits = find_triggers(self.words)
        self.firsts = [hit.first for hit in self.hits]
        self.holders: dict[int, list[tuple[int, int]]] = {}
        for place in {self._place(*span) for span in spans} if self.hits else ():
            for number in range(bisect_left(self.firsts, place[0]), bisect_left(self.firsts, place[1])):
                self.holders.setdefault(number, []).append(place)

    def _place(self, start: int, end: int) -> tuple[int, int]:
        """First and last (half-open) token of a mention."""
        first = max(bisect_right(self.starts, start) - 1, 0)
        if self.ends[first] <= start:
            first += 1
        return first, max(bisect_right(self.starts, end - 1), first + 1)

    def context(self, start: int, end: int) -> Context:
        """The context of one mention."""
        place = self._place(start, end)
        hits = self._active(place)
        stops = [hit for hit in hits if hit.trigger.direction == "stop"]
        reached: list[str] = []  # nearest first
        for hit in sorted(hits, key=lambda hit: max(place[0] - hit.last, hit.first - place[1])):
            category = hit.trigger.category
            if category not in reached and hit.trigger.direction != "stop" and self._reaches(hit, place, stops):
                reached.append(category)
        stopped = {hit.trigger.category for hit in stops if hit.trigger.reach == "all"}
        return Context(
            negated="negated" in reached,
            subject=self._subject(reached, stopped),
            temporality=self._temporality(reached, stopped),
            certainty=next((degree for degree in ("possible", "probable") if degree in reached), "certain"),
        )

    def _subject(self, reached: list[str], stopped: set[str]) -> str:
        for name in reached:
            if name in _PERSONS:
                return name
        return "patient" if "family" in stopped else _SECTION_SUBJECT.get(self.section or "", "patient")

    def _temporality(self, reached: list[str], stopped: set[str]) -> str:
        for name in ("hypothetical", "historical"):
            if name in reached:
                return name
        default = _SECTION_TEMPORALITY.get(self.section or "", "recent")
        if default == "hypothetical" and self.third_person:
            return "recent"
        return "recent" if default in stopped else default

    def _active(self, place: tuple[int, int]) -> list[Hit]:
        """The triggers near a mention that stand outside it and are not a part of a mention beside it."""
        active = []
        nearest = bisect_left(self.firsts, place[0] - _FARTHEST), bisect_left(self.firsts, place[1] + _FARTHEST)
        for number in range(*nearest):
            hit = self.hits[number]
            if hit.first < place[1] and place[0] < hit.last:
                continue
            holders = self.holders.get(number, ())
            if not any(hit.last <= last and (last <= place[0] or place[1] <= first) for first, last in holders):
                active.append(hit)
        return active

    def _reaches(self, hit: Hit, place: tuple[int, int], stops: Sequence[Hit]) -> bool:
        """Whether nothing between a trigger and a mention ends the trigger's scope."""
        trigger = hit.trigger
        if hit.last <= place[0]:
            start, end, forward = hit.last, place[0], True
        else:
            start, end, forward = place[1], self._statement(hit.first), False
        if trigger.direction != "both" and (trigger.direction == "forward") != forward:
            return False
        if (
            start > end
            or end - start > (0 if trigger.reach == "next" else trigger.words)
            or ";" in self.words[start:end]
        ):
            return False
        if any(start <= stop.first < end and stop.trigger.category in {trigger.category, "any"} for stop in stops):
            return False
        if forward and not self._closed(start, end):
            return False
        if trigger.reach == "all":
            return True
        if trigger.reach == "noun" and not _VERBS.isdisjoint(self.words[start:end]):
            return False
        if trigger.reach == "phrase":
            return "," not in self.words[start:end] or (forward and self._or_list(start, place[0]))
        if not forward:
            return not self._verb_before(place, end)
        if trigger.category == "negated" and self._other_noun(start, end):
            return False
        return not self._clause_between(start, place[0], of_person=trigger.category in _PERSONS)

    def _closed(self, start: int, end: int) -> bool:
        """Whether no bracket that a trigger stands in is closed before the mention: "(no edema) and a mass"."""
        depth = 0
        for word in self.words[start:end]:
            depth += (word == "(") - (word == ")")
            if depth < 0:
                return False
        return True

    def _other_noun(self, start: int, end: int) -> bool:
        """Whether a new noun with its own finding follows a comma: "lungs without rales, abdomen with [masses]"."""
        between = self.words[start:end]
        return "," in between and "with" in between[len(between) - between[::-1].index(",") :]

    def _statement(self, first: int) -> int:
        """Where the statement of a backward trigger begins: with its auxiliaries, and before an aside between commas.

        "Goitre, with normal pulses, [has] not [been] seen": the goitre is what was not seen.
        """
        while first > 0 and self.words[first - 1] in _AUXILIARIES:
            first -= 1
        if first > 2 and self.words[first - 1] == ",":
            for comma in range(first - 2, max(first - _FARTHEST, 0), -1):
                if self.words[comma] == ",":
                    return comma if self.words[comma + 1] in _ASIDES else first
        return first

    def _or_list(self, start: int, first: int) -> bool:
        """Whether the commas between belong to a list that an "or" closes: "possible edema, collapse or effusion"."""
        following = self.words[start : first + 8]
        return "or" in following and _VERBS.isdisjoint(following[: following.index("or")])

    def _clause_between(self, start: int, end: int, *, of_person: bool) -> bool:
        """Whether another clause begins between a trigger and the mention after it.

        A person's clause goes on to its own verb ("Father, a smoker, had a stroke") until another subject comes.
        """
        verb = False
        for place in range(start, end):
            word = self.words[place]
            if word in {",", "and"}:
                subject = self.words[place + 1] in _SUBJECTS
                if (subject or not (of_person or word == "and")) and self._is_clause(place + 1, after_verb=verb):
                    return True
            verb = verb or word in _VERBS
        return False

    def _is_clause(self, start: int, *, after_verb: bool) -> bool:
        """Whether the words from ``start`` to the next comma have a verb of their own.

        "No rash, fever or cough was noted" is one clause; "No rash was noted, cough was" is two.
        """
        end = start
        while end < min(len(self.words), start + _FARTHEST) and self.words[end] not in {",", ";"}:
            end += 1
        segment = self.words[start:end]
        verb = next((place for place, word in enumerate(segment) if word in _VERBS), None)
        if verb is None or segment[0] in {"or", "nor"}:
            return False
        return after_verb or _SEEN.isdisjoint(segment) or _JOINS.isdisjoint(segment[:verb])

    def _verb_before(self, place: tuple[int, int], end: int) -> bool:
        """Whether a mention belongs to an earlier clause than the trigger behind it."""
        between = self.words[place[1] : end]
        if not _VERBS.isdisjoint(between):
            return True
        before = self.words[max(place[0] - _FARTHEST, 0) : place[0]]
        return ("," in between or "and" in between) and not _VERBS.isdisjoint(before)
