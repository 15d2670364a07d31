"""Hubs: concepts that attract words which mean nothing to them, measured with background text.

Nearest-neighbour search in many dimensions has rows that are near to everything (Radovanović et al. 2010). How much of
plain text the commonest concepts take says how far an index has them; `without_hubs` moves every row away from the
words of that text which it attracts most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.linear import unit
from conceptmap.encoders import TokenEncoder
from conceptmap.encoders.word_vectors import smoothed_words
from conceptmap.errors import InputError
from conceptmap.index.index import ConceptIndex
from conceptmap.index.rows import store_given
from conceptmap.notes.notes import n_within

__all__ = ["background_words", "with_hubs", "without_hubs"]

MOST_WORDS = 6_000
MOST_CHARS = 300_000
COMMONEST = 10
NEAREST = 10
SHARE = 0.25
"""Of the mean of a row's nearest words, what is subtracted from it: given spans lose .6 by a quarter, 4 by a half."""
ROWS_AT_ONCE = 1024


def background_words(encoder: TokenEncoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors of the words of plain text, as they are compared with an index where they are in no mention.

    Args:
        encoder: of the notes.
        texts: read up to 300,000 code points.

    Returns:
        *Shape:* (n_words, dim) float32, at most 6,000 drawn from all.

    Raises:
        InputError: they hold no word.
    """
    read = list(texts[: n_within(texts, MOST_CHARS)])
    found = [np.empty((0, encoder.dim), dtype=np.float32)]
    for text, tokens in zip(read, encoder.tokens(read), strict=True):
        word_of, vectors = smoothed_words(text, tokens)
        found.append(vectors[np.unique(word_of[word_of >= 0])])
    words = np.concatenate(found)
    words = words[words.any(axis=1)]
    if not len(words):
        raise InputError("the background text holds no word", expected="notes like those to be coded")
    return words[np.sort(np.random.default_rng(0).permutation(len(words))[:MOST_WORDS])]


def with_hubs(index: ConceptIndex, words: NDArray[np.float32]) -> ConceptIndex:
    """The index with a fact about its hubs: what share of background words its commonest concepts are nearest to.

    Args:
        index: with vectors.
        words: *Shape:* (n_words, dim) float32.
    """
    nearest = index.row_concept[index.search(words, 1).rows[:, 0]]
    counts = np.bincount(nearest, minlength=index.concepts.height)
    order = np.argsort(-counts, kind="stable")[:COMMONEST]
    first = index.concepts.row(int(order[0]), named=True)
    shares = 100 * counts[order] / len(words)
    said = (
        f"{shares[0]:.1f} % of {len(words):,} background words are nearest to {first['code']} ({first['name']}), "
        f"{shares.sum():.1f} % to {COMMONEST} concepts"
    )
    return replace(index, manifest=replace(index.manifest, facts={**index.manifest.facts, "hubs": said}))


def without_hubs(index: ConceptIndex, words: NDArray[np.float32]) -> ConceptIndex:
    """The index with every row moved away from the background words that are nearest to it.

    Args:
        index: with vectors, not centred.
        words: *Shape:* (n_words, dim) float32.
    """
    units = unit(words)
    nearest = min(NEAREST, len(units))
    moved = np.empty((index.n_rows, index.dim), dtype=np.float32)
    for start in range(0, index.n_rows, ROWS_AT_ONCE):
        rows = unit(index.values(slice(start, start + ROWS_AT_ONCE)))
        near = np.argpartition(rows @ units.T, -nearest, axis=1)[:, -nearest:]
        moved[start : start + len(rows)] = rows - SHARE * units[near].mean(axis=1)
    vectors, norms = store_given(moved, index.manifest.dtype)
    return replace(index, vectors=vectors, norms=norms, manifest=replace(index.manifest, centring="background"))
