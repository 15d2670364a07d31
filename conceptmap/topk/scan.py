"""A first pass over a block of rows in whole numbers, and float32 products of what it cannot rule out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.topk.codes import LONGEST_ROW, SLACK, WIDEST_ROW, Chunks, Coded, code_queries
from conceptmap.topk.kernels import ROWS_PER_TILE
from conceptmap.topk.native import Kernels, address, kernels
from conceptmap.topk.pool import Pool, join

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

    def pairs(self, block: NDArray[np.float32], threshold: torch.Tensor) -> Pool | None:
        """Pairs of one block whose product is at or above their query's threshold; rows count from the block's first.

        Args:
            block: unit rows. *Shape:* (n_rows, width) float32.
            threshold: finite. *Shape:* (n,) float32.

        Returns:
            None if bounds rule out so little that a product of the whole block is cheaper, or did so lately.
        """
        if self.rest:
            self.rest -= 1
            return None
        level, limit = self.coded.level(threshold), threshold.numpy()
        step = -(-len(block) // len(self.parts) // ROWS_PER_TILE) * ROWS_PER_TILE
        work = [
            (part, block[start : start + step], start, (level, limit))
            for part, start in zip(self.parts, range(0, len(block), step), strict=False)
        ]
        pools = list(self.threads.map(lambda one: self._part(*one), work)) if len(work) > 1 else [self._part(*work[0])]
        found = [pool for pool in pools if pool is not None]
        if len(found) < len(pools):
            self.rest, self.failed = min(2**self.failed, REST_AT_MOST), self.failed + 1
            return None
        self.failed = 0
        return join(found)

    def _part(
        self, part: _Part, block: NDArray[np.float32], first: int, limits: tuple[NDArray[np.float32], ...]
    ) -> Pool | None:
        (level, threshold), cut, loops, n = limits, self.chunks, self.loops, len(block)
        groups = len(self.coded.codes)
        stride = groups * loops.target.queries
        loops.code(
            address(block),
            n,
            cut.pairs,
            cut.chunks,
            WIDEST_ROW,
            LONGEST_ROW,
            address(part.codes),
            address(part.scale),
            address(part.lost),
        )
        np.multiply(part.lost[:n], SLACK[0], out=part.lost[:n])
        np.add(part.lost[:n], SLACK[1], out=part.lost[:n])
        found = part.found[: -(-n // ROWS_PER_TILE) * stride]
        query = (address(self.coded.codes), address(self.coded.starts), groups)
        row = (address(part.scale), address(part.lost), address(self.coded.lift), address(level), address(found))
        loops.scan(address(part.codes), len(found) // stride, 2 * cut.pairs, cut.chunks, *query, *row)
        room = min(len(part.row), max(n * len(self.unit) // SHARE, ROWS_PER_TILE))
        unit = (address(block), address(self.unit), cut.width, address(threshold))
        out = (address(part.query), address(part.row), address(part.score))
        kept = loops.settle(address(found), n, len(self.unit), stride, *unit, room, *out)
        if kept < 0:
            return None
        arrays = (part.query[:kept].copy(), part.row[:kept] + first, part.score[:kept].copy())
        return Pool(*map(torch.from_numpy, arrays))


@dataclass(frozen=True, slots=True)
class _Part:
    """Buffers of one thread, for so many rows and queries."""

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
