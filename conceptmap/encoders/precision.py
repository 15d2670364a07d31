"""Which number type a model is computed in, and how much it is fed at a time."""

from __future__ import annotations

import platform
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypedDict

import torch

from conceptmap.encoders.device import Meter, cuda_memory, empty_on, own_stream, stays
from conceptmap.encoders.eight_bits import has_eight_bits
from conceptmap.encoders.embeddings import Vectors
from conceptmap.errors import InputError

__all__ = ["Feeding", "check_usable", "dtype_name", "feeding", "index_dtype", "torch_dtype", "weights_dtype"]

_NAMES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "int8": torch.int8}


class Feeding(TypedDict, total=False):
    """The settings of a `TokenModel` that follow from its device."""

    batch_tokens: int
    threads: int
    empty: Callable[[int, int], Vectors]
    lane: Callable[[], AbstractContextManager[None]]
    meter: Meter


def feeding(device: str) -> Feeding:
    """Batches that fit a CPU core's caches, one for each thread; large ones, one at a time, on an accelerator.

    On a CUDA device as large as its memory allows, on a stream of their own; to be called when the weights are there.
    """
    where = torch.device(device)
    room: Feeding = {"empty": empty_on(where)} if stays(where) else {}
    if where.type == "cpu":
        return {"batch_tokens": 1024, "threads": 0, **room}
    if where.type != "cuda":
        return {"batch_tokens": 32768, "threads": 1, **room}
    return {"threads": 1, "lane": own_stream(where), "meter": Meter(cuda_memory(where)), **room}


def check_usable(device: str) -> None:
    """Refuse a CUDA device that this torch cannot use.

    Raises:
        InputError: torch was built without CUDA, or finds no driver or no such device.
    """
    where = torch.device(device)
    if where.type == "cuda" and (not torch.cuda.is_available() or (where.index or 0) >= torch.cuda.device_count()):
        then = "type: pip install torch (its Linux packages carry CUDA; those named +cpu do not), or take --device cpu"
        raise InputError("torch cannot use this device", got=f"{device}, torch {torch.__version__}", then=then)


def torch_dtype(name: str, device: str) -> torch.dtype:
    """The torch type of a name; ``auto`` is bfloat16 only where the device multiplies it natively, else float32.

    Emulated bfloat16, on a CPU with AVX2 alone, is six times slower than float32.

    Returns:
        int8 stands for linear layers in eight bits, all else in float32.

    Raises:
        InputError: an unknown name, or int8 where the device has no loops for it.
    """
    if name == "auto":
        return torch.bfloat16 if _native_bfloat16(device) else torch.float32
    if name not in _NAMES:
        raise InputError("dtype is unknown", got=repr(name), expected=", ".join(["auto", *_NAMES]))
    if name == "int8" and not _has_int8(device):
        raise InputError(
            "no eight-bit linear layers here",
            got=f"device {device}, {platform.machine()}",
            expected="an x86-64 processor with AVX2, and the package llvmlite",
            then="take --dtype auto",
        )
    return _NAMES[name]


def index_dtype(name: str, device: str) -> torch.dtype:
    """As `torch_dtype`, for the terms of an index that a user waits for: ``auto`` takes int8 before float32."""
    chosen = torch_dtype(name, device)
    return torch.int8 if name == "auto" and chosen == torch.float32 and _has_int8(device) else chosen


def dtype_name(dtype: torch.dtype) -> str:
    """A type as `torch_dtype` takes it."""
    return str(dtype).removeprefix("torch.")


def weights_dtype(chosen: torch.dtype) -> torch.dtype:
    """What the weights are loaded in, and all but linear layers computed."""
    return torch.float32 if chosen == torch.int8 else chosen


def _has_int8(device: str) -> bool:
    return torch.device(device).type == "cpu" and has_eight_bits()


def _native_bfloat16(device: str) -> bool:
    kind = torch.device(device).type
    if kind == "cpu":
        tests = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
        return any(test is not None and test() for test in tests)
    return kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
