"""Which number type a model is computed in."""

from __future__ import annotations

import torch

from conceptmap.errors import InputError

__all__ = ["torch_dtype"]

_NAMES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def torch_dtype(name: str, device: torch.device) -> torch.dtype:
    """The torch type of a name; ``auto`` is bfloat16 only where the device multiplies it natively, else float32.

    Emulated bfloat16 on a CPU with AVX2 alone is six times slower than float32.

    Raises:
        InputError: an unknown name.
    """
    if name == "auto":
        return torch.bfloat16 if _native_bfloat16(device) else torch.float32
    if name not in _NAMES:
        raise InputError("unknown dtype", got=repr(name), expected=", ".join(["auto", *_NAMES]))
    return _NAMES[name]


def _native_bfloat16(device: torch.device) -> bool:
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
