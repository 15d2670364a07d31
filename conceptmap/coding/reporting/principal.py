"""The principal diagnosis of a note: the condition found, after study, to have led to the admission or the visit.

A note rarely says which one that was, but its sections do. Where it lists diagnoses, the first of the main ones. Else
in a hospital stay what the text calls its reason ("admitted with", an admission diagnosis that the course treats), then
what the course or the problems tell of before what the complaint and the history of the illness say, and in a visit the
first of the assessment, be it a symptom. What came up in the stay, or results from a disease that the note does not
name, what is past and what only accompanies go behind, and a symptom is chosen only where no section names a condition.
Then the rules of sequence apply (``data/sequencing_<system>.csv``), and what the classification wants coded first
(ICD-10-CM guidelines I.A.13, I.C, II and IV.G). It is a proposal, said in the notes of the code; every note with codes
has exactly one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from conceptmap.coding.instructions import Instructions
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCode
from conceptmap.coding.reporting.present import arose_in_the_stay
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, base_code, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import first_of

__all__ = ["is_background", "principal"]

_DIAGNOSES: Final = ("discharge diagnosis", "postoperative diagnosis", "diagnosis")
_ASSESSED: Final = ("assessment", "assessment and plan", "impression", "problem list")
_ORDER: Final[dict[str, tuple[str | None, ...]]] = {
    "inpatient": (
        *_DIAGNOSES,
        "hospital course",
        *_ASSESSED,
        None,
        "document",
        "admission diagnosis",
        "reason for visit",
        "chief complaint",
        "history of present illness",
        "history",
        "subjective",
        "procedures",
        "findings",
        "imaging",
    ),
    "visit": (
        *_DIAGNOSES,
        *_ASSESSED,
        "plan",
        "reason for visit",
        "chief complaint",
        None,
        "document",
        "history of present illness",
        "history",
        "subjective",
        "results",
        "imaging",
    ),
}
_ORDER["report"] = (
    *_DIAGNOSES,
    *_ASSESSED,
    "admission diagnosis",
    "reason for visit",
    "chief complaint",
    None,
    "document",
    "hospital course",
    "history of present illness",
    "history",
    "subjective",
)
"""Sections by setting, first to last; None is the beginning of a note, or a note without headings."""
_RANK: Final = {setting: {name: at for at, name in enumerate(names)} for setting, names in _ORDER.items()}
_ELSEWHERE: Final = 50
_LAST: Final = 40
_MAIN: Final = re.compile(r"\b(?:primary|principal|main|most responsible)\b", re.IGNORECASE)
_OTHERS: Final = re.compile(r"\b(?:secondary|other|additional|associated|chronic|comorbid\w*)\b", re.IGNORECASE)
_REASONS: Final = frozenset({"admission diagnosis", "reason for visit"})
_TREATED: Final = frozenset({"hospital course", *_ASSESSED})
_NEVER: Final = {"icd10cm": parse_ranges("B95-B97 R65 V00-Y99 Z00 Z02-Z37 Z39-Z42 Z44-Z46 Z48-Z49 Z52-Z99")}
_EXCEPT: Final = {"icd10cm": parse_ranges("Z00.0-Z00.1 Z51.0-Z51.1 Z38 Z42-Z43 Z45-Z47")}
_LAST_RESORT: Final = {"icd10cm": parse_ranges("V00-Y99 B95-B97")}
_SYMPTOMS: Final = {"icd10cm": parse_ranges("R00-R55 R56.9 R57-R64 R68-R99 M25.5 M54 M79.6 G89 H57.1")}
_HARM: Final = {"icd10cm": parse_ranges("T36-T50")}
_HABITS: Final = {"icd10cm": parse_ranges("F17 E66 F10.9 F11.9 F12.9 F13.9 F14.9 F15.9 F16.9 F18.9 F19.9")}
_BACKGROUND: Final = {
    "icd10cm": parse_ranges(
        "B20 D17-D18 D25 D50-D53 D62-D64 D69.5-D69.6 E03-E04 E10.2-E10.9 E11.2-E11.9 E13.2-E13.9 E55 E78 E83 E86-E87"
        " F01-F03 F32.A F41 F90 G25.81 G31.84 G43.1 G43.9 G47 H00-H59 H90-H91 I10 I11.9 I12 I25.1 I25.2 I25.5 I48.2 I49"
        " I70 I73 J30 J32-J34 J44.9 J45 K21 K44 K57.3 K57.9 K58 K64 M10.9 M19 M81 N18 N25 N39.3-N39.4 N40 N92 N95"
        " Q00-Q99"
    )
}
"""What accompanies a stay more often than it leads to one."""

_MINOR: Final = {"icd10cm": parse_ranges("S00 S10 S20 S30 S40 S50 S60 S70 S80 S90")}
"""Superficial injuries, which go behind more serious ones (I.C.19.b.1)."""

_REASON: Final = re.compile(
    r"\b(?:(?:(?:re-?)?admit(?:ted)?|admission|hospitali[sz]ed|referred|consulted|seen|came|comes|presents?|presented"
    r"|presenting|transferred|brought in|sent in|here)"
    r"(?: [\w/'-]+){0,6}? (?:for|w/|with|because of|due to|d/t|complaining of)|p/w"
    r"|(?:final|definitive|principal|main|discharge|primary) diagnos[ie]s (?:was|were|is|of|:)"
    r"|diagnosed (?:with|as|of)|diagnosis of|treated for)(?: \w+){0,3}\s*\Z",
    re.IGNORECASE,
)
_BEFORE: Final = 90
_EARLIER: Final = re.compile(r"\b(?:previous(?:ly)?|prior|last|recent(?:ly)?|past|never)\s(?:\w+\s)?\Z", re.IGNORECASE)


def principal(
    proposals: Sequence[ProposedCode],
    book: CodeBook,
    around: MentionPlaces,
    past: AbstractSet[int] = frozenset(),
    instructions: Instructions | None = None,
) -> ProposedCode | None:
    """The principal diagnosis among the codes of a note, which is told why; None in other systems and without codes.

    Args:
        proposals: the codes of a note.
        book: of the index.
        around: where their mentions stand.
        past: numbers of the mentions that tell of the past.
        instructions: of the index: which code another one has before it.
    """
    if book.system not in _NEVER or not proposals:
        return None
    able = [proposal for proposal in proposals if proposal.affirmed and not _never(proposal, book)]
    if not able:
        return _last_resort(proposals, book)
    places = {proposal.concept: _place(proposal, book, around, past) for proposal in able}
    able.sort(key=lambda proposal: places[proposal.concept])
    chosen = able[0]
    number = places[chosen.concept].number
    under = around.section(number) or "no heading"
    said = f"the reason or the diagnosis under {under}" if _is_reason(number, around) else f"first under {under}"
    present = [d for d in able if not (past >= set(d.numbers) or arose_in_the_stay(d, around))]
    chosen, said = _sequenced(chosen, said, present, book, around)
    before = _coded_before(chosen, able, book, instructions)
    if before is not chosen:
        chosen, said = before, f"{book.codes[chosen.concept]} has it coded first"
    chosen.remark(f"proposed as principal diagnosis: {said}")
    return chosen


def is_background(code: str, system: str) -> bool:
    """Whether a condition accompanies a stay more often than it leads to one.

    >>> is_background("I10", "icd10cm"), is_background("J18.9", "icd10cm")
    (True, False)
    """
    return within(code, _BACKGROUND.get(system, ()))


class _Place(NamedTuple):
    """What a mention of a code goes by; the least is chosen."""

    weak: bool
    later: bool
    past: bool
    rank: float
    background: bool
    no_reason: bool
    number: int


def _place(proposal: ProposedCode, book: CodeBook, around: MentionPlaces, past: AbstractSet[int]) -> _Place:
    """The best place of a code."""
    code = book.codes[proposal.concept]
    later = _came_later(proposal, around)
    background = is_background(code, book.system) or within(code, _MINOR[book.system])
    leads = not background and around.setting != "visit" and _led_to_the_stay(proposal, around)
    places = []
    for number in proposal.numbers:
        name = around.section(number)
        listed = name in _DIAGNOSES or (around.setting == "visit" and name in _ASSESSED)
        rank = _rank(number, around)
        symptom = within(code, _SYMPTOMS[book.system]) and not (listed and around.opens_item(number))
        weak = rank == _ELSEWHERE or symptom or within(code, _HABITS[book.system])
        if leads and not weak and number not in past:
            rank = min(rank, len(_DIAGNOSES) - 0.5)
        no_reason = name in _DIAGNOSES or not _is_reason(number, around)
        places.append(_Place(weak, later, number in past, rank, not listed and background, no_reason, number))
    return min(places)


def _rank(number: int, around: MentionPlaces) -> float:
    """Which section a mention stands in: a list of main diagnoses goes first, one of the others last."""
    name = around.section(number)
    if name in _DIAGNOSES:
        heading = around.heading(number)
        if _MAIN.search(heading):
            return -1
        if _OTHERS.search(heading):
            return _LAST
    return _RANK[around.setting].get(name, _ELSEWHERE)


def _led_to_the_stay(proposal: ProposedCode, around: MentionPlaces) -> bool:
    """Whether the text calls a condition the reason of the stay, and tells of it in the course as well."""
    treated = any(around.section(number) in _TREATED for number in proposal.numbers)
    if treated and any(around.section(n) in _REASONS and around.opens_item(n) for n in proposal.numbers):
        return True
    return any(_is_reason(number, around) for number in proposal.numbers)


def _came_later(proposal: ProposedCode, around: MentionPlaces) -> bool:
    """Whether a condition came up in the stay, or is the result of another that the note does not name."""
    missing = (remark for remark in proposal.remarks if remark.startswith("code first, not found"))
    if any("such as" not in remark for remark in missing):  # examples: another code of the note may be the one meant
        return True
    return arose_in_the_stay(proposal, around)


def _sequenced(
    chosen: ProposedCode, said: str, able: Sequence[ProposedCode], book: CodeBook, around: MentionPlaces
) -> tuple[ProposedCode, str]:
    """The code that the rules of sequence put before the chosen one, and the last of them; or the chosen one."""
    for rule in _rules(book.system):
        code = book.codes[chosen.concept]
        if around.setting not in rule.settings or not within(code, rule.before):
            continue
        if rule.says is not None and first_of(rule.says, around.text) is None:
            continue
        first = next((d for d in able if within(book.codes[d.concept], rule.first)), None)
        if first is not None and first is not chosen:
            chosen, said = first, f"{rule.reason}: before {code}"
    return chosen, said


def _coded_before(
    chosen: ProposedCode, able: Sequence[ProposedCode], book: CodeBook, instructions: Instructions | None
) -> ProposedCode:
    """The first of some codes that the classification wants before the chosen one, or that one."""
    told = {remark.removeprefix("code first ") for remark in chosen.remarks if remark.startswith("code first ")}
    for other in able:
        code = base_code(book.codes[other.concept])
        if code in told or (instructions is not None and instructions.is_coded_first(chosen.concept, code)):
            return other
    return chosen


def _last_resort(proposals: Sequence[ProposedCode], book: CodeBook) -> ProposedCode:
    """A status or a factor, where a note has nothing else; an external cause or an organism where it has only those."""
    chosen = next((d for d in proposals if not within(book.codes[d.concept], _LAST_RESORT[book.system])), proposals[0])
    chosen.remark("proposed as principal diagnosis: the note has no code that may be one")
    return chosen


def _is_reason(number: int, around: MentionPlaces) -> bool:
    """Whether the words before a mention call it the reason of the encounter or the diagnosis."""
    start = around.spans[number][0]
    sentence = around.sentence(number)
    floor = around.sentences[sentence][0] if sentence >= 0 else 0
    before = around.text[max(floor, start - _BEFORE) : start]
    said = _REASON.search(before)
    return said is not None and not _EARLIER.search(before[: said.start()])


def _never(proposal: ProposedCode, book: CodeBook) -> bool:
    """Manifestations, organisms, external causes and most factors are no principal diagnosis."""
    code = book.codes[proposal.concept]
    if within(code, _EXCEPT[book.system]):
        return False
    follows = within(code, _HARM[book.system]) and code[6:7] in {"5", "6"}  # an adverse effect or underdosing
    return follows or book.is_manifestation(proposal.concept) or within(code, _NEVER[book.system])


@dataclass(frozen=True, slots=True)
class _Sequence:
    first: Ranges
    before: Ranges
    settings: frozenset[str]
    says: re.Pattern[str] | None
    reason: str


@cache
def _rules(system: str) -> tuple[_Sequence, ...]:
    return tuple(
        _Sequence(
            parse_ranges(row["first"]),
            parse_ranges(row["before"]),
            frozenset(row["settings"].split()),
            re.compile(rf"\b(?:{row['says']})\b", re.IGNORECASE) if row["says"] else None,
            row["reason"],
        )
        for row in read_rows("sequencing", system)
    )
