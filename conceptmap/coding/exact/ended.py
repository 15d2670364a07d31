"""Conditions that were removed, replaced, treated or outgrown: histories, or nothing, but no conditions of today.

"Prostate cancer, prostatectomy 2014" is a history, and "inguinal hernia repair" says that the hernia is gone. Which
words end which conditions, and what they leave, is ``data/ended_<system>.csv``. The words must stand in the clause of
the mention, and something must put them in the past: a heading, a year, "status post". What this stay operated on is
still what brought the patient in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from conceptmap.coding.histories import PAST_SECTIONS, history_of
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, touches, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["ended"]

_BEFORE: Final = 60
_AFTER: Final = 80
_END: Final = re.compile(r"[.;](?=\s|\Z)|\n")
_OF_THIS_STAY: Final = frozenset(
    "hospital course;discharge diagnosis;diagnosis;postoperative diagnosis;assessment;assessment and plan;impression;"
    "procedures;findings;problem list;plan".split(";")
)
_YEARS: Final = re.compile(
    r"\b(?:19|20)\d\d\b|\[\*\*\d{4}\*\*\]|\bas an? (?:child|kid)"
    r"|\b(?:ago|last year|years? (?:before|earlier|prior)|remote(?:ly)?|childhood)\b",
    re.IGNORECASE,
)
_PAST: Final = re.compile(
    r"\b(?:s/p|status[- ]post|history of|h/o|hx|prior|previous(?:ly)?|past|old|former)\b", re.IGNORECASE
)
_STILL: Final = re.compile(
    r"\b(?:active|currently?|on (?:chemo\w*|treatment)|undergoing|recurrent|recurrence of|metasta\w+|residual|new"
    r"|(?:never|not|un)[ -]?(?:yet )?treated|scheduled|planned|awaiting"
    r"|(?:for|prior to|before) (?:elective )?(?:repair|resection|surgery))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Row:
    codes: Ranges
    words: re.Pattern[str]
    gives: str
    reason: str


def ended(
    concept: int, text: str, span: tuple[int, int], section: str | None, book: CodeBook
) -> tuple[int | None, str] | None:
    """The history that an ended condition leaves, or None for nothing, and why; None where it goes on.

    Args:
        concept: the code of the condition.
        text: the note.
        span: of the mention.
        section: that it stands in.
        book: of the index.
    """
    code = book.codes[concept]
    rows = _rows_of(book.system, code)
    if not rows:
        return None
    start, end = span
    clause = f"{_END.split(text[max(0, start - _BEFORE) : start])[-1]}{text[start:end]}"
    clause += _END.split(text[end : end + _AFTER])[0]
    row = next((row for row in rows if row.words.search(clause)), None)
    if row is None or _STILL.search(clause):
        return None
    past = section in PAST_SECTIONS or _PAST.search(clause) is not None
    if not (_YEARS.search(clause) or (past and section not in _OF_THIS_STAY)):
        return None
    if row.gives == "history":
        found = history_of(concept, book)
        return (found[0] if found else None), row.reason
    given = book.position_of_code.get(row.gives)
    return (None if given is None else book.default(given)), row.reason


@lru_cache(maxsize=100_000)
def _rows_of(system: str, code: str) -> tuple[_Row, ...]:
    """The rows that a code may end by."""
    return tuple(row for row in _rows_of_category(system, code[:3]) if within(code, row.codes))


@lru_cache(maxsize=10_000)
def _rows_of_category(system: str, category: str) -> tuple[_Row, ...]:
    return tuple(row for row in _rows(system) if touches(category, row.codes))


@cache
def _rows(system: str) -> tuple[_Row, ...]:
    return tuple(
        _Row(
            parse_ranges(row["codes"]),
            re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, row['words'].split('|')))})(?!\w)", re.IGNORECASE),
            row["gives"],
            row["reason"],
        )
        for row in read_rows("ended", system)
    )
