"""Files that appear whole or not at all: temporary name, fsync, ``replace``, fsync of the folder.

Polars, numpy and plain Python leave a truncated file under its final name when the disk is full or the process dies.
Everything that conceptmap writes goes through here instead, so a file's existence means that it is complete. What holds
notes, or may, is for its owner's eyes: 0600, folders 0700.

What of a folder is this program's own: what a run of it wrote there, and nobody has changed since. A record names files
and the SHA-256 of what was written. Only what a record names, and what still holds a digest that is written down for
it, may be replaced or removed unasked. Everything else is somebody else's, whatever its name.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from conceptmap.errors import InputError, OutOfSpaceError

__all__ = [
    "GROUP",
    "PRIVATE",
    "Access",
    "Owned",
    "allow",
    "atomic_file",
    "atomic_text",
    "digest_now",
    "foreign_error",
    "fsync_folder",
    "is_manifest",
    "json_of",
    "make_folder",
    "publish",
    "remove_known",
    "sha256_file",
    "sha256_of",
    "writing",
]

MAX_DEPTH = 64
"""Lists and objects within one another in JSON of others; ours reach six."""
READ_AT_ONCE = 1 << 20
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Access:
    """Who may read what is written: the modes of files and of folders."""

    file: int
    folder: int


PRIVATE = Access(0o600, 0o700)
"""The owner alone."""
GROUP = Access(0o640, 0o750)
"""The owner, and the group for reading."""
_NO_MODES = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS}
"""What file systems say that know no such modes."""


def allow(path: Path, access: Access) -> None:
    """Let those read a file or folder who have access, whatever the umask says. A folder goes on passing on its group.

    Does nothing on a file system that has no modes.
    """
    mode = access.folder | (path.stat().st_mode & stat.S_ISGID) if path.is_dir() else access.file
    try:
        path.chmod(mode)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise


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
def atomic_file(path: str | os.PathLike[str], access: Access = PRIVATE) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its final name only when the block ends without an error.

    Args:
        path: its final name; what is there is replaced.
        access: who may read it, from its first byte on.

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
            temporary.touch(access.file, exist_ok=False)
            allow(temporary, access)
            with temporary.open("wb") as file:
                yield file
            publish(temporary, final)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def atomic_text(path: str | os.PathLike[str], text: str, access: Access = PRIVATE) -> None:
    """Write ``text`` as UTF-8, line ends unchanged, atomically."""
    with atomic_file(path, access) as file:
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


def make_folder(path: Path, access: Access = PRIVATE) -> None:
    """A folder, with those above it; one that is there keeps its mode, which is its owner's choice.

    Raises:
        OSError: it cannot be made, or something else has its name.
    """
    try:
        path.mkdir(access.folder, parents=True)
        allow(path, access)
    except FileExistsError:
        if not path.is_dir():
            raise


def remove_known(folder: Path, known: Callable[[str], bool]) -> None:
    """Remove what is known of a folder, and the folder if nothing else is in it. Links are not followed.

    Args:
        folder: where to look, all the way down.
        known: whether a file or folder may go, by its path in the folder, with ``/`` between.
    """
    if folder.is_symlink():
        return
    for here, folders, files in os.walk(folder, topdown=False):
        above = Path(here)
        for names, remove in ((files, Path.unlink), (folders, Path.rmdir)):
            for name in names:
                if known((above / name).relative_to(folder).as_posix()):
                    with contextlib.suppress(OSError):
                        remove(above / name)
    with contextlib.suppress(OSError):
        folder.rmdir()


def sha256_file(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, in hex, in constant memory."""
    with Path(path).open("rb", buffering=0) as file:
        digest = hashlib.sha256()
        while block := file.read(READ_AT_ONCE):
            digest.update(block)
        return digest.hexdigest()


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


def sha256_of(fields: Mapping[str, Any]) -> str:
    """Digest of a manifest's fields, whatever their order."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def is_manifest(value: Mapping[str, Any]) -> bool:
    """Whether an object is a manifest, of whatever kind and format version, as this program wrote it."""
    return "sha256" in value and value["sha256"] == sha256_of({n: entry for n, entry in value.items() if n != "sha256"})


# -- what is whose -----------------------------------------------------------------------------------------------------

SETTLED = 2.0
"""Seconds after which a file that changes again is sure to get another time."""
NAMED = 3
"""Files that an error names."""


@dataclass(frozen=True)
class Owned:
    """A folder and what is written down of it.

    Attributes:
        folder: where the files are.
        record: for each name, a path in the folder with ``/`` between, the digests that it was given.
    """

    folder: Path
    record: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def holds(self, name: str) -> bool:
        """Whether a file is there as a run of this program left it."""
        digests = self.record.get(name)
        return bool(digests) and digest_now(self.folder / name) in (digests or ())

    def foreign(self, names: Iterable[str]) -> list[str]:
        """Which of these are there, and somebody else's."""
        return [name for name in names if os.path.lexists(self.folder / name) and not self.holds(name)]


def digest_now(path: Path) -> str | None:
    """SHA-256 of a file, read again only when it has changed; None for what is no file, links among them."""
    try:
        seen = path.lstat()
        if not stat.S_ISREG(seen.st_mode):
            return None
        if time.time() - max(seen.st_ctime, seen.st_mtime) < SETTLED:
            return sha256_file(path)
        return _digest(str(path), seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
    except OSError:
        return None


@lru_cache(maxsize=1 << 17)
def _digest(path: str, *_seen: int) -> str:
    return sha256_file(path)


def foreign_error(folder: Path, names: Iterable[str], *, then: str) -> InputError:
    """The error that names what would be lost."""
    found = sorted(names)
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return InputError(
        f"{folder} holds files that no run of this program wrote, or that were changed since",
        got=", ".join(found[:NAMED]) + more,
        then=then,
    )
