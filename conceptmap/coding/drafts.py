"""Draft: a code on its way into a note's list, with what speaks for it and what a coder should know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from conceptmap.ontology.code_ranges import Ranges, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["Draft", "Drafts", "add", "codes_in", "take"]


@dataclass(slots=True)
class Draft:
    """A code under consideration.

    Attributes:
        concept: position of the code in the index.
        numbers: of the mentions that support it, in reading order.
        strength: of the best of them.
        affirmed: whether some mention is affirmed of the patient, whatever else was asked to be included.
        remarks: what a coder should know, in the order found.
        reason: why a rule took it away; empty while it stands.
        completes: codes that it says more exactly than their own mentions do.
    """

    concept: int
    numbers: list[int] = field(default_factory=list)
    strength: float = 0.0
    affirmed: bool = False
    remarks: list[str] = field(default_factory=list)
    reason: str = ""
    completes: set[int] = field(default_factory=set)

    def remark(self, text: str) -> None:
        """Note something once."""
        if text not in self.remarks:
            self.remarks.append(text)


Drafts = dict[int, Draft]
"""Drafts of one note by concept, in the order found."""


def add(
    drafts: Drafts, concept: int, numbers: Iterable[int], strength: float, *, affirmed: bool, remark: str = ""
) -> Draft:
    """The draft of a concept, made or strengthened."""
    draft = drafts.setdefault(concept, Draft(concept))
    new = sorted({*numbers} - {*draft.numbers[-1:]})
    if draft.numbers and new and new[0] < draft.numbers[-1]:  # only where codes are combined
        draft.numbers = sorted({*draft.numbers, *new})
    else:
        draft.numbers += new
    draft.strength = max(draft.strength, strength)
    draft.affirmed |= affirmed
    if remark:
        draft.remark(remark)
    return draft


def take(drafts: Drafts, concept: int, reason: str, taken: Drafts) -> None:
    """Take a draft out of a note's list, and keep it with the reason among those taken."""
    draft = drafts.pop(concept)
    draft.reason = reason
    taken[concept] = draft


def codes_in(drafts: Drafts, ranges: Ranges, book: CodeBook) -> list[Draft]:
    """Affirmed drafts whose code lies in the ranges."""
    return [draft for draft in drafts.values() if draft.affirmed and within(book.codes[draft.concept], ranges)]
