"""The rows of an index: terms encoded once each, or given vectors, in the type that they are stored in."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.errors import IndexMismatchError, InputError, OutOfSpaceError, UnknownCodeError, said_codes
from conceptmap.memory import let_go
from conceptmap.ontology.number_index import NumberedRows, places_in

if TYPE_CHECKING:
    from conceptmap.ontology.ontology import Ontology

__all__ = [
    "GIVEN",
    "check_norms",
    "concept_places",
    "encode_rows",
    "from_bfloat16",
    "from_stored",
    "given_terms",
    "row_norms",
    "store_given",
    "to_bfloat16",
]

GIVEN = "vector"
"""Kind of the term rows that stand for given vectors; they are no terms of the ontology."""
STRINGS_AT_ONCE = 2048
ROWS_AT_ONCE = 8192
NUMPY_TYPES = {"float16": np.float16, "bfloat16": np.uint16, "float32": np.float32}


def encode_rows(
    terms: pl.Series,
    encode_terms: Callable[[Sequence[str]], NDArray[Any]],
    dtype: str,
    *,
    concepts: NDArray[np.int64] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Encode the different strings, longest first, and copy each to its rows.

    Strings of like length go together, which saves an encoder its padding; the longest come first, so that too
    little memory shows at once.

    Args:
        terms: the string of every row.
        encode_terms: strings in, *Shape:* (n, dim) out.
        dtype: type to store.
        concepts: the concept of every row, to subtract the mean concept vector from all rows; None leaves them.
        progress: called with (encoded strings, all strings).

    Returns:
        Stored rows *Shape:* (n_rows, dim) and their norms *Shape:* (n_rows,).

    Raises:
        InputError: the encoder returns another number of vectors, or one that is zero, NaN or infinite.
        OutOfSpaceError: the rows cannot fit into this machine's memory.
    """
    strings = pl.DataFrame({"term": terms, "row": np.arange(len(terms))}).group_by("term").agg("row")
    strings = strings.sort(pl.col("term").str.len_bytes(), "term", descending=[True, False])
    stored: NDArray[Any] | None = None
    for start in range(0, strings.height, STRINGS_AT_ONCE):
        part = strings.slice(start, STRINGS_AT_ONCE)
        vectors = np.asarray(encode_terms(part["term"].to_list()))
        if vectors.ndim != 2 or len(vectors) != part.height:
            raise InputError("the term encoder's answer does not fit", got=vectors.shape, expected=(part.height, "dim"))
        if stored is None:
            stored = _room(len(terms), vectors.shape[1], dtype)
        sources = np.repeat(np.arange(part.height), part["row"].list.len().to_numpy())
        stored[part["row"].explode().to_numpy()] = _encoded(vectors, dtype)[sources]
        if progress is not None:
            progress(min(start + STRINGS_AT_ONCE, strings.height), strings.height)
    assert stored is not None  # an ontology without terms was refused before
    if concepts is not None:
        _centre(stored, dtype, concepts)
    return stored, row_norms(stored, dtype)


def concept_places(terms: pl.DataFrame, concepts: pl.DataFrame) -> NDArray[np.int64]:
    """Place in ``concepts`` of every term's node. *Shape:* (n_terms,) int64."""
    places = places_in(concepts["node"], terms["node"], NumberedRows.of(concepts["node"]))
    return places.to_numpy().astype(np.int64)


def given_terms(codes: Sequence[str], terms: Sequence[str] | None, ontology: Ontology) -> pl.DataFrame:
    """Term rows that stand for given vectors, in their order."""
    asked = pl.DataFrame({"asked": list(codes)}, schema={"asked": pl.String})
    keys = pl.concat(
        [ontology.concepts.select(pl.col("node").alias("asked"), "node", "code", "name"),
         ontology.concepts.select(pl.col("code").alias("asked"), "node", "code", "name")]
    ).unique("asked", keep="first", maintain_order=True)  # fmt: skip
    found = asked.join(keys, on="asked", how="left", maintain_order="left")
    if (unknown := found.filter(pl.col("node").is_null())["asked"]).len():
        raise UnknownCodeError(f"{unknown.len()} codes are not in the ontology", got=said_codes(unknown))
    term = found["name"] if terms is None else pl.Series(list(terms), dtype=pl.String)
    return found.select(
        "node",
        "code",
        term.alias("term"),
        pl.lit(GIVEN).alias("kind"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("row"),
    )


def store_given(vectors: NDArray[Any], dtype: str) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Given vectors in the type to store, and their norms. *Shapes:* (n_rows, dim), (n_rows,).

    An array that cannot be written to, and is of the type to store, is kept as it is, without a copy.

    Raises:
        InputError: not two-dimensional, or a row is zero, NaN or infinite.
        OutOfSpaceError: the rows cannot fit into this machine's memory.
    """
    if vectors.ndim != 2:
        raise InputError("vectors must have two axes", got=vectors.shape, expected="(n_rows, dim)")
    kept = not vectors.flags.writeable and vectors.flags.c_contiguous
    if kept and dtype == "float32" and vectors.dtype == np.float32:
        norms = np.empty(len(vectors))
        for start in range(0, len(vectors), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            norms[part] = row_norms(vectors[part], dtype)
            let_go(vectors)
        _check_cosines(norms)
        return vectors, norms
    stored = _room(len(vectors), vectors.shape[1], dtype)
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        block = vectors[start : start + ROWS_AT_ONCE]
        stored[start : start + len(block)] = _encoded(block, dtype, first_row=start)
    return stored, row_norms(stored, dtype)


def _room(n_rows: int, dim: int, dtype: str) -> NDArray[Any]:
    """An array to fill, refused at once when the machine could never hold it.

    Raises:
        OutOfSpaceError: it is larger than the physical memory.
    """
    needed, there = n_rows * dim * np.dtype(NUMPY_TYPES[dtype]).itemsize, _physical_memory()
    if needed > there:
        got, expected = f"{needed / 2**30:,.1f} GiB", f"at most the machine's {there / 2**30:,.1f} GiB"
        what = f"{n_rows:,} vectors of width {dim} do not fit into memory"
        raise OutOfSpaceError(what, got=got, expected=expected, then="store a 16-bit type or fewer rows")
    return np.empty((n_rows, dim), dtype=NUMPY_TYPES[dtype])


def _physical_memory() -> float:
    """Bytes of memory of the machine, infinity where the platform does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return np.inf


def row_norms(stored: NDArray[Any], dtype: str) -> NDArray[np.float64]:
    """Euclidean norms of stored rows. *Shape:* (n_rows,) float64."""
    norms = np.empty(len(stored))
    with np.errstate(invalid="ignore", over="ignore"):  # a row that is no number has a norm that is none
        return _filled(norms, stored, dtype)


def _filled(norms: NDArray[np.float64], stored: NDArray[Any], dtype: str) -> NDArray[np.float64]:
    for start in range(0, len(stored), ROWS_AT_ONCE):
        block = from_stored(stored[start : start + ROWS_AT_ONCE], dtype).astype(np.float64)
        norms[start : start + len(block)] = np.sqrt(np.einsum("ij,ij->i", block, block))
    return norms


def check_norms(
    path: Path, stored: NDArray[Any], norms: NDArray[np.float64], dtype: str, *, first_row: int = 0
) -> None:
    """Refuse stored rows that no cosine can be taken with, and norms that are not theirs.

    Args:
        path: of the file, for the message.
        stored: *Shape:* (n_rows, dim).
        norms: *Shape:* (n_rows,).
        dtype: that the rows are stored in.
        first_row: number of the first of them, for the message.

    Raises:
        IndexMismatchError: names the first such row.
    """
    real = row_norms(stored, dtype)
    bad = np.flatnonzero(~(np.isfinite(real) & (real > 0) & np.isclose(real, norms, rtol=1e-6)))
    if len(bad):
        row = int(bad[0])
        got = f"row {first_row + row} with a norm of {real[row]:g}"
        expected = "a norm that is finite, positive and as stored beside it"
        raise IndexMismatchError(f"{path} holds rows without a cosine", got=got, expected=expected)


def _encoded(vectors: NDArray[Any], dtype: str, first_row: int = 0) -> NDArray[Any]:
    """Rows in the type to store: as they are where it holds all their values, else at unit length, so that none
    overflows.
    """
    wide = np.asarray(vectors, dtype=np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    _check_cosines(norms, first_row)
    if dtype == "float32":
        return np.asarray(vectors, dtype=np.float32)
    narrow = _narrowed(np.asarray(vectors, dtype=np.float32), dtype)
    if np.array_equal(from_stored(narrow, dtype), vectors):
        return narrow
    return _narrowed((wide / norms[:, None]).astype(np.float32), dtype)


def _check_cosines(norms: NDArray[np.float64], first_row: int = 0) -> None:
    """Refuse rows that are zero or not finite, by their norms."""
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if len(bad):
        fault = "is a zero vector" if norms[bad[0]] == 0 else "holds NaN or infinity"
        raise InputError(f"vector {first_row + bad[0]} {fault}, so that it has no cosine")


def _narrowed(values: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """The nearest values of a 16-bit type; what is too large for it becomes infinite."""
    if dtype == "bfloat16":
        return to_bfloat16(values)
    with np.errstate(over="ignore"):
        return values.astype(np.float16)


def from_stored(stored: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """Stored rows as numbers. *Shape:* (n, dim) float32."""
    return from_bfloat16(stored) if dtype == "bfloat16" else np.asarray(stored, dtype=np.float32)


def _centre(stored: NDArray[Any], dtype: str, concepts: NDArray[np.int64]) -> None:
    """Subtract the mean concept vector (the mean over concepts of the mean of each one's unit rows) from every row."""
    weights = 1.0 / np.bincount(concepts)[concepts]
    mean = np.zeros(stored.shape[1])
    blocks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(stored), ROWS_AT_ONCE)]
    for block in blocks:
        mean += weights[block] @ _unit(stored[block], dtype)
    mean /= weights.sum()
    for block in blocks:
        stored[block] = _encoded(_unit(stored[block], dtype) - mean, dtype, first_row=block.start)


def _unit(stored: NDArray[Any], dtype: str) -> NDArray[np.float64]:
    rows = from_stored(stored, dtype).astype(np.float64)
    unit: NDArray[np.float64] = rows / np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return unit


def to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Bit patterns of the nearest bfloat16 values, ties to even (finite input).

    >>> from_bfloat16(to_bfloat16(np.float32([1, 1.00390625, -2.5]))).tolist()
    [1.0, 1.0, -2.5]
    """
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)


def from_bfloat16(patterns: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The values of bfloat16 bit patterns."""
    return (patterns.astype(np.uint32) << 16).view(np.float32)
