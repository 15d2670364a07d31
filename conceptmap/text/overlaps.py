"""Overlaps: which of many spans share characters with another, without comparing each with each.

All spans are half-open pairs of code points, none empty.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

__all__ = ["Claims", "Overlaps", "Starts"]


class Overlaps:
    """Spans that stay as they are.

    >>> spans = Overlaps([(20, 24), (0, 9), (4, 6)])
    >>> spans.touching(5, 21), spans.touching(9, 20), spans.hold(4, 8), spans.hold(8, 10)
    ([1, 2, 0], [], True, False)
    """

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        self._order = sorted(range(len(spans)), key=spans.__getitem__)
        self._starts = [spans[number][0] for number in self._order]
        self._ends = [spans[number][1] for number in self._order]
        self._reach = list(accumulate(self._ends, max))

    def touching(self, start: int, end: int) -> list[int]:
        """Numbers of the spans that share a character with this one, in order of their starts."""
        return [self._order[at] for at in self._touching(start, end)]

    def _touching(self, start: int, end: int) -> list[int]:
        first, last = bisect_right(self._reach, start), bisect_left(self._starts, end)
        return [at for at in range(first, last) if self._ends[at] > start]

    def any_in(self, start: int, end: int) -> bool:
        """Whether one of the others lies in this span."""
        return any(self._starts[at] >= start and self._ends[at] <= end for at in self._touching(start, end))

    def hold(self, start: int, end: int) -> bool:
        """Whether this span lies in one of the others."""
        at = bisect_right(self._starts, start) - 1
        return at >= 0 and self._reach[at] >= end


class Starts:
    """Places of a text, by the number that each was given.

    >>> Starts([30, 4, 12]).within(4, 13)
    [1, 2]
    """

    def __init__(self, places: Sequence[int]) -> None:
        self._order = sorted(range(len(places)), key=places.__getitem__)
        self._places = [places[number] for number in self._order]

    def within(self, first: int, last: int) -> list[int]:
        """Numbers of the places from ``first`` on and before ``last``, in the order of the numbers."""
        return sorted(self._order[bisect_left(self._places, first) : bisect_left(self._places, last)])

    def any_within(self, first: int, last: int) -> bool:
        """Whether there is one."""
        return bisect_left(self._places, first) < bisect_left(self._places, last)


class Claims:
    """Spans that are claimed one by one, none overlapping another.

    Args:
        spans: all that will ever be asked for.
    """

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        edges = sorted({edge for span in spans for edge in span})
        self._place = {edge: place for place, edge in enumerate(edges)}
        self._free = len(edges)  # no claim has so high a number
        self._owner = [self._free] * len(edges)
        self._n_claims = 0

    def claim(self, start: int, end: int) -> int | None:
        """Claim a span if all of it is free; else say which of the claims that it touches came first.

        >>> claims = Claims([(0, 9), (12, 20), (8, 14)])
        >>> claims.claim(12, 20), claims.claim(0, 9), claims.claim(8, 14)
        (None, None, 0)
        """
        cells = slice(self._place[start], self._place[end])
        first = min(self._owner[cells])
        if first < self._free:
            return first
        self._owner[cells] = [self._n_claims] * (cells.stop - cells.start)
        self._n_claims += 1
        return None
