"""What an index must hold before it is trusted: checksums say that it is whole, not that it means well.

Frames are checked when they are read; rows together with the checksums of the blocks that hold them, each once: all at
opening where the file is small, else before they are first read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.errors import IndexMismatchError
from conceptmap.index.files import CheckedFile
from conceptmap.index.rows import ROWS_AT_ONCE, check_norms
from conceptmap.matching.lexicon import LEXICON
from conceptmap.ontology.dag import Dag
from conceptmap.ontology.number_index import NumberedRows, places_in

__all__ = ["CONTROL", "FRAMES", "CheckedRows", "check_frames", "without_control"]

CONTROL = r"[\x00-\x1f\x7f-\x9f]"
"""Characters that steer a terminal; no name has them."""

FRAMES: Mapping[str, str] = {
    "concepts": "concepts.parquet",
    "terms": "terms.parquet",
    "edges": "edges.parquet",
    "maps": "maps.parquet",
    "remarks": "notes.parquet",
    "lexicon": "lexicon.parquet",
    "situations": "situations.parquet",
}
"""The file of each frame of an index."""

_TEXTS: Mapping[str, tuple[str, ...]] = {
    "concepts": ("node", "code", "kind", "name"),
    "terms": ("node", "code", "term", "kind"),
    "edges": ("parent", "child"),
    "maps": (),
    "remarks": ("node", "code", "kind", "text"),
    "situations": ("node", "finding", "context"),
}
"""Columns of text without a null."""
_TYPES: Mapping[str, Mapping[str, pl.DataType]] = {
    "concepts": {
        "active": pl.Boolean(),
        "billable": pl.Boolean(),
        "expanded": pl.Boolean(),
        "semantic_tag": pl.String(),
    }
    | dict.fromkeys(("replaced_by", "consider", "alt_ids"), pl.List(pl.String())),
    "terms": {"row": pl.Int64(), "level": pl.Int64()},
    "edges": {},
    "maps": dict.fromkeys(("code", "target_system", "target_code", "relation", "map_set"), pl.String()),
    "remarks": {},
    "situations": {"general": pl.Boolean(), "defined": pl.Boolean()},
}
"""Types of other columns, where a frame has them."""
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "concepts": ("active", "billable"),
    "terms": ("row",),
    "maps": ("code", "target_system", "target_code"),
    "situations": ("general", "defined"),
}


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """Rows of a file whose bytes and norms are compared, each once and before they are trusted.

    Attributes:
        file: the file.
        first_byte: where the rows start in it.
        stored: the rows. *Shape:* (n_rows, dim).
        norms: *Shape:* (n_rows,).
        dtype: type that the rows are stored in.
        done: blocks of rows that were compared.
        lock: one at a time.
    """

    file: CheckedFile
    first_byte: int
    stored: NDArray[Any]
    norms: NDArray[np.float64]
    dtype: str
    done: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def verify(self, start: int = 0, stop: int | None = None) -> None:
        """Compare rows ``start`` to ``stop``, where that was not done yet.

        Raises:
            IndexMismatchError: the file has other bytes, or a row is zero, not finite, or has another norm.
        """
        n_rows, width = len(self.stored), self.stored.strides[0]
        blocks = range(start // ROWS_AT_ONCE, -(-(n_rows if stop is None else stop) // ROWS_AT_ONCE))
        with self.lock:
            for block in blocks:
                if block in self.done:
                    continue
                rows = slice(block * ROWS_AT_ONCE, min((block + 1) * ROWS_AT_ONCE, n_rows))
                self.file.verify(self.first_byte + rows.start * width, self.first_byte + rows.stop * width)
                check_norms(self.file.path, self.stored[rows], self.norms[rows], self.dtype, first_row=rows.start)
                self.done.add(block)


def without_control(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """A frame whose names hold spaces for control characters: releases have some, and no index may."""
    if not frame[column].str.contains(CONTROL).any():
        return frame
    return frame.with_columns(pl.col(column).str.replace_all(CONTROL, " "))


def check_frames(folder: Path, frames: Mapping[str, pl.DataFrame | None], *, rows: int, concepts: int) -> None:
    """Refuse frames of other columns than an index has, or whose rows lead nowhere.

    Args:
        folder: of the index, for messages.
        frames: by name, None where there is none.
        rows: of the matrix, as the manifest says.
        concepts: as the manifest says.

    Raises:
        IndexMismatchError: names the file and what is wrong with it.
    """
    for name, frame in frames.items():
        if frame is not None:
            _check_columns(folder, name, frame)
    found, terms, edges = frames["concepts"], frames["terms"], frames["edges"]
    assert found is not None
    assert terms is not None
    assert edges is not None

    def refuse(name: str, *, unless: bool, got: str) -> None:
        if not unless:
            raise _wrong(folder, name, got)

    refuse("concepts", unless=0 < found.height == concepts, got="another number of rows than the manifest says")
    refuse("concepts", unless=found["node"].n_unique() == found.height, got="a node twice")
    _check_rows(terms["row"].drop_nulls(), rows, refuse)
    numbered = NumberedRows.of(found["node"])

    def places(nodes: pl.Series) -> pl.Series:
        return places_in(found["node"], nodes, numbered)

    ends = [places(edges[side]) for side in ("parent", "child")]
    refuse("edges", unless=not any(end.null_count() for end in ends), got="an edge without its concept")
    refuse(
        "edges", unless=bool((Dag(found.height, *(end.to_numpy() for end in ends)).levels >= 0).all()), got="a cycle"
    )
    firsts = terms["node"].filter(terms["node"].ne_missing(terms["node"].shift()))  # terms of a concept stand together
    refuse("terms", unless=not places(firsts).null_count(), got="a term without its concept")
    situations = frames.get("situations")
    if situations is not None:
        known = not any(places(situations[side]).null_count() for side in ("node", "finding"))
        refuse("situations", unless=known, got="a situation without its concept")
    lexicon = frames.get("lexicon")
    if lexicon is not None and lexicon.height:
        inside = lexicon["concept"].is_between(0, found.height - 1).all()
        refuse("lexicon", unless=bool(inside), got="a wording without its concept")


def _check_rows(found: pl.Series, rows: int, refuse: Callable[..., None]) -> None:
    """Every row of the matrix has its one term."""
    numbers = found.to_numpy()
    right = len(numbers) == rows and (not rows or (numbers.min() == 0 and numbers.max() == rows - 1))
    right = right and bool((np.bincount(numbers, minlength=rows) == 1).all())
    refuse("terms", unless=right, got="rows that are not those of the matrix")


def _check_columns(folder: Path, name: str, frame: pl.DataFrame) -> None:
    schema = frame.schema
    if name == "lexicon":
        if any(schema.get(column) != dtype for column, dtype in LEXICON.items()):
            raise _wrong(folder, name, "other columns")
        if frame.select(pl.exclude("written").null_count()).sum_horizontal().sum():
            raise _wrong(folder, name, "a null")
        return
    texts, types = _TEXTS[name], _TYPES[name]
    if any(schema.get(column) != pl.String for column in texts) or any(c not in schema for c in _NEEDED.get(name, ())):
        raise _wrong(folder, name, "other columns")
    if any(schema[column] != dtype for column, dtype in types.items() if column in schema):
        raise _wrong(folder, name, "a column of another type")
    whole = (*texts, "active") if name == "concepts" else texts
    if whole and frame.select(pl.col(whole).null_count()).sum_horizontal().item():
        raise _wrong(folder, name, "a null where none may be")
    for column in ("node", "code", "name", "term"):
        if column in schema and name in ("concepts", "terms") and frame[column].str.contains(CONTROL).any():
            raise _wrong(folder, name, f"control characters in {column}")


def _wrong(folder: Path, name: str, got: str) -> IndexMismatchError:
    file = folder / FRAMES[name]
    return IndexMismatchError(f"{file} is not part of an index", got=got, then="build the index again")
