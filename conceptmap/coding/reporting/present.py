"""Present on admission: a proposal for each code of a hospital stay, from the sections and timing words of the note.

After Appendix I of the ICD-10-CM guidelines: what brought the patient in, what its history tells of and what is chronic
was present ("Y"); what the note dates after the admission was not ("N"); where it says neither, the record has to be
asked ("U"). Codes that are exempt from reporting have none.
"""

from __future__ import annotations

import re
from typing import Final

from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCode
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["arose_in_the_stay", "present_on_admission"]

_EXEMPT: Final = parse_ranges("B90-B94 E64 I25.2 I69 O09 O66.5 O80 O94 P00 Q00-Q99 U09 V00-Y99 Z00-Z99")
_CHRONIC: Final = parse_ranges(
    "B18 B20 C00-D49 D50-D53 D55-D58 D63 D80-D89 E00-E07 E08-E13 E20-E35 E55 E66 E70-E79 E84-E85 F01-F03 F17 F20-F99"
    " G10-G37 G40 G43 G47 G50-G72 G80 H00-H95 I05-I09 I10-I15 I20 I25 I27 I34-I37 I42 I48.1-I48.2 I50.22 I50.32 I50.42"
    " I70 I73 J30-J39 J41-J47 J60-J84 J96.1 K20-K22 K40-K46 K50-K51 K57 K58 K70.3 K73-K76 L40 L97 M00-M99 N18 N25 N28.1"
    " N31 N40 N80-N81"
)
_BEFORE: Final = frozenset(
    "chief complaint;reason for visit;history of present illness;past medical history;past surgical history;history;"
    "admission diagnosis;subjective;indication;family history;social history;admission medications;allergies".split(";")
)
_DURING: Final = re.compile(
    r"\b(?:(?:POD|PPD|HD)\s?#?\s?[1-9]\d?"
    r"|(?:(?:post-?op(?:erative)?|hospital|stay) day|on (?:day|night)) (?:[2-9]|1\d|two|three|four|five)"
    r"|(?:hospital|ICU|ventilator|vent|line)[- ](?:acquired|associated|onset)|nosocomial"
    r"|(?:during|while in|in) (?:the |this |his |her )?(?:hospital(?:i[sz]ation)?|stay)"
    r"|(?:intra|post)-?op(?:erative(?:ly)?)?(?! (?:findings?|diagnos[ei]s|dx|cultures?|specimens?|imag\w+))"
    r"|(?:stay|course) (?:was )?complicated by"
    r"|subsequently developed|then developed|after (?:surgery|the (?:operation|procedure|biopsy)))\b",
    re.IGNORECASE,
)


def arose_in_the_stay(proposal: ProposedCode, around: MentionPlaces) -> bool:
    """Whether every sentence of a stay that tells of a condition dates it after the admission."""
    return around.setting == "inpatient" and all(around.in_line(_DURING, n) for n in proposal.numbers)


def present_on_admission(proposal: ProposedCode, book: CodeBook, around: MentionPlaces, *, first: bool) -> str:
    """The letter: "Y", "N", "U", or "" for an exempt code and outside a hospital stay.

    Args:
        proposal: a code of a note.
        book: of the index.
        around: where its mentions stand.
        first: whether it is the principal diagnosis, which was present by definition.
    """
    code = book.codes[proposal.concept]
    later = code[7:] in {"D", "S"}  # a later encounter for an injury is exempt
    if book.system != "icd10cm" or around.setting != "inpatient" or later or within(code, _EXEMPT):
        return ""
    if first or any(around.section(number) in _BEFORE for number in proposal.numbers):
        return "Y"
    if any(around.in_line(_DURING, number) for number in proposal.numbers):
        return "N"
    return "Y" if within(code, _CHRONIC) else "U"
