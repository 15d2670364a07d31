"""Relatives: the codes beside, above and below those that mentions lead to, and how far each code is from these.

A coder who reads "pneumonia" may give another code of the same category. Which ones are possible is told by what coders
gave in that category, and by the hierarchy; how probable each is, by how it stands to the codes that mentions lead to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conceptmap.learned.associations import Associations
from conceptmap.learned.note_facts import FACTS, FoundCode
from conceptmap.ontology.codebook import CodeBook

__all__ = ["MOST_RELATIVES", "RELATIVES", "related_codes", "relations"]

RELATIVES: Final = {
    "relative": "how probable the best other code of its category is, of those that mentions lead to",
    "sibling": "how probable its best sibling is, of those that mentions lead to",
    "parent": "mentions lead to its parent",
    "child": "mentions lead to a code below it",
}
"""Name of each number that tells how a code stands to those that mentions lead to, and what it says."""
MOST_RELATIVES: Final = 80
"""Codes of a note, at most, that are possible only for their relatives."""
_MOST_OF_CATEGORY: Final = 8
_NONE: Final = -8.0
"""Logit where there is no such relative."""
_GENERIC: Final = [*FACTS].index("generic")


def related_codes(found: Sequence[FoundCode], known: Associations, book: CodeBook) -> list[str]:
    """Codes that are possible because mentions lead to a relative: first those of its category that coders gave.

    Args:
        found: the codes that mentions lead to, best first; none of them is answered.
        known: of training notes.
        book: of the index.

    Returns:
        The most given of each category, then the parents, no higher than a category.
    """
    named = {one.name for one in found}
    concepts = np.array([one.concept for one in found], dtype=np.int64)
    shelves, given = book.shelf[concepts], _given_of_shelf(known, book)
    beside = chain.from_iterable(given.get(shelf, ()) for shelf in dict.fromkeys(shelves.tolist()))
    above = (book.codes[at] for at in book.first_parent[concepts[concepts != shelves]].tolist() if at >= 0)
    return [*islice(_once(chain(beside, above), named), MOST_RELATIVES)]


def _once(codes: Iterable[str], named: Collection[str]) -> Iterator[str]:
    return (code for code in dict.fromkeys(codes) if code and code not in named)


def _given_of_shelf(known: Associations, book: CodeBook) -> dict[int, list[str]]:
    """The codes that coders gave most, by category."""
    if not known.of_shelf:
        given = [code for code in known.codes if known.record(code).given and code in book.position_of_code]
        given.sort(key=lambda code: -known.record(code).given)
        for code in given:
            here = known.of_shelf.setdefault(int(book.shelf[book.position_of_code[code]]), [])
            if len(here) < _MOST_OF_CATEGORY:
                here.append(code)
    return known.of_shelf


def relations(
    concepts: Sequence[int], found: Sequence[FoundCode], book: CodeBook
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How codes stand to those that mentions lead to.

    Args:
        concepts: positions of the codes.
        found: the codes that mentions lead to.
        book: of the index.

    Returns:
        A number for each of ``RELATIVES``, *shape* (n, 4), and the place in ``found`` of each code's most probable
        relative, or -1, *shape* (n,).
    """
    if not found:
        return np.full((len(concepts), len(RELATIVES)), _NONE), np.full(len(concepts), -1)
    own, theirs = np.array(concepts, dtype=np.int64)[:, None], np.array([one.concept for one in found])
    sure = np.array([one.facts[_GENERIC] for one in found]).clip(_NONE / 2, -_NONE)
    parent, their_parent, other = book.first_parent[own], book.first_parent[theirs], own != theirs
    beside = (parent == their_parent) & (parent >= 0) & other
    kinds = beside, parent == theirs, own == their_parent
    near = (book.shelf[own] == book.shelf[theirs]) & other
    best = [np.where(kind, sure, _NONE) for kind in (np.logical_or.reduce((near, *kinds)), *kinds)]
    rows = np.stack([numbers.max(axis=1) for numbers in best], axis=1)
    return rows, np.where(rows[:, 0] > _NONE, best[0].argmax(axis=1), -1)
