r"""A note as it is read: markup as line ends and blanks, split and decorated words as words; and the way back.

Spans found in a view are mapped to the original, so that ``note[start:end]`` stays what the note says. A note without
markup or special characters is its own view, and costs one look for them.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from conceptmap.errors import InputError
from conceptmap.text.markup import MARKUP, markup_pieces

__all__ = ["View", "all_seen", "seen", "view_of"]

Piece = tuple[int, int, str]
"""A half-open stretch of the original and what is read in its place."""

_GREEK: Final = {
    "α": "alpha",
    "β": "beta",
    "ϐ": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "epsilon",
    "ζ": "zeta",
    "η": "eta",
    "θ": "theta",
    "κ": "kappa",
    "λ": "lambda",
    "σ": "sigma",
    "τ": "tau",
    "ω": "omega",
}  # mu is the sign of a millionth
_INVISIBLE: Final = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff"
_MARKS: Final = "\u0300-\u034e\u0350-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
_SUPERSCRIPTS: Final = "\u00b2\u00b3\u00b9\u2070\u2074-\u2079"
_SUBSCRIPTS: Final = "\u2080-\u2089"
_HYPHENS: Final = "\u2010\u2011\u2212\ufe63\uff0d"
_SPECIAL: Final = re.compile(
    rf"(?P<invisible>[{_INVISIBLE}]+)"
    rf"|(?P<marked>[^\W\d_][{_MARKS}]+)"
    rf"|(?P<mark>[{_MARKS}]+)"
    rf"|(?P<footnote>(?<=[^\W\d_]{{3}})[{_SUPERSCRIPTS}]+(?:[,\u02d2-][{_SUPERSCRIPTS}]+)*)"
    rf"|(?P<digit>[{_SUBSCRIPTS}])"
    r"|(?P<ligature>[\ufb00-\ufb06\uff01-\uff0c\uff0e-\uff5e])"
    rf"|(?P<hyphen>[{_HYPHENS}])"
    rf"|(?P<greek>[{''.join(_GREEK)}])"
)
_MAYBE: Final = re.compile(
    rf"[{_INVISIBLE}{_MARKS}{_SUPERSCRIPTS}{_SUBSCRIPTS}{_HYPHENS}\ufb00-\ufb06\uff01-\uff5e{''.join(_GREEK)}]"
)
_SPLIT_WORD: Final = re.compile(r"(?<=[a-z]{2})-[ \t]*\r?\n[ \t]*(?=[a-z]{2})")
_WORD_BEFORE: Final = re.compile(r"[A-Za-z]+\Z")
_WORD_AFTER: Final = re.compile(r"[a-z]+")
_KEEPS_HYPHEN_BEFORE: Final = frozenset(
    "non self well post pre anti co ex re follow low high left right long short all end full half large small age"
    " beta alpha gamma drug dose risk time day week month year life blood immune work check side mid once twice first"
    " second third one two three four five six seven eight nine ten over under up down on off in out by bed".split()
)
_KEEPS_HYPHEN_AFTER: Final = frozenset(
    "dependent related induced associated positive negative sided acquired onset like free up down known grade type"
    " based resistant sensitive specific threatening bearing standing acting releasing borne old term blocker blockers"
    " and or to out in on of day days week weeks month months year years hour hours".split()
)


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """What is read of a note, and where each of its characters stands in the note.

    Attributes:
        original: the note as it is.
        text: what is read: the same string where nothing had to change.
        starts: first code point in the original of each character of ``text``; empty where nothing changed.
        ends: one past the last.
    """

    original: str
    text: str
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """A half-open span of ``text`` in the original.

        >>> view = view_of("Crohn&#39;s disease")
        >>> view.text, view.span(0, 7)
        ("Crohn's disease", (0, 11))
        """
        return (self.starts[start], self.ends[end - 1]) if self.starts else (start, end)


def seen(view: View, start: int, end: int) -> tuple[int, int]:
    """A half-open span of the original in what is read of it; at least the character there or before it.

    Raises:
        InputError: the span is empty or reaches beyond the note.

    >>> seen(view_of("Crohn&#39;s disease"), 0, 11)
    (0, 7)
    """
    if not 0 <= start < end <= len(view.original):
        expected = f"within 0 and {len(view.original)}"
        raise InputError("a span is outside its note", got=(start, end), expected=expected)
    if not view.starts:
        return start, end
    first = min(bisect_right(view.ends, start), max(len(view.text) - 1, 0))
    return first, max(bisect_left(view.starts, end), first + 1)


def all_seen(
    notes: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]]
) -> tuple[list[str], list[list[tuple[int, int]]]]:
    """What is read of each note, and where its spans are in that."""
    views = [view_of(note) for note in notes]
    return [view.text for view in views], [
        [seen(view, *span) for span in here] for view, here in zip(views, spans, strict=True)
    ]


def view_of(text: str) -> View:
    r"""The view of a note.

    >>> view_of("No fever<br>Pneu\u00admonia").text
    'No fever\nPneumonia'
    """
    pieces: list[Piece] = []
    if MARKUP.search(text):
        pieces = markup_pieces(text)
    if "-\n" in text or "-\r" in text or "- \n" in text:
        pieces += _split_words(text)
    if not text.isascii() and _MAYBE.search(text):
        pieces += _special_characters(text)
    return _replaced(text, pieces) if pieces else View(text, text)


def _replaced(text: str, pieces: list[Piece]) -> View:
    """The view in which stretches are replaced; of overlapping ones the first and longest counts."""
    pieces.sort(key=lambda piece: (piece[0], -piece[1]))
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for start, stop, said in [*pieces, (len(text), len(text), "")]:
        if start < at:
            continue
        parts += [text[at:start], said]
        starts += range(at, start)
        ends += range(at + 1, start + 1)
        starts += [start] * len(said)
        ends += [stop] * len(said)
        at = stop
    return View(text, "".join(parts), tuple(starts), tuple(ends))


def _split_words(text: str) -> Iterator[Piece]:
    """Hyphens at line ends: taken out with the line end where one word was cut, else only the line end."""
    for match in _SPLIT_WORD.finditer(text):
        start, stop = match.span()
        before, after = _WORD_BEFORE.search(text, max(0, start - 40), start), _WORD_AFTER.match(text, stop)
        assert before is not None
        assert after is not None
        keeps = before[0].lower() in _KEEPS_HYPHEN_BEFORE or after[0] in _KEEPS_HYPHEN_AFTER
        yield (start + 1 if keeps else start), stop, ""


def _special_characters(text: str) -> Iterator[Piece]:
    for match in _SPECIAL.finditer(text):
        read = _READ[match.lastgroup or ""](match)
        if read != match[0]:
            yield match.start(), match.end(), read


def _composed(match: re.Match[str]) -> str:
    """A letter with its marks in one character; without them where there is none."""
    whole = unicodedata.normalize("NFC", match[0])
    return whole if len(whole) == 1 else match[0][0]


def _greek(match: re.Match[str]) -> str:
    """The name of a Greek letter, told apart from a digit or letter beside it: "alpha-1"."""
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    lead = "-" if before.isalnum() else ""
    return lead + _GREEK[match[0]] + ("-" if after.isalnum() and after not in _GREEK else "")


_READ: Final[dict[str, Callable[[re.Match[str]], str]]] = {
    "invisible": lambda _: "",
    "marked": _composed,
    "mark": lambda _: "",
    "footnote": lambda _: " ",
    "digit": lambda match: unicodedata.normalize("NFKC", match[0]),
    "ligature": lambda match: unicodedata.normalize("NFKC", match[0]),
    "hyphen": lambda _: "-",
    "greek": _greek,
}
