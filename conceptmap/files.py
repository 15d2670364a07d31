"""Files that appear whole or not at all: temporary name, fsync, ``replace``, fsync of the folder.

Polars, numpy and plain Python leave a truncated file under its final name when the disk is full or the process dies.
Everything that conceptmap writes goes through here instead, so a file's existence means that it is complete.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from conceptmap.errors import InputError, OutOfSpaceError

__all__ = ["atomic_file", "atomic_text", "fsync_folder", "json_of", "publish", "sha256_file", "writing"]

MAX_DEPTH = 64
"""Lists and objects within one another in JSON of others; ours reach six."""
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an ``OSError`` met while writing below ``path`` into an error that says what to do.

    Raises:
        OutOfSpaceError: the disk or the quota is full.
        InputError: anything else, such as a folder that may not be written to.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise OutOfSpaceError(
                f"cannot write {os.fspath(path)}", got="no space left", then="free some space and run again"
            ) from error
        raise InputError(
            f"cannot write {os.fspath(path)}",
            got=error.strerror or type(error).__name__,
            expected="a folder that may be written to",
        ) from error


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its final name only when the block ends without an error.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> target = Path(folder.name, "codes.csv")
    >>> with atomic_file(target) as file:
    ...     _ = file.write(b"note_id")
    ...     target.exists()
    False
    >>> target.read_text()
    'note_id'
    >>> folder.cleanup()

    Raises:
        OutOfSpaceError: the disk or the quota is full; nothing is left behind.
        InputError: the file cannot be written.
    """
    final = Path(path)
    temporary = final.with_name(f".{final.name}.{secrets.token_hex(6)}.tmp")
    with writing(final):
        try:
            with temporary.open("xb") as file:
                yield file
            publish(temporary, final)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def atomic_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8, line ends unchanged, atomically."""
    with atomic_file(path) as file:
        file.write(text.encode("utf-8"))


def publish(temporary: Path, final: Path) -> None:
    """Give a finished file its final name, durably: a crash leaves the old file or the new one, whole."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(final)
    fsync_folder(final.parent)


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Does nothing where folders cannot be opened (Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_file(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, in hex, in constant memory."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_of(text: str | bytes) -> Any:  # noqa: ANN401 - JSON
    """The value of a JSON text that somebody else may have written.

    >>> json_of('{"rows": [1, 2]}')
    {'rows': [1, 2]}
    >>> json_of("[" * 100_000)
    Traceback (most recent call last):
        ...
    ValueError: nested too deeply

    Raises:
        ValueError: it is no JSON, or nested more than ``MAX_DEPTH`` deep. The message holds none of it.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError:
        raise ValueError("no JSON") from None
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise ValueError("nested too deeply")


def _inside(value: object) -> list[Any]:
    """The lists and objects that a list or object holds."""
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [inner for inner in held if isinstance(inner, dict | list)]
