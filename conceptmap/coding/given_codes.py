"""Codes of a note that something other than the rules chose: their roles, their order, what they want of one another.

The rules told all that of the codes that they accept; where others are accepted it is told anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from conceptmap.coding.coding import NoteCode, in_order
from conceptmap.coding.instructions import Instructions
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import OtherCodes, ProposedCode
from conceptmap.coding.reporting.present import present_on_admission
from conceptmap.coding.reporting.principal import principal
from conceptmap.coding.reporting.roles import role
from conceptmap.ontology.codebook import CodeBook

__all__ = ["as_given"]

_SETTLED = ("Excludes1 ", "proposed as principal diagnosis: ", "code first ")


def as_given(
    codes: Sequence[NoteCode],
    book: CodeBook,
    around: MentionPlaces,
    *,
    instructions: Instructions | None,
    past: AbstractSet[int],
) -> tuple[NoteCode, ...]:
    """The codes that a note is given, one of them principal, in order.

    Args:
        codes: chosen ones; those without evidence rest on no mention, and are principal only where no other is.
        book: of the index.
        around: where the mentions stand.
        instructions: of the index.
        past: numbers of the mentions that tell of the past.
    """
    proposals = [_proposal(code) for code in codes]
    if instructions is not None:
        instructions.remark(proposals)
    named = [proposal for proposal in proposals if proposal.numbers]
    first = principal(named, book, around, past) if named else next(iter(proposals), None)
    out = []
    for code, proposal in zip(codes, proposals, strict=True):
        leads = proposal is first
        its, poa = role(proposal, book, first=leads), present_on_admission(proposal, book, around, first=leads)
        notes = "; ".join(proposal.remarks)
        out.append(replace(code, role=its, poa=poa, notes=notes, links=proposal.links, reason=""))
    return tuple(sorted(out, key=in_order))


def _proposal(code: NoteCode) -> ProposedCode:
    """The code before anything was said of it beside others."""
    remarks = [said for said in code.notes.split("; ") if said and not _is_settled(said)]
    links = OtherCodes(combined_from=list(code.links.combined_from))
    return ProposedCode(
        code.concept, list(code.evidence), code.score, code.best, affirmed=True, remarks=remarks, links=links
    )


def _is_settled(remark: str) -> bool:
    return remark.startswith(_SETTLED) or ", not found: " in remark
