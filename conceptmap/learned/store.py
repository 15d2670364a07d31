"""A code adapter's folder: counts as Parquet, a model as JSON or LightGBM's text, the rest as JSON, all checksummed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.adapters.calibration import Calibration
from conceptmap.coding.reporting.setting import SETTINGS
from conceptmap.errors import IndexMismatchError
from conceptmap.files import PRIVATE, Access, is_manifest, json_of
from conceptmap.index import files as indexfiles
from conceptmap.index.files import CheckedFile, FileDigest
from conceptmap.index.manifest import digests_in, write_manifest
from conceptmap.learned.associations import Associations, CodeRecord
from conceptmap.learned.code_adapter import CodeAdapter, LearnedFor
from conceptmap.learned.features import FEATURES, MARKED
from conceptmap.learned.likelihood import LIKELIHOOD, LikelihoodHead
from conceptmap.learned.models import LogisticModel, Model, TreeModel

__all__ = ["FORMAT", "LAYOUT", "is_code_adapter", "open_code_adapter", "save_code_adapter"]

FORMAT = "code adapter 1"
_TREES, _LOGISTIC, _HEAD = "model.txt", "model.json", "likelihood.safetensors"
_AGAIN = "learn again: conceptmap adapt --notes NOTES --codes GOLD"
_ITEMS = pl.Schema({"item": pl.String, "notes": pl.Int64})
_PAIRS = pl.Schema({"item": pl.Int64, "code": pl.Int64, "together": pl.Int64})
_MARKED = pl.Schema({"item": pl.Int64, "code": pl.Int64, "together": pl.Int64, "marked": pl.Int64})
_CODES = pl.Schema({"code": pl.String, "given": pl.Int64, "found": pl.Int64, "right": pl.Int64})
_FRAMES = {"items.parquet": _ITEMS, "pairs.parquet": _PAIRS, "codes.parquet": _CODES}
_PARTS = tuple(field.name for field in fields(LikelihoodHead))
_COLUMNS = [[*FEATURES, *marked, *head] for marked in ((), MARKED) for head in ((), LIKELIHOOD)]
_NUMBERS = ("least_seen", "least_unseen")


def _is_ours(value: Mapping[str, Any]) -> bool:
    return str(value.get("format")).startswith("code adapter ") and is_manifest(value)


LAYOUT = indexfiles.FolderLayout(
    "a code adapter",
    frozenset({indexfiles.MANIFEST, *_FRAMES, _TREES, _LOGISTIC, _HEAD, "README.md", "reliability.svg"}),
    lambda folder: indexfiles.recorded(folder, _is_ours),
)
"""The last two are pages for people."""


def is_code_adapter(folder: str | Path) -> bool:
    """Whether a folder says that it is a code adapter, of whatever format version."""
    path = Path(folder) / indexfiles.MANIFEST
    if not path.is_file():
        return False
    try:
        return str(indexfiles.read_json(path).get("format")).startswith("code adapter ")
    except IndexMismatchError:
        return False


def save_code_adapter(
    adapter: CodeAdapter,
    folder: str | Path,
    *,
    pages: Mapping[str, str] | None = None,
    overwrite: bool = False,
    access: Access = PRIVATE,
) -> Path:
    """Write a code adapter into a folder, which appears whole or not at all; the same adapter gives the same bytes.

    Args:
        adapter: what to write.
        folder: new, empty, or holding an older one as it was saved.
        pages: text files for people, by name.
        overwrite: also replace one that was changed since, or files that have its files' names.
        access: who may read it.

    Raises:
        InputError: the folder exists and holds something else.
        OutOfSpaceError: the disk is full.
    """
    target, known = Path(folder), adapter.associations
    pairs = pl.DataFrame([_item_of_pair(known), known.number, known.together], schema=_PAIRS)
    frames = {
        "items.parquet": pl.DataFrame([known.items, known.notes_with], schema=_ITEMS),
        "pairs.parquet": pairs if known.marked is None else pairs.with_columns(marked=known.marked),
        "codes.parquet": pl.DataFrame(
            [(code, *record) for code, record in zip(known.codes, known.records, strict=True)],
            schema=_CODES,
            orient="row",
        ),
    }
    with indexfiles.new_folder(target, LAYOUT, overwrite=overwrite, access=access) as partial:
        for name, frame in frames.items():
            indexfiles.write_frame(partial / name, frame)
        if isinstance(adapter.model, TreeModel):
            (partial / _TREES).write_text(adapter.model.text, encoding="utf-8", newline="")
        else:
            numbers = {"weights": adapter.model.weights.tolist(), "means": adapter.model.means.tolist()}
            (partial / _LOGISTIC).write_text(json.dumps(numbers), encoding="utf-8")
        if adapter.head is not None:
            tensors = {name: ("F32", getattr(adapter.head, name)) for name in _PARTS}
            indexfiles.write_tensors(partial / _HEAD, tensors)
        for name, text in (pages or {}).items():
            (partial / name).write_text(text, encoding="utf-8")
        write_manifest(partial, _manifest(adapter))
    return target


def _item_of_pair(known: Associations) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(known.items)), np.diff(known.first))


def _manifest(adapter: CodeAdapter) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "made_for": asdict(adapter.made_for),
        "setting": adapter.setting,
        "features": adapter.features,
        "n_notes": adapter.associations.n_notes,
        "seen": asdict(adapter.seen),
        "unseen": asdict(adapter.unseen),
        **{name: getattr(adapter, name) for name in _NUMBERS},
        "card": dict(adapter.card),
    }


def open_code_adapter(folder: str | Path) -> CodeAdapter:
    """Read a saved code adapter.

    Raises:
        IndexMismatchError: none there, another format version, or a damaged file (the message names it).
    """
    source = Path(folder)
    if not (source / indexfiles.MANIFEST).is_file():
        expected = "a folder that conceptmap adapt --codes wrote"
        raise IndexMismatchError(f"{source} is not a code adapter", expected=expected)
    value = indexfiles.read_json(source / indexfiles.MANIFEST)
    if value.get("format") != FORMAT:
        got = repr(value.get("format"))[:40]
        what = f"{source} is not a code adapter that can be read"
        raise IndexMismatchError(what, got=got, expected=FORMAT, then=_AGAIN)
    if not _is_ours(value):
        got = "other content of manifest.json than its digest says"
        raise IndexMismatchError(f"{source} is damaged", got=got, then=_AGAIN)
    if value.get("features") not in _COLUMNS:
        raise IndexMismatchError(f"{source} learned with another version of conceptmap", then=_AGAIN)
    try:
        adapter = _read(source, value, digests_in(value))
        _check(adapter)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise IndexMismatchError(f"{source} is damaged", got=type(error).__name__, then=_AGAIN) from error
    return adapter


def _read(source: Path, value: Mapping[str, Any], files: Mapping[str, FileDigest]) -> CodeAdapter:
    frames = {name: indexfiles.read_frame(source / name, files[name]) for name in _FRAMES}
    is_marked = "marked" in value["features"]
    for name, schema in {**_FRAMES, "pairs.parquet": _MARKED if is_marked else _PAIRS}.items():
        if frames[name].schema != schema or frames[name].null_count().sum_horizontal()[0]:
            raise ValueError(name)
    if not all(isinstance(name, str) for name in value["made_for"].values()) or not isinstance(value["card"], dict):
        raise ValueError("made_for")
    items, pairs, codes = frames.values()
    first = np.searchsorted(pairs["item"].to_numpy(), np.arange(items.height + 1))
    known = Associations(
        int(value["n_notes"]),
        items["item"].to_list(),
        items["notes"].to_numpy(),
        first,
        pairs["code"].to_numpy(),
        pairs["together"].to_numpy(),
        codes["code"].to_list(),
        [CodeRecord(*row) for row in codes.select("given", "found", "right").iter_rows()],
        pairs["marked"].to_numpy() if is_marked else None,
    )
    return CodeAdapter(
        LearnedFor(**value["made_for"]),
        value["setting"],
        known,
        _model(source, files),
        Calibration(**value["seen"]),
        Calibration(**value["unseen"]),
        value["least_seen"],
        value["least_unseen"],
        value["card"],
        _head(source, value, files),
    )


def _model(source: Path, files: Mapping[str, FileDigest]) -> Model:
    name = _TREES if _TREES in files else _LOGISTIC
    CheckedFile(source / name, files[name]).verify()
    content = (source / name).read_bytes()
    if name == _TREES:
        return TreeModel(content.decode("utf-8"))
    numbers = json_of(content)
    return LogisticModel(*(np.array(numbers[part], dtype=np.float64) for part in ("weights", "means")))


def _head(source: Path, value: Mapping[str, Any], files: Mapping[str, FileDigest]) -> LikelihoodHead | None:
    """The head, where the model weighs what it says."""
    if not {*LIKELIHOOD} <= {*value["features"]}:
        return None
    CheckedFile(source / _HEAD, files[_HEAD]).verify()
    read = indexfiles.read_tensors(source / _HEAD)
    return LikelihoodHead(*(np.array(read[name][1], dtype=np.float32) for name in _PARTS))


def _check(adapter: CodeAdapter) -> None:
    """Refuse numbers that no learning gives.

    Raises:
        ValueError: some are there.
    """
    known = adapter.associations
    n_items, n_codes = len(known.items), len(known.codes)
    counts = (known.notes_with, known.together, np.array(known.records, dtype=np.int64).ravel())
    fits = [
        known.n_notes > 0,
        adapter.setting is None or adapter.setting in SETTINGS,
        known.items == sorted(set(known.items)) and known.codes == sorted(set(known.codes)),
        all(bool(((count >= 0) & (count <= known.n_notes)).all()) for count in counts),
        bool(((known.number >= 0) & (known.number < n_codes)).all()),
        int(known.first[0]) == 0 and int(known.first[-1]) == len(known.number) and len(known.first) == n_items + 1,
        all(_is_finite(getattr(adapter, name)) for name in _NUMBERS),
        all(_is_finite(n) for curve in (adapter.seen, adapter.unseen) for n in (curve.slope, curve.intercept)),
        adapter.seen.slope >= 0 and adapter.unseen.slope >= 0,
    ]
    if known.marked is not None:
        fits.append(bool(((known.marked >= 0) & (known.marked <= known.together)).all()))
    if isinstance(adapter.model, LogisticModel):
        weights, means = adapter.model.weights, adapter.model.means
        fits += [weights.shape == (len(adapter.features) + 1,), means.shape == (len(adapter.features),)]
        fits += [bool(np.isfinite(weights).all() and np.isfinite(means).all())]
    else:
        fits.append(adapter.model.trees.n_features == len(adapter.features))
    if adapter.head is not None:
        parts = [getattr(adapter.head, name) for name in _PARTS]
        fits += [adapter.head.fits(len(parts[0]), len(parts[1])), *(bool(np.isfinite(part).all()) for part in parts)]
    if not all(fits):
        raise ValueError("a number")


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
