"""Linker: one index put to work on texts. Lexical evidence first, then what the vectors say of it and of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.adapters.adapter import Adapter
from conceptmap.adapters.memory import extend_lexicon
from conceptmap.encoders.embeddings import TokenEmbeddings, Vectors, filled, taken
from conceptmap.index.cosine_scale import CosineScale
from conceptmap.index.index import ConceptIndex
from conceptmap.linking.name_vectors import NameVectors
from conceptmap.linking.pooling import pool, pool_all
from conceptmap.linking.words_beside import Beside, windows_beside
from conceptmap.matching.content import Content
from conceptmap.matching.defined_short_forms import defined_short_forms
from conceptmap.matching.lexicon import LEXICON, lexicon_of
from conceptmap.matching.matcher import TermMatcher
from conceptmap.matching.mentions import (
    Candidate,
    Mention,
    lexical_mentions,
    vector_strength,
    with_concepts,
    with_vectors,
)
from conceptmap.matching.shared_heads import shared_heads
from conceptmap.matching.spelling import Speller, speller_of
from conceptmap.matching.vocabulary import has_synonyms
from conceptmap.ontology.codebook import CodeBook
from conceptmap.ontology.scope import Scope
from conceptmap.ontology.semantic_types import CODED, uses
from conceptmap.text.overlaps import Claims, Overlaps
from conceptmap.topk import TopK

__all__ = ["Linker", "Spotted"]

NEAREST = 10
ACCEPT = 0.77
"""Cosine from which vectors make a mention of a window that is almost a term."""


@dataclass(frozen=True, slots=True)
class Spotted:
    """What the words of a text gave; the vectors have their say afterwards.

    Attributes:
        mentions: found by the index's own terms.
        windows: spans between them that are almost a term.
        beside: words beside the mentions that may say their codes more exactly.
    """

    mentions: list[Mention]
    windows: list[tuple[int, int]]
    beside: Beside

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where vectors are asked for: mentions first."""
        return [(m.start_char, m.end_char) for m in self.mentions] + self.windows

    @property
    def asked(self) -> list[tuple[int, int]]:
        """Whose tokens are needed."""
        return self.spans + [span for windows in self.beside.values() for span in windows]

    @property
    def concepts(self) -> list[list[int]]:
        """For each span the concepts that the words name."""
        return [[c.concept for c in m.candidates] for m in self.mentions] + [[] for _ in self.windows]


@dataclass(frozen=True, slots=True)
class _Pooled:
    """Vectors as both searches take them: those that are not zero, gathered once.

    Attributes:
        n: how many there are with the zero ones.
        some: places of those that are not. *Shape:* (n_some,) int64.
        vectors: *Shape:* (n_some, dim) float32.
    """

    n: int
    some: NDArray[np.int64]
    vectors: Vectors

    @classmethod
    def of(cls, vectors: Vectors) -> _Pooled:
        some = filled(vectors)
        return cls(len(vectors), some, taken(vectors, some))


@dataclass(frozen=True, eq=False)
class Linker:
    """An index with its matcher and its code book.

    Attributes:
        index: any index; without vectors only lexical evidence is given.
        adapter: what annotated notes taught about this index and its encoder.
        scope: which concepts are wanted; None for all.
    """

    index: ConceptIndex
    adapter: Adapter | None = None
    scope: Scope | None = None

    @cached_property
    def matcher(self) -> TermMatcher:
        """Finds the index's terms in texts, and the wordings that an adapter remembers, of the concepts in scope."""
        lexicon = self._wordings
        if self.within is not None:
            lexicon = lexicon.filter(pl.Series(self.within).gather(lexicon["concept"]))
        return TermMatcher(lexicon, loosely=not self._reviewed)

    @cached_property
    def _wordings(self) -> pl.DataFrame:
        if self.adapter is None:
            return self._lexicon
        return extend_lexicon(self._lexicon, self.adapter.memory.names, self.book.position_of_code)

    @cached_property
    def within(self) -> NDArray[np.bool_] | None:
        """Whether each concept is in scope; None where all are. *Shape:* (n_concepts,) bool."""
        wanted = self.scope.within(self.index.ontology()) if self.scope else None
        return None if wanted is None or wanted.all() else wanted

    @cached_property
    def codable(self) -> NDArray[np.bool_] | None:
        """Whether each concept may be a code of a note: what the scope chooses, else by its type; None where all are.

        *Shape:* (n_concepts,) bool.
        """
        if self.scope is not None and self.scope.chooses:
            return self.within
        use = uses(self.index.system, self.index.concepts)
        may = (use.is_null() | (use == CODED)).to_numpy() & (True if self.within is None else self.within)
        return None if may.all() else may

    def in_scope(self, mentions: Sequence[Mention]) -> Sequence[Mention]:
        """The mentions with those of their concepts that are in scope; without those that have none."""
        return mentions if self.within is None else with_concepts(mentions, self.within)

    def that_code(self, mentions: Sequence[Mention]) -> Sequence[Mention]:
        """The mentions whose words name a concept that may be a code, with such concepts alone."""
        return mentions if self.codable is None else with_concepts(mentions, self.codable, named=True)

    @property
    def _reviewed(self) -> bool:
        """Whether people have gone through the wordings of this system."""
        return has_synonyms(self.index.system)

    @cached_property
    def _lexicon(self) -> pl.DataFrame:
        index = self.index
        return lexicon_of(index.system, index.concepts, index.terms) if index.lexicon is None else index.lexicon

    @cached_property
    def book(self) -> CodeBook:
        """The index's hierarchy."""
        index = self.index
        return CodeBook(index.system, index.concepts, index.edges, self._lexicon.select(LEXICON.names()))

    @cached_property
    def speller(self) -> Speller | None:
        """Knows the words of the index's terms; None where it could not tell slips from everyday words."""
        return speller_of(self._wordings["forms"], self.index.terms["term"], reviewed=self._reviewed)

    @cached_property
    def scale(self) -> CosineScale:
        """What cosines are worth; an adapter that judges them was fitted to them as they are."""
        return CosineScale.of(self.index) if self.adapter is None else CosineScale()

    @cached_property
    def names(self) -> NameVectors:
        """What vectors the concepts' names have."""
        return NameVectors.in_index(self.index)

    def lexical(self, texts: Sequence[str], contents: Sequence[Content]) -> list[list[Mention]]:
        """Mentions of every text found by the index's own terms."""
        if self.speller is not None:
            contents = [self.speller.corrected(content) for content in contents]
        found = self.matcher.find_all(texts, contents)
        more = shared_heads(texts, contents, found, self.matcher)
        if not self._reviewed:
            short = defined_short_forms(texts, found, self.matcher)
            more = [[*a, *b] for a, b in zip(more, short, strict=True)]
        return [lexical_mentions([*a, *b], self.matcher, self.book) for a, b in zip(found, more, strict=True)]

    def spot(self, texts: Sequence[str], contents: Sequence[Content]) -> list[Spotted]:
        """The first of two passes over texts: their words, without any vector.

        Args:
            texts: the notes.
            contents: their content words, abbreviations expanded.
        """
        found = self.lexical(texts, contents)
        if not self.index.dim:
            return [Spotted(one, [], {}) for one in found]
        beside = [
            {} if self.adapter else windows_beside(text, content, one, self.book)
            for text, content, one in zip(texts, contents, found, strict=True)
        ]
        return [Spotted(*one) for one in zip(found, self._open(contents, found), beside, strict=True)]

    def link(
        self,
        texts: Sequence[str],
        contents: Sequence[Content],
        spotted: Sequence[Spotted],
        embeddings: Sequence[TokenEmbeddings] | None,
    ) -> list[list[Mention]]:
        """The second pass: mentions of every text, in reading order.

        Args:
            texts: the notes.
            contents: their content words, abbreviations expanded.
            spotted: what the first pass gave.
            embeddings: tokens of the spotted spans at least; None for lexical evidence alone.
        """
        if embeddings is None or not self.index.dim:
            return [one.mentions for one in spotted]
        return self._judged(texts, contents, embeddings, self._with_vectors(embeddings, spotted))

    def _with_vectors(self, embeddings: Sequence[TokenEmbeddings], spotted: Sequence[Spotted]) -> list[list[Mention]]:
        """What the vectors say of the mentions found by words, and of windows that are almost a term."""
        if not spotted:
            return []
        pooled = _Pooled.of(self.mapped(pool_all(embeddings, [one.spans for one in spotted])))
        near = self._near(pooled)
        own = self._cosines(pooled, [concepts for one in spotted for concepts in one.concepts])
        out, first = [], 0
        for one in spotted:
            here = slice(first, first + len(one.spans))
            first = here.stop
            found = TopK(near.scores[here], near.rows[here])
            known = self._verified(one.mentions, own[here], found)
            new = self._accepted(one.windows, found, len(one.mentions))
            out.append(sorted(known + new, key=lambda m: (m.start_char, m.end_char)))
        return out

    def _judged(
        self,
        texts: Sequence[str],
        contents: Sequence[Content],
        embeddings: Sequence[TokenEmbeddings],
        found: list[list[Mention]],
    ) -> list[list[Mention]]:
        """The mentions with the probability that an adapter gives them."""
        if self.adapter is None or self.adapter.judge is None:
            return found
        judge, memory = self.adapter.judge, self.adapter.memory
        return [
            judge.judged(text, content, mentions, memory, self.plain_cosines(tokens, mentions))
            for text, content, tokens, mentions in zip(texts, contents, embeddings, found, strict=True)
        ]

    def plain_cosines(self, tokens: TokenEmbeddings, mentions: Sequence[Mention]) -> list[float]:
        """Cosine of each mention's first concept before any adapting; 0 where the widths differ."""
        if tokens.vectors.shape[1] != self.index.dim:
            return [0.0] * len(mentions)
        vectors = pool(tokens, [(m.start_char, m.end_char) for m in mentions])
        return [own[0] for own in self.cosines(vectors, [[m.candidates[0].concept] for m in mentions])]

    def mapped(self, vectors: Vectors) -> Vectors:
        """Token vectors, or means of them, in the index's space. *Shape:* (n, encoder dim) to (n, index dim)."""
        return vectors if self.adapter is None else self.adapter.mapped(vectors)

    def near(
        self, vectors: Vectors, k: int, *, min_score: float = -np.inf
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest concepts of each vector that score at least ``min_score``: scores and positions, (n, k) both.

        -inf and -1 where there are fewer, and for a zero vector.
        """
        found = self._near(_Pooled.of(vectors), k, min_score)
        concepts = np.where(found.rows >= 0, self.index.row_concept[found.rows], -1)
        return found.scores, concepts

    def _near(self, batch: _Pooled, k: int = NEAREST, min_score: float = -np.inf) -> TopK:
        k = min(k, self.index.concepts.height)
        scores = np.full((batch.n, k), -np.inf, dtype=np.float32)
        rows = np.full((batch.n, k), -1, dtype=np.int64)
        if len(batch.some):
            found = self.index.search(batch.vectors, k, codes=self.within, min_score=min_score)
            scores[batch.some], rows[batch.some] = found
        return TopK(scores, rows)

    def cosines(self, vectors: Vectors, concepts: Sequence[Sequence[int]]) -> list[list[float]]:
        """Cosine between each vector and the best row of each of its concepts; 0 for a zero vector."""
        return self._cosines(_Pooled.of(vectors), concepts)

    def _cosines(self, batch: _Pooled, concepts: Sequence[Sequence[int]]) -> list[list[float]]:
        place = np.full(batch.n, -1, dtype=np.int64)
        place[batch.some] = np.arange(len(batch.some))
        wanted = np.array([concept for one in concepts for concept in one], dtype=np.int64)
        asked = np.repeat(place, [len(one) for one in concepts])
        rows, sizes, first = self.names.rows(wanted, asked >= 0)
        best = np.zeros(len(wanted))
        if len(rows):
            products = self.index.cosines(batch.vectors, np.repeat(asked, sizes), rows)
            best[sizes > 0] = np.maximum.reduceat(products, first[sizes > 0])
        found = iter(best.tolist())
        return [list(islice(found, len(one))) for one in concepts]

    def _verified(self, mentions: Sequence[Mention], own: Sequence[list[float]], near: TopK) -> list[Mention]:
        out = []
        for mention, mine, scores, rows in zip(mentions, own, near.scores, near.rows, strict=False):
            usable = rows >= 0
            concepts = self.index.row_concept[rows[usable]].tolist()
            out.append(with_vectors(mention, scores[usable].tolist(), concepts, mine, scale=self.scale))
        return out

    def _by_vector(self, row: int, score: float) -> Candidate:
        return Candidate(int(self.index.row_concept[row]), score, vector_strength(self.scale(score)), "vector")

    def _open(self, contents: Sequence[Content], found: Sequence[Sequence[Mention]]) -> list[list[tuple[int, int]]]:
        """Windows of every text between its mentions that are almost a term."""
        taken = [Overlaps([(m.start_char, m.end_char) for m in mentions]) for mentions in found]
        return [
            [window for window in windows if not mentions.touching(*window)]
            for windows, mentions in zip(self.matcher.find_near(contents), taken, strict=True)
        ]

    def _accepted(self, windows: Sequence[tuple[int, int]], near: TopK, offset: int) -> list[Mention]:
        """Windows near enough to a term; of overlapping ones the nearest."""
        good = []
        for i, (start, end) in enumerate(windows):
            scores, rows = near.scores[offset + i], near.rows[offset + i]
            if rows[0] < 0 or self.scale(scores[0]) < ACCEPT:
                continue
            kept = [
                self._by_vector(int(row), float(score)) for score, row in zip(scores, rows, strict=True) if row >= 0
            ]
            good.append(Mention(start, end, tuple(kept)))
        good.sort(key=lambda m: (-m.candidates[0].score, m.start_char))
        claims = Claims((m.start_char, m.end_char) for m in good)
        return [mention for mention in good if claims.claim(mention.start_char, mention.end_char) is None]
