"""A sentence of a note, and which of its triggers reach which of its mentions (ConText's scopes).

A trigger reaches forward or backward until a stop phrase, the start of another clause, or its longest reach.
Pseudo-triggers ("no increase") hold their words and do nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from conceptmap.text.triggers import Tokens, TriggerHit, find_triggers

__all__ = ["Statement"]

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
_LINKS: Final = frozenset("by and or with for in of on at from to the a as per but".split())
_TALK: Final = frozenset(
    "discussed explained reviewed counseled counselled consent consented warned informed understands".split()
)
_JOINS: Final = frozenset({"or", "nor", "and"})
_AUXILIARIES: Final = frozenset("is are was were be been being has have had also clearly to".split())
_ASIDES: Final = frozenset("with without which who including such as".split())
_PERSONS: Final = frozenset({"family", "other"})
_NO: Final = frozenset({"no", "without", "nil"})
_ITEMS_OF_NO: Final = 3
_LIST_AHEAD: Final = 40
_ENDS_LIST: Final = frozenset({"or", "nor", "and"})
_UNITS: Final = frozenset({"mm", "cm", "mm.", "x"})
_DEGREES: Final = frozenset("mild moderate severe old chronic small large stable minimal trace known scattered".split())
_LONGEST_ITEM: Final = 6
_OWN_STATEMENT: Final = frozenset(
    "no not denies denied for since mild moderate severe chronic old known new small large stable minimal trace today"
    " positive positives pos + reports endorses admits on with".split()
)
_FARTHEST: Final = 100  # words; only what opens a list reaches farther, and of those only the nearest is asked


class Statement:
    """The tokens and triggers of a sentence, and which of them reach its mentions.

    Args:
        found: its tokens.
        spans: half-open spans of all of its mentions in code points of the note.
    """

    def __init__(self, found: Tokens, spans: Sequence[tuple[int, int]]) -> None:
        self.words, self.starts, self.ends = found
        self.hits = find_triggers(self.words)
        self.firsts = [hit.first for hit in self.hits]
        self.far = [
            number
            for number, hit in enumerate(self.hits)
            if hit.trigger.words > _FARTHEST and hit.trigger.direction != "stop"
        ]
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

    def reached(self, start: int, end: int) -> tuple[list[str], set[str]]:
        """The categories whose triggers reach a mention, nearest first, and those whose section default is stopped."""
        place = self._place(start, end)
        hits = self._active(place)
        stops = [hit for hit in hits if hit.trigger.direction == "stop"]
        reached: list[str] = []
        for hit in sorted(hits, key=lambda hit: max(place[0] - hit.last, hit.first - place[1])):
            category = hit.trigger.category
            if category not in reached and hit.trigger.direction != "stop" and self._reaches(hit, place, stops):
                reached.append(category)
        return reached, {hit.trigger.category for hit in stops if hit.trigger.reach == "all"}

    def _active(self, place: tuple[int, int]) -> list[TriggerHit]:
        """The triggers near a mention that stand outside it and are not a part of a mention beside it."""
        active = []
        nearest = bisect_left(self.firsts, place[0] - _FARTHEST), bisect_left(self.firsts, place[1] + _FARTHEST)
        farther = bisect_left(self.far, nearest[0])
        for number in (*self.far[max(farther - 1, 0) : farther], *range(*nearest)):
            hit = self.hits[number]
            if not _may_reach(hit, place):
                continue
            listing = hit.trigger.category == "hypothetical" and hit.trigger.reach in ("all", "told")
            if hit.first < place[1] and place[0] < hit.last:
                if _says_of_itself(hit, place, listing=listing):
                    active.append(hit)
                continue
            holders = self.holders.get(number, ())
            donor = hit.trigger.category == "other" and any(hit.last == last for _, last in holders)
            kin = hit.trigger.category == "family" and any(hit.first == first for first, _ in holders)
            if (
                listing
                or donor
                or kin  # "family history of psoriasis" is a concept, and the asthma behind it is the family's, too
                or not any(hit.last <= last and (last <= place[0] or place[1] <= first) for first, last in holders)
            ):
                active.append(hit)
        return active

    def _reaches(self, hit: TriggerHit, place: tuple[int, int], stops: Sequence[TriggerHit]) -> bool:
        """Whether nothing between a trigger and a mention ends the trigger's scope."""
        trigger = hit.trigger
        if hit.first < place[1] and place[0] < hit.last:
            return True
        if hit.last <= place[0]:
            start, end, forward = hit.last, place[0], True
        else:
            start, end, forward = place[1], self._statement(hit.first), False
        if trigger.direction != "both" and (trigger.direction == "forward") != forward:
            return False
        between = self.words[start:end]
        if start > end or len(between) > (0 if trigger.reach == "next" else trigger.words):
            return False
        if ";" in between and not (forward and self._lists_on(hit, place)):
            return False
        if any(start <= stop.first < end and stop.trigger.category in {trigger.category, "any"} for stop in stops):
            return False
        return self._goes_on(hit, place, start, end)

    def _goes_on(self, hit: TriggerHit, place: tuple[int, int], start: int, end: int) -> bool:
        """Whether the words ``start``..``end`` between a trigger and a mention let its kind of reach through."""
        trigger, between, forward = hit.trigger, self.words[start:end], hit.last <= place[0]
        if trigger.reach == "beside":
            return all(word.isalnum() or word == "/" for word in between) and _LINKS.isdisjoint(between)
        if forward and not self._closed(start, end):
            return False
        if trigger.reach in ("all", "told"):
            return trigger.reach == "all" or not _TALK.isdisjoint(self.words)
        if trigger.reach == "noun" and not _VERBS.isdisjoint(between):
            return False
        if trigger.reach == "phrase":
            return "," not in between or (forward and self._or_list(start, place[0]))
        if not forward:
            return not self._verb_before(place, end)
        if trigger.category == "negated" and (self._other_noun(start, end) or self._of_its_own(hit, place)):
            return False
        return not self._clause_between(start, place[0], of_person=trigger.category in _PERSONS)

    def _lists_on(self, hit: TriggerHit, place: tuple[int, int]) -> bool:
        """Whether semicolons only separate the items of a list: "denies fever; chills; cough"."""
        if hit.trigger.reach == "all":
            return True
        if hit.trigger.category != "negated" or hit.trigger.reach not in ("list", "noun"):
            return False
        end = place[1]
        while end < len(self.words) and self.words[end] not in ";.":
            end += 1
        items = _items(self.words[hit.last : end])
        behind = items + _items(self.words[end + 1 : end + _FARTHEST])
        closed = any(item[:1] == ["or"] for item in items)
        if self.words[hit.first] in _NO and (hit.first or (len(behind) < _ITEMS_OF_NO and not closed)):
            return False
        return all(_is_item(item) for item in items[1:])

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

    def _of_its_own(self, hit: TriggerHit, place: tuple[int, int]) -> bool:
        """Whether a comma ends a "no": the mention behind it has a size or a degree, and no "or" closes the list.

        "No hemorrhage, small vessel disease, 5 mm nodule" denies the hemorrhage alone.
        """
        if self.words[hit.first] not in _NO or "," not in self.words[hit.last : place[0]]:
            return False
        end = place[1]
        while end < min(len(self.words), place[1] + _LIST_AHEAD) and self.words[end] not in (".", ";"):
            end += 1
        if not _ENDS_LIST.isdisjoint(self.words[hit.last : end]):
            return False
        first = place[0]
        while self.words[first - 1] != ",":
            first -= 1
        segment = self.words[first : place[1]]
        sized = segment[0][0].isdigit() and not _UNITS.isdisjoint(segment[:3])
        return sized or segment[0] in _DEGREES

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


def _says_of_itself(hit: TriggerHit, place: tuple[int, int], *, listing: bool) -> bool:
    """Whether a trigger that overlaps a mention speaks of it, as in "[side effects] of it"."""
    if hit.trigger.category == "negated" and hit.trigger.direction == "backward":
        return place[0] < hit.first < place[1] < hit.last
    return listing and hit.first <= place[0] and place[1] <= hit.last


def _items(words: Sequence[str]) -> list[list[str]]:
    """Words between semicolons."""
    items: list[list[str]] = [[]]
    for word in words:
        if word == ";":
            items.append([])
        else:
            items[-1].append(word)
    return items


def _is_item(item: Sequence[str]) -> bool:
    """Whether words between semicolons only name a finding, and say nothing of their own of it."""
    return 0 < len(item) <= _LONGEST_ITEM and all(words.isdisjoint(item) for words in (_VERBS, _SEEN, _OWN_STATEMENT))


def _may_reach(hit: TriggerHit, place: tuple[int, int]) -> bool:
    """Whether a trigger looks towards a mention, and far enough; asked first, since most do not."""
    trigger = hit.trigger
    if trigger.direction == "stop":
        return True
    if hit.last <= place[0]:
        return trigger.direction != "backward" and place[0] - hit.last <= trigger.words
    return hit.first < place[1] or trigger.direction != "forward"
