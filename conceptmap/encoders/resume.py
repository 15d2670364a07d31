"""Term encoding that goes on where it was interrupted: finished chunks are kept in a folder and checked when reused.

For builds of millions of terms. `forget_parts` removes them when the index is saved.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from conceptmap.encoders.encoder import Progress, TokenEncoder
from conceptmap.files import atomic_file, remove_known

__all__ = ["forget_parts", "kept_parts", "resumable_terms"]

_PART = re.compile(r"[0-9a-f]{64}\.safetensors")
_UNFINISHED = re.compile(r"\.[0-9a-f]{64}\.safetensors\.[0-9a-f]{12}\.tmp")


def resumable_terms(
    encoder: TokenEncoder, folder: Path, *, chunk: int = 16384, index: bool = False, progress: Progress | None = None
) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """Wrap an encoder's `terms`, or `index_terms`, so that an interrupted run loses at most one chunk.

    The folder may be shared by several runs: a chunk is found again by the encoder's name and revision and the strings
    themselves, and one whose bytes have changed is encoded anew.

    Args:
        encoder: any encoder.
        folder: where chunks are kept; made if missing.
        chunk: strings in a chunk.
        index: the strings are those of an index.
        progress: called with the strings done and their total, for each call of the function that comes back.

    Raises:
        OutOfSpaceError: when called, if the disk is full; what was finished stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    computed = encoder.index_terms if index else encoder.terms
    kind = encoder.index_dtype if index else ""

    def encode(terms: Sequence[str]) -> NDArray[np.float32]:
        out = np.empty((len(terms), encoder.term_dim), dtype=np.float32)
        for start in range(0, len(terms), chunk):
            part = list(terms[start : start + chunk])
            path = folder / f"{_key(encoder, kind, part)}.safetensors"
            vectors = _kept(path, (len(part), encoder.term_dim))
            if vectors is None:
                vectors = computed(part)
                with atomic_file(path) as file:
                    file.write(save({"vectors": vectors}, metadata={"sha256": _digest(vectors)}))
            out[start : start + len(part)] = vectors
            if progress is not None:
                progress(start + len(part), len(terms))
        return out

    return encode


def kept_parts(folder: Path) -> int:
    """How many finished chunks a folder holds, 0 where there is none."""
    return sum(bool(_PART.fullmatch(path.name)) for path in folder.iterdir()) if folder.is_dir() else 0


def forget_parts(folder: Path) -> None:
    """Remove the chunks of a folder, and the folder unless it holds anything else."""
    remove_known(folder, lambda name: bool(_PART.fullmatch(name) or _UNFINISHED.fullmatch(name)))


def _key(encoder: TokenEncoder, kind: str, terms: list[str]) -> str:
    return hashlib.sha256(json.dumps([encoder.name, encoder.revision, kind, terms]).encode()).hexdigest()


def _digest(vectors: NDArray[np.float32]) -> str:
    return hashlib.sha256(vectors.tobytes()).hexdigest()


def _kept(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """The vectors of a finished chunk, or None when there is none that can be trusted."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            vectors: NDArray[np.float32] = file.get_tensor("vectors")
            known = (file.metadata() or {}).get("sha256")
    except (OSError, SafetensorError):
        return None
    return vectors if vectors.shape == shape and known == _digest(vectors) else None
