"""Search by words: BM25 of the library bm25s over passages or names, and rankings fused by reciprocal rank."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from conceptmap.errors import MissingExtraError

__all__ = ["RANKS", "WordIndex", "fused"]

RANKS = 60.0
"""Added to each rank (Cormack, Clarke and Büttcher, SIGIR 2009)."""
_PATTERN = r"(?u)\b\w[\w-]*\b"
Key = TypeVar("Key", bound=Hashable)


class WordIndex:
    """BM25 over texts, made when it is first asked."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = texts

    def scores(self, query: str) -> NDArray[np.float32]:
        """BM25 of every text; 0 where it has no word of the query. *Shape:* (n_texts,) float32.

        Raises:
            MissingExtraError: bm25s is not installed.
        """
        n_texts, retriever = self._retriever
        import bm25s

        (asked,) = bm25s.tokenize(
            [query], token_pattern=_PATTERN, stopwords="en", return_ids=False, show_progress=False
        )
        known = [word for word in asked if word in retriever.vocab_dict] if retriever is not None else []
        if not known:
            return np.zeros(n_texts, dtype=np.float32)
        return np.asarray(retriever.get_scores(known), dtype=np.float32)

    @cached_property
    def _retriever(self) -> tuple[int, Any]:
        try:
            import bm25s
        except ImportError:
            raise MissingExtraError("bm25s", extra="retrieval", purpose="search by words") from None
        texts = list(self._texts)
        words = bm25s.tokenize(texts, token_pattern=_PATTERN, stopwords="en", show_progress=False)
        if not len(words.vocab):
            return len(texts), None
        retriever = bm25s.BM25()
        retriever.index(words, show_progress=False)
        return len(texts), retriever


def fused(rankings: Sequence[Sequence[Key]]) -> dict[Key, float]:
    """Sum over rankings of one by (60 + rank), best first; equal ones in the order in which they come.

    >>> {key: round(score, 4) for key, score in fused([["a", "b"], ["b", "c"]]).items()}
    {'b': 0.0325, 'a': 0.0164, 'c': 0.0161}
    """
    sums: dict[Key, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, 1):
            sums[key] = sums.get(key, 0.0) + 1 / (RANKS + rank)
    return dict(sorted(sums.items(), key=lambda entry: -entry[1]))
