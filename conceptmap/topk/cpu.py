"""Exact top-k on the CPU: a product block by block, a running threshold, and a certificate.

Why the answer is exact. Write s for the true cosine of a query and a row, p for the product's approximation of it, and
e for a bound with |p - s| <= e (below). Let L be the k-th largest p among rows of different groups seen so far. At
least k groups then have s >= L - e, hence a final float32 score of at least fl(L - e), rounding being monotone. A row
with p < L - 2e - u has s < L - e - u and, u being more than a float32 step below 1, a final score strictly below
those k: it can neither be in the answer nor tie with it. The same argument inside a group drops a row whose p lies more
than 2e + u below its group's best. All other rows are kept, and are rescored from the stored values in float64. L only
rises as blocks are read, so one reading suffices, and no row is ever dropped on a guess.

Why |p - s| <= e. Both vectors are unit vectors, rounded element by element: to float32 with a relative error of at most
3 * 2**-24, then perhaps to bfloat16 with one of at most 2**-8. Rounding the two so by d moves their product by at most
2d + d**2 (Cauchy-Schwarz). A sum of n rounded products and additions in float32, in any order, fused or not, errs by
at most g(2n) times the sum of the absolute products, with g(m) = m 2**-24 / (1 - m 2**-24) (Higham, Accuracy and
Stability of Numerical Algorithms, 2nd ed., section 3.1; g(n) when products are fused or exact), and that sum is at most
the product of the norms. A bfloat16 product is itself rounded once more, by at most 2**-8 of its size. Elements below
float32's normal range add at most dim * 2**-125. Every rescored pair is checked against the bound, so that a product
that does not keep it ends in an error, not in a wrong answer.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.errors import ConceptMapError, InputError
from conceptmap.topk.exact import cosines
from conceptmap.topk.rows import Prepared, norms_of, tensor_over

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["topk"]

QUERIES_AT_ONCE = 1024
TILE = 1 << 21
"""Scores held at once: 8 MiB of float32, which stays in the cache of the last level."""
ROWS_AT_ONCE = 8192
BLOCK_ELEMENTS = 1 << 22
FIRST_ROWS = 1024
CELL = 32
"""Rows that share one maximum: only cells whose maximum reaches the threshold are looked into."""
STEP = 2.0**-22
"""Four times the distance between neighbouring float32 values below 1: room for the threshold's own rounding."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Pairs (query, row) that may still belong to the answer, with the product's approximation. *Shape:* (n_pairs,)."""

    query: torch.Tensor
    row: torch.Tensor
    approx: torch.Tensor

    def __len__(self) -> int:
        return len(self.query)

    def at(self, chosen: torch.Tensor) -> Pool:
        return Pool(self.query[chosen], self.row[chosen], self.approx[chosen])


@dataclass(frozen=True, slots=True)
class Request:
    """What is searched for, checked: one block of queries.

    Attributes:
        queries: *Shape:* (n, dim) float32.
        norms: *Shape:* (n,) float64.
        unit: the transposed unit queries. *Shape:* (dim, n), of the first pass's type.
        error: bound on the product's error for each query. *Shape:* (n,) float32.
        k: answers wanted.
        groups: *Shape:* (n_rows,) int64, or None.
    """

    queries: torch.Tensor
    norms: torch.Tensor
    unit: torch.Tensor
    error: torch.Tensor
    k: int
    groups: torch.Tensor | None


def topk(
    queries: NDArray[np.floating[Any]],
    prepared: Prepared,
    k: int,
    *,
    mask: NDArray[np.bool_] | None = None,
    groups: NDArray[np.integer[Any]] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """See `conceptmap.topk.topk`."""
    asked = tensor_over(np.asarray(queries, dtype=np.float32))
    _check(asked, prepared, k, mask=mask, groups=groups)
    norms = norms_of(asked, what="query")
    allowed = None if mask is None else torch.from_numpy(np.flatnonzero(mask))
    group_of = None if groups is None else tensor_over(groups.astype(np.int64, copy=False))
    scores = np.full((len(asked), k), -np.inf, dtype=np.float32)
    rows = np.full((len(asked), k), -1, dtype=np.int64)
    with _full_precision():
        for start in range(0, len(asked), QUERIES_AT_ONCE):
            part = slice(start, start + QUERIES_AT_ONCE)
            request = _request(asked[part], norms[part], k, group_of, dtype=prepared.product)
            _fill(_search(request, prepared, allowed), request, prepared, out=(scores[part], rows[part]))
    return scores, rows


@contextmanager
def _full_precision() -> Iterator[None]:
    """Float32 products in float32, whatever the process allows elsewhere (torch may compute them in bfloat16)."""
    before = torch.get_float32_matmul_precision()
    if before != "highest":
        torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        if before != "highest":
            torch.set_float32_matmul_precision(before)


def _check(
    queries: torch.Tensor,
    prepared: Prepared,
    k: int,
    *,
    mask: NDArray[np.bool_] | None,
    groups: NDArray[np.integer[Any]] | None,
) -> None:
    if queries.ndim != 2 or queries.shape[1] != prepared.dim:
        raise InputError("queries do not fit", got=f"shape {tuple(queries.shape)}", expected=f"(n, {prepared.dim})")
    if k < 1:
        raise InputError("k must be at least 1", got=k)
    for name, given, kind in (("mask", mask, "b"), ("groups", groups, "iu")):
        if given is not None and (given.shape != (prepared.n_rows,) or given.dtype.kind not in kind):
            got = f"{given.dtype} {given.shape}"
            raise InputError(f"{name} does not fit the rows", got=got, expected=f"({prepared.n_rows},)")
    if groups is not None and len(groups) and int(groups.min()) < 0:
        raise InputError("groups must not be negative", got=int(groups.min()))


def _request(
    queries: torch.Tensor, norms: torch.Tensor, k: int, groups: torch.Tensor | None, *, dtype: torch.dtype
) -> Request:
    unit = (queries.to(torch.float64) / norms[:, None]).to(torch.float32)
    error = torch.full((len(queries),), product_error(queries.shape[1], dtype), dtype=torch.float32)
    return Request(queries, norms, unit.T.to(dtype).contiguous(), error, k, groups)


def product_error(dim: int, dtype: torch.dtype) -> float:
    """Bound on the error of a product of unit vectors, see above.

    >>> product_error(384, torch.float32) < 5e-5, product_error(384, torch.bfloat16) < 0.013
    (True, True)
    """
    unit32, unit = 2.0**-24, 2.0**-8
    low = dtype == torch.bfloat16
    rounding = 3 * unit32 * (1 + unit) + unit if low else 3 * unit32
    terms = (2 * dim if low else dim) * unit32
    inputs = 2 * rounding + rounding**2
    summed = (1 + inputs) * terms / (1 - terms)
    output = unit * (1 + inputs + summed) if low else 0.0
    return (inputs + summed + output) * (1 + 2.0**-20) + dim * 2.0**-125


def _search(request: Request, prepared: Prepared, allowed: torch.Tensor | None) -> Pool:
    """Every pair that may belong to the answer, after one reading of the rows."""
    n = len(request.queries)
    threshold = torch.full((n,), -torch.inf)
    margin = 2 * request.error + STEP
    nothing = torch.empty(0, dtype=torch.int64)
    pool, fresh = Pool(nothing, nothing, torch.empty(0)), list[Pool]()
    for at, n_block in _blocks(prepared.n_rows, n, prepared.dim, allowed):
        tile = torch.empty((-(-n_block // CELL) * CELL, n), dtype=prepared.product)
        tile[n_block:] = -torch.inf
        torch.mm(prepared.unit(at).to(prepared.product), request.unit, out=tile[:n_block])
        rows = torch.arange(at.start, at.stop) if isinstance(at, slice) else at
        if bool(torch.isinf(threshold).any()):
            threshold = torch.maximum(threshold, _kth_best(tile[:n_block], rows, request) - margin)
        fresh.append(_reaching(tile, threshold, rows))
        if sum(map(len, fresh)) > 2 * n * request.k:
            pool, threshold = _narrow([pool, *fresh], threshold, request)
            fresh = []
    return _narrow([pool, *fresh], threshold, request)[0]


def _blocks(n_rows: int, n: int, dim: int, allowed: torch.Tensor | None) -> Iterator[tuple[slice | torch.Tensor, int]]:
    """Rows to read together, a small block first: it sets the threshold for the others."""
    step = max(CELL, min(ROWS_AT_ONCE, TILE // n, BLOCK_ELEMENTS // dim) // CELL * CELL)
    total = n_rows if allowed is None else len(allowed)
    start, stop = 0, min(FIRST_ROWS, total)
    while start < total:
        yield (slice(start, stop) if allowed is None else allowed[start:stop]), stop - start
        start, stop = stop, min(stop + step, total)


def _kth_best(tile: torch.Tensor, rows: torch.Tensor, request: Request) -> torch.Tensor:
    """The k-th best approximation within one block, over different groups; -inf when there are fewer. *Shape:* (n,)."""
    if request.groups is not None:
        names, member = torch.unique(request.groups[rows], return_inverse=True)
        best = torch.full((len(names), tile.shape[1]), -torch.inf, dtype=tile.dtype)
        tile = best.scatter_reduce_(0, member[:, None].expand_as(tile), tile, "amax")
    if len(tile) < request.k:
        return torch.full((tile.shape[1],), -torch.inf)
    return tile.topk(request.k, dim=0).values[-1].to(torch.float32)


def _reaching(tile: torch.Tensor, threshold: torch.Tensor, rows: torch.Tensor) -> Pool:
    """Pairs of one block at or above their query's threshold.

    Args:
        tile: approximations, padded with -inf. *Shape:* (n_cells * CELL, n).
        threshold: *Shape:* (n,).
        rows: the matrix rows of the tile's. *Shape:* (at most n_cells * CELL,).
    """
    cells = tile.view(-1, CELL, tile.shape[1])
    cell, query = torch.nonzero(cells.amax(1) >= threshold, as_tuple=True)
    inside = cells[cell, :, query].to(torch.float32)
    hit, offset = torch.nonzero((inside >= threshold[query, None]) & (inside > -torch.inf), as_tuple=True)
    return Pool(query[hit], rows[cell[hit] * CELL + offset], inside[hit, offset])


def _narrow(pools: list[Pool], threshold: torch.Tensor, request: Request) -> tuple[Pool, torch.Tensor]:
    """Drop what the pairs found since then rule out, and raise the threshold (see the proof above)."""
    pool = Pool(*(torch.cat(parts) for parts in zip(*((p.query, p.row, p.approx) for p in pools), strict=True)))
    margin = 2 * request.error + STEP
    pool, heads = _best_of_groups(pool, margin, request.groups)
    kth = _kth_of_each(heads, len(threshold), request.k)
    threshold = torch.maximum(threshold, kth - margin)
    return pool.at(pool.approx >= threshold[pool.query]), threshold


def _best_of_groups(pool: Pool, margin: torch.Tensor, groups: torch.Tensor | None) -> tuple[Pool, Pool]:
    """The pairs that may be their group's best, and one pair a group with the group's best approximation."""
    if groups is None or not len(pool):
        return pool, pool
    names, member = torch.unique(pool.query * (int(groups.max()) + 1) + groups[pool.row], return_inverse=True)
    best = torch.full((len(names),), -torch.inf).scatter_reduce_(0, member, pool.approx, "amax")
    query = torch.empty(len(names), dtype=torch.int64).scatter_(0, member, pool.query)
    kept = pool.at(pool.approx >= best[member] - margin[pool.query])
    return kept, Pool(query, query, best)


def _kth_of_each(heads: Pool, n: int, k: int) -> torch.Tensor:
    """The k-th largest approximation of every query, -inf where there are fewer. *Shape:* (n,)."""
    order = torch.argsort(heads.approx, descending=True)
    order = order[torch.argsort(heads.query[order], stable=True)]
    counts = torch.bincount(heads.query, minlength=n)
    first = torch.cumsum(counts, 0) - counts
    enough = counts >= k
    kth = torch.full((n,), -torch.inf)
    kth[enough] = heads.approx[order][first[enough] + k - 1]
    return kth


def _fill(pool: Pool, request: Request, prepared: Prepared, *, out: tuple[NDArray[Any], NDArray[Any]]) -> None:
    """Rescore the pool and write the answers of one block of queries."""
    scores = cosines(request.queries, request.norms, prepared.stored, prepared.norms, pairs=(pool.query, pool.row))
    excess = (scores - pool.approx).abs() - request.error[pool.query]
    if len(pool) and float(excess.max()) > STEP:
        raise ConceptMapError(
            "the matrix product of this machine errs by more than its proved bound",
            got=f"an excess of {float(excess.max()):.2e}",
            then="report the processor and the versions of torch and its libraries",
        )
    order = np.lexsort((pool.row.numpy(), -scores.numpy(), pool.query.numpy()))
    query, row, score = pool.query.numpy()[order], pool.row.numpy()[order], scores.numpy()[order]
    if request.groups is not None:
        key = query * (int(request.groups.max()) + 1) + request.groups.numpy()[row]
        first = np.sort(np.unique(key, return_index=True)[1])
        query, row, score = query[first], row[first], score[first]
    counts = np.bincount(query, minlength=len(request.queries))
    rank = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    top = rank < request.k
    out[0][query[top], rank[top]] = score[top]
    out[1][query[top], rank[top]] = row[top]
