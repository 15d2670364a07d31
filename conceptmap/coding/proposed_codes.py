"""Proposed codes: on their way into a note's list, with what speaks for each and what a coder should know of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from conceptmap.ontology.code_ranges import Ranges, near
from conceptmap.ontology.codebook import CodeBook

__all__ = ["OtherCodes", "ProposedCode", "ProposedCodes", "add", "codes_in", "drop", "exchange", "take"]


@dataclass(slots=True)
class OtherCodes:
    """Other codes that a code of a note speaks of, each a code or a range of codes.

    Attributes:
        excludes: codes of the note that its instructions do not let stand beside it (Excludes1).
        code_first: what has to go before it, and does not or is missing.
        use_additional: what has to be coded beside it, and is missing.
        combined_from: the codes that it says in one.
    """

    excludes: list[str] = field(default_factory=list)
    code_first: list[str] = field(default_factory=list)
    use_additional: list[str] = field(default_factory=list)
    combined_from: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ProposedCode:
    """A code that may stand in a note's list.

    Attributes:
        concept: position of the code in the index.
        numbers: of the mentions that support it, in reading order.
        strength: of the best of them.
        best: number of that one, the first of equals.
        affirmed: whether some mention is affirmed of the patient, whatever else was asked to be included.
        remarks: what a coder should know, in the order found.
        reason: why a rule took it away; empty while it stands.
        completes: codes that it says more exactly than their own mentions do.
        links: other codes that it speaks of.
    """

    concept: int
    numbers: list[int] = field(default_factory=list)
    strength: float = 0.0
    best: int = -1
    affirmed: bool = False
    remarks: list[str] = field(default_factory=list)
    reason: str = ""
    completes: set[int] = field(default_factory=set)
    links: OtherCodes = field(default_factory=OtherCodes)

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
    proposal, given = proposals.setdefault(concept, ProposedCode(concept)), {*numbers}
    new = sorted(given - {*proposal.numbers[-1:]})
    if proposal.numbers and new and new[0] < proposal.numbers[-1]:  # only where codes are combined
        proposal.numbers = sorted({*proposal.numbers, *new})
    else:
        proposal.numbers += new
    if strength > proposal.strength or proposal.best < 0:
        proposal.strength, proposal.best = strength, min(given)
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
    bounds, codes = near(ranges), book.codes
    out = []
    for proposal in proposals.values():
        code = codes[proposal.concept]
        for first, stop in bounds[code[:3]] if proposal.affirmed else ():
            if first <= code <= stop:
                out.append(proposal)
                break
    return out


def drop(proposals: ProposedCodes, ranges: Ranges, book: CodeBook) -> None:
    """Take away the affirmed proposals whose code lies in the ranges."""
    for proposal in codes_in(proposals, ranges, book):
        del proposals[proposal.concept]


def exchange(proposals: ProposedCodes, proposal: ProposedCode, concept: int, remark: str) -> None:
    """Put another code in the place of a proposal, on the same mentions and affirmed."""
    del proposals[proposal.concept]
    put = add(proposals, concept, proposal.numbers, proposal.strength, affirmed=True, remark=remark)
    if put.strength == proposal.strength:
        put.best = proposal.best
