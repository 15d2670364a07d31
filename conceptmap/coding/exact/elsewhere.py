"""The digits that another sentence of the note chooses.

A course that says "STEMI" and a report that says "mid RCA 100 % occluded" are one infarction. Which codes stay open
until another sentence speaks, and which two words have to meet there, is ``data/elsewhere_<system>.csv``; scope
``line`` asks them to meet in the line of the condition itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCodes, add, take
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import base_code
from conceptmap.ontology.codebook import CodeBook

__all__ = ["complete_from_elsewhere"]

_GAP: Final = r"(?:[^.;\n]|(?<=\d)\.(?=\d)){0,60}?"
_DENIED: Final = re.compile(r"\b(?:no|not|without|denies|negative|patent|normal)\b", re.IGNORECASE)
_DENIED_BEFORE: Final = re.compile(r"\b(?:no|not|without|denies)\s(?:\w+\s){0,2}\Z", re.IGNORECASE)
_SIDE: Final = re.compile(r"\b(left|right)\b", re.IGNORECASE)
_COURSE: Final = re.compile(r"\b(acute on chronic|acute|chronic)\b", re.IGNORECASE)
_BESIDE: Final = 30


@dataclass(frozen=True, slots=True)
class _Row:
    said: re.Pattern[str]
    unless: re.Pattern[str] | None
    in_line: bool
    gives: str
    reason: str


def complete_from_elsewhere(
    proposals: ProposedCodes, book: CodeBook, around: MentionPlaces, taken: ProposedCodes
) -> None:
    """Complete the codes of a note from its other sentences, in place.

    Args:
        proposals: the codes of the note.
        book: of the index.
        around: where their mentions stand.
        taken: receives the codes that a more exact one replaces.
    """
    rows = _rows(book.system) if around.text else {}
    for concept in [c for c in proposals if base_code(book.codes[c]) in rows]:
        for row in rows[base_code(book.codes[concept])]:
            beside = proposals[concept].numbers if row.in_line else ()
            said = next((m for m in row.said.finditer(around.text) if _holds(m, beside, around)), None)
            if row.unless is not None and row.unless.search(around.text):
                continue
            if said is None or row.gives not in book.position_of_code:
                continue
            proposal = proposals[concept]
            exact = _varied(book.default(book.position_of_code[row.gives]), said, proposal.numbers, book, around)
            remark = f"{row.reason}: completes {book.codes[concept]}"
            affirmed = proposal.affirmed
            add(proposals, exact, proposal.numbers, proposal.strength, affirmed=affirmed, remark=remark)
            take(proposals, concept, f"said more exactly by {book.codes[exact]}", taken)
            break


def _holds(said: re.Match[str], beside: Sequence[int], around: MentionPlaces) -> bool:
    """Whether two words that met are not denied, and stand in the line of one of some mentions, where there are any."""
    if _DENIED.search(said[0]) or _DENIED_BEFORE.search(around.text[max(0, said.start() - _BESIDE) : said.start()]):
        return False
    line = around.text.rfind("\n", 0, said.start()) + 1
    return not beside or any(line <= around.spans[n][0] and "\n" not in _between(around, n, said) for n in beside)


def _between(around: MentionPlaces, number: int, said: re.Match[str]) -> str:
    start, end = around.spans[number]
    return around.text[min(end, said.end()) : max(start, said.start())]


def _varied(concept: int, said: re.Match[str], numbers: list[int], book: CodeBook, around: MentionPlaces) -> int:
    """The code with the side that was said there, or the course that is said beside its mentions."""
    sides = {match[1].lower() for match in _SIDE.finditer(said.string, max(0, said.start() - _BESIDE), said.end())}
    if len(sides) == 1 and (sided := book.variant(concept, sides.pop())) is not None:
        return sided
    beside = " ".join(around.text[max(0, a - _BESIDE) : b + _BESIDE] for a, b in (around.spans[n] for n in numbers))
    courses = {match[1].lower() for match in _COURSE.finditer(beside)}
    for course in ("acute on chronic", "acute", "chronic"):
        if course in courses and (found := book.variant(concept, course)) is not None:
            return found
    return concept


@cache
def _rows(system: str) -> dict[str, list[_Row]]:
    out: dict[str, list[_Row]] = {}
    for row in read_rows("elsewhere", system):
        says, near = rf"\b(?:{row['says']})\b", rf"(?<![\w.])(?:{row['near']})(?!\w)"
        said = re.compile(rf"{says}{_GAP}{near}|{near}{_GAP}{says}", re.IGNORECASE)
        unless = re.compile(row["unless"], re.IGNORECASE) if row["unless"] else None
        for code in row["codes"].split():
            made = _Row(said, unless, row["scope"] == "line", row["gives"], row["reason"])
            out.setdefault(code, []).append(made)
    return out
