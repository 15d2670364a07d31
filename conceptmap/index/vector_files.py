"""Files of vectors that others made: Parquet, Arrow, CSV, safetensors, NumPy; a path or a data set of the hub.

No such file says what its columns are. Here the vectors are found in it (a list column, or a column for each dimension)
and told apart from the rest; which of the rest holds the codes is for `given_vectors.py` to find out.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.errors import IndexMismatchError, InputError, said_columns
from conceptmap.files import json_of
from conceptmap.frames import no_panic
from conceptmap.index.files import read_tensors
from conceptmap.index.manifest import STORED_TYPES
from conceptmap.index.rows import from_bfloat16
from conceptmap.index.spooled import gathered

__all__ = ["VectorTable", "fetch_data_set", "read_vector_table"]

_NUMBERED = re.compile(r"(.*?)(\d+)")
_LIST = re.compile(r"\s*\[[-+.\deE,\s]+\]\s*")
_NAME_IT = "name it: --vector-column NAME, vector_column= in Python"
_LEAST_DIMENSIONS = 4
_ROWS_AT_ONCE = 8192
_HUB = re.compile(r"[\w.-]+/[\w.-]+@[\w./-]+")
_PATTERNS = ["*.parquet", "*.arrow", "*.feather", "*.safetensors", "*.npy", "*.npz", "*.csv", "*.txt", "*.json", "*.md"]
_SIDECARS = ("{stem}.codes.{kind}", "{stem}.{kind}", "codes.{kind}")


@dataclass(frozen=True, eq=False)
class VectorTable:
    """Vectors and what stands beside them.

    Attributes:
        others: the other columns. *Shape:* (n_rows, any).
        vectors: *Shape:* (n_rows, dim) float32.
        where: the column or tensor that held the vectors, in words.
        dtype: ``float16`` or ``bfloat16`` where they were written in that, else ``float32``.
    """

    others: pl.DataFrame
    vectors: NDArray[np.float32]
    where: str
    dtype: str = "float32"


def fetch_data_set(name: str) -> Path:
    """The folder of a hub data set, fetched once and then taken from the hub client's own cache.

    Args:
        name: ``owner/name@revision``.

    Raises:
        InputError: no revision, no such data set, or the hub cannot be reached and it was never fetched.
    """
    if not _HUB.fullmatch(name):
        expected = "a file, a folder, or a data set of the hub with its revision, owner/name@commit"
        raise InputError("there are no vectors there", got=name, expected=expected)
    from huggingface_hub import snapshot_download

    data_set, _, revision = name.partition("@")
    try:
        return Path(snapshot_download(data_set, repo_type="dataset", revision=revision, allow_patterns=_PATTERNS))
    except (OSError, ValueError) as error:  # every error of the hub's client is one of these
        raise InputError(
            f"cannot fetch the data set {name}",
            got=type(error).__name__,
            then="check name and revision, or give the path of a folder that holds it",
        ) from error


def read_vector_table(
    source: Path, *, vector_column: str | None = None, codes_file: str | Path | None = None
) -> VectorTable:
    """Read vectors from a file, or from the files of one kind in a folder, in the order of their names.

    Args:
        source: ``.parquet``, ``.arrow``, ``.feather``, ``.csv``, ``.tsv``, ``.safetensors``, ``.npy``, ``.npz``, or a
            folder.
        vector_column: the column or tensor of the vectors, or what the names of one column per dimension begin with;
            found unless given.
        codes_file: a table with a row per vector, for tensors without codes: ``.csv``, ``.parquet``, ``.json`` (a
            list), or ``.txt``, a code a line. ``codes.*`` beside the vectors is found unless given.

    Raises:
        InputError: no such file, none of these kinds, or no vectors in it.
    """
    files = _files(source)
    kind = files[0].suffix.lower()
    if kind in _TENSORS:
        if len(files) > 1:
            got = ", ".join(file.name for file in files[:5])
            raise InputError(f"{source} holds several files of tensors", got=got, then="give one of them")
        return _of_tensors(_tensors(files[0]), files[0], vector_column, codes_file)
    if codes_file is not None:
        raise InputError("a file of codes goes with safetensors or npy", got=files[0].name, expected="no --codes-file")
    if kind == ".parquet" and (found := _streamed(files, vector_column)) is not None:
        return found
    frame = pl.concat([_frame(file) for file in files], how="vertical_relaxed")
    return _of_frame(frame, files[0].name, vector_column)


def _files(source: Path) -> list[Path]:
    if source.is_file():
        if source.suffix.lower() not in (*_FRAMES, *_TENSORS):
            raise InputError(f"cannot read vectors from {source.name}", expected=", ".join((*_FRAMES, *_TENSORS)))
        return [source]
    if not source.is_dir():
        raise InputError("there are no vectors there", got=str(source), expected="a file or a folder")
    for kind in (".parquet", ".arrow", ".feather", ".safetensors", ".npy", ".npz", ".csv", ".tsv"):
        if found := sorted(file for file in source.rglob(f"*{kind}") if not file.name.startswith(("codes.", "."))):
            return found
    raise InputError(f"{source} holds no vectors", expected=", ".join((*_FRAMES, *_TENSORS)))


# -- tables -----------------------------------------------------------------------------------------------------------


def _frame(file: Path) -> pl.DataFrame:
    try:
        with no_panic():
            return _FRAMES[file.suffix.lower()](file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"cannot read {file.name}", got=type(error).__name__, expected="the kind it is named"
        ) from None


def _arrow(file: Path) -> pl.DataFrame:
    with file.open("rb") as opened:
        is_file = opened.read(6) == b"ARROW1"
    return pl.read_ipc(file) if is_file else pl.read_ipc_stream(file)


_FRAMES: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": pl.read_parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".csv": lambda file: pl.read_csv(file, infer_schema=False),
    ".tsv": lambda file: pl.read_csv(file, infer_schema=False, separator="\t"),
}


def _of_frame(frame: pl.DataFrame, file: str, asked: str | None) -> VectorTable:
    lists = [name for name in frame.columns if _holds_lists(frame[name])]
    numbered = _numbered(frame)
    if asked is not None:
        lists, numbered = ([asked] if asked in lists else []), {p: c for p, c in numbered.items() if p == asked}
    if headless := [name for name in lists if _LIST.fullmatch(name)]:
        got = f"a vector as the name of {'a column' if len(headless) == 1 else 'columns'}"
        raise InputError(f"{file} has no header", got=got, expected="the names of the columns in the first line")
    if len(lists) == 1:
        return _of_lists(frame, lists[0])
    if lists or not numbered:
        got = said_columns(frame.columns) if not lists else f"several: {', '.join(lists)}"
        expected = f"a column of lists of numbers, or {_LEAST_DIMENSIONS} or more such as v0, v1, …"
        raise InputError(f"cannot tell the vectors in {file}", got=got, expected=expected, then=_NAME_IT)
    prefix = max(numbered, key=lambda found: len(numbered[found]))
    names = numbered[prefix]
    vectors = np.empty((frame.height, len(names)), dtype=np.float32)
    for at, name in enumerate(names):
        vectors[:, at] = _floats(frame[name], name).to_numpy()
    where = f"{len(names):,} columns {names[0]} … {names[-1]}"
    narrow = all(frame.schema[name] == pl.Float16 for name in names)
    return VectorTable(frame.drop(names), vectors, where, "float16" if narrow else "float32")


def _holds_lists(column: pl.Series) -> bool:
    if isinstance(column.dtype, pl.String):  # in CSV files: [0.1, 0.2]
        first = column.drop_nulls().head(1).to_list()
        return bool(first) and bool(_LIST.fullmatch(first[0]))
    return bool(_number(column.dtype).is_numeric()) and isinstance(column.dtype, pl.List | pl.Array)


def _of_lists(frame: pl.DataFrame, name: str) -> VectorTable:
    """One vector a row; several in a row, lists in a list, get rows of their own."""
    if isinstance(frame.schema[name], pl.String):
        try:
            frame = frame.with_columns(pl.col(name).str.json_decode(pl.List(pl.Float64)))
        except pl.exceptions.PolarsError:
            expected = "lists of numbers such as [0.1, 0.2]"
            raise InputError(f"the vectors of column {name} cannot be read", expected=expected) from None
    inner = getattr(frame.schema[name], "inner", None)
    if isinstance(inner, pl.List | pl.Array):
        frame = frame.explode(name)
    column = frame[name]
    if not len(column):
        raise InputError(f"column {name} holds no vector", got="no rows", expected="one or more")
    dtype = "float16" if _number(column.dtype) == pl.Float16 else "float32"
    return VectorTable(frame.drop(name), _matrix(column), f"column {name}", dtype)


def _matrix(column: pl.Series, dim: int | None = None, *, first_row: int = 0) -> NDArray[np.float32]:
    """Lists of numbers as rows. *Shape:* (n_rows, dim) float32.

    Args:
        column: without lists in its lists.
        dim: numbers in each; as many as in the first unless given.
        first_row: the number of the first, from 0, for messages.
    """
    name = column.name
    lengths = column.list.len() if isinstance(column.dtype, pl.List) else pl.Series([column.dtype.size] * len(column))  # type: ignore[attr-defined]
    dim = lengths[0] if dim is None else dim
    if column.null_count() or not (lengths == dim).all():
        wrong = first_row + int((column.is_null() | (lengths != dim).fill_null(True)).arg_max() or 0)
        raise InputError(f"row {wrong + 1} of column {name} is no vector as the first is", expected=f"{dim} numbers")
    flat = column.explode() if isinstance(column.dtype, pl.List) else column.arr.explode()
    return _floats(flat, name).to_numpy().reshape(len(column), int(dim or 0))


def _number(dtype: Any) -> Any:  # noqa: ANN401 - a type of polars, or what stands in its lists
    while isinstance(dtype, pl.List | pl.Array):
        dtype = dtype.inner
    return dtype


def _streamed(files: list[Path], asked: str | None) -> VectorTable | None:
    """The vectors of Parquet files, some thousand rows at a time; None where no one column of lists holds them."""
    try:
        with no_panic():
            schema = pl.read_parquet_schema(files[0])
            lists = [name for name, kind in schema.items() if _lists_numbers(kind) and asked in (None, name)]
            if len(lists) != 1 or any(pl.read_parquet_schema(file) != schema for file in files[1:]):
                return None
            (name,) = lists
            others = pl.concat([pl.read_parquet(file, columns=[n for n in schema if n != name]) for file in files])
            first = pl.scan_parquet(files[0]).select(name).head(1).collect()[name]
            if not others.height or first.null_count() or not len(first):
                return None
            dim = _matrix(first).shape[1]
            vectors = gathered(_blocks(files, name, dim), others.height, dim)
    except (OSError, pl.exceptions.PolarsError) as error:
        got, expected = type(error).__name__, "the kind it is named"
        raise InputError(f"cannot read {files[0].name}", got=got, expected=expected) from None
    dtype = "float16" if _number(schema[name]) == pl.Float16 else "float32"
    return VectorTable(others, vectors, f"column {name}", dtype)


def _blocks(files: list[Path], name: str, dim: int) -> Iterator[NDArray[np.float32]]:
    row = 0
    for file in files:
        for part in pl.scan_parquet(file).select(name).collect_batches(chunk_size=_ROWS_AT_ONCE):
            yield _matrix(part[name], dim, first_row=row)
            row += part.height


def _lists_numbers(dtype: Any) -> bool:  # noqa: ANN401 - a type of polars
    """Whether it is a list of numbers, and no list of lists."""
    return isinstance(dtype, pl.List | pl.Array) and bool(dtype.inner.is_numeric())


def _numbered(frame: pl.DataFrame) -> dict[str, list[str]]:
    """Columns of numbers named by a prefix and 0, 1, 2, …, or 1, 2, 3, …, in that order, by prefix."""
    groups: dict[str, dict[int, str]] = {}
    for name, dtype in frame.schema.items():
        if (parts := _NUMBERED.fullmatch(name)) and (dtype.is_float() or isinstance(dtype, pl.String)):
            groups.setdefault(parts[1], {})[int(parts[2])] = name
    whole = {prefix: [names[at] for at in sorted(names)] for prefix, names in groups.items() if _is_run(names)}
    return {prefix: names for prefix, names in whole.items() if _is_number(frame[names[0]].head(100))}


def _is_run(names: dict[int, str]) -> bool:
    first, last = min(names), max(names)
    return first in (0, 1) and last - first + 1 == len(names) >= _LEAST_DIMENSIONS


def _is_number(column: pl.Series) -> bool:
    return column.cast(pl.Float64, strict=False).null_count() == column.null_count()


def _floats(column: pl.Series, name: str) -> pl.Series:
    numbers = column.cast(pl.Float32, strict=False)
    if numbers.null_count():
        row = int(numbers.is_null().arg_max() or 0)
        raise InputError(f"a vector holds no number in column {name}", got=f"place {row + 1}", expected="numbers alone")
    return numbers


# -- tensors ----------------------------------------------------------------------------------------------------------


_Tensors = dict[str, tuple[NDArray[Any], str]]
"""Arrays with the type that they are written in."""


def _safetensors(file: Path) -> _Tensors:
    try:
        found = read_tensors(file)
    except IndexMismatchError as error:
        raise InputError(f"cannot read {file.name}", got=str(error), expected="a safetensors file") from None
    return {
        name: (from_bfloat16(values), "bfloat16") if kind == "BF16" else (values, values.dtype.name)
        for name, (kind, values, _) in found.items()
    }


_NOT_NUMPY = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, RecursionError, NotImplementedError, OverflowError),
    *(BadZipFile, zlib.error, struct.error, SyntaxError, TokenError),
)
"""What numpy and zipfile raise on files whose bytes were changed; a header is read as a Python literal."""


def _numpy(file: Path) -> _Tensors:
    try:
        found = np.load(file, allow_pickle=False)
        arrays = {"array": found} if isinstance(found, np.ndarray) else {name: found[name] for name in found.files}
    except _NOT_NUMPY as error:
        expected = "arrays of numbers or texts, without Python objects"
        raise InputError(f"cannot read {file.name}", got=type(error).__name__, expected=expected) from None
    return {name: (values, values.dtype.name) for name, values in arrays.items()}


_TENSORS: dict[str, Callable[[Path], _Tensors]] = {
    ".safetensors": _safetensors,
    ".npy": _numpy,
    ".npz": _numpy,
}


def _tensors(file: Path) -> _Tensors:
    return _TENSORS[file.suffix.lower()](file)


def _of_tensors(tensors: _Tensors, file: Path, asked: str | None, codes_file: str | Path | None) -> VectorTable:
    arrays = {name: values for name, (values, _) in tensors.items()}
    matrices = {name: values for name, values in arrays.items() if values.ndim == 2 and values.dtype.kind == "f"}
    chosen = [name for name in matrices if asked in (None, name)]
    if len(chosen) != 1:
        got = ", ".join(f"{name} {values.shape}" for name, values in list(arrays.items())[:10])
        expected = "one matrix (n_rows, dim)"
        raise InputError(f"cannot tell the vectors in {file.name}", got=got, expected=expected, then=_NAME_IT)
    vectors = np.asarray(matrices[chosen[0]], dtype=np.float32)
    beside = {name: v for name, v in arrays.items() if v.shape == (len(vectors),) and v.dtype.kind in "iuU"}
    others = pl.DataFrame({name: pl.Series(values.tolist()) for name, values in beside.items()})
    if codes_file is not None or not beside:
        others = _codes(file, codes_file)
    if others.height != len(vectors):
        raise InputError(
            "codes and vectors do not fit", got=f"{others.height:,} and {len(vectors):,}", expected="as many"
        )
    dtype = tensors[chosen[0]][1]
    return VectorTable(others, vectors, f"tensor {chosen[0]}", dtype if dtype in STORED_TYPES else "float32")


def _codes(file: Path, given: str | Path | None) -> pl.DataFrame:
    """The table of codes that goes with a matrix: named, or found beside it."""
    kinds = ("csv", "parquet", "json", "txt")
    names = [name.format(stem=file.stem, kind=kind) for name in _SIDECARS for kind in kinds]
    found = [Path(given)] if given is not None else [path for name in names if (path := file.with_name(name)).is_file()]
    if not found or not found[0].is_file():
        got = "none beside it" if given is None else str(given)
        expected = "a .csv, .parquet, .json or .txt with a row per vector, such as codes.csv"
        raise InputError(f"no codes for the vectors in {file.name}", got=got, expected=expected)
    kind = found[0].suffix.lower()
    if kind in (".csv", ".parquet"):
        return _frame(found[0])
    try:
        text = found[0].read_text(encoding="utf-8-sig")
        codes = pl.Series(_json_list(text) if kind == ".json" else text.splitlines(), dtype=pl.String, strict=False)
    except (OSError, ValueError) as error:
        got = type(error).__name__
        raise InputError(f"cannot read {found[0].name}", got=got, expected="codes in UTF-8") from None
    return pl.DataFrame({"code": codes})


def _json_list(text: str) -> list[str]:
    found = json_of(text)
    if not isinstance(found, list):
        raise ValueError("no list")
    return [str(code) for code in found]
