"""Results: what a test was positive for, and values that the note acts on.

A finding that only a test names is one where its outcome is said ("HIV antibody positive", "blood cultures grew"):
``data/outcomes_<system>.csv``. "K 2.9, repleted" is hypokalaemia, though no word says so: a value out of its range and
its treatment, in one sentence or right behind it, are a diagnosis made; a value alone is coded by nobody but its
provider (ICD-10-CM guideline III.B). The values and the treatments are ``data/results_<system>.csv``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from conceptmap.data.tables import read_rows
from conceptmap.matching.mentions import Candidate, Mention
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import Rows, all_of

__all__ = ["with_results"]

_STRENGTH: Final = 0.9
_IS: Final = (
    r"(?:(?:level|of|was|is|to|at|down|up|low|high|fell|dropped|rose|now|nadir|peak(?:ed)?|as (?:low|high) as"
    r"|[:=<>~(])\s*){0,3}"
)
_REFERS: Final = re.compile(
    r"\s*(?:(?:this|it|he|she|pt|patient|both|was|and|given|received|started|then|iv|po)\b\s*)*"
)
_DENIED: Final = re.compile(r"\b(?:not|no|without|declin\w+|never|held)\s(?:\w+\s){0,2}\Z", re.IGNORECASE)
_NOT_IN: Final = re.compile(r"\b(?:no|not|without|negative|neg|denies)\b(?! treated)", re.IGNORECASE)
_BEFORE: Final = 24


@dataclass(frozen=True, slots=True)
class _Row:
    value: re.Pattern[str]
    low: float
    high: float
    treated: re.Pattern[str]
    code: str


@dataclass(frozen=True, slots=True)
class _Outcome:
    words: re.Pattern[str]
    replaces: Ranges
    code: str


def with_results(
    text: str, bounds: Sequence[tuple[int, int]], known: Sequence[Mention], book: CodeBook
) -> list[Mention]:
    """The mentions of a note and its results, in reading order.

    Args:
        text: the note.
        bounds: its sentences.
        known: its mentions so far; those that an outcome says better give way to it.
        book: of the index; systems without tables of results give none.
    """
    found, gone = list[Mention](), set[int]()
    for row in _outcomes(book.system).of(text):
        for match in all_of(row.words, text):
            if _NOT_IN.search(match[0]):
                continue
            over = [n for n, m in enumerate(known) if m.start_char < match.end() and match.start() < m.end_char]
            gone.update(
                n for n in over if within(book.codes[book.default(known[n].candidates[0].concept)], row.replaces)
            )
            found += _mention(match.start(), match.end(), row.code, book)
    kept = [m for number, m in enumerate(known) if number not in gone]
    taken = {(m.start_char, m.end_char) for m in kept}
    found = [m for m in (*found, *_values(text, bounds, book)) if (m.start_char, m.end_char) not in taken]
    return sorted([*kept, *found], key=lambda m: (m.start_char, m.end_char)) if found else kept


def _values(text: str, bounds: Sequence[tuple[int, int]], book: CodeBook) -> Iterator[Mention]:
    """Values beside what was done for them: the treatments are the rarer, and are looked for first."""
    for row in _treated(book.system).of(text):
        done: set[int] = set()
        for treated in all_of(row.treated, text):
            at = bisect_right(bounds, treated.start(), key=lambda pair: pair[0]) - 1
            if at < 0 or at in done or _DENIED.search(text[max(0, treated.start() - _BEFORE) : treated.start()]):
                continue
            start, end = bounds[at]
            if at and _REFERS.fullmatch(text[start : treated.start()].lower()):
                start = bounds[at - 1][0]
            done.add(at)
            for match in row.value.finditer(text, start, end):
                if row.low <= float(match[1]) <= row.high:
                    yield from _mention(match.start(), match.end(), row.code, book)
                    break


def _mention(start: int, end: int, code: str, book: CodeBook) -> list[Mention]:
    concept = book.position_of_code.get(code)
    candidates = () if concept is None else (Candidate(concept, 1.0, _STRENGTH, "lexical"),)
    return [Mention(start, end, candidates, derived=True)] if candidates else []


@cache
def _rows(system: str) -> tuple[_Row, ...]:
    return tuple(
        _Row(
            re.compile(rf"(?<![\w.])(?:{row['test']})[+\u207a]?\s*{_IS}\s*(\d{{1,5}}(?:\.\d+)?)(?![\d/])(?!\.\d)"),
            float(row["low"]),
            float(row["high"]),
            re.compile(rf"\b(?:{row['treated']})\b", re.IGNORECASE),
            row["code"],
        )
        for row in read_rows("results", system)
    )


@cache
def _treated(system: str) -> Rows[_Row]:
    return Rows(_rows(system), lambda row: row.treated)


@cache
def _outcomes(system: str) -> Rows[_Outcome]:
    rows = [
        _Outcome(re.compile(row["words"], re.IGNORECASE), parse_ranges(row["replaces"]), row["code"])
        for row in read_rows("outcomes", system)
    ]
    return Rows(rows, lambda row: row.words)
