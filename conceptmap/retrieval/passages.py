"""Passages: what of a note is compared with a query, whole sentences up to a number of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from conceptmap.text.sentences import sentences

__all__ = ["PASSAGE_TOKENS", "Passages", "cut"]

PASSAGE_TOKENS = 128
"""Most tokens of a passage: a few sentences, as late-interaction models are trained on."""


@dataclass(frozen=True, slots=True)
class Passages:
    """The passages of one note, in reading order, and their rows.

    Attributes:
        vectors: *Shape:* (n_rows, dim) float32.
        start_char: first code point in the note that each row stands for, -1 where it stands for none (``[CLS]``).
            *Shape:* (n_rows,) int64.
        end_char: one past its last. *Shape:* (n_rows,) int64.
        edges: first row of each passage, and the number of rows. *Shape:* (n_passages + 1,) int64.
        spans: first code point of each passage, and one past its last. *Shape:* (n_passages, 2) int64.
    """

    vectors: NDArray[np.float32]
    start_char: NDArray[np.int64]
    end_char: NDArray[np.int64]
    edges: NDArray[np.int64]
    spans: NDArray[np.int64]


def cut(text: str, start: NDArray[np.int64], most: int) -> list[tuple[int, int]]:
    """Cut a note's tokens into passages: whole sentences while they fit, longer sentences in pieces.

    Args:
        text: the note.
        start: first code point of each token, ascending. *Shape:* (n_tokens,) int64.
        most: tokens of a passage.

    Returns:
        First token of each passage, and one past its last; together all tokens.

    >>> text = "No fever. Chest pain since Monday. Cough."
    >>> start = np.array([0, 3, 10, 16, 21, 27, 35])
    >>> cut(text, start, 4)
    [(0, 2), (2, 6), (6, 7)]
    >>> cut(text, start, 3)
    [(0, 2), (2, 5), (5, 7)]
    """
    firsts = np.searchsorted(start, [begin for begin, _ in sentences(text)]).tolist()
    edges = sorted({0, *firsts, len(start)} if len(start) else {0})
    found: list[tuple[int, int]] = []
    first = 0
    for begin, stop in pairwise(edges):
        if stop - first > most and begin > first:
            found.append((first, begin))
            first = begin
        while stop - first > most:
            found.append((first, first + most))
            first += most
    return [*found, (first, len(start))] if first < len(start) else found
