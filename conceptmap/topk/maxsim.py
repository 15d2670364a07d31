"""Exact MaxSim top-k: the passages whose tokens answer those of a query best.

The score of a passage is the sum, over the query's tokens, of the best cosine that any token of the passage has with
it (Khattab and Zaharia, ColBERT, SIGIR 2020, section 3.3). Float32 products of whole blocks choose which passages can
be answers, within the bound on their error that `cpu.py` proves; those are scored again in float64 from the stored
rows. Each part is rounded to float32, as every score here, and the score is the exact sum of its parts (`math.fsum`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.errors import InputError
from conceptmap.topk.cpu import STEP
from conceptmap.topk.exact import cosines
from conceptmap.topk.products import product_error, unit_queries
from conceptmap.topk.rows import norms_of, tensor_over

if TYPE_CHECKING:
    from conceptmap.topk.rows import Prepared

__all__ = ["MaxSim", "maxsim", "products", "rescored"]

BLOCK_ELEMENTS = 1 << 21
"""Elements of a block of rows, as float32: 8 MiB."""
PAIRS_AT_ONCE = 1 << 20
"""Pairs of a query token and a row that are scored in float64 together."""


class MaxSim(NamedTuple):
    """Passages with what their score is made of, best first; equal scores by lower passage.

    Attributes:
        scores: the exact sum of the parts. *Shape:* (n,) float64.
        passages: *Shape:* (n,) int64.
        parts: the best cosine of each query token. *Shape:* (n, n_tokens) float32.
        rows: the row that has it, the lowest of equal ones. *Shape:* (n, n_tokens) int64.
    """

    scores: NDArray[np.float64]
    passages: NDArray[np.int64]
    parts: NDArray[np.float32]
    rows: NDArray[np.int64]

    def at(self, places: NDArray[np.int64]) -> MaxSim:
        """Some of the answers, in this order."""
        return MaxSim(self.scores[places], self.passages[places], self.parts[places], self.rows[places])


def maxsim(
    query: NDArray[np.floating[Any]],
    prepared: Prepared,
    edges: NDArray[np.int64],
    k: int,
    *,
    mask: NDArray[np.bool_] | None = None,
    passages: NDArray[np.bool_] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> MaxSim:
    """The k passages with the highest MaxSim, exactly; fewer where fewer may answer.

    Args:
        query: the tokens of one query. *Shape:* (n_tokens, dim), taken as float32.
        prepared: the tokens of all passages, as `conceptmap.topk.prepare` returns them.
        edges: the first row of each passage, and the number of rows; each passage has a row.
            *Shape:* (n_passages + 1,) int64.
        k: at least 1.
        mask: rows that take part; a passage without any is no answer. *Shape:* (n_rows,) bool.
        passages: passages that may answer. *Shape:* (n_passages,) bool.
        groups: a group for every passage; a group then answers once, by its best passage, so that k groups come back.
            *Shape:* (n_passages,) int64.

    Raises:
        InputError: wrong shapes or k, or a token of the query is zero, NaN or infinite.

    >>> from conceptmap.topk import prepare
    >>> tokens = prepare(np.float32([[1, 0], [0, 1], [1, 1]]))
    >>> found = maxsim(np.float32([[1, 0], [0, 1]]), tokens, np.array([0, 2, 3]), 2)
    >>> found.passages.tolist(), [round(score, 4) for score in found.scores.tolist()], found.rows.tolist()
    ([0, 1], [2.0, 1.4142], [[0, 1], [2, 2]])
    """
    asked = _checked(query, prepared, edges)
    if k < 1:
        raise InputError("k must be at least 1", got=k)
    norms = norms_of(asked, what="query")
    approx = _approximate(unit_queries(asked, norms), prepared, edges, mask, passages)
    error = float(product_error(prepared.dim, torch.float32, torch.zeros(1))) + STEP
    chosen = _candidates(approx, k, 2 * len(asked) * (error + len(asked) * STEP), groups)
    found = rescored(query, prepared, edges, chosen, mask=mask)
    return found.at(_first_of_groups(found.passages, groups)[:k])


def rescored(
    query: NDArray[np.floating[Any]],
    prepared: Prepared,
    edges: NDArray[np.int64],
    chosen: NDArray[np.int64],
    *,
    mask: NDArray[np.bool_] | None = None,
) -> MaxSim:
    """MaxSim of these passages, in float64, best first; passages without a row that takes part are left out.

    Args:
        query: as in `maxsim`, and so are ``prepared``, ``edges`` and ``mask``.
        chosen: passages. *Shape:* (n,) int64.

    Raises:
        InputError: as `maxsim`.
    """
    asked = _checked(query, prepared, edges)
    norms = norms_of(asked, what="query")
    chosen = np.unique(np.asarray(chosen, dtype=np.int64))
    n_kept = np.diff(edges) if mask is None else np.add.reduceat(mask, edges[:-1], dtype=np.int64)
    chosen = chosen[n_kept[chosen] > 0]
    parts = np.empty((len(chosen), len(asked)), dtype=np.float32)
    rows = np.empty((len(chosen), len(asked)), dtype=np.int64)
    for some in _shares(np.diff(edges)[chosen], max(1, PAIRS_AT_ONCE // len(asked))):
        here = _rows_of(edges, chosen[some])
        here = here if mask is None else here[mask[here]]
        scored = _all_cosines(asked, norms, prepared, here)
        stops = np.cumsum(n_kept[chosen[some]])
        for at, first, stop in zip(range(some.start, some.stop), [0, *stops[:-1]], stops, strict=True):
            best = scored[first:stop].argmax(axis=0)
            rows[at], parts[at] = here[first + best], scored[first + best, np.arange(len(asked))]
    scores = np.array([math.fsum(part) for part in parts.tolist()], dtype=np.float64)
    found = MaxSim(scores, chosen, parts, rows)
    return found.at(np.lexsort((chosen, -scores)))


def products(query: NDArray[np.float32], encodings: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Products of one vector with many, in bfloat16: a ranking to choose candidates by, and no score.

    Args:
        query: *Shape:* (width,) float32.
        encodings: bit patterns of bfloat16. *Shape:* (n, width) uint16.

    Returns:
        *Shape:* (n,) float32.
    """
    right = torch.from_numpy(query).to(torch.bfloat16)
    return torch.mv(tensor_over(encodings).view(torch.bfloat16), right).to(torch.float32).numpy()


def _checked(query: NDArray[np.floating[Any]], prepared: Prepared, edges: NDArray[np.int64]) -> torch.Tensor:
    asked = tensor_over(np.asarray(query, dtype=np.float32))
    if asked.ndim != 2 or asked.shape[1] != prepared.dim or not len(asked):
        raise InputError("the query does not fit", got=f"shape {tuple(asked.shape)}", expected=f"(n, {prepared.dim})")
    whole = len(edges) >= 1 and int(edges[0]) == 0 and int(edges[-1]) == prepared.n_rows
    if not whole or (len(edges) > 1 and int(np.diff(edges).min()) < 1):
        raise InputError("edges do not fit the rows", expected=f"rising from 0 to {prepared.n_rows}")
    return asked


def _approximate(
    unit: torch.Tensor,
    prepared: Prepared,
    edges: NDArray[np.int64],
    mask: NDArray[np.bool_] | None,
    passages: NDArray[np.bool_] | None,
) -> NDArray[np.float32]:
    """Float32 MaxSim of every passage, -inf of those that may not answer. *Shape:* (n_passages,)."""
    n_passages = len(edges) - 1
    approx = np.full(n_passages, -np.inf, dtype=np.float32)
    asked = np.arange(n_passages) if passages is None else np.flatnonzero(passages)
    right = unit.T.contiguous()
    sizes = np.diff(edges)[asked]
    for some in _shares(sizes, max(1, BLOCK_ELEMENTS // prepared.dim)):
        rows = _span_or_rows(edges, asked[some])
        prepared.announce(rows)
        n_rows = int(sizes[some].sum())
        product = torch.mm(prepared.unit(rows, torch.empty((n_rows, prepared.dim))), right).numpy()
        if mask is not None:
            product[~mask[rows if isinstance(rows, slice) else rows.numpy()]] = -np.inf
        best = np.maximum.reduceat(product, np.cumsum(sizes[some]) - sizes[some], axis=0)
        approx[asked[some]] = best.sum(axis=1, dtype=np.float32)
    return approx


def _span_or_rows(edges: NDArray[np.int64], passages: NDArray[np.int64]) -> slice | torch.Tensor:
    """The rows of passages in order: a slice where no passage between them is left out."""
    if int(passages[-1] - passages[0]) == len(passages) - 1:
        return slice(int(edges[passages[0]]), int(edges[passages[-1] + 1]))
    return torch.from_numpy(_rows_of(edges, passages))


def _candidates(
    approx: NDArray[np.float32], k: int, margin: float, groups: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Passages that can be among the answers: within the margin of the k-th best, and of their group's best."""
    able = np.flatnonzero(approx > -np.inf)
    best, own = approx[able], approx[able]
    if groups is not None and len(able):
        names, member = np.unique(groups[able], return_inverse=True)
        best = np.full(len(names), -np.inf, dtype=np.float32)
        np.maximum.at(best, member, approx[able])
        own = best[member]
    level = np.partition(best, len(best) - k)[len(best) - k] if len(best) > k else -np.inf
    return able[(approx[able] >= level - margin) & (approx[able] >= own - margin)]


def _first_of_groups(passages: NDArray[np.int64], groups: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Places of the passages that come first in their group."""
    if groups is None:
        return np.arange(len(passages))
    return np.sort(np.unique(groups[passages], return_index=True)[1])


def _all_cosines(
    asked: torch.Tensor, norms: torch.Tensor, prepared: Prepared, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Exact cosines of all query tokens with these rows. *Shape:* (n_rows, n_tokens) float32."""
    for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
        prepared.announce(slice(int(run[0]), int(run[-1]) + 1))
    row = torch.from_numpy(np.repeat(rows, len(asked)))
    token = torch.arange(len(asked)).repeat(len(rows))
    found = cosines(asked, norms, prepared.stored, prepared.norms, pairs=(token, row))
    return found.numpy().reshape(len(rows), len(asked))


def _rows_of(edges: NDArray[np.int64], passages: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of these passages, one after the other."""
    sizes = edges[passages + 1] - edges[passages]
    found: NDArray[np.int64] = np.arange(int(sizes.sum())) + np.repeat(
        edges[passages] - (np.cumsum(sizes) - sizes), sizes
    )
    return found


def _shares(sizes: NDArray[np.int64], most: int) -> Iterator[slice]:
    """Places of passages that are read together: about ``most`` rows, or one passage."""
    stops = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        reached = (stops[first - 1] if first else 0) + most
        last = max(first + 1, int(np.searchsorted(stops, reached, side="right")))
        yield slice(first, last)
        first = last
