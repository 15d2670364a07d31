"""Shards: the notes cut into pieces whose names are made of everything that their content depends on.

The same notes, settings, indexes, encoder and program give the same shards under the same names, so a shard that is
there need not be coded again, whoever made it and when; and any change gives another name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

import polars as pl

from conceptmap.batch.runfile import mapper_facts, versions
from conceptmap.notes.notes import Notes

if TYPE_CHECKING:
    from conceptmap.batch.settings import Asked
    from conceptmap.mapper import ConceptMapper

__all__ = ["SHARD_CHARS", "SHARD_NOTES", "Shard", "cut", "run_key", "shard_notes"]

SHARD_NOTES = 512
SHARD_CHARS = 4_000_000
SHARDS_WANTED = 64
FEWEST_NOTES = 16
FORMAT = 2
"""Of the files that shards are kept in."""


@dataclass(frozen=True)
class Shard:
    """Consecutive notes and their name.

    Attributes:
        number: counted from 0.
        key: 32 hexadecimal digits.
        notes: the notes with all their columns.
    """

    number: int
    key: str
    notes: pl.DataFrame


def cut(notes: Notes, run: str) -> Iterator[Shard]:
    """The shards of the notes, in order; only one is held at a time.

    Args:
        notes: any number.
        run: from `run_key`.
    """
    for number, frame in enumerate(notes.chunks(notes=shard_notes(notes.n_notes), chars=SHARD_CHARS)):
        yield Shard(number, _key(run, frame), frame)


def shard_notes(n_notes: int) -> int:
    """Most notes in a shard: 512, and fewer for small inputs, so that every worker gets some.

    >>> shard_notes(10), shard_notes(6_400), shard_notes(1_000_000)
    (16, 100, 512)
    """
    return min(SHARD_NOTES, max(FEWEST_NOTES, -(-n_notes // SHARDS_WANTED)))


def _key(run: str, frame: pl.DataFrame) -> str:
    digest = hashlib.sha256(f"{run}\n{[(name, str(dtype)) for name, dtype in frame.schema.items()]}\n".encode())
    digest.update(frame.write_csv().encode())
    return digest.hexdigest()[:32]


def run_key(mapper: ConceptMapper, asked: Asked, precision: Mapping[str, object]) -> str:
    """What all shards of a run have in common: settings, indexes, encoder, program and its packages.

    Args:
        mapper: that codes.
        asked: what is asked of it.
        precision: where and in what its encoder computes, if known.
    """
    facts = [FORMAT, asdict(asked), mapper_facts(mapper), dict(precision), versions(), _program()]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@cache
def _program() -> str:
    """Digest of the package's own files."""
    digest = hashlib.sha256()
    for name, file in sorted(_files(resources.files("conceptmap"), "")):
        content = file.read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _files(folder: Traversable, above: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _files(entry, f"{above}{entry.name}/")
        elif entry.is_file():
            yield above + entry.name, entry
