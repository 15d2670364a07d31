"""CuPy as far as a search calls it, over numpy: every launch is held against the declaration of its kernel.

Kernels do what their emulation does; cuBLAS's product reads and writes the memory behind the pointers that it is given.
Streams and events do nothing, since nothing runs beside anything, but all that is asked of the device is written down.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from conceptmap.topk.gpu import emulated, kit

__all__ = ["TRACE", "declarations", "modules"]

TRACE: list[str] = []
"""What was asked of the device, in order."""

SCALARS = {"int": np.int32, "long long": np.int64}
ARRAYS = {"float": np.float32, "int": np.int32, "long long": np.int64, "double": np.float64}
HALF, BFLOAT, FLOAT = 2, 14, 0
"""cudaDataType_t: CUDA_R_16F, CUDA_R_16BF, CUDA_R_32F."""


class Array(np.ndarray[Any, Any]):
    """With a pointer where CuPy's has one."""

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self.ctypes.data)

    def set(self, values: np.ndarray[Any, Any], stream: Any) -> None:
        assert values.dtype == self.dtype
        assert isinstance(stream, Stream)
        assert values.flags.c_contiguous
        TRACE.append(f"copy {' x '.join(map(str, values.shape))} pinned to device on {stream.name}")
        self[...] = values


class Stream:
    taken: ClassVar[list[int]] = []
    """Streams that were current, by their pointers: those of others only."""

    def __init__(self, *, non_blocking: bool = False, pointer: int = 0) -> None:
        self.non_blocking, self.pointer = non_blocking, pointer
        self.name = "copying" if non_blocking else "current"

    @classmethod
    def from_external(cls, stream: Any) -> Stream:
        version, pointer = stream.__cuda_stream__()
        assert version == 0
        return cls(pointer=pointer)

    def __enter__(self) -> None:
        self.taken.append(self.pointer)

    def __exit__(self, *_: object) -> None:
        self.taken.append(-self.pointer)

    def synchronize(self) -> None:
        TRACE.append(f"host waits for {self.name}")

    def wait_event(self, event: Event) -> None:
        assert isinstance(event, Event)
        TRACE.append(f"{self.name} waits for {event.name}")


class Event:
    made: ClassVar[int] = 0
    """Events are made in pairs: a slot's block was copied, a slot's block was used."""

    def __init__(self, *, disable_timing: bool) -> None:
        assert disable_timing
        slot, kind = divmod(Event.made % 4, 2)
        self.name = f"{('copied', 'used')[kind]} {slot}"
        Event.made += 1

    def record(self, stream: Stream) -> None:
        assert isinstance(stream, Stream)
        TRACE.append(f"{self.name} recorded on {stream.name}")

    def synchronize(self) -> None:
        TRACE.append(f"host waits for {self.name}")


def declarations(code: str) -> dict[str, list[str]]:
    """The types of each kernel's parameters, as its source declares them."""
    found = re.findall(r'extern "C" __global__ void (\w+)\(([^)]*)\)', code.replace("\\\n", " "))
    types = {}
    for name, parameters in found:
        plain = re.sub(r"\bconst\b|__restrict__|\s+", " ", parameters)
        types[name] = [re.sub(r"\w+\s*$", "", one).replace(" *", "*").strip() for one in plain.split(",")]
    macro = types.pop("NAME")
    return types | dict.fromkeys(re.findall(r"^PRODUCTS\((\w+), \d\)", code, re.MULTILINE), macro)


class RawModule:
    def __init__(self, *, code: str) -> None:
        self.types = declarations(code)

    def get_function(self, name: str) -> Any:
        declared = self.types[name]

        def launch(grid: Any, block: Any, arguments: Any, *, shared_mem: int = 0) -> None:
            assert all(isinstance(size, int) and size > 0 for size in (*grid, *block))
            assert len(arguments) == len(declared)
            for argument, kind in zip(arguments, declared, strict=True):
                if not kind.endswith("*"):
                    assert type(argument) is SCALARS[kind]
                    continue
                assert isinstance(argument, np.ndarray)
                assert argument.flags.c_contiguous
                assert kind == "void*" or argument.dtype == ARRAYS[kind[:-1]]
            TRACE.append(f"{name} <<<{grid[0]}, {block[0]}, {shared_mem}>>>")
            RUN[name.partition("_")[0]](name, grid, block, arguments, shared_mem)

        return launch


def _reach(name: str, grid: Any, block: Any, arguments: Any, shared: int) -> None:
    tile, pitch, n_rows, first_row, inverse, threshold, room, count, row, approx = arguments
    assert grid == (len(count),)
    assert tile.shape[1] == pitch
    assert row.shape == approx.shape == (len(count), room)
    emulated.reach(tile, int(n_rows), int(first_row), inverse, threshold, (count, row, approx))


def _tighten(name: str, grid: Any, block: Any, arguments: Any, shared: int) -> None:
    count, row, approx, threshold, margin, group, grouped, k, room, spilled = arguments
    assert grid == (len(count),)
    assert shared == room * (8 + 8 + 4 + 4)
    emulated.tighten((count, row, approx), threshold, margin, group if grouped else None, int(k), spilled)


def _dots(name: str, grid: Any, block: Any, arguments: Any, shared: int) -> None:
    queries, stored, dim, n_pairs, query, row, out = arguments
    assert queries.shape[1] == stored.shape[1] == dim
    assert len(query) == len(row) == len(out) == n_pairs
    assert (grid[0] - 1) * block[0] < 32 * n_pairs <= grid[0] * block[0]
    out[:] = emulated.dots(queries, stored, name.partition("_")[2], query, row)


RUN = {"reach": _reach, "tighten": _tighten, "dots": _dots}


def _at(pointer: int, rows: int, pitch: int, kind: int) -> np.ndarray[Any, Any]:
    """Memory as a matrix of rows; 16-bit values as their bits."""
    size = ctypes.c_float if kind == FLOAT else ctypes.c_uint16
    return np.ctypeslib.as_array((size * (rows * pitch)).from_address(pointer)).reshape(rows, pitch)


def gemm_ex(handle: str, trans_a: int, trans_b: int, m: int, n: int, k: int, alpha: int, *rest: int) -> None:
    """C = op(A) op(B), column by column, as cuBLAS documents cublasGemmEx; of the cases only the one asked for."""
    a, a_type, lda, b, b_type, ldb, beta, c, c_type, ldc, compute, algorithm = rest
    asked = f"{'NT'[trans_a]}{'NT'[trans_b]} m {m} n {n} k {k} lda {lda} ldb {ldb} ldc {ldc}"
    TRACE.append(f"gemmEx {asked}")
    assert (handle, trans_a, trans_b, compute, algorithm) == ("handle", 1, 0, 68, 99)
    assert (a_type, c_type) in ((HALF, FLOAT), (BFLOAT, FLOAT))
    assert a_type == b_type
    assert [ctypes.c_float.from_address(one).value for one in (alpha, beta)] == [1, 0]
    assert lda >= k
    assert ldb >= k
    assert ldc >= m
    # column j of A, transposed row j of op(A), lies at j * lda; column i of B at i * ldb, of C at i * ldc
    left, right = _at(a, m, lda, a_type)[:, :k], _at(b, n, ldb, b_type)[:, :k]
    numbers = [
        emulated.as_float32(side.copy() if a_type == BFLOAT else side.copy().view(np.float16), name)
        for side, name in ((left, kind_of(a_type)), (right, kind_of(b_type)))
    ]
    _at(c, n, ldc, c_type)[:, :m] = numbers[1] @ numbers[0].T


def kind_of(code: int) -> str:
    return {number: name for name, number in kit.CUDA_TYPES.items()}[code]


@contextmanager
def _device(number: int) -> Iterator[None]:
    assert number == 0
    yield


def _pinned(size: int) -> bytearray:
    TRACE.append(f"pin {size} bytes")
    return bytearray(size)


def _with_pointer(make: Any) -> Any:
    return lambda *given, **options: make(*given, **options).view(Array)


def modules() -> dict[str, ModuleType]:
    """What takes CuPy's place in ``sys.modules``."""
    cupy, cuda = ModuleType("cupy"), ModuleType("cupy.cuda")
    libs = ModuleType("cupy_backends.cuda.libs")
    for name in ("abs arange bincount cumsum isfinite lexsort nonzero ones sqrt square stack where").split():
        setattr(cupy, name, getattr(np, name))
    for name in ("asarray", "ascontiguousarray", "empty", "full", "zeros"):
        setattr(cupy, name, _with_pointer(getattr(np, name)))
    pool = SimpleNamespace(free_bytes=lambda: 0, free_all_blocks=lambda: None, total_bytes=lambda: 0)
    current = Stream()
    runtime = SimpleNamespace(
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda number: {"name": b"pretended"},
        memGetInfo=lambda: (1 << 40, 1 << 40),
        CUDARuntimeError=RuntimeError,
    )
    cupy.__dict__.update(asnumpy=np.array, RawModule=RawModule, cuda=cuda, get_default_memory_pool=lambda: pool)
    cuda.__dict__.update(Stream=Stream, Event=Event, Device=_device, runtime=runtime)
    cuda.__dict__.update(get_current_stream=lambda: current, alloc_pinned_memory=_pinned)
    cuda.__dict__.update(device=SimpleNamespace(get_cublas_handle=lambda: "handle"))
    libs.__dict__.update(cublas=SimpleNamespace(gemmEx=gemm_ex))
    parents = {name: ModuleType(name) for name in ("cupy_backends", "cupy_backends.cuda")}
    return {"cupy": cupy, "cupy.cuda": cuda, "cupy_backends.cuda.libs": libs, **parents}
