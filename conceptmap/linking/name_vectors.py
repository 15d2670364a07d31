"""Vectors of concepts: the mean of what an index holds for their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.linear import unit
from conceptmap.index.index import ConceptIndex
from conceptmap.index.rows import from_stored

__all__ = ["NameVectors"]


@dataclass(frozen=True, eq=False)
class NameVectors:
    """The rows of an index by concept.

    Attributes:
        index: any; one without vectors gives vectors of width 0.
        order: rows sorted by concept. *Shape:* (n_rows,) int64.
        starts: where those of each concept start, one more at the end. *Shape:* (n_concepts + 1,) int64.
    """

    index: ConceptIndex
    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def in_index(cls, index: ConceptIndex) -> NameVectors:
        """Those of an index."""
        order = np.argsort(index.row_concept, kind="stable")
        return cls(index, order, np.searchsorted(index.row_concept[order], np.arange(index.concepts.height + 1)))

    @property
    def dim(self) -> int:
        """Width of a vector; 0 where the index has none."""
        return self.index.dim

    def rows(
        self, concepts: NDArray[np.int64], among: NDArray[np.bool_] | bool = True
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The rows of concepts, one concept after another; how many each has, and where they begin.

        Args:
            concepts: their positions. *Shape:* (n,).
            among: whose rows are wanted; of the others there are none. *Shape:* (n,).
        """
        sizes = np.where(among, self.starts[concepts + 1] - self.starts[concepts], 0)
        first = np.cumsum(sizes) - sizes
        return self.order[np.arange(sizes.sum()) + np.repeat(self.starts[concepts] - first, sizes)], sizes, first

    def of(self, concepts: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """The mean of each concept's unit rows, at length 1; a concept without rows gets a zero row.

        Args:
            concepts: their positions.

        Returns:
            *Shape:* (n, dim) float32.
        """
        asked = np.asarray(concepts, dtype=np.int64)
        out = np.zeros((len(asked), self.dim), dtype=np.float32)
        stored = self.index.vectors
        rows, sizes, first = self.rows(asked)
        if stored is None or not len(rows):
            return out
        found = unit(from_stored(stored[rows], self.index.manifest.dtype))
        out[sizes > 0] = np.add.reduceat(found, first[sizes > 0], axis=0)
        return unit(out)
