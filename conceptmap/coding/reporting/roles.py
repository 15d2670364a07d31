"""The role of a code in its note: principal, secondary, a symptom, a status, a history, or an external cause."""

from __future__ import annotations

from typing import Final

from conceptmap.coding.proposed_codes import ProposedCode
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["ROLES", "role"]

ROLES: Final = ("principal", "secondary", "symptom", "status", "history", "external")
"""In the order in which the codes of a note are listed."""

_HISTORY: Final = parse_ranges("Z80-Z87 Z92.2-Z92.3")
_EXTERNAL: Final = parse_ranges("V00-Y99")
_STATUS: Final = parse_ranges("Z00-Z99")
_NO_SYMPTOM: Final = parse_ranges("R65")
_SYMPTOM: Final = parse_ranges("R00-R99")


def role(proposal: ProposedCode, book: CodeBook, *, first: bool) -> str:
    """One of ``ROLES``; empty in systems other than ICD-10-CM.

    Args:
        proposal: a code of a note.
        book: of the index.
        first: whether it is the note's principal diagnosis.
    """
    if book.system != "icd10cm":
        return ""
    code = book.codes[proposal.concept]
    if first:
        return "principal"
    if within(code, _EXTERNAL):
        return "external"
    if within(code, _HISTORY):
        return "history"
    if within(code, _STATUS):
        return "status"
    return "symptom" if within(code, _SYMPTOM) and not within(code, _NO_SYMPTOM) else "secondary"
