"""Sections as evidence for coding: past illnesses, the family's illnesses, and procedures that are no status.

A stroke under "Past medical history" is not a stroke now: where the classification has a code for the history of a
condition, that is what the section makes of it (``data/histories_<system>.csv``). The family's illnesses give the
patient a family history, not the illness. A procedure done in this stay ("underwent cholecystectomy") is coded with a
procedure classification; its status code ("acquired absence of …") needs words or a section that put it in the past.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Final

from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.context import Context

__all__ = [
    "PAST_SECTIONS",
    "family_history",
    "history_of",
    "is_done_now",
    "is_over",
    "of_another_patient",
    "past_history",
]

PAST_SECTIONS: Final = frozenset({"past medical history", "past surgical history", "resolved problems"})
_STILL: Final = re.compile(
    r"\b(?:active|current|currently|on (?:chemo\w*|treatment|therapy)|undergoing|receiving|recurr\w+|metasta\w+|chronic"
    r"|stage iv|untreated|new)\b",
    re.IGNORECASE,
)
_REMISSION: Final = re.compile(r"\bremission\b", re.IGNORECASE)
_WITH_REMISSION: Final = {"icd10cm": parse_ranges("C81-C96 F10-F33")}
_OF_FAMILY: Final = {"icd10cm": parse_ranges("Z80-Z84")}
_LONG_AGO: Final = re.compile(
    r"\b(?:years?|yrs?|decades?) (?:ago|before|earlier)\b|\bin (?:19|20)\d\d\b|[(,] ?(?:19|20)\d\d[),]"
    r"|\b(?:in|since) (?:two thousand(?: and)? \w+|nineteen (?:\w+ty|\w+teen)\b)"
    r"|\bin the (?:remote |distant )?past\b|\bas an? (?:child|kid|infant|teenager|baby)\b|\bchildhood\b"
    r"|[(,\u2013-]\s?(?:remote|old)\s*(?:[).,;\n]|\Z)|\bby history\b|\blong ago\b",
    re.IGNORECASE,
)
_BROKEN: Final = {"icd10cm": parse_ranges("S02.0-S02.4 S02.6-S02.9 S12 S22 S32 S42 S52 S62 S72 S82 S92")}
_OLD_BREAK: Final = re.compile(
    r"(?:\b(?:old|remote|prior|previous|healed)\s(?:[\w/-]+\s){0,4}?(?:fx|fract)|\b(?:fx|fract\w+)(?:,| has| have| is"
    r"| was| now| well| fully| completely){1,4} healed\b)"
    r"(?!.*\b(?:non-?union|mal-?union|delayed (?:healing|union)|not healed|unhealed))",
    re.IGNORECASE,
)
_STATUS: Final = {
    "icd10cm": parse_ranges("Z89-Z90 Z92.2-Z92.3 Z93-Z96 Z97.5 Z98 Z99.2"),
}
_PROCEDURE: Final = re.compile(
    r"\b(?:\w+(?:ectom(?:y|ies|ized)|otom(?:y|ies)|ostom(?:y|ies)|plast(?:y|ies)|desis|pexy|tripsy)"
    r"|amputation|resection|transplant|transplantation|bypass|graft|grafting|cabg|stenting|ablation|implantation"
    r"|replacement|removal|extraction|excision|hemodialysis|haemodialysis|dialysis|chemotherapy|radiotherapy|surgery"
    r"|anastomosis|fusion|ligation|section)s?$",
    re.IGNORECASE,
)
_PAST: Final = re.compile(
    r"\b(?:status|post|s/p|history|hx|h/o|previous(?:ly)?|prior|past|old|remote|antecedents?|ago|known|absen\w+|dependen\w+"
    r"|maintenance|chronic|home|since|(?:19|20)\d\d|peritoneal|end[- ]stage|esrd|regular|program\w*|on|three times"
    r"|mwf|tts|carrier|wearer|bearing|with an?)\b",
    re.IGNORECASE,
)
_CLAUSE: Final = re.compile(r"[.;\n]")
_AFTER: Final = re.compile(
    r"[^.;\n]{0,40}?\b(?:ago|in (?:19|20)\d\d|(?:19|20)\d\d|status|previously|(?:mon|tues|wednes)day|mwf|tts)\b",
    re.IGNORECASE,
)
_REACH: Final = 40
_DONE_SECTIONS: Final = frozenset({"procedures", "hospital course", "assessment and plan", "findings"})
_DONE: Final = re.compile(
    r"\b(?:underwent|received|had|placed|placement of|inserted|insertion of|implanted|deployed|emergent|cysto\w*)\b",
    re.IGNORECASE,
)
_DONE_AFTER: Final = re.compile(
    r"[^.;\n]{0,30}?\b(?:(?:was|were|is) )?(?:placed|inserted|implanted|deployed|exchanged)\b", re.IGNORECASE
)
_RECORDS: Final = {"icd10cm": (parse_ranges("O00-O9A"), parse_ranges("P00-P96 Z38"))}
_MOTHER: Final = re.compile(
    r"\b(?:G\d+\s?P\d+|gravida|primigravida|multigravida|lab(?:or|our)|postpartum|pregnan\w+|contractions|antepartum)\b",
    re.IGNORECASE,
)
_CHILD: Final = re.compile(
    r"\b(?:NICU|DOL|days? of life|newborn|neonat\w+|baby (?:boy|girl)|birth ?weight|apgars?)\b", re.IGNORECASE
)


def past_history(
    concept: int, context: Context, section: str | None, says: Callable[[re.Pattern[str]], bool], book: CodeBook
) -> tuple[int, str] | None:
    """The history code that a past illness becomes, and why; None where the condition is still coded as such.

    Past is what stands under a heading of the past, what its sentence dates years back, and a fracture called old
    (ICD-10-CM Z87.81) that did heal.

    Args:
        concept: that the illness is coded as.
        context: of its mention.
        section: that the mention stands in.
        says: whether the sentence that it stands in has a pattern.
        book: of the index.
    """
    if context.temporality != "historical" or context.negated:
        return None
    if context.ended:
        return _history("history", concept, book)
    if within(book.codes[concept], _BROKEN.get(book.system, ())) and says(_OLD_BREAK):
        return history_of(concept, book)
    if says(_STILL):
        return None
    if section not in PAST_SECTIONS and not says(_LONG_AGO):
        return None
    return history_of(concept, book)


def history_of(concept: int, book: CodeBook) -> tuple[int, str] | None:
    """The history code of a condition, and why; None where the classification has none."""
    return _history("history", concept, book)


def is_over(concept: int, context: Context, says: Callable[[re.Pattern[str]], bool], book: CodeBook) -> bool:
    """Whether a condition is said to be over; one whose remission has a code of its own is coded with that."""
    return context.ended and not (
        within(book.codes[concept], _WITH_REMISSION.get(book.system, ())) and says(_REMISSION)
    )


def family_history(concept: int, context: Context, book: CodeBook) -> tuple[int, str] | None:
    """The family history code that an illness of the family becomes, and why.

    What is a family history code already ("family history of gout") stays what it is, without a reason.
    """
    if context.subject != "family" or context.negated or context.certainty == "possible":
        return None
    if within(book.codes[concept], _OF_FAMILY.get(book.system, ())):
        return concept, ""
    return _history("family", concept, book)


def is_done_now(
    concept: int, text: str, span: tuple[int, int], context: Context, section: str | None, book: CodeBook
) -> bool:
    """Whether a status code stands for a bare procedure, or a device put in now, that nothing puts in the past."""
    if not within(book.codes[concept], _STATUS.get(book.system, ())):
        return False
    start, end = span
    if section in PAST_SECTIONS or context.temporality == "historical":
        return False
    before = _CLAUSE.split(text[max(0, start - _REACH) : start])[-1]
    told = section in _DONE_SECTIONS and (
        section == "procedures" or _DONE.search(before) or _DONE_AFTER.match(text, end)
    )
    if not (told or _PROCEDURE.search(text[start:end])):
        return False
    return not (_PAST.search(before + text[start:end]) or _AFTER.match(text, end))


def of_another_patient(concepts: Collection[int], text: str, book: CodeBook) -> set[int]:
    """Concepts of the mother in a newborn's record, or of the newborn in the mother's, by which the note is more about.

    Neither chapter is coded on the other's record (ICD-10-CM guidelines I.C.15.a.2 and I.C.16.a.1).
    """
    mother, child = (
        {concept for concept in concepts if within(book.codes[concept], chapters)}
        for chapters in _RECORDS.get(book.system, ((), ()))
    )
    if not (mother and child):
        return set()
    of_mother, of_child = (len(words.findall(text)) for words in (_MOTHER, _CHILD))
    return child if of_mother > of_child else mother if of_child > of_mother else set()


def _history(of: str, concept: int, book: CodeBook) -> tuple[int, str] | None:
    for ranges, gives, reason in _rows(book.system, of):
        if within(book.codes[concept], ranges) and gives in book.position_of_code:
            return book.default(book.position_of_code[gives]), reason
    return None


@cache
def _rows(system: str, of: str) -> Sequence[tuple[Ranges, str, str]]:
    return tuple(
        (parse_ranges(row["codes"]), row["gives"], row["reason"])
        for row in read_rows("histories", system)
        if row["of"] == of
    )
