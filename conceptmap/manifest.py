"""Manifest: what an index folder says of itself in ``manifest.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from conceptmap.errors import IndexMismatchError, InputError
from conceptmap.indexfiles import FileDigest

__all__ = ["FORMAT_VERSION", "STORED_TYPES", "Manifest", "stored_type"]

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
        centring: ``"none"``, or ``"mean"`` when the mean concept vector was subtracted from every row.
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
        """The object that ``manifest.json`` holds, format version first."""
        return {"format": self.format, **{name: value for name, value in asdict(self).items() if name != "format"}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], source: Path) -> Manifest:
        """What such an object says; fields that this version does not know are passed over.

        Raises:
            IndexMismatchError: another format version, or fields are missing.
        """
        if value.get("format") != FORMAT_VERSION:
            raise IndexMismatchError(
                f"{source} has another format version",
                got=value.get("format"),
                expected=FORMAT_VERSION,
                then="build the index again",
            )
        try:
            files = {
                str(name): FileDigest(int(entry["bytes"]), str(entry["sha256"]), tuple(entry["blocks"]))
                for name, entry in value["files"].items()
            }
            known = {name: value[name] for name in cls.__dataclass_fields__}
            return cls(**{**known, "files": files})
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise IndexMismatchError(f"{source} is damaged", got=str(error), then="build the index again") from error


def stored_type(dtype: str) -> str:
    """The safetensors name of a type that vectors may be stored in.

    Raises:
        InputError: any other type.
    """
    if dtype not in STORED_TYPES:
        raise InputError("vectors cannot be stored so", got=repr(dtype), expected=" or ".join(sorted(STORED_TYPES)))
    return STORED_TYPES[dtype]
