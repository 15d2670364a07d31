"""Fractures of brittle bones: with known osteoporosis, what a minor fall broke is a pathological fracture.

A fracture after a fall or trauma that would not usually break a healthy bone is coded as one of osteoporosis (M80), not
as an injury (ICD-10-CM guideline I.C.13.d.2); what a car or a fall from a height broke stays an injury. A fracture that
healed long ago is a history (I.C.13.d.1).
"""

from __future__ import annotations

import re
from typing import Final

from conceptmap.coding.derived.injuries import is_trauma
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCode, ProposedCodes, codes_in, exchange
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["of_osteoporosis", "settle_fragility", "seventh"]

_BRITTLE: Final = parse_ranges("M80-M81")
_SITES: Final = tuple(
    (parse_ranges(ranges), site)
    for ranges, site in (
        ("S42.0-S42.1", "M80.01"),
        ("S42.2-S42.4", "M80.02"),
        ("S52", "M80.03"),
        ("S62", "M80.04"),
        ("S72", "M80.05"),
        ("S82", "M80.06"),
        ("S92", "M80.07"),
        ("S12.0-S12.6 S22.0 S32.0-S32.1 M48.5", "M80.08X"),
        ("S32.2-S32.9", "M80.0B"),
        ("S22.2-S22.4", "M80.0AX"),
    )
)
_PATHOLOGICAL: Final = parse_ranges("M84.4")
_BROKEN: Final = tuple(pair for ranges, _ in _SITES for pair in ranges)
_VIOLENT: Final = parse_ranges("V00-V99 W10-W17 W20-W49 X00-X99 Y00-Y38")
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
    if not codes_in(proposals, _BRITTLE, book):
        return
    healed = book.position_of_code.get("Z87.310")
    for proposal in codes_in(proposals, _HISTORY, book) if healed is not None else ():
        lines = " ".join(around.line(number) for number in proposal.numbers)
        if healed is not None and _HEALED.search(lines) and _TYPICAL.search(lines) and not is_trauma(lines):
            exchange(proposals, proposal, healed, _WHY_HEALED)
    violent = bool(codes_in(proposals, _VIOLENT, book))
    for proposal in codes_in(proposals, _BROKEN, book):
        lines = " ".join(around.line(number) for number in proposal.numbers)
        if healed is not None and book.codes[proposal.concept][-1] == "D" and _HEALED.search(lines):
            exchange(proposals, proposal, healed, _WHY_HEALED)
            continue
        at = of_osteoporosis(proposal, book)
        said = _SAID.search(lines) is not None
        new = book.codes[proposal.concept][-1] in "ABC"
        if at is not None and (said or (new and not violent and _MINOR.search(around.text))):
            why = f"a fracture that a healthy bone would not have had (I.C.13.d.2): {book.codes[proposal.concept]}"
            exchange(proposals, proposal, at, why)


def of_osteoporosis(proposal: ProposedCode, book: CodeBook) -> int | None:
    """The code of osteoporosis with a current fracture for that of a fracture, by site, side and encounter."""
    code, name = book.codes[proposal.concept], book.names[proposal.concept].lower()
    stem = next((site for ranges, site in _SITES if within(code, ranges)), "")
    if within(code, _PATHOLOGICAL):
        stem = "M80.0B" if code.startswith("M84.454") else f"M80.0{code[5]}{'X' if code[5] in '08' else ''}"
    side = "" if stem.endswith("X") else "1" if "right" in name else "2" if "left" in name else "9"
    return book.position_of_code.get(f"{stem}{side}{seventh(code)}")


def seventh(code: str) -> str:
    """The 7th character of a pathological fracture for that of an injury."""
    return _SEVENTH.get(code[-1], "A")
