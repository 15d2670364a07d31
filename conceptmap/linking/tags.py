"""Tags: the concepts of every token, as a reader would want them.

A token of a mention has the mention's concepts. Outside mentions a token speaks for its whole word, smoothed over the
words beside it in the same clause, and abstains (one row without a code) where nothing is near enough: a comma is no
disease. Whole words of a note share their answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import TokenEmbeddings, Vectors, mixed, on_host, taken
from conceptmap.linking.linker import Linker
from conceptmap.matching.mentions import Mention
from conceptmap.text.words import FUNCTION_WORDS, Words, words

__all__ = ["Tag", "smoothed_on", "smoothed_words", "tag_tokens"]

ABSTAIN_BELOW = 0.6
NEIGHBOUR_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Tag:
    """One rank of one token.

    Attributes:
        token: index of the token in its note.
        rank: 1 for the best.
        concept: position in the index, or None when the token abstains.
        score: cosine; of an abstaining token that of the nearest concept.
    """

    token: int
    rank: int
    concept: int | None
    score: float


def tag_tokens(text: str, tokens: TokenEmbeddings, mentions: Sequence[Mention], linker: Linker, k: int) -> list[Tag]:
    """The k best concepts of every token of one note.

    Args:
        text: the note.
        tokens: its tokens.
        mentions: its mentions in this linker's index.
        linker: the index.
        k: most concepts for a token.
    """
    inside = _mention_of(tokens, mentions)
    word_of, vectors = smoothed_on(text, tokens)
    asked = sorted({int(word_of[t]) for t in range(len(tokens)) if inside[t] < 0 and word_of[t] >= 0})
    scores, concepts = _nearest(taken(vectors, np.array(asked, dtype=np.int64)), linker, k)
    place = {word: i for i, word in enumerate(asked)}
    out: list[Tag] = []
    for t in range(len(tokens)):
        if inside[t] >= 0:
            best = mentions[inside[t]].candidates[:k]
            out += [Tag(t, rank, c.concept, c.score) for rank, c in enumerate(best, 1)]
        elif word_of[t] < 0:
            out.append(Tag(t, 1, None, 0.0))
        else:
            out += _open_tags(t, scores[place[int(word_of[t])]], concepts[place[int(word_of[t])]])
    return out


def _nearest(vectors: Vectors, linker: Linker, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest concepts of each word; none where an adapter knows that it belongs to no mention."""
    scores, concepts = linker.near(linker.mapped(vectors), k)
    if linker.adapter is not None:
        concepts[linker.adapter.outside(vectors)] = -1
    return scores, concepts


def _open_tags(token: int, scores: NDArray[np.float32], concepts: NDArray[np.int64]) -> list[Tag]:
    if concepts[0] < 0 or scores[0] < ABSTAIN_BELOW:
        return [Tag(token, 1, None, max(float(scores[0]), 0.0))]
    return [
        Tag(token, rank, int(concept), float(score))
        for rank, (score, concept) in enumerate(zip(scores, concepts, strict=True), 1)
        if concept >= 0
    ]


def _mention_of(tokens: TokenEmbeddings, mentions: Sequence[Mention]) -> NDArray[np.int64]:
    """For each token the mention that it lies in, or -1. *Shape:* (n_tokens,) int64."""
    out = np.full(len(tokens), -1, dtype=np.int64)
    for number, mention in enumerate(mentions):
        touched = (tokens.start_char < mention.end_char) & (tokens.end_char > mention.start_char)
        out[touched & (out < 0)] = number
    return out


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
