"""Results that the note acts on: a value out of its range and its treatment in one sentence are a diagnosis made.

"K 2.9, repleted" is hypokalaemia, though no word says so; a value alone is coded by nobody but its provider (ICD-10-CM
guideline III.B). The values and the treatments are ``data/results_<system>.csv``.
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
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import all_of

__all__ = ["with_results"]

_STRENGTH: Final = 0.9
_IS: Final = r"(?:of|was|is|level|down to|up to|nadir|peak|[:=])?"


@dataclass(frozen=True, slots=True)
class _Row:
    value: re.Pattern[str]
    low: float
    high: float
    treated: re.Pattern[str]
    code: str


def with_results(
    text: str, bounds: Sequence[tuple[int, int]], known: Sequence[Mention], book: CodeBook
) -> list[Mention]:
    """The mentions of a note and the results that it acts on, in reading order.

    Args:
        text: the note.
        bounds: its sentences.
        known: its mentions so far.
        book: of the index; systems without a table of results give none.
    """
    taken = {(m.start_char, m.end_char) for m in known}
    found = [m for m in _results(text, bounds, book) if (m.start_char, m.end_char) not in taken]
    return sorted([*known, *found], key=lambda m: (m.start_char, m.end_char)) if found else list(known)


def _results(text: str, bounds: Sequence[tuple[int, int]], book: CodeBook) -> Iterator[Mention]:
    for row in _rows(book.system):
        concept = book.position_of_code.get(row.code)
        for match in all_of(row.value, text) if concept is not None else ():
            if not row.low <= float(match[1]) <= row.high:
                continue
            at = bisect_right(bounds, match.start(), key=lambda pair: pair[0]) - 1
            if at >= 0 and row.treated.search(text, *bounds[at]) and concept is not None:
                candidate = Candidate(concept, 1.0, _STRENGTH, "lexical")
                yield Mention(match.start(), match.end(), (candidate,), derived=True)


@cache
def _rows(system: str) -> tuple[_Row, ...]:
    return tuple(
        _Row(
            re.compile(rf"\b(?:{row['test']})[+\u207a]?\s*{_IS}\s*(\d{{1,3}}(?:\.\d+)?)\b"),
            float(row["low"]),
            float(row["high"]),
            re.compile(rf"\b(?:{row['treated']})\b", re.IGNORECASE),
            row["code"],
        )
        for row in read_rows("results", system)
    )
