"""The stored rows as a search needs them: checked, with their norms, converted block by block."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.errors import InputError
from conceptmap.topk.loops.native import kernels
from conceptmap.topk.loops.quantised import Chunks, QuantisedRows

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Prepared", "norms_of", "on_host", "prepare", "tensor_over"]

STORED = (torch.float16, torch.bfloat16, torch.float32)
PRODUCTS = ("auto", "float32", "bfloat16", "int8")
CHECK_ELEMENTS = 1 << 18
"""Elements whose norms are taken together: 2 MiB of float64, which stay in the cache."""
KEPT_BYTES = 1 << 26
"""Codes of at most this size are kept between searches: coding takes as long as scanning for sixty queries."""
SAFE_NORMS = (2.0**-40, 2.0**40)
"""Between these, x / |x| keeps its relative precision in float32: no overflow, and no underflow that matters."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows ready to be searched.

    Attributes:
        stored: the truth that scores are computed from. *Shape:* (n_rows, dim) float16, bfloat16 or float32.
        norms: Euclidean norms of the stored rows. *Shape:* (n_rows,) float64.
        moderate: whether every norm lies within ``SAFE_NORMS``.
        product: type that products of whole blocks are computed in, float32 or bfloat16.
        scan: whether whole numbers say first which products are needed, see `conceptmap.topk.loops.quantised`.
        kept: the rows as whole numbers, made as they are first searched; None where they are too many to be kept.
        verify: called with a range of rows before it is read, or None.
    """

    stored: torch.Tensor
    norms: torch.Tensor
    moderate: bool
    product: torch.dtype
    scan: bool = False
    kept: QuantisedRows | None = None
    verify: Callable[[int, int], None] | None = None

    @property
    def n_rows(self) -> int:
        """Rows that can be searched."""
        return self.stored.shape[0]

    @property
    def dim(self) -> int:
        """Width of the rows."""
        return self.stored.shape[1]

    def part(self, rows: slice) -> Prepared:
        """Some of the rows, counted from the first of them."""
        verify = self.verify
        shifted = None if verify is None else lambda start, stop: verify(start + rows.start, stop + rows.start)
        return replace(self, stored=self.stored[rows], norms=self.norms[rows], kept=None, verify=shifted)

    def announce(self, at: slice | torch.Tensor) -> None:
        """Have rows verified before they are read."""
        if self.verify is not None:
            bounds = (at.start, at.stop) if isinstance(at, slice) else (int(at[0]), int(at[-1]) + 1)
            self.verify(*bounds)

    def unit(self, at: slice | torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """Unit rows in float32, after `announce`; every element within 3 units in the last place of the true quotient.

        Args:
            at: which rows; ascending.
            out: filled and returned. *Shape:* (n_rows of ``at``, dim) float32.
        """
        norms = self.norms[at, None]
        if self.moderate:
            return out.copy_(self.stored[at]).mul_(norms.reciprocal().to(torch.float32))
        return out.copy_(self.stored[at].to(torch.float64) / norms)


def prepare(
    matrix: NDArray[Any] | torch.Tensor,
    *,
    norms: NDArray[np.float64] | None = None,
    dtype: str | None = None,
    product: str = "auto",
    verify: Callable[[int, int], None] | None = None,
) -> Prepared:
    """See `conceptmap.topk.prepare`."""
    stored = _stored(matrix, dtype)
    lengths = norms_of(stored, what="matrix") if norms is None else tensor_over(norms)
    if lengths.shape != (len(stored),):
        raise InputError("norms do not fit the matrix", got=tuple(lengths.shape), expected=(len(stored),))
    low, high = SAFE_NORMS
    moderate = not len(lengths) or (float(lengths.min()) >= low and float(lengths.max()) <= high)
    low_type, scan = _product_type(product)
    width = Chunks.of(max(1, stored.shape[1])).width
    kept = QuantisedRows.room_for(len(stored), width) if scan and 0 < len(stored) * width <= KEPT_BYTES else None
    return Prepared(stored, lengths, moderate, low_type, scan, kept, verify)


def _product_type(name: str) -> tuple[torch.dtype, bool]:
    """Whole numbers where this processor is fast at them, else bfloat16 where it does not emulate it, else float32.

    Returns:
        The type of whole blocks' products, and whether whole numbers are scanned first.
    """
    if name not in PRODUCTS:
        raise InputError("product is unknown", got=repr(name), expected=" or ".join(PRODUCTS))
    scan = name == "int8" or (name == "auto" and kernels() is not None)
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001 (no public name)
    low = name == "bfloat16" or (name == "auto" and native and not scan)
    return torch.bfloat16 if low else torch.float32, scan


def norms_of(vectors: torch.Tensor, *, what: str) -> torch.Tensor:
    """Euclidean norms, in float64, of rows that may be searched with or for.

    Args:
        vectors: *Shape:* (n, dim).
        what: "matrix" or "query", for the message.

    Returns:
        *Shape:* (n,) float64, all above zero.

    Raises:
        InputError: a row is zero or holds NaN or infinity.
    """
    n, dim = vectors.shape
    norms = torch.empty(n, dtype=torch.float64)
    step = max(1, CHECK_ELEMENTS // max(1, dim))
    for start in range(0, n, step):
        block = vectors[start : start + step].to(torch.float64)
        norms[start : start + step] = torch.linalg.vector_norm(block, dim=1)
    sound = np.isfinite(norms.numpy())
    sound &= norms.numpy() > 0
    if not sound.all():
        bad = np.flatnonzero(~sound)
        row = int(bad[0])
        fault = "is a zero vector" if norms[row] == 0 else "holds NaN or infinity"
        raise InputError(f"{what} row {row} {fault}, so that it has no cosine", then=f"{len(bad)} of {n} rows are so")
    return norms


def _stored(matrix: NDArray[Any] | torch.Tensor, dtype: str | None) -> torch.Tensor:
    """The rows as a torch tensor over the same memory wherever their type allows it."""
    if isinstance(matrix, torch.Tensor):
        stored = matrix.detach()
    else:
        array = np.asarray(matrix)
        if dtype == "bfloat16" and array.dtype == np.uint16:
            stored = tensor_over(array).view(torch.bfloat16)
        elif array.dtype in (np.float16, np.float32):
            stored = tensor_over(array)
        else:
            stored = tensor_over(array.astype(np.float32))
    if stored.ndim != 2:
        raise InputError("the matrix must have two axes", got=f"{stored.ndim}", expected="(n_rows, dim)")
    return stored if stored.dtype in STORED else stored.to(torch.float32)


def tensor_over(array: NDArray[Any]) -> torch.Tensor:
    """A tensor over the same memory. Nothing here writes to it, so torch's warning of read-only memory says nothing."""
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return torch.from_numpy(plain)


def on_host(queries: NDArray[Any] | torch.Tensor) -> NDArray[np.float32]:
    """Queries as numpy's, in float32; over the same memory where it is the processor's."""
    given = queries.detach().cpu().numpy() if isinstance(queries, torch.Tensor) else queries
    return np.asarray(given, dtype=np.float32)
