"""Vectors that memory should not hold as a whole: blocks written into a file without a name, read through its map."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from conceptmap.errors import OutOfSpaceError

__all__ = ["gathered", "picked"]

IN_MEMORY = 256 << 20
"""Bytes: what is no larger is held in memory."""
_ROWS_AT_ONCE = 8192


def gathered(blocks: Iterable[NDArray[np.float32]], n_rows: int, dim: int) -> NDArray[np.float32]:
    """The rows of some blocks, one after the other. *Shape:* (n_rows, dim) float32, read-only.

    Raises:
        OutOfSpaceError: the disk of temporary files is full.
    """
    if n_rows * dim * 4 <= IN_MEMORY:
        rows, at = np.empty((n_rows, dim), dtype=np.float32), 0
        for block in blocks:
            rows[at : at + len(block)] = block
            at += len(block)
    else:
        with tempfile.TemporaryFile() as file:
            try:
                for block in blocks:
                    file.write(np.ascontiguousarray(block, dtype=np.float32).data)
                file.flush()
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                what = f"no space for {n_rows:,} vectors of width {dim} in {tempfile.gettempdir()}"
                raise OutOfSpaceError(what, then="free some, or name another folder in TMPDIR") from error
            rows = np.memmap(file, dtype=np.float32, mode="r", shape=(n_rows, dim))
    rows.flags.writeable = False
    return rows


def picked(vectors: NDArray[np.float32], wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Some of the rows. ``wanted``: *Shape:* (n_rows,) bool."""
    if wanted.all():
        return vectors
    starts = range(0, len(vectors), _ROWS_AT_ONCE)
    blocks = (vectors[at : at + _ROWS_AT_ONCE][wanted[at : at + _ROWS_AT_ONCE]] for at in starts)
    return gathered(blocks, int(wanted.sum()), vectors.shape[1])
