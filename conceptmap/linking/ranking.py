"""Rank concepts for given spans: what the span says in its context, what it says as a string, and what it is called.

The mean of both cosines is better than either (contextual tokens know the sentence, the string meets the terms as they
were encoded), and a term that is written as such goes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders import TokenEmbeddings, TokenEncoder
from conceptmap.encoders.embeddings import Vectors
from conceptmap.errors import InputError
from conceptmap.index.cosine_scale import CosineScale
from conceptmap.linking.linker import Linker
from conceptmap.linking.pooling import pool_all
from conceptmap.matching.content import content_words
from conceptmap.matching.mentions import lexical_mentions, vector_strength
from conceptmap.matching.short_forms import Expand
from conceptmap.text.words import words

__all__ = ["Ranked", "rank_spans", "spelled_out"]

CONTEXTUAL = 0.5
"""Share of the contextual view in a score, the rest is the string's."""
ADAPTED_CONTEXTUAL = 1 / 3
"""The same with an adapter: fewer mentions teach it than strings."""
POOL = 4
"""Each view proposes this many times k concepts before they are ranked together."""


class Ranked(NamedTuple):
    """A concept (position in the index) and its score, the mean of both cosines, or the strength of its wording.

    ``confidence`` orders them: the strength of the wording, else what the cosine is worth, in [0, 1].
    """

    concept: int
    score: float
    confidence: float


def rank_spans(
    linker: Linker,
    encoder: TokenEncoder | None,
    texts: Sequence[str],
    spans: Sequence[Sequence[tuple[int, int]]],
    embeddings: Sequence[TokenEmbeddings] | None,
    expands: Sequence[Expand],
    k: int,
) -> list[list[list[Ranked]]]:
    """The k best concepts of every span of every note.

    Raises:
        InputError: a span is outside its note.
    """
    for text, wanted in zip(texts, spans, strict=True):
        for start, end in wanted:
            if not 0 <= start < end <= len(text):
                raise InputError("a span is outside its note", got=(start, end), expected=f"within 0 and {len(text)}")
    spelled = [spelled_out(text, wanted, expand) for text, wanted, expand in zip(texts, spans, expands, strict=True)]
    named = [[_named(linker, string) for string in strings] for strings in spelled]
    if encoder is None or embeddings is None or not linker.index.dim:
        return [[_by_name(names, k) for names in note] for note in named]
    contextual = pool_all(embeddings, spans)
    views = _views(linker, encoder, contextual, [string for strings in spelled for string in strings])
    flat = [names for note in named for names in note]
    proposals = zip(*(linker.near(vectors, POOL * k)[1].tolist() for vectors, _ in views), flat, strict=True)
    pools = [sorted({concept for part in parts for concept in part if concept >= 0}) for parts in proposals]
    scores: list[NDArray[np.float64]] = [np.zeros(len(concepts)) for concepts in pools]
    for vectors, weight in views:
        for total, cosines in zip(scores, linker.cosines(vectors, pools), strict=True):
            total += weight * np.array(cosines)
    ranked = iter(
        [
            _ranked(concepts, total.tolist(), names, k, linker.scale)
            for concepts, total, names in zip(pools, scores, flat, strict=True)
        ]
    )
    return [[next(ranked) for _ in wanted] for wanted in spans]


def _views(
    linker: Linker, encoder: TokenEncoder, contextual: Vectors, strings: Sequence[str]
) -> list[tuple[Vectors, float]]:
    """The vectors of all spans, seen in several ways, in the index's space, each with its weight."""
    adapter = linker.adapter
    if adapter is None:
        return [(contextual, CONTEXTUAL), (encoder.terms(strings), 1 - CONTEXTUAL)]
    if encoder.term_dim != adapter.made_for.dim:  # its sentence vectors are of another kind
        return [(linker.mapped(contextual), 1.0)]
    both = (contextual, ADAPTED_CONTEXTUAL), (encoder.terms(strings), 1 - ADAPTED_CONTEXTUAL)
    return [(linker.mapped(vectors), weight) for vectors, weight in both]


def _ranked(
    concepts: Sequence[int], scores: Sequence[float], names: dict[int, float], k: int, scale: CosineScale
) -> list[Ranked]:
    order = sorted(zip(concepts, scores, strict=True), key=lambda cs: (-names.get(cs[0], 0.0), -cs[1], cs[0]))
    most = min(names.values(), default=1.0)
    return [
        Ranked(concept, score, names[concept] if concept in names else min(vector_strength(scale(score)), most))
        for concept, score in order[:k]
    ]


def _by_name(names: dict[int, float], k: int) -> list[Ranked]:
    return [Ranked(c, strength, strength) for c, strength in sorted(names.items(), key=lambda cs: (-cs[1], cs[0]))[:k]]


def _named(linker: Linker, spelled: str) -> dict[int, float]:
    """Concepts of which the whole span is a wording, with their strength."""
    n_words = len(content_words(spelled).form)
    hits = [hit for hit in linker.matcher.find(spelled) if hit.n_words == n_words]
    return {c.concept: c.strength for m in lexical_mentions(hits, linker.matcher, linker.book) for c in m.candidates}


def spelled_out(text: str, spans: Sequence[tuple[int, int]], expand: Expand) -> list[str]:
    """Each span's text, its abbreviations in full."""
    found = words(text)
    full = [(found.start_char[i], found.end_char[i], " ".join(forms)) for i, forms in expand(found).items()]
    out = []
    for first, last in spans:
        parts, at = [], first
        for start, end, long in full:
            if first <= start and end <= last:
                parts += [text[at:start], long]
                at = end
        out.append(" ".join("".join([*parts, text[at:last]]).split()))
    return out
