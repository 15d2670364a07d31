"""Tables in a note, told by the names of their columns: between pipes, tabs, semicolons, commas or aligned blanks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from conceptmap.text.answers import answer_of, answer_words, is_mark
from conceptmap.text.pairs import Answered

__all__ = ["tables"]

_STATUS: Final = frozenset(
    "status present present? answer response result y/n yes/no active? current? state presence clinical~status finding?"
    " outcome resolved? reply".replace("~", " ").split(" ")
)
_HEADS: Final = {"+": "yes", "(+)": "yes", "-": "no", "(-)": "no", "–": "no"}
_OF_FINDINGS: Final = re.compile(
    r"(\w[\w ]*?)\s+(?:problems?|diagnos[ie]s|conditions?|issues|dx|symptoms|findings)\Z", re.IGNORECASE
)
_NOTHING: Final = frozenset({"blank", "error"})
_RULE: Final = re.compile(r"[\s|+:=_\-\u2500-\u257f]+\Z")
_ALIGNED: Final = re.compile(r"\S+(?: \S+)*")
_MOST_WORDS: Final = 4


class _Cell(NamedTuple):
    start: int
    end: int
    text: str


def tables(text: str, lines: Sequence[tuple[int, int]]) -> Iterator[tuple[int, list[Answered]]]:
    """The rows of tables among the lines of a note: number of the line, and what its cells answer; header lines too."""
    number = 0
    there = [delimiter for delimiter in _DELIMITERS if delimiter in text]
    while there and number < len(lines) - 1:
        start, end = lines[number]
        rows: list[tuple[int, list[Answered]]] = []
        for delimiter in _delimiters(text, lines[number], lines[number + 1], there) if end - start < 200 else ():
            head = _cells(text, start, end, delimiter)
            if not 2 <= len(head) <= 12 or not (meanings := _meanings(head)):
                continue
            rows = list(_rows(text, lines, number + 1, delimiter, head, meanings))
            if any(found for _, found in rows):
                break
            rows = []
        if rows:
            yield number, []
            yield from rows
            number = rows[-1][0]
        number += 1


_DELIMITERS: Final = ("|", "\t", "  ", ";", ",")


def _delimiters(text: str, line: tuple[int, int], below: tuple[int, int], there: Sequence[str]) -> Iterator[str]:
    """What may divide a line that heads a table; a mark of prose only where the line below it has as many."""
    for delimiter in there:
        n = text.count(delimiter, *line)
        if n and (delimiter not in ";," or text.count(delimiter, *below) == n or _RULE.match(text, *below)):
            yield delimiter


def _cells(text: str, start: int, end: int, delimiter: str) -> list[_Cell]:
    """The cells of a line with their places; empty ones too, but for aligned blanks."""
    if delimiter == "  ":
        return [_Cell(*match.span(), match[0]) for match in _ALIGNED.finditer(text, start, end)]
    cells, at = [], start
    for part in text[start:end].split(delimiter):
        cells.append(_Cell(at, at + len(part), part.strip()))
        at += len(part) + len(delimiter)
    if delimiter == "|" and len(cells) > 2 and not cells[0].text:
        cells = cells[1:]
        cells = cells[:-1] if not cells[-1].text and text[end - 1 : end] == "|" else cells
    return cells


def _meanings(head: Sequence[_Cell]) -> dict[int, str]:
    """Columns that answer: "yes", "no" … for a tick below, "status" for an answer below, "all …" for findings below."""
    if any(len(cell.text.split()) > _MOST_WORDS for cell in head):
        return {}
    found: dict[int, str] = {}
    for number, cell in enumerate(head):
        name = cell.text.lower().strip(":*_ ")
        of_findings = _OF_FINDINGS.match(name)
        if of_findings and answer_words().get(of_findings[1]) in ("yes", "no", "past"):
            found[number] = f"all {answer_words()[of_findings[1]]}"
        elif number and (name in _STATUS or (name.rstrip("?") == "present" and len(head) == 2)):
            found[number] = "status"
        elif number and (said := _HEADS.get(name) or answer_words().get(name.rstrip("?"))):
            found[number] = said
    if 0 in found and not all(what.startswith("all") for what in found.values()):
        del found[0]
    return found


def _rows(
    text: str,
    lines: Sequence[tuple[int, int]],
    first: int,
    delimiter: str,
    head: Sequence[_Cell],
    meanings: dict[int, str],
) -> Iterator[tuple[int, list[Answered]]]:
    for number in range(first, len(lines)):
        start, end = lines[number]
        if text.count("\n", lines[number - 1][1], start) > 1:
            return
        if _RULE.match(text, start, end):
            yield number, []
            continue
        cells = _cells(text, start, end, delimiter)
        if delimiter == "  ":
            cells = _placed(cells, head, start, lines[first - 1][0])
        if not cells or (delimiter in ";," and len(cells) != len(head)) or len(cells) > len(head) + 1:
            return
        if len(cells) < 2 and delimiter != "\t":
            return
        yield number, list(_answers(cells, meanings))


def _placed(cells: list[_Cell], head: Sequence[_Cell], start: int, head_start: int) -> list[_Cell]:
    """Cells of a line of aligned blanks, each under the heading that it stands nearest to."""
    out = [_Cell(start, start, "")] * len(head)
    centres = [(cell.start + cell.end) / 2 - head_start for cell in head]
    for number, cell in enumerate(cells):
        centre = (cell.start + cell.end) / 2 - start
        under = min(range(len(head)), key=lambda at: abs(centres[at] - centre)) if number else 0
        out[under] = cell
    return out


def _answers(cells: Sequence[_Cell], meanings: dict[int, str]) -> Iterator[Answered]:
    for number, what in meanings.items():
        if what.startswith("all ") and number < len(cells) and cells[number].text:
            cell = cells[number]
            yield Answered(cell.start, cell.end, what.removeprefix("all "), cell.start, cell.start)
    asked = cells[0]
    marks = {number: what for number, what in meanings.items() if not what.startswith("all ")}
    if not marks or not any(map(str.isalpha, asked.text)):
        return
    said = None
    for number, what in marks.items():
        if number >= len(cells) or not cells[number].text:
            continue
        cell = cells[number]
        if what != "status" and is_mark(cell.text):
            said = what
        elif (answer := answer_of(cell.text)) is not None and (what == "status" or len(cells) > 2):
            said = answer if what == "status" or answer in _NOTHING else what if answer == "yes" else said
        if said is not None:
            yield Answered(asked.start, asked.end, said, cell.start, cell.end)
            return
    ticks = set(marks.values())
    if "status" not in ticks and not any(number < len(cells) and cells[number].text for number in marks):
        empty = "blank" if len(ticks) > 1 or "no" in ticks else "no"
        yield Answered(asked.start, asked.end, empty, asked.end, asked.end)
