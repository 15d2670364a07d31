"""A tuned encoder's folder: low-rank changes as safetensors, what they belong to as JSON, a page. Loads no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from conceptmap.errors import ModelError
from conceptmap.files import is_manifest, json_of, sha256_file, sha256_of

__all__ = ["CARD", "FORMAT", "MANIFEST", "TENSORS", "Base", "Tuned", "is_tuned", "read_tuned", "tuned_revision"]

FORMAT = "tuned encoder 1"
MANIFEST, TENSORS, CARD = "manifest.json", "lora.safetensors", "README.md"
_AGAIN = "tune the encoder again: conceptmap tune"
_MODULE = re.compile(r"[A-Za-z0-9_.]{1,200}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST = 1e4
"""More than any product of factors is scaled by."""


@dataclass(frozen=True, slots=True)
class Base:
    """The encoder that was tuned.

    Attributes:
        name: as indexes know it, and ``revision`` its version.
        sha256: digest of its weights.
        place: ``embedded-plain``, a hub name with its commit, or the folder where it lay.
    """

    name: str
    revision: str
    sha256: str
    place: str


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned encoder as it is stored.

    Attributes:
        folder: where it lies.
        base: what it belongs to.
        name: its own, and ``revision`` its version, which indexes know it by.
        dim: width of a token vector.
        scale: what the products of factors are multiplied by.
        factors: for each changed linear layer ``a``, *Shape:* (rank, n_in), and ``b``, *Shape:* (n_out, rank).
    """

    folder: Path
    base: Base
    name: str
    revision: str
    dim: int
    scale: float
    factors: Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(repr=False)


def is_tuned(folder: Path) -> bool:
    """Whether a folder says that it is a tuned encoder, of whatever format version."""
    try:
        value = json_of((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(value, dict) and str(value.get("format")).startswith("tuned encoder ")


def tuned_revision(tensors_sha256: str, base_sha256: str, scale: float) -> str:
    """The version of a tuned encoder: another for other factors, another scale or another base."""
    return f"sha256:{sha256_of({'tensors': tensors_sha256, 'base': base_sha256, 'scale': scale})[:12]}"


def read_tuned(folder: Path) -> Tuned:
    """Read a tuned encoder, whose files are compared with their checksums.

    Raises:
        ModelError: another format version, or a damaged file.
    """
    try:
        value = json_of((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise _damaged(folder, type(error).__name__) from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        got = repr(value.get("format"))[:40] if isinstance(value, dict) else "no object"
        raise ModelError(f"{folder} is not a tuned encoder that can be read", got=got, expected=FORMAT, then=_AGAIN)
    if not is_manifest(value):
        raise _damaged(folder, f"other content of {MANIFEST} than its digest says")
    try:
        return _read(folder, value)
    except (OSError, KeyError, TypeError, ValueError, AttributeError, SafetensorError) as error:
        raise _damaged(folder, str(error)[:80] if type(error) is ValueError else type(error).__name__) from error


def _read(folder: Path, value: Mapping[str, Any]) -> Tuned:
    stored = value["files"][TENSORS]["sha256"]
    if sha256_file(folder / TENSORS) != stored:
        raise ValueError(f"other bytes of {TENSORS}")
    base, scale, dim = Base(**value["base"]), value["scale"], value["dim"]
    if not all(isinstance(text, str) for text in (base.name, base.revision, base.place, value["name"])):
        raise ValueError("a name is no text")
    if not _DIGEST.fullmatch(base.sha256):
        raise ValueError("the base's digest is none")
    if type(scale) is not float or not math.isfinite(scale) or not 0 < scale <= _LARGEST or type(dim) is not int:
        raise ValueError("a number is out of range")
    revision = tuned_revision(stored, base.sha256, scale)
    return Tuned(folder, base, value["name"], revision, dim, scale, _factors(load((folder / TENSORS).read_bytes())))


def _factors(tensors: Mapping[str, NDArray[Any]]) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Pairs of finite matrices that can be multiplied, by layer."""
    layers = sorted({name.rpartition(".")[0] for name in tensors})
    if sorted(tensors) != sorted(f"{layer}.{side}" for layer in layers for side in "ab") or not layers:
        raise ValueError("factors without their counterparts")
    found = {}
    for layer in layers:
        a, b = (np.asarray(tensors[f"{layer}.{side}"], dtype=np.float32) for side in "ab")
        if not _MODULE.fullmatch(layer) or a.ndim != 2 or b.ndim != 2 or len(a) != b.shape[1]:
            raise ValueError("factors that do not fit together")
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise ValueError("factors with NaN or infinity")
        found[layer] = (a, b)
    return found


def _damaged(folder: Path, got: str) -> ModelError:
    return ModelError(f"{folder} is damaged", got=got, then=_AGAIN)
