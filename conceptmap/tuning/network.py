"""A network with low-rank changes that learn (LoRA, by PEFT), and what it makes of names and sentences."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
AT_ONCE = {"cpu": 512}
"""Tokens, padding among them, that go through the network together; on a CPU as many as its caches hold."""
_AT_ONCE = 16_384

Pool = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Learner:
    """A network that learns, and how it is fed.

    Batches are computed side by side, one thread each, and their gradients added up in order: the same bytes whatever
    the number of threads.

    Attributes:
        network: PEFT's model around the transformer.
        factors: what learns, by ``LAYER.a`` and ``LAYER.b``, in order.
        tokeniser: of names.
        sentence: how a name becomes a vector.
        device: where it computes.
        bfloat16: products are computed in it.
        threads: that compute.
        made: what was computed for the loss to come, and its stand-in in it.
    """

    network: Any = field(repr=False)
    factors: dict[str, Tensor] = field(repr=False)
    tokeniser: Tokeniser = field(repr=False)
    sentence: Sentence
    device: torch.device
    bfloat16: bool
    threads: ThreadPoolExecutor = field(repr=False)
    made: list[tuple[Tensor, Tensor]] = field(default_factory=list, repr=False)

    def names(self, names: Sequence[str]) -> Tensor:
        """Vectors of names, of length 1. *Shape:* (n_names, dim) float32."""
        inputs = self.tokeniser.inputs([self.sentence.prompt + name for name in names], self.sentence.length)
        order, parts = self._each(inputs, self._pooled)
        place = torch.empty(len(order), dtype=torch.long)
        place[torch.tensor(order)] = torch.arange(len(order))
        return functional.normalize(torch.cat(parts)[place.to(self.device)], dim=1)

    def spans(self, inputs: Sequence[NDArray[np.int64]], spans: Sequence[tuple[int, int]]) -> Tensor:
        """Mean of some token vectors of each input, of length 1. *Shape:* (n_inputs, dim) float32."""
        rows: dict[int, list[int]] = {}
        different = {ids.tobytes(): ids for ids in inputs}
        at = {key: i for i, key in enumerate(different)}
        for i, ids in enumerate(inputs):
            rows.setdefault(at[ids.tobytes()], []).append(i)
        order, parts = self._each(list(different.values()), lambda hidden, _: hidden)
        hidden = iter([one for part in parts for one in part])
        out: dict[int, Tensor] = {}
        for place, one in zip(order, hidden, strict=True):
            for i in rows[place]:
                first, stop = spans[i]
                out[i] = one[first:stop].mean(dim=0)
        return functional.normalize(torch.stack([out[i] for i in range(len(inputs))]), dim=1)

    def moved(self, inputs: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
        """How far token vectors and their means are from where they were: one minus the mean cosine, both."""
        with torch.no_grad(), self.network.disable_adapter():
            order, before = self._each(inputs, lambda hidden, _: hidden)
        _, after = self._each(inputs, lambda hidden, _: hidden)
        lengths = iter([len(inputs[i]) for i in order])
        pairs = [
            (new[:n], old[:n])
            for now, was in zip(after, before, strict=True)
            for new, old, n in zip(now, was, lengths, strict=False)
        ]
        tokens = torch.stack([(1 - functional.cosine_similarity(new, old, dim=1)).sum() for new, old in pairs])
        means = torch.stack([1 - functional.cosine_similarity(new.mean(0), old.mean(0), dim=0) for new, old in pairs])
        return tokens.sum() / sum(map(len, inputs)), means.mean()

    def learn(self, loss: Tensor) -> None:
        """Put the gradients of a loss, computed from what was asked for since the last one, into the factors."""
        loss.backward()  # type: ignore[no-untyped-call]
        factors = list(self.factors.values())

        def back(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
            whole, leaf = pair
            return torch.autograd.grad(whole, factors, leaf.grad)

        found = list(self.threads.map(back, [pair for pair in self.made if pair[1].grad is not None]))
        self.made.clear()
        for factor, *parts in zip(factors, *found, strict=True):
            factor.grad = torch.stack(parts).sum(dim=0) if parts else None

    def _each(self, inputs: Sequence[NDArray[np.int64]], pool: Pool) -> tuple[list[int], list[Tensor]]:
        """Places of inputs, those of like length together, and what a pooling makes of each such batch."""
        learns, batches = torch.is_grad_enabled(), self._batches(inputs)

        def made(batch: Sequence[int]) -> Tensor:
            with torch.set_grad_enabled(learns):
                return pool(*self._hidden([inputs[i] for i in batch]))

        parts = list(self.threads.map(made, batches))
        if learns:
            leaves = [part.detach().requires_grad_() for part in parts]
            self.made.extend(zip(parts, leaves, strict=True))
            parts = leaves
        return [i for batch in batches for i in batch], parts

    def _batches(self, inputs: Sequence[NDArray[np.int64]]) -> list[list[int]]:
        """Places of inputs, from the longest on, in batches of few tokens."""
        most, batches = AT_ONCE.get(self.device.type, _AT_ONCE), list[list[int]]()
        for i in sorted(range(len(inputs)), key=lambda i: -len(inputs[i])):
            if batches and (len(batches[-1]) + 1) * len(inputs[batches[-1][0]]) <= most:
                batches[-1].append(i)
            else:
                batches.append([i])
        return batches

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
    workers = torch.get_num_threads() if device.type == "cpu" else 1
    threads = ThreadPoolExecutor(workers, initializer=_alone)
    return Learner(changed, dict(sorted(factors.items())), tokeniser, opened.sentence, device, half, threads)


def _alone() -> None:
    """A thread that computes by itself; numbers next to zero count as zero, for they take a CPU very long."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
