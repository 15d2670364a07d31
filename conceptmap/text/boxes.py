"""Check boxes in a line: before the findings, behind them, or beside the answers to a question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from conceptmap.text.answers import answer_words
from conceptmap.text.pairs import Answered

__all__ = ["BOX", "MAYBE_BOX", "BoxStyle", "boxed"]

_DRAWN: Final = "\u2610\u2611\u2612\u2713\u2714\u2717\u2718\u25a1\u25a2\u25a0\u25a3\u25cb\u25ef\u25cf\u25c9"
BOX: Final = re.compile(
    r"(?P<square>\[[ _]?(?:[xX\u2713\u2714\u2717\u2718*]|_[xX]_)?[ _]?\])"
    r"|(?P<round>(?<![A-Za-mo-xz0-9])\([ _]?[xX\u2713\u2714]?[ _]?\))"
    r"|(?P<curly>\{[ ]?[xX\u2713]?[ ]?\})|(?P<angle><[ ]?[xX]?[ ]?>)"
    r"|(?P<sign>[(\[<][ ]?(?:[+\-\u2013]|pos|neg)[ ]?[)\]>])"
    rf"|(?P<drawn>[{_DRAWN}]\ufe0f?)"
    r"|(?P<line>(?<![A-Za-z0-9])_{1,}[xX\u2713]_{1,}|(?<![A-Za-z0-9*\[])_{2,}(?![A-Za-z0-9*\]]))"
)
"""Anything that may be a check box."""

MAYBE_BOX: Final = re.compile(
    rf"[\[({{<_{_DRAWN}](?:"
    r"(?<=[\[({<])[ _]?(?:[xX+\-\u2013*\u2713\u2714\u2717\u2718]|_[xX]_|pos|neg)?[ _]?[\])}>]|(?<=_)[xX_\u2713]"
    rf"|(?<=[{_DRAWN}]))"
)
"""The same, quick to look for."""

_EMPTY: Final = frozenset("\u2610\u25a1\u25a2\u25cb\u25ef")
_CROSSES: Final = frozenset("\u2717\u2718\u2612")
_TICKS: Final = frozenset("\u2713\u2714\u2611")
_FILLED: Final = frozenset("\u25a0\u25a3\u25cf\u25c9")
_OPTION_AFTER: Final = re.compile(r"\s*([A-Za-z][A-Za-z/]*(?: in remission)?)(?![A-Za-z])[.,;]?")
_OPTION_BEFORE: Final = re.compile(r"(?:(?<=[\s:|/,;(])|^)([A-Za-z]+)\s*\Z")
_BULLET: Final = re.compile(r"\s*(?:(?:[-\u2013*\u2022>#~]+|\(?\d{1,3}[.)])\s+)?")
_END: Final = re.compile(r"\.\s|\t| {4,}")
_OPTIONS: Final = frozenset({"yes", "no", "past", "blank"})
_NO_OPTIONS: Final = frozenset("mild moderate severe chronic stable controlled uncontrolled history hx old".split())


@dataclass(frozen=True, slots=True)
class BoxStyle:
    """Which drawn marks are boxes in a note: dots and squares are bullets where none is empty."""

    filled: bool
    lines: bool
    crosses: bool

    @classmethod
    def of(cls, text: str) -> BoxStyle:
        """The style of a note."""
        marks = set(text)
        empty = bool(marks & _EMPTY)
        return cls(empty, "_" in marks and bool(re.search(r"_[xX\u2713]_", text)), bool(marks & _TICKS) and not empty)

    def checked(self, match: re.Match[str]) -> bool | None:
        """Whether a box is ticked; None where it is no box."""
        written, kind = match[0], match.lastgroup
        if kind == "sign":
            return "+" in written or "pos" in written.lower()
        if kind == "line":
            return None if not self.lines else any(c in "xX\u2713" for c in written)
        if kind == "drawn":
            mark = written[0]
            if mark in _FILLED and not self.filled:
                return None
            return mark in _FILLED or mark in _TICKS or (mark in _CROSSES and not self.crosses)
        return any(c in "xX\u2713\u2714\u2717\u2718*" for c in written)


@dataclass(frozen=True, slots=True)
class _Box:
    start: int
    end: int
    checked: bool


def boxed(text: str, start: int, end: int, style: BoxStyle) -> list[Answered]:
    """The findings and questions of a line that a box answers, left to right; empty where it has no boxes."""
    found = []
    for match in BOX.finditer(text, start, end):
        checked = style.checked(match)
        if checked is not None:
            found.append(_Box(*match.span(), checked))
    if not found:
        return []
    opening = _BULLET.match(text, start, found[0].start)
    begin = opening.end() if opening else start
    options = _options(text, begin, end, found)
    return options or list(_governed(text, begin, end, found))


def _governed(text: str, start: int, end: int, boxes: Sequence[_Box]) -> Iterator[Answered]:
    """Each box with the text beside it: behind the box, or before it where the line ends in one."""
    lead, rest = text[start : boxes[0].start].strip(), text[boxes[-1].end : end].strip(" \t.,;|")
    behind = bool(lead) and not rest  # the boxes stand behind what they are for
    for number, box in enumerate(boxes):
        if behind:
            first, last = boxes[number - 1].end if number else start, box.start
        else:
            first, last = box.end, boxes[number + 1].start if number + 1 < len(boxes) else end
            stop = _END.search(text, first, last) if text[first:last].strip() else None
            last = stop.start() if stop and text[first : stop.start()].strip() else last
        while first < last and (text[first].isspace() or text[first] in ",;|"):
            first += 1
        if first < last:
            yield Answered(first, last, "yes" if box.checked else "no", box.start, box.end)


def _options(text: str, start: int, end: int, boxes: Sequence[_Box]) -> list[Answered]:
    """Questions whose answers have a box each: "Gout: [ ] yes [x] no", "Y[ ] N[x] gout"."""
    lead = _OPTION_BEFORE.search(text[start : boxes[0].start])
    before = lead is not None and _option(lead[1]) is not None
    groups: list[tuple[int, int, list[tuple[_Box, str]]]] = []
    floor = start  # where the next question may begin
    for number, box in enumerate(boxes):
        if before:
            match = _OPTION_BEFORE.search(text[floor : box.start])
            said = _option(match[1]) if match else None
            asked = (floor, floor + match.start(1)) if match else (floor, box.start)
            stop = box.end
        else:
            limit = boxes[number + 1].start if number + 1 < len(boxes) else end
            match = _OPTION_AFTER.match(text, box.end, limit)
            said = _option(match[1]) if match else None
            asked = floor, box.start
            stop = match.end() if match else box.end
        if said is None:
            return []
        if not groups or text[slice(*asked)].strip(" \t.,;|/"):
            groups.append((*asked, []))
        groups[-1][2].append((box, said))
        floor = stop
    if text[floor:end].strip(" \t.,;|") and not text[groups[0][0] : groups[0][1]].strip() and len(groups) == 1:
        groups[0] = (floor, end, groups[0][2])
    return [_answered(text, *group) for group in groups if text[group[0] : group[1]].strip()]


def _option(word: str) -> str | None:
    said = answer_words().get(word.lower())
    return said if said in _OPTIONS and word.lower() not in _NO_OPTIONS else None


def _answered(text: str, start: int, end: int, options: Sequence[tuple[_Box, str]]) -> Answered:
    ticked = {said for box, said in options if box.checked}
    while start < end and (text[start].isspace() or text[start] in ",;|."):
        start += 1
    said = ticked.pop() if len(ticked) == 1 else "blank"
    return Answered(start, end, said, options[0][0].start, options[-1][0].end)
