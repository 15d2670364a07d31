"""Ranges of codes, as data files and the notes of a classification write them: "E08-E13", "I50", "N18.1-N18.6"."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

__all__ = ["Ranges", "base_code", "near", "parse_ranges", "touches", "within"]

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


def within(code: str, ranges: Ranges) -> bool:
    """Whether a code lies in one of the ranges, everything below their ends included.

    >>> within("E11.22", parse_ranges("E08-E13")), within("N18.9", parse_ranges("N18.1-N18.6"))
    (True, False)
    """
    bounds = _kept.get(id(ranges))
    for first, stop in (near(ranges) if bounds is None else bounds)[code[:_CATEGORY]]:  # noqa: SIM110 - twice as fast
        if first <= code <= stop:
            return True
    return False


def near(ranges: Ranges) -> Mapping[str, Ranges]:
    """Of some ranges, by category, the bounds of those that hold codes of it, found out when first asked.

    The bounds are of strings: a code lies within where it stands in their order. Rules ask the same ranges of code
    after code, and most ranges hold nothing of most categories.

    >>> [len(near(parse_ranges("E08-E13 I50"))[category]) for category in ("E11", "I50", "J18")]
    [1, 1, 0]
    """
    found = _kept.get(id(ranges))
    if found is None:
        if len(_kept) >= _MOST_KEPT:
            _kept.clear()
        found = _kept[id(ranges)] = _Near(ranges)  # holds them, so that no other ranges have their number
    return found


class _Near(dict[str, Ranges]):
    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self.bounds = tuple((first, last + _END) for first, last in ranges)

    def __missing__(self, category: str) -> Ranges:
        last = category + _END
        found = self[category] = tuple(
            (first, stop) for first, stop in self.bounds if first <= last and category <= stop
        )
        return found


def touches(category: str, ranges: Ranges) -> bool:
    """Whether ranges hold a code of a category.

    >>> touches("E11", parse_ranges("E11.2-E11.4")), touches("E12", parse_ranges("E11.2-E11.4"))
    (True, False)
    """
    return any(first[:3] <= category <= last[:3] + _END for first, last in ranges)


_END: Final = "\U0010ffff"
"""After every character: what begins with a code lies between the code and the code with this."""
_CATEGORY: Final = 3
_MOST_KEPT: Final = 5_000
_kept: dict[int, _Near] = {}


def base_code(code: str) -> str:
    """The code without its 7th character and placeholders.

    >>> base_code("S72.9XXA"), base_code("E11.22")
    ('S72.9', 'E11.22')
    """
    return code[:-1].rstrip("X") if len(code) == 8 else code
