"""BERT without padding: all tokens of a batch in one matrix, attention within each sequence.

Gives what transformers' BertModel gives (tests hold it at 1e-5), faster on a CPU: linear layers see only real tokens,
query, key and value are one product, and equally long sequences share one attention call. Elsewhere, where calls cost
more than padding, all of a batch shares one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from conceptmap.encoders.device import handing_out
from conceptmap.encoders.eight_bits import eight_bits
from conceptmap.encoders.embeddings import Vectors
from conceptmap.encoders.encoder import Forward
from conceptmap.encoders.precision import weights_dtype
from conceptmap.encoders.resident import sent

__all__ = ["packed_bert"]

SHORT = 16


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Tensor
    bias: Tensor
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


Linear = Callable[[Tensor], Tensor]
"""Rows of numbers to rows of others: `_Linear`, or the same in eight bits."""


@dataclass(frozen=True, slots=True)
class _Layer:
    qkv: Linear
    out: Linear
    attention_norm: _Norm
    up: Linear
    down: Linear
    norm: _Norm


@dataclass(frozen=True, slots=True)
class _Bert:
    words: Tensor
    positions: Tensor  # position and token-type 0 embeddings added
    norm: _Norm
    layers: tuple[_Layer, ...]
    heads: int


def packed_bert(state: Mapping[str, Tensor], config: Mapping[str, Any], *, device: str, dtype: torch.dtype) -> Forward:
    """Make a forward of a BERT checkpoint.

    Args:
        state: BertModel's parameters by their usual names.
        config: BertModel's configuration.
        device: torch device.
        dtype: what to compute in, int8 for linear layers in eight bits; vectors come back as float32.
    """
    weights = {name: value.to(device=device, dtype=weights_dtype(dtype)) for name, value in state.items()}
    bert = _bert(weights, config, eight_bits if dtype == torch.int8 else _Linear)
    hand_out = handing_out(torch.device(device))

    def forward(inputs: list[NDArray[np.int64]], rows: NDArray[np.int64] | None = None) -> Vectors:
        with torch.inference_mode():
            return hand_out(_hidden(bert, inputs, rows))

    return forward


def _bert(state: Mapping[str, Tensor], config: Mapping[str, Any], make: Callable[[Tensor, Tensor], Linear]) -> _Bert:
    eps = float(config["layer_norm_eps"])

    def norm(name: str) -> _Norm:
        return _Norm(state[f"{name}.weight"], state[f"{name}.bias"], eps)

    def linear(*names: str) -> Linear:
        return make(*(torch.cat([state[f"{name}.{part}"] for name in names]) for part in ("weight", "bias")))

    def layer(i: int) -> _Layer:
        at, own = f"encoder.layer.{i}.attention", f"encoder.layer.{i}"
        return _Layer(
            linear(*(f"{at}.self.{name}" for name in ("query", "key", "value"))),
            linear(f"{at}.output.dense"),
            norm(f"{at}.output.LayerNorm"),
            linear(f"{own}.intermediate.dense"),
            linear(f"{own}.output.dense"),
            norm(f"{own}.output.LayerNorm"),
        )

    positions = state["embeddings.position_embeddings.weight"] + state["embeddings.token_type_embeddings.weight"][0]
    layers = tuple(layer(i) for i in range(int(config["num_hidden_layers"])))
    words = state["embeddings.word_embeddings.weight"]
    return _Bert(words, positions, norm("embeddings.LayerNorm"), layers, int(config["num_attention_heads"]))


def _hidden(bert: _Bert, inputs: list[NDArray[np.int64]], rows: NDArray[np.int64] | None) -> Tensor:
    """Last hidden states of packed sequences, or of some of their rows. *Shape:* (total, dim), or (n_rows, dim).

    All tokens are attended to; what the last layer does with a token afterwards, three quarters of its work, is done
    for these rows alone.
    """
    device = bert.words.device
    ids = sent(np.concatenate(inputs), device)
    places = sent(np.concatenate([np.arange(len(ids)) for ids in inputs]), device)
    attend = _padded(inputs, device) if _pads(device) else _grouped(inputs)
    x = bert.norm(bert.words[ids].add_(bert.positions[places]))
    for layer in bert.layers:
        gathered = attend(layer.qkv(x), bert.heads)
        if rows is not None and layer is bert.layers[-1]:
            some = sent(rows, device)
            gathered, x = gathered[some], x[some]
        x = layer.attention_norm(layer.out(gathered).add_(x))
        x = layer.norm(layer.down(torch.ops.aten.gelu_(layer.up(x))).add_(x))  # in place: less memory to walk
    return x


Attend = Callable[[Tensor, int], Tensor]
"""Queries, keys and values side by side, (total, 3 * dim), and the number of heads, to what each token gathers:
(total, dim), in the same type; within each sequence."""


def _pads(device: torch.device) -> bool:
    return device.type != "cpu"


def _padded(inputs: list[NDArray[np.int64]], device: torch.device) -> Attend:
    """All sequences in one call, the shorter ones padded and masked."""
    lengths = np.array([len(ids) for ids in inputs])
    real = np.arange(lengths.max()) < lengths[:, None]
    n, longest = real.shape
    place = sent(np.flatnonzero(real), device)
    mask = None if real.all() else sent(real, device)[:, None, None, :]

    def attend(qkv: Tensor, heads: int) -> Tensor:
        wide = qkv.new_zeros(n * longest, qkv.shape[1]).index_copy_(0, place, qkv)
        query, key, value = wide.view(n, longest, 3, heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return mixed.transpose(1, 2).reshape(n * longest, -1).index_select(0, place)

    return attend


def _grouped(inputs: list[NDArray[np.int64]]) -> Attend:
    """A call for each run of equally long sequences, in float32: half precision has no fast path on a CPU."""
    groups = [(length, len(list(same))) for length, same in groupby(len(ids) for ids in inputs)]

    def attend(qkv: Tensor, heads: int) -> Tensor:
        out = qkv.new_empty(len(qkv), qkv.shape[1] // 3)
        at = 0
        for length, count in groups:
            stop = at + length * count
            parts = qkv[at:stop].float().view(count, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            mixed = _short(parts) if length <= SHORT else functional.scaled_dot_product_attention(*parts)
            out[at:stop].view(count, length, heads, -1).copy_(mixed.transpose(1, 2))
            at = stop
        return out

    return attend


def _short(parts: Tensor) -> Tensor:
    """Attention of short sequences as two batched products, quicker there than the kernel for long ones.

    Args:
        parts: queries, keys, values. *Shape:* (3, count, heads, length, width).
    """
    _, count, heads, length, width = parts.shape
    query, key, value = parts.reshape(3, count * heads, length, width)
    weights = torch.bmm(query, key.transpose(1, 2)).mul_(width**-0.5).softmax(dim=-1)
    return torch.bmm(weights, value).view(count, heads, length, width)
