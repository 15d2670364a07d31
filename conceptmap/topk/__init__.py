"""Exact cosine top-k: ``prepare`` a matrix once, then ask ``topk`` as often as you like.

Every answer equals the float64 oracle's: approximate products only choose which rows are looked at, a proved bound on
their error says that no other row can belong to the answer, and what is handed out was computed in float64 from the
stored rows. `cpu.py` holds the proof. Nothing here imports torch before the first call.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from conceptmap.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from conceptmap.topk.gpu import DeviceRows
    from conceptmap.topk.rows import Prepared

    Matrix: TypeAlias = NDArray[Any] | torch.Tensor
    Queries: TypeAlias = NDArray[np.floating[Any]] | torch.Tensor
    Ready: TypeAlias = Prepared | tuple[DeviceRows, ...]

__all__ = ["TopK", "check_device", "chosen_device", "cosines", "device_count", "place", "prepare", "topk"]


class TopK(NamedTuple):
    """The k best rows of every query, best first; equal scores by lower row.

    Attributes:
        scores: cosine in [-1, 1], -inf where fewer than k rows may answer. *Shape:* (n_queries, k) float32.
        rows: positions in the matrix, -1 where fewer than k rows may answer. *Shape:* (n_queries, k) int64.
    """

    scores: NDArray[np.float32]
    rows: NDArray[np.int64]


def prepare(
    matrix: Matrix,
    *,
    norms: NDArray[np.float64] | None = None,
    dtype: str | None = None,
    product: str = "auto",
    verify: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Check the rows of a matrix and measure what searching needs, once.

    Args:
        matrix: the stored rows, memory-mapped or not. *Shape:* (n_rows, dim) float16, float32, or bfloat16 (a torch
            tensor, or uint16 bit patterns together with ``dtype="bfloat16"``); anything else becomes float32.
        norms: Euclidean norm of every row, when already known (an index keeps them). *Shape:* (n_rows,) float64.
        dtype: ``"bfloat16"`` when ``matrix`` holds bit patterns.
        product: what the first product is computed in, "float32" or "bfloat16"; "auto" takes the faster one of this
            processor. Answers are the same.
        verify: called with (first row, one past the last) before these rows are read.

    Raises:
        InputError: a row is zero or holds NaN or infinity (the message names it), or the matrix is not two-dimensional.

    >>> prepare(np.eye(3, dtype=np.float32)).n_rows
    3
    """
    from conceptmap.topk import rows

    return rows.prepare(matrix, norms=norms, dtype=dtype, product=product, verify=verify)


def topk(
    queries: Queries,
    prepared: Ready | Matrix,
    k: int,
    *,
    mask: NDArray[np.bool_] | None = None,
    groups: NDArray[np.integer[Any]] | None = None,
    min_score: float = -math.inf,
) -> TopK:
    """The k rows with the highest cosine for every query, exactly.

    Args:
        queries: *Shape:* (n_queries, dim), taken as float32; a torch tensor on the device of the rows stays there.
        prepared: what `prepare` or `place` returned, or a bare matrix (prepared on the fly).
        k: at least 1; beyond the number of rows, answers are padded with row -1 and score -inf.
        mask: rows that may answer. *Shape:* (n_rows,) bool.
        groups: a group for every row; a group then answers once, by its best row, so that k groups come back.
            *Shape:* (n_rows,) integer, not negative.
        min_score: only rows that score at least this (rounded to float32) answer; knowing it saves time.

    Returns:
        Scores are the float64 cosines of the stored values, rounded to float32; order is (-score, row). Where fewer
        than k rows may answer, the rest is padded.

    Raises:
        InputError: wrong shapes or k, a NaN min_score, or a zero, NaN or infinite query (the message names its row).

    >>> scores, rows = topk(np.float32([[2, 1, 0]]), np.eye(3, dtype=np.float32), 2)
    >>> rows.tolist(), [round(float(score), 4) for score in scores[0]]
    ([[0, 1]], [0.8944, 0.4472])
    """
    from conceptmap.topk import cpu, rows

    if math.isnan(min_score):
        raise InputError("min_score must be a number", got=min_score)
    if isinstance(prepared, tuple):
        from conceptmap.topk import gpu

        return TopK(*gpu.topk(queries, prepared, k, mask=mask, groups=groups, min_score=min_score))
    ready = prepared if isinstance(prepared, rows.Prepared) else rows.prepare(prepared)
    return TopK(*cpu.topk(rows.on_host(queries), ready, k, mask=mask, groups=groups, min_score=min_score))


def cosines(queries: Queries, prepared: Ready, query: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.float32]:
    """Cosines of single pairs of a query and a row, exactly; computed where the rows are.

    Args:
        queries: *Shape:* (n_queries, dim), taken as float32.
        prepared: what `prepare` or `place` returned.
        query: *Shape:* (n_pairs,) int64.
        row: *Shape:* (n_pairs,) int64.

    Returns:
        The float64 cosines of the stored values, rounded to float32. *Shape:* (n_pairs,).

    Raises:
        InputError: a zero, NaN or infinite query (the message names its row).

    >>> rows = prepare(np.eye(3, dtype=np.float32))
    >>> found = cosines(np.float32([[3, 4, 0]]), rows, np.array([0, 0]), np.array([0, 1]))
    >>> [round(float(score), 4) for score in found]
    [0.6, 0.8]
    """
    from conceptmap.topk import exact, rows

    if isinstance(prepared, tuple):
        from conceptmap.topk import gpu

        return gpu.cosines(queries, prepared, query, row)
    return exact.cosines_of(rows.on_host(queries), prepared, query, row)


def place(prepared: Prepared, device: str) -> Ready:
    """Put prepared rows where they are searched.

    Args:
        prepared: what `prepare` returned.
        device: "cpu", "cuda", "cuda:N", or "cuda:all", which deals the rows out to all devices.

    Raises:
        InputError: as `check_device`.

    >>> place(prepare(np.eye(3, dtype=np.float32)), "cpu").n_rows
    3
    """
    if device == "cpu":
        return prepared
    from conceptmap.topk import gpu

    return gpu.shards(prepared, gpu.cuda_kits(device))


def check_device(device: str) -> None:
    """Refuse early where rows cannot be searched: "cpu", "cuda", "cuda:N" or "cuda:all" can be asked for.

    Raises:
        InputError: an unknown name, no CUDA device or driver, or no CuPy (the message says how to install it).

    >>> check_device("cpu")
    """
    device_count(device)


def device_count(device: str) -> int:
    """How many CUDA devices a name stands for; none for "cpu".

    Raises:
        InputError: as `check_device`.

    >>> device_count("cpu")
    0
    """
    if device == "cpu":
        return 0
    from conceptmap.topk import gpu

    return len(gpu.cuda_kits(device))


def chosen_device(device: str) -> str:
    """What "auto" stands for here: "cuda" where CuPy finds a device that torch can use as well, else "cpu".

    Args:
        device: "auto", or a name, which is returned as it is.

    >>> chosen_device("cpu")
    'cpu'
    """
    if device != "auto":
        return device
    from conceptmap.topk import gpu

    return "cuda" if gpu.is_there() else "cpu"
