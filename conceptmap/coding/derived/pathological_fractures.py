"""Pathological fractures: what is called one is no injury, and one beside a neoplasm of bone is of that neoplasm.

"Pathologic fracture of the left hip" is M84.4, with a neoplasm that the text lays it to, or that sits in the bone,
M84.5 (guideline I.C.2.l.6; M84.4 Excludes1), and with osteoporosis M80 (I.C.13.d). The sites are
``data/pathological_fractures_<system>.csv``.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple

from conceptmap.coding.derived.fragility import of_osteoporosis, seventh
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCode, ProposedCodes, codes_in, exchange
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["settle_pathological_fractures"]

_PLAIN: Final = parse_ranges("M84.4")
_IN_BONE: Final = parse_ranges("C40-C41 C79.5 C90.0")
_NEOPLASMS: Final = parse_ranges("C00-D49")
_BRITTLE: Final = parse_ranges("M80-M81")
_OF_NEOPLASM: Final = re.compile(
    r"\b(?:metasta\w+|mets|neoplas\w+|malignan\w+|cancer|carcinoma|myeloma|lymphoma|sarcoma)\b", re.IGNORECASE
)
_CALLED: Final = re.compile(r"\bpatholog(?:ic|ical)\b[^.;,\n]{0,30}\Z", re.IGNORECASE)
_VERTEBRA: Final = re.compile(r"[\s(]*(?:(?:of|at|in) )?(?:the )?(?:[CTL]\d{1,2}\b|vertebra|spine)", re.IGNORECASE)
_REACH: Final = 60


def settle_pathological_fractures(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> None:
    """Give the fractures that a note calls pathological the codes of such, by what broke the bone, in place."""
    for proposal in codes_in(proposals, (*_PLAIN, *_broken(book.system)), book):
        code = book.codes[proposal.concept]
        injury = not within(code, _PLAIN)
        if injury and not _is_called_so(proposal, around):
            continue
        cancer = _is_of_neoplasm(proposal, proposals, book, around)
        said = f"a pathological fracture{' in a neoplasm (I.C.2.l.6)' if cancer else ''}: {code}"
        if cancer or not codes_in(proposals, _BRITTLE, book):
            at = _named(proposal, book, around, cancer=cancer)
        else:
            at, said = of_osteoporosis(proposal, book), f"a fracture of osteoporosis (I.C.13.d): {code}"
        if at is not None and at != proposal.concept:
            exchange(proposals, proposal, at, said)


def _is_called_so(proposal: ProposedCode, around: MentionPlaces) -> bool:
    """Whether the words before a mention, or its own, call the fracture pathological."""
    spans = [around.spans[number] for number in proposal.numbers]
    return any(
        _CALLED.search(around.text, max(0, start - _REACH), stop) for start, end in spans for stop in (start, end)
    )


def _is_of_neoplasm(proposal: ProposedCode, proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> bool:
    """Whether a neoplasm sits in the bone, or stands in the sentence of the fracture."""
    if codes_in(proposals, _IN_BONE, book) or any(around.in_line(_OF_NEOPLASM, n) for n in proposal.numbers):
        return True
    return any(around.together(proposal.numbers, one.numbers) for one in codes_in(proposals, _NEOPLASMS, book))


def _named(proposal: ProposedCode, book: CodeBook, around: MentionPlaces, *, cancer: bool) -> int | None:
    """The code of a pathological fracture at the site and side of a proposal; None where there is none."""
    code, name = book.codes[proposal.concept], book.names[proposal.concept].lower()
    if within(code, _PLAIN):
        if code[5:6] == "0" and any(_VERTEBRA.match(around.text, around.spans[n][1]) for n in proposal.numbers):
            code = f"M84.48X{code[-1]}"
        pelvis = code.startswith("M84.454") and cancer
        return book.position_of_code.get(f"M84.550{code[-1]}" if pelvis else f"M84.{'5' if cancer else '4'}{code[5:]}")
    site = next(site for site in _sites(book.system) if within(code, site.injuries))
    side = site.open_neoplastic if cancer else site.open
    side = site.right if "right" in name else site.left if "left" in name else side
    return book.position_of_code.get(f"{site.neoplastic if cancer else site.plain}{side}{seventh(code)}")


class _Site(NamedTuple):
    injuries: Ranges
    plain: str
    neoplastic: str
    right: str
    left: str
    open: str
    open_neoplastic: str


@cache
def _sites(system: str) -> tuple[_Site, ...]:
    return tuple(
        _Site(parse_ranges(row["injuries"]), *(row[name] for name in _Site._fields[1:]))
        for row in read_rows("pathological_fractures", system)
    )


@cache
def _broken(system: str) -> Ranges:
    return tuple(pair for site in _sites(system) for pair in site.injuries)
