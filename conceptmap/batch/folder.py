"""The hidden folder in which a run keeps its shards until all are there. A file's existence says that it is whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conceptmap.batch.coded import CHECKSUM_BYTES
from conceptmap.batch.owned import JOURNAL, SHARDS, journal_of
from conceptmap.errors import DamagedShardError, InputError
from conceptmap.files import PRIVATE, Access, atomic_file, atomic_text, fsync_folder, make_folder, remove_known, writing

try:
    import fcntl as _fcntl
except ImportError:  # Windows has other locks; without any, runs that race do work twice and nothing else
    _fcntl = None  # type: ignore[assignment]
fcntl: Any = _fcntl

__all__ = ["PREFIX", "ShardFolder"]

PREFIX = ".shards-"
LOCK, FINISHING = "lock", "finishing"
_SHARD = re.compile(r"[0-9a-f]{32}\.shard")
_UNFINISHED = re.compile(rf"\.(?:[0-9a-f]{{32}}\.shard|{re.escape(JOURNAL)})\.[0-9a-f]{{12}}\.tmp")
READ_AT_ONCE = 1 << 20


@dataclass(eq=False)
class ShardFolder:
    """Where the shards of one run are, and who is at work on which.

    Claims only save runs that race from doing the same work: they are locks of the operating system, which vanish
    with the process that holds them. Where the file system has none, every claim is granted.
    """

    path: Path
    access: Access = PRIVATE
    _handle: int = field(default=-1, init=False, repr=False)

    @classmethod
    def of(cls, target: Path, run: str, access: Access = PRIVATE) -> ShardFolder:
        """The folder of a run inside its output folder, which is made for those who have access; shards are private."""
        return cls(target / f"{PREFIX}{run[:16]}", access)

    @contextlib.contextmanager
    def opened(self) -> Iterator[ShardFolder]:
        """Make the folder; afterwards let all claims go, and the folder if it is empty."""
        with writing(self.path):
            self._handle = self._lock_file()
        try:
            yield self
        finally:
            os.close(self._handle)
            self._handle = -1
            self._remove_if_empty()

    def _make(self) -> None:
        make_folder(self.path.parent, self.access)
        make_folder(self.path)
        if self.path.is_symlink():
            raise InputError(f"{self.path} is in the way", got="a link", then="choose another output folder")

    def _lock_file(self) -> int:
        for _ in range(5):  # another run may just be removing the folder
            self._make()
            with contextlib.suppress(FileNotFoundError):
                return os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, PRIVATE.file)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _remove_if_empty(self) -> None:
        with contextlib.suppress(OSError):
            if {entry.name for entry in self.path.iterdir()} <= {LOCK, FINISHING}:
                for name in (LOCK, FINISHING):
                    (self.path / name).unlink(missing_ok=True)
                self.path.rmdir()
                self.path.parent.rmdir()  # only if nothing else is in it

    def _file(self, key: str) -> Path:
        return self.path / f"{key}.shard"

    def holds(self, key: str) -> bool:
        """Whether the shard is done."""
        return self._file(key).is_file()

    def write(self, key: str, content: bytes) -> None:
        """Keep a shard, durably and whole or not at all.

        Raises:
            OutOfSpaceError: the disk is full.
        """
        self._make()
        with atomic_file(self._file(key)) as file:
            file.write(content)

    def write_down(self, journal: str) -> None:
        """Keep the record of what is this program's in the output folder: see ``owned``."""
        self._make()
        atomic_text(self.path / JOURNAL, journal)

    def read(self, key: str) -> bytes:
        """The bytes of a shard.

        Raises:
            DamagedShardError: it is not there or cannot be read.
        """
        try:
            return self._file(key).read_bytes()
        except OSError as error:
            raise DamagedShardError("a shard cannot be read", got=error.strerror) from error

    def drop(self, key: str) -> None:
        """Forget a shard."""
        with contextlib.suppress(FileNotFoundError):
            self._file(key).unlink()

    def claim(self, shard: int) -> bool:
        """Whether this process may take a shard: no other one is at work on it."""
        return self._lock(shard)

    def release(self, shard: int) -> None:
        """Let a shard go."""
        self._unlock(shard)

    @contextlib.contextmanager
    def finishing(self) -> Iterator[bool]:
        """Be the only one to finish, thread or process; False where there are no locks to make sure of that."""
        self._make()
        handle = os.open(self.path / FINISHING, os.O_RDWR | os.O_CREAT, PRIVATE.file)
        try:
            yield _flock(handle)
        finally:
            os.close(handle)

    def _lock(self, byte: int) -> bool:
        if fcntl is None:
            return True
        try:
            fcntl.lockf(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # a file system without locks
            return True
        return True

    def _unlock(self, byte: int) -> None:
        if fcntl is not None and self._handle >= 0:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._handle, fcntl.LOCK_UN, 1, byte)

    def remove_all(self, keys: Iterable[str] = ()) -> None:
        """Remove this run's shards and what other runs left behind in the same output folder, and nothing else.

        Args:
            keys: shards that were just read, and found to be whole.
        """
        for folder in list(self.path.parent.iterdir()) if self.path.parent.is_dir() else ():
            if folder == self.path:
                _remove(folder, {f"{key}.shard" for key in keys})
            elif SHARDS.fullmatch(folder.name) and not _in_use(folder):
                _remove(folder, set())
        with contextlib.suppress(OSError, InputError):
            fsync_folder(self.path.parent)


def _remove(folder: Path, whole: set[str]) -> None:
    remove_known(folder, lambda name: name in whole or ("/" not in name and _is_ours(folder / name)))


def _is_ours(path: Path) -> bool:
    """Whether a run wrote this file: it has a name that runs give, and holds what such a file has to hold."""
    try:
        if path.name in (LOCK, FINISHING):
            return path.lstat().st_size == 0
        if path.name == JOURNAL:
            return journal_of(path) is not None
        return bool(_UNFINISHED.fullmatch(path.name) or (_SHARD.fullmatch(path.name) and _is_whole(path)))
    except OSError:
        return False


def _is_whole(shard: Path) -> bool:
    with shard.open("rb") as file:
        checksum, digest = file.read(CHECKSUM_BYTES), hashlib.sha256()
        while block := file.read(READ_AT_ONCE):
            digest.update(block)
    return digest.digest() == checksum


def _flock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except (AttributeError, OSError):  # no such locks on this system or file system
        return False
    return True


def _in_use(folder: Path) -> bool:
    """Whether another process holds a claim in a folder."""
    if fcntl is None:
        return True
    try:
        handle = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
