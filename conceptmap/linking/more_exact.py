"""More exact: which code of its category the words beside a mention mean, by vectors.

"Macular degeneration, dry" is nearer to "dry age-related macular degeneration" than to an unspecified one. It is asked
only of codes that leave something open, and answered only by concepts of their category: where a mention and words
beside it are almost a term of one, nearer to it than to the mention's own, because of these words, to no other as
near, and one of the words stands in one of its terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.encoders import TokenEncoder
from conceptmap.encoders.embeddings import TokenEmbeddings, Vectors
from conceptmap.linking.linker import Linker
from conceptmap.linking.pooling import pool_all
from conceptmap.linking.words_beside import Beside, Windows
from conceptmap.matching.content import term_forms
from conceptmap.matching.mentions import Mention, MoreExact
from conceptmap.ontology.codebook import CodeBook

__all__ = ["with_more_exact"]

ALMOST: Final = 0.8
"""Cosine from which words are almost a term: the mean of both views, on the scale."""
GAIN: Final = 0.08
"""How much the words beside a mention bring it nearer to the other concept than to its own."""
MARGIN: Final = 0.03
"""How much nearer it is than the next concept that says something else."""
_STEM: Final = 5
"""Letters by which two words are one: vulgar and vulgaris."""
_WORTH_READING: Final = 0.65
"""Contextual cosine below which the words are not encoded as a string as well."""


def with_more_exact(
    linker: Linker,
    encoder: TokenEncoder,
    texts: Sequence[str],
    embeddings: Sequence[TokenEmbeddings],
    mentions: Sequence[Sequence[Mention]],
    beside: Sequence[Beside],
) -> list[list[Mention]]:
    """The mentions with what the words beside them say more.

    Args:
        linker: of an index with vectors.
        encoder: of the notes.
        texts: the notes.
        embeddings: tokens of the mentions and windows at least, for each note.
        mentions: of each note.
        beside: of each note.
    """
    out = [list(note) for note in mentions]
    asked = [
        _Asked(note, number, [(mention.start_char, mention.end_char), *windows], _concepts(mention, linker.book))
        for note, found in enumerate(mentions)
        for number, mention in enumerate(found)
        if (windows := beside[note].get((mention.start_char, mention.end_char)))
    ]
    if not asked:
        return out
    spans: list[Windows] = [[] for _ in mentions]
    for one in asked:
        spans[one.note] += one.spans
    in_context = _cosines(linker, linker.mapped(pool_all(embeddings, spans)), asked)
    kept = [_worth(near) for near in in_context]
    asked = [one.only(rows) for one, rows in zip(asked, kept, strict=True) if len(rows) > 1]
    seen = [near[rows] for near, rows in zip(in_context, kept, strict=True) if len(rows) > 1]
    for one, near in zip(asked, _with_strings(linker, encoder, texts, asked, seen), strict=True):
        more = one.chosen(near, linker.book)
        if more is not None and _is_said(more, one, texts[one.note], linker):
            out[one.note][one.number] = replace(out[one.note][one.number], more_exact=more)
    return out


def _is_said(more: MoreExact, one: _Asked, text: str, linker: Linker) -> bool:
    """Whether a word beside the mention stands in a term of the concept, and in none of the mention's own.

    Else vectors say what no word does: a hypotension after an instillation is no orthostatic one.
    """
    start, end = one.spans[0]
    beside = {*term_forms(text[more.start_char : start]), *term_forms(text[end : more.end_char])}
    known = {word[:_STEM] for concept in one.concepts[:2] for word in _words_of(concept, linker)}
    new = {word[:_STEM] for word in _words_of(more.concept, linker)} - known
    return any(word[:_STEM] in new for word in beside)


def _words_of(concept: int, linker: Linker) -> Iterator[str]:
    """The words of all terms of a concept."""
    for forms in linker.matcher.lexicon.filter(pl.col("concept") == concept)["forms"]:
        yield from forms.split()


def _with_strings(
    linker: Linker,
    encoder: TokenEncoder,
    texts: Sequence[str],
    asked: Sequence[_Asked],
    in_context: Sequence[NDArray[np.float64]],
) -> Sequence[NDArray[np.float64]]:
    """The mean of both views; the one in context where the encoder's vectors of strings are of another kind."""
    strings = [" ".join(texts[one.note][start:end].split()) for one in asked for start, end in one.spans]
    vectors = encoder.terms(strings) if strings else None
    if vectors is None or vectors.shape[1] != linker.index.dim:
        return in_context
    return [(a + b) / 2 for a, b in zip(in_context, _cosines(linker, vectors, asked), strict=True)]


def _concepts(mention: Mention, book: CodeBook) -> list[int]:
    """The concept of a mention and its code, and those that say more than the code."""
    own = mention.candidates[0].concept
    code = book.default(own)
    return [own, code, *book.more_exact(code)]


def _cosines(linker: Linker, vectors: Vectors, asked: Sequence[_Asked]) -> list[NDArray[np.float64]]:
    """On the scale. *Shape:* (n_spans, n_concepts) each."""
    found = iter(linker.cosines(vectors, [one.concepts for one in asked for _ in one.spans]))
    return [np.array([[linker.scale(cosine) for cosine in next(found)] for _ in one.spans]) for one in asked]


def _nearer(near: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much nearer the spans are to each concept that says more than to the mention's own."""
    nearer: NDArray[np.float64] = near[:, 2:] - near[:, :2].max(axis=1, keepdims=True)
    return nearer


def _worth(near: NDArray[np.float64]) -> NDArray[np.int64]:
    """The mention and the windows that are near to a concept that says more, and nearer than to its own."""
    good = (near[1:, 2:] >= _WORTH_READING) & (_nearer(near)[1:] > 0)
    return np.array([0, *(np.nonzero(good.any(axis=1))[0] + 1)], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A mention whose code leaves something open: note and number, its span before the windows, and the concepts."""

    note: int
    number: int
    spans: Windows
    concepts: Sequence[int]

    def only(self, kept: NDArray[np.int64]) -> _Asked:
        """The same with some of the spans."""
        return replace(self, spans=[self.spans[at] for at in kept])

    def chosen(self, near: NDArray[np.float64], book: CodeBook) -> MoreExact | None:
        """What a window says more; None where none does.

        Args:
            near: of each span to each concept, on the scale. *Shape:* (n_spans, n_concepts).
            book: of the index.
        """
        nearer = _nearer(near)
        good = (near[:, 2:] >= ALMOST) & (nearer > 0) & (nearer - nearer[0] >= GAIN)
        good[0] = False
        if not good.any():
            return None
        window, at = (int(place) for place in np.unravel_index(np.where(good, nearer, -np.inf).argmax(), good.shape))
        concept = self.concepts[2 + at]
        others = [
            cosine
            for other, cosine in zip(self.concepts[2:], near[window, 2:].tolist(), strict=True)
            if other != concept and not (book.is_above(other, concept) or book.is_above(concept, other))
        ]
        if near[window, 2 + at] - max(others, default=-1.0) < MARGIN:
            return None
        return MoreExact(concept, *self.spans[window])
