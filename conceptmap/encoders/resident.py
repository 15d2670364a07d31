"""Vectors that stay on the device that computed them: what is done with them there before they are searched.

The same is done with numpy's in `embeddings`. Reads are told to torch's allocator, since the encoder computes the next
batch on a stream of its own: memory is not used again before what reads it is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["joined", "mixed", "put", "sent", "taken", "unit"]


def sent(values: NDArray[Any], device: torch.device) -> Tensor:
    """An array on a device; the copy waits for nothing and nothing waits for it. *Shape:* as ``values``."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def taken(vectors: Tensor, rows: NDArray[Any]) -> Tensor:
    """See `embeddings.taken`."""
    return _read(vectors).index_select(0, sent(rows.astype(np.int64), vectors.device))


def put(vectors: Any, rows: NDArray[np.int64], source: Any, some: NDArray[np.int64]) -> None:  # noqa: ANN401
    """See `embeddings.put`; both are tensors of one device."""
    vectors.index_copy_(0, sent(rows, vectors.device), taken(source, some))


def joined(parts: Sequence[Any]) -> Tensor:
    """Vectors after one another, on the device of the first tensor. *Shape:* (n, dim) each."""
    device = next(part.device for part in parts if isinstance(part, Tensor))
    return torch.cat([_read(part) if isinstance(part, Tensor) else sent(part, device) for part in parts])


def mixed(vectors: Tensor, rows: NDArray[np.int64], weights: NDArray[np.float32], starts: NDArray[np.int64]) -> Tensor:
    """See `embeddings.mixed`; one kernel for all sums."""
    if not len(rows):
        return vectors.new_zeros(len(starts), vectors.shape[1])
    given = (sent(array, vectors.device) for array in (rows, starts, weights))
    row, start, weight = given
    return functional.embedding_bag(row, _read(vectors), start, mode="sum", per_sample_weights=weight)


def unit(vectors: Tensor) -> Tensor:
    """Rows at length 1; zero rows stay. *Shape:* (n, dim)."""
    lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors / torch.where(lengths > 0, lengths, torch.ones_like(lengths))


def _read(vectors: Tensor) -> Tensor:
    if vectors.device.type == "cuda":
        vectors.record_stream(torch.cuda.current_stream(vectors.device))
    return vectors
