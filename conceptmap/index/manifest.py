"""Manifest: what an index folder says of itself in ``manifest.json``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from conceptmap.errors import IndexMismatchError, InputError
from conceptmap.files import sha256_of
from conceptmap.index import files as indexfiles
from conceptmap.index.files import FileDigest

__all__ = [
    "FORMAT_VERSION",
    "STORED_TYPES",
    "Manifest",
    "digests_in",
    "stored_type",
    "write_manifest",
]

FORMAT_VERSION = 1
STORED_TYPES = {"float16": "F16", "bfloat16": "BF16", "float32": "F32"}
"""Types of stored vectors, and what safetensors calls them."""

_NAMES = ("system", "release", "encoder", "revision", "dtype", "pooling", "centring")
_SIZES = {"dim": 1 << 20, "rows": 1 << 40, "concepts": 1 << 40}
_MOST_BYTES = 1 << 50
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_REASON = 80


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
        return {**fields, "sha256": sha256_of(fields)}

    def printable(self) -> Manifest:
        """The same without control characters, which a release's file may have in its version, say."""
        names = {name: _CONTROL.sub(" ", getattr(self, name)) for name in _NAMES}
        facts = {_CONTROL.sub(" ", name): _CONTROL.sub(" ", text) for name, text in self.facts.items()}
        return replace(self, **names, facts=facts)  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, value: Mapping[str, Any], source: Path) -> Manifest:
        """What such an object says; fields that this version does not know are passed over.

        Raises:
            IndexMismatchError: another format version, a wrong digest, or fields are missing.
        """
        again = "build the index again"
        if value.get("format") != FORMAT_VERSION:
            got = repr(value.get("format"))[:_LONGEST_REASON]
            raise IndexMismatchError(f"{source} has another format", got=got, expected=FORMAT_VERSION, then=again)
        if value.get("sha256") != sha256_of({name: entry for name, entry in value.items() if name != "sha256"}):
            raise IndexMismatchError(f"{source} is damaged", got="other content than its digest says", then=again)
        try:
            known = {name: value[name] for name in cls.__dataclass_fields__}
            return _checked(cls(**{**known, "files": digests_in(value)}))
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            got = str(error)[:_LONGEST_REASON]
            raise IndexMismatchError(f"{source} is damaged", got=got, then=again) from error


def _checked(manifest: Manifest) -> Manifest:
    """The manifest, if its values are such as an index has.

    Raises:
        ValueError: names the field.
    """
    for name in _NAMES:
        if not isinstance(text := getattr(manifest, name), str) or _CONTROL.search(text):
            raise ValueError(f"{name} is no text")
    for name, most in _SIZES.items():
        if type(size := getattr(manifest, name)) is not int or not 0 <= size <= most:
            raise ValueError(f"{name} is out of range")
    if manifest.dtype not in STORED_TYPES or not manifest.system:
        raise ValueError("dtype or system is unknown")
    facts = manifest.facts if isinstance(manifest.facts, dict) else {"": None}
    if not all(isinstance(text, str) and not _CONTROL.search(name + text) for name, text in facts.items()):
        raise ValueError("facts are no texts")
    return manifest


def digests_in(value: Mapping[str, Any]) -> dict[str, FileDigest]:
    """The digests that a manifest has of the files beside it.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: they are no digests, or of files elsewhere.
    """
    found = {name: FileDigest(**entry) for name, entry in value["files"].items()}
    for name, digest in found.items():
        if not _FILE.fullmatch(name):
            raise ValueError("the name of a file leads elsewhere")
        blocks = digest.blocks if isinstance(digest.blocks, list) else [None]
        if type(digest.bytes) is not int or not 0 <= digest.bytes <= _MOST_BYTES:
            raise ValueError("the size of a file is out of range")
        if len(blocks) != -(-digest.bytes // indexfiles.BLOCK_BYTES) or not all(
            map(_is_digest, (digest.sha256, *blocks))
        ):
            raise ValueError("a file has no checksum of its kind")
    return found


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def write_manifest(folder: Path, fields: Mapping[str, Any]) -> str:
    """Write a finished folder's manifest: these fields, the digest of every file, and its own, which comes back."""
    files = {name: asdict(digest) for name, digest in indexfiles.digests_of(folder).items()}
    value = {**fields, "files": files}
    sha256 = sha256_of(value)
    indexfiles.write_json(folder / indexfiles.MANIFEST, {**value, "sha256": sha256})
    return sha256


def stored_type(dtype: str) -> str:
    """The safetensors name of a type that vectors may be stored in.

    Raises:
        InputError: any other type.
    """
    if dtype not in STORED_TYPES:
        raise InputError("dtype is unknown", got=repr(dtype), expected=" or ".join(sorted(STORED_TYPES)))
    return STORED_TYPES[dtype]
