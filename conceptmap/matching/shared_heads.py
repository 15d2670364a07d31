"""Lists that share a word: "left and right knee pain", "hepatitis B and C", "stage 3 and 4 pressure ulcers".

Each item is read with the words that it shares, and is a mention of its own over its own words. An item counts only
where both it and its neighbour, read so, are wordings of the index, where it is no mention by itself ("fever and
abdominal pain" holds no pain of the fever), and where it is the kind of word that tells conditions apart: a side, an
organ, an adjective, a letter or a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from conceptmap.matching.content import Content, organs
from conceptmap.matching.matcher import Hit, TermMatcher
from conceptmap.text.overlaps import Overlaps
from conceptmap.text.remembered import Remembered

__all__ = ["shared_heads"]

_COMMA: Final = re.compile(r"\s*,\s*\Z")
_JOIN: Final = re.compile(r"\s*(?:,\s*)?(?:and/or|and|or|nor|&)\s*\Z", re.IGNORECASE)
_SLASH: Final = re.compile(r"\s*/\s*\Z")  # joins letters and numbers; "breast/ovarian cancer" is one thing
_TELLS_APART: Final = re.compile(
    r"(?:left|right|upper|lower|anterior|posterior|inferior|superior|\w{1,2}|\w+(?:al|ar|ic|ary|ory|ous|ive|ile|oid|ute))\Z"
)
_REGIONS: Final = frozenset(
    "head neck chest back flank hip knee ankle foot toe shoulder elbow wrist hand finger arm leg thigh calf ear".split()
)
_OF_ITS_OWN: Final = re.compile(r"\s*(?:of|in|to|from|for|due)\b|\s*\Z", re.IGNORECASE)
_BEFORE: Final = 3
_AFTER: Final = 4
_MOST_ITEMS: Final = 6


@dataclass(frozen=True, slots=True)
class _Item:
    """An item of a list in text number ``text``: its own span, and it and its neighbour with the words they share."""

    text: int
    span: tuple[int, int]
    forms: tuple[str, ...]
    neighbour: tuple[str, ...]


def shared_heads(
    texts: Sequence[str], contents: Sequence[Content], hits: Sequence[Sequence[Hit]], matcher: TermMatcher
) -> list[list[Hit]]:
    """Further hits of each text: items of lists that share words with the item at the list's other end.

    Args:
        texts: the notes.
        contents: their content words.
        hits: found in one piece.
        matcher: of the index.
    """
    items = [
        item
        for number, (text, content) in enumerate(zip(texts, contents, strict=True))
        for item in _items(number, text, content, hits[number])
    ]
    entries = matcher.wordings([forms for item in items for forms in (item.forms, item.neighbour)])
    out: list[dict[tuple[int, int], Hit]] = [{} for _ in texts]
    for place, item in enumerate(items):
        own, neighbour = entries[2 * place], entries[2 * place + 1]
        known = out[item.text].get(item.span)
        if own and neighbour and (known is None or known.n_words < len(item.forms)):
            out[item.text][item.span] = Hit(*item.span, len(item.forms), tuple(own), loose=False)
    return [list(found.values()) for found in out]


def _items(number: int, text: str, content: Content, hits: Sequence[Hit]) -> Iterator[_Item]:
    covered = Overlaps([(hit.start_char, hit.end_char) for hit in hits])
    for first, last in _lists(text, content):
        listed = range(first, last + 1)
        free = [
            i for i in listed if _tells_apart(content.form[i]) and not covered.hold(content.start[i], content.end[i])
        ]
        if first in free or len(free) > 1:
            yield from _before_head(number, content, first, last, free)
        if last in free and _ends_here(text, content, last):
            yield from _after_head(number, content, first, free)


def _before_head(number: int, content: Content, first: int, last: int, free: Sequence[int]) -> Iterator[_Item]:
    """Items before the words that they share, and what stands before the first: "[stage] 3, 4 [pressure ulcer]"."""
    for after in range(1, _together(content.gap, last + 1, _AFTER) + 1):
        head = tuple(content.form[last + 1 : last + 1 + after])
        for before in range(_together_back(content.gap, first, _BEFORE - 1) + 1):
            stem = tuple(content.form[first - before : first])
            end = content.end[last + after]
            neighbour = (*stem, content.form[last], *head)
            for i in free:
                span = (content.start[i], end if i == last else content.end[i])
                if i < last or before:
                    yield _Item(number, span, (*stem, content.form[i], *head), neighbour)


def _after_head(number: int, content: Content, first: int, free: Sequence[int]) -> Iterator[_Item]:
    """Items after the words that they share: "[hepatitis] B, C"."""
    for before in range(1, _together_back(content.gap, first, _BEFORE) + 1):
        stem = tuple(content.form[first - before : first])
        for i in free:
            if i > first:
                span = content.start[i], content.end[i]
                yield _Item(number, span, (*stem, content.form[i]), (*stem, content.form[first]))


def _lists(text: str, content: Content) -> Iterator[tuple[int, int]]:
    """First and last word of every list of single words with "and" or "or" before its last item."""
    for i, gap in enumerate(content.gap):
        if gap == 1 and i and _joined(text, content, i):
            first = i - 1
            while first and i - first < _MOST_ITEMS and _is_comma(text, content, first):
                first -= 1
            yield first, i


def _tells_apart(form: str) -> bool:
    return form in organs() or form in _REGIONS or _TELLS_APART.match(form) is not None


def _joined(text: str, content: Content, i: int) -> bool:
    """Whether an "and" or the like, or a slash between letters or numbers, joins a word to the one before it."""
    between = text[content.end[i - 1] : content.start[i]]
    if _IS_JOIN[between]:
        return True
    return len(content.form[i]) <= 2 and len(content.form[i - 1]) <= 2 and _SLASH.match(between) is not None


_IS_JOIN: Final = Remembered(lambda between: _JOIN.match(between) is not None, most=10_000)


def _is_comma(text: str, content: Content, i: int) -> bool:
    return bool(content.gap[i] == 1 and _COMMA.match(text, content.end[i - 1], content.start[i]))


def _ends_here(text: str, content: Content, i: int) -> bool:
    """Whether what follows a word is not said of it: "pain and worsening of vision" holds no pain of worsening."""
    return i + 1 == len(content.form) or not _OF_ITS_OWN.match(text[content.end[i] : content.start[i + 1]])


def _together(gap: Sequence[int], start: int, most: int) -> int:
    """How many words from ``start`` on follow without a pause."""
    n = 0
    while n < most and start + n < len(gap) and gap[start + n] == 0:
        n += 1
    return n


def _together_back(gap: Sequence[int], end: int, most: int) -> int:
    """How many words before ``end`` lead to it without a pause."""
    n = 0
    while n < most and end - n > 0 and gap[end - n] == 0:
        n += 1
    return n
