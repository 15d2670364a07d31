"""Proposed codes: on their way into a note's list, with what speaks for each and what a coder should know of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from conceptmap.ontology.code_ranges import Ranges, members
from conceptmap.ontology.codebook import CodeBook

__all__ = ["ProposedCode", "ProposedCodes", "add", "codes_in", "drop", "exchange", "take"]


@dataclass(slots=True)
class ProposedCode:
    """A code that may stand in a note's list.

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


ProposedCodes = dict[int, ProposedCode]
"""Those of one note by concept, in the order found."""


def add(
    proposals: ProposedCodes, concept: int, numbers: Iterable[int], strength: float, *, affirmed: bool, remark: str = ""
) -> ProposedCode:
    """The proposal of a concept, made or strengthened."""
    proposal = proposals.setdefault(concept, ProposedCode(concept))
    new = sorted({*numbers} - {*proposal.numbers[-1:]})
    if proposal.numbers and new and new[0] < proposal.numbers[-1]:  # only where codes are combined
        proposal.numbers = sorted({*proposal.numbers, *new})
    else:
        proposal.numbers += new
    proposal.strength = max(proposal.strength, strength)
    proposal.affirmed |= affirmed
    if remark:
        proposal.remark(remark)
    return proposal


def take(proposals: ProposedCodes, concept: int, reason: str, taken: ProposedCodes) -> None:
    """Take a proposal out of a note's list, and keep it with the reason among those taken."""
    proposal = proposals.pop(concept)
    proposal.reason = reason
    taken[concept] = proposal


def codes_in(proposals: ProposedCodes, ranges: Ranges, book: CodeBook) -> list[ProposedCode]:
    """Affirmed proposals whose code lies in the ranges."""
    inside, codes = members(ranges), book.codes
    return [proposal for proposal in proposals.values() if proposal.affirmed and inside[codes[proposal.concept]]]


def drop(proposals: ProposedCodes, ranges: Ranges, book: CodeBook) -> None:
    """Take away the affirmed proposals whose code lies in the ranges."""
    for proposal in codes_in(proposals, ranges, book):
        del proposals[proposal.concept]


def exchange(proposals: ProposedCodes, proposal: ProposedCode, concept: int, remark: str) -> None:
    """Put another code in the place of a proposal, on the same mentions and affirmed."""
    del proposals[proposal.concept]
    add(proposals, concept, proposal.numbers, proposal.strength, affirmed=True, remark=remark)
