"""Opening a saved index: its frames, and its vectors memory-mapped."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from conceptmap.errors import IndexMismatchError
from conceptmap.files import is_manifest
from conceptmap.index import files as indexfiles
from conceptmap.index.checks import FRAMES, CheckedRows, check_frames
from conceptmap.index.manifest import STORED_TYPES, Manifest

__all__ = ["LAYOUT", "VECTORS", "opened_parts"]

VERIFY_AT_OPENING = 1 << 30
"""Bytes: vectors of at least this size are checked block by block as they are first read."""
VECTORS = "vectors.safetensors"
OPTIONAL = ("maps", "remarks", "lexicon", "situations")
LAYOUT = indexfiles.FolderLayout(
    "an index",
    frozenset({indexfiles.MANIFEST, VECTORS, *FRAMES.values()}),
    lambda folder: indexfiles.recorded(folder, is_manifest),
)


def opened_parts(folder: Path, manifest: Manifest) -> dict[str, Any]:
    """All that a saved index holds, as attributes of a ``ConceptIndex``; frames and vectors beside each other.

    Raises:
        IndexMismatchError: as `opened_frames` and `opened_vectors`; of both, what the frames raise.
    """
    with ThreadPoolExecutor(1) as beside:
        vectors = beside.submit(opened_vectors, folder, manifest) if manifest.dim else None
        frames = opened_frames(folder, manifest)
        return {**frames, **(vectors.result() if vectors else {})}


def opened_frames(folder: Path, manifest: Manifest) -> dict[str, pl.DataFrame | None]:
    """All frames of an index by name, checked.

    Raises:
        IndexMismatchError: one is missing or damaged, or is not part of an index; the message names its file.
    """
    if not manifest.dim and VECTORS in manifest.files:
        raise IndexMismatchError(f"{folder} is damaged", got=f"{VECTORS} of width 0", then="build the index again")
    frames = {name: _opened_frame(folder, name, manifest) for name in FRAMES}
    check_frames(folder, frames, rows=manifest.rows, concepts=manifest.concepts)
    return frames


def _opened_frame(folder: Path, name: str, manifest: Manifest) -> pl.DataFrame | None:
    """A frame of an index, checked; None where it may be missing and is.

    Raises:
        IndexMismatchError: missing or damaged.
    """
    file = FRAMES[name]
    if file in manifest.files:
        return indexfiles.read_frame(folder / file, manifest.files[file])
    if name in OPTIONAL:
        return None
    raise IndexMismatchError(f"{folder} is damaged", got=f"no {file} in its manifest", then="build the index again")


def opened_vectors(folder: Path, manifest: Manifest) -> dict[str, Any]:
    """Vectors and norms, memory-mapped; checked now when small, else as they are read.

    Returns:
        Attributes of a ``ConceptIndex``: vectors, norms, checked.

    Raises:
        IndexMismatchError: missing, damaged, or not what the manifest says.
    """
    path = folder / VECTORS
    if VECTORS not in manifest.files:
        raise IndexMismatchError(f"{folder} is damaged", got=f"no {VECTORS}", then="build the index again")
    checked = indexfiles.CheckedFile(path, manifest.files[VECTORS])
    small = checked.digest.bytes < VERIFY_AT_OPENING
    checked.verify(0, None if small else indexfiles.BLOCK_BYTES)
    tensors = indexfiles.read_tensors(path)
    if not {"vectors", "norms"} <= set(tensors):
        raise IndexMismatchError(f"{path} holds no vectors", got=f"{len(tensors)} others", expected="vectors and norms")
    kind, vectors, first = tensors["vectors"]
    norms_kind, norms, norms_first = tensors["norms"]
    checked.verify(norms_first, norms_first + norms.nbytes)
    got = (kind, vectors.shape, norms_kind, norms.shape)
    expected = (STORED_TYPES[manifest.dtype], (manifest.rows, manifest.dim), "F64", (manifest.rows,))
    if got != expected or not manifest.rows:
        raise IndexMismatchError(f"{path} is not what its manifest says", got=got, expected=expected)
    if not (np.isfinite(norms) & (norms > 0)).all():
        raise IndexMismatchError(f"{path} holds rows without a cosine", expected="norms that are finite and positive")
    rows = CheckedRows(checked, first, vectors, norms, manifest.dtype)
    if small:
        rows.verify()
    return {"vectors": vectors, "norms": norms, "checked": rows}
