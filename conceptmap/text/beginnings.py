"""How the matches of a pattern begin: the first letters of their first words, read from the pattern itself."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

__all__ = ["DIGIT", "LETTERS", "beginnings", "parsed"]

LETTERS: Final = 3
"""Letters of a beginning; fewer where the pattern does not say more."""
DIGIT: Final = "\\d"
"""The beginning of what begins with any digit."""
_MOST: Final = 400


class _Path(NamedTuple):
    """What a pattern has read so far: the first letters in lower case, and whether a word begins with them."""

    letters: str
    bounded: bool


class _Paths(NamedTuple):
    """Ways through a pattern: those that go on, and those of which nothing more is known."""

    going: frozenset[_Path]
    ended: frozenset[_Path] = frozenset()


class _UnknownError(Exception):
    """A match may begin inside a word, or with no word at all."""


def parsed(pattern: re.Pattern[str]) -> Iterable[tuple[Any, Any]]:
    """A pattern as Python's parser takes it apart; empty for a Python that keeps the parser elsewhere."""
    try:
        return importlib.import_module("re._parser").parse(pattern.pattern, pattern.flags)  # type: ignore[no-any-return]
    except (ImportError, AttributeError):
        return ()


def beginnings(pattern: re.Pattern[str]) -> tuple[str, ...]:
    r"""First letters, in lower case, of which each match of a pattern has one, all at the start of a word.

    None at all where matches may begin otherwise, or where that is not known.

    >>> beginnings(re.compile(r"\b(?:thrombus|clots?|O2|\d+ ml)\b")), beginnings(re.compile("clot"))
    (('\\d', 'clo', 'o2', 'thr'), ())
    """
    if pattern.flags & re.ASCII:
        return ()
    try:
        paths = _through(parsed(pattern), frozenset([_Path("", bounded=False)]))
    except _UnknownError:
        return ()
    found = {path.letters for path in paths.going | paths.ended}
    least = (letters for letters in found if not any(letters[:n] in found for n in range(len(letters))))
    return () if "" in found or len(found) > _MOST else tuple(sorted(least))


def _through(items: Iterable[tuple[Any, Any]], going: frozenset[_Path]) -> _Paths:
    """The paths after some items of a pattern."""
    ended: frozenset[_Path] = frozenset()
    for op, given in items:
        full = frozenset(path for path in going if len(path.letters) == LETTERS)
        going, ended = going - full, ended | full
        if not going:
            break
        paths = _past(str(op), given, going)
        going, ended = paths.going, ended | paths.ended
    return _Paths(going, ended)


def _past(op: str, given: Any, going: frozenset[_Path]) -> _Paths:  # noqa: ANN401 - as the parser of patterns gives it
    if op in ("LITERAL", "IN"):
        return _read([(op, given)] if op == "LITERAL" else given, going)
    if op in ("AT", "ASSERT", "ASSERT_NOT"):
        here = _is_bound(op, given)
        return _Paths(frozenset(_Path(path.letters, path.bounded or (here and not path.letters)) for path in going))
    if op == "SUBPATTERN":
        if given[1] & re.ASCII:
            raise _UnknownError
        return _through(given[-1], going)
    if op == "BRANCH":
        branches = [_through(branch, going) for branch in given[1]]
        return _Paths(frozenset().union(*(b.going for b in branches)), frozenset().union(*(b.ended for b in branches)))
    if op in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, repeated = given
        once, without = _through(repeated, going), going if least == 0 else frozenset()
        if most == 1:
            return _Paths(once.going | without, once.ended)
        return _Paths(without, once.going | once.ended)
    return _Paths(frozenset(), going)


def _read(characters: Iterable[tuple[Any, Any]], going: frozenset[_Path]) -> _Paths:
    """The paths after one of some characters."""
    read = [(str(op), given) for op, given in characters]
    if [(op, str(given)) for op, given in read] == [("CATEGORY", "CATEGORY_DIGIT")]:
        digits = frozenset(_Path(DIGIT, bounded=True) for path in going if path == _Path("", bounded=True))
        return _Paths(frozenset(), digits | {path for path in going if path.letters or not path.bounded})
    if any(op != "LITERAL" or given > 127 for op, given in read):  # beyond ASCII, letters have further forms
        return _Paths(frozenset(), going)
    return _Paths(frozenset(_longer(path, chr(given).lower()) for path in going for _, given in read))


def _longer(path: _Path, letter: str) -> _Path:
    if not path.letters and not (path.bounded and (letter.isalnum() or letter == "_")):
        raise _UnknownError
    return _Path(path.letters + letter, bounded=True)


def _is_bound(op: str, given: Any) -> bool:  # noqa: ANN401
    r"""Whether a word that begins behind an assertion begins there: behind ``\b``, ``(?<!\w)`` or ``(?<= )``."""
    if op == "AT":
        return str(given) == "AT_BOUNDARY"
    direction, looked_at = given
    items = [(str(op), what) for op, what in looked_at]
    if direction > 0 or not items:
        return False
    last, what = items[-1]
    if op == "ASSERT":
        return last == "LITERAL" and not (chr(what).isalnum() or what == ord("_"))
    return len(items) == 1 and last == "IN" and ("CATEGORY", "CATEGORY_WORD") in [(str(a), str(b)) for a, b in what]
