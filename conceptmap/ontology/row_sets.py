"""Rows of a sparse matrix as sets of nodes, those that are equal made once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from conceptmap.memory import no_collection

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["row_sets"]


def row_sets(rows: sparse.csr_array, nodes: Sequence[str]) -> NDArray[np.object_]:
    """Each row's nodes as a frozenset; rows with the same single node share one. *Shape:* (n_rows,)."""
    counts = np.diff(rows.indptr)
    sets = np.full(len(counts), frozenset(), dtype=object)
    alone, row_of = np.unique(rows.indices[rows.indptr[:-1][counts == 1]], return_inverse=True)
    singles = np.empty(len(alone), dtype=object)
    singles[:] = [frozenset((nodes[position],)) for position in alone.tolist()]
    sets[counts == 1] = singles[row_of]
    flat, name = rows.indices.tolist(), nodes.__getitem__
    starts = rows.indptr.tolist()
    with no_collection():
        for row in np.flatnonzero(counts > 1).tolist():
            sets[row] = frozenset(map(name, flat[starts[row] : starts[row + 1]]))
    return sets
