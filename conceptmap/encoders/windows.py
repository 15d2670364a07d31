"""What of a note goes through a model together (overlapping windows, or its sentences), and length-sorted batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["Window", "batches", "cut", "cut_at"]


@dataclass(frozen=True, slots=True)
class Window:
    """Pieces ``start:stop`` go through the model together; the vectors of ``own_start:own_stop`` are kept."""

    start: int
    stop: int
    own_start: int
    own_stop: int


def cut(breaks: NDArray[np.uint8], width: int) -> list[Window]:
    """Cover a note with windows of at most `width` pieces, neighbours overlapping by a sixteenth to an eighth of it.

    A window starts after a line break if it can, else after a sentence. In an overlap each piece is kept from the
    window in which it lies closer to the middle.

    Args:
        breaks: value of starting a window at each piece (0 none, 1 sentence, 2 line). *Shape:* (n_pieces,) uint8.
        width: most pieces in a window.

    >>> [(w.start, w.stop, w.own_start, w.own_stop) for w in cut(np.zeros(60, np.uint8), 48)]
    [(0, 48, 0, 47), (45, 60, 47, 60)]
    """
    total, overlap = len(breaks), width // 16
    spans, start = [], 0
    while start + width < total:
        stop = start + width
        spans.append((start, stop))
        start = _best(breaks, stop - 2 * overlap, stop - overlap + 1)
    if total:
        spans.append((start, total))
    edges = [0, *((left[1] + right[0] + 1) // 2 for left, right in pairwise(spans)), total]
    return [Window(*span, *edges[i : i + 2]) for i, span in enumerate(spans)]


def cut_at(starts: NDArray[np.int64], breaks: NDArray[np.uint8], width: int) -> list[Window]:
    """Give each sentence a window of its own; one of more than `width` pieces is cut as a note is.

    Args:
        starts: first pieces of sentences, ascending; what comes before the first goes with it. *Shape:* (n,) int64.
        breaks: as for `cut`. *Shape:* (n_pieces,) uint8.
        width: most pieces in a window.

    >>> [(w.own_start, w.own_stop) for w in cut_at(np.array([0, 5, 9]), np.zeros(20, np.uint8), 8)]
    [(0, 5), (5, 9), (9, 17), (17, 20)]
    """
    edges = [0, *np.unique(starts[(starts > 0) & (starts < len(breaks))]).tolist(), len(breaks)]
    return [
        Window(*(at + place for place in (part.start, part.stop, part.own_start, part.own_stop)))
        for at, stop in pairwise(edges)
        for part in cut(breaks[at:stop], width)
    ]


def _best(breaks: NDArray[np.uint8], low: int, high: int) -> int:
    """The last of the best places to start in ``low:high``."""
    part = breaks[low:high][::-1]
    return high - 1 - int(part.argmax())


def batches(lengths: NDArray[np.int64], budget: int) -> Iterator[NDArray[np.int64]]:
    """Group inputs of like length, longest first.

    A batch holds at most `budget` tokens, padding to its longest input included (but always one input), and no input
    shorter than three quarters of the longest unless the batch would be tiny.

    >>> [batch.tolist() for batch in batches(np.array([3, 9, 8, 2, 9]), 20)]
    [[1, 4], [2], [0], [3]]
    """
    order = np.argsort(-lengths, kind="stable")
    ordered = lengths[order]
    start = 0
    while start < len(order):
        longest = int(ordered[start])
        stop = start + max(1, budget // max(longest, 1))
        alike = start + int(np.searchsorted(-ordered[start:stop], -0.75 * longest, side="right"))
        stop = min(stop, max(alike, start + max(1, budget // (4 * max(longest, 1)))))
        yield order[start:stop]
        start = stop
