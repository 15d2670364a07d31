"""Ranges of codes, as data files and the notes of a classification write them: "E08-E13", "I50", "N18.1-N18.6"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

__all__ = ["Ranges", "base_code", "members", "parse_ranges", "touches", "within"]

Ranges = tuple[tuple[str, str], ...]
"""First and last prefix of each range, both included."""


@lru_cache(maxsize=10_000)
def parse_ranges(text: str) -> Ranges:
    """Ranges divided by blanks.

    >>> parse_ranges("E08-E13 I50")
    (('E08', 'E13'), ('I50', 'I50'))
    """
    parts = [part.partition("-") for part in text.split()]
    return tuple((first, last or first) for first, _, last in parts)


def within(code: str, ranges: Sequence[tuple[str, str]]) -> bool:
    """Whether a code lies in one of the ranges, everything below their ends included.

    >>> within("E11.22", parse_ranges("E08-E13")), within("N18.9", parse_ranges("N18.1-N18.6"))
    (True, False)
    """
    for first, last in ranges if len(ranges) < _FEW else _of_letter(ranges, code[:1]):
        # every pair of codes; a generator takes twice as long
        if first <= code[: len(first)] and code[: len(last)] <= last:
            return True
    return False


class _Members(dict[str, bool]):
    """Whether codes lie in some ranges, found out when first asked; emptied when it holds too many."""

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self.bounds = [(first, last + _END) for first, last in ranges]

    def __missing__(self, code: str) -> bool:
        if len(self) >= _MOST_CODES:
            self.clear()
        self[code] = False
        for first, stop in self.bounds:
            if first <= code <= stop:
                self[code] = True
                break
        return self[code]


def members(ranges: Ranges) -> Mapping[str, bool]:
    """``within`` for code after code: ``members(ranges)[code]``, which remembers what it was asked.

    >>> members(parse_ranges("E08-E13"))["E11.22"]
    True
    """
    found = _members.get(id(ranges))
    if found is None:
        if len(_members) >= _MOST_KEPT:
            _members.clear()
        found = _members[id(ranges)] = _Members(ranges)  # holds them, so that no other ranges have their number
    return found


def touches(category: str, ranges: Ranges) -> bool:
    """Whether ranges hold a code of a category.

    >>> touches("E11", parse_ranges("E11.2-E11.4")), touches("E12", parse_ranges("E11.2-E11.4"))
    (True, False)
    """
    return any(first[:3] <= category <= last[:3] + _END for first, last in ranges)


_END: Final = "\U0010ffff"
"""After every character: what begins with a code lies between the code and the code with this."""
_FEW: Final = 4
_MOST_KEPT: Final = 5_000
_MOST_CODES: Final = 1_000
_members: dict[int, _Members] = {}
_by_letter: dict[int, tuple[Sequence[tuple[str, str]], dict[str, list[tuple[str, str]]]]] = {}


def _of_letter(ranges: Sequence[tuple[str, str]], letter: str) -> Sequence[tuple[str, str]]:
    """Those of some ranges that hold codes of a first letter; tables ask the same ranges of code after code."""
    kept = _by_letter.get(id(ranges))
    if kept is None:
        if len(_by_letter) >= _MOST_KEPT:
            _by_letter.clear()
        kept = _by_letter[id(ranges)] = (ranges, {})  # kept with them, so that no other ranges have their number
    found = kept[1].get(letter)
    if found is None:
        found = kept[1][letter] = [pair for pair in ranges if pair[0][:1] <= letter <= pair[1][:1]]
    return found


def base_code(code: str) -> str:
    """The code without its 7th character and placeholders.

    >>> base_code("S72.9XXA"), base_code("E11.22")
    ('S72.9', 'E11.22')
    """
    return code[:-1].rstrip("X") if len(code) == 8 else code
