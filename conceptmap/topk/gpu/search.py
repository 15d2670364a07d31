"""Exact top-k on a device: products in tensor cores, a running threshold, float64 for what is left.

The argument is that of `conceptmap.topk.cpu`, with another bound. Queries are unit vectors in float64, rounded to 16
bits; by how much is measured. Rows are multiplied as they are stored, or as float16 unit rows whose greatest rounding
was measured. Products of 16-bit values are exact in float32. Tensor cores add in an order, and with a rounding, that
is not documented: truncation after each addition, with no guard bits, errs by less than 2**-22 of the sum so far, so
that a sum of dim terms errs by at most g = dim * 2**-22 / (1 - dim * 2**-22) times the product of the norms, which
is at most 1 + 2**-8. The inverse norm and its product add 3 * 2**-24. Elements below float16's normal range are taken
to count in full, as they do in NVIDIA's. So |approximation - cosine| <= e, with e as in `_bound`, and a row may be
dropped once its approximation lies 2 e + STEP below the k-th best of different rows (or groups).

A query whose list ran over is searched again from the threshold that it reached, and if it runs over once more (rows
equal by the thousand) it is searched by the processor. Every rescored pair is checked against the bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.errors import ConceptMapError, InputError
from conceptmap.memory import halved
from conceptmap.topk import cpu
from conceptmap.topk.exact import UNIT64, summed_exactly
from conceptmap.topk.gpu.kit import Array, Module

if TYPE_CHECKING:
    from conceptmap.topk.gpu.rows import DeviceRows

__all__ = ["asked_of", "cosines", "one_pass", "rescored", "tiles", "topk"]

QUERIES_AT_ONCE = 2048
"""Fewer where the memory that is left does not hold their scores, lists and float64 copies; halved if it runs out."""
ROWS_AT_ONCE = 4096
"""A tile of 2,048 by 4,096 scores takes 32 MiB: it stays in the second-level cache of a large device."""
STREAMED_AT_ONCE = 1 << 16
FIRST_ROWS = 256
ROOM = 1024
"""Rows on a query's list, at most."""
STEP = 2.0**-22
TIGHTEN_FIRST = 6
"""The first tiles are followed by a tightening each, later ones when as many have passed again as before."""

Found: TypeAlias = tuple[NDArray[np.float32], NDArray[np.int64]]
Mask: TypeAlias = NDArray[np.bool_] | None
Groups: TypeAlias = NDArray[np.integer[Any]] | None


@dataclass(frozen=True, slots=True)
class DeviceQueries:
    """One batch of queries on the device.

    Attributes:
        queries: *Shape:* (n, dim) float32.
        norms: *Shape:* (n,) float64.
        factors: unit queries in 16 bits. *Shape:* (n, dim).
        error: e above. *Shape:* (n,) float32.
        k: answers wanted.
        groups: *Shape:* (n_rows,) int64, or None.
        inverse: what makes a product a cosine, NaN for rows that may not answer. *Shape:* (n_rows,) float32.
    """

    queries: Array
    norms: Array
    factors: Array
    error: Array
    k: int
    groups: Array | None
    inverse: Array


def topk(
    queries: Array,
    rows: DeviceRows | tuple[DeviceRows, ...],
    k: int,
    *,
    mask: NDArray[np.bool_] | None = None,
    groups: NDArray[np.integer[Any]] | None = None,
    min_score: float = -math.inf,
) -> Found:
    """The k best rows of each query, as `conceptmap.topk.topk` answers, bit for bit.

    Args:
        queries: *Shape:* (n, dim); numpy's, the device's, or anything that speaks DLPack.
        rows: on one device, or shards of one matrix on several, which then work side by side.
        k: answers for each.
        mask: rows that may answer. *Shape:* (n_rows,) bool.
        groups: a group for every row. *Shape:* (n_rows,) integer.
        min_score: only rows that score at least this answer.

    Raises:
        InputError: as `conceptmap.topk.topk`.
    """
    parts = rows if isinstance(rows, tuple) else (rows,)
    cpu.check_options(parts[0].prepared.n_rows, k, mask=mask, groups=groups)
    least = np.float32(min_score)
    if len(parts) == 1:
        return _on_one(queries, parts[0], k, (mask, groups), least)
    _settle(queries)
    with ThreadPoolExecutor(len(parts)) as devices:
        found = list(devices.map(lambda part: _on_one(queries, part, k, (mask, groups), least), parts))
    rows_of = [np.where(at >= 0, at + part.first, -1) for part, (_, at) in zip(parts, found, strict=True)]
    scores, at = np.concatenate([s for s, _ in found], axis=1), np.concatenate(rows_of, axis=1)
    return _merged(scores, at, k, groups)


def cosines(
    queries: Array, rows: tuple[DeviceRows, ...], query: NDArray[np.int64], row: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Cosine of each pair (query, row), as `conceptmap.topk.cosines` answers, bit for bit.

    Args:
        queries: *Shape:* (n, dim); numpy's, the device's, or anything that speaks DLPack.
        rows: on one device, or shards.
        query: *Shape:* (n_pairs,).
        row: *Shape:* (n_pairs,).

    Raises:
        InputError: as `topk`.
    """
    scores = np.zeros(len(row), dtype=np.float32)
    _settle(queries)
    for part in rows:
        here = np.flatnonzero((row >= part.first) & (row < part.first + part.n_rows))
        if not len(here):
            continue
        with part.kit.here():
            xp = part.kit.xp
            asked = part.kit.adopt(queries)
            norms = _norms(asked, part)
            pairs = xp.asarray(query[here]), xp.asarray(row[here] - part.first)
            scores[here] = part.kit.to_host(_exactly(asked, norms, part, *pairs).astype(np.float32))
    return scores


def _settle(queries: Array) -> None:
    """Have a tensor's values ready before other threads, with other streams, read them."""
    if isinstance(queries, torch.Tensor) and queries.device.type == "cuda":
        torch.cuda.current_stream(queries.device).synchronize()


def _merged(scores: NDArray[np.float32], rows: NDArray[np.int64], k: int, groups: Groups) -> Found:
    """The best k of several answers, each the best of its shard; a group once."""
    n, width = rows.shape
    query = np.repeat(np.arange(n), width)
    kept = rows.ravel() >= 0
    return _ranked(np, query[kept], rows.ravel()[kept], scores.ravel()[kept], n, k, groups)


def _on_one(queries: Array, rows: DeviceRows, k: int, limits: tuple[Mask, Groups], least: np.float32) -> Found:
    """One device's answers, rows counted from its first; the limits (mask and groups) are those of all rows."""
    mask, groups = limits
    own = slice(rows.first, rows.first + rows.n_rows)
    some, grouped = None if mask is None else mask[own], None if groups is None else groups[own]
    kit, xp = rows.kit, rows.kit.xp
    with kit.here():
        asked = kit.adopt(queries)
        norms = _norms(asked, rows)
        scores = np.full((len(asked), k), -np.inf, dtype=np.float32)
        found = np.full((len(asked), k), -1, dtype=np.int64)
        inverse, group = rows.inverse, None if groups is None else rows.sent.of(groups, own, xp)
        if some is not None:
            inverse = xp.where(xp.asarray(some), inverse, np.float32(np.nan))

        def work(part: slice) -> Found:
            batch = asked_of(asked[part], norms[part], rows, k, group, inverse)
            return _search(batch, rows, least, some, grouped)

        for part, best in halved(work, len(asked), at_once=_at_once(rows), release=kit.release):
            scores[part], found[part] = best
    return cpu.without_lower(scores, found, float(least))


def _at_once(rows: DeviceRows) -> int:
    """Queries that half of the memory left has room for: a tile's scores, lists, float64 and 16-bit copies."""
    each = 4 * ROWS_AT_ONCE + 32 * ROOM + 40 * rows.dim
    return max(1, min(QUERIES_AT_ONCE, rows.kit.free_bytes() // 2 // each))


def _norms(asked: Array, rows: DeviceRows) -> Array:
    """Norms of the queries, in float64. *Shape:* (n,)."""
    shape, xp = tuple(asked.shape), rows.kit.xp
    if asked.ndim != 2 or shape[1] != rows.dim:
        raise InputError("queries do not fit", got=f"shape {shape}", expected=f"(n, {rows.dim})")
    norms = xp.zeros(len(asked), np.float64)
    for start in range(0, len(asked), QUERIES_AT_ONCE):
        wide = asked[start : start + QUERIES_AT_ONCE].astype(np.float64)
        norms[start : start + QUERIES_AT_ONCE] = xp.sqrt((wide * wide).sum(axis=1))
    bad = rows.kit.to_host(~(xp.isfinite(norms) & (norms > 0)))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        fault = "is a zero vector" if float(norms[row]) == 0 else "holds NaN or infinity"
        raise InputError(f"query row {row} {fault}, so that it has no cosine", then=f"{bad.sum()} of {len(bad)} are so")
    return norms


def asked_of(
    queries: Array, norms: Array, rows: DeviceRows, k: int, groups: Array | None, inverse: Array
) -> DeviceQueries:
    """A batch as the device multiplies it, with the bound on its error."""
    xp = rows.kit.xp
    unit = queries.astype(np.float64) / norms[:, None]
    if rows.factor_kind == "float16":
        factors = unit.astype(np.float16)
        back = factors.astype(np.float64)
    else:
        factors = _bfloat16_bits(unit)
        back = (factors.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    moved = xp.sqrt(xp.square(unit - back).sum(axis=1))
    error = _bound(rows.dim, moved, rows.moved).astype(np.float32)
    return DeviceQueries(queries, norms, factors, error, k, groups, inverse)


def _bfloat16_bits(unit: Array) -> Array:
    """Rounded to bfloat16 by adding half a step to float32's bits; ties may go either way, since it is measured."""
    bits = unit.astype(np.float32).view(np.uint32)
    return ((bits + np.uint32(0x8000)) >> np.uint32(16)).astype(np.uint16)


def _bound(dim: int, moved: Array, row_moved: float) -> Array:
    """The bound e on the error of an approximation, see above. *Shape:* as ``moved``."""
    terms = dim * 2.0**-22
    inputs = moved + row_moved + moved * row_moved
    return (inputs + (1 + 2.0**-8) * terms / (1 - terms) + 3 * 2.0**-24) * (1 + 2.0**-16) + dim * 2.0**-125


def _search(asked: DeviceQueries, rows: DeviceRows, least: np.float32, mask: Mask, groups: Groups) -> Found:
    """One batch's answers; some that score less than the least may be among them."""
    kit, xp, n = rows.kit, rows.kit.xp, len(asked.queries)
    threshold = xp.full(n, least, dtype=np.float32) - asked.error - np.float32(STEP)
    margin = 2 * asked.error + np.float32(STEP)
    lists, spilled = one_pass(asked, rows, threshold, margin)
    again = kit.to_host(spilled).astype(bool)
    by_processor = np.zeros(n, dtype=bool)
    if again.any():
        lists, spilled = one_pass(asked, rows, threshold, margin)
        by_processor = kit.to_host(spilled).astype(bool)
    query, row, score = rescored(asked, rows, lists)
    scores, found = _ranked(xp, query, row, score, n, asked.k, asked.groups, kit.to_host)
    if by_processor.any():
        some = np.flatnonzero(by_processor)
        host = kit.to_host(asked.queries)[some]
        scores[some], found[some] = _by_processor(host, rows, asked.k, mask, groups)
    return scores, found


def _by_processor(queries: NDArray[np.float32], rows: DeviceRows, k: int, mask: Mask, groups: Groups) -> Found:
    part = rows.prepared.part(slice(rows.first, rows.first + rows.n_rows))
    return cpu.topk(queries, part, k, mask=mask, groups=groups)


def one_pass(asked: DeviceQueries, rows: DeviceRows, threshold: Array, margin: Array) -> tuple[Any, Array]:
    """One reading of the rows: lists of all that may answer, and whose list ran over. Raises ``threshold`` in place."""
    kit, xp, n = rows.kit, rows.kit.xp, len(asked.queries)
    lists = (xp.zeros(n, np.int32), xp.zeros((n, ROOM), np.int64), xp.zeros((n, ROOM), np.float32))
    spilled, tile = xp.zeros(n, np.int32), xp.empty((n, ROWS_AT_ONCE), np.float32)
    due = 0
    for done, (start, stop, block) in enumerate(tiles(rows), 1):
        kit.product(block, asked.factors, rows.factor_kind, tile)
        kit.reach(tile, stop - start, start, asked.inverse, threshold, lists)
        if done <= TIGHTEN_FIRST or done >= due:
            kit.tighten(lists, threshold, margin, asked.groups, asked.k, spilled)
            due = 2 * done
    kit.tighten(lists, threshold, margin, asked.groups, asked.k, spilled)
    return lists, spilled


def tiles(rows: DeviceRows) -> Iterator[tuple[int, int, Array]]:
    """(first row, one past the last, values), on the device: a few rows first, then ever more."""
    if rows.resident:
        edges = _edges(rows.n_rows)
        yield from ((a, b, rows.factors[a:b]) for a, b in pairwise(edges))
        return
    large = [*range(0, rows.n_rows, STREAMED_AT_ONCE), rows.n_rows]
    for start, _, block in rows.kit.stream(rows.factors, large):
        edges = _edges(len(block)) if start == 0 else [*range(0, len(block), ROWS_AT_ONCE), len(block)]
        yield from ((start + a, start + b, block[a:b]) for a, b in pairwise(edges))


def _edges(n_rows: int) -> list[int]:
    edges, size = [0], FIRST_ROWS
    while edges[-1] < n_rows:
        edges.append(min(n_rows, edges[-1] + size))
        size = min(ROWS_AT_ONCE, 2 * size)
    return edges


def rescored(asked: DeviceQueries, rows: DeviceRows, lists: Array) -> tuple[Array, Array, Array]:
    """What is on the lists, with final scores: query, row, float32 score."""
    xp = rows.kit.xp
    count, row_of, approx_of = lists
    query, slot = xp.nonzero(xp.arange(ROOM)[None, :] < count[:, None])
    row, approx = row_of[query, slot], approx_of[query, slot]
    scores = _exactly(asked.queries, asked.norms, rows, query, row)
    excess = xp.abs(scores - approx) - asked.error[query]
    if len(query) and float(excess.max()) > STEP:
        raise ConceptMapError(
            "the matrix product of this device errs by more than its proved bound",
            got=f"an excess of {float(excess.max()):.2e}",
            then="report the device, its driver and the version of CuPy",
        )
    return query, row, scores.astype(np.float32)


def _exactly(queries: Array, norms: Array, rows: DeviceRows, query: Array, row: Array) -> Array:
    """Cosines in float64 that round to float32 as the exact ones do. *Shape:* (n_pairs,)."""
    kit, xp = rows.kit, rows.kit.xp
    scores = _dots(queries, rows, query, row) / (norms[query] * rows.norms[row])
    slack = (2 * rows.dim + 16) * UNIT64
    unsure = kit.to_host(xp.nonzero((scores - slack).astype(np.float32) != (scores + slack).astype(np.float32))[0])
    for pair in unsure.tolist():
        at, left = int(row[pair]) + rows.first, kit.to_host(queries[int(query[pair])])
        scores[pair] = summed_exactly(torch.from_numpy(np.array(left)), rows.prepared.stored[at])
    return scores


def _dots(queries: Array, rows: DeviceRows, query: Array, row: Array) -> Array:
    """Float64 products, on the device; of rows that are not there, those few are sent."""
    if rows.resident:
        return rows.kit.dots(queries, rows.stored, rows.kind, query, row)
    xp = rows.kit.xp
    needed, place = np.unique(rows.kit.to_host(row), return_inverse=True)
    sent = xp.asarray(np.ascontiguousarray(rows.stored[needed]))
    return rows.kit.dots(queries, sent, rows.kind, query, xp.asarray(place.astype(np.int64)))


def _ranked(
    xp: Module,
    query: Array,
    row: Array,
    score: Array,
    n: int,
    k: int,
    groups: Array | None,
    to_host: Callable[[Array], Any] = np.asarray,
) -> Found:
    """The k best pairs of every query by (-score, row), one a group."""
    scores, rows = xp.full((n, k), -np.inf, dtype=np.float32), xp.full((n, k), -1, dtype=np.int64)
    if not len(query):
        return to_host(scores), to_host(rows)
    order = xp.lexsort(xp.stack([row.astype(np.float64), -score.astype(np.float64), query.astype(np.float64)]))
    query, row, score = query[order], row[order], score[order]
    if groups is not None:
        group = groups[row]
        place = xp.arange(len(row))
        by_group = xp.lexsort(xp.stack([place, group, query]))
        first = xp.ones(len(row), dtype=bool)
        same = (query[by_group][1:] == query[by_group][:-1]) & (group[by_group][1:] == group[by_group][:-1])
        first[by_group[1:]] = ~same
        query, row, score = query[first], row[first], score[first]
    counts = xp.bincount(query, minlength=n)
    rank = xp.arange(len(query)) - (xp.cumsum(counts) - counts)[query]
    kept = rank < k
    scores[query[kept], rank[kept]], rows[query[kept], rank[kept]] = score[kept], row[kept]
    return to_host(scores), to_host(rows)
