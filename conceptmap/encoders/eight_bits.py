"""Linear layers in eight bits: three times as fast as float32 on processors that have AVX2 and no bfloat16.

Inputs and weights are cut into groups of 64 dimensions. Each group of a token, and of an output's weights, gets a scale
of its own, so that an outlier spoils 63 neighbours at most; its numbers become whole ones of at most 127 (tokens) or 63
(weights). No text has to be seen to choose the scales.

A group's products are added in 16 bits: two sums, over dimensions 0 and 1 of every four, and 2 and 3. Wrapping around
on the way does no harm; what counts is the end, and that is at most the product of the norms of these 32 dimensions'
codes (Cauchy-Schwarz). Scales are therefore so wide that those norms are at most 224 and 141 before rounding, which
adds at most sqrt(32) / 2 to each: 226.9 * 143.9 < 2**15. Two neighbouring products, 2 * 127 * 127, fit as well.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor

from conceptmap.encoders.eight_bits_loops import GROUP, TILE, TOKENS, source
from conceptmap.topk.loops.machine_code import features, machine_code

__all__ = ["EightBits", "eight_bits", "has_eight_bits", "in_eight_bits"]

WIDEST, LONGEST = 127, 224.0
WIDEST_WEIGHT, LONGEST_WEIGHT = 63, 141.0
BLOCK = 16 * TOKENS
"""Rows at a time, so few that their codes stay in a core's second cache."""
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int64
_CODED = (_POINTER, _INT, _INT, _POINTER, _POINTER, _POINTER)
_PRODUCT = (_POINTER, _POINTER, _POINTER, _INT, _INT, _POINTER, _POINTER, _POINTER, _INT, _POINTER)


@dataclass(frozen=True, slots=True)
class EightBits:
    """A linear layer; called like torch's own.

    Attributes:
        weights: codes of the weights in tiles. *Shape:* (n_tiles, n_groups, 16, 16, 4) uint8.
        scales: of the weights. *Shape:* (n_tiles, n_groups, 16) float32.
        bias: *Shape:* (n_tiles * 16,) float32.
        outputs: how many of the tiles' outputs are real.
    """

    weights: Tensor
    scales: Tensor
    bias: Tensor
    outputs: int

    def __call__(self, x: Tensor) -> Tensor:
        """Rows times weights, plus bias. *Shape:* (..., n_inputs) float32 to (..., n_outputs) float32."""
        flat = x.reshape(-1, x.shape[-1])
        tiles, groups = self.scales.shape[:2]
        if flat.shape[1] < groups * GROUP:
            flat = torch.nn.functional.pad(flat, (0, groups * GROUP - flat.shape[1]))
        flat = flat.contiguous()
        n, sixes = len(flat), BLOCK // TOKENS
        out = torch.empty(-(-n // TOKENS) * TOKENS, tiles * TILE)
        codes = torch.zeros(sixes, groups, GROUP // 4, TOKENS, dtype=torch.int32)
        starts, steps = torch.zeros(sixes, groups, TOKENS, dtype=torch.int32), torch.zeros(sixes, groups, TOKENS)
        coded = (codes.data_ptr(), starts.data_ptr(), steps.data_ptr())
        layer = (self.weights.data_ptr(), self.scales.data_ptr(), self.bias.data_ptr(), tiles, groups)
        loops = _loops()
        for first in range(0, n, BLOCK):
            rows = min(BLOCK, n - first)
            loops.coded(flat[first:].data_ptr(), rows, groups, *coded)
            loops.product(*layer, *coded, -(-rows // TOKENS), out[first:].data_ptr())
        return out[:n, : self.outputs].view(*x.shape[:-1], self.outputs)


def has_eight_bits() -> bool:
    """Whether this processor has the loops' instructions, and they give what they should."""
    if not {"avx2", "fma"} <= features():
        return False
    try:
        return _multiplies_rightly()
    except (RuntimeError, OSError):  # memory may not be made executable here, or LLVM knows this processor otherwise
        return False


def eight_bits(weight: Tensor, bias: Tensor | None = None) -> EightBits:
    """Code a linear layer.

    Args:
        weight: *Shape:* (n_outputs, n_inputs).
        bias: *Shape:* (n_outputs,).
    """
    outputs, inputs = weight.shape
    tiles, groups = -(-outputs // TILE), -(-inputs // GROUP)
    padded = torch.zeros(tiles * TILE, groups * GROUP)
    padded[:outputs, :inputs] = weight
    parts = padded.view(tiles * TILE, groups, GROUP)
    norms = parts.view(tiles * TILE, groups, GROUP // 4, 2, 2).square().sum((2, 4)).amax(2).sqrt()
    step = torch.maximum(parts.abs().amax(2) / WIDEST_WEIGHT, norms / LONGEST_WEIGHT).clamp(min=2.0**-103)
    codes = (torch.round(parts / step[..., None]) + 64).to(torch.uint8)
    whole_bias = torch.zeros(tiles * TILE)
    if bias is not None:
        whole_bias[:outputs] = bias
    return EightBits(
        codes.view(tiles, TILE, groups, GROUP // 4, 4).permute(0, 2, 3, 1, 4).contiguous(),
        step.view(tiles, TILE, groups).transpose(1, 2).contiguous(),
        whole_bias,
        outputs,
    )


def in_eight_bits(network: Any) -> None:  # noqa: ANN401 - any transformers model
    """Have all linear layers of a network computed in eight bits, and forget their own weights."""
    layers: list[Any] = [module for module in network.modules() if isinstance(module, torch.nn.Linear)]
    for layer in layers:
        layer.forward = eight_bits(layer.weight.detach(), None if layer.bias is None else layer.bias.detach())
        layer.weight = layer.bias = None


@dataclass(frozen=True, slots=True)
class _Loops:
    """Compiled; they take addresses, and let other threads run.

    Attributes:
        coded: see eight_bits_loops.py.
        product: likewise.
        engine: owns the machine code.
    """

    coded: Callable[..., None]
    product: Callable[..., None]
    engine: Any = field(repr=False)


@cache
def _loops() -> _Loops:
    engine = machine_code(source(WIDEST, LONGEST))
    coded = ctypes.CFUNCTYPE(None, *_CODED)(engine.get_function_address("coded"))
    return _Loops(coded, ctypes.CFUNCTYPE(None, *_PRODUCT)(engine.get_function_address("product")), engine)


@cache
def _multiplies_rightly() -> bool:
    """Compare one product with float64's, so that a processor that errs is not used."""
    values = torch.sin(torch.arange(1, 24 * 128 + 1, dtype=torch.float64) ** 2).view(24, 128)
    values[0] = values[7] = 1  # sums as large as 16 bits hold
    exact = values[:7] @ values[7:].T
    found = eight_bits(values[7:].float())(values[:7].float())
    return bool(torch.linalg.norm(found - exact) < 0.03 * torch.linalg.norm(exact))
