"""Vectors as small whole numbers, and the bound that makes their products safe to search with.

A unit row r is quantised as scale * c with whole numbers |c_i| <= 63, or 127 where products are added in 32 bits, and a
unit query q as step * d with |d_i| <= 127.
Whatever rounding does,

    q.r = step*d . scale*c  +  (q - step*d) . r  +  step*d . (r - scale*c)
        <= step * scale * (d.c)  +  |q - step*d|  +  |step*d| |r - scale*c|          (Cauchy-Schwarz, |r| = 1)

where d.c is exact, being a sum of whole numbers. ``scan`` therefore finds every row whose cosine can reach a threshold
if it compares (d.c) * scale + lost * lift with level, all divided by step: lost is |r - scale*c| and lift is |step*d|,
and level is the threshold less |q - step*d|. What is computed here in float32 is enlarged by more than its rounding
can be: a row's residual is summed from at most 2**14 squares, each with a relative error below 8 * 2**-24 in an element
that is itself off by at most 3 units in the last place of r's element, hence lost (1 + 2**-9) + 2**-20; the comparison
itself rounds up to three times, values below 4, hence 2**-20 off the level. Queries are measured in float64.

Without VNNI, a chunk's products are added in 16 bits: two sums, over dimensions 0 and 1 of every four, and 2 and 3.
Wrapping around on the way does no harm; what counts is the end, and that is at most the product of the norms of these
dimensions of c and d (Cauchy-Schwarz once more). Steps are therefore so wide that over half a chunk the norm of a row's
codes is at most 148 + 4 (rounding moves each of at most 64 numbers by 1/2) and that of a query's at most 211 + 4:
152 * 215 < 2**15. (A row's codes are no longer than this anyway, mostly, since none is beyond 63.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conceptmap.topk.loops.kernels import ROWS_PER_TILE, Target

__all__ = ["Chunks", "QuantisedQueries", "QuantisedRows", "address", "longest", "quantise_queries"]

WIDEST_QUERY = 127
LONGEST_ROW, LONGEST_QUERY = 148, 211
PAIRS_AT_MOST = 16
MARGIN = 2.0**-20


def longest(target: Target) -> tuple[float, float]:
    """The greatest norms that codes of a row and of a query may have over half a chunk, before rounding."""
    return (LONGEST_ROW, LONGEST_QUERY) if target.narrow else (np.inf, np.inf)


@dataclass(frozen=True, slots=True)
class Chunks:
    """How dimensions are cut: ``chunks`` times ``pairs`` (4, 8, 12 or 16) times eight of them, the last ones empty."""

    pairs: int
    chunks: int

    @classmethod
    def of(cls, dim: int) -> Chunks:
        """For vectors of this width.

        >>> Chunks.of(384), Chunks.of(1024).width, Chunks.of(300).width
        (Chunks(pairs=16, chunks=3), 1024, 384)
        """
        pairs = -(-dim // 8)
        chunks = -(-pairs // PAIRS_AT_MOST)
        return cls(-(-pairs // chunks // 4) * 4, chunks)

    @property
    def width(self) -> int:
        """Dimensions with the empty ones."""
        return 8 * self.pairs * self.chunks

    def summed(self, target: Target) -> tuple[int, int]:
        """Quads of a sum and such sums of a product: one chunk each in 16 bits, all of them together in 32.

        >>> from conceptmap.topk.loops.kernels import AVX2, VNNI
        >>> Chunks.of(384).summed(AVX2), Chunks.of(384).summed(VNNI)
        ((32, 3), (96, 1))
        """
        quads = 2 * self.pairs
        return (quads, self.chunks) if target.narrow else (quads * self.chunks, 1)


@dataclass(frozen=True, slots=True)
class QuantisedQueries:
    """Queries as ``scan`` reads them, in groups of ``target.queries``, the last group filled up with zeros.

    Attributes:
        codes: *Shape:* (n_groups, n_chunks, n_quads, queries) int32, four codes each.
        starts: what sums begin with. *Shape:* (n_groups, n_sums, queries) int32; ``Chunks.summed`` says how many.
        step: *Shape:* (n,) float64.
        drop: |q - step*d|, enlarged. *Shape:* (n,) float64.
        lift: |step*d| / step, enlarged. *Shape:* (n_groups * queries,) float32.
    """

    codes: NDArray[np.int32]
    starts: NDArray[np.int32]
    step: NDArray[np.float64]
    drop: NDArray[np.float64]
    lift: NDArray[np.float32]

    @classmethod
    def room_for(cls, n: int, chunks: Chunks, target: Target) -> QuantisedQueries:
        """For so many queries, none of them quantised yet."""
        groups = -(-n // target.queries)
        return cls(
            np.zeros((groups, chunks.chunks, 2 * chunks.pairs, target.queries), np.int32),
            np.zeros((groups, chunks.summed(target)[1], target.queries), np.int32),
            np.empty(n),
            np.empty(n),
            np.zeros(groups * target.queries, np.float32),
        )

    def level(self, threshold: NDArray[np.float32]) -> NDArray[np.float32]:
        """What ``scan`` compares with, for cosines that may reach a threshold. *Shape:* as ``lift``, float32."""
        n = len(self.step)
        level = np.full(len(self.lift), np.inf, dtype=np.float32)
        exact = (threshold.astype(np.float64) - self.drop) / self.step
        level[:n] = np.nextafter(exact.astype(np.float32), np.float32(-np.inf))
        return level


def quantise_queries(unit: NDArray[np.float64], chunks: Chunks, target: Target) -> QuantisedQueries:
    """Code unit queries.

    Args:
        unit: *Shape:* (n, dim).
        chunks: how their dimensions are cut.
        target: for which processor.
    """
    n, dim = unit.shape
    groups = -(-n // target.queries)
    padded = np.zeros((groups * target.queries, chunks.width))
    padded[:n, :dim] = unit
    norms = np.sqrt(_by_halves(np.square(padded), chunks).max(axis=1))
    step = np.maximum(np.abs(padded).max(axis=1) / WIDEST_QUERY, norms / longest(target)[1])
    step[n:] = 1.0
    whole = np.rint(padded / step[:, None])
    moved = np.linalg.norm(padded - step[:, None] * whole, axis=1)
    codes = whole.astype(np.int8)
    quads = codes.view(np.int32).reshape(groups, target.queries, chunks.chunks, 2 * chunks.pairs)
    starts = _starts(-target.zero * _by_halves(whole, chunks), target).reshape(groups, target.queries, -1)
    return QuantisedQueries(
        np.ascontiguousarray(quads.transpose(0, 2, 3, 1)),
        np.ascontiguousarray(starts.transpose(0, 2, 1)),
        step[:n],
        moved[:n] * (1 + MARGIN) + 2.0**-40 + MARGIN,
        (np.linalg.norm(whole, axis=1) * (1 + MARGIN)).astype(np.float32),
    )


def _by_halves(values: NDArray[np.float64], chunks: Chunks) -> NDArray[np.float64]:
    """Sums over each half of each chunk. *Shape:* (n, n_chunks * 2).

    Args:
        values: *Shape:* (n, width).
    """
    quads = np.ascontiguousarray(values.T).reshape(chunks.chunks, 2 * chunks.pairs, 2, 2, len(values))
    sums = quads.sum(axis=1).sum(axis=2).reshape(2 * chunks.chunks, len(values))
    return np.ascontiguousarray(sums.T)


def _starts(sums: NDArray[np.float64], target: Target) -> NDArray[np.int32]:
    """Sums of both halves of each chunk, packed into 16 bits each, or all added. *Shape:* (n, n_chunks or 1) int32.

    Args:
        sums: whole numbers. *Shape:* (n, n_chunks * 2).
        target: for which processor.
    """
    whole = sums.astype(np.int32)
    return whole.astype(np.int16).view(np.int32) if target.narrow else whole.sum(axis=1, keepdims=True, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class QuantisedRows:
    """Coded rows, in tiles.

    Attributes:
        codes: *Shape:* (n_tiles * 16 * width,) uint8, see kernels.py.
        scale: step of each row. *Shape:* (n_tiles * 16,) float32.
        lost: bound on the norm of what coding loses. *Shape:* (n_tiles * 16,) float32.
        done: tiles that hold what they should. *Shape:* (n_tiles,) bool.
    """

    codes: NDArray[np.uint8]
    scale: NDArray[np.float32]
    lost: NDArray[np.float32]
    done: NDArray[np.bool_]

    @classmethod
    def room_for(cls, n_rows: int, width: int) -> QuantisedRows:
        """For so many rows, none of them quantised yet."""
        tiles = -(-n_rows // ROWS_PER_TILE)
        rows = tiles * ROWS_PER_TILE
        raw = np.zeros(rows * width + 64, dtype=np.uint8)
        codes = raw[-address(raw) % 64 :][: rows * width]
        return cls(codes, np.zeros(rows, np.float32), np.zeros(rows, np.float32), np.zeros(tiles, np.bool_))

    def part(self, start: int, n_rows: int) -> QuantisedRows:
        """Some of the rows; ``start`` is a tile's first."""
        first, tiles = start // ROWS_PER_TILE, -(-n_rows // ROWS_PER_TILE)
        rows, width = slice(start, start + tiles * ROWS_PER_TILE), len(self.codes) // len(self.scale)
        codes = self.codes[rows.start * width : rows.stop * width]
        return QuantisedRows(codes, self.scale[rows], self.lost[rows], self.done[first : first + tiles])


def address(array: NDArray[np.generic]) -> int:
    """Of an array's first element (``array.ctypes`` takes three times as long to say it)."""
    at: int = array.__array_interface__["data"][0]
    return at
