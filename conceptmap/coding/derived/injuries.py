"""Injuries composed of what a note says in one clause: kind, site, side, manner, open or closed, the level of a spine,
several ribs, the degree and extent of burns, the loss of consciousness (ICD-10-CM guideline I.C.19).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from conceptmap.coding.derived.found import Found
from conceptmap.coding.derived.injury_titles import most_exact, site_words
from conceptmap.coding.exact.listed_sites import listed_words
from conceptmap.coding.proposed_codes import ProposedCodes, add, codes_in, drop, exchange
from conceptmap.ontology.code_ranges import parse_ranges
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import first_of
from conceptmap.text.sections import Section, section_at

__all__ = ["injuries", "is_trauma", "settle_injuries"]

_KIND: Final = re.compile(
    r"\b(?:fxs?|fractures?|fractured|lacs?|lacerations?|lacerated|bruis(?:e|ed|es|ing)|contusions?|abrasions?|road rash"
    r"|sprain(?:ed|s)?|dislocations?|dislocated)\b",
    re.IGNORECASE,
)
_TRAUMA: Final = re.compile(
    r"\b(?:MV[CA]|motor vehicle|collision|crash\w*|fell|falls?|fallen|struck|hit (?:by|on|his|her|the)|assault\w*"
    r"|beaten|stab(?:b\w+)?|gunshots?|GSWs?|(?:was|been) shot|shot (?:by|in)|knife wounds?|injur\w+|trauma\w*|thrown"
    r"|ejected|kicked|bitten|crushed|playing|tripped|slipped|twisted|pedestrian|MECHANISM|seizure|convuls\w+"
    r"|fainted|syncope|attacked|burn(?:s|ed|ing)?)\b",
    re.IGNORECASE,
)
_NOT_NOW: Final = re.compile(
    r"\b(?:old|healed|healing rib|chronic|prior|previous|remote|h/o|history of|hx|s/p|status post|past|years? ago"
    r"|osteoporo\w+|fragility|patholog\w+|insufficiency|compression"
    r"|no|without|denies|negative for|not|ruled out|r/o|risk|if|liver laceration grading|perineal|vaginal|labial"
    r"|periurethral|childhood|age \d+|(?:19|20)\d\d)\b",
    re.IGNORECASE,
)
_PAST_AFTER: Final = re.compile(
    r"\A[^,]{0,25}\b(?:old|healed|years? ago|in (?:19|20)\d\d|ruled out|childhood|(?:as|was) an? (?:child|kid)"
    r"|not seen)\b",
    re.IGNORECASE,
)
_OTHER_PLACES: Final = frozenset(
    "past medical history;past surgical history;family history;instructions;discharge"
    " instructions;allergies;medications;"
    "discharge medications;admission medications;social history;review of systems".split(";")
)
_SEGMENT: Final = re.compile(r"[^.;\n]+(?:\.(?=\d)[^.;\n]+)*")
_SIDE: Final = re.compile(r"\b((?i:left|right|lt|rt)|L|R)\b(?!\d)")
_SIDES: Final = {"l": "left", "lt": "left", "left": "left", "r": "right", "rt": "right", "right": "right"}
_OPEN: Final = re.compile(r"\b(?:open|compound)\b", re.IGNORECASE)
_TYPE_III: Final = re.compile(r"\b(?:type|grade|gustilo) ?(?:III|3)", re.IGNORECASE)
_WORD: Final = re.compile(r"[a-z_]+")
_RIBS: Final = re.compile(
    r"\bribs?\b[^.;\n]{0,15}?(?:\d+ ?(?:-|–|to|through|,|and|&) ?\d+)?|\b\d+(?:st|nd|rd|th)? ?(?:-|–|to|through|,"
    r"|and) ?\d+(?:st|nd|rd|th)? ribs?\b",
    re.IGNORECASE,
)
_SEVERAL: Final = re.compile(
    r"\bribs\b|\brib fractures\b|\bmultiple\b|\d ?(?:-|–|to|through|,|and|&) ?\d", re.IGNORECASE
)
_LEVEL: Final = re.compile(r"\b([CTL])(\d{1,2})\b")
_PROCESS: Final = re.compile(r"\b(?:transverse|spinous) process", re.IGNORECASE)
_BURST: Final = re.compile(r"\bburst\b", re.IGNORECASE)
_THORACIC: Final = {1: "1", 2: "2", 3: "3", 4: "4", 5: "5", 6: "5", 7: "6", 8: "6", 9: "7", 10: "7", 11: "8", 12: "8"}
_ORGANS: Final = (
    (re.compile(r"\b(?:splenic|spleen) lac\w*", re.IGNORECASE), ("S36.030A", "S36.031A", "S36.032A", "S36.039A")),
    (re.compile(r"\b(?:liver|hepatic) lac\w*", re.IGNORECASE), ("S36.114A", "S36.115A", "S36.116A", "S36.113A")),
)
_GRADE: Final = re.compile(r"\b(?:grade|gr\.?) ?(IV|V|III|II|I|[1-5])\b", re.IGNORECASE)
_GRADES: Final = {"I": 0, "1": 0, "II": 1, "2": 1, "III": 2, "3": 2, "IV": 2, "4": 2, "V": 2, "5": 2}
_LUNG: Final = re.compile(
    r"\b(?:pulmonary|lung|LLL|LUL|RLL|RUL|RML|lingula)\b[^.;\n]{0,20}\bcontusions?\b"
    r"|\bcontusions?\b[^.;\n]{0,12}\b(?:lungs?|pulmonary)\b",
    re.IGNORECASE,
)
_HEADS: Final = (
    (re.compile(r"\b(?:SDH|subdural (?:hematoma|haematoma|hemorrhage|haemorrhage))\b", re.IGNORECASE), "S06.5X"),
    (re.compile(r"\b(?:SAH|subarachnoid (?:hemorrhage|haemorrhage|blood))\b", re.IGNORECASE), "S06.6X"),
    (re.compile(r"\b(?:EDH|epidural (?:hematoma|hemorrhage))\b", re.IGNORECASE), "S06.4X"),
)
_CONCUSSION: Final = re.compile(r"\bconcussion\b", re.IGNORECASE)
_LOC: Final = re.compile(
    r"(\+ ?LOC|\bno LOC|\b(?:without|denie[sd]|negative for) (?:any )?(?:LOC|loss of consciousness)|\bLOC\b"
    r"|\bloss of consciousness|\blost consciousness)",
    re.IGNORECASE,
)
_MINUTES: Final = re.compile(r"(\d+)(?: ?(?:-|to) ?(\d+))? ?(min|sec|hour|hr)", re.IGNORECASE)
_BRIEF: Final = re.compile(r"\b(?:brief|briefly|momentary|seconds|few minutes)\b", re.IGNORECASE)
_DEGREE: Final = re.compile(
    r"\b(?:full[- ]thickness|partial(?:[- ]thickness)?|(?:first|second|third|1st|2nd|3rd)[- ]degree|blister\w*)\b",
    re.IGNORECASE,
)
_BURNED: Final = re.compile(r"\bburn(?:s|ed|t)?\b|\bscald\w*", re.IGNORECASE)
_CUT: Final = re.compile(
    r"\b(?:from|just|circumferential\w*|treated|donor|graft\w*|excis\w+|healed|escharotom\w+)\b", re.IGNORECASE
)
_EXTENT: Final = re.compile(
    r"(\d+(?:\.\d+)?) ?% ?(?:TBSA|of (?:the )?(?:total )?body)|\bTBSA\b[^\d\n]{0,15}(\d+(?:\.\d+)?) ?%", re.IGNORECASE
)
_DEEP: Final = re.compile(
    r"(\d+(?:\.\d+)?) ?%[^.;\n\d]{0,15}\b(?:third[- ]degree|3rd[- ]degree|full[- ]thickness)", re.IGNORECASE
)


@lru_cache(maxsize=64)
def is_trauma(text: str) -> bool:
    """Whether a note tells of how somebody came to harm."""
    return first_of(_TRAUMA, text) is not None


def injuries(text: str, sections: Sequence[Section], book: CodeBook) -> Iterator[Found]:
    """The injuries that a note composes, with the half-open spans that say so.

    Args:
        text: the note.
        sections: of the note; what is past, the family's or advice gives none.
        book: of the index.
    """
    if not is_trauma(text):
        return
    told = first_of(_KIND, text) or first_of(_DEGREE, text)
    for segment in _SEGMENT.finditer(text) if told else ():
        section = section_at(sections, segment.start())
        if section is not None and section.name in _OTHER_PLACES:
            continue
        for kind in _KIND.finditer(segment[0]):
            yield from _one(segment, kind, book)
        if _DEGREE.search(segment[0]):
            yield from _burns(segment, book)
    yield from _burned(text)
    yield from _inside(text)


def _one(segment: re.Match[str], kind: re.Match[str], book: CodeBook) -> Iterator[Found]:
    """The injury of one kind word in its segment."""
    clause = segment[0]
    before, after = _bounds(clause, kind)
    said = clause[before:after]
    if (
        _NOT_NOW.search(said[: kind.end() - before])
        or _PAST_AFTER.search(said[kind.end() - before :])
        or (kind[0].lower().startswith("fx") and "no " in clause[:before].lower()[-12:])
    ):
        return
    span = segment.start() + kind.start(), segment.start() + kind.end()
    head = clause[:before] if ":" in clause[:before] else ""
    listed = listed_words(clause, kind.start(), kind.end())
    if listed:
        yield from _at_each_site(listed, kind[0], clause[: kind.start()], span, book)
        return
    side = _side(said) or _side(head)
    if kind[0].lower().startswith(("fx", "fracture")) and _RIBS.search(said):
        several = _SEVERAL.search(said) is not None
        digit = {"right": "1", "left": "2"}.get(side, "9")
        yield Found(*span, f"S22.{'4' if several else '3'}{digit}XA")
        return
    levels = _LEVEL.findall(said) if kind[0].lower().startswith(("fx", "fracture")) else []
    if levels:
        how = "8" if _PROCESS.search(said) else "2" if _BURST.search(said) else "9"
        codes = (_vertebra(region, number, how) for region, number in levels)
        yield from (Found(*span, code) for code in codes if code)
        return
    words = frozenset(_WORD.findall(site_words(f"{head} {said}")))
    name = next((name for name in _NAMES if name in words), None)
    found = most_exact(book, name, words, side) if name else None
    if found is not None:
        yield Found(*span, _opened(book.codes[found.concept], said, name))


def _at_each_site(
    items: Sequence[str], kind: str, before: str, span: tuple[int, int], book: CodeBook
) -> Iterator[Found]:
    """The injury of one kind at each site of the list behind it."""
    broken = kind.lower().startswith(("fx", "fracture"))
    ribs = [item for item in items if _RIBS.search(item) or (_ORDINAL.fullmatch(item) and broken)]
    if ribs and broken:
        digit = {"right": "1", "left": "2"}.get(_side(" ".join(ribs)), "9")
        several = len(ribs) > 1 or _SEVERAL.search(ribs[0])
        yield Found(*span, f"S22.{'4' if several else '3'}{digit}XA")
    for item in items:
        if broken and item in ribs:
            continue
        words = frozenset(_WORD.findall(site_words(f"{before[-_MANNER:]} {kind} {item}")))
        name = next((name for name in _NAMES if name in words), None)
        found = most_exact(book, name, words, _side(item)) if name else None
        if found is not None:
            yield Found(*span, _opened(book.codes[found.concept], f"{before[-_MANNER:]} {item}", name))


_ORDINAL: Final = re.compile(r"(?:left |right |L |R )?\d{1,2}(?:st|nd|rd|th)?", re.IGNORECASE)
_MANNER: Final = 25
_NAMES: Final = ("fracture", "laceration", "contusion", "abrasion", "sprain", "dislocation")


def _bounds(clause: str, kind: re.Match[str]) -> tuple[int, int]:
    """The part of a segment that is about one kind word: between its neighbours and commas that begin something new."""
    others = [m for m in _KIND.finditer(clause) if m.start() != kind.start()]
    before = max([m.end() for m in others if m.end() <= kind.start()], default=0)
    after = min([m.start() for m in others if m.start() >= kind.end()], default=len(clause))
    comma = clause.rfind(",", before, kind.start())
    colon = clause.rfind(":", before, kind.start())
    return max(before, colon + 1, comma + 1 if comma > before and kind.start() - comma > 12 else 0), after


def _side(said: str) -> str:
    """The side that a piece of text names, where it names one only."""
    named = {_SIDES[match[1].lower()] for match in _SIDE.finditer(said)}
    return named.pop() if len(named) == 1 else ""


def _opened(code: str, said: str, kind: str | None) -> str:
    """The code with the character of an open fracture, where the text calls it open."""
    if kind != "fracture" or not _OPEN.search(said) or code[:3] in ("S02", "S12", "S22", "S32"):
        return code[:-1] + ("B" if kind == "fracture" and _OPEN.search(said) else code[-1])
    return code[:-1] + ("C" if _TYPE_III.search(said) and code[:3] in ("S52", "S72", "S82") else "B")


def _vertebra(region: str, number: str, how: str) -> str:
    """The code of a fracture of one vertebra."""
    n = int(number)
    if region == "L" and 1 <= n <= 5:
        return f"S32.0{n}{how}A"
    if region == "T" and n in _THORACIC:
        return f"S22.0{_THORACIC[n]}{how}A"
    return f"S12.{n - 1}00A" if region == "C" and 1 <= n <= 7 else ""


def _burns(segment: re.Match[str], book: CodeBook) -> Iterator[Found]:
    """The burns of a segment that says how deep they are, at each of its sites."""
    degree = _DEGREE.search(segment[0])
    cut = _CUT.search(segment[0])
    assert degree is not None
    place = segment[0][: cut.start()] if cut and cut.start() > 5 else segment[0]
    place = place.rsplit(":", 1)[-1]
    deep = frozenset(_WORD.findall(site_words(degree[0])))
    words = set(_WORD.findall(site_words(place))) - {"thickness"}
    side = _side(place)
    start = segment.start() + degree.start()
    for _ in range(4):
        found = most_exact(book, "burn", frozenset(words | deep), side)
        if found is None or not found.site - {"burn"}:
            return
        yield Found(start, start + len(degree[0]), book.codes[found.concept])
        words -= found.site


def _burned(text: str) -> Iterator[Found]:
    """The extent of burns in per cent of the body, and of those of third degree."""
    extent = first_of(_EXTENT, text)
    if extent and first_of(_BURNED, text):
        total = min(9, int(float(extent[1] or extent[2])) // 10)
        deep = [float(match[1]) for match in _DEEP.finditer(text)]
        yield Found(
            *extent.span(),
            f"T31.{total}{min(total, int(max(deep, default=0)) // 10)}".removesuffix("0" if not total else "-"),
        )


def _inside(text: str) -> Iterator[Found]:
    """Injuries of organs by their grade, of the lungs, and bleeding within the head."""
    for words, codes in _ORGANS:
        found = first_of(words, text)
        if found:
            grade = _GRADE.search(text, max(0, found.start() - 15), found.end() + 20)
            yield Found(*found.span(), codes[_GRADES[grade[1].upper()] if grade else 3])
    lung = first_of(_LUNG, text)
    if lung:
        yield Found(
            *lung.span(),
            "S27.322A"
            if re.search(r"bilateral", text[max(0, lung.start() - 15) : lung.end()], re.IGNORECASE)
            else "S27.321A",
        )
    for words, stem in _HEADS:
        found = first_of(words, text)
        if found:
            yield Found(*found.span(), f"{stem}{_unconscious(text)}A")
    shaken = first_of(_CONCUSSION, text)
    if shaken and (said := _unconscious(text)) != "A":
        yield Found(*shaken.span(), f"S06.0X{said if said in '01' else '9'}A")


def _unconscious(text: str) -> str:
    """The character of how long consciousness was lost: A where the note does not say whether it was."""
    found = first_of(_LOC, text)
    if found is None:
        return "A"
    if re.match(r"no|without|denie|negative", found[0], re.IGNORECASE):
        return "0"
    for_how_long = _MINUTES.search(text, found.end(), found.end() + 40)
    if for_how_long is None:
        return "1" if _BRIEF.search(text, max(0, found.start() - 15), found.end() + 25) else "9"
    minutes = int(for_how_long[2] or for_how_long[1]) * {"m": 1, "s": 0, "h": 60}[for_how_long[3][0].lower()]
    return next((digit for most, digit in ((30, "1"), (59, "2"), (359, "3"), (1440, "4")) if minutes <= most), "5")


_OF_TRAUMA: Final = (  # without a cause, and after an injury (Excludes1 notes at I60-I62, J93 and J94.2)
    ("S06.5", "I62.0", ""),
    ("S06.6", "I60", ""),
    ("S20-S29 V00-V99 W00-W99", "J93.8 J93.9", "S27.0XXA"),
    ("S20-S29 V00-V99 W00-W99", "J94.2", "S27.1XXA"),
)


_HARMED: Final = parse_ranges("S00-T88 V00-W99")
"""Injuries and their causes: without one of them nothing here applies."""


def settle_injuries(proposals: ProposedCodes, book: CodeBook, text: str) -> None:
    """Take away, in place, injuries that others say more exactly, and give those of the chest to trauma."""
    if not codes_in(proposals, _HARMED, book):
        return
    for injured, other, gives in _OF_TRAUMA if is_trauma(text) else ():
        if codes_in(proposals, parse_ranges(injured), book):
            for proposal in codes_in(proposals, parse_ranges(other), book):
                at = book.position_of_code.get(gives)
                if at is None:
                    del proposals[proposal.concept]
                else:
                    exchange(proposals, proposal, at, f"after an injury: {book.codes[proposal.concept]}")
    air, blood = (book.position_of_code.get(code) for code in ("S27.0XXA", "S27.1XXA"))
    both = book.position_of_code.get("S27.2XXA")
    if air in proposals and blood in proposals and both is not None:
        parts = codes_in(proposals, parse_ranges("S27.0 S27.1"), book)
        for part in parts:
            del proposals[part.concept]
        numbers = parts[0].numbers + parts[1].numbers
        said = "S27.0 and S27.1 are one code (S27.2)"
        one = add(proposals, both, numbers, parts[0].strength, affirmed=True, remark=said)
        one.links.combined_from += [book.codes[part.concept] for part in parts]
    if blood in proposals and both is not None and first_of(_AIR_AND_BLOOD, text):
        exchange(proposals, proposals[blood], both, "air and blood in the chest are one code (S27.2)")
    _open_ones(proposals, book)
    _vaguer(proposals, book)


_AIR_AND_BLOOD: Final = re.compile(r"\bh[a]?emopneumothora\w+", re.IGNORECASE)
_VAGUE: Final = re.compile(r"unspecified|status unknown", re.IGNORECASE)


def _open_ones(proposals: ProposedCodes, book: CodeBook) -> None:
    """Fractures of a bone that the note also calls open."""
    for proposal in codes_in(proposals, parse_ranges("S42 S52 S62 S72 S82 S92"), book):
        code = book.codes[proposal.concept]
        opened = [d for d in codes_in(proposals, parse_ranges(code[:3]), book) if book.codes[d.concept][-1] in "BC"]
        at = book.position_of_code.get(code[:-1] + book.codes[opened[0].concept][-1]) if opened else None
        if code.endswith("A") and at is not None:
            exchange(proposals, proposal, at, f"open: {book.codes[opened[0].concept]}")


def _vaguer(proposals: ProposedCodes, book: CodeBook) -> None:
    """Injuries of a category that leave open what another of it says, and T14 beside any."""
    ours = codes_in(proposals, parse_ranges("S00-S99 T20-T28"), book)
    for proposal in ours:
        code, name = book.codes[proposal.concept], book.names[proposal.concept]
        more = [d for d in ours if d is not proposal and book.codes[d.concept][:3] == code[:3]]
        beside = [d for d in more if book.codes[d.concept][:6] == code[:6]]
        left_open = len(_VAGUE.findall(name))
        exact = [
            *(d for d in beside if len(_VAGUE.findall(book.names[d.concept])) < left_open),
            *(d for d in more if left_open and not _VAGUE.search(book.names[d.concept])),
            *(d for d in more if code[:5] == "S22.3" and book.codes[d.concept][:5] == "S22.4"),
            *(beside if code[:3] == "S06" and code[6:7] == "A" else ()),
        ]
        if exact and proposal.concept in proposals:
            del proposals[proposal.concept]
            exact[0].numbers = sorted({*exact[0].numbers, *proposal.numbers})
    if ours:
        drop(proposals, parse_ranges("T14 T07 T30"), book)
