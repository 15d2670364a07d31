"""Text to model pieces with exact offsets, whatever the tokenizer family (WordPiece, byte-level BPE, Unigram).

Offsets are code points of the original note and never have white space at an edge. The tokenizer's own truncation and
padding are switched off, and so is its reading of special tokens in a note ("[SEP]"): note text is only text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from conceptmap.text.words import words

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Pieces", "Tokeniser", "WordTokeniser", "tokeniser"]

_LAST_SPACE = 0x3000
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces of one note, in reading order, without special tokens.

    Attributes:
        ids: model input ids. *Shape:* (n_pieces,) int64.
        start: first code point, int64; equal to `end` for a piece that covers white space only.
        end: one past the last code point, int64.
        breaks: how good it is to start a window here: 2 after a line break, 1 after a sentence end, else 0. uint8.
    """

    ids: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    breaks: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Tokeniser:
    """A fast tokenizer and the special tokens that its model expects around a text."""

    backend: Tokenizer
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """Cut notes into pieces with offsets."""
        clean = [_without_surrogates(text) for text in texts]
        encodings = self.backend.encode_batch(clean, add_special_tokens=False)
        return [_pieces(text, encoding.ids, encoding.offsets) for text, encoding in zip(clean, encodings, strict=True)]

    def backend_ids(self, text: str) -> NDArray[np.int64]:
        """Ids of a text without special tokens."""
        return np.array(self.backend.encode(text, add_special_tokens=False).ids, dtype=np.int64)

    def inputs(self, texts: Sequence[str], length: int) -> list[NDArray[np.int64]]:
        """Model inputs of short texts, special tokens included, at most `length` ids each."""
        room = length - len(self.prefix) - len(self.suffix)
        clean = [_without_surrogates(text) for text in texts]
        encodings = self.backend.encode_batch_fast(clean, add_special_tokens=False)
        return [self.wrap(np.array(encoding.ids[:room], dtype=np.int64)) for encoding in encodings]

    def wrap(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Put the special tokens around a window."""
        return np.concatenate([np.array(self.prefix, np.int64), ids, np.array(self.suffix, np.int64)])


@dataclass(frozen=True, slots=True)
class WordTokeniser:
    """Whole words as pieces, for an encoder that takes strings; ``known`` has them in the order of their ids."""

    known: dict[str, int] = field(default_factory=dict)
    prefix: tuple[int, ...] = ()
    suffix: tuple[int, ...] = ()
    _one_by_one: Lock = field(default_factory=Lock)

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """Cut notes into words with offsets."""
        return [self._pieces(text) for text in texts]

    def _pieces(self, text: str) -> Pieces:
        found = words(text)
        start, end = np.array(found.start_char, np.int64), np.array(found.end_char, np.int64)
        with self._one_by_one:
            ids = [self.known.setdefault(text[a:b], len(self.known)) for a, b in zip(start, end, strict=True)]
        points = np.frombuffer(_without_surrogates(text).encode("utf-32-le"), dtype=np.uint32)
        return Pieces(np.array(ids, np.int64), start, end, _breaks(points, start, end))

    def backend_ids(self, text: str) -> NDArray[np.int64]:
        """Ids of the words of a text."""
        return self._pieces(text).ids

    def inputs(self, texts: Sequence[str], length: int) -> list[NDArray[np.int64]]:
        """Ids of the words of short texts, at most `length` each."""
        return [self._pieces(text).ids[:length] for text in texts]

    def wrap(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """A window as it is."""
        return ids


def tokeniser(backend: Tokenizer) -> Tokeniser:
    """Make a Tokeniser of a fast tokenizer, which is changed: no truncation, no padding, text is only text."""
    backend.no_truncation()
    backend.no_padding()
    mask = backend.encode("a", add_special_tokens=True)
    first = mask.special_tokens_mask.index(0)
    last = len(mask.ids) - mask.special_tokens_mask[::-1].index(0)
    backend.encode_special_tokens = True
    return Tokeniser(backend, tuple(mask.ids[:first]), tuple(mask.ids[last:]))


def _pieces(text: str, ids: list[int], offsets: list[tuple[int, int]]) -> Pieces:
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    spans = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    start, end = _trimmed(points, spans[:, 0], spans[:, 1])
    if not text.isascii():
        end = _over_marks(text, start, end)
    return Pieces(np.array(ids, dtype=np.int64), start, end, _breaks(points, start, end))


def _trimmed(
    points: NDArray[np.uint32], start: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Move both edges inwards over white space; a span of white space alone becomes empty."""
    size = len(points)
    if size == 0:
        return start.copy(), start.copy()
    ink = ~_space_table()[np.minimum(points, _LAST_SPACE + 1)]
    at = np.arange(size)
    following = np.minimum.accumulate(np.where(ink, at, size)[::-1])[::-1]
    preceding = np.maximum.accumulate(np.where(ink, at, -1))
    first = following[np.minimum(start, size - 1)]
    last = preceding[np.maximum(end - 1, 0)] + 1
    inked = (first < last) & (start < end)
    return np.where(inked, first, start), np.where(inked, last, start)


def _over_marks(text: str, start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """Stretch pieces over combining marks that the tokenizer dropped: "e" + U+0301 is one letter."""
    limit = np.append(start[1:], len(text))
    for i in np.flatnonzero((end > start) & (end < limit)):
        stop = int(end[i])
        while stop < limit[i] and unicodedata.category(text[stop])[0] == "M":
            stop += 1
        end[i] = stop
    return end


def _breaks(points: NDArray[np.uint32], start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Mark pieces that follow a line break (2) or sentence-closing punctuation and white space (1)."""
    breaks = np.zeros(len(start), dtype=np.uint8)
    if len(start) < 2:
        return breaks
    before, after = end[:-1], start[1:]
    closing = np.isin(points[np.maximum(before - 1, 0)], [ord(mark) for mark in ".!?;"])
    breaks[1:][closing & (after > before)] = 1
    lines = np.concatenate([[0], np.cumsum((points == 10) | (points == 13))])
    breaks[1:][lines[np.maximum(after, before)] > lines[before]] = 2
    return breaks


@cache
def _space_table() -> NDArray[np.bool_]:
    return np.array([chr(point).isspace() for point in range(_LAST_SPACE + 2)])


def _without_surrogates(text: str) -> str:
    """Replace lone surrogates, which no tokenizer takes, one for one; offsets stay."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.translate(_SURROGATES)
    return text
