"""What caused an injury, where, and in what activity: only where the note has a code of an injury (guideline I.C.20).

The patterns of ``data/external_causes_<system>.csv`` go from the exact to the general, and the first that fits counts;
collisions are composed of who was hurt and what was hit, places of a room and a dwelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from conceptmap.coding.derived.found import Found
from conceptmap.coding.derived.injuries import is_trauma
from conceptmap.coding.proposed_codes import ProposedCodes, codes_in, drop
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import parse_ranges
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import all_of
from conceptmap.text.sections import Section, section_at

__all__ = ["INJURED", "external_causes", "settle_external_causes"]

_OTHER_PLACES: Final = frozenset(
    "past medical history;past surgical history;family history;instructions;discharge"
    " instructions;allergies;medications;"
    "discharge medications;admission medications;review of systems;plan;follow-up".split(";")
)
_NOT_THIS: Final = re.compile(
    r"\b(?:no|denie[sd]|without|prior|previous|past|history of|h/o|hx of|risk of|old|recurrent|new|if you|for|avoid"
    r"|prevent) (?:\w+ ){0,2}\Z",
    re.IGNORECASE,
)
_LONG_AGO: Final = re.compile(r"\A[^.;\n]{0,12}(?:\bage \d+|\b(?:19|20|21)\d\d\b|years? ago|\[\*\*)", re.IGNORECASE)
_COLLISION: Final = re.compile(
    r"\b(?:MV[CA]|motor vehicle (?:collision|crash|accident)|car (?:accident|crash)|(?:rear|front)[- ]ended|T-boned"
    r"|(?:head[- ]on )?collision|hit by (?:a )?(?:car|truck|van|bus|SUV)|struck by (?:a )?(?:car|truck|van|bus|SUV"
    r"|vehicle)|motorcycle (?:crash|accident|collision)|MCC)\b",
    re.IGNORECASE,
)
_AROUND = 250
_WHO: Final = (
    (re.compile(r"\b(?:pedestrian|crossing the|while walking)\b", re.IGNORECASE), "pedestrian"),
    (re.compile(r"\b(?:bicycl\w+|cyclist|on (?:his|her|a) bike)\b", re.IGNORECASE), "cyclist"),
    (re.compile(r"\b(?:motorcycl\w+|MCC|dirt bike|moped|scooter)\b", re.IGNORECASE), "motorcyclist"),
    (re.compile(r"\bpassenger\b", re.IGNORECASE), "passenger"),
    (re.compile(r"\b(?:driver\b(?! side)|driving|drove)", re.IGNORECASE), "driver"),
)
_WHAT: Final = (
    (re.compile(r"\bpick-?up\b", re.IGNORECASE), "3"),
    (re.compile(r"\bSUV\b|\bsport utility", re.IGNORECASE), "1"),
    (re.compile(r"\b(?:mini)?van\b", re.IGNORECASE), "4"),
    (
        re.compile(
            r"\b(?:semi|18[- ]wheeler|tractor[- ]trailer|bus|lorry|(?:dump |delivery |box )?truck)\b", re.IGNORECASE
        ),
        "heavy",
    ),
    (re.compile(r"\b(?:tree|pole|wall|guard ?rail|ditch|barrier|house|building)\b", re.IGNORECASE), "fixed"),
    (re.compile(r"\b(?:roll(?:ed)?[- ]?over|rollover|lost control)\b", re.IGNORECASE), "alone"),
    (
        re.compile(
            r"\b(?:(?:another|other|second|a|oncoming|parked) (?:car|vehicle|sedan)|T-boned|rear[- ]ended)\b",
            re.IGNORECASE,
        ),
        "2",
    ),
)
_FALLEN: Final = re.compile(
    r"\b(?:fell|(?<!the )fall|falls|fallen|found|fainted|collapsed|slipped|tripped|syncope)\b", re.IGNORECASE
)
_ROOMS: Final = (
    (re.compile(r"\bkitchen\b", re.IGNORECASE), "kitchen"),
    (re.compile(r"\b(?:bathroom|shower|bath ?tub|tub)\b", re.IGNORECASE), "bathroom"),
    (re.compile(r"\bbedroom\b|\b(?:from|out of|off) (?:the |her |his )?bed\b", re.IGNORECASE), "bedroom"),
    (
        re.compile(r"\b(?:hall(?:way)?|corridor|living room|stairs at home|lounge|balcony|porch)\b", re.IGNORECASE),
        "other",
    ),
)
_DWELLINGS: Final = (
    (
        re.compile(
            r"\b(?:nursing home|SNF|assisted living|care home|skilled nursing|memory (?:care|wing))\b", re.IGNORECASE
        ),
        "Y92.12",
        "0128",
    ),
    (re.compile(r"\b(?:apartment|flat|condo\w*)\b", re.IGNORECASE), "Y92.03", "0128"),
    (
        re.compile(r"\b(?:(?:his|her|their|the|own) house|single[- ]family|lives in a house)\b", re.IGNORECASE),
        "Y92.01",
        "0238",
    ),
    (re.compile(r""), "Y92.00", "0238"),
)
_ORDER: Final = ("kitchen", "bathroom", "bedroom", "other")


def external_causes(text: str, sections: Sequence[Section]) -> Iterator[Found]:
    """Cause, place and activity of an injury, with the half-open spans that say so; each once.

    Args:
        text: the note.
        sections: of the note; what is past, the family's or advice says nothing of this injury.
    """
    if not is_trauma(text):
        return
    collision = next(_told(_COLLISION, text, sections), None)
    if collision is not None:
        yield Found(*collision.span(), _composed(text, collision))
    room = _room(text, sections)
    if room is not None:
        yield room
    fallen = collision is not None
    seen = {"place"} if room is not None else set()
    for kind, words, code in _patterns("icd10cm"):
        if kind in seen or (fallen and code[:2] in ("W0", "W1")):
            continue
        match = next(_told(words, text, sections), None)
        if match is not None:
            yield Found(*match.span(), code)
            fallen = fallen or code[:2] in ("W0", "W1")
            seen |= {kind} - {"cause"}


def _told(words: re.Pattern[str], text: str, sections: Sequence[Section]) -> Iterator[re.Match[str]]:
    """Where a pattern is said of what happened now."""
    for match in all_of(words, text):
        section = section_at(sections, match.start())
        if section is not None and section.name in _OTHER_PLACES:
            continue
        before = text[max(0, match.start() - 30) : match.start()]
        if not _NOT_THIS.search(before) and not _LONG_AGO.match(text[match.end() : match.end() + 30]):
            yield match


def _composed(text: str, collision: re.Match[str]) -> str:
    """The code of a collision by who was hurt and what was hit."""
    around = text[max(0, collision.start() - _AROUND) : collision.end() + _AROUND]
    who = next((name for words, name in _WHO if words.search(around)), "")
    what = next((name for words, name in _WHAT if words.search(around)), "")
    if who == "pedestrian":
        return "V04.10XA" if what == "heavy" else "V03.10XA"
    if who == "cyclist":
        return "V13.4XXA"
    if who == "motorcyclist":
        return {"heavy": "V24.49XA", "fixed": "V27.49XA", "alone": "V28.49XA"}.get(
            what, "V23.49XA" if what else "V29.408A"
        )
    seat = {"driver": "5", "passenger": "6"}.get(who, "")
    if not seat:
        return "V89.2XXA"
    if what in ("heavy", "fixed", "alone"):
        return f"V4{ {'heavy': '4', 'fixed': '7', 'alone': '8'}[what] }.{seat}XXA"
    return f"V43.{seat}{what}XA" if what else f"V49.{ {'5': '4', '6': '5'}[seat] }0XA"


def _room(text: str, sections: Sequence[Section]) -> Found | None:
    """The room and dwelling of a fall."""
    for fall in _told(_FALLEN, text, sections):
        stop = text.find(".", fall.end())
        beside = text[fall.end() : min(fall.end() + 60, stop if stop >= 0 else len(text))]
        for words, name in _ROOMS:
            room = words.search(beside)
            if room is not None:
                stem, digits = next((stem, digits) for words, stem, digits in _DWELLINGS if words.search(text))
                start = fall.end() + room.start()
                return Found(start, start + len(room[0]), f"{stem}{digits[_ORDER.index(name)]}")
    return None


INJURED: Final = parse_ranges("S00-T34 T51-T79")
"""Codes of injuries: without one of them nothing outside is coded as their cause."""
_EXTERNAL: Final = parse_ranges("V00-Y38 Y92-Y93 Y99")
_VAGUE: Final = (
    ("V00-V88", "V89 W19 X58"),
    ("W00-W18", "W19 X58"),
    ("W00-X57", "X58"),
    ("W01.1", "W01.0"),
    ("X92-Y08", "Y09"),
    ("X93-X95", "W32-W34"),
    ("X99.0-X99.8", "X99.9"),
    ("X93-X94", "X95.9"),
)


def settle_external_causes(proposals: ProposedCodes, book: CodeBook) -> None:
    """Take away, in place, causes without an injury, and general ones beside exact ones."""
    if not codes_in(proposals, _EXTERNAL, book):
        return
    if not codes_in(proposals, INJURED, book):
        drop(proposals, _EXTERNAL, book)
    for exact, general in _VAGUE:
        if codes_in(proposals, parse_ranges(exact), book):
            drop(proposals, parse_ranges(general), book)


@cache
def _patterns(system: str) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    return tuple(
        (row["kind"], re.compile(row["words"], re.IGNORECASE), row["code"])
        for row in read_rows("external_causes", system)
    )
