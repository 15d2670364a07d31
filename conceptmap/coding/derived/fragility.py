"""Fractures of brittle bones: with known osteoporosis, what a minor fall broke is a pathological fracture.

A fracture after a fall or trauma that would not usually break a healthy bone is coded as one of osteoporosis (M80), not
as an injury (ICD-10-CM guideline I.C.13.d.2); what a car or a fall from a height broke stays an injury. A fracture that
healed long ago is a history (I.C.13.d.1). The sites, and the words by which "fragility fractures of the pelvis" names
one, are ``data/fragility_sites_<system>.csv``.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple

from conceptmap.coding.derived.injuries import is_trauma
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCode, ProposedCodes, codes_in, exchange
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import first_of

__all__ = ["of_osteoporosis", "settle_fragility", "seventh"]

_BRITTLE: Final = parse_ranges("M80-M81")
_NO_SITE: Final = parse_ranges("M80.00")
_BEHIND: Final = re.compile(r"\s?(?:(?:of|in|at|:|-)\s)?(?:the )?[^.;\n]{0,50}")
_SIDE: Final = re.compile(r"\b((?i:left|right)|L|R)\b(?!\d)")
_PATHOLOGICAL: Final = parse_ranges("M84.4")
_VIOLENT: Final = parse_ranges("V00-V99 W10-W17 W20-W49 X00-X99 Y00-Y38")
_CALLED: Final = re.compile(r"\b(?:fragility|osteoporotic)\b[^.;\n]{0,25}\bfract", re.IGNORECASE)
_SAID: Final = re.compile(r"\b(?:fragility|osteoporotic|insufficiency)\b[^.;\n]{0,25}\bfract", re.IGNORECASE)
_MINOR: Final = re.compile(
    r"\b(?:f[ea]ll(?:s|en|ing)?|tripp\w+|slipp\w+|stumbl\w+|twist\w+|bent|bending|lifting|cough\w*|standing|spontaneous\w*"
    r"|age[- ]related|compression|collapsed?|GLF)\b",
    re.IGNORECASE,
)
_HEALED: Final = re.compile(r"\b(?:old|healed|remote|prior|previous)\b[^.;\n]{0,30}\b(?:fract|fx)", re.IGNORECASE)
_HISTORY: Final = parse_ranges("Z87.81")
_TYPICAL: Final = re.compile(
    r"\b(?:[TL]\d{1,2}|vertebra\w*|compression|lumbar|thoracic|spin(?:e|al)|hips?)\b", re.IGNORECASE
)
_WHY_HEALED: Final = "a fracture of osteoporosis that healed (I.C.13.d.1)"
_SEVENTH: Final = {**dict.fromkeys("ABC", "A"), **dict.fromkeys("DEF", "D"), **dict.fromkeys("GHJ", "G")} | {
    **dict.fromkeys("KMN", "K"),
    **dict.fromkeys("PQR", "P"),
    "S": "S",
}


def settle_fragility(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> None:
    """Give the fractures of a note with osteoporosis the codes of that disease, in place."""
    brittle = bool(codes_in(proposals, _BRITTLE, book))
    if not brittle and first_of(_CALLED, around.text) is None:
        return
    healed = book.position_of_code.get("Z87.310")
    for proposal in codes_in(proposals, _HISTORY, book) if healed is not None else ():
        lines = " ".join(around.line(number) for number in proposal.numbers)
        if healed is not None and _HEALED.search(lines) and _TYPICAL.search(lines) and not is_trauma(lines):
            exchange(proposals, proposal, healed, _WHY_HEALED)
    violent = bool(codes_in(proposals, _VIOLENT, book))
    for proposal in codes_in(proposals, _NO_SITE, book):
        at = _at_site_named(proposal, book, around)
        if at is not None:
            exchange(proposals, proposal, at, f"the site that its words name: completes {book.codes[proposal.concept]}")
    for proposal in codes_in(proposals, _broken(book.system), book):
        lines = " ".join(around.line(number) for number in proposal.numbers)
        if healed is not None and book.codes[proposal.concept][-1] == "D" and _HEALED.search(lines):
            exchange(proposals, proposal, healed, _WHY_HEALED)
            continue
        at = of_osteoporosis(proposal, book)
        said = _SAID.search(lines) is not None
        new = book.codes[proposal.concept][-1] in "ABC"
        if at is not None and (said or (brittle and new and not violent and _MINOR.search(around.text))):
            why = f"a fracture that a healthy bone would not have had (I.C.13.d.2): {book.codes[proposal.concept]}"
            exchange(proposals, proposal, at, why)


def of_osteoporosis(proposal: ProposedCode, book: CodeBook) -> int | None:
    """The code of osteoporosis with a current fracture for that of a fracture, by site, side and encounter."""
    code, name = book.codes[proposal.concept], book.names[proposal.concept].lower()
    stem = next((site.stem for site in _sites(book.system) if within(code, site.injuries)), "")
    if within(code, _PATHOLOGICAL):
        stem = "M80.0B" if code.startswith("M84.454") else f"M80.0{code[5]}{'X' if code[5] in '08' else ''}"
    side = "" if stem.endswith("X") else "1" if "right" in name else "2" if "left" in name else "9"
    return book.position_of_code.get(f"{stem}{side}{seventh(code)}")


def _at_site_named(proposal: ProposedCode, book: CodeBook, around: MentionPlaces) -> int | None:
    """The code of the one site that the words behind a fracture of osteoporosis name; None where they name none."""
    code = book.codes[proposal.concept]
    for number in proposal.numbers:
        start, end = around.spans[number]
        behind = _BEHIND.match(around.text, end)
        said = around.text[start:end] + (behind[0] if behind else "")
        stems = {site.stem for site in _sites(book.system) if site.words.search(said)}
        if len(stems) == 1:
            sides = {match[1].lower()[0] for match in _SIDE.finditer(said)}
            side = {frozenset("r"): "1", frozenset("l"): "2"}.get(frozenset(sides), "9")
            stem = stems.pop()
            return book.position_of_code.get(f"{stem}{'' if stem.endswith('X') else side}{code[-1]}")
    return None


class _Site(NamedTuple):
    injuries: Ranges
    words: re.Pattern[str]
    stem: str


@cache
def _sites(system: str) -> tuple[_Site, ...]:
    return tuple(
        _Site(parse_ranges(row["injuries"]), re.compile(rf"\b(?:{row['words']})\b", re.IGNORECASE), row["stem"])
        for row in read_rows("fragility_sites", system)
    )


@cache
def _broken(system: str) -> Ranges:
    return tuple(pair for site in _sites(system) for pair in site.injuries)


def seventh(code: str) -> str:
    """The 7th character of a pathological fracture for that of an injury."""
    return _SEVENTH.get(code[-1], "A")
