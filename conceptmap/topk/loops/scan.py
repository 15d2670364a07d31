"""A first pass over rows in whole numbers, and float32 products of what it cannot rule out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.topk.loops.kernels import ROWS_PER_TILE
from conceptmap.topk.loops.native import Kernels, kernels
from conceptmap.topk.loops.quantised import Chunks, QuantisedQueries, QuantisedRows, address
from conceptmap.topk.pool import Pool, join

if TYPE_CHECKING:
    from conceptmap.topk.rows import Prepared

__all__ = ["Scanner", "scanner"]

SHARE, SPARE = 16, 32
"""One pair in so many, and so many rows of each query, may be left for products of their own among the rows that are
scanned together; more, and a product of the whole block is cheaper."""
REST_AT_MOST = 64
WIDEST = 1 << 14
LONGEST_LIST = 256
"""For more answers, thresholds are raised by sorting now and then instead of by lists."""
FIRST_ROWS, FIRST_PAIRS = (32, 512), 1 << 11
"""Rows that are scanned together at first, at least and at most, and pairs: all are multiplied, and give thresholds.
While these rise fast, no more rows are scanned together than half of those that were seen."""
CODE_BYTES, FOUND_BYTES = 1 << 18, 1 << 17
"""Codes and bits of the rows that are scanned together: both stay in the second-level cache."""


@dataclass(eq=False)
class Scanner:
    """Queries ready to meet blocks of rows; its buffers are made once.

    Attributes:
        loops: compiled for this processor.
        chunks: how dimensions are cut.
        quantised: the queries' codes.
        unit: unit queries. *Shape:* (n, width) float32.
        margin: how far below the k-th best product a row may still belong to the answer. *Shape:* (n,) float32.
        groups: of every row of the matrix, or None. *Shape:* (n_rows,) int64.
        k: length of the lists that raise thresholds, 0 for none.
        threads: where parts of a block are worked on.
        parts: buffers of each thread.
        rest: blocks to leave alone before the next try, after one that did not pay.
        failed: how often in a row it did not pay.
    """

    loops: Kernels
    chunks: Chunks
    quantised: QuantisedQueries
    unit: NDArray[np.float32]
    margin: NDArray[np.float32]
    groups: torch.Tensor | None
    k: int
    threads: ThreadPoolExecutor
    parts: list[_Part]
    rest: int = 0
    failed: int = 0

    @cached_property
    def _asked_at(self) -> tuple[int, ...]:
        """Addresses are looked up once: that takes longer than passing them."""
        return address(self.quantised.codes), address(self.quantised.starts), len(self.quantised.codes)

    @cached_property
    def _unit_at(self) -> tuple[int, ...]:
        return address(self.unit), self.chunks.width

    @cached_property
    def _limit_at(self) -> tuple[int, ...]:
        return address(self.quantised.drop), address(self.quantised.step), address(self.margin)

    def pairs(self, prepared: Prepared, at: slice | torch.Tensor, threshold: NDArray[np.float32]) -> Pool | None:
        """Pairs of one block whose product is at or above their query's threshold; rows count from the block's first.

        Args:
            prepared: the rows.
            at: which of them; ascending. A slice starts where a tile does.
            threshold: raised in place where the pairs' products allow it; without lists, finite. *Shape:* (n,) float32.

        Returns:
            None if bounds rule out so little that a product of the whole block is cheaper, or did so lately.
        """
        if self.rest:
            self.rest -= 1
            return None
        prepared.announce(at)
        n = at.stop - at.start if isinstance(at, slice) else len(at)
        each = -(-n // len(self.parts) // ROWS_PER_TILE) * ROWS_PER_TILE
        work = []
        for part, first in zip(self.parts, range(0, n, each), strict=False):
            last = min(first + each, n)
            some = slice(at.start + first, at.start + last) if isinstance(at, slice) else at[first:last]
            part.threshold[:], part.level[:] = threshold, self.quantised.level(threshold)
            work.append((part, prepared, some, last - first, first))
        pools = list(self.threads.map(lambda one: self._part(*one), work)) if len(work) > 1 else [self._part(*work[0])]
        for part, *_ in work:
            np.maximum(threshold, part.threshold, out=threshold)
        found = [pool for pool in pools if pool is not None]
        if len(found) < len(pools):
            self.rest, self.failed = min(2**self.failed, REST_AT_MOST), self.failed + 1
            return None
        self.failed = 0
        return join(found)

    def _part(self, part: _Part, prepared: Prepared, at: slice | torch.Tensor, n: int, first: int) -> Pool | None:
        rows = _Rows.of(part, prepared, at, n)
        groups = None if self.groups is None else self.groups[at].contiguous()
        kept = prepared.kept if isinstance(at, slice) else None
        most = part.rows_at_once if kept is None else part.bits_at_once
        start, pools = 0, []
        while start < n:
            size = min(most, max(part.first, _whole_tiles(part.seen // 2)), n - start)
            if kept is None or not isinstance(at, slice):
                codes = part.codes
                codes.done[:] = False
                self._scan(part, rows, codes.part(0, size), start, size)
            else:
                self._scan(part, rows, kept.part(at.start + start, size), start, size)
            found = self._settle(part, rows, groups, start, size, first)
            if found < 0:
                return None
            pools.append(part.kept(found))
            start, part.seen = start + size, part.seen + size
        return join(pools)

    def _scan(self, part: _Part, rows: _Rows, codes: QuantisedRows, start: int, size: int) -> None:
        """Code some rows, unless that was done before, and set the bits of the pairs that codes cannot rule out."""
        loops, cut = self.loops, self.chunks
        if not codes.done.all():
            stored = (rows.at(start), size, rows.dim, rows.inverse_at(start), part.row_at)
            loops.code[rows.values.dtype](*stored, *loops.sizes(cut, codes))
            codes.done[:] = True
        quads = (len(codes.done), *cut.summed(loops.target))
        per_row = (address(codes.scale), address(codes.lost), address(self.quantised.lift))
        loops.scan(address(codes.codes), *quads, *self._asked_at, *per_row, part.limit_at[1], part.found_at)

    def _settle(self, part: _Part, rows: _Rows, groups: torch.Tensor | None, start: int, size: int, first: int) -> int:
        """Multiply them; how many reach their threshold, or -1 if there are too many to begin with."""
        n = len(self.unit)
        found = (part.found_at, size, n, len(self.quantised.lift))
        stored = (rows.at(start), rows.dim, rows.inverse_at(start), *self._unit_at)
        group = 0 if groups is None else groups.data_ptr() + 8 * start
        room = min(len(part.row_of), n * max(size // SHARE + SPARE, part.first))
        lists = (*part.limit_at, *self._limit_at, group, self.k, *part.list_at)
        return self.loops.settle[rows.values.dtype](*found, *stored, *lists, first + start, room, *part.out_at)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a block as the loops read them.

    Attributes:
        values: *Shape:* (n, dim) of a stored type.
        inverse: what makes them unit rows. *Shape:* (n,) float32.
    """

    values: torch.Tensor
    inverse: torch.Tensor

    @classmethod
    def of(cls, part: _Part, prepared: Prepared, at: slice | torch.Tensor, n: int) -> _Rows:
        """As they are stored; as unit rows where loops cannot take them as they are."""
        if _plain(prepared):
            return cls(prepared.stored[at].contiguous(), prepared.norms[at].reciprocal().to(torch.float32))
        unit = torch.from_numpy(part.unit)[:n]
        prepared.unit(at, unit[:, : prepared.dim])
        return cls(unit, torch.ones(n))

    @property
    def dim(self) -> int:
        return self.values.shape[1]

    def at(self, row: int) -> int:
        return self.values.data_ptr() + row * self.dim * self.values.element_size()

    def inverse_at(self, row: int) -> int:
        return self.inverse.data_ptr() + 4 * row


def _plain(prepared: Prepared) -> bool:
    return prepared.moderate and prepared.dim % 8 == 0


@dataclass(eq=False)
class _Part:
    """State and buffers of one thread.

    Attributes:
        first: rows that are scanned together at first.
        rows_at_once: rows that are quantised and scanned together.
        bits_at_once: rows that are scanned together where they were quantised before.
        threshold, level: what products, and sums of codes, are compared with. *Shapes:* (n,), (n_padded,) float32.
        best, owner: products of each query's best rows, falling, and the rows' groups. *Shape:* (n, k).
        hits: of ``settle``. *Shape:* (n + 2,) int32.
        row: one unit row. *Shape:* (width,) float32.
        unit: unit rows, where they are not made one by one. *Shape:* (rows of a part or 0, width) float32.
        codes: of the rows that are scanned together.
        found: their bits. *Shape:* (n_tiles * n_padded,) uint16.
        query_of, row_of, score: the pairs that are kept of them.
        seen: rows that were scanned.
    """

    first: int
    rows_at_once: int
    bits_at_once: int
    threshold: NDArray[np.float32]
    level: NDArray[np.float32]
    best: NDArray[np.float32]
    owner: NDArray[np.int64]
    hits: NDArray[np.int32]
    row: NDArray[np.float32]
    unit: NDArray[np.float32]
    codes: QuantisedRows
    found: NDArray[np.uint16]
    query_of: NDArray[np.int64]
    row_of: NDArray[np.int64]
    score: NDArray[np.float32]
    seen: int = 0

    @classmethod
    def of(cls, n: int, n_padded: int, k: int, *, width: int, unit_rows: int) -> _Part:
        """For ``n`` queries."""
        first = _whole_tiles(max(FIRST_ROWS[0], min(FIRST_ROWS[1], FIRST_PAIRS // n), k + ROWS_PER_TILE - 1))
        bits = max(first, _whole_tiles(FOUND_BYTES * ROWS_PER_TILE // 2 // n_padded))
        rows = max(first, min(bits, _whole_tiles(CODE_BYTES // width)))
        room = n * max(bits // SHARE + SPARE, first)
        return cls(
            first,
            rows,
            bits,
            np.empty(n, np.float32),
            np.empty(n_padded, np.float32),
            best=np.full((n, k), -np.inf, np.float32),
            owner=np.full((n, k), -1, np.int64),
            hits=np.zeros(n + 2, np.int32),
            row=np.zeros(width, np.float32),
            unit=np.zeros((unit_rows, width), np.float32),
            codes=QuantisedRows.room_for(rows, width),
            found=np.empty(bits // ROWS_PER_TILE * n_padded, np.uint16),
            query_of=np.empty(room, np.int64),
            row_of=np.empty(room, np.int64),
            score=np.empty(room, np.float32),
        )

    @cached_property
    def row_at(self) -> int:
        return address(self.row)

    @cached_property
    def found_at(self) -> int:
        return address(self.found)

    @cached_property
    def limit_at(self) -> tuple[int, ...]:
        return address(self.threshold), address(self.level)

    @cached_property
    def list_at(self) -> tuple[int, ...]:
        return address(self.best), address(self.owner), address(self.hits)

    @cached_property
    def out_at(self) -> tuple[int, ...]:
        return address(self.query_of), address(self.row_of), address(self.score)

    def kept(self, n: int) -> Pool:
        """A copy of the first ``n`` pairs."""
        return Pool(*(torch.from_numpy(one[:n].copy()) for one in (self.query_of, self.row_of, self.score)))


def _whole_tiles(rows: int) -> int:
    return max(1, rows // ROWS_PER_TILE) * ROWS_PER_TILE


def scanner(
    queries: torch.Tensor,
    norms: torch.Tensor,
    prepared: Prepared,
    *,
    k: int,
    margin: torch.Tensor,
    groups: torch.Tensor | None,
    rows_at_once: int,
    threads: ThreadPoolExecutor,
) -> Scanner | None:
    """What scans for these queries; None where that cannot be done here.

    Args:
        queries: *Shape:* (n, dim) float32.
        norms: *Shape:* (n,) float64.
        prepared: the rows that will be scanned.
        k: answers wanted.
        margin: how far below the k-th best product a row may still belong to the answer. *Shape:* (n,) float32.
        groups: of every row, or None. *Shape:* (n_rows,) int64.
        rows_at_once: rows in a block, at most.
        threads: where blocks are worked on, in as many parts as torch has threads.
    """
    loops = kernels() if prepared.scan else None
    n, dim = queries.shape
    if loops is None or dim > WIDEST:
        return None
    chunks = Chunks.of(dim)
    quantised, unit = loops.asked(queries.numpy(), norms.numpy(), chunks)
    n_threads, listed = torch.get_num_threads(), k if k <= LONGEST_LIST else 0
    each = 0 if _plain(prepared) else -(-rows_at_once // n_threads // ROWS_PER_TILE) * ROWS_PER_TILE
    parts = [_Part.of(n, len(quantised.lift), listed, width=chunks.width, unit_rows=each) for _ in range(n_threads)]
    return Scanner(loops, chunks, quantised, unit, margin.numpy(), groups, listed, threads, parts)
