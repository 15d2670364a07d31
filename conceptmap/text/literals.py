r"""What a text must hold for a pattern to be found in it: patterns are tried only where they may begin.

A table asks its patterns of the whole of every note, and few of them are found. Where the first letters of all of a
pattern's matches are known, it is tried at the words that begin with them, of which an index of the note knows the
places. Of another pattern some words may be known of which each match holds one, such as "stenos" or "clot"; where a
note has none of them the pattern is not looked for. Nothing else changes. Of the rows of a table, ``Rows`` gives those
whose patterns may be found, by one look at the note's words for all of them. A new pattern, or row, needs nothing but
to be asked for here, and to open with ``\b`` and a word if it is to cost nothing where that word is not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Final, Generic, TypeVar

from conceptmap.text.beginnings import DIGIT, LETTERS, beginnings, parsed

__all__ = ["Rows", "all_of", "first_of", "needed"]

Row = TypeVar("Row")

_SHORTEST: Final = 3
_MOST: Final = 80
_FIRST_ASKED: Final = 5
_ZERO: Final = "0"
_BEFORE_WORD: Final = re.compile(r" (?=\S)")
_SAME: Final = str.maketrans({"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"})
"""Letters that a pattern takes for ASCII ones where case is ignored."""


def first_of(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    r"""``pattern.search(text)``.

    >>> clot = re.compile(r"\b(?:thrombus|clots?)\b", re.IGNORECASE)
    >>> [first_of(clot, text) is not None for text in ["No fever."] * 6 + ["Not a Clot."]]
    [False, False, False, False, False, False, True]
    """
    return next(all_of(pattern, text), None)


def all_of(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """``pattern.finditer(text)``."""
    need = _need(pattern)
    need.asked += 1
    if need.asked <= _FIRST_ASKED:  # reading the pattern pays only when it is asked of many texts
        return pattern.finditer(text)
    if not need.is_read:
        need.read()
    words = _Words.of(text)
    if need.beginnings and words.keep_places:
        begun = need.words_begun & words.beginnings  # of two sets: that of a dictionary's keys goes through the larger
        if not begun:
            return iter(())
        tried = [place for word in begun for letters in need.beginnings[word] for place in words.places(letters)]
        return _matches(pattern, text, sorted(tried))
    found = not need.words or any(word in words.folded for word in need.words)
    return pattern.finditer(text) if found else iter(())


def _matches(pattern: re.Pattern[str], text: str, places: Sequence[int]) -> Iterator[re.Match[str]]:
    """The matches that begin at one of some places, none overlapping the one before."""
    end = 0
    for place in places:
        if place >= end and (match := pattern.match(text, place)) is not None:
            yield match
            end = match.end()


class _Need:
    __slots__ = ("asked", "beginnings", "is_read", "pattern", "words", "words_begun")

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern  # kept, so that no other has its number; to hash one takes as long as a search
        self.asked = 0
        self.is_read = False
        self.beginnings: dict[str, list[str]] = {}
        self.words_begun: frozenset[str] = frozenset()
        self.words: tuple[str, ...] = ()

    def read(self) -> None:
        """Read the pattern: what its matches begin with, by the part of it that is of the first word."""
        for letters in beginnings(self.pattern):
            plain = _ZERO if letters == DIGIT else letters.translate(_PLAIN)
            self.beginnings.setdefault(plain.split()[0], []).append(f" {plain}")
        self.words_begun = frozenset(self.beginnings)
        self.words = needed(self.pattern)
        self.is_read = True


_needs: dict[int, _Need] = {}


def _need(pattern: re.Pattern[str]) -> _Need:
    found = _needs.get(id(pattern))
    if found is None:
        found = _needs[id(pattern)] = _Need(pattern)
    return found


class Rows(Generic[Row]):
    r"""The rows of a table, each with a pattern.

    >>> rows = Rows(["clot", "pus"], lambda word: re.compile(rf"\b{word}"))
    >>> [rows.of(text) for text in ["No fever."] * 6 + ["A clot."]][4:]
    [['clot', 'pus'], [], ['clot']]
    """

    def __init__(self, rows: Sequence[Row], pattern: Callable[[Row], re.Pattern[str]]) -> None:
        self._rows = rows
        self._patterns = [pattern(row) for row in rows]
        self._asked = 0
        self._begun: dict[str, set[int]] = {}
        self._words_begun: frozenset[str] = frozenset()
        self._always: set[int] = set()

    def of(self, text: str) -> Sequence[Row]:
        """The rows whose patterns a text may hold, in their order; all for the first few texts."""
        self._asked += 1
        words = _Words.of(text)
        if self._asked <= _FIRST_ASKED or not words.keep_places:
            return self._rows
        if not self._words_begun:
            self._read()
        begun = self._words_begun & words.beginnings
        return [self._rows[number] for number in sorted(self._always.union(*(self._begun[word] for word in begun)))]

    def _read(self) -> None:
        for number, pattern in enumerate(self._patterns):
            need = _need(pattern)
            if not need.is_read:
                need.read()
            for word in need.words_begun:
                self._begun.setdefault(word, set()).add(number)
            if not need.words_begun:
                self._always.add(number)
        self._words_begun = frozenset(self._begun)


class _Words:
    """A text in small letters, and where its words begin with which letters."""

    def __init__(self, text: str) -> None:
        self.folded = text.lower() if text.isascii() else text.translate(_SAME).lower()
        self.keep_places = len(self.folded) == len(text)
        self._plain = f" {self.folded.translate(_PLAIN)}"
        self._places: dict[str, list[int]] = {}

    @staticmethod
    @lru_cache(maxsize=4)
    def of(text: str) -> _Words:
        """Those of a text; the last few are kept, since all patterns are asked of one note after the other."""
        return _Words(text)

    @cached_property
    def _by_letters(self) -> Mapping[str, Sequence[int]]:
        """Where words begin, by their first letters; a blank stands behind the last of a shorter word."""
        plain, found = self._plain + " " * LETTERS, defaultdict[str, list[int]](list)
        for match in _BEFORE_WORD.finditer(plain):
            place = match.start()
            found[plain[place + 1 : place + 1 + LETTERS]].append(place)
        return dict(found)

    @cached_property
    def beginnings(self) -> frozenset[str]:
        """The first letters of all words: one, two and three of them."""
        shorter = {letters.partition(" ")[0] for letters in self._by_letters}
        begun = set(shorter)
        for n in reversed(range(1, LETTERS)):
            shorter = {letters[:n] for letters in shorter}
            begun |= shorter
        return frozenset(begun)

    def places(self, letters: str) -> Sequence[int]:
        """Where, in order, a blank stands before some letters, and so in the text itself a word begins with them."""
        if len(letters) == 1 + LETTERS:
            return self._by_letters.get(letters[1:], ())
        found = self._places.get(letters)
        if found is None:
            found = self._places[letters] = []
            place = self._plain.find(letters)
            while place >= 0:
                found.append(place)
                place = self._plain.find(letters, place + 1)
        return found


class _Plain(dict[int, str]):
    """Characters as beginnings are compared by them: one digit for all, and a blank for what is in no word."""

    def __missing__(self, number: int) -> str:
        character = chr(number)
        in_word = character.isalnum() or character == "_"
        self[number] = _ZERO if character.isdecimal() else character if in_word else " "
        return self[number]


_PLAIN: Final = _Plain()


def needed(pattern: re.Pattern[str]) -> tuple[str, ...]:
    r"""Words in lower case of which each match of a pattern holds one; none where no such words are known.

    >>> needed(re.compile(r"\b(?:thrombosis|clots?) in the arm")), needed(re.compile(r"\bclots?|x+"))
    ((' in the arm',), ())
    """
    return _of_sequence(parsed(pattern))


def _of_sequence(items: Iterable[tuple[Any, Any]]) -> tuple[str, ...]:
    """The best that one item, or the literals beside each other, ask for."""
    found: list[tuple[str, ...]] = []
    run = ""
    for op, given in items:
        if str(op) == "LITERAL" and given < 128:
            run += chr(given).lower()
            continue
        found.append((run,))
        run = ""
        found.append(_of_item(str(op), given))
    found.append((run,))
    good = [words for words in found if words and len(words) <= _MOST and min(map(len, words)) >= _SHORTEST]
    return max(good, key=lambda words: (min(map(len, words)), -len(words)), default=())


def _of_item(op: str, given: Any) -> tuple[str, ...]:  # noqa: ANN401 - as the parser of patterns gives it
    if op == "SUBPATTERN":
        return _of_sequence(given[-1])
    if op == "ATOMIC_GROUP":
        return _of_sequence(given)
    if op in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT") and given[0] > 0:
        return _of_sequence(given[2])
    if op == "BRANCH":
        branches = [_of_sequence(branch) for branch in given[1]]
        return tuple(dict.fromkeys(word for words in branches for word in words)) if all(branches) else ()
    return ()
