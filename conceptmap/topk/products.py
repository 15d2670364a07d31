"""Matrix products of queries and whole blocks of rows, and the bound on their error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from conceptmap.topk.rows import Prepared

__all__ = ["Products", "product_error", "unit_queries"]


def unit_queries(queries: torch.Tensor, norms: torch.Tensor) -> torch.Tensor:
    """Unit queries in float32, rounded once."""
    return (queries.to(torch.float64) / norms[:, None]).to(torch.float32)


def product_error(dim: int, product: torch.dtype, moved: torch.Tensor) -> torch.Tensor:
    """Bound e on the error of a product of unit vectors, e in `conceptmap.topk.cpu`'s proof.

    Args:
        dim: width of the vectors.
        product: type of the product.
        moved: how far rounding from float32 to this type moved each unit query. *Shape:* (n,).

    >>> [product_error(384, dtype, torch.zeros(1)).item() < bound for dtype, bound in
    ...  ((torch.float32, 3e-5), (torch.bfloat16, 5e-3))]
    [True, True]
    """
    unit32, low = 2.0**-24, product == torch.bfloat16
    row = 3 * unit32 + (2.0**-8 * (1 + 3 * unit32) if low else 0.0)
    query = 3 * unit32 + moved * (1 + 2.0**-20)
    inputs = row + query + row * query
    terms = (2 * dim if low else dim) * unit32
    return (inputs + (1 + inputs) * terms / (1 - terms)) * (1 + 2.0**-20) + dim * 2.0**-125


@dataclass(eq=False)
class Products:
    """What makes products of blocks.

    Buffers are made once, when the first block is multiplied: freed and made again for each block, they would leave the
    heap in pieces.

    Attributes:
        queries: *Shape:* (n, dim) float32.
        norms: *Shape:* (n,) float64.
        product: type of the products.
        n_rows: of a block, at most.
    """

    queries: torch.Tensor
    norms: torch.Tensor
    product: torch.dtype
    n_rows: int

    @cached_property
    def _unit_queries(self) -> torch.Tensor:
        return unit_queries(self.queries, self.norms).to(self.product)

    @cached_property
    def _unit_rows(self) -> torch.Tensor:
        return torch.empty((self.n_rows, self.queries.shape[1]))

    @cached_property
    def _tile(self) -> torch.Tensor:
        return torch.empty(len(self.queries) * self.n_rows, dtype=self.product)

    def of(self, prepared: Prepared, at: slice | torch.Tensor, n: int) -> torch.Tensor:
        """Approximations for ``n`` rows. *Shape:* (n_queries, n)."""
        prepared.announce(at)
        block = prepared.unit(at, self._unit_rows[:n])
        tile = self._tile[: len(self.queries) * n].view(len(self.queries), n)
        return torch.mm(self._unit_queries, block.to(self.product).T, out=tile)
