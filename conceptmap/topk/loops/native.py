"""The loops of `conceptmap.topk.loops.kernels`, compiled for this processor when they are first asked for."""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.topk.loops.kernels import AVX2, AVX_VNNI, ROWS_PER_TILE, VNNI, Target, source
from conceptmap.topk.loops.machine_code import features, machine_code
from conceptmap.topk.loops.quantised import (
    WIDEST_QUERY,
    Chunks,
    QuantisedQueries,
    QuantisedRows,
    address,
    longest,
    quantise_queries,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Kernels", "compiled", "kernels"]

_POINTER, _INT, _FLOAT, _DOUBLE = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float, ctypes.c_double
_SETTLED = [*[_POINTER] * 2, _INT, *[_POINTER] * 6, _INT, *[_POINTER] * 3, _INT, _INT, *[_POINTER] * 3]
_ASKED = [_POINTER, _INT, _INT, _POINTER, _POINTER, _INT, _INT, _DOUBLE, _DOUBLE, _INT, _INT, *[_POINTER] * 6]
_ARGUMENTS: dict[str, tuple[Any, list[Any]]] = {
    "ask": (None, _ASKED),
    "scan": (None, [_POINTER, _INT, _INT, _INT, _POINTER, _POINTER, _INT, *[_POINTER] * 5]),
    "dots": (None, [_POINTER, _POINTER, _INT, _INT, *[_POINTER] * 3]),
    "code": (None, [_POINTER, _INT, _INT, _POINTER, _POINTER, _INT, _INT, _FLOAT, _FLOAT, *[_POINTER] * 3]),
    "settle": (_INT, [_POINTER, _INT, _INT, _INT, _POINTER, _INT, *_SETTLED]),
}
_AVX2 = {"avx2", "fma", "f16c"}
_NEEDED = ((VNNI, {"avx512vnni", "avx512bw", "avx512vl", *_AVX2}), (AVX_VNNI, {"avxvnni", *_AVX2}), (AVX2, _AVX2))
"""Targets and LLVM's names of what they take, the fastest first."""
_ONE_AT_A_TIME = threading.Lock()
_STORED = {torch.float16: "half", torch.float32: "float", torch.bfloat16: "i16"}


@dataclass(frozen=True, slots=True)
class Kernels:
    """Compiled loops; they take addresses, and let other threads run.

    Attributes:
        target: what they were compiled for.
        ask: see ask.ll.
        scan: see kernels.py.
        code: see code.ll; for rows of every stored type.
        settle: see settle.ll; likewise.
        dots: see dots.ll; likewise.
        engine: owns the machine code.
    """

    target: Target
    ask: Callable[..., None]
    scan: Callable[..., None]
    code: dict[torch.dtype, Callable[..., None]]
    settle: dict[torch.dtype, Callable[..., int]]
    dots: dict[torch.dtype, Callable[..., None]]
    engine: Any = field(repr=False)

    def sizes(self, chunks: Chunks, into: QuantisedRows) -> tuple[float, ...]:
        """The last arguments of ``code``: how dimensions are cut, how large codes may be, and where they go."""
        limits = (chunks.pairs // 4, chunks.chunks, self.target.zero - 1, longest(self.target)[0])
        return (*limits, address(into.codes), address(into.scale), address(into.lost))

    def asked(
        self, queries: NDArray[np.float32], norms: NDArray[np.float64], chunks: Chunks
    ) -> tuple[QuantisedQueries, NDArray[np.float32]]:
        """Queries as ``scan`` reads them (as `quantise_queries` makes them), and as unit vectors.

        Args:
            queries: *Shape:* (n, dim).
            norms: *Shape:* (n,).
            chunks: how their dimensions are cut.

        Returns:
            The codes; and unit queries, *Shape:* (n, width).
        """
        n, dim = queries.shape
        given = np.ascontiguousarray(np.pad(queries, ((0, 0), (0, -dim % 8))) if dim % 8 else queries)
        into, row = QuantisedQueries.room_for(n, chunks, self.target), np.zeros(chunks.width)
        unit = np.zeros((n, chunks.width), np.float32)
        quads, sums = chunks.summed(self.target)
        asked = (address(given), n, given.shape[1], address(norms), address(row), quads // 2, sums)
        limits = (WIDEST_QUERY, longest(self.target)[1], self.target.queries, int(self.target.narrow))
        codes = (address(unit), address(into.codes), address(into.starts))
        self.ask(*asked, *limits, *codes, address(into.step), address(into.drop), address(into.lift))
        return into, unit


def kernels() -> Kernels | None:
    """The loops for this processor, or None where it has no fast product of bytes, or llvmlite is not installed."""
    with _ONE_AT_A_TIME:
        return _kernels()


@cache
def _kernels() -> Kernels | None:
    target = next((target for target, needed in _NEEDED if features() >= needed), None)
    try:
        made = None if target is None else compiled(target)
    except (RuntimeError, OSError):  # memory may not be made executable here, or LLVM knows this processor otherwise
        return None
    return made if made is not None and _multiplies_rightly(made) else None


def _multiplies_rightly(made: Kernels) -> bool:
    """Compare the bits of three tiles with numpy's, so that a processor that errs is not used."""
    queries, chunks, rows = made.target.queries, Chunks.of(256), 3 * ROWS_PER_TILE
    unit = np.sin(np.arange(1, (rows + 1) * 256 + 1, dtype=np.float64) ** 2).reshape(-1, 256)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    asked = quantise_queries(np.repeat(unit[rows:], queries, axis=0), chunks, made.target)
    values, row = np.ascontiguousarray(unit[:rows], dtype=np.float32), np.zeros(256, np.float32)
    into, inverse = QuantisedRows.room_for(rows, 256), np.ones(rows, np.float32)
    made.code[torch.float32](address(values), rows, 256, address(inverse), address(row), *made.sizes(chunks, into))
    level, found = asked.level(np.zeros(queries, np.float32)), np.zeros((3, queries), np.uint16)
    of_query = (address(asked.codes), address(asked.starts), 1)
    of_row = (address(into.scale), address(into.lost), address(asked.lift), address(level), address(found))
    made.scan(address(into.codes), 3, *chunks.summed(made.target), *of_query, *of_row)
    whole = into.codes.reshape(3, -1, 16, 4).transpose(0, 2, 1, 3).reshape(rows, 256).astype(np.int64)
    sums = (whole - made.target.zero) @ np.rint(unit[rows] / asked.step[0]).astype(np.int64)
    reaching = (sums * into.scale + into.lost * asked.lift[0] >= level[0]).reshape(3, 16)
    return bool((found == (reaching << np.arange(16)).sum(axis=1)[:, None]).all())


@cache
def compiled(target: Target) -> Kernels:
    """The loops for a kind of processor."""
    engine = machine_code(source(target))

    def made(kind: str, name: str = "") -> Callable[..., Any]:
        answer, arguments = _ARGUMENTS[kind]
        return ctypes.CFUNCTYPE(answer, *arguments)(engine.get_function_address(name or kind))

    def by_type(kind: str) -> dict[torch.dtype, Callable[..., Any]]:
        return {dtype: made(kind, f"{kind}_{stored}") for dtype, stored in _STORED.items()}

    return Kernels(target, made("ask"), made("scan"), by_type("code"), by_type("settle"), by_type("dots"), engine)
