"""Completing a code from the words beside its mention: side, trimester, weeks of gestation, 7th character.

A code that leaves the side open gives way to its sibling that names it, where the text does: in the mention, before
it ("right-sided chest wall pain") or after it ("fracture of the radius, left"). Where a classification has no code
for both sides, both codes are written down (ICD-10-CM guideline I.B.13).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from conceptmap.coding.sides import EARS, EYES, sides
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import all_of

__all__ = ["Completed", "complete", "gestation", "trimester_of"]


@dataclass(frozen=True, slots=True)
class Completed:
    """A code completed from the text: its position, and what was said beside the mention."""

    concept: int
    said: str


_STAGE: Final = re.compile(r"\b(?:stage|st\.?|grade)\s*(?:is\s*)?([1-4]|i{1,3}|iv)\b", re.IGNORECASE)
_EYE_STAGE: Final = re.compile(r"\b(mild|moderate|severe|indeterminate)[ -]stage\b", re.IGNORECASE)
_ROMAN: Final = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
_COURSE: Final = re.compile(r"\b(acute on chronic|acute|chronic)\s*\Z", re.IGNORECASE)
_ORGANS: Final = {
    "icd10cm": {EYES: parse_ranges("E08.3 E09.3 E10.3 E11.3 E13.3 H00-H59 S05"), EARS: parse_ranges("H60-H95")}
}
_NEAR: Final = 30
_CLAUSE_END: Final = re.compile(r"[.;:!?\n]|\b(?:and|but|with|without)\b|,")
_SENTENCE_END: Final = re.compile(r"[.;:!?\n]")
_REACH: Final = 60

_WEEKS: Final = re.compile(
    r"\b(\d{1,2})\s*(?:(?:\+|&|and)\s*[0-6]|\s[0-6]/7)?\s*(?:-\s*)?(?:weeks?|wks?|w)\b(?:\s*[0-6]\s*(?:days?|d)\b)?"
    r"[^.\n]{0,20}?\b(?:gestation|gestational|pregnan\w*|ega|iup|amenorrh\w*)"
    r"|\b(?:pregnan\w*|gestational age|gestation|ega|iup)\b[^.\n]{0,20}?\b(\d{1,2})\s*(?:[+&]\s*[0-6]|\s[0-6]/7)?\s*"
    r"(?:-\s*)?(?:weeks?|wks?|w)\b",
    re.IGNORECASE,
)
_TRIMESTER: Final = re.compile(r"\b(first|second|third|1st|2nd|3rd)[ -]trimester\b", re.IGNORECASE)
_ORDINALS: Final = {"1st": "first", "2nd": "second", "3rd": "third"}

_INTENT: Final = re.compile(r"\b(?:intentional(?:ly)?|suicid\w+|self-harm|kill (?:him|her)self)\b", re.IGNORECASE)
_FAR: Final = 150

_SEVENTH: Final = (  # guideline I.C.19.a: what the text says of the encounter, and the characters that say it
    (re.compile(r"\b(?:sequelae?|late effects?) (?:of|from)\b", re.IGNORECASE), ("S",)),
    (re.compile(r"\bnon-?union\b", re.IGNORECASE), ("K",)),
    (re.compile(r"\bmal-?union\b", re.IGNORECASE), ("P",)),
    (re.compile(r"\bdelayed (?:healing|union)\b", re.IGNORECASE), ("G",)),
    (re.compile(r"\b(?:(?<!not )heal(?:ing|ed)|aftercare|follow-?up (?:of|for|visit))\b", re.IGNORECASE), ("D",)),
    (re.compile(r"\b(?:open|compound) (?:\w+ ){0,3}?fractures?\b", re.IGNORECASE), ("B",)),
)


def complete(
    concept: int, text: str, span: tuple[int, int], others: Sequence[tuple[int, int]], book: CodeBook, *, trimester: str
) -> list[Completed]:
    """The codes that the words beside a mention make of its code; empty where they add nothing.

    Args:
        concept: the code as the mention alone gives it.
        text: the note.
        span: of the mention.
        others: spans of the mentions before and after it; words beyond them are theirs.
        book: of the index.
        trimester: of the pregnancy that the note is about, or "".
    """
    if not _leaves_open(concept, book):
        return []
    for found_at in (_weeks(concept, text, book), _intended(concept, text, span, book)):
        if found_at is not None:
            return [found_at]
    found = [Completed(at, said) for said, at in _sided(concept, text, span, others, book)]
    if not found:
        said = _graded(text, span) if book.has_variants(concept) else ()
        found = [Completed(at, word) for word in said if (at := book.variant(concept, word)) is not None][:1]
    if not found and trimester and (at := book.variant(concept, trimester)) is not None:
        found = [Completed(at, trimester)]
    found = _eye_stage(found or [Completed(concept, "")], text, span, book) or found
    seventh = _seventh(found[0].concept if found else concept, text, span, book)
    if seventh is not None and len(found) < 2:
        found = [Completed(seventh[0], f"{found[0].said}, {seventh[1]}" if found else seventh[1])]
    return found


def _leaves_open(concept: int, book: CodeBook) -> bool:
    """Whether some words could complete a code: most leave nothing open, and nothing need be looked for."""
    if book.has_variants(concept) or book.is_expanded(concept):
        return True
    name = book.names[concept]
    return any(part in name for part in ("eeks", "accidental (unintentional)", "stage unspecified"))


def _graded(text: str, span: tuple[int, int]) -> tuple[str, ...]:
    """The stage and the course that are said of a mention."""
    start, end = span
    before, after = text[max(0, start - _NEAR) : start], _SENTENCE_END.split(text[end : end + _NEAR])[0]
    stage = _STAGE.search(after) or _STAGE.search(_SENTENCE_END.split(before)[-1])
    course = _COURSE.search(before)
    staged = (f"stage {_ROMAN.get(stage[1].lower(), stage[1])}",) if stage else ()
    return (*staged, *((course[1].lower(),) if course else ()))


def _eye_stage(found: Sequence[Completed], text: str, span: tuple[int, int], book: CodeBook) -> list[Completed] | None:
    """The same codes with the stage that is said of them, for those whose title leaves it open; None where none is."""
    stage = _EYE_STAGE.search(_SENTENCE_END.split(text[span[1] : span[1] + _NEAR * 2])[0])
    out = []
    for one in found if stage else ():
        wanted = book.names[one.concept].replace("stage unspecified", f"{stage[1].lower()} stage") if stage else ""
        above = book.parents[one.concept]
        at = next((c for c in book.children[above[0]] if book.names[c] == wanted), None) if above else None
        if at is None or at == one.concept:
            return None
        said = f"{stage[1].lower()} stage" if stage else ""
        out.append(Completed(at, f"{one.said}, {said}" if one.said else said))
    return out or None


def _weeks(concept: int, text: str, book: CodeBook) -> Completed | None:
    """The code of the week, for one that stands for weeks of gestation."""
    name = book.names[concept]
    if name[:1].isdigit() or ("weeks gestation" not in name and "Weeks of gestation" not in name):
        return None
    said = gestation(text) or 0
    at = book.position_of_code.get(f"{book.codes[concept][:3]}.{said:02d}")
    return None if at is None or not book.names[at].startswith(f"{said} weeks") else Completed(at, f"{said} weeks")


def _intended(concept: int, text: str, span: tuple[int, int], book: CodeBook) -> Completed | None:
    """The code of self-harm, for a poisoning that is accidental by default (ICD-10-CM guideline I.C.19.e)."""
    code = book.codes[concept]
    if len(code) < 7 or code[6] != "1" or "accidental (unintentional)" not in book.names[concept]:
        return None
    said = _INTENT.search(text, max(0, span[0] - _FAR), min(len(text), span[1] + _FAR))
    at = book.position_of_code.get(f"{code[:6]}2{code[7:]}")
    return Completed(at, said[0].lower()) if said and at is not None and "self-harm" in book.names[at] else None


def _sided(
    concept: int, text: str, span: tuple[int, int], others: Sequence[tuple[int, int]], book: CodeBook
) -> list[tuple[str, int]]:
    if not book.has_variants(concept):
        return []
    said = sides(text, span, others, organ=_organ(book.codes[concept], book.system))
    found = [(side, at) for side in said if (at := book.variant(concept, side)) is not None]
    if said == ("bilateral",) and not found:
        found = [(side, at) for side in ("right", "left") if (at := book.variant(concept, side)) is not None]
    return found


def _organ(code: str, system: str) -> str:
    """Eye or ear, whose sides have short forms of their own."""
    return next((organ for organ, ranges in _ORGANS.get(system, {}).items() if within(code, ranges)), "")


@lru_cache(maxsize=1)  # asked for every week that a note names
def gestation(text: str) -> int | None:
    """Completed weeks of the pregnancy that a note is about: the first that it states.

    >>> gestation("G2P1 at 32 weeks gestation"), gestation("Pregnant, 12+3 weeks."), gestation("3 weeks of cough")
    (32, 12, None)
    """
    for match in all_of(_WEEKS, text):
        weeks = int(match[1] or match[2])
        if 4 <= weeks <= 44:
            return weeks
    return None


def trimester_of(text: str) -> str:
    """The trimester that a note states, in words or in weeks (ICD-10-CM chapter 15: 14 and 28 weeks divide them).

    >>> [trimester_of(text) for text in ("seen at 30 weeks of gestation", "second-trimester bleeding", "cough")]
    ['third trimester', 'second trimester', '']
    """
    weeks = gestation(text)
    if weeks is not None:
        return f"{'first' if weeks < 14 else 'second' if weeks < 28 else 'third'} trimester"
    named = {_ORDINALS.get(match[1].lower(), match[1].lower()) for match in all_of(_TRIMESTER, text)}
    return f"{named.pop()} trimester" if len(named) == 1 else ""


def _seventh(concept: int, text: str, span: tuple[int, int], book: CodeBook) -> tuple[int, str] | None:
    """The 7th character that the words round a mention ask for, where the code was given the first encounter's."""
    if not book.is_expanded(concept):
        return None
    before = _CLAUSE_END.split(text[max(0, span[0] - _REACH) : span[0]])[-1]
    around = before + text[slice(*span)] + _SENTENCE_END.split(text[span[1] : span[1] + _REACH])[0]
    for words, characters in _SEVENTH:
        said = words.search(around)
        if said:
            for sibling in book.children[book.parents[concept][0]]:
                if book.codes[sibling][-1] in characters and sibling != concept:
                    return sibling, said[0].lower()
    return None
