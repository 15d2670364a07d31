"""A network with low-rank changes that learn (LoRA, by PEFT), and what it makes of names and sentences."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from conceptmap.encoders.precision import torch_dtype
from conceptmap.encoders.terms import Sentence
from conceptmap.encoders.tokenise import Tokeniser
from conceptmap.errors import MissingExtraError, ModelError
from conceptmap.tuning.base import Opened

__all__ = ["Learner", "learner_of"]

_LAYERS = re.compile(r"(?:^|\.)layers?\.\d+\.")
_FACTOR = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<side>[AB])\.default\.weight")
AT_ONCE = 32
"""Inputs of like length that go through the network together."""


@dataclass(frozen=True, eq=False)
class Learner:
    """A network that learns, and how it is fed.

    Attributes:
        network: PEFT's model around the transformer.
        factors: what learns, by ``LAYER.a`` and ``LAYER.b``, in order.
        tokeniser: of names.
        sentence: how a name becomes a vector.
        device: where it computes.
        bfloat16: products are computed in it.
    """

    network: Any = field(repr=False)
    factors: dict[str, Tensor] = field(repr=False)
    tokeniser: Tokeniser = field(repr=False)
    sentence: Sentence
    device: torch.device
    bfloat16: bool

    def names(self, names: Sequence[str]) -> Tensor:
        """Vectors of names, of length 1. *Shape:* (n_names, dim) float32."""
        inputs = self.tokeniser.inputs([self.sentence.prompt + name for name in names], self.sentence.length)
        return functional.normalize(self._each(inputs, self._pooled), dim=1)

    def spans(self, inputs: Sequence[NDArray[np.int64]], spans: Sequence[tuple[int, int]]) -> Tensor:
        """Mean of some token vectors of each input, of length 1. *Shape:* (n_inputs, dim) float32."""
        rows: dict[int, list[int]] = {}
        different = {ids.tobytes(): ids for ids in inputs}
        at = {key: i for i, key in enumerate(different)}
        for i, ids in enumerate(inputs):
            rows.setdefault(at[ids.tobytes()], []).append(i)
        out: dict[int, Tensor] = {}
        for batch, hidden, _ in self._batches(list(different.values())):
            for place, one in zip(batch, hidden, strict=True):
                for i in rows[place]:
                    first, stop = spans[i]
                    out[i] = one[first:stop].mean(dim=0)
        return functional.normalize(torch.stack([out[i] for i in range(len(inputs))]), dim=1)

    def moved(self, inputs: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
        """How far token vectors and their means are from where they were: one minus the mean cosine, both."""
        n_tokens, tokens, means = sum(map(len, inputs)), [], []
        for batch, hidden, mask in self._batches(inputs):
            with torch.no_grad(), self.network.disable_adapter():
                before, _ = self._hidden([inputs[i] for i in batch])
            tokens.append((1 - functional.cosine_similarity(hidden, before, dim=2))[mask].sum())
            weight = mask[..., None].float()
            pair = ((hidden * weight).sum(1), (before * weight).sum(1))
            means.append((1 - functional.cosine_similarity(*pair, dim=1)).sum())
        return torch.stack(tokens).sum() / n_tokens, torch.stack(means).sum() / len(inputs)

    def _each(self, inputs: Sequence[NDArray[np.int64]], pool: Any) -> Tensor:  # noqa: ANN401 - a function
        parts, order = [], []
        for batch, hidden, mask in self._batches(inputs):
            parts.append(pool(hidden, mask))
            order += batch
        place = torch.empty(len(order), dtype=torch.long)
        place[torch.tensor(order)] = torch.arange(len(order))
        return torch.cat(parts)[place.to(self.device)]

    def _batches(self, inputs: Sequence[NDArray[np.int64]]) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """Places of inputs of like length, their last hidden states, and which of these are real."""
        order = sorted(range(len(inputs)), key=lambda i: len(inputs[i]))
        for start in range(0, len(order), AT_ONCE):
            batch = order[start : start + AT_ONCE]
            yield batch, *self._hidden([inputs[i] for i in batch])

    def _hidden(self, inputs: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
        """Last hidden states and mask. *Shape:* (n, longest, dim) float32 and (n, longest) bool."""
        lengths = np.array([len(ids) for ids in inputs])
        real = np.arange(lengths.max()) < lengths[:, None]
        pad = int(getattr(self.network.config, "pad_token_id", None) or 0)
        ids = np.full(real.shape, pad, dtype=np.int64)
        ids[real] = np.concatenate(inputs)
        mask = torch.from_numpy(real).to(self.device)
        with self._precision():
            given = {"input_ids": torch.from_numpy(ids).to(self.device), "attention_mask": mask.long()}
            hidden = self.network(**given).last_hidden_state
        return hidden.float(), mask

    def _precision(self) -> AbstractContextManager[Any]:
        if not self.bfloat16:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _pooled(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """As `encoders/pooling.py` pools, so that it can be learned."""
        (mode,), head, tail = self.sentence.modes, len(self.tokeniser.prefix), len(self.tokeniser.suffix)
        lengths = mask.sum(1, keepdim=True)
        place = torch.arange(mask.shape[1], device=mask.device)[None]
        if not self.sentence.special:
            bare = lengths <= head + tail
            mask = mask & (((place >= head) & (place < lengths - tail)) | bare)
        if mode == "cls":
            return hidden[:, 0]
        if mode == "lasttoken":
            return hidden[torch.arange(len(hidden), device=mask.device), lengths[:, 0] - 1]
        if mode == "max":
            return hidden.masked_fill(~mask[..., None], float("-inf")).amax(dim=1)
        weight = mask.float() * (place + 1 if mode == "weightedmean" else 1)
        return (hidden * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)


def learner_of(opened: Opened, *, rank: int, scale: float, seed: int, dtype: str = "auto") -> Learner:
    """Put low-rank changes on every linear layer of attention and of the layers between; all else is frozen.

    Args:
        opened: whose network gets them.
        rank: of each change.
        scale: what their products are multiplied by.
        seed: of what they start from, which changes nothing yet.
        dtype: what products are computed in: ``auto``, ``float32`` or ``bfloat16``.

    Raises:
        MissingExtraError: PEFT is not installed.
        ModelError: the network has no such layers.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtraError("peft", extra="train", purpose="tuning an encoder") from error
    network = opened.network.requires_grad_(requires_grad=False)
    layers = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear) and _LAYERS.search(name)
    }
    if not layers:
        raise ModelError("this encoder cannot be tuned", got="no linear layers within numbered ones")
    device = next(network.parameters()).device
    half = torch_dtype(dtype, str(device)) == torch.bfloat16
    if device.type == "cpu":
        network.set_attn_implementation("eager")  # going back through torch's fused attention takes a CPU twice as long
    if half:
        for module in layers.values():  # else frozen weights are rounded anew in each batch
            module.to(torch.bfloat16)
    config = LoraConfig(r=rank, lora_alpha=scale * rank, target_modules=list(layers), lora_dropout=0.0, bias="none")  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # what PEFT asks of transformers is called otherwise by now
        torch.manual_seed(seed)
        changed: Any = get_peft_model(network, config)
    changed.eval()
    factors = {}
    for name, parameter in changed.named_parameters():
        if found := _FACTOR.fullmatch(name):
            factors[f"{found['layer']}.{found['side'].lower()}"] = parameter
    tokeniser = opened.encoder.model.tokeniser
    assert isinstance(tokeniser, Tokeniser)
    return Learner(changed, dict(sorted(factors.items())), tokeniser, opened.sentence, device, half)
