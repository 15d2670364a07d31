"""Combination codes: two conditions of a note that the classification says in one code, or presumes to be linked.

The rules are ``data/combinations_<system>.csv``, read from top to bottom: a code in ``has`` and one in each group of
``with`` (groups divided by "+") give the code ``gives`` and take away the codes in ``replaces``; "=" stands for the
category of the code in ``has``, alone for that code itself; "~" for what follows its category ("E10~"), or, among the
replaced, for itself. Scope ``note`` is where the guidelines presume the link
(ICD-10-CM guideline I.A.15 and the chapters' own), ``sentence`` where the text has to make it, ``stay`` where they do
but not in a report, which tells its findings one by one; ``line`` where the sentence of the second has to hold one of
the words ("blood culture: E. coli"). A word with "!" may not stand in the mention of the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

from conceptmap.coding.proposed_codes import ProposedCode, ProposedCodes, add, codes_in, take
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, parse_ranges
from conceptmap.ontology.codebook import CodeBook

__all__ = ["Combination", "combinations", "combine"]


@dataclass(frozen=True, slots=True)
class Combination:
    """One rule; see the module."""

    has: Ranges
    groups: tuple[Ranges, ...]
    unless: Ranges
    in_sentence: bool
    in_report: bool
    in_line: bool
    words: tuple[str, ...]
    not_said: tuple[str, ...]
    gives: str
    replaces: str
    reason: str


_SAME: Final = "~"
_END: Final = "\U0010ffff"
"""After every character: what begins with a code lies before the code and this."""

Together = Callable[[ProposedCode, ProposedCode], bool]
"""Whether two proposals have mentions in one sentence."""
Says = Callable[[ProposedCode], str]
"""The texts of a proposal's mentions, or of their sentences, in lower case."""


def combine(
    proposals: ProposedCodes,
    book: CodeBook,
    *,
    together: Together,
    says: Says,
    lines: Says,
    taken: ProposedCodes | None = None,
    in_report: bool = False,
) -> None:
    """Apply the rules of the system to the proposals of a note, in place; ``taken`` receives what they replace."""
    taken = {} if taken is None else taken
    wanted = _rules_for(book.system, {book.codes[concept][:3] for concept in proposals})
    for number, rule in enumerate(combinations(book.system)):
        skipped = number not in wanted or (in_report and not rule.in_report)
        for first in () if skipped else codes_in(proposals, rule.has, book):
            partners = _partners(rule, first, proposals, book, together, says, lines)
            if partners is not None and _apply(rule, first, partners, proposals, taken, book):
                wanted |= _rules_for(book.system, {book.codes[concept][:3] for concept in proposals})
                if not rule.gives.endswith(_SAME):
                    break


def _partners(
    rule: Combination,
    first: ProposedCode,
    proposals: ProposedCodes,
    book: CodeBook,
    together: Together,
    says: Says,
    lines: Says,
) -> list[ProposedCode] | None:
    """One proposal for each group of the rule, or None."""
    if rule.unless and codes_in(proposals, rule.unless, book):
        return None
    if rule.not_said and any(word in says(first) for word in rule.not_said):
        return None
    said = lines if rule.in_line else says
    if not rule.groups and rule.words and not any(word in said(first) for word in rule.words):
        return None
    partners: list[ProposedCode] = []
    for group in rule.groups:
        fitting = [
            proposal
            for proposal in codes_in(proposals, group, book)
            if proposal is not first
            and all(proposal is not partner for partner in partners)
            and (not rule.in_sentence or together(first, proposal))
            and (not rule.words or any(word in said(proposal) for word in rule.words))
        ]
        if not fitting:
            return None
        partners.append(fitting[0])
    return partners


def _apply(
    rule: Combination,
    first: ProposedCode,
    partners: list[ProposedCode],
    proposals: ProposedCodes,
    taken: ProposedCodes,
    book: CodeBook,
) -> bool:
    own = book.codes[first.concept]
    code = own if rule.gives == "=" else rule.gives.replace("=", own[:3]).replace(_SAME, own[3:])
    given = book.position_of_code.get(code)
    if given is None:
        return False
    parts = [first, *partners]
    replaced = parse_ranges(rule.replaces.replace("=", own[:3]).replace(_SAME, own))
    gone = [d for d in codes_in(proposals, replaced, book) if d.concept != given]
    numbers = {number for proposal in (*parts, *gone) for number in proposal.numbers}
    is_new = book.default(given) not in proposals
    proposal = add(proposals, book.default(given), numbers, min(part.strength for part in parts), affirmed=True)
    if is_new:
        proposal.best = first.best
    said = f"{rule.reason}: {' + '.join(dict.fromkeys(book.codes[part.concept] for part in parts))}"
    if gone or all(proposal is not part for part in parts):
        proposal.remark(said)
        proposal.links.combined_from += [book.codes[part.concept] for part in parts if part is not proposal]
    for other in gone:
        take(proposals, other.concept, f"said by {book.codes[proposal.concept]}: {rule.reason}", taken)
    return True


@cache
def combinations(system: str) -> tuple[Combination, ...]:
    """The rules of a system, in order; none where it has no such file."""
    return tuple(
        Combination(
            has=parse_ranges(row["has"]),
            groups=tuple(parse_ranges(group) for group in row["with"].split("+") if group.strip()),
            unless=parse_ranges(row["unless"]),
            in_sentence=row["scope"] == "sentence",
            in_report=row["scope"] != "stay",
            in_line=row["scope"] == "line",
            words=tuple(word for word in row["words"].split() if word[0] != "!"),
            not_said=tuple(word[1:] for word in row["words"].split() if word[0] == "!"),
            gives=row["gives"],
            replaces=row["replaces"],
            reason=row["reason"],
        )
        for row in read_rows("combinations", system)
    )


@cache
def _rules_of_category(system: str, category: str) -> tuple[frozenset[int], frozenset[tuple[int, int]]]:
    """Rules that a code of the category may start, and the groups of rules that it may be the partner of."""
    starts, partners = _bounds(system)
    return (
        frozenset(number for first, last, number in starts if first <= category <= last),
        frozenset((number, place) for first, last, number, place in partners if first <= category <= last),
    )


@cache
def _bounds(system: str) -> tuple[list[tuple[str, str, int]], list[tuple[str, str, int, int]]]:
    """Between what the categories lie that start each rule, and those that each of its groups names."""
    rules = list(enumerate(combinations(system)))
    starts = [(first[:3], last[:3] + _END, number) for number, rule in rules for first, last in rule.has]
    partners = [
        (first[:3], last[:3] + _END, number, place)
        for number, rule in rules
        for place, group in enumerate(rule.groups)
        for first, last in group
    ]
    return starts, partners


def _rules_for(system: str, categories: set[str]) -> set[int]:
    """Rules that codes of these categories could fulfil."""
    found = [_rules_of_category(system, category) for category in categories]
    starts: set[int] = set().union(*(starts for starts, _ in found))
    partners: set[tuple[int, int]] = set().union(*(partners for _, partners in found))
    rules = combinations(system)
    return {n for n in starts if all((n, place) in partners for place in range(len(rules[n].groups)))}
