"""Codes that add nothing beside another of the note: residual ones, and those that leave open what it names.

What a residual code yields to is ``data/residual_<system>.csv``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCode, ProposedCodes
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, base_code, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["residual_codes", "said_more_exactly"]


@dataclass(frozen=True, slots=True)
class Residual:
    """What a residual code yields to.

    Attributes:
        yields_to: ranges of codes.
        near: only to one named in the same sentence or beside it: elsewhere another pain or infection is meant.
        settings: of the notes that it holds in; none for all: a report tells what it sees one by one.
        unless: words of the sentence by which the code says something of its own: "of unknown primary".
        reason: why, in a few words.
    """

    yields_to: Ranges
    near: bool
    settings: frozenset[str]
    unless: re.Pattern[str] | None
    reason: str


@cache
def residual_codes(system: str) -> Mapping[str, Sequence[Residual]]:
    """Residual codes of a system and what they yield to, one or more rules each."""
    out: dict[str, list[Residual]] = {}
    for row in read_rows("residual", system):
        settings = frozenset(row["settings"].split())
        unless = re.compile(row["unless"], re.IGNORECASE) if row["unless"] else None
        rule = Residual(parse_ranges(row["yields_to"]), row["scope"] == "near", settings, unless, row["reason"])
        out.setdefault(row["code"], []).append(rule)
    return out


def said_more_exactly(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> dict[int, str]:
    """Codes that add nothing beside another of the note, and why: by concept.

    What says a code more exactly takes over its mentions.
    """
    residual = residual_codes(book.system)
    out: dict[int, str] = {}
    for concept, proposal in proposals.items():
        more = next((more for more in book.variants(concept) if more in proposals), None)
        if more is None:
            more = next((other.concept for other in proposals.values() if concept in other.completes), None)
        if more is not None:
            out[concept] = f"said more exactly by {book.codes[more]}"
            proposals[more].numbers = sorted({*proposals[more].numbers, *proposal.numbers})
        for rule in residual.get(base_code(book.codes[concept]), ()) if more is None else ():
            if rule.settings and around.setting not in rule.settings:
                continue
            if rule.unless and any(around.in_line(rule.unless, number) for number in proposal.numbers):
                continue
            other = _more_exact(rule, proposal, proposals, book, around)
            if other is not None:
                out[concept] = f"{rule.reason}: {book.codes[other.concept]}"
                break
    return out


def _more_exact(
    rule: Residual, proposal: ProposedCode, proposals: ProposedCodes, book: CodeBook, around: MentionPlaces
) -> ProposedCode | None:
    for other in proposals.values():
        if (
            other is not proposal
            and within(book.codes[other.concept], rule.yields_to)
            and (not rule.near or around.near(proposal.numbers, other.numbers))
        ):
            return other
    return None
