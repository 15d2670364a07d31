"""The kernels as real threads under a sanitizer: races in shared memory, and reading or writing out of bounds.

    LD_PRELOAD=$(g++ -print-file-name=libtsan.so) python tests/sanitised_kernels.py thread
    ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$(g++ -print-file-name=libasan.so) python tests/sanitised_kernels.py address

Without torch, which no sanitizer has seen. What a sanitizer finds it prints, and the process ends with its code.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from compiled_kernels import KERNELS, build, launchers

ROOM, K = 40, 5


def main(kind: str) -> None:
    """Run each kernel on random lists, short, full and run over, and compare with numpy."""
    spec = importlib.util.spec_from_file_location("emulated", KERNELS.parent / "emulated.py")
    assert spec is not None
    assert spec.loader is not None
    emulated = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(emulated)
    with tempfile.TemporaryDirectory() as folder:
        library = ctypes.CDLL(str(build(Path(folder), "-DREAL_THREADS", "-g", f"-fsanitize={kind}", "-pthread")))
    for threads in (32, 64, 256):
        made = launchers(library, threads)
        for seed in range(6):
            _lists(made, emulated, seed)
            _pairs(made, emulated, seed)
    sys.stdout.write(f"{kind}: the kernels and numpy agree\n")


def _lists(made: dict[str, Any], emulated: Any, seed: int) -> None:
    generator = np.random.default_rng(seed)
    n, n_rows = 3, (7, 40, 90)[seed % 3]
    tile = np.round(generator.standard_normal((n, n_rows + 3), dtype=np.float32), 1 + seed % 2)
    inverse = np.where(generator.random(2 * n_rows) < 0.1, np.nan, 1).astype(np.float32)
    group = None if seed % 2 else np.arange(2 * n_rows) // 3
    found = []
    for how in (made, {name: getattr(emulated, name) for name in ("reach", "tighten")}):
        lists = (np.zeros(n, np.int32), np.zeros((n, ROOM), np.int64), np.zeros((n, ROOM), np.float32))
        threshold, spilled = np.full(n, -1, np.float32), np.zeros(n, np.int32)
        how["reach"](tile, n_rows, n_rows, inverse, threshold, lists)
        if int(lists[0].max()) <= ROOM:  # else it depends on the threads which rows are on a list
            how["tighten"](lists, threshold, np.full(n, 0.25, np.float32), group, K, spilled)
        listed = [sorted(row[:m]) for m, row in zip(np.minimum(lists[0], ROOM), lists[1], strict=True)]
        found.append((lists[0].copy(), threshold.copy(), listed))
        how["tighten"](lists, threshold, np.full(n, 0.25, np.float32), group, K, spilled)
    (count, threshold, rows), (other_count, other_threshold, other_rows) = found
    np.testing.assert_array_equal(count, other_count)
    np.testing.assert_array_equal(threshold, other_threshold)
    assert n_rows > ROOM or rows == other_rows


def _pairs(made: dict[str, Any], emulated: Any, seed: int) -> None:
    generator = np.random.default_rng(seed)
    dim, kind = (1, 31, 33, 40, 64, 7)[seed], ("float16", "float32", "bfloat16")[seed % 3]
    queries, rows = (generator.standard_normal((n, dim)).astype(np.float32) for n in (3, 9))
    stored = (rows.view(np.uint32) >> 16).astype(np.uint16) if kind == "bfloat16" else rows.astype(kind)
    query, row = generator.integers(0, 3, 11), generator.integers(0, 9, 11)
    expected = emulated.dots(queries, stored, kind, query, row)
    np.testing.assert_allclose(made["dots"](queries, stored, kind, query, row), expected, rtol=1e-12, atol=1e-12)


if __name__ == "__main__":
    main(sys.argv[1])
