"""Low-rank changes merged into weights: W + scale · B · A, so that a tuned encoder is as fast as its base.

LoRA, Hu et al. 2021, arXiv 2106.09685.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from conceptmap.encoders.tuned.store import Tuned
from conceptmap.errors import ModelError

__all__ = ["merge", "merged"]


def merged(state: Mapping[str, Tensor], tuned: Tuned) -> dict[str, Tensor]:
    """Parameters by name, with the tuned ones changed; those given stay as they are.

    Raises:
        ModelError: a layer is not there, or has another shape.
    """
    out = dict(state)
    for layer, (a, b) in tuned.factors.items():
        weight = state.get(f"{layer}.weight")
        if weight is None or tuple(weight.shape) != (len(b), a.shape[1]):
            got = "no such layer" if weight is None else f"a matrix of {tuple(weight.shape)}"
            raise ModelError(
                f"the tuned encoder does not fit its base: {layer}", got=got, expected=f"{len(b)} by {a.shape[1]}"
            )
        change = tuned.scale * (torch.from_numpy(b) @ torch.from_numpy(a))
        out[f"{layer}.weight"] = (weight.float() + change.to(weight.device)).to(weight.dtype)
    return out


def merge(network: Any, tuned: Tuned, *, dtype: torch.dtype) -> None:  # noqa: ANN401 - any transformers model
    """Change a network's own parameters, which are then kept in another type.

    Args:
        network: with float32 parameters.
        tuned: its changes.
        dtype: what the parameters become; buffers stay as they are.

    Raises:
        ModelError: as `merged`.
    """
    changed = merged(dict(network.named_parameters()), tuned)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.data = changed[name].detach().to(dtype)
