"""Symptoms that belong to a disease of the note, and are not reported beside it.

Signs and symptoms that are associated routinely with a disease are no codes of their own, nor those that an established
diagnosis explains (ICD-10-CM guidelines I.B.4, I.B.5 and II.A). Which symptoms belong to which diseases, and in which
settings, is ``data/integral_<system>.csv``: a symptom goes when the note codes a disease of its row that is not among
those ``unless`` names (an illness in the background explains no symptom), unless the note lists the symptom as a
diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Final

from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCode, ProposedCodes
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, touches, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["integral", "is_listed"]

LISTS: Final = {
    "inpatient": frozenset({"discharge diagnosis", "diagnosis", "postoperative diagnosis", "assessment"}),
    "visit": frozenset({"diagnosis", "assessment", "assessment and plan", "impression"}),
}
"""Sections whose symptoms are diagnoses of their own, by setting."""


@dataclass(frozen=True, slots=True)
class _Integral:
    symptoms: Ranges
    diseases: Ranges
    unless: Ranges
    settings: frozenset[str]
    near: bool
    reason: str
    known: dict[str, bool] = field(default_factory=dict, compare=False)

    def __contains__(self, code: str) -> bool:
        """Whether a code is one of the diseases; asked of the same codes in note after note."""
        found = self.known.get(code)
        if found is None:
            found = self.known[code] = within(code, self.diseases) and not within(code, self.unless)
        return found


def integral(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> dict[int, str]:
    """The symptoms among the proposals that a disease among them explains, and why: by concept."""
    out: dict[int, str] = {}
    for concept, proposal in proposals.items():
        code = book.codes[concept]
        mine = [row for row in _rows_of(book.system, code) if around.setting in row.settings]
        if mine and not is_listed(proposal, around):
            disease = next(
                (d for row in mine for d in proposals.values() if _explains(d, proposal, row, book, around)), None
            )
            if disease is not None:
                out[concept] = f"integral to {book.codes[disease.concept]} (I.B.5)"
    return out


def _explains(
    disease: ProposedCode, symptom: ProposedCode, row: _Integral, book: CodeBook, around: MentionPlaces
) -> bool:
    code = book.codes[disease.concept]
    return disease is not symptom and code in row and (not row.near or around.near(symptom.numbers, disease.numbers))


def is_listed(proposal: ProposedCode, around: MentionPlaces) -> bool:
    """Whether the note lists a condition among its diagnoses."""
    lists = LISTS.get(around.setting, frozenset())
    return any(around.section(number) in lists and around.opens_item(number) for number in proposal.numbers)


@lru_cache(maxsize=100_000)
def _rows_of(system: str, code: str) -> tuple[_Integral, ...]:
    """The rows that a code is a symptom of."""
    return tuple(row for row in _rows_of_category(system, code[:3]) if within(code, row.symptoms))


@lru_cache(maxsize=10_000)
def _rows_of_category(system: str, category: str) -> tuple[_Integral, ...]:
    return tuple(row for row in _rows(system) if touches(category, row.symptoms))


@cache
def _rows(system: str) -> tuple[_Integral, ...]:
    return tuple(
        _Integral(
            parse_ranges(row["symptoms"]),
            parse_ranges(row["diseases"]),
            parse_ranges(row["unless"]),
            frozenset(row["settings"].split()),
            row["scope"] == "near",
            row["reason"],
        )
        for row in read_rows("integral", system)
    )
