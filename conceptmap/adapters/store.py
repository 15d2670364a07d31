"""An adapter's folder: numbers as safetensors, wordings as Parquet, everything else as JSON, all checksummed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.adapters.adapter import Adapter, Compatibility
from conceptmap.adapters.calibration import Calibration
from conceptmap.adapters.judge import FEATURES, Judge
from conceptmap.adapters.memory import NAMES, SEEN, Memory
from conceptmap.errors import IndexMismatchError
from conceptmap.files import PRIVATE, Access
from conceptmap.index import files as indexfiles
from conceptmap.index.files import CheckedFile, FileDigest

__all__ = ["EMBEDDED", "FORMAT", "LAYOUT", "open_adapter", "save_adapter"]

FORMAT = "adapter 1"
EMBEDDED = "embedded"
"""Name of the adapter that comes along: for the embedded encoder and the embedded ICD-10-CM."""
TENSORS = "adapter.safetensors"
_AGAIN = "train the adapter again: conceptmap adapt"


LAYOUT = indexfiles.Layout(
    "an adapter",
    frozenset({indexfiles.MANIFEST, TENSORS, "names.parquet", "seen.parquet", "README.md", "reliability.svg"}),
    lambda folder: indexfiles.recorded(folder, lambda value: str(value.get("format")).startswith("adapter ")),
)
"""The last two are pages for people."""


def save_adapter(
    adapter: Adapter,
    folder: str | Path,
    *,
    pages: Mapping[str, str] | None = None,
    overwrite: bool = False,
    access: Access = PRIVATE,
) -> Path:
    """Write an adapter into a folder, which appears whole or not at all.

    Args:
        adapter: what to write.
        folder: new, empty, or holding an older adapter as it was saved.
        pages: text files for people, by name.
        overwrite: also replace an adapter that was changed since, or files that have an adapter's names.
        access: who may read it, for it may hold wordings of the training notes.

    Raises:
        InputError: the folder exists and holds something else.
        OutOfSpaceError: the disk is full.
    """
    target = Path(folder)
    with indexfiles.new_folder(target, LAYOUT, overwrite=overwrite, access=access) as partial:
        tensors = {name: array for name in ("matrix", "inside") if (array := getattr(adapter, name)) is not None}
        kinds: dict[str, tuple[str, NDArray[Any]]] = {name: _tensor(array) for name, array in tensors.items()}
        if adapter.judge is not None:
            kinds["judge"] = ("F64", adapter.judge.weights)
        indexfiles.write_tensors(partial / TENSORS, kinds)
        indexfiles.write_frame(partial / "names.parquet", adapter.memory.names)
        indexfiles.write_frame(partial / "seen.parquet", adapter.memory.seen)
        for name, text in (pages or {}).items():
            (partial / name).write_text(text, encoding="utf-8")
        files = {name: asdict(digest) for name, digest in indexfiles.digests_of(partial).items()}
        indexfiles.write_json(partial / "manifest.json", {**_manifest(adapter), "files": files})
    return target


def _tensor(array: NDArray[np.float32]) -> tuple[str, NDArray[Any]]:
    """In half the bytes where that changes no value, as in every map that ``train`` made."""
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return ("F16", half) if np.array_equal(half.astype(np.float32), array) else ("F32", array)


def _manifest(adapter: Adapter) -> dict[str, Any]:
    judge = adapter.judge and {
        "features": FEATURES,
        "calibration": asdict(adapter.judge.calibration),
        "threshold": adapter.judge.threshold,
    }
    settings = {"inside_threshold": adapter.inside_threshold, "judge": judge}
    return {"format": FORMAT, "fit": asdict(adapter.made_for), **settings, "card": dict(adapter.card)}


def open_adapter(folder: str | Path) -> Adapter:
    """Read a saved adapter.

    Args:
        folder: where it is, or ``"embedded"``: the one that comes along.

    Raises:
        IndexMismatchError: no adapter there, another format version, or a damaged file (the message names it).
    """
    source = Path(__file__).parent / "shipped" if folder == EMBEDDED else Path(folder)
    if not (source / "manifest.json").is_file():
        expected = "a folder that conceptmap adapt wrote"
        raise IndexMismatchError(f"{source} is not an adapter", expected=expected)
    value = indexfiles.read_json(source / "manifest.json")
    if value.get("format") != FORMAT:
        got = str(value.get("format"))[:40]
        raise IndexMismatchError(f"{source} is not an adapter that can be read", got=got, expected=FORMAT, then=_AGAIN)
    try:
        files = {name: FileDigest(**entry) for name, entry in value["files"].items()}
        CheckedFile(source / TENSORS, files[TENSORS]).verify()
        read = indexfiles.read_tensors(source / TENSORS)
        tensors = {name: np.array(array, dtype=_TYPES[name]) for name, (_, array, _) in read.items()}
        return Adapter(
            made_for=Compatibility(**value["fit"]),
            memory=Memory(*(_frame(source, name, files, schema) for name, schema in _FRAMES)),
            matrix=tensors.get("matrix"),
            inside=tensors.get("inside"),
            inside_threshold=float(value["inside_threshold"]),
            judge=_judge(value["judge"], tensors),
            card=value["card"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IndexMismatchError(f"{source} is damaged", got=type(error).__name__, then=_AGAIN) from error


_TYPES = {"matrix": np.float32, "inside": np.float32, "judge": np.float64}
_FRAMES = (("names.parquet", NAMES), ("seen.parquet", SEEN))


def _frame(source: Path, name: str, files: Mapping[str, FileDigest], schema: pl.Schema) -> pl.DataFrame:
    frame = indexfiles.read_frame(source / name, files[name])
    if frame.schema != schema:
        raise ValueError(name)
    return frame


def _judge(value: Mapping[str, Any] | None, tensors: Mapping[str, NDArray[Any]]) -> Judge | None:
    if value is None:
        return None
    if tuple(value["features"]) != FEATURES:
        raise IndexMismatchError("the adapter judges by other features", then=_AGAIN)
    curve = Calibration(**value["calibration"])
    return Judge(tensors["judge"], curve, float(value["threshold"]))
