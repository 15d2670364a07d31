"""TokenEmbeddings: what every token encoder returns for one note. Free of torch, so that anything may import it.

Vectors stay where they were computed: numpy's from a processor, a torch tensor from a CUDA device. What is done with
them before they are searched is here for numpy, and in `resident` for tensors; only answers come back from a device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TokenEmbeddings", "Vectors", "covered", "empty", "filled", "joined", "mixed", "on_host", "put", "taken"]

Vectors: TypeAlias = "NDArray[np.float32] | Tensor"
"""Numpy's, or a tensor on the device that computed them. *Shape:* (n, dim) float32."""


@dataclass(frozen=True, slots=True)
class TokenEmbeddings:
    """The tokens of one note, in reading order, special tokens left out.

    Attributes:
        vectors: pre-projection token vectors. *Shape:* (n_tokens, dim) float32; a torch tensor on the encoder's device
            where that is a CUDA device, else numpy's.
        start_char: first code point of each token in the note. *Shape:* (n_tokens,) int64.
        end_char: one past the last code point. *Shape:* (n_tokens,) int64. ``note[start:end]`` has no white space at
            either edge and is never empty; several tokens may share a span (one emoji, four byte-level tokens).
        note: the note itself, where it is known.
    """

    vectors: Vectors
    start_char: NDArray[np.int64]
    end_char: NDArray[np.int64]
    note: str = ""

    def __repr__(self) -> str:
        n, dim = self.vectors.shape
        return f"TokenEmbeddings({n:,} tokens, {dim} numbers each, on {getattr(self.vectors, 'device', 'cpu')})"

    def to_polars(self) -> pl.DataFrame:
        """A row per token: ``text`` (null where the note is not known), ``start_char``, ``end_char``, ``vector``.

        >>> found = TokenEmbeddings(np.eye(2, dtype=np.float32), np.array([0, 2]), np.array([1, 5]), "A flu")
        >>> found.to_polars()["text"].to_list(), found
        (['A', 'flu'], TokenEmbeddings(2 tokens, 2 numbers each, on cpu))
        """
        vectors = on_host(self.vectors)
        spans = zip(self.start_char.tolist(), self.end_char.tolist(), strict=True)
        texts = [self.note[start:end] or None for start, end in spans]
        columns = {"text": texts, "start_char": self.start_char, "end_char": self.end_char, "vector": vectors}
        types = {"text": pl.String(), "start_char": pl.Int64(), "end_char": pl.Int64()}
        return pl.DataFrame(columns, schema={**types, "vector": pl.Array(pl.Float32, vectors.shape[1])})

    def __len__(self) -> int:
        return len(self.start_char)

    def on_host(self) -> TokenEmbeddings:
        """The same with numpy's vectors."""
        return replace(self, vectors=on_host(self.vectors))


def covered(
    start: NDArray[np.int64], end: NDArray[np.int64], spans: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each span the first token that overlaps it and one past the last; not before it where none does.

    Args:
        start: first code points of tokens, ascending. *Shape:* (n_tokens,) int64.
        end: one past their last. *Shape:* (n_tokens,) int64.
        spans: half-open (start, end) in code points.

    Returns:
        *Shape:* (n_spans,) int64 each.

    >>> first, stop = covered(np.array([0, 3, 8]), np.array([2, 7, 9]), [(1, 4), (2, 3)])
    >>> first.tolist(), stop.tolist()
    ([0, 1], [2, 1])
    """
    bounds = np.asarray(spans, dtype=np.int64).reshape(-1, 2)
    first = np.searchsorted(np.maximum.accumulate(end), bounds[:, 0], side="right")
    return first, np.searchsorted(start, bounds[:, 1], side="left")


def empty(n: int, dim: int) -> Vectors:
    """Room for vectors, numpy's. *Shape:* (n, dim) float32.

    >>> empty(2, 3).shape
    (2, 3)
    """
    room: NDArray[np.float32] = np.empty((n, dim), dtype=np.float32)
    return room


def on_host(vectors: Vectors) -> NDArray[np.float32]:
    """Vectors as numpy's; numpy's as they are.

    >>> on_host(np.zeros((2, 3), np.float32)).shape
    (2, 3)
    """
    return vectors if isinstance(vectors, np.ndarray) else vectors.cpu().numpy()


def taken(vectors: Vectors, rows: NDArray[np.integer[Any]]) -> Vectors:
    """Some of the vectors, where they are; all of them without a copy.

    Args:
        vectors: *Shape:* (n, dim).
        rows: *Shape:* (m,).

    >>> taken(np.array([[1, 2], [3, 4]], np.float32), np.array([1])).tolist()
    [[3.0, 4.0]]
    """
    if len(rows) == len(vectors) and (rows == np.arange(len(rows))).all():
        return vectors
    if isinstance(vectors, np.ndarray):
        some: NDArray[np.float32] = vectors[rows]
        return some
    from conceptmap.encoders import resident

    return resident.taken(vectors, rows)


def put(vectors: Vectors, rows: NDArray[np.int64], source: Vectors, taken: NDArray[np.int64]) -> None:
    """Write vectors of ``source`` into those of ``vectors``, which is where it is. *Shapes:* (m,) both lists of rows.

    >>> room = np.zeros((2, 2), np.float32)
    >>> put(room, np.array([1]), np.array([[1, 2], [3, 4]], np.float32), np.array([0]))
    >>> room.tolist()
    [[0.0, 0.0], [1.0, 2.0]]
    """
    if isinstance(vectors, np.ndarray) and isinstance(source, np.ndarray):
        vectors[rows] = source[taken]
        return
    from conceptmap.encoders import resident

    resident.put(vectors, rows, source, taken)


def joined(parts: Sequence[Vectors]) -> Vectors:
    """Vectors of several notes after one another, where they are.

    Args:
        parts: at least one. *Shape:* (n, dim) each.

    >>> joined([np.zeros((2, 3), np.float32), np.ones((1, 3), np.float32)]).shape
    (3, 3)
    """
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts):
        return np.concatenate(arrays)
    from conceptmap.encoders import resident

    return resident.joined(parts)


def filled(vectors: Vectors) -> NDArray[np.int64]:
    """Which rows are not zero, ascending. *Shape:* (n, dim) to (at most n,) int64.

    >>> filled(np.array([[0, 0], [0, 2]], np.float32)).tolist()
    [1]
    """
    return np.flatnonzero(on_host(vectors.any(1)))  # type: ignore[arg-type]


def mixed(
    vectors: Vectors, rows: NDArray[np.int64], weights: NDArray[np.float32], starts: NDArray[np.int64]
) -> Vectors:
    """Weighted sums of vectors, where they are: what spans and smoothed words are made of.

    Args:
        vectors: *Shape:* (n, dim) float32.
        rows: those of all sums, one sum after another. *Shape:* (n_rows,) int64.
        weights: of each of them. *Shape:* (n_rows,) float32.
        starts: where each sum starts in ``rows``; one that holds none is zero. *Shape:* (n_sums,) int64, ascending.

    Returns:
        *Shape:* (n_sums, dim) float32.

    >>> numbers = np.array([[1, 0], [3, 4]], np.float32)
    >>> mixed(numbers, np.array([0, 1, 1]), np.array([0.5, 0.5, 2], np.float32), np.array([0, 2, 3])).tolist()
    [[2.0, 2.0], [6.0, 8.0], [0.0, 0.0]]
    """
    if not isinstance(vectors, np.ndarray):
        from conceptmap.encoders import resident

        return resident.mixed(vectors, rows, weights, starts)
    out = np.zeros((len(starts), vectors.shape[1]), dtype=np.float32)
    some = np.flatnonzero(np.diff(starts, append=len(rows)))
    if len(some):
        out[some] = np.add.reduceat(vectors[rows] * weights[:, None], starts[some], axis=0)
    return out
