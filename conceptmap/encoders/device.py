"""Encoding on a CUDA device: batches as large as its memory, a stream of their own, vectors that stay there.

A call of `TokenEncoder.tokens` runs on its encoder's stream and returns when its vectors are ready, so that any thread
and any stream may read them; what another thread does meanwhile on its own stream, the search of the last batch, runs
beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from conceptmap.encoders.embeddings import Vectors
from conceptmap.memory import halved

__all__ = ["DeviceMemory", "Meter", "cuda_memory", "empty_on", "handing_out", "own_stream", "stays"]

SAMPLE_TOKENS = 4096
LEAST_TOKENS, MOST_TOKENS = 1024, 1 << 17
SHARE = 0.5
"""Of the memory that is left, for a batch; the rest is for the search beside it, and for what was not foreseen."""


def stays(device: torch.device) -> bool:
    """Whether vectors stay where they are computed: where search can take them from there."""
    return device.type == "cuda"


def handing_out(device: torch.device) -> Callable[[Tensor], Vectors]:
    """Makes float32 vectors of hidden states, on the host unless they stay. *Shape:* (n, dim)."""
    if stays(device):
        return lambda hidden: hidden.float()
    return lambda hidden: hidden.float().cpu().numpy()


def empty_on(device: torch.device) -> Callable[[int, int], Vectors]:
    """Makes room for (n, dim) vectors where `handing_out` leaves them."""
    return lambda n, dim: torch.empty((n, dim), dtype=torch.float32, device=device)


def own_stream(device: torch.device) -> Callable[[], AbstractContextManager[None]]:
    """Contexts whose work runs on one new stream of a CUDA device, after all that was asked of it until now.

    At the end of a context its work is done.
    """
    torch.cuda.synchronize(device)
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @contextmanager
    def lane() -> Iterator[None]:
        with torch.cuda.stream(stream):
            yield
        stream.synchronize()

    return lane


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """What a device's allocator says, in bytes.

    Attributes:
        used: given out now.
        peak: most that was given out since `restart`.
        restart: forgets the peak.
        free: can still be given out.
        release: hands back what is kept for reuse.
    """

    used: Callable[[], int]
    peak: Callable[[], int]
    restart: Callable[[], None]
    free: Callable[[], int]
    release: Callable[[], None]


def cuda_memory(device: torch.device) -> DeviceMemory:
    """That of a CUDA device."""

    def free() -> int:
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept

    return DeviceMemory(
        used=lambda: torch.cuda.memory_allocated(device),
        peak=lambda: torch.cuda.max_memory_allocated(device),
        restart=lambda: torch.cuda.reset_peak_memory_stats(device),
        free=free,
        release=torch.cuda.empty_cache,
    )


@dataclass(slots=True)
class Meter:
    """Sizes batches by the memory that a few real inputs take.

    Attributes:
        memory: of the device.
        per_token: bytes that a token of a batch takes, in inputs of at most ``length`` tokens.
        length: the longest that was measured.
    """

    memory: DeviceMemory
    per_token: float = 0.0
    length: int = 0

    def batch_tokens(self, forward: Callable[[list[NDArray[Any]]], object], inputs: Sequence[NDArray[Any]]) -> int:
        """Most tokens, padding included, of a batch of these inputs.

        Args:
            forward: the model's; run on a few of the longest inputs if none as long was measured before.
            inputs: ids of each sequence.
        """
        longest = max(map(len, inputs), default=0)
        if longest > self.length:
            self._measure(forward, sorted(inputs, key=len, reverse=True)[: max(1, SAMPLE_TOKENS // longest)])
        room = SHARE * self.memory.free() / max(self.per_token, 1.0)
        return int(min(MOST_TOKENS, max(LEAST_TOKENS, room)))

    def _measure(self, forward: Callable[[list[NDArray[Any]]], object], sample: list[NDArray[Any]]) -> None:
        longest, before = len(sample[0]), self.memory.used()
        self.memory.restart()

        def work(part: slice) -> int:
            forward(sample[part])
            return self.memory.peak() - before

        for part, taken in halved(work, len(sample), at_once=len(sample), release=self.memory.release):
            self.per_token = max(self.per_token, taken / (longest * (part.stop - part.start)))
        self.length = longest
