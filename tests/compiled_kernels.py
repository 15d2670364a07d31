"""``kernels.cu`` compiled for the processor, in the place of what numpy does in a kit's name.

One word of it is changed: shared memory whose size a launch gives is declared by a macro of its own.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from conceptmap.topk.gpu import Kit

__all__ = ["build", "compiled_kit", "compiler", "launchers"]

HERE = Path(__file__).parent / "cuda"
KERNELS = Path(__file__).parents[1] / "conceptmap" / "topk" / "gpu" / "kernels.cu"
WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unknown-pragmas",
    "-Wno-psabi",
    "-Wno-unused-function",
    "-Wno-cast-function-type",
]


def compiler() -> str | None:
    """A C++ compiler that knows C++20's atomics, or None."""
    return next((found for name in ("g++", "clang++") if (found := shutil.which(name))), None)


def build(folder: Path, *options: str) -> Path:
    """Compile the kernels into a library.

    Args:
        folder: where to.
        options: more of the compiler's.
    """
    code = folder / "kernels.cu"
    text = KERNELS.read_text(encoding="utf-8")
    code.write_text(text.replace("extern __shared__", "extern __dynamic_shared__"), encoding="utf-8")
    library = folder / "kernels.so"
    how = ["-std=c++20", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-x", "c++", *WARNINGS, *options]
    command = [compiler() or "g++", *how, f'-DKERNELS="{code}"', "-I", str(HERE), str(HERE / "launches.cpp")]
    done = subprocess.run([*command, "-o", str(library)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


@cache
def _library() -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        return ctypes.CDLL(str(build(Path(folder))))


def compiled_kit(library: ctypes.CDLL | None = None, *, threads: int = 64) -> Kit:
    """Numpy's kit, its lists and its products of pairs made by the kernels.

    Args:
        library: what `build` made; by default compiled once for all tests.
        threads: in a block, a multiple of 32; a device has ``kit.THREADS``.
    """
    from conceptmap.topk.gpu import numpy_kit

    return replace(numpy_kit(), name="the kernels on the processor", **launchers(library or _library(), threads))


def launchers(library: ctypes.CDLL, threads: int) -> dict[str, Callable[..., Any]]:
    """What a kit calls, by name, with a block of so many threads; their arguments are those of `emulated`."""
    pairs = {kind: getattr(library, f"launch_dots_{kind}") for kind in ("float16", "bfloat16", "float32")}
    return {
        "reach": _reach(library.launch_reach, threads),
        "tighten": _tighten(library.launch_tighten, threads),
        "dots": _dots(pairs, threads),
    }


def _reach(launch: Callable[..., None], threads: int) -> Callable[..., None]:
    def reach(tile: Any, n_rows: int, first_row: int, inverse: Any, threshold: Any, lists: Any) -> None:
        count, row, approx = lists
        sizes = (_long(tile.shape[1]), n_rows, _long(first_row))
        out = (row.shape[1], _at(count, np.int32), _at(row, np.int64), _at(approx, np.float32))
        limits = (_at(inverse, np.float32), _at(threshold, np.float32))
        launch(_long(len(count)), threads, _at(tile, np.float32), *sizes, *limits, *out)

    return reach


def _tighten(launch: Callable[..., None], threads: int) -> Callable[..., None]:
    def tighten(lists: Any, threshold: Any, margin: Any, group: Any, k: int, spilled: Any) -> None:
        count, row, approx = lists
        given = np.zeros(1, np.int64) if group is None else group
        listed = (_at(count, np.int32), _at(row, np.int64), _at(approx, np.float32))
        limits = (_at(threshold, np.float32), _at(margin, np.float32), _at(given, np.int64), int(group is not None))
        launch(_long(len(count)), threads, *listed, *limits, k, row.shape[1], _at(spilled, np.int32))

    return tighten


def _dots(launches: dict[str, Callable[..., None]], threads: int) -> Callable[..., NDArray[np.float64]]:
    def dots(queries: Any, stored: Any, kind: str, query: Any, row: Any) -> NDArray[np.float64]:
        out = np.empty(len(query))
        if len(query):
            pairs = [np.ascontiguousarray(part, dtype=np.int64) for part in (query, row)]
            rows = np.ascontiguousarray(stored)
            sizes = (queries.shape[1], _long(len(query)))
            given = (_at(queries, np.float32), _at(rows, rows.dtype), *sizes, *(_at(part, np.int64) for part in pairs))
            launches[kind](_long(-(-len(query) * 32 // threads)), threads, *given, _at(out, np.float64))
        return out

    return dots


def _long(value: int) -> ctypes.c_longlong:
    return ctypes.c_longlong(value)


def _at(array: Any, dtype: Any) -> ctypes.c_void_p:
    """Where an array lies, as the kernel's declaration wants it: of this type, without gaps."""
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)
