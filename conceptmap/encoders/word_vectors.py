"""Word vectors: the mean of a word's tokens, smoothed over the words beside it in the same clause."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import TokenEmbeddings, Vectors, mixed, on_host
from conceptmap.text.words import FUNCTION_WORDS, Words, words

__all__ = ["smoothed_on", "smoothed_words"]

NEIGHBOUR_WEIGHT = 0.5


def smoothed_words(text: str, tokens: TokenEmbeddings) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """What `smoothed_on` gives, as numpy's."""
    word_of, vectors = smoothed_on(text, tokens)
    return word_of, on_host(vectors)


def smoothed_on(text: str, tokens: TokenEmbeddings) -> tuple[NDArray[np.int64], Vectors]:
    """For each token its word (-1 for punctuation and function words), and the smoothed vector of each word.

    *Shapes:* (n_tokens,) int64 and (n_words, dim) float32, where the tokens' vectors are.
    """
    found = words(text)
    n = len(found.form)
    word_of = _words_of(found, tokens)
    vectors = mixed(tokens.vectors, *_smoothing(word_of, np.array(found.gap, dtype=np.int64)))
    silent = np.array([form in FUNCTION_WORDS or form.isdigit() for form in found.form], dtype=bool)
    word_of = np.where((word_of >= 0) & silent[np.maximum(word_of, 0)], -1, word_of) if n else word_of
    return word_of, vectors


def _words_of(found: Words, tokens: TokenEmbeddings) -> NDArray[np.int64]:
    """For each token the word that it starts in, or -1. *Shape:* (n_tokens,) int64."""
    if not found.form:
        return np.full(len(tokens), -1, dtype=np.int64)
    starts, ends = (np.array(side, dtype=np.int64) for side in (found.start_char, found.end_char))
    word_of = np.searchsorted(starts, tokens.start_char, side="right") - 1
    outside = (word_of < 0) | (tokens.start_char >= ends[np.maximum(word_of, 0)])
    return np.where(outside, -1, word_of)


def _smoothing(
    word_of: NDArray[np.int64], gap: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Tokens, weights and starts of sums (see `mixed`): each word's mean, and half of the mean of a word beside it."""
    n = len(gap)
    inside = np.flatnonzero(word_of >= 0)
    token = inside[np.argsort(word_of[inside], kind="stable")]
    counts = np.bincount(word_of[inside], minlength=n)[:n]
    first = np.cumsum(counts) - counts
    beside = np.flatnonzero(gap[1:] == 0) + 1  # words that follow another in the same clause
    word = np.concatenate([np.arange(n), beside, beside - 1])
    source = np.concatenate([np.arange(n), beside - 1, beside])
    share = np.concatenate([np.ones(n), np.full(2 * len(beside), NEIGHBOUR_WEIGHT)])
    order = np.argsort(word, kind="stable")
    word, source, share = word[order], source[order], share[order]
    sizes = counts[source]
    place = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    rows = token[np.repeat(first[source], sizes) + place]
    weights = np.repeat(share / np.maximum(sizes, 1), sizes).astype(np.float32)
    ends = np.cumsum(np.bincount(word, weights=sizes, minlength=n).astype(np.int64)[:n])
    return rows, weights, np.concatenate([[0], ends[:-1]])[:n].astype(np.int64)
