"""LikelihoodHead: how likely coders report a concept where a note mentions it, by the mention's vector in its context.

Notes are coded, mentions are not: some mention of a code is the reason that it was given (multiple-instance learning;
O. Maron and T. Lozano-Pérez, 1998). So the odds that each mention gives a code are added up (log-sum-exp).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from conceptmap.learned.features import Possible

if TYPE_CHECKING:
    from conceptmap.learned.mention_vectors import MentionVectors
    from conceptmap.learned.note_facts import FoundCode

__all__ = ["LIKELIHOOD", "CodeMentions", "LikelihoodHead", "pairs_of", "summed_odds"]

LIKELIHOOD: Final = {"likelihood": "how such mentions were coded (vectors)"}
"""Name of the number that it gives, and what it says: a column behind those of ``features.FEATURES``."""


@dataclass(frozen=True, slots=True)
class CodeMentions:
    """The possible codes of a note with the mentions that lead to each.

    Attributes:
        place: of each pair's code, rising. *Shape:* (n_pairs,) int64.
        mention: number of its mention. *Shape:* (n_pairs,) int64.
    """

    place: NDArray[np.int64]
    mention: NDArray[np.int64]


def pairs_of(found: Sequence[FoundCode | None]) -> CodeMentions:
    """The pairs of a note's possible codes and its mentions."""
    both = [(at, number) for at, its in enumerate(found) if its is not None for number in its.code.evidence]
    return CodeMentions(*np.array(both, dtype=np.int64).reshape(-1, 2).T)


def summed_odds(logits: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Logarithm of the sum of odds of each code's mentions.

    Args:
        logits: of pairs, those of a code together. *Shape:* (n_pairs,).
        starts: where the pairs of each code start; none is empty. *Shape:* (n_codes,) int64.

    Returns:
        *Shape:* (n_codes,).

    >>> summed_odds(np.log([1.0, 2.0, 5.0]), np.array([0, 2])).round(6).tolist() == np.log([3.0, 5.0]).round(6).tolist()
    True
    """
    return np.asarray(np.logaddexp.reduceat(logits, starts), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class LikelihoodHead:
    """A linear function of a mention's vector, its concept's, their product number by number, and their cosine.

    Attributes:
        mention: weights of the mention's unit vector. *Shape:* (dim,) float32.
        name: of the concept's; none where the index has no vectors. *Shape:* (name_dim,) float32.
        product: of the product; none where the widths differ. *Shape:* (dim,) or (0,) float32.
        rest: weight of the cosine, and the intercept. *Shape:* (2,) float32.
    """

    mention: NDArray[np.float32]
    name: NDArray[np.float32]
    product: NDArray[np.float32]
    rest: NDArray[np.float32]

    @property
    def content(self) -> bytes:
        """All that it is, for a digest."""
        parts = (self.mention, self.name, self.product, self.rest)
        return b"".join(len(part).to_bytes(4, "little") + part.astype("<f4").tobytes() for part in parts)

    def column(self, found: Sequence[FoundCode | None], vectors: MentionVectors) -> NDArray[np.float64]:
        """Logits of each possible code by its mentions; 0 where none leads to it.

        Args:
            found: what mentions say of each possible code.
            vectors: of the note's mentions.

        Returns:
            *Shape:* (n,).
        """
        out, pairs = np.zeros(len(found)), pairs_of(found)
        if not len(pairs.place):
            return out
        codes, starts, name_of = np.unique(pairs.place, return_index=True, return_inverse=True)
        names = vectors.names.of([its.concept for at in codes.tolist() if (its := found[at]) is not None])
        out[codes] = summed_odds(self._logits(vectors.unit.astype(np.float32), names, pairs.mention, name_of), starts)
        return out

    def _logits(
        self,
        mentions: NDArray[np.float32],
        names: NDArray[np.float32],
        mention: NDArray[np.int64],
        name: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Of pairs of a mention and a name, by their numbers. *Shape:* (n_pairs,)."""
        alone = (mentions @ self.mention)[mention] + (names @ self.name)[name] + self.rest[1]
        if not len(self.product):
            return np.asarray(alone, dtype=np.float64)
        product = mentions[mention] * names[name]
        return np.asarray(alone + product @ self.product + self.rest[0] * product.sum(axis=1), dtype=np.float64)

    def added(self, possible: Possible, vectors: MentionVectors) -> Possible:
        """The possible codes of a note with one more number each."""
        column = self.column(possible.found, vectors)
        return replace(possible, rows=np.column_stack([possible.rows, column]))

    def fits(self, dim: int, name_dim: int) -> bool:
        """Whether it is for vectors of these widths, those of mentions and those of names."""
        both = dim if dim == name_dim else 0
        sizes = [part.shape for part in (self.mention, self.name, self.product, self.rest)]
        return sizes == [(dim,), (name_dim,), (both,), (2,)]
