"""What a device is asked to do: sizes of launches, the order of calls, and kernels that NVIDIA's compiler takes."""

from __future__ import annotations

import ctypes
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from compiled_kernels import KERNELS, compiled_kit, compiler
from pretended_cupy import TRACE, Event

from conceptmap.topk import gpu, prepare
from conceptmap.topk.gpu import Kit, kit, numpy_kit, search

CAPABILITIES = ("7.0", "7.2", "7.5", "8.0", "8.6", "8.7", "8.9", "9.0", "10.0", "12.0")
THREADS_OF_A_BLOCK, SHARED_OF_A_BLOCK, REGISTERS_OF_A_BLOCK, REGISTERS_OF_A_THREAD = 1024, 48 * 1024, 64 * 1024, 255
GRID = 2**31 - 1
"""Alike from 7.0 to 12.0 (CUDA C++ Programming Guide, "Technical Specifications per Compute Capability"): more shared
memory than 48 KiB has to be opted in, which no launch here does."""
STATIC_SHARED = 8
"""Of `tighten`: kept and level."""
TRACED = Path(__file__).parent / "cuda" / "search_trace.txt"


def test_every_launch_fits_every_device() -> None:
    assert kit.THREADS % 32 == 0
    assert kit.THREADS <= THREADS_OF_A_BLOCK
    assert kit.THREADS * REGISTERS_OF_A_THREAD <= REGISTERS_OF_A_BLOCK, "however many registers the compiler takes"
    assert 24 * search.ROOM + STATIC_SHARED <= SHARED_OF_A_BLOCK
    for room in range(1, search.ROOM + 1):
        rows, groups, scores, heads = 0, 8 * room, 16 * room, 20 * room
        assert (rows % 8, groups % 8, scores % 4, heads % 4) == (0, 0, 0, 0)
    most_pairs = search.QUERIES_AT_ONCE * search.ROOM
    assert -(-most_pairs * 32 // kit.THREADS) <= GRID
    assert search.QUERIES_AT_ONCE <= GRID


def test_a_streamed_search_asks_in_the_order_that_is_written_down(
    pretended: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``cuda/search_trace.txt`` says why each line stands where it does."""
    monkeypatch.setattr(search, "ROWS_AT_ONCE", 512)
    monkeypatch.setattr(search, "STREAMED_AT_ONCE", 1000)
    monkeypatch.setattr(search, "FIRST_ROWS", 64)
    generator = np.random.default_rng(1)
    matrix = generator.standard_normal((2500, 24)).astype(np.float16)
    rows = gpu.place(prepare(matrix), pretended, resident=False)
    TRACE.clear()
    Event.made = 0
    gpu.topk(generator.standard_normal((5, 24), dtype=np.float32), rows, 3)
    written = [line for line in TRACED.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    asked = [line.split("<<<")[0] + "<<<pairs" if line.startswith("dots") else line for line in TRACE]
    assert asked == written


def test_a_block_is_neither_overwritten_nor_read_too_early(pretended: Kit) -> None:
    """From the trace alone: a copy into a slot comes after the slot's last use, a product after the slot's copy."""
    rows = np.arange(7 * 40, dtype=np.float16).reshape(70, 4)
    TRACE.clear()
    Event.made = 0
    for start, stop, block in pretended.stream(rows, [0, 20, 40, 55, 70]):
        np.testing.assert_array_equal(block, rows[start:stop])
        TRACE.append("used")
    copies = [at for at, line in enumerate(TRACE) if line.startswith("copy ")]
    assert len(copies) == 4
    for number, at in enumerate(copies):
        slot = number % 2
        assert TRACE[at - 2] == f"host waits for copied {slot}", "the pinned buffer is free"
        assert TRACE[at - 1] == f"copying waits for used {slot}", "the device's buffer is free"
        assert TRACE[at + 1 : at + 3] == [f"copied {slot} recorded on copying", f"current waits for copied {slot}"]
        used = TRACE.index("used", at)
        assert TRACE[used + 1] == f"used {slot} recorded on current"
    assert TRACE[-2:] == ["host waits for copying", "host waits for current"], "before the buffers are let go"
    assert all(later > earlier for earlier, later in pairwise(copies))


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler for kernels.cu")
@pytest.mark.parametrize("threads", [32, 64, 256])
def test_blocks_of_any_size_answer_alike(threads: int) -> None:
    generator = np.random.default_rng(2)
    matrix, queries = generator.standard_normal((900, 33)), generator.standard_normal((4, 33), dtype=np.float32)
    ready, groups = prepare(matrix.astype(np.float16)), np.arange(900) // 2
    expected = gpu.topk(queries, gpu.place(ready, numpy_kit()), 9, groups=groups)
    found = gpu.topk(queries, gpu.place(ready, compiled_kit(threads=threads)), 9, groups=groups)
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[0], expected[0])


def _nvrtc() -> ctypes.CDLL | None:
    """NVIDIA's run-time compiler out of its Python package, which runs without a device."""
    places = [Path(place) / "nvidia" for place in sys.path]
    found = [file for place in places for file in sorted(place.glob("*/lib/libnvrtc.so.1[0-9]"))]
    return ctypes.CDLL(str(found[0])) if found else None


def _compiled(nvrtc: ctypes.CDLL, capability: str) -> str:
    """What the compiler has to say of the code, warnings too; empty where there is nothing."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    code = KERNELS.read_bytes()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), code, b"kernels.cu", 0, None, None) == 0
    options = [f"--gpu-architecture=sm_{capability.replace('.', '')}".encode()]
    failed = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    said = [line for line in log.value.decode().splitlines() if "are deprecated and may be removed" not in line]
    return "\n".join(said) or ("failed" if failed else "")


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_nvidias_compiler_takes_the_kernels_without_a_warning(capability: str) -> None:
    nvrtc = _nvrtc()
    if nvrtc is None:
        pytest.skip("NVRTC is not installed: pip install nvidia-cuda-nvrtc-cu12")
    count = ctypes.c_int()
    nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(count))
    known = (ctypes.c_int * count.value)()
    nvrtc.nvrtcGetSupportedArchs(known)
    if int(capability.replace(".", "")) not in list(known):
        pytest.skip(f"this NVRTC does not know {capability}")
    assert _compiled(nvrtc, capability) == ""
