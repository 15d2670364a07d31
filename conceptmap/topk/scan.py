"""A first pass over a block of rows in whole numbers, and float32 products of what it cannot rule out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.topk.codes import LONGEST_ROW, SLACK, WIDEST_ROW, Chunks, Coded, code_queries
from conceptmap.topk.kernels import ROWS_PER_TILE
from conceptmap.topk.native import Kernels, address, kernels
from conceptmap.topk.pool import Pool, join

if TYPE_CHECKING:
    from conceptmap.topk.rows import Prepared

__all__ = ["FEWEST_QUERIES", "Scanner", "scanner"]

FEWEST_QUERIES = 32
"""Below this, coding the rows costs more than it saves."""
SHARE = 16
"""One pair in so many may be left for a product of its own; more, and the whole block's product is cheaper."""
REST_AT_MOST = 64
WIDEST = 1 << 14


@dataclass(slots=True)
class Scanner:
    """Queries ready to meet blocks of rows; its buffers are made once.

    Attributes:
        loops: compiled for this processor.
        chunks: how dimensions are cut.
        coded: the queries' codes.
        unit: unit queries. *Shape:* (n, width) float32.
        threads: parts that a block is cut into.
        parts: buffers of each thread.
        rest: blocks to leave alone before the next try, after one that did not pay.
        failed: how often in a row it did not pay.
    """

    loops: Kernels
    chunks: Chunks
    coded: Coded
    unit: NDArray[np.float32]
    threads: ThreadPoolExecutor
    parts: list[_Part]
    rest: int = 0
    failed: int = 0

    def pairs(self, prepared: Prepared, at: slice | torch.Tensor, threshold: torch.Tensor) -> Pool | None:
        """Pairs of one block whose product is at or above their query's threshold; rows count from the block's first.

        Args:
            prepared: the rows.
            at: which of them; ascending.
            threshold: finite. *Shape:* (n,) float32.

        Returns:
            None if bounds rule out so little that a product of the whole block is cheaper, or did so lately.
        """
        if self.rest:
            self.rest -= 1
            return None
        prepared.announce(at)
        levels = self.coded.level(threshold), threshold.numpy()
        n = at.stop - at.start if isinstance(at, slice) else len(at)
        step = -(-n // len(self.parts) // ROWS_PER_TILE) * ROWS_PER_TILE
        work = []
        for part, first in zip(self.parts, range(0, n, step), strict=False):
            last = min(first + step, n)
            some = slice(at.start + first, at.start + last) if isinstance(at, slice) else at[first:last]
            work.append((part, prepared, some, last - first, first, levels))
        pools = list(self.threads.map(lambda one: self._part(*one), work)) if len(work) > 1 else [self._part(*work[0])]
        found = [pool for pool in pools if pool is not None]
        if len(found) < len(pools):
            self.rest, self.failed = min(2**self.failed, REST_AT_MOST), self.failed + 1
            return None
        self.failed = 0
        return join(found)

    def _part(
        self,
        part: _Part,
        prepared: Prepared,
        at: slice | torch.Tensor,
        n: int,
        first: int,
        levels: tuple[NDArray[np.float32], NDArray[np.float32]],
    ) -> Pool | None:
        (level, threshold), cut, loops = levels, self.chunks, self.loops
        self._widen(part, prepared, at, n)
        groups = len(self.coded.codes)
        stride = groups * loops.target.queries
        block = (address(part.unit), n, cut.pairs // 4, cut.chunks, WIDEST_ROW, LONGEST_ROW)
        loops.code(*block, address(part.codes), address(part.scale), address(part.lost))
        np.multiply(part.lost[:n], SLACK[0], out=part.lost[:n])
        np.add(part.lost[:n], SLACK[1], out=part.lost[:n])
        found = part.found[: -(-n // ROWS_PER_TILE) * stride]
        query = (address(self.coded.codes), address(self.coded.starts), groups)
        row = (address(part.scale), address(part.lost), address(self.coded.lift), address(level), address(found))
        loops.scan(address(part.codes), len(found) // stride, 2 * cut.pairs, cut.chunks, *query, *row)
        room = min(len(part.row), max(n * len(self.unit) // SHARE, ROWS_PER_TILE))
        unit = (address(part.unit), address(self.unit), cut.width, address(threshold))
        out = (address(part.query), address(part.row), address(part.score))
        kept = loops.settle(address(found), n, len(self.unit), stride, *unit, room, *out)
        if kept < 0:
            return None
        arrays = (part.query[:kept].copy(), part.row[:kept] + first, part.score[:kept].copy())
        return Pool(*map(torch.from_numpy, arrays))

    def _widen(self, part: _Part, prepared: Prepared, at: slice | torch.Tensor, n: int) -> None:
        """Unit rows into the part's buffer: by the compiled loop where rows lie in a row, else as everywhere."""
        if prepared.moderate and prepared.dim % 8 == 0 and isinstance(at, slice):
            stored = prepared.stored[at]
            inverse = prepared.norms[at].reciprocal().to(torch.float32)
            where = (stored.data_ptr(), n, prepared.dim, self.chunks.width, inverse.data_ptr(), address(part.unit))
            self.loops.widen[stored.dtype](*where)
        else:
            prepared.unit(at, torch.from_numpy(part.unit)[:n, : prepared.dim])


@dataclass(frozen=True, slots=True)
class _Part:
    """Buffers of one thread, for so many rows and queries."""

    unit: NDArray[np.float32]
    codes: NDArray[np.uint8]
    scale: NDArray[np.float32]
    lost: NDArray[np.float32]
    found: NDArray[np.uint16]
    query: NDArray[np.int64]
    row: NDArray[np.int64]
    score: NDArray[np.float32]


def _part_of(n_rows: int, n_queries: int, n_padded: int, width: int) -> _Part:
    tiles = -(-n_rows // ROWS_PER_TILE)
    rows = tiles * ROWS_PER_TILE
    room = max(n_rows * n_queries // SHARE, ROWS_PER_TILE)
    bytes_ = np.zeros(rows * width + 64, dtype=np.uint8)
    codes = bytes_[-bytes_.ctypes.data % 64 :][: rows * width]
    return _Part(
        np.zeros((rows, width), np.float32),
        codes,
        scale=np.zeros(rows, np.float32),
        lost=np.zeros(rows, np.float32),
        found=np.empty(tiles * n_padded, np.uint16),
        query=np.empty(room, np.int64),
        row=np.empty(room, np.int64),
        score=np.empty(room, np.float32),
    )


def scanner(unit: torch.Tensor, *, rows_at_once: int, threads: ThreadPoolExecutor) -> Scanner | None:
    """What scans for these queries; None where it cannot be done here, or would not pay.

    Args:
        unit: unit queries. *Shape:* (n, dim) float64.
        rows_at_once: rows in a block, at most.
        threads: where blocks are worked on, in as many parts as torch has threads.
    """
    loops = kernels()
    n, dim = unit.shape
    if loops is None or n < FEWEST_QUERIES or dim > WIDEST:
        return None
    chunks = Chunks.of(dim)
    coded = code_queries(unit.numpy(), chunks, loops.target)
    rows = np.zeros((n, chunks.width), dtype=np.float32)
    rows[:, :dim] = unit.to(torch.float32).numpy()
    n_threads = torch.get_num_threads()
    each = -(-rows_at_once // n_threads // ROWS_PER_TILE) * ROWS_PER_TILE
    parts = [_part_of(each, n, len(coded.lift), chunks.width) for _ in range(n_threads)]
    return Scanner(loops, chunks, coded, rows, threads, parts)
