"""A release as it was downloaded (zip, folder or single file): its members listed, each streamed and never extracted.

Files that operating systems leave behind (``.DS_Store``, ``__MACOSX/``) are not members. A member that would unpack to
more than ``MAX_BYTES`` or to more than ``MAX_RATIO`` times its packed size is refused before it is read.
"""

from __future__ import annotations

import contextlib
import gzip
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from conceptmap.errors import InputError, ReaderError

__all__ = ["Archive", "Member", "open_archive", "stream", "whole"]

MAX_BYTES = 64 * 2**30
"""Largest member that is read, in bytes (the largest real one, MRHIER of the whole Metathesaurus, is near 10 GB)."""

MAX_WHOLE = 2 * 2**30
"""Largest member that is held in memory, in bytes (the largest OBO file known, NCBI's taxonomy, has 0.7 GB)."""

MAX_RATIO = 200
"""Largest unpacked size over packed size (real releases reach 30; deflate itself allows 1,032)."""

_RATIO_FREE_BYTES = 2**20  # tables that hold one header repeat themselves well, and do no harm
_CHUNK_BYTES = 4 * 2**20
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(OSError, ValueError, NotImplementedError, RuntimeError),
)
"""What Python's own reader raises on zips whose bytes were changed."""


@dataclass(frozen=True)
class Member:
    """One file of a release: its ``path`` inside it, ``/`` between the parts, and its ``size`` in bytes.

    The size is that of the unpacked file, but for a single file in gzip, which does not tell it.
    """

    path: str
    size: int

    @property
    def name(self) -> str:
        """The file's own name, without folders."""
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class Archive:
    """A release on disk and its members, in the order of their paths."""

    source: Path
    members: tuple[Member, ...]

    def empty(self, name: str) -> bool:
        """Whether a file of this name is there, and all of that name have no byte: a download that broke off."""
        sizes = [member.size for member in self.members if member.name.lower() == name.lower()]
        return bool(sizes) and not any(sizes)

    def named(self, name: str) -> Member | None:
        """The member with this file name, in any folder and letter case; None when there is none or it is empty.

        Raises:
            ReaderError: the release holds several that differ in size, so that the choice would be a guess.
        """
        found = [member for member in self.members if member.name.lower() == name.lower() and member.size]
        if len({member.size for member in found}) > 1:
            paths = ", ".join(member.path for member in found)
            raise ReaderError(
                f"{self.source.name} holds several files named {name}", got=paths, then="give one of the folders"
            )
        return found[0] if found else None


def open_archive(source: str | Path) -> Archive:
    """List the members of a release.

    Raises:
        InputError: no such file or folder.
        ReaderError: a zip that is damaged, or that has no members.
    """
    path = Path(source)
    if path.is_dir():
        members = [_member_of_folder(file, path) for file in path.rglob("*") if file.is_file()]
    elif not path.exists():
        raise InputError(f"there is no release at {path}", expected="a zip, a folder or a file that exists")
    elif _is_zip(path):
        members = _members_of_zip(path)
    else:
        members = [Member(path.name.removesuffix(".gz"), path.stat().st_size)]
    wanted = sorted((member for member in members if not _is_left_behind(member.path)), key=lambda member: member.path)
    if not wanted:
        raise ReaderError(f"{path.name} holds no files", expected="a release as it was downloaded")
    return Archive(path, tuple(wanted))


def stream(archive: Archive, member: Member, *, chunk_bytes: int = _CHUNK_BYTES) -> Iterator[bytes]:
    """The bytes of a member, unpacked, in chunks of at most ``chunk_bytes``.

    Raises:
        ReaderError: the member is encrypted, too large, packed too tightly to be honest, or damaged.
    """
    if not _is_zip(archive.source):
        path = archive.source / member.path if archive.source.is_dir() else archive.source
        with _reading(member.path), path.open("rb") as file:
            packed_with_gzip = archive.source.is_file() and file.peek(2).startswith(b"\x1f\x8b")
            yield from _ungzipped(file, member, chunk_bytes) if packed_with_gzip else _chunks(file, chunk_bytes)
        return
    with _reading(member.path), zipfile.ZipFile(archive.source) as packed:
        info = packed.getinfo(member.path)
        _refuse_unsafe(info)
        with packed.open(info) as unpacked:
            yield from _chunks(unpacked, chunk_bytes)


def whole(archive: Archive, member: Member) -> bytes:
    """All bytes of a member that is read at once, as XML and OBO are.

    Raises:
        ReaderError: as `stream`, or it is larger than ``MAX_WHOLE``.
    """
    parts, size = [], 0
    for chunk in stream(archive, member):
        parts.append(chunk)
        if (size := size + len(chunk)) > MAX_WHOLE:
            raise ReaderError(f"{member.path} is too large", expected=f"at most {MAX_WHOLE:,} bytes")
    return b"".join(parts)


def _is_zip(path: Path) -> bool:
    return path.is_file() and zipfile.is_zipfile(path)


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what a damaged or forbidden file raises into a ``ReaderError`` that names it."""
    try:
        yield
    except _DAMAGE as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise ReaderError(f"{name} is damaged ({why})", then="download the release again") from error


def _chunks(file: IO[bytes] | gzip.GzipFile, chunk_bytes: int) -> Iterator[bytes]:
    while chunk := file.read(chunk_bytes):
        yield chunk


def _ungzipped(file: BinaryIO, member: Member, chunk_bytes: int) -> Iterator[bytes]:
    """The bytes of a file that was packed by itself; its size is known only as it comes out."""
    size, most = 0, max(_RATIO_FREE_BYTES, min(MAX_RATIO * member.size, MAX_BYTES))
    with gzip.open(file) as unpacked:
        for chunk in _chunks(unpacked, chunk_bytes):
            size += len(chunk)
            if size > most:
                raise ReaderError(f"{member.path} unpacks to too much", expected=f"at most {most:,} bytes")
            yield chunk


def _refuse_unsafe(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & 0x1:
        raise ReaderError(f"{info.filename} is encrypted", then="unpack it with its password and give the folder")
    if info.file_size > MAX_BYTES:
        raise ReaderError(
            f"{info.filename} is too large", got=f"{info.file_size} bytes", expected=f"at most {MAX_BYTES}"
        )
    if info.file_size > _RATIO_FREE_BYTES and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        ratio = info.file_size // max(info.compress_size, 1)
        raise ReaderError(f"{info.filename} unpacks to {ratio} times its size", expected=f"at most {MAX_RATIO} times")


def _members_of_zip(path: Path) -> list[Member]:
    with _reading(path.name), zipfile.ZipFile(path) as packed:
        infos = [info for info in packed.infolist() if not info.is_dir()]
    if any(not info.orig_filename.isprintable() for info in infos):  # zipfile cuts a name off at its first NUL
        raise ReaderError(f"{path.name} holds a file whose name has control characters", then="use another zip")
    return [Member(info.filename, info.file_size) for info in infos]


def _member_of_folder(file: Path, folder: Path) -> Member:
    return Member(file.relative_to(folder).as_posix(), file.stat().st_size)


def _is_left_behind(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return any(part == "__MACOSX" or (part.startswith(".") and part != "..") for part in parts)
