"""Words beside mentions that may say their codes more exactly: where vectors are asked about them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from conceptmap.matching.content import Content
from conceptmap.matching.mentions import Mention
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.overlaps import Overlaps
from conceptmap.text.triggers import find_triggers, tokens

__all__ = ["Beside", "Windows", "windows_beside"]

_BESIDE: Final = 3
"""Content words on either side."""
_SAYS_SOMETHING_ELSE: Final = frozenset({"negated", "possible", "historical", "hypothetical", "family", "other"})
_APART: Final = dict.fromkeys(("icd10cm", "icd10"), parse_ranges("B95-B97 O00-P96 S00-Y99 Z3A"))
"""Codes that rules of their own complete."""

Windows = list[tuple[int, int]]
"""Half-open spans of code points that hold a mention and some words beside it."""

Beside = Mapping[tuple[int, int], Windows]
"""The windows of mentions by their span."""


def windows_beside(text: str, content: Content, mentions: Sequence[Mention], book: CodeBook) -> Beside:
    """For the mentions whose codes leave something open the words that may say more.

    They go over no full stop, no other mention, and nothing that is denied, possible, past or somebody else's.

    Args:
        text: the note.
        content: its content words.
        mentions: found by words.
        book: of the index.
    """
    taken = Overlaps([(m.start_char, m.end_char) for m in mentions])
    open_ones = [m for m in mentions if _leaves_open(m, book)]
    return {(m.start_char, m.end_char): _windows(text, content, m, taken) for m in open_ones}


def _leaves_open(mention: Mention, book: CodeBook) -> bool:
    code = book.default(mention.candidates[0].concept)
    return bool(book.more_exact(code)) and not within(book.codes[code], _APART.get(book.system, ()))


def _windows(text: str, content: Content, mention: Mention, taken: Overlaps) -> Windows:
    first, last = bisect_left(content.start, mention.start_char), bisect_left(content.start, mention.end_char) - 1
    starts = [mention.start_char, *islice(_before(content, first, taken), _BESIDE)]
    ends = [mention.end_char, *islice(_behind(content, last, taken), _BESIDE)]
    wider = [(start, end) for start in starts for end in ends][1:]
    denied = _elsewhere(text, starts[-1], ends[-1], mention)
    return [(start, end) for start, end in wider if not any(start <= at < end for at in denied)]


def _before(content: Content, first: int, taken: Overlaps) -> Iterator[int]:
    """Starts of the content words before a place, the nearest first."""
    for at in range(first - 1, -1, -1):
        if content.gap[at + 1] > 1 or taken.touching(content.start[at], content.end[at]):
            return
        if content.first[at]:
            yield content.start[at]


def _behind(content: Content, last: int, taken: Overlaps) -> Iterator[int]:
    """Ends of the content words behind a place, the nearest first."""
    for at in range(last + 1, len(content.form)):
        if content.gap[at] > 1 or taken.touching(content.start[at], content.end[at]):
            return
        if content.last[at]:
            yield content.end[at]


def _elsewhere(text: str, start: int, end: int, mention: Mention) -> list[int]:
    """Where words beside a mention say that something is denied, possible, past or somebody else's."""
    found = tokens(text, start, end)
    said = [hit for hit in find_triggers(found.words) if hit.trigger.direction != "stop"]
    places = [found.starts[hit.first] for hit in said if hit.trigger.category in _SAYS_SOMETHING_ELSE]
    return [at for at in places if not mention.start_char <= at < mention.end_char]
