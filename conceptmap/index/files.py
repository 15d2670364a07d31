"""Files of an index folder: written whole or not at all, opened memory-mapped, checked block by block."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.errors import IndexMismatchError, InputError, OutOfSpaceError
from conceptmap.files import (
    Access,
    Owned,
    allow,
    foreign_error,
    fsync_folder,
    json_of,
    make_folder,
    remove_known,
    writing,
)
from conceptmap.frames import no_panic
from conceptmap.memory import let_go

__all__ = [
    "BLOCK_BYTES",
    "MANIFEST",
    "CheckedFile",
    "FileDigest",
    "FolderLayout",
    "check_target",
    "digests_of",
    "new_folder",
    "read_frame",
    "read_json",
    "read_tensors",
    "recorded",
    "remove_stale",
    "write_frame",
    "write_json",
    "write_tensors",
]

MANIFEST = "manifest.json"
BLOCK_BYTES = 16 << 20
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
HASHED_AT_ONCE = 4
SAFETENSORS_TYPES: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "BF16": np.dtype("<u2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
}
"""BF16 has no numpy type: its bit patterns are held as uint16. Whole numbers are found in files of others alone."""
MAX_HEADER = 1 << 20


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What a file must hold: its length in bytes and the sha256 of the whole and of every 16 MiB."""

    bytes: int
    sha256: str
    blocks: Sequence[str]


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file whose blocks are compared with their checksums, each once and before it is trusted."""

    path: Path
    digest: FileDigest
    verified: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def verify(self, start: int = 0, stop: int | None = None) -> None:
        """Check the blocks that hold bytes ``start`` to ``stop`` and have not been checked yet.

        Raises:
            IndexMismatchError: the file is missing, has another length, or a block has other bytes.
        """
        end = self.digest.bytes if stop is None else stop
        wanted = range(start // BLOCK_BYTES, -(-end // BLOCK_BYTES))
        with self.lock:
            missing = [block for block in wanted if block not in self.verified]
            if not missing:
                return
            _check_length(self.path, self.digest)
            with ThreadPoolExecutor(min(len(missing), HASHED_AT_ONCE, os.cpu_count() or 1)) as threads:
                for block, found in zip(missing, threads.map(self._sha256, missing), strict=True):
                    if found != self.digest.blocks[block]:
                        raise _damaged(
                            self.path, f"other bytes in the {BLOCK_BYTES >> 20} MiB from {block * BLOCK_BYTES}"
                        )
                    self.verified.add(block)

    def _sha256(self, block: int) -> str:
        with self.path.open("rb") as file:
            file.seek(block * BLOCK_BYTES)
            return hashlib.sha256(file.read(BLOCK_BYTES)).hexdigest()


def _check_length(path: Path, digest: FileDigest) -> None:
    if not path.is_file():
        raise _damaged(path, "no such file")
    if path.stat().st_size != digest.bytes:
        raise _damaged(path, f"{path.stat().st_size} bytes", f"{digest.bytes} bytes")


def _damaged(path: Path, got: str, expected: str | None = None) -> IndexMismatchError:
    return IndexMismatchError(f"{path} is damaged", got=got, expected=expected, then="build the index again")


def digest_of(path: Path) -> FileDigest:
    """Length and checksums of a file, read once."""
    whole, blocks, total = hashlib.sha256(), [], 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            whole.update(block)
            blocks.append(hashlib.sha256(block).hexdigest())
            total += len(block)
    return FileDigest(total, whole.hexdigest(), blocks)


@dataclass(frozen=True)
class FolderLayout:
    """What a folder of one kind holds.

    Attributes:
        what: the kind, for messages: "an index".
        names: of all files that it may hold.
        record: the digests that the manifest of such a folder wrote down; empty where the manifest is none of ours.
    """

    what: str
    names: frozenset[str]
    record: Callable[[Path], Mapping[str, frozenset[str]]]


def check_target(target: Path, layout: FolderLayout, *, overwrite: bool = False) -> None:
    """Refuse a folder that holds anything but what this program wrote there, and nobody has changed since.

    Raises:
        InputError: it does. ``overwrite`` gives up files of our names; others are never given up.
    """
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise InputError(f"{target} exists and is not {layout.what}", then="choose another folder")
    names = sorted(entry.name for entry in target.iterdir())
    files = [name for name in names if name in layout.names and not (target / name).is_dir()]
    if others := [name for name in names if name not in files]:
        got = f"{', '.join(others[:3])}{' and more' if len(others) > 3 else ''}"
        raise InputError(f"{target} exists and is not {layout.what} alone", got=got, then="choose another folder")
    if not overwrite and (foreign := Owned(target, layout.record(target)).foreign(files)):
        raise foreign_error(target, foreign, then="type --overwrite to replace them, or choose another folder")


@contextmanager
def new_folder(
    target: Path, layout: FolderLayout, *, n_bytes: int = 0, overwrite: bool = False, access: Access | None = None
) -> Iterator[Path]:
    """A folder to write into, which becomes ``target`` when the block ends well and vanishes when it does not.

    Args:
        target: its final name.
        layout: what it holds.
        n_bytes: about what will be written, refused at once when the disk has less.
        overwrite: replace files of these names although this program did not write them, or somebody changed them.
        access: who may read it; everybody whom the umask lets when None.

    Raises:
        InputError: ``target`` exists, and replacing it would lose something else.
        OutOfSpaceError: the disk is full.
    """
    target = target.resolve()
    check_target(target, layout, overwrite=overwrite)
    partial = target.with_name(f".{target.name}.partial-{secrets.token_hex(6)}")
    try:
        with writing(target):
            _make(partial, access)
            if (free := shutil.disk_usage(partial).free) < n_bytes:
                raise OutOfSpaceError(
                    f"no space for {target}",
                    got=f"{free / 2**30:,.1f} GiB",
                    expected=f"{n_bytes / 2**30:,.1f} GiB",
                    then="free some and run again",
                )
            yield partial
            for path in partial.iterdir():
                _fsync(path)
                if access is not None:
                    allow(path, access)
            fsync_folder(partial)
            check_target(target, layout, overwrite=overwrite)  # what took hours may have been overtaken
            _replace_folder(partial, target, layout)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _make(partial: Path, access: Access | None) -> None:
    if access is None:
        partial.mkdir(parents=True)
    else:
        make_folder(partial, access)


def _replace_folder(partial: Path, target: Path, layout: FolderLayout) -> None:
    """Put the folder in its place; a former one is moved aside first, since folders cannot be exchanged in one step."""
    former = target.with_name(f".{target.name}.former-{secrets.token_hex(6)}")
    if target.exists():
        target.replace(former)
    try:
        partial.replace(target)
    except OSError:
        with contextlib.suppress(OSError):  # the former one stays
            former.replace(target)
        raise
    fsync_folder(target.parent)
    remove_known(former, layout.names.__contains__)


def remove_stale(target: Path, layout: FolderLayout) -> None:
    """Remove what killed processes left behind while they put a folder in its place."""
    left = re.compile(rf"\.{re.escape(target.name)}\.(?:partial|former)-[0-9a-f]{{12}}")
    for folder in target.parent.iterdir():
        if left.fullmatch(folder.name):
            remove_known(folder, layout.names.__contains__)


def _fsync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """An object as indented JSON in UTF-8."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        IndexMismatchError: missing, unreadable, or not an object.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if not text.endswith("}\n"):
            raise ValueError("cut off")
        value = json_of(text)
    except (OSError, ValueError) as error:
        raise _damaged(path, type(error).__name__, "a JSON object") from error
    if not isinstance(value, dict):
        raise _damaged(path, type(value).__name__, "a JSON object")
    return value


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """A frame as parquet.

    Raises:
        OSError: it cannot be written, the disk is full, say.
    """
    try:
        frame.write_parquet(path, compression="zstd")
    except pl.exceptions.PolarsError as error:  # it says in words what the system said in numbers
        if (found := _OS_ERROR.search(str(error))) is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number)) from error


def read_frame(path: Path, digest: FileDigest) -> pl.DataFrame:
    """A parquet file, checked and parsed from the same bytes.

    Raises:
        IndexMismatchError: missing or damaged.
    """
    _check_length(path, digest)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest.sha256:
        raise _damaged(path, "other bytes")
    try:
        with no_panic():
            return pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise _damaged(path, type(error).__name__, "a Parquet file") from None


def write_tensors(path: Path, tensors: Mapping[str, tuple[str, NDArray[Any]]]) -> None:
    """A safetensors file, written straight from memory (the library's own writer copies every array first).

    Args:
        path: the file.
        tensors: for each name its safetensors type ("F16", "BF16", ...) and values.
    """
    header: dict[str, Any] = {}
    offset = 0
    for name, (kind, array) in tensors.items():
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 64 + 56)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for kind, array in tensors.values():
            content = np.ascontiguousarray(array, dtype=SAFETENSORS_TYPES[kind]).reshape(-1).view(np.uint8)
            for start in range(0, len(content), BLOCK_BYTES):
                file.write(content[start : start + BLOCK_BYTES].data)
                let_go(content)


def read_tensors(path: Path) -> dict[str, tuple[str, NDArray[Any], int]]:
    """Memory-map a safetensors file: for each name its type, values and first byte.

    Raises:
        IndexMismatchError: not such a file, or a tensor of it lies outside the file.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > MAX_HEADER:
                raise ValueError("no header is that long")
            header: dict[str, Any] = json_of(file.read(length))
        content = np.memmap(path, mode="r", dtype=np.uint8, offset=0)
        return {name: _tensor(content, entry, 8 + length) for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, type(error).__name__, "a safetensors file") from error


def _tensor(content: NDArray[np.uint8], entry: Mapping[str, Any], base: int) -> tuple[str, NDArray[Any], int]:
    kind, shape = str(entry["dtype"]), tuple(entry["shape"])
    if not all(type(number) is int and number >= 0 for number in (*shape, *entry["data_offsets"])):
        raise ValueError("a shape or place is no whole number")
    dtype: np.dtype[Any] = SAFETENSORS_TYPES[kind]
    start, stop = (base + int(offset) for offset in entry["data_offsets"])
    if not base <= start <= stop <= len(content) or stop - start != dtype.itemsize * math.prod(shape):
        raise ValueError("tensor outside its file")
    return kind, content[start:stop].view(dtype).reshape(shape), start


def digests_of(folder: Path) -> dict[str, FileDigest]:
    """Digests of all files of a folder, by name."""
    return {path.name: digest_of(path) for path in sorted(folder.iterdir())}


def recorded(folder: Path, is_ours: Callable[[Mapping[str, Any]], bool]) -> dict[str, frozenset[str]]:
    """What the manifest of a folder wrote down about its files, and the manifest itself as it is.

    Args:
        folder: with a ``manifest.json``.
        is_ours: whether what it holds was written by this program, and not changed since.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
        value = json_of(content)
        if not isinstance(value, dict) or not is_ours(value):
            return {}
        files = {str(name): frozenset([str(entry["sha256"])]) for name, entry in value["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {**files, MANIFEST: frozenset([hashlib.sha256(content).hexdigest()])}
