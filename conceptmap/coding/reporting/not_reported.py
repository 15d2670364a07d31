"""What is not reported in a setting (``data/not_reported_<system>.csv``), unless a sentence says that it mattered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCodes, codes_in
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["not_reported"]


@dataclass(frozen=True, slots=True)
class _Row:
    codes: Ranges
    settings: frozenset[str]
    unless: Ranges
    says: re.Pattern[str] | None
    only_in: str
    reason: str


def not_reported(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> dict[int, str]:
    """Codes that are not reported in the note's setting, and why: by concept."""
    return {
        concept: row.reason
        for row in _rows(book.system)
        if around.setting in row.settings and not (row.unless and codes_in(proposals, row.unless, book))
        for concept, proposal in proposals.items()
        if within(book.codes[concept], row.codes)
        and (not row.only_in or all(around.section(number) == row.only_in for number in proposal.numbers))
        and not (row.says and any(row.says.search(around.line(number)) for number in proposal.numbers))
    }


@cache
def _rows(system: str) -> tuple[_Row, ...]:
    return tuple(
        _Row(
            parse_ranges(row["codes"]),
            frozenset(row["settings"].split()),
            parse_ranges(row["unless"]),
            re.compile(row["says"], re.IGNORECASE) if row["says"] else None,
            row["only_in"],
            row["reason"],
        )
        for row in read_rows("not_reported", system)
    )
