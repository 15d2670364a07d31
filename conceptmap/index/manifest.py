"""Manifest: what an index folder says of itself in ``manifest.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from conceptmap.errors import IndexMismatchError, InputError
from conceptmap.index.files import FileDigest

__all__ = ["FORMAT_VERSION", "STORED_TYPES", "Manifest", "is_manifest", "stored_type"]

FORMAT_VERSION = 1
STORED_TYPES = {"float16": "F16", "bfloat16": "BF16", "float32": "F32"}
"""Types of stored vectors, and what safetensors calls them."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index is: ``manifest.json``.

    Attributes:
        system: prefix of the ontology, and ``release`` its version.
        encoder: name of the term encoder, empty for a lexical index, and ``revision`` its version.
        dim: width of the vectors, 0 for a lexical index.
        dtype: type that the vectors are stored in.
        rows: number of rows of the matrix; ``concepts`` of concepts.
        pooling: how a term's tokens became one vector.
        centring: ``"none"``; ``"mean"`` or ``"background"`` when the mean concept vector, or the mean word of plain
            notes, was subtracted from every row.
        facts: whatever else identifies the index.
        files: for each other file its length and checksums.
    """

    system: str
    release: str
    encoder: str
    revision: str
    dim: int
    dtype: str
    rows: int
    concepts: int
    pooling: str
    centring: str
    facts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileDigest] = field(default_factory=dict)
    format: int = FORMAT_VERSION

    def as_json(self) -> dict[str, Any]:
        """The object that ``manifest.json`` holds: format version first, the digest of all else last."""
        fields = {"format": self.format, **{name: value for name, value in asdict(self).items() if name != "format"}}
        return {**fields, "sha256": _sha256(fields)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], source: Path) -> Manifest:
        """What such an object says; fields that this version does not know are passed over.

        Raises:
            IndexMismatchError: another format version, a wrong digest, or fields are missing.
        """
        again = "build the index again"
        if value.get("format") != FORMAT_VERSION:
            got = value.get("format")
            raise IndexMismatchError(f"{source} has another format", got=got, expected=FORMAT_VERSION, then=again)
        if value.get("sha256") != _sha256({name: entry for name, entry in value.items() if name != "sha256"}):
            raise IndexMismatchError(f"{source} is damaged", got="other content than its digest says", then=again)
        try:
            files = {name: FileDigest(**entry) for name, entry in value["files"].items()}
            known = {name: value[name] for name in cls.__dataclass_fields__}
            return cls(**{**known, "files": files})
        except (TypeError, KeyError, AttributeError) as error:
            raise IndexMismatchError(f"{source} is damaged", got=str(error), then=again) from error


def _sha256(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def is_manifest(value: Mapping[str, Any]) -> bool:
    """Whether an object is the manifest of an index, of whatever format version, as this program wrote it."""
    return "sha256" in value and value["sha256"] == _sha256({n: entry for n, entry in value.items() if n != "sha256"})


def stored_type(dtype: str) -> str:
    """The safetensors name of a type that vectors may be stored in.

    Raises:
        InputError: any other type.
    """
    if dtype not in STORED_TYPES:
        raise InputError("vectors cannot be stored so", got=repr(dtype), expected=" or ".join(sorted(STORED_TYPES)))
    return STORED_TYPES[dtype]
