"""Exact top-k on the CPU: a product block by block, a running threshold, and a certificate.

Why the answer is exact. Write s for the true cosine of a query and a row, p for the product's approximation of it,
and e + r|p| for a bound on |p - s| (below). Let L be the k-th largest p among rows of different groups seen so far.
At least k groups then have s >= L - e - r|L|, hence a final score of at least that, rounded to float32. With the
margin m = (2e + 2r|L| + u) / (1 - r), a row with p < L - m has s < p + e + r(|L| + m) < L - e - r|L| - u and, u being
more than a float32 step below 1, a final score strictly below those k: it can neither be in the answer nor tie with
it. The same argument inside a group drops a row whose p lies more than m below its group's best. All other rows are
kept, and are rescored from the stored values in float64. L only rises as blocks are read, so one reading suffices,
and no row is ever dropped on a guess.

Why |p - s| <= e + r|p|. Both vectors are unit vectors, rounded element by element: to float32 with a relative error
of at most 3 * 2**-24, then perhaps to bfloat16 with one of at most 2**-8 (for a query the error is measured).
Rounding them by c and d moves their product by at most c + d + cd (Cauchy-Schwarz). A sum of n rounded products and
additions in float32, in any order, fused or not, errs by at most g(2n) times the sum of the absolute products, with
g(m) = m 2**-24 / (1 - m 2**-24) (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1; g(n)
when products are fused or exact), and that sum is at most the product of the norms. Elements below float32's normal
range add at most dim * 2**-125. A bfloat16 product is itself rounded once more: r = 2**-8, else 0. A pair that codes
chose (`loops/quantised.py`) is multiplied with the row as it is stored, and the sum with the rounded inverse of its
norm: two roundings of the whole take the place of three of each of the row's elements, within the same e, and with
norms between 2**-40 and 2**40 what underflows is nothing beside them. Every rescored pair is checked against the bound,
so that a product that does not keep it ends in an error, not in a wrong answer.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.errors import ConceptMapError, InputError
from conceptmap.topk.exact import cosines
from conceptmap.topk.loops.kernels import ROWS_PER_TILE
from conceptmap.topk.loops.scan import Scanner, scanner
from conceptmap.topk.pool import Pool, best_of_groups, join, kth_of_each, ranked, reaching
from conceptmap.topk.products import Products, product_error, unit_queries
from conceptmap.topk.rows import Prepared, norms_of, tensor_over

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_options", "topk", "without_lower"]

QUERIES_AT_ONCE = 1024
TILE = 1 << 21
"""Scores held at once: 8 MiB of float32, which stays in the cache of the last level."""
ROWS_AT_ONCE = 8192
BLOCK_ELEMENTS = 1 << 20
"""Elements of a block of rows, as float32: 4 MiB, converted in the cache and multiplied from there."""
FIRST_ROWS, SCANNED_AT_ONCE, SCANNED_ELEMENTS = 1024, 16384, 1 << 23
"""Rows that are scanned between two looks at the pairs: at first, and at most; and elements of them, at most."""
PAIRS_KEPT = 1 << 20
"""More pairs than this, beyond what the answer needs, are rescored before reading on, so that memory stays bounded."""
STEP = 2.0**-22
"""Four times the distance between neighbouring float32 values below 1: room for the threshold's own rounding."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is searched for, checked: one block of queries.

    Attributes:
        queries: *Shape:* (n, dim) float32.
        norms: *Shape:* (n,) float64.
        product: type of products of whole blocks.
        error: bound on the product's error for each query, e above. *Shape:* (n,) float32.
        relative: r above.
        k: answers wanted, no more than there are groups or rows.
        least: score that rows must have to be answers.
        groups: *Shape:* (n_rows,) int64, or None.
        allowed: rows that may answer, ascending, or None for all. *Shape:* (n_allowed,) int64.
    """

    queries: torch.Tensor
    norms: torch.Tensor
    product: torch.dtype
    error: torch.Tensor
    relative: float
    k: int
    least: float
    groups: torch.Tensor | None
    allowed: torch.Tensor | None


def topk(
    queries: NDArray[np.floating[Any]],
    prepared: Prepared,
    k: int,
    *,
    mask: NDArray[np.bool_] | None = None,
    groups: NDArray[np.integer[Any]] | None = None,
    min_score: float = -math.inf,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """See `conceptmap.topk.topk`."""
    asked = tensor_over(np.asarray(queries, dtype=np.float32))
    if asked.ndim != 2 or asked.shape[1] != prepared.dim:
        raise InputError("queries do not fit", got=f"shape {tuple(asked.shape)}", expected=f"(n, {prepared.dim})")
    check_options(prepared.n_rows, k, mask=mask, groups=groups)
    norms = norms_of(asked, what="query")
    allowed = None if mask is None or bool(mask.all()) else torch.from_numpy(np.flatnonzero(mask))
    group_of, n_answers = _grouped(groups, allowed, prepared.n_rows)
    scores = np.full((len(asked), k), -np.inf, dtype=np.float32)
    rows = np.full((len(asked), k), -1, dtype=np.int64)
    if not n_answers:
        return scores, rows
    with _full_precision(), ThreadPoolExecutor(torch.get_num_threads()) as threads:
        for start in range(0, len(asked), QUERIES_AT_ONCE):
            part = slice(start, start + QUERIES_AT_ONCE)
            wanted = min(k, n_answers), float(np.float32(min_score))
            request = _request(asked[part], norms[part], wanted, prepared.product, (group_of, allowed))
            answer, found, rank = _search(request, prepared, threads)
            query = answer.query.numpy()
            scores[part][query, rank] = found.numpy()
            rows[part][query, rank] = answer.row.numpy()
    return without_lower(scores, rows, min_score)


def without_lower(
    scores: NDArray[np.float32], rows: NDArray[np.int64], min_score: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Answers without those that score less than the caller asked for, in place."""
    below = scores < np.float32(min_score)
    scores[below], rows[below] = -np.inf, -1
    return scores, rows


def _grouped(
    groups: NDArray[np.integer[Any]] | None, allowed: torch.Tensor | None, n_rows: int
) -> tuple[torch.Tensor | None, int]:
    """Groups numbered without large gaps, and how many of them (or how many rows, without groups) may answer."""
    if groups is None:
        return None, n_rows if allowed is None else len(allowed)
    names = groups.astype(np.int64, copy=False)
    if len(names) and int(names.max()) > 4 * n_rows:
        names = np.unique(names, return_inverse=True)[1].astype(np.int64)
    some = names if allowed is None else names[allowed.numpy()]
    return tensor_over(names), int(np.count_nonzero(np.bincount(some))) if len(some) else 0


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


def check_options(
    n_rows: int, k: int, *, mask: NDArray[np.bool_] | None, groups: NDArray[np.integer[Any]] | None
) -> None:
    """Refuse what does not fit the rows.

    Raises:
        InputError: ``k`` is below 1, or the mask or the groups have another shape or type.
    """
    if k < 1:
        raise InputError("k must be at least 1", got=k)
    for name, given, kind in (("mask", mask, "b"), ("groups", groups, "iu")):
        if given is not None and (given.shape != (n_rows,) or given.dtype.kind not in kind):
            got = f"{given.dtype} {given.shape}"
            raise InputError(f"{name} does not fit the rows", got=got, expected=f"({n_rows},)")
    if groups is not None and len(groups) and int(groups.min()) < 0:
        raise InputError("groups must not be negative", got=int(groups.min()))


def _request(
    queries: torch.Tensor,
    norms: torch.Tensor,
    wanted: tuple[int, float],
    product: torch.dtype,
    rows: tuple[torch.Tensor | None, torch.Tensor | None],
) -> Request:
    moved = torch.zeros(len(queries), dtype=torch.float64)
    if product != torch.float32:
        unit = unit_queries(queries, norms)
        moved = torch.linalg.vector_norm(unit.to(torch.float64) - unit.to(product).to(torch.float64), dim=1)
    error = product_error(queries.shape[1], product, moved).to(torch.float32)
    relative = 0.0 if product == torch.float32 else 2.0**-8
    return Request(queries, norms, product, error, relative, *wanted, *rows)


def _margin(request: Request, level: torch.Tensor, query: torch.Tensor | None = None) -> torch.Tensor:
    """How far below a level an approximation may lie and still belong to the answer: m above, infinite levels as 0."""
    error = request.error if query is None else request.error[query]
    size = torch.where(torch.isinf(level), 0.0, level.abs())
    return (2 * error + 2 * request.relative * size + STEP) / (1 - request.relative)


def _search(
    request: Request, prepared: Prepared, threads: ThreadPoolExecutor
) -> tuple[Pool, torch.Tensor, NDArray[np.int64]]:
    """The answer's pairs, their final scores and their ranks, after one reading of the rows."""
    enough = len(request.queries) * request.k
    level = torch.full((len(request.queries),), request.least)
    threshold = level - _margin(request, level) / 2 - STEP  # of a final score, as in _settle
    pool, fresh, loose = join([]), list[Pool](), 0
    for found, listed in _found(request, prepared, threshold, threads):
        fresh.append(found)
        loose += 0 if listed else len(found)
        if loose > enough // 2 or sum(map(len, fresh)) > PAIRS_KEPT // 8 + 2 * enough:
            pool = _narrow(join([pool, *fresh]), threshold, request)
            fresh, loose = [], 0
        if len(pool) > PAIRS_KEPT + 2 * enough:
            pool = _settle(pool, threshold, request, prepared)[0]
    return _settle(_narrow(join([pool, *fresh]), threshold, request), threshold, request, prepared)


def _found(
    request: Request, prepared: Prepared, threshold: torch.Tensor, threads: ThreadPoolExecutor
) -> Iterator[tuple[Pool, bool]]:
    """The pairs that reach the threshold, block by block, and whether lists have raised it as far as they allow.

    Args:
        threshold: of each query; read anew for each block, and raised. *Shape:* (n,) float32.
    """
    step, total = _block_size(request, prepared)
    at_once = max(step, min(SCANNED_AT_ONCE, SCANNED_ELEMENTS // prepared.dim // ROWS_PER_TILE * ROWS_PER_TILE))
    scan = scanner(
        request.queries,
        request.norms,
        prepared,
        k=request.k,
        margin=_margin(request, threshold),
        groups=request.groups,
        rows_at_once=at_once,
        threads=threads,
    )
    products = Products(request.queries, request.norms, request.product, step)
    if scan is None:
        for part in _parts(0, total, step, step):
            yield _multiplied(request, prepared, part, threshold, products), False
        return
    for part in _parts(0, total, min(step, FIRST_ROWS), at_once):
        found = _scanned(scan, request, prepared, part, threshold)
        if found is not None:
            yield found, scan.k > 0
            continue
        for some in _parts(part.start, part.stop, step, step):
            yield _multiplied(request, prepared, some, threshold, products), False


def _parts(start: int, stop: int, first: int, step: int) -> Iterator[slice]:
    """Places read together: ``first`` of them, and then ever more, up to ``step``."""
    size = first
    while start < stop:
        yield slice(start, min(start + size, stop))
        start, size = start + size, min(step, 2 * size)


def _scanned(scan: Scanner, request: Request, prepared: Prepared, part: slice, threshold: torch.Tensor) -> Pool | None:
    """What the scan finds in one block, if it pays; without lists it needs a threshold of every query."""
    if not scan.k and bool(torch.isinf(threshold).any()):
        return None
    at = _places(request, part)
    found = scan.pairs(prepared, at, threshold.numpy())
    return None if found is None else _placed(found, at)


def _multiplied(request: Request, prepared: Prepared, part: slice, threshold: torch.Tensor, products: Products) -> Pool:
    """What reaches the threshold in one block: its whole product, which gives a threshold to queries that have none."""
    at, n = _places(request, part), part.stop - part.start
    product = products.of(prepared, at, n)
    if bool(torch.isinf(threshold).any()):
        level = _kth_best(product, at, request)
        torch.maximum(threshold, level - _margin(request, level), out=threshold)
    return _placed(reaching(product, threshold), at)


def _places(request: Request, part: slice) -> slice | torch.Tensor:
    """Rows that a block of places holds."""
    return part if request.allowed is None else request.allowed[part]


def _placed(found: Pool, at: slice | torch.Tensor) -> Pool:
    """The pairs with rows counted from the matrix's first instead of the block's."""
    return replace(found, row=found.row + at.start if isinstance(at, slice) else at[found.row])


def _block_size(request: Request, prepared: Prepared) -> tuple[int, int]:
    """Rows read together, and all rows to read."""
    total = prepared.n_rows if request.allowed is None else len(request.allowed)
    most = min(ROWS_AT_ONCE, TILE // len(request.queries), BLOCK_ELEMENTS // prepared.dim, total + ROWS_PER_TILE)
    return max(ROWS_PER_TILE, most // ROWS_PER_TILE * ROWS_PER_TILE), total


def _kth_best(tile: torch.Tensor, rows: slice | torch.Tensor, request: Request) -> torch.Tensor:
    """The k-th best approximation within one block, over different groups; -inf if there are fewer. *Shape:* (n,)."""
    if request.groups is not None:
        names, member = torch.unique(request.groups[rows], return_inverse=True)
        best = torch.full((len(tile), len(names)), -torch.inf, dtype=tile.dtype)
        tile = best.scatter_reduce_(1, member.expand_as(tile), tile, "amax")
    if tile.shape[1] < request.k:
        return torch.full((len(tile),), -torch.inf)
    return tile.topk(request.k, dim=1).values[:, -1].to(torch.float32)


def _narrow(pool: Pool, threshold: torch.Tensor, request: Request) -> Pool:
    """Raise the threshold as far as the pairs found allow, and drop what it rules out (see the proof above).

    Where lists have raised it already, so few pairs reach it that rescoring them all is cheaper than sorting.
    """
    pool = _at_least(pool, threshold)
    if 2 * len(pool) <= 3 * len(threshold) * request.k:
        return pool
    heads = pool
    if request.groups is not None:
        best, heads = best_of_groups(pool, request.groups)
        pool = pool.at(pool.approx >= best - _margin(request, best, pool.query))
    level = kth_of_each(heads, len(threshold), request.k)
    torch.maximum(threshold, level - _margin(request, level), out=threshold)
    return _at_least(pool, threshold)


def _at_least(pool: Pool, threshold: torch.Tensor) -> Pool:
    """The pairs that reach their query's threshold."""
    return pool.at(torch.from_numpy(pool.approx.numpy() >= threshold.numpy()[pool.query.numpy()]))


def _settle(
    pool: Pool, threshold: torch.Tensor, request: Request, prepared: Prepared
) -> tuple[Pool, torch.Tensor, NDArray[np.int64]]:
    """Rescore all pairs and keep the k best of each query, with final scores, which raise the threshold, and ranks.

    A row seen later must reach the k-th final score a, so that its approximation p has p + e + r|p| >= a: half the
    margin below a is enough.
    """
    scores = cosines(request.queries, request.norms, prepared.stored, prepared.norms, pairs=(pool.query, pool.row))
    excess = (scores - pool.approx).abs() - request.error[pool.query] - request.relative * pool.approx.abs()
    if len(pool) and float(excess.max()) > STEP:
        raise ConceptMapError(
            "the matrix product of this machine errs by more than its proved bound",
            got=f"an excess of {float(excess.max()):.2e}",
            then="report the processor and the versions of torch and its libraries",
        )
    places, rank = ranked(pool, scores, request.k, request.groups)
    place = torch.from_numpy(places)
    best, final = pool.at(place), scores[place]
    level = kth_of_each(Pool(best.query, best.row, final), len(threshold), request.k)
    torch.maximum(threshold, level - _margin(request, level) / 2 - STEP, out=threshold)
    return best, final, rank
