"""Concept names by meaning and by words: the same verbs as for notes, over the terms of the loaded indexes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from conceptmap.errors import InputError
from conceptmap.frames import frame_of
from conceptmap.retrieval.words import WordIndex, fused

if TYPE_CHECKING:
    from conceptmap.encoders import TokenEncoder
    from conceptmap.index.index import ConceptIndex

__all__ = ["NAMES", "NameSearch"]

NAMES = pl.Schema(
    {
        "rank": pl.Int64,
        "system": pl.String,
        "code": pl.String,
        "name": pl.String,
        "term": pl.String,
        "score": pl.Float64,
        "words": pl.Float64,
        "fused": pl.Float64,
    }
)
"""A row per concept: ``term``, that of its terms which was found, its cosine and its BM25, and both ranks fused."""
POOL = 100
"""Concepts that each way proposes."""


class NameSearch:
    """The terms of concept indexes, searched by vectors, by BM25, or by both."""

    def __init__(self, indexes: Sequence[ConceptIndex], encoder: TokenEncoder | None) -> None:
        """Of loaded indexes and the encoder that made their vectors; None for words alone."""
        self.indexes = tuple(indexes)
        self.encoder = encoder

    def search(self, query: str, k: int = 10, *, by: str = "both") -> pl.DataFrame:
        """The k concepts with the term that answers a query best.

        Args:
            query: words.
            k: at least 1.
            by: ``vectors`` (cosine of the encoder's term vectors), ``words`` (BM25), or ``both``, fused by reciprocal
                rank.

        Returns:
            Schema ``NAMES``, best first.

        Raises:
            InputError: nothing to look for, k below 1, an unknown way, or vectors without an encoder.
        """
        if k < 1 or not query.strip() or by not in ("vectors", "words", "both"):
            raise InputError("there is nothing to look for, or no such way", expected="words; vectors, words or both")
        if by != "words" and self.encoder is None:
            raise InputError("search by vectors needs an encoder", then="load one, or search by words")
        near = self._near(query, max(k, POOL)) if by != "words" else {}
        worded = self._worded(query, max(k, POOL)) if by != "vectors" else {}
        rows = []
        for rank, (key, score) in enumerate(list(fused([list(near), list(worded)]).items())[:k], 1):
            at, concept = key
            code, name = self.indexes[at].concepts.select("code", "name").row(concept)
            term = near[key][1] if key in near else worded[key][1]
            cosine, bm25 = near.get(key, (None, ""))[0], worded.get(key, (None, ""))[0]
            both = score if by == "both" else None
            rows.append((rank, self.indexes[at].system, code, name, term, cosine, bm25, both))
        return frame_of(rows, NAMES)

    def _near(self, query: str, k: int) -> dict[tuple[int, int], tuple[float, str]]:
        """Concepts by their best cosine, with the term that has it."""
        assert self.encoder is not None
        vector = self.encoder.terms([query])
        found = []
        for at, index in enumerate(self.indexes):
            scores, rows = index.search(vector, k)
            terms = index.terms.filter(pl.col("row").is_not_null()).sort("row")["term"]
            pairs = zip(scores[0].tolist(), rows[0].tolist(), strict=True)
            found += [(score, (at, int(index.row_concept[row])), terms[row]) for score, row in pairs if row >= 0]
        return {key: (score, term) for score, key, term in sorted(found, key=lambda one: -one[0])[:k]}

    def _worded(self, query: str, k: int) -> dict[tuple[int, int], tuple[float, str]]:
        """Concepts by their best BM25, with the term that has it."""
        scores = self._words.scores(query)
        best: dict[tuple[int, int], tuple[float, str]] = {}
        for place in np.argsort(-scores, kind="stable"):
            if scores[place] <= 0 or len(best) == k:
                break
            at, concept, term = self._terms[int(place)]
            best.setdefault((at, concept), (float(scores[place]), term))
        return best

    @cached_property
    def _terms(self) -> list[tuple[int, int, str]]:
        found = []
        for at, index in enumerate(self.indexes):
            places = index.concepts.select("node", concept=pl.int_range(pl.len()))
            joined = index.terms.select("node", "term").join(places, on="node", how="inner", maintain_order="left")
            found += [(at, concept, term) for concept, term in joined.select("concept", "term").iter_rows()]
        return found

    @cached_property
    def _words(self) -> WordIndex:
        return WordIndex(term for _, _, term in self._terms)
