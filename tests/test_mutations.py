"""Random changes to an index, an adapter and a model: only our errors escape, with whatever checksums.

``CONCEPTMAP_MUTATIONS`` says how many of each kind of folder (the tests' own number takes a few seconds); the figure
in docs/security.md was measured with 2000.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from foreign_folders import change_frame, change_tensors, damaged_bytes, odd_value, reseal
from test_foreign import DIM, adapter, built
from tiny_models import make

from conceptmap.adapters import open_adapter
from conceptmap.encoders import load_encoder
from conceptmap.errors import ConceptMapError, IndexMismatchError, ModelError
from conceptmap.index.index import ConceptIndex
from conceptmap.mapper import ConceptMapper

__all__ = ["adapter"]

Way = Callable[[Path, random.Random], None]
MANY = int(os.environ.get("CONCEPTMAP_MUTATIONS", "0"))
TEXT = "Known hypertension, no fever.\nNaïve 🤒 headache; type 2 diabetes [SEP] pneumonia."


def other_bytes(folder: Path, rng: random.Random) -> None:
    """Bytes of any file, the manifest's digests made to fit half of the time."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = rng.choice(files)
    path.write_bytes(damaged_bytes(rng, path.read_bytes()))
    if path.name != "manifest.json" and rng.random() < 0.7 and (folder / "manifest.json").is_file():
        reseal(folder)


def other_manifest(folder: Path, rng: random.Random) -> None:
    """A value of the manifest, with its own digest right."""

    def change(value: dict[str, object]) -> None:
        changed = odd_value(rng, value)
        value.clear()
        value.update(changed if isinstance(changed, dict) else {"": changed})

    reseal(folder, change)


def other_frame(folder: Path, rng: random.Random) -> None:
    """A column gone, of another type, or with another value in it."""
    path = rng.choice(sorted(folder.glob("*.parquet")))

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        column, what = rng.choice(frame.columns), rng.randrange(5)
        if what == 0:
            return frame.drop(column)
        if what == 1:
            kind: type[pl.DataType] = rng.choice([pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Int8])
            return frame.with_columns(pl.col(column).cast(kind, strict=False))
        if what == 2:
            return frame.rename({column: rng.choice(["x", "node", "code"])}, strict=False) if rng.random() else frame
        if what == 3:
            return frame.slice(0, rng.randrange(frame.height + 1))
        values = pl.Series([None, "", "x\x1b[2J", "-1", "7", "R50.9", str(2**40)])
        return frame.with_columns(
            values.sample(1, seed=rng.randrange(99)).cast(frame.schema[column], strict=False).alias(column)
        )

    try:
        change_frame(folder, path.stem, change)
    except pl.exceptions.PolarsError:  # no such change can be made to this column
        other_bytes(folder, rng)


def other_tensors(folder: Path, rng: random.Random) -> None:
    """Other numbers, or another shape."""
    (path,) = folder.glob("*.safetensors")

    def change(tensors: dict[str, tuple[str, Any]]) -> None:
        name = rng.choice(sorted(tensors))
        kind, values = tensors[name]
        if rng.random() < 0.6:
            odd = rng.choice([np.nan, np.inf, -np.inf, 0.0, -1.0, 60_000.0])
            values[rng.randrange(len(values))] = odd if values.dtype.kind == "f" else rng.randrange(2**15)
        else:
            shapes: list[Callable[[Any], Any]] = [
                np.ravel,
                lambda v: v[1:],
                lambda v: v[None],
                lambda v: v[:0],
            ]
            tensors[name] = (kind, rng.choice(shapes)(values))

    change_tensors(folder, path.name, change)


def counted(
    whole: Path,
    scratch: Path,
    ways: Sequence[Way],
    use: Callable[[Path], object],
    *,
    few: int,
    allowed: type[ConceptMapError],
) -> Counter[str]:
    """How many changes were refused, and how many did no harm; nothing else may happen."""
    found: Counter[str] = Counter()
    said: list[str] = []
    escaped: list[str] = []
    for seed in range(MANY or few):
        rng, way = random.Random(seed), ways[seed % len(ways)]
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(whole, scratch)
        way(scratch, rng)
        try:
            use(scratch)
        except allowed as error:
            found["refused"] += 1
            said.append(str(error))
        except BaseException as error:  # noqa: BLE001 - a panic of a library is no Exception
            at = traceback.extract_tb(error.__traceback__)[-1]
            escaped.append(
                f"seed {seed}, {way.__name__}: {type(error).__name__}: {error} in {at.filename}, {at.lineno}"
            )
        else:
            found["no harm"] += 1
    sys.stdout.write(f"{scratch.parent.name}: {dict(found)}\n")
    assert escaped == []
    assert [message for message in said if len(message) > 600 or not message.isprintable()] == []
    return found


def use_index(folder: Path) -> None:
    index = ConceptIndex.open(folder)
    index.verify()
    if index.dim == DIM:
        index.search(np.ones((2, DIM), dtype=np.float32), 3)
    index.ontology()
    ConceptMapper.load(index, encoder=None).annotate(TEXT)


def test_an_index_with_random_changes_is_refused_or_serves(tmp_path: Path) -> None:
    whole = built().save(tmp_path / "whole")
    ways = [other_bytes, other_manifest, other_frame, other_tensors]
    found = counted(whole, tmp_path / "changed", ways, use_index, few=160, allowed=IndexMismatchError)
    assert found["refused"] > sum(found.values()) / 2


def test_an_adapter_with_random_changes_is_refused_or_serves(adapter: Path, tmp_path: Path) -> None:
    ways = [other_bytes, other_manifest, other_frame, other_tensors]

    def use(folder: Path) -> None:
        opened = open_adapter(folder)
        opened.mapped(np.ones((2, DIM), dtype=np.float32))
        opened.outside(np.ones((2, DIM), dtype=np.float32))
        assert opened.memory.known(["fever"]).seen >= 0
        assert opened.sha256

    found = counted(adapter, tmp_path / "changed", ways, use, few=160, allowed=IndexMismatchError)
    assert found["refused"] > sum(found.values()) / 2


def other_json(folder: Path, rng: random.Random) -> None:
    """A value of one of the model's JSON files."""
    path = rng.choice(sorted(path for path in folder.rglob("*.json") if path.stat().st_size < 50_000))
    path.write_text(json.dumps(odd_value(rng, json.loads(path.read_text()))))


def other_weights(folder: Path, rng: random.Random) -> None:
    """Bytes of the weights' header."""
    path = folder / "model.safetensors"
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    path.write_bytes(damaged_bytes(rng, content[:header]) + content[header:])


def use_model(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoder = load_encoder(folder)
    encoder.tokens([TEXT])
    encoder.terms(["fever", "type 2 diabetes"])


@pytest.mark.parametrize("family", ["sentence-bert-mean", "sentence-mpnet"])
def test_a_model_with_random_changes_is_refused_or_serves(family: str, tmp_path: Path) -> None:
    whole = make(tmp_path / "whole", family)
    ways = [other_bytes, other_json, other_json, other_weights]
    found = counted(whole, tmp_path / "changed", ways, use_model, few=24, allowed=ModelError)
    assert found["refused"]
