"""The principal diagnosis of a note: the condition found, after study, to have led to the admission or the visit.

A note rarely says which one that was, but its sections do. Where it lists diagnoses, the first of them. Else in a
hospital stay what the course or the problems tell of before what the complaint and the history of the illness say, and
in a visit the first of the assessment, be it a symptom. Within a section what the text calls the reason or diagnosis
("admitted for", "diagnosed with") goes first, what is past or only accompanies comes last. A symptom is chosen only
where no section names a condition. Then the rules of sequence apply (``data/sequencing_<system>.csv``), and what the
classification wants coded first (ICD-10-CM guidelines I.A.13, I.C, II and IV.G). It is a proposal, said in the notes of
the code; every note with codes has exactly one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from typing import Final

from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCode
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, base_code, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook

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
_NEVER: Final = {"icd10cm": parse_ranges("B95-B97 R65 V00-Y99 Z00 Z02-Z37 Z39-Z42 Z44-Z46 Z48-Z49 Z52-Z99")}
_EXCEPT: Final = {"icd10cm": parse_ranges("Z00.0-Z00.1 Z51.0-Z51.1 Z38 Z42-Z43 Z45-Z47")}
_LAST_RESORT: Final = {"icd10cm": parse_ranges("V00-Y99 B95-B97")}
_SYMPTOMS: Final = {"icd10cm": parse_ranges("R00-R55 R56.9 R57-R64 R68-R99 M25.5 M54 M79.6 G89 H57.1")}
_HARM: Final = {"icd10cm": parse_ranges("T36-T50")}
_HABITS: Final = {"icd10cm": parse_ranges("F17 E66 F10.9 F11.9 F12.9 F13.9 F14.9 F15.9 F16.9 F18.9 F19.9")}
_BACKGROUND: Final = {
    "icd10cm": parse_ranges(
        "D50-D53 D62-D64 D69.5-D69.6 E03 E10.2-E10.9 E11.2-E11.9 E13.2-E13.9 E55 E78 E83 E86-E87 F32.A F41 G47 H00-H59"
        " H90-H91 I10 I11.9 I12 I25.1 I25.2 I25.5 I48.2 I49 I70 I73 J30 J44.9 J45 K21 K44 K57.3 K57.9 M10.9 M19 M81"
        " N18 N25 N40 Q00-Q99"
    )
}
"""What accompanies a stay more often than it leads to one."""

_REASON: Final = re.compile(
    r"\b(?:(?:admitted|readmitted|admission|hospitali[sz]ed|referred|consulted|seen|came|presents?|presented|presenting)"
    r"(?: \w+){0,6}? (?:for|with|because of|due to|complaining of)"
    r"|(?:final|definitive|principal|main|discharge|primary) diagnos[ie]s (?:was|were|is|of|:)"
    r"|diagnosed (?:with|as|of)|diagnosis of|treated for)(?: \w+){0,3}\s*\Z",
    re.IGNORECASE,
)
_BEFORE: Final = 90


def principal(
    proposals: Sequence[ProposedCode], book: CodeBook, around: MentionPlaces, past: AbstractSet[int] = frozenset()
) -> ProposedCode | None:
    """The principal diagnosis among the codes of a note, which is told why; None in other systems and without codes.

    Args:
        proposals: the codes of a note.
        book: of the index.
        around: where their mentions stand.
        past: numbers of the mentions that tell of the past.
    """
    if book.system not in _NEVER or not proposals:
        return None
    able = [proposal for proposal in proposals if proposal.affirmed and not _never(proposal, book)]
    if not able:
        return _last_resort(proposals, book)
    keys = [
        (_key(book.codes[proposal.concept], n, book.system, around, past), n, place)
        for place, proposal in enumerate(able)
        for n in proposal.numbers
    ]
    least = min(key for key, _, _ in keys)
    _, number, place = min((not _is_reason(n, around), n, place) for key, n, place in keys if key == least)
    chosen, under = able[place], around.section(number) or "no heading"
    said = f"first under {under}"
    if _is_reason(number, around):
        said = f"the reason or the diagnosis under {under}"
    present = [proposal for proposal in able if not past >= set(proposal.numbers)]
    chosen, said = _sequenced(chosen, said, present, book, around.setting)
    before = _coded_before(chosen, proposals, book)
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


def _key(
    code: str, number: int, system: str, around: MentionPlaces, past: AbstractSet[int]
) -> tuple[bool, bool, int, bool]:
    """What a mention of a code goes by, before what the text calls the reason; the least is chosen."""
    name, setting = around.section(number), around.setting
    listed = name in _DIAGNOSES or (setting == "visit" and name in _ASSESSED)
    rank = _RANK[setting].get(name, _ELSEWHERE)
    weak = rank == _ELSEWHERE or within(code, _HABITS[system]) or (not listed and within(code, _SYMPTOMS[system]))
    return weak, number in past, rank, not listed and within(code, _BACKGROUND[system])


def _sequenced(
    chosen: ProposedCode, said: str, able: Sequence[ProposedCode], book: CodeBook, setting: str
) -> tuple[ProposedCode, str]:
    """The code that a rule of sequence puts before the chosen one, and the rule; or the chosen one."""
    for rule in _rules(book.system):
        if setting in rule.settings and within(book.codes[chosen.concept], rule.before):
            for proposal in able:
                if within(book.codes[proposal.concept], rule.first):
                    return proposal, f"{rule.reason}: before {book.codes[chosen.concept]}"
    return chosen, said


def _coded_before(proposal: ProposedCode, proposals: Sequence[ProposedCode], book: CodeBook) -> ProposedCode:
    """The code of the note that the classification wants before this one, or itself."""
    told = {remark.removeprefix("code first ") for remark in proposal.remarks if remark.startswith("code first ")}
    wanted = (d for d in proposals if d.affirmed and base_code(book.codes[d.concept]) in told and not _never(d, book))
    return next(wanted, proposal)


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
    return _REASON.search(around.text[max(floor, start - _BEFORE) : start]) is not None


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
    reason: str


@cache
def _rules(system: str) -> tuple[_Sequence, ...]:
    return tuple(
        _Sequence(
            parse_ranges(row["first"]), parse_ranges(row["before"]), frozenset(row["settings"].split()), row["reason"]
        )
        for row in read_rows("sequencing", system)
    )
