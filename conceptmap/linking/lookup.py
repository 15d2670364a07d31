"""Look-up of codes for people: what they type against names and synonyms, by words and by vectors.

Words are compared as they are typed, and once more as the matcher compares them, with short forms spelt out and word
classes folded: "heart attack" is myocardial infarction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.linking.linker import Linker
from conceptmap.matching.content import content_words
from conceptmap.matching.short_forms import expander
from conceptmap.ontology.search import found_by_words

__all__ = ["lookup_rows"]

NEAR = 50
"""Concepts that each of the two ways proposes."""


def lookup_rows(linker: Linker, query: str, vector: NDArray[np.float32] | None, k: int) -> Iterator[tuple[Any, ...]]:
    """Rows of ``frames.LOOKED_UP``: the k concepts of one index that a query means most likely.

    Args:
        linker: the index.
        query: words in any order, or a code.
        vector: of the query as a term. *Shape:* (1, dim) float32; None for words alone.
        k: most concepts.
    """
    book, shares = linker.book, _shares(linker, query)
    cosines: dict[int, float] = {}
    if vector is not None and vector.shape[1] == linker.index.dim:
        _, near = linker.near(vector, NEAR)
        proposed = [*shares, *(concept for concept in near[0].tolist() if concept >= 0 and concept not in shares)]
        cosines = dict(zip(proposed, linker.cosines(vector, [proposed])[0], strict=True))
    sure = {
        concept: share if not cosines else (share + max(0.0, cosines[concept])) / 2
        for concept, share in ((one, shares.get(one, (0.0, ""))[0]) for one in {**shares, **cosines})
        if linker.within is None or linker.within[concept]
    }
    for concept in sorted(sure, key=lambda one: (-sure[one], one))[:k]:
        share, term = shares.get(concept, (0.0, book.names[concept]))
        evidence = "vector" if not share else "both" if concept in cosines else "lexical"
        named = (book.codes[concept], book.names[concept], term, sure[concept], cosines.get(concept), evidence)
        way = " › ".join(f"{book.codes[at]} {book.names[at]}" for at in book.path(concept))
        yield (*named, book.billable[concept], linker.index.system, way)


def _shares(linker: Linker, query: str) -> dict[int, tuple[float, str]]:
    """For the concepts that words propose the share of words in common and the term that has them, the best first."""
    book = linker.book
    if (code := _code(query, book.position_of_code)) is not None:
        return {code: (1.0, book.codes[code])}
    found = found_by_words(linker.index.terms, query).head(NEAR)
    shares = {book.position[node]: (share, term) for node, term, share in found.iter_rows()}
    forms = " ".join(content_words(query, expander(query)).form)
    wordings = linker.matcher.lexicon.select(node=pl.col("concept").cast(pl.String), term="forms")
    for node, _, share in found_by_words(wordings, forms).head(NEAR).iter_rows():
        if share > shares.get(int(node), (0.0, ""))[0]:
            shares[int(node)] = (share, book.names[int(node)])
    return shares


def _code(query: str, positions: dict[str, int]) -> int | None:
    """The concept whose code is typed, its point and capitals forgiven."""
    bare = "".join(query.split()).upper()
    for spelling in (query.strip(), bare, f"{bare[:3]}.{bare[3:]}"):
        if spelling in positions:
            return positions[spelling]
    return None
