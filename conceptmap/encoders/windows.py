"""Overlapping windows over a note's pieces, and length-sorted batches of windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Window", "batches", "cut"]


@dataclass(frozen=True, slots=True)
class Window:
    """Pieces ``start:stop`` go through the model together; the vectors of ``own_start:own_stop`` are kept."""

    start: int
    stop: int
    own_start: int
    own_stop: int


def cut(breaks: NDArray[np.uint8], width: int) -> list[Window]:
    """Cover a note with windows of at most `width` pieces, neighbours overlapping.

    In an overlap each piece is kept from the window in which it lies closer to the middle.

    Args:
        breaks: value of starting a window at each piece (0 none, 1 sentence, 2 line). *Shape:* (n_pieces,) uint8.
        width: most pieces in a window.

    >>> [(w.start, w.stop, w.own_start, w.own_stop) for w in cut(np.zeros(20, np.uint8), 12)]
    [(0, 12, 0, 11), (10, 20, 11, 20)]
    """
    total, overlap = len(breaks), width // 8
    spans, start = [], 0
    while start + width < total:
        stop = start + width
        spans.append((start, stop))
        start = _best(breaks, stop - 2 * overlap, stop - overlap + 1)
    if total:
        spans.append((start, total))
    edges = [0, *((right[0] + left[1]) // 2 for left, right in zip(spans, spans[1:], strict=False)), total]
    return [Window(*span, *edges[i : i + 2]) for i, span in enumerate(spans)]


def _best(breaks: NDArray[np.uint8], low: int, high: int) -> int:
    """The last of the best places to start in ``low:high``."""
    part = breaks[low:high][::-1]
    return high - 1 - int(part.argmax())


def batches(lengths: NDArray[np.int64], budget: int) -> Iterator[NDArray[np.int64]]:
    """Group inputs by length, longest first, into batches of at most `budget` tokens (always at least one input)."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        room = np.cumsum(lengths[order[start : start + budget]])
        stop = start + max(1, int(np.searchsorted(room, budget, side="right")))
        yield order[start:stop]
        start = stop
