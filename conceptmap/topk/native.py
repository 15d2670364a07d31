"""The loops of `conceptmap.topk.kernels`, compiled for this processor when they are first asked for."""

from __future__ import annotations

import ctypes
import importlib.util
import platform
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.topk.codes import Chunks, code_queries
from conceptmap.topk.kernels import AVX2, VNNI, Target, source

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Kernels", "address", "compiled", "kernels"]

_POINTER, _INT, _FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
_ARGUMENTS: dict[str, tuple[Any, list[Any]]] = {
    "scan": (None, [_POINTER, _INT, _INT, _INT, _POINTER, _POINTER, _INT, *[_POINTER] * 5]),
    "widen": (None, [_POINTER, _INT, _INT, _INT, _POINTER, _POINTER]),
    "dots": (None, [_POINTER, _POINTER, _INT, _INT, *[_POINTER] * 3]),
    "code": (None, [_POINTER, _INT, _INT, _INT, _FLOAT, _FLOAT, *[_POINTER] * 3]),
    "settle": (_INT, [_POINTER, _INT, _INT, _INT, _POINTER, _POINTER, _INT, _POINTER, _INT, *[_POINTER] * 3]),
}
_NEEDED = ((VNNI, {"avx512vnni", "avx512bw", "avx512vl", "f16c"}), (AVX2, {"avx2", "fma", "f16c"}))
_ONE_AT_A_TIME = threading.Lock()
"""LLVM's modules share what threads may not."""
_STORED = {torch.float16: "half", torch.float32: "float", torch.bfloat16: "i16"}


@dataclass(frozen=True, slots=True)
class Kernels:
    """Compiled loops; they take addresses, and let other threads run.

    Attributes:
        target: what they were compiled for.
        scan: see kernels.py.
        widen: see widen.ll; for rows of every stored type.
        dots: see dots.ll; likewise.
        code: see code.ll.
        settle: see settle.ll.
        engine: owns the machine code.
    """

    target: Target
    scan: Callable[..., None]
    widen: dict[torch.dtype, Callable[..., None]]
    dots: dict[torch.dtype, Callable[..., None]]
    code: Callable[..., None]
    settle: Callable[..., int]
    engine: Any = field(repr=False)


def kernels() -> Kernels | None:
    """The loops for this processor, or None where it has no fast product of bytes, or llvmlite is not installed."""
    with _ONE_AT_A_TIME:
        return _kernels()


@cache
def _kernels() -> Kernels | None:
    if platform.machine().lower() not in ("x86_64", "amd64") or importlib.util.find_spec("llvmlite") is None:
        return None
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    has = {name for name in features if features[name]}
    target = next((target for target, needed in _NEEDED if has >= needed), None)
    try:
        made = None if target is None else compiled(target)
    except (RuntimeError, OSError):  # memory may not be made executable here, or LLVM knows this processor otherwise
        return None
    return made if made is not None and _multiplies_rightly(made) else None


def _multiplies_rightly(made: Kernels) -> bool:
    """Compare one tile's bits with numpy's, so that a processor that errs is not used."""
    queries, chunks = made.target.queries, Chunks.of(256)
    unit = np.sin(np.arange(1, 17 * 256 + 1, dtype=np.float64) ** 2).reshape(17, 256)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    asked = code_queries(np.repeat(unit[16:], queries, axis=0), chunks, made.target)
    values = np.ascontiguousarray(unit[:16], dtype=np.float32)
    raw = np.zeros(values.size + 64, dtype=np.uint8)
    codes = raw[-raw.ctypes.data % 64 :][: values.size]
    scale, lost, found = np.zeros(16, np.float32), np.zeros(16, np.float32), np.zeros(queries, np.uint16)
    sizes = (16, chunks.pairs // 4, chunks.chunks, 63, 175)
    made.code(address(values), *sizes, address(codes), address(scale), address(lost))
    level = asked.level(torch.zeros(queries))
    of_query = (address(asked.codes), address(asked.starts), 1)
    of_row = (address(scale), address(lost), address(asked.lift), address(level), address(found))
    made.scan(address(codes), 1, 2 * chunks.pairs, chunks.chunks, *of_query, *of_row)
    whole = codes.reshape(-1, 16, 4).transpose(1, 0, 2).reshape(16, 256).astype(np.int64) - 64
    sums = whole @ np.rint(unit[16] / asked.step[0]).astype(np.int64)
    expected = int(((sums * scale + lost * asked.lift[0] >= level[0]) << np.arange(16)).sum())
    return bool((found == expected).all())


def address(array: NDArray[np.generic]) -> int:
    """Of an array's first element (``array.ctypes`` takes three times as long to say it)."""
    at: int = array.__array_interface__["data"][0]
    return at


@cache
def compiled(target: Target) -> Kernels:
    """The loops for a kind of processor."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    module = llvm.parse_assembly(source(target))
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()

    def made(kind: str, name: str = "") -> Callable[..., Any]:
        answer, arguments = _ARGUMENTS[kind]
        return ctypes.CFUNCTYPE(answer, *arguments)(engine.get_function_address(name or kind))

    widen = {dtype: made("widen", f"widen_{kind}") for dtype, kind in _STORED.items()}
    dots = {dtype: made("dots", f"dots_{kind}") for dtype, kind in _STORED.items()}
    return Kernels(target, made("scan"), widen, dots, made("code"), made("settle"), engine)
