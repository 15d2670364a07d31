"""Indexes and adapters that somebody else made: any value may be in them, and every checksum is right."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from conceptmap.files import sha256_of
from conceptmap.index.files import digest_of, read_tensors, write_tensors

__all__ = ["change_frame", "change_tensors", "damaged_bytes", "odd_value", "reseal"]


def reseal(folder: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
    """Change a manifest, and write down the digests of what is in the folder now."""
    path = folder / "manifest.json"
    value = json.loads(path.read_text())
    value["files"] = {name: asdict(digest_of(folder / name)) for name in value["files"] if (folder / name).is_file()}
    change(value)
    value = {name: entry for name, entry in value.items() if name != "sha256"}
    path.write_text(json.dumps({**value, "sha256": sha256_of(value)}) + "\n")


def change_frame(folder: Path, name: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change a frame, with its digest."""
    path = folder / f"{name}.parquet"
    change(pl.read_parquet(path)).write_parquet(path)
    reseal(folder)


def change_tensors(folder: Path, name: str, change: Callable[[dict[str, tuple[str, Any]]], object]) -> None:
    """Change tensors, kinds and values by name, with the file's digest."""
    path = folder / name
    tensors = {key: (kind, np.array(values)) for key, (kind, values, _) in read_tensors(path).items()}
    change(tensors)
    write_tensors(path, tensors)
    reseal(folder)


ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 7, 2**31, 2**70, 0.5, -0.5, 1e300, float("nan"), float("inf"), "", "x", "\x1b[31m", "a\0b"),
    *("../../etc/passwd", [], [1], [[]], {}, {"a": 1}, "1", "float16", "F64", "é" * 300, "0" * 64),
)


def odd_value(rng: random.Random, value: Any) -> Any:
    """A JSON value with one place in it changed: put in, left out, or something else."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(sorted(value))
        if (what := rng.random()) < 0.15:
            return {name: entry for name, entry in value.items() if name != key}
        if what < 0.25:
            return {**value, str(rng.choice(ODD)): rng.choice(ODD)}
        return {**value, key: odd_value(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], odd_value(rng, value[at]), *value[at + 1 :]]
    return rng.choice(ODD)


def damaged_bytes(rng: random.Random, content: bytes) -> bytes:
    """A piece cut out, doubled, put to zero, or some bytes changed."""
    if not content:
        return b"x"
    start = rng.randrange(len(content))
    stop = min(len(content), start + rng.choice((1, 4, 64, 4096)))
    piece = content[start:stop]
    ways: Iterator[bytes] = iter((b"", piece * 2, bytes(len(piece)), b"\xff" * len(piece), rng.randbytes(len(piece))))
    return content[:start] + list(ways)[rng.randrange(5)] + content[stop:]
