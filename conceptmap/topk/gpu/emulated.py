"""What kernels.cu and the tensor cores compute, in numpy: the slow twin that runs anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_float32", "dots", "product", "reach", "tighten"]


def as_float32(values: NDArray[Any], kind: str) -> NDArray[np.float32]:
    """Stored values as numbers; bfloat16 comes as its bits."""
    if kind == "bfloat16":
        return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return values.astype(np.float32)


def product(block: NDArray[Any], queries: NDArray[Any], kind: str, tile: NDArray[np.float32]) -> None:
    """Products of all queries with a block of rows, into the first columns of ``tile``. *Shape:* (n, at least n_rows).

    Args:
        block: *Shape:* (n_rows, dim), of this kind.
        queries: *Shape:* (n, dim), of this kind.
        kind: "float16" or "bfloat16".
        tile: filled.
    """
    np.matmul(as_float32(queries, kind), as_float32(block, kind).T, out=tile[: len(queries), : len(block)])


def reach(
    tile: NDArray[np.float32],
    n_rows: int,
    first_row: int,
    inverse: NDArray[np.float32],
    threshold: NDArray[np.float32],
    lists: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]],
) -> None:
    """Put rows of a tile that reach their query's threshold on the lists (how many, rows, approximations)."""
    count, row, approx = lists
    room = row.shape[1]
    scores = tile[: len(count), :n_rows] * inverse[first_row : first_row + n_rows]
    with np.errstate(invalid="ignore"):
        hits = scores >= threshold[:, None]
    for query in np.flatnonzero(hits.any(axis=1)):
        found = np.flatnonzero(hits[query])
        start = int(count[query])
        count[query] += len(found)
        kept = found[: max(0, room - start)]
        row[query, start : start + len(kept)] = first_row + kept
        approx[query, start : start + len(kept)] = scores[query, kept]


def tighten(
    lists: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]],
    threshold: NDArray[np.float32],
    margin: NDArray[np.float32],
    group: NDArray[np.int64] | None,
    k: int,
    spilled: NDArray[np.int32],
) -> None:
    """Raise thresholds to the k-th best of the lists (of different groups) less the margin; drop what lies below."""
    count, row, approx = lists
    room = row.shape[1]
    for query in range(len(count)):
        spilled[query] |= int(count[query] > room)
        n = min(int(count[query]), room)
        order = np.lexsort((row[query, :n], -approx[query, :n]))
        if group is not None:
            order = order[np.sort(np.unique(group[row[query, order]], return_index=True)[1])]
        if len(order) >= k:
            threshold[query] = max(threshold[query], approx[query, order[k - 1]] - margin[query])
        kept = np.flatnonzero(approx[query, :n] >= threshold[query])
        count[query] = len(kept)
        row[query, : len(kept)], approx[query, : len(kept)] = row[query, kept], approx[query, kept]


def dots(
    queries: NDArray[np.float32], stored: NDArray[Any], kind: str, query: NDArray[np.int64], row: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Products of pairs in float64. *Shape:* (n_pairs,)."""
    right = as_float32(stored[row], kind).astype(np.float64)
    products: NDArray[np.float64] = np.einsum("ij,ij->i", queries[query].astype(np.float64), right)
    return products
