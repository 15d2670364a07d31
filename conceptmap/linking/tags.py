"""Tags: the concepts of every token, as a reader would want them.

A token of a mention has the mention's concepts. Outside mentions a token speaks for its whole word, smoothed over the
words beside it in the same clause, and abstains (one row without a code) where nothing is near enough: a comma is no
disease. Whole words of a note share their answer. Without token vectors a word has what the dictionary says, if it
says anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import TokenEmbeddings, Vectors, taken
from conceptmap.encoders.word_vectors import smoothed_on
from conceptmap.index.cosine_scale import CosineScale
from conceptmap.linking.linker import Linker
from conceptmap.matching.mentions import NEAR, Mention, vector_strength

__all__ = ["Tag", "tag_tokens", "tag_words"]

ABSTAIN_BELOW = 0.6


@dataclass(frozen=True, slots=True)
class Tag:
    """One rank of one token.

    Attributes:
        token: index of the token in its note.
        rank: 1 for the best.
        concept: position in the index, or None when the token abstains.
        score: cosine; of an abstaining token that of the nearest concept. Without vectors: of the bags of words, and 0
            where the dictionary says nothing.
        confidence: what orders the ranks, as in ``Mention.confidence``; None when the token abstains.
        why: as in ``Mention.why``.
    """

    token: int
    rank: int
    concept: int | None
    score: float
    confidence: float | None = None
    why: str | None = None


def tag_tokens(text: str, tokens: TokenEmbeddings, mentions: Sequence[Mention], linker: Linker, k: int) -> list[Tag]:
    """The k best concepts of every token of one note.

    Args:
        text: the note.
        tokens: its tokens.
        mentions: its mentions in this linker's index.
        linker: the index.
        k: most concepts for a token.
    """
    inside = _inside(tokens.start_char, tokens.end_char, mentions)
    word_of, vectors = smoothed_on(text, tokens)
    asked = sorted({int(word_of[t]) for t in range(len(tokens)) if inside[t] < 0 and word_of[t] >= 0})
    scores, concepts = _nearest(taken(vectors, np.array(asked, dtype=np.int64)), linker, k)
    place = {word: i for i, word in enumerate(asked)}
    out: list[Tag] = []
    for t in range(len(tokens)):
        if inside[t] >= 0:
            out += _mention_tags(t, mentions[inside[t]], k)
        elif word_of[t] < 0:
            out.append(Tag(t, 1, None, 0.0))
        else:
            out += _open_tags(t, scores[place[int(word_of[t])]], concepts[place[int(word_of[t])]], linker.scale)
    return out


def tag_words(starts: Sequence[int], ends: Sequence[int], mentions: Sequence[Mention], k: int) -> list[Tag]:
    """The k best concepts of every word of one note by the dictionary alone: those of the mention that it lies in.

    Args:
        starts: first code point of each word.
        ends: one past its last.
        mentions: the note's mentions in one index.
        k: most concepts for a word.
    """
    out: list[Tag] = []
    for number, mention in enumerate(_inside(np.array(starts, np.int64), np.array(ends, np.int64), mentions)):
        if mention < 0:
            out.append(Tag(number, 1, None, 0.0))
        else:
            out += _mention_tags(number, mentions[mention], k)
    return out


def _nearest(vectors: Vectors, linker: Linker, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest concepts of each word; none where an adapter knows that it belongs to no mention."""
    scores, concepts = linker.near(linker.mapped(vectors), k)
    if linker.adapter is not None:
        concepts[linker.adapter.outside(vectors)] = -1
    return scores, concepts


def _mention_tags(token: int, mention: Mention, k: int) -> list[Tag]:
    return [
        Tag(token, rank, c.concept, c.score, mention.confidence(rank), mention.why(rank))
        for rank, c in enumerate(mention.candidates[:k], 1)
    ]


def _open_tags(token: int, scores: NDArray[np.float32], concepts: NDArray[np.int64], scale: CosineScale) -> list[Tag]:
    if concepts[0] < 0 or scale(scores[0]) < ABSTAIN_BELOW:
        return [Tag(token, 1, None, max(float(scores[0]), 0.0))]
    return [
        Tag(token, rank, int(concept), float(score), vector_strength(scale(float(score))), NEAR)
        for rank, (score, concept) in enumerate(zip(scores, concepts, strict=True), 1)
        if concept >= 0
    ]


def _inside(starts: NDArray[np.int64], ends: NDArray[np.int64], mentions: Sequence[Mention]) -> NDArray[np.int64]:
    """For each span the first mention that it touches, or -1. *Shape:* (n_spans,) int64."""
    out = np.full(len(starts), -1, dtype=np.int64)
    for number, mention in enumerate(mentions):
        touched = (starts < mention.end_char) & (ends > mention.start_char)
        out[touched & (out < 0)] = number
    return out
