"""Concepts that vectors find near some words of a note, for what was learned to weigh: no mention need name them."""

from __future__ import annotations

from collections.abc import Sequence
from math import log1p
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conceptmap.linking.pooling import pool

if TYPE_CHECKING:
    from conceptmap.encoders.embeddings import TokenEmbeddings
    from conceptmap.linking.linker import Linker
    from conceptmap.matching.content import Content

__all__ = ["MOST_NEAR", "WINDOWS", "NearConcept", "near_numbers", "near_windows", "windows"]

WINDOWS: Final = {
    "window cosine": "vectors find it near some words of the note",
    "window rank": "how many concepts are nearer to these words",
    "window margin": "how far it is from the concept next to it there",
    "windows": "near how many windows of words it is",
    "window standing": "how many codes vectors find nearer anywhere in the note",
}
"""Name of each number that rests on vectors of windows, and what it says; all are 0 without an encoder."""
MOST_NEAR: Final = 30
"""Codes of a note that vectors of windows alone may propose."""
_MOST_WORDS: Final = 4
_NEAREST: Final = 10
_LEAST: Final = 0.45
"""Cosine; what is further away says nothing."""


class NearConcept(NamedTuple):
    """A concept that is among the ten nearest of some window.

    Attributes:
        concept: the code that is written down for it.
        cosine: in its best window.
        rank: its best in any window; 0 is the nearest.
        margin: in its best window how far its cosine is above the next, or, where another is nearer, below the nearest.
        windows: how many have it among the ten nearest.
        place: half-open code points of its best window.
    """

    concept: int
    cosine: float
    rank: int
    margin: float
    windows: int
    place: tuple[int, int]


def windows(content: Content) -> list[tuple[int, int]]:
    """Spans of up to four content words, over no full stop and no part of an abbreviation."""
    form, gap = content.form, content.gap
    found: dict[tuple[int, int], None] = {}
    for first in range(len(form)):
        for last in range(first, min(first + _MOST_WORDS, len(form))):
            if last > first and gap[last] > 1:
                break
            if content.first[first] and content.last[last]:
                found[content.start[first], content.end[last]] = None
    return [*found]


def near_windows(content: Content, tokens: TokenEmbeddings, linker: Linker) -> list[NearConcept]:
    """The concepts near any window of a note, the nearest first.

    Args:
        content: its content words.
        tokens: all of its tokens.
        linker: of an index with vectors.
    """
    spans = windows(content)
    if not spans:
        return []
    scores, concepts = linker.near(linker.mapped(pool(tokens, spans)), _NEAREST, min_score=_LEAST)
    margins = _margins(scores)
    found: dict[int, NearConcept] = {}
    for window, rank in zip(*np.nonzero(concepts >= 0), strict=True):
        concept = linker.book.default(int(concepts[window, rank]))
        cosine, margin = float(scores[window, rank]), float(margins[window, rank])
        known = found.get(concept)
        if known is None:
            found[concept] = NearConcept(concept, cosine, int(rank), margin, 1, spans[window])
            continue
        best, rank, n = max(known.cosine, cosine), min(known.rank, int(rank)), known.windows + 1
        there = (margin, spans[window]) if cosine > known.cosine else (known.margin, known.place)
        found[concept] = NearConcept(concept, best, rank, there[0], n, there[1])
    may = linker.codable
    nearest = sorted(found.values(), key=lambda one: (-one.cosine, one.concept))
    return [one for one in nearest if may is None or may[one.concept]]


def _margins(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the nearest above the second (above the least cosine where there is none), of others below the nearest."""
    scores = np.maximum(scores, _LEAST)
    margins = scores - scores[:, :1]
    if scores.shape[1] > 1:
        margins[:, 0] = scores[:, 0] - scores[:, 1]
    return margins


def near_numbers(concepts: Sequence[int], near: Sequence[NearConcept]) -> NDArray[np.float64]:
    """A number for each of ``WINDOWS``. *Shape:* (n, 5).

    Args:
        concepts: positions of the codes.
        near: the concepts near windows of the note, the nearest first.
    """
    rows = np.zeros((len(concepts), len(WINDOWS)))
    places = {one.concept: standing for standing, one in enumerate(near)}
    for row, concept in enumerate(concepts):
        if (standing := places.get(concept)) is not None:
            one = near[standing]
            rows[row] = one.cosine, 1 / (1 + one.rank), one.margin, log1p(one.windows), 1 / (1 + standing)
    return rows
