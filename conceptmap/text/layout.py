"""How a note is laid out: lines, items of lists, questions with their answers, check boxes, rows of signs, tables.

Everything that reads a note asks this one model: where a statement ends whatever its punctuation, and what a form
answers of the findings that it asks for. Prose has neither, and costs a look for the marks of forms.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from conceptmap.text.boxes import MAYBE_BOX, BoxStyle, boxed
from conceptmap.text.pairs import (
    Answered,
    bare,
    bracketed,
    marks_of_pairs,
    named_lists,
    pairs,
    questions,
    short_pairs,
    signs,
)
from conceptmap.text.tables import tables

__all__ = ["Entry", "Layout", "layout_of"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that a form answers; all offsets are half-open code points.

    Attributes:
        start_char: start of what is asked.
        end_char: its end.
        answer: "yes", "no", "past" (it was there), "blank" (nobody says), "error" (taken back).
        answer_start: start of the answer's own words or box.
        answer_end: its end.
        kind: "pair", "question", "bracket", "box", "sign", "table" or "list".
    """

    start_char: int
    end_char: int
    answer: str
    answer_start: int
    answer_end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a note.

    Attributes:
        entries: in order of their start, none overlapping another.
        breaks: places where a statement begins because the one before is finished, in order.
        items: places where the lines of a form or list begin that are no wrapped lines, in order.
    """

    entries: tuple[Entry, ...] = ()
    breaks: tuple[int, ...] = ()
    _starts: tuple[int, ...] = field(default=(), repr=False)

    def entry(self, start: int, end: int) -> Entry | None:
        r"""The entry that answers what stands at ``start``..``end``, if any.

        >>> layout_of("Fever: no\nCough: yes").entry(0, 5).answer
        'no'
        """
        number = bisect_right(self._starts, start) - 1
        if number < 0:
            return None
        entry = self.entries[number]
        return entry if end <= entry.end_char else None

    def breaks_between(self, start: int, end: int) -> bool:
        """Whether a statement begins after ``start`` and not after ``end``."""
        number = bisect_right(self.breaks, start)
        return number < len(self.breaks) and self.breaks[number] <= end


_LINE: Final = re.compile(r"[^\n\r\x0b\x0c\x85\u2028\u2029]+")
_PUNCTUATION: Final = " \t.,;:!)]}>|"


def layout_of(text: str) -> Layout:
    r"""The layout of a note.

    >>> [(entry.answer, entry.kind) for entry in layout_of("[x] gout [ ] asthma\nrash - none").entries]
    [('yes', 'box'), ('no', 'box'), ('no', 'pair')]
    """
    lines = [match.span() for match in _LINE.finditer(text) if not match[0].isspace()]
    found = list(_entries(text, lines))
    if not found:
        return _EMPTY
    found.sort(key=lambda entry: (entry.start_char, -entry.end_char))
    kept: list[Entry] = []
    for entry in found:
        if not kept or entry.start_char >= kept[-1].end_char:
            kept.append(entry)
    return Layout(tuple(kept), tuple(sorted(set(_breaks(text, kept)))), tuple(entry.start_char for entry in kept))


_EMPTY: Final = Layout()


def _entries(text: str, lines: Sequence[tuple[int, int]]) -> Iterator[Entry]:
    taken: set[int] = set()
    for number, found in tables(text, lines):
        taken.add(number)
        yield from _of(text, "table", found)
    yield from _of(text, "question", questions(text))
    yield from _of(text, "list", named_lists(text))
    signed = _signed_lines(text, lines)
    for asked in signed.values():
        yield Entry(*asked, "sign")
    taken |= signed.keys()
    starts = [start for start, _ in lines]
    boxes = _lines_of((match.start() for match in MAYBE_BOX.finditer(text)), starts) - taken
    style = BoxStyle.of(text) if boxes else None
    for number in sorted(boxes):
        found = boxed(text, *lines[number], style) if style is not None else []
        taken |= {number} if found else set()
        yield from _of(text, "box", found)
    marked = _lines_of(marks_of_pairs(text), starts)
    for number in sorted(marked - taken):
        yield from _line(text, *lines[number])
    for number in sorted(_lines_of(short_pairs(text), starts) - taken - marked):
        yield from _of(text, "pair", bare(text, *lines[number]))


def _lines_of(places: Iterator[int], starts: Sequence[int]) -> set[int]:
    """Numbers of the lines that some places lie in; lines begin at ``starts``."""
    return {max(bisect_right(starts, place) - 1, 0) for place in places} if starts else set()


def _line(text: str, start: int, end: int) -> Iterator[Entry]:
    marked = signs(text, start, end) if "+" in text[start:end] or "-" in text[start:end] else []
    if marked:
        yield from _of(text, "sign", marked)
        return
    yield from _of(text, "bracket", bracketed(text, start, end))
    yield from _of(text, "pair", pairs(text, start, end))


def _of(text: str, kind: str, found: Iterator[Answered] | Sequence[Answered]) -> Iterator[Entry]:
    for one in found:
        asked = text[one.start : one.end]
        end = one.start + len(asked.rstrip())
        start = end - len(asked.strip())
        if start < end:
            yield Entry(start, end, one.said, one.said_start, one.said_end, kind)


_SIGNED: Final = re.compile(r"[ \t]*([+\-\u2013])[ \t]*(?=[A-Za-z])")


def _signed_lines(text: str, lines: Sequence[tuple[int, int]]) -> dict[int, tuple[int, int, str, int, int]]:
    """Lines that begin with plus or minus, where neighbouring lines begin with the other: no bullets."""
    if "\n+" not in text and not text.startswith("+"):
        return {}
    out: dict[int, tuple[int, int, str, int, int]] = {}
    block: list[tuple[int, re.Match[str]]] = []
    for number, (start, end) in [*enumerate(lines), (len(lines), (len(text), len(text)))]:
        match = _SIGNED.match(text, start, end)
        if match is not None:
            block.append((number, match))
            continue
        if len({found[1] for _, found in block}) > 1:
            for at, found in block:
                said = "yes" if found[1] == "+" else "no"
                out[at] = (found.end(), lines[at][1], said, *found.span(1))
        block = []
    return out


def _breaks(text: str, entries: Sequence[Entry]) -> Iterator[int]:
    """Where entries begin, and where what follows their answer begins."""
    for entry in entries:
        yield entry.start_char
        stop = max(entry.end_char, entry.answer_end)
        while stop < len(text) and (text[stop] in _PUNCTUATION or text[stop].isspace()):
            stop += 1
        yield stop
