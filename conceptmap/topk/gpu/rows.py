"""Prepared rows on a device, or beside it when they do not fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from conceptmap.topk.gpu.kit import Array, Kit, Module
from conceptmap.topk.rows import Prepared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["DeviceRows", "place", "shards"]

HEADROOM = 2 << 30
"""Bytes left free beside a resident matrix, for scores, lists and the encoder's next batch."""
CHUNK = 1 << 24
NAMES = {torch.float16: "float16", torch.bfloat16: "bfloat16", torch.float32: "float32"}


@dataclass(slots=True)
class Sent:
    """The groups that were asked for last, on the device: an index asks for the same ones each time."""

    last: tuple[NDArray[Any], Array] | None = None

    def of(self, groups: NDArray[Any], own: slice, xp: Module) -> Array:
        """These rows' groups on the device, sent again unless they are the last ones and cannot have changed."""
        last = self.last
        if last is None or last[0] is not groups or groups.flags.writeable:
            last = self.last = groups, xp.asarray(groups[own].astype(np.int64))
        return last[1]


@dataclass(frozen=True, slots=True)
class DeviceRows:
    """Rows ready to be searched on a device.

    Attributes:
        kit: the device's tools.
        prepared: the rows on the host, the truth.
        first: place of the first of these rows in the whole matrix (of a shard).
        stored: stored values. *Shape:* (n_rows, dim), float16, float32, or uint16 bits of bfloat16; on the device if
            ``resident``, else the host's.
        kind: "float16", "bfloat16" or "float32": what they are.
        factors: what is multiplied: the stored values, or float16 unit rows made of them. *Shape:* (n_rows, dim).
        factor_kind: "float16" or "bfloat16".
        inverse: what a product is multiplied with to become a cosine. *Shape:* (n_rows,) float32, on the device.
        norms: *Shape:* (n_rows,) float64, on the device.
        moved: how far rounding moved any unit row, at most.
        resident: whether values lie on the device.
        sent: what else lies there.
    """

    kit: Kit
    prepared: Prepared
    first: int
    stored: Array
    kind: str
    factors: Array
    factor_kind: str
    inverse: Array
    norms: Array
    moved: float
    resident: bool
    sent: Sent = field(default_factory=Sent)

    @property
    def n_rows(self) -> int:
        """Rows that can be searched."""
        return len(self.stored)

    @property
    def dim(self) -> int:
        """Width of the rows."""
        return int(self.stored.shape[1])


def place(prepared: Prepared, kit: Kit, *, rows: slice | None = None, resident: bool | None = None) -> DeviceRows:
    """Put prepared rows on a device, once.

    16-bit rows of moderate norms are multiplied as they are stored, without any rounding, and need no memory besides
    their own. Others get unit rows in float16 besides, and how far these lie off is measured.

    Args:
        prepared: what `conceptmap.topk.prepare` made.
        kit: the device.
        rows: some of them only: a shard.
        resident: whether they are kept on the device; by default if they fit.
    """
    some = rows or slice(0, prepared.n_rows)
    prepared.announce(some)
    stored, kind = _plain(prepared.stored[some]), NAMES[prepared.stored.dtype]
    norms = prepared.norms[some].numpy()
    as_stored = kind != "float32" and prepared.moderate
    with kit.here():
        xp = kit.xp
        if as_stored:
            factors, moved, inverse = stored, 0.0, (1.0 / norms).astype(np.float32)
        else:
            factors, moved = _unit_float16(prepared, some)
            inverse = np.ones(len(norms), np.float32)
        needed = stored.nbytes + (0 if as_stored else factors.nbytes) + HEADROOM
        stays = kit.free_bytes() > needed if resident is None else resident
        if stays:
            stored = xp.asarray(stored)
            factors = stored if as_stored else xp.asarray(factors)
        kinds = (kind, factors, kind if as_stored else "float16")
        on_device = (xp.asarray(inverse), xp.asarray(norms))
        return DeviceRows(kit, prepared, some.start, stored, *kinds, *on_device, moved, stays)


def _plain(stored: torch.Tensor) -> NDArray[Any]:
    """The same memory as numpy's; bfloat16 as its bits."""
    return stored.view(torch.uint16).numpy() if stored.dtype == torch.bfloat16 else stored.numpy()


def _unit_float16(prepared: Prepared, some: slice) -> tuple[NDArray[np.float16], float]:
    """Unit rows rounded to float16, and the greatest norm of what that changed."""
    n = some.stop - some.start
    factors, moved = np.empty((n, prepared.dim), np.float16), 0.0
    step = max(1, CHUNK // prepared.dim)
    for start in range(0, n, step):
        at = slice(some.start + start, some.start + min(start + step, n))
        unit = prepared.stored[at].to(torch.float64).numpy() / prepared.norms[at, None].numpy()
        part = factors[start : start + step]
        part[:] = unit
        if len(part):
            moved = max(moved, float(np.linalg.norm(unit - part.astype(np.float64), axis=1).max()))
    return factors, moved


def shards(prepared: Prepared, kits: Sequence[Kit]) -> tuple[DeviceRows, ...]:
    """The rows dealt out to several devices, in order and as evenly as can be."""
    edges = np.linspace(0, prepared.n_rows, len(kits) + 1).astype(int).tolist()
    return tuple(
        place(prepared, kit, rows=slice(a, b)) for kit, a, b in zip(kits, edges[:-1], edges[1:], strict=True) if b > a
    )
