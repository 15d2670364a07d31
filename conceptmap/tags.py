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

from conceptmap.encoders.embeddings import TokenEmbeddings
from conceptmap.linker import Linker
from conceptmap.mentions import Mention
from conceptmap.words import FUNCTION_WORDS, words

__all__ = ["Tag", "smoothed_words", "tag_tokens"]

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
    word_of, vectors = smoothed_words(text, tokens)
    asked = sorted({int(word_of[t]) for t in range(len(tokens)) if inside[t] < 0 and word_of[t] >= 0})
    scores, concepts = _nearest(vectors[asked], linker, k) if asked else (np.empty((0, k)), np.empty((0, k), dtype=int))
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


def _nearest(vectors: NDArray[np.float32], linker: Linker, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
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
    """For each token its word (-1 for punctuation and function words), and the smoothed vector of each word.

    *Shapes:* (n_tokens,) int64 and (n_words, dim) float32.
    """
    found = words(text)
    n = len(found.form)
    starts = np.array(found.start_char, dtype=np.int64)
    ends = np.array(found.end_char, dtype=np.int64)
    word_of = np.searchsorted(starts, tokens.start_char, side="right") - 1
    outside = (word_of < 0) | (tokens.start_char >= ends[np.maximum(word_of, 0)]) if n else np.ones(len(tokens), bool)
    word_of = np.where(outside, -1, word_of)
    vectors = np.zeros((n, tokens.vectors.shape[1]), dtype=np.float32)
    counted = np.bincount(word_of[word_of >= 0], minlength=n).astype(np.float32) if n else np.zeros(0, np.float32)
    np.add.at(vectors, word_of[word_of >= 0], tokens.vectors[word_of >= 0])
    vectors /= np.maximum(counted, 1.0)[:, None]
    smoothed = vectors.copy()
    for i in range(1, n):
        if found.gap[i] == 0:
            smoothed[i] += NEIGHBOUR_WEIGHT * vectors[i - 1]
            smoothed[i - 1] += NEIGHBOUR_WEIGHT * vectors[i]
    silent = np.array([form in FUNCTION_WORDS or form.isdigit() for form in found.form], dtype=bool)
    word_of = np.where((word_of >= 0) & silent[np.maximum(word_of, 0)], -1, word_of) if n else word_of
    return word_of, smoothed
