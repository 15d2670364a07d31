"""What coding a shard gave, and the bytes that it is kept as: a checksum, then a zip of Parquet tables."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import polars as pl

from conceptmap.errors import DamagedShardError
from conceptmap.frames import ANNOTATIONS, CODES, TAGS
from conceptmap.mapper import Results
from conceptmap.notes.notes import BadNote

__all__ = ["SCHEMAS", "Coded", "pack", "unpack"]

SCHEMAS = {"mentions": ANNOTATIONS, "codes": CODES, "tags": TAGS, "candidates": CODES}
FACTS = "shard.json"
CHECKSUM_BYTES = 32
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Coded:
    """The results of a shard's notes.

    Attributes:
        results: of the notes that could be coded.
        failed: the others.
        notes: how many were coded, and their ``words``.
    """

    results: Results
    failed: tuple[BadNote, ...]
    notes: int
    words: int


def joined(results: Iterable[Results]) -> Results:
    """The rows of several results, one after the other."""
    parts = list(results)
    frames = {
        name: pl.concat([pl.DataFrame(schema=schema), *(getattr(part, name) for part in parts)])
        for name, schema in SCHEMAS.items()
    }
    return Results(**frames)


def pack(coded: Coded, key: str) -> bytes:
    """The bytes to keep: the same results give the same bytes."""
    facts = {
        "key": key,
        "notes": coded.notes,
        "words": coded.words,
        "failed": [asdict(bad) for bad in coded.failed],
    }
    tables = {f"{name}.parquet": _parquet(getattr(coded.results, name)) for name in SCHEMAS}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in {FACTS: json.dumps(facts).encode(), **tables}.items():
            file.writestr(zipfile.ZipInfo(name, _LONG_AGO), content)
    return hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue()


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(buffer, compression="zstd", compression_level=1)
    return buffer.getvalue()


def unpack(content: bytes, key: str, note_ids: Sequence[str]) -> Coded:
    """The results kept in ``content``, checksum and counts compared.

    Raises:
        DamagedShardError: they are not what ``pack`` wrote for this key, or not those of these notes.
    """
    checksum, body = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
    if hashlib.sha256(body).digest() != checksum:
        raise DamagedShardError("a shard is damaged", got="other bytes than its checksum says")
    with zipfile.ZipFile(io.BytesIO(body)) as file:
        facts = json.loads(file.read(FACTS))
        frames = {name: pl.read_parquet(io.BytesIO(file.read(f"{name}.parquet"))) for name in SCHEMAS}
    if facts["key"] != key:
        raise DamagedShardError("a shard has another key than its name says", got=facts["key"], expected=key)
    failed = tuple(BadNote(**bad) for bad in facts["failed"])
    coded = Coded(Results(**frames), failed, facts["notes"], facts["words"])
    _check_notes(coded, note_ids)
    return coded


def _check_notes(coded: Coded, note_ids: Sequence[str]) -> None:
    """Every note is there once, and no other."""
    if coded.notes + len(coded.failed) != len(note_ids):
        got, expected = coded.notes + len(coded.failed), len(note_ids)
        raise DamagedShardError("a shard holds another number of notes", got=got, expected=expected)
    seen = {note_id for name in SCHEMAS for note_id in getattr(coded.results, name)["note_id"].unique()}
    if strangers := seen - set(note_ids):
        raise DamagedShardError("a shard holds rows of other notes", got=f"{len(strangers)} of them")
