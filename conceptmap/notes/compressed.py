"""Streams that can be read twice, unpacked and turned into UTF-8 while they are read."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from conceptmap.errors import MissingExtraError

__all__ = ["PACKED", "Opener", "recoded", "spooled", "unpacked", "without_packing"]

Opener = Callable[[], contextlib.AbstractContextManager[BinaryIO]]
PACKED = {"gzip": ".gz", "zstandard": ".zst"}
"""Suffixes by the names that `unpacked` takes."""
READ_AT_ONCE = 1 << 17


def without_packing(name: str) -> str:
    """A file's name without the suffix of its compression.

    >>> without_packing("notes.csv.zst"), without_packing("notes.csv")
    ('notes.csv', 'notes.csv')
    """
    for suffix in PACKED.values():
        name = name.removesuffix(suffix)
    return name


def spooled(stream: BinaryIO) -> Opener:
    """Keep a stream in an unnamed temporary file, so that it can be read twice."""
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the opener below
    shutil.copyfileobj(stream, spool)

    @contextlib.contextmanager
    def reopen() -> Iterator[BinaryIO]:
        spool.seek(0)
        yield spool

    weakref.finalize(reopen, spool.close)
    return reopen


def unpacked(packed: Opener, kind: str) -> Opener:
    """The content of a compressed stream.

    Args:
        packed: opens the stream.
        kind: ``"gzip"`` or ``"zstandard"``.

    Raises:
        MissingExtraError: zstandard is not installed.
    """
    if kind == "zstandard":
        decompressor = _zstandard()

    @contextlib.contextmanager
    def reopen() -> Iterator[BinaryIO]:
        with packed() as file:
            if kind == "gzip":
                with gzip.GzipFile(fileobj=file) as content:
                    yield cast(BinaryIO, content)
            else:
                raw = cast(io.RawIOBase, _Frames(file, decompressor))
                yield cast(BinaryIO, io.BufferedReader(raw, READ_AT_ONCE))

    return reopen


def recoded(stream: Opener, encoding: str) -> Opener:
    """A stream of text as UTF-8; a byte that its encoding does not have stays as it is, and is no UTF-8 then.

    Args:
        stream: opens it.
        encoding: what it is in.
    """

    @contextlib.contextmanager
    def reopen() -> Iterator[BinaryIO]:
        with stream() as file:
            yield cast(BinaryIO, io.BufferedReader(_Recoded(file, encoding), READ_AT_ONCE))

    return reopen


class _Recoded(io.RawIOBase):
    """The text of a binary stream as UTF-8."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - writable memory of any kind
        while not self._ready:
            data = self._file.read(READ_AT_ONCE)
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:  # cut off within a character
                raise EOFError from error
            self._ready = text.encode("utf-8", "surrogateescape")
            if not data:
                break
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def _zstandard() -> Callable[[], Any]:
    """Makes decompressors of one frame each."""
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtraError("zstandard", extra="zstd", purpose="reading .zst files") from error
    return lambda: zstandard.ZstdDecompressor().decompressobj()


class _Frames:
    """The content of Zstandard frames as a raw stream. The library's own reader takes a cut-off file for a whole one.

    Raises:
        EOFError: the stream ends within a frame.
    """

    closed = False

    def __init__(self, file: BinaryIO, decompressor: Callable[[], Any]) -> None:
        self._file, self._new = file, decompressor
        self._frame: Any = None
        self._left = b""
        self._ready = b""

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def readinto(self, buffer: memoryview) -> int:
        while not self._ready:
            packed = self._left or self._file.read(READ_AT_ONCE)
            self._left = b""
            if not packed:
                if self._frame is not None:
                    raise EOFError
                return 0
            self._frame = self._frame or self._new()
            try:
                self._ready = self._frame.decompress(packed)
            except Exception as error:
                if type(error).__name__ != "ZstdError":
                    raise
                raise EOFError from error
            if self._frame.eof:
                self._left, self._frame = self._frame.unused_data, None
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size
