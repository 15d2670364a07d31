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
from conceptmap.adapters.checks import ImplausibleError, check_adapter_values
from conceptmap.adapters.judge import FEATURES, Judge
from conceptmap.adapters.memory import NAMES, SEEN, Memory
from conceptmap.errors import IndexMismatchError
from conceptmap.files import PRIVATE, Access, is_manifest
from conceptmap.index import files as indexfiles
from conceptmap.index.files import CheckedFile, FileDigest
from conceptmap.index.manifest import digests_in, write_manifest

__all__ = ["EMBEDDED", "FORMAT", "LAYOUT", "open_adapter", "save_adapter"]

FORMAT = "adapter 2"
FORMATS = ("adapter 1", FORMAT)
"""Those that can be read; the first had no checksum of its manifest."""
EMBEDDED = "embedded"
"""Name of the adapter that comes along: for the embedded encoder and the embedded ICD-10-CM."""
TENSORS = "adapter.safetensors"
_AGAIN = "train the adapter again: conceptmap adapt"


def _is_ours(value: Mapping[str, Any]) -> bool:
    """Whether it is the manifest of an adapter, of whatever format version, as this program wrote it."""
    kind = str(value.get("format"))
    return kind == FORMATS[0] or (kind.startswith("adapter ") and is_manifest(value))


LAYOUT = indexfiles.FolderLayout(
    "an adapter",
    frozenset({indexfiles.MANIFEST, TENSORS, "names.parquet", "seen.parquet", "README.md", "reliability.svg"}),
    lambda folder: indexfiles.recorded(folder, _is_ours),
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
        write_manifest(partial, _manifest(adapter))
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
    _check_manifest(value, source)
    try:
        files = digests_in(value)
        CheckedFile(source / TENSORS, files[TENSORS]).verify()
        adapter = _read(source, value, files)
        check_adapter_values(adapter)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        got = str(error) if isinstance(error, ImplausibleError) else type(error).__name__
        raise IndexMismatchError(f"{source} is damaged", got=got, then=_AGAIN) from error
    return adapter


def _check_manifest(value: Mapping[str, Any], source: Path) -> None:
    if value.get("format") not in FORMATS:
        got = repr(value.get("format"))[:40]
        raise IndexMismatchError(f"{source} is not an adapter that can be read", got=got, expected=FORMAT, then=_AGAIN)
    if value["format"] != FORMATS[0] and not is_manifest(value):
        got = "other content of manifest.json than its digest says"
        raise IndexMismatchError(f"{source} is damaged", got=got, then=_AGAIN)


def _read(source: Path, value: Mapping[str, Any], files: Mapping[str, FileDigest]) -> Adapter:
    read = indexfiles.read_tensors(source / TENSORS)
    tensors = {name: np.array(array, dtype=_TYPES[name]) for name, (_, array, _) in read.items()}
    return Adapter(
        made_for=Compatibility(**value["fit"]),
        memory=Memory(*(_frame(source, name, files, schema) for name, schema in _FRAMES)),
        matrix=tensors.get("matrix"),
        inside=tensors.get("inside"),
        inside_threshold=value["inside_threshold"],
        judge=_judge(value["judge"], tensors),
        card=value["card"],
    )


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
        raise IndexMismatchError("the adapter's judge has other features", then=_AGAIN)
    curve = Calibration(**value["calibration"])
    return Judge(tensors["judge"], curve, value["threshold"])
