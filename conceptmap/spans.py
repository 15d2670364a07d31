"""Pooled vectors of spans, and the spans worth asking the vectors about where no term was found.

A span's vector is the mean of its tokens' vectors, from one running sum a note. Special tokens never take part: a
TokenEmbeddings holds none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import TokenEmbeddings
from conceptmap.lexical import content_words

__all__ = ["open_windows", "pool"]

LONGEST_WINDOW = 5


def pool(tokens: TokenEmbeddings, spans: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """Mean vector of the tokens that overlap each span.

    Args:
        tokens: of the note.
        spans: half-open (start, end) in code points of the note.

    Returns:
        *Shape:* (n_spans, dim) float32; a span without tokens gets a zero row.
    """
    out = np.zeros((len(spans), tokens.vectors.shape[1]), dtype=np.float32)
    if not len(tokens):
        return out
    bounds = np.asarray(spans, dtype=np.int64).reshape(-1, 2)
    left = np.searchsorted(np.maximum.accumulate(tokens.end_char), bounds[:, 0], side="right")
    right = np.searchsorted(tokens.start_char, bounds[:, 1], side="left")
    for row, (i, j) in enumerate(zip(left, right, strict=True)):
        if i < j:
            tokens.vectors[i:j].mean(axis=0, out=out[row])
    return out


def open_windows(
    text: str, taken: Sequence[tuple[int, int]], known: frozenset[str]
) -> list[tuple[int, int, frozenset[str]]]:
    """Runs of words between the taken spans that may name a concept in words of its own.

    Args:
        text: the note.
        taken: spans that already are mentions, in reading order.
        known: normal forms that occur in some term.

    Returns:
        (start, end, normal forms) of every window: of each run of neighbouring known words, at most
        ``LONGEST_WINDOW`` of its last words, and the last two.
    """
    content = content_words(text)
    ends = np.array([end for _, end in taken], dtype=np.int64)
    starts = np.array([start for start, _ in taken], dtype=np.int64)
    runs: list[list[int]] = [[]]
    for i, form in enumerate(content.form):
        after = int(np.searchsorted(ends, content.start[i], side="right"))
        covered = after < len(starts) and starts[after] < content.end[i]
        usable = not covered and form in known and not form.isdigit()
        if content.gap[i] or not usable:
            runs.append([])
        if usable:
            runs[-1].append(i)
    out = []
    for run in runs:
        for length in sorted({min(len(run), LONGEST_WINDOW), 2}, reverse=True):
            if 2 <= length <= len(run):
                part = run[-length:]
                forms = frozenset(content.form[i] for i in part)
                out.append((content.start[part[0]], content.end[part[-1]], forms))
    return out
