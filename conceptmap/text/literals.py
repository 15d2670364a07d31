"""What a text must hold for a pattern to be found in it: one look for plain words spares most searches.

A table asks its patterns of the whole of every note, and few of them are found. Each needs one of some words, such as
"stenos" or "clot"; where a note has none of them the pattern is not looked for, and nothing else changes.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final

__all__ = ["all_of", "first_of", "in_small_letters", "may_hold", "needed"]

_SHORTEST: Final = 3
_MOST: Final = 80
_FIRST_ASKED: Final = 5
_OFTEN: Final = 40
_SAME: Final = str.maketrans({"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"})
"""Letters that a pattern takes for ASCII ones where case is ignored."""


def first_of(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """``pattern.search(text)``."""
    return pattern.search(text) if may_hold(pattern, text) else None


def all_of(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """``pattern.finditer(text)``."""
    return pattern.finditer(text) if may_hold(pattern, text) else iter(())


def may_hold(pattern: re.Pattern[str], text: str) -> bool:
    r"""False only where a pattern is not found in a text; always True the first few times that it is asked for.

    >>> clot = re.compile(r"\b(?:thrombus|clots?)\b", re.IGNORECASE)
    >>> [may_hold(clot, text) for text in ["No fever."] * 6 + ["Not a Clot."]]
    [True, True, True, True, True, False, True]
    """
    need = _needs.get(id(pattern))
    if need is None:
        need = _needs[id(pattern)] = _Need(pattern)
    need.asked += 1
    if need.asked <= _FIRST_ASKED:  # reading the pattern pays only when it is asked of many texts
        return True
    if need.words is None:
        need.words = needed(need.pattern)
    folded, same_places = _folded(text)
    if need.words and not any(word in folded for word in need.words):
        return False
    if need.asked == _OFTEN:
        need.small = in_small_letters(need.pattern)
    return need.small is None or not same_places or need.small.search(folded) is not None


class _Need:
    __slots__ = ("asked", "pattern", "small", "words")

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern  # kept, so that no other has its number; to hash one takes as long as a search
        self.asked = 0
        self.words: tuple[str, ...] | None = None
        self.small: re.Pattern[str] | None = None


_needs: dict[int, _Need] = {}


@lru_cache(maxsize=4)
def _folded(text: str) -> tuple[str, bool]:
    """A text in small letters, and whether each of its characters keeps its place there."""
    folded = text.lower() if text.isascii() else text.translate(_SAME).lower()
    return folded, len(folded) == len(text)


def in_small_letters(pattern: re.Pattern[str]) -> re.Pattern[str] | None:
    r"""A pattern that finds in the small letters of a text what the given one finds in the text, and three times as
    fast as ignoring case. None where it does not ignore case throughout, or asks for letters beyond ASCII.

    >>> in_small_letters(re.compile(r"\bPICC\W", re.IGNORECASE)).pattern, in_small_letters(re.compile("PICC"))
    ('\\bpicc\\W', None)
    """
    if pattern.flags != re.IGNORECASE | re.UNICODE or _SCOPED.search(pattern.pattern):
        return None
    if any(character > "\x7f" and character.isalpha() for character in pattern.pattern):
        return None
    return re.compile(_KEPT.sub(lambda part: part[0] if part[0][0] in "\\(" else part[0].lower(), pattern.pattern))


_KEPT: Final = re.compile(r"\\.|\(\?P|[A-Z]+", re.DOTALL)
_SCOPED: Final = re.compile(r"\(\?[aiLmsux-]|\\[xuUN0-7]|[^\Wa-z]-[a-z]|[^\WA-Z]-[A-Z]|\W-[A-Za-z]\]")
"""Parts of a pattern with flags of their own, characters by number, and ranges that only begin outside the letters."""


def needed(pattern: re.Pattern[str]) -> tuple[str, ...]:
    r"""Words in lower case of which each match of a pattern holds one; none where no such words are known.

    >>> needed(re.compile(r"\b(?:thrombosis|clots?) in the arm")), needed(re.compile(r"\bclots?|x+"))
    ((' in the arm',), ())
    """
    try:
        parsed = importlib.import_module("re._parser").parse(pattern.pattern, pattern.flags)
    except (ImportError, AttributeError):  # a Python that keeps it elsewhere: every pattern is looked for
        return ()
    return _of_sequence(parsed)


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
