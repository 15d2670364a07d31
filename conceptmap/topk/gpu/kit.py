"""The array module that a search runs on, with the few things that numpy and CuPy do differently."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.errors import InputError, MissingExtraError
from conceptmap.topk.gpu import emulated

__all__ = ["Array", "Kit", "cuda_kits", "cupy_kit", "is_there", "numpy_kit"]

Array: TypeAlias = Any
"""An array of the kit's module, on its device."""
Module: TypeAlias = Any
"""Numpy, CuPy, or kernels that CuPy compiled: none of which mypy can look into everywhere."""
Blocks: TypeAlias = Iterator[tuple[int, int, Array]]
THREADS = 256
# cuBLAS names these so; CuPy's wrapper takes the numbers
OP_N, OP_T, COMPUTE_32F, DEFAULT_TENSOR_OP = 0, 1, 68, 99
CUDA_TYPES = {"float16": 2, "bfloat16": 14}
CUDA_FLOAT32 = 0


@dataclass(frozen=True, slots=True)
class Kit:
    """One device's tools. Their arguments are those of `emulated`.

    Attributes:
        name: for people.
        xp: numpy or cupy.
        product: products of a block with all queries, 16-bit in, float32 out.
        reach: rows of a tile onto the lists.
        tighten: lists cut to what may still answer.
        dots: pairs in float64.
        stream: blocks of host rows on the device, copied while others are worked on: (rows, edges) to
            (start, stop, block); a block is valid until the next is asked for.
        free_bytes: memory that is left.
        release: hands back memory that is kept for reuse.
        adopt: vectors as float32 on the device: over the same memory, by DLPack, where they are there already.
        to_host: an array as numpy's.
        here: makes the device current, and the stream that torch uses in this thread, so that work of both is in order.
    """

    name: str
    xp: Module
    product: Callable[..., None]
    reach: Callable[..., None]
    tighten: Callable[..., None]
    dots: Callable[..., Array]
    stream: Callable[[Array, Sequence[int]], Blocks]
    free_bytes: Callable[[], int]
    release: Callable[[], None]
    adopt: Callable[[Array], Array]
    to_host: Callable[[Array], NDArray[Any]]
    here: Callable[[], AbstractContextManager[Any]]


def numpy_kit() -> Kit:
    """Everything on the processor: slow, and the same algorithm."""
    return Kit(
        name="numpy in CuPy's place",
        xp=np,
        product=emulated.product,
        reach=emulated.reach,
        tighten=emulated.tighten,
        dots=emulated.dots,
        stream=lambda rows, edges: ((a, b, rows[a:b]) for a, b in pairwise(edges)),
        free_bytes=lambda: 1 << 40,
        release=lambda: None,
        adopt=_over_memory,
        to_host=np.asarray,
        here=nullcontext,
    )


def _over_memory(values: Array) -> NDArray[np.float32]:
    """What CuPy's kit does with a tensor of its device."""
    given = np.from_dlpack(values.detach()) if isinstance(values, torch.Tensor) else values
    return np.ascontiguousarray(given, dtype=np.float32)


def cuda_kits(device: str) -> tuple[Kit, ...]:
    """The kits of "cuda", "cuda:N" or "cuda:all".

    Raises:
        InputError: another name, or as `cupy_kit`.
    """
    name, _, number = device.partition(":")
    if name != "cuda" or not (number in ("", "all") or number.isdecimal()):
        raise InputError("device is unknown", got=repr(device), expected="'cpu', 'cuda', 'cuda:N' or 'cuda:all'")
    first = cupy_kit(int(number) if number.isdecimal() else 0)
    more = first.xp.cuda.runtime.getDeviceCount() if number == "all" else 1
    return (first, *(cupy_kit(i) for i in range(1, more)))


def is_there() -> bool:
    """Whether there is a device that both CuPy and torch can use."""
    if importlib.util.find_spec("cupy") is None or not torch.cuda.is_available():
        return False
    try:
        cupy_kit()
    except InputError:
        return False
    return True


@cache
def cupy_kit(device: int = 0) -> Kit:
    """A CUDA device.

    Raises:
        MissingExtraError: CuPy is not installed.
        InputError: there is no such device, no driver for it, or CUDA's libraries are missing.
    """
    if importlib.util.find_spec("cupy") is None:
        raise MissingExtraError("CuPy", extra="gpu", purpose="searching on a CUDA device")
    try:
        import cupy

        return _checked_kit(cupy, device)
    except ImportError as error:
        then = "type: pip install 'conceptmap[gpu]', or for CUDA 13: pip install 'conceptmap[gpu13]'"
        raise InputError("CuPy lacks one of CUDA's libraries", got=str(error).splitlines()[0], then=then) from error


def _checked_kit(cupy: Module, device: int) -> Kit:
    try:
        found = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        then = "install NVIDIA's driver, or for CUDA 13 type: pip install 'conceptmap[gpu13]'; or take --device cpu"
        raise InputError("CuPy finds no CUDA device", got=str(error), then=then) from error
    if device >= found:
        raise InputError("no such CUDA device", got=device, expected=f"below {found}")
    with cupy.cuda.Device(device):
        return _kit_of(cupy, device)


def _kit_of(cupy: Module, device: int) -> Kit:
    code = (Path(__file__).parent / "kernels.cu").read_text(encoding="utf-8")
    module = cupy.RawModule(code=code)
    return Kit(
        name=f"cuda:{device} {cupy.cuda.runtime.getDeviceProperties(device)['name'].decode()}",
        xp=cupy,
        product=_product(),
        reach=_reach(module),
        tighten=_tighten(cupy, module),
        dots=_dots(cupy, module),
        stream=_stream(cupy),
        free_bytes=lambda: cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes(),
        release=_release(cupy),
        adopt=_adopt(cupy, device),
        to_host=cupy.asnumpy,
        here=lambda: _here(cupy, device),
    )


@contextmanager
def _here(cupy: Module, device: int) -> Iterator[None]:
    """Device and stream for both libraries; CuPy's own default stream where torch has no CUDA."""
    with ExitStack() as stack:
        stack.enter_context(cupy.cuda.Device(device))
        if torch.cuda.is_available():
            stack.enter_context(torch.cuda.device(device))
            stream = _Borrowed(torch.cuda.current_stream(device).cuda_stream)
            stack.enter_context(cupy.cuda.Stream.from_external(stream))
        yield


@dataclass(frozen=True, slots=True)
class _Borrowed:
    """A stream that is torch's, by NVIDIA's stream protocol, which not every torch speaks itself."""

    pointer: int

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.pointer


def _adopt(cupy: Module, device: int) -> Callable[[Array], Array]:
    def adopt(values: Array) -> Array:
        if isinstance(values, torch.Tensor):
            given = values.detach().to(dtype=torch.float32)
            if given.device.type == "cuda":  # of another device: over the link between them
                values = cupy.from_dlpack(given.to(torch.device("cuda", device)).contiguous())
            else:
                values = given.numpy()
        return cupy.ascontiguousarray(cupy.asarray(values, dtype=np.float32))

    return adopt


def _release(cupy: Module) -> Callable[[], None]:
    def release() -> None:
        cupy.get_default_memory_pool().free_all_blocks()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    return release


def _product() -> Callable[..., None]:
    """The product by cuBLAS with 16-bit operands and float32 results, which `cupy.matmul` does not offer.

    Row-major rows are their own transpose to cuBLAS, so it is asked for rows-transposed times queries, whose columns
    are the queries' scores.
    """
    from cupy.cuda import device
    from cupy_backends.cuda.libs import cublas

    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)

    def product(block: Array, queries: Array, kind: str, tile: Array) -> None:
        (n_rows, dim), n, code = block.shape, len(queries), CUDA_TYPES[kind]
        cublas.gemmEx(
            *(device.get_cublas_handle(), OP_T, OP_N, n_rows, n, dim, one.ctypes.data),
            *(block.data.ptr, code, dim, queries.data.ptr, code, dim, zero.ctypes.data),
            *(tile.data.ptr, CUDA_FLOAT32, tile.shape[1], COMPUTE_32F, DEFAULT_TENSOR_OP),
        )

    return product


def _reach(module: Module) -> Callable[..., None]:
    kernel = module.get_function("reach")

    def reach(tile: Array, n_rows: int, first_row: int, inverse: Array, threshold: Array, lists: Array) -> None:
        count, row, approx = lists
        sizes = (np.int64(tile.shape[1]), np.int32(n_rows), np.int64(first_row))
        out = (np.int32(row.shape[1]), count, row, approx)
        kernel((len(count),), (THREADS,), (tile, *sizes, inverse, threshold, *out))

    return reach


def _tighten(cupy: Module, module: Module) -> Callable[..., None]:
    kernel = module.get_function("tighten")
    nothing = cupy.zeros(1, dtype=np.int64)

    def tighten(lists: Array, threshold: Array, margin: Array, group: Array | None, k: int, spilled: Array) -> None:
        count, row, _ = lists
        room = row.shape[1]
        groups = (nothing if group is None else group, np.int32(group is not None))
        limits = (np.int32(k), np.int32(room), spilled)
        kernel((len(count),), (THREADS,), (*lists, threshold, margin, *groups, *limits), shared_mem=24 * room)

    return tighten


def _dots(cupy: Module, module: Module) -> Callable[..., Array]:
    kernels = {kind: module.get_function(f"dots_{kind}") for kind in ("float16", "bfloat16", "float32")}

    def dots(queries: Array, stored: Array, kind: str, query: Array, row: Array) -> Array:
        out = cupy.empty(len(query), dtype=np.float64)
        if len(query):
            sizes = (np.int32(queries.shape[1]), np.int64(len(query)))
            grid = (-(-len(query) * 32 // THREADS),)
            pairs = (cupy.ascontiguousarray(part, dtype=np.int64) for part in (query, row))  # nonzero gives columns
            kernels[kind](grid, (THREADS,), (queries, stored, *sizes, *pairs, out))
        return out

    return dots


def _stream(cupy: Module) -> Callable[[Array, Sequence[int]], Blocks]:
    """Two pinned and two device buffers in turn: one is filled and copied while the other is worked on."""

    def stream(rows: Array, edges: Sequence[int]) -> Blocks:
        most = max(b - a for a, b in pairwise(edges))
        copying, current = cupy.cuda.Stream(non_blocking=True), cupy.cuda.get_current_stream()
        slots = [_slot(cupy, most, rows) for _ in range(2)]
        for *_, used in slots:
            used.record(current)  # whatever had this memory before
        try:
            for i, (start, stop) in enumerate(pairwise(edges)):
                pinned, block, copied, used = slots[i % 2]
                copied.synchronize()
                pinned[: stop - start] = rows[start:stop]
                copying.wait_event(used)
                block[: stop - start].set(pinned[: stop - start], stream=copying)
                copied.record(copying)
                current.wait_event(copied)
                yield start, stop, block[: stop - start]
                used.record(current)
        finally:  # nothing may still be on its way into buffers that are let go
            copying.synchronize()
            current.synchronize()

    return stream


def _slot(cupy: Module, n_rows: int, rows: Array) -> tuple[Any, Array, Any, Any]:
    size = n_rows * rows.shape[1]
    memory = cupy.cuda.alloc_pinned_memory(size * rows.dtype.itemsize)
    pinned = np.frombuffer(memory, rows.dtype, size).reshape(n_rows, rows.shape[1])
    events = [cupy.cuda.Event(disable_timing=True) for _ in range(2)]
    return pinned, cupy.empty(pinned.shape, dtype=rows.dtype), *events
