"""What a stay's record says in figures or by a drug's name: the severity of a stroke, lysis elsewhere, vaccines.

The first NIHSS score is coded beside the infarction (guideline I.C.18.i; R29.7), and thrombolysis at another facility
in the day before the admission is a status (Z92.82). A vaccine that was given is an encounter code (Z23).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from conceptmap.coding.derived.found import Found
from conceptmap.coding.proposed_codes import ProposedCodes, codes_in, drop
from conceptmap.ontology.code_ranges import parse_ranges
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import all_of, first_of
from conceptmap.text.sections import Section, section_at

__all__ = ["settle_stay_facts", "stay_facts"]

_NIHSS: Final = re.compile(
    r"\b(?:NIHSS|NIH stroke (?:scale|score)|NIH ?SS)\b(?: score)?(?: (?:on|at) (?:arrival|admission|presentation))?"
    r"(?: (?:was|is|of))?[ :=]{1,3}(?P<score>[0-3]?\d|4[0-2])\b(?! ?(?:%|/7|days?|hours?))",
    re.IGNORECASE,
)
_MOST: Final = 42
_LYSIS: Final = (
    r"(?:(?:IV )?(?:t-?PA|rt-?PA|TNK(?:ase)?|tenecteplase|alteplase)|thrombolys(?:is|ed)|thrombolytics?|lysed|lytics?)"
)
_ELSEWHERE: Final = (
    r"(?:outside (?:hospital|facility|ED)|OSH|OSF|referring (?:hospital|facility)|transferring (?:hospital|facility)"
    r"|another (?:hospital|facility)|elsewhere|(?-i:[A-Z][a-z]{3,}(?: (?:[A-Z][a-z]+|ED|ER))?))"
)
_LYSED_ELSEWHERE: Final = re.compile(
    rf"\b{_LYSIS}(?: (?:was|were|bolus|drip))*(?: (?:given|administered|received|started|pushed|infused))?"
    rf"(?: \d{{4}})? (?:at|by|in) (?:the |an )?{_ELSEWHERE}"
    rf"|\b(?:transferred|arrived|drip[- ]and[- ]ship\w*)(?: here)? (?:after|following|post) {_LYSIS}",
    re.IGNORECASE,
)
_VACCINE: Final = re.compile(
    r"\b(?:(?:flu|influenza|pneumococcal|pneumonia|Prevnar(?: ?-?\d+)?|PCV ?-?\d+|PPSV ?-?23|Pneumovax|Tdap|Td\b"
    r"|tetanus|hep(?:atitis)?[ -]?[AB](?: and B)?|COVID(?:-19)?|RSV|MMR|HPV|Shingrix|zoster|varicella|meningococcal)"
    r"(?: (?:vaccin\w+|vax|shot|booster|immuni[sz]ation|series))?(?: ?#?\d)?(?: (?:was|were))? (?:given|administered)\b"
    r"|(?:given|received|administered) (?:the |his |her )?(?:flu|influenza|pneumococcal|Tdap|MMR|COVID(?:-19)?"
    r"|hep(?:atitis)?[ -]?[AB](?: and B)?) (?:vaccin\w+|vax|shot|booster))"
    r"(?! (?:in |last |at )?(?:19|20)\d\d| last | previously| years? ago)",
    re.IGNORECASE,
)
_OTHER_PLACES: Final = frozenset(
    "past medical history;family history;instructions;discharge instructions;follow-up;allergies".split(";")
)
_STROKE: Final = parse_ranges("I63")
_OF_STROKE: Final = parse_ranges("R29.7 Z92.82")


def stay_facts(text: str, sections: Sequence[Section]) -> Iterator[Found]:
    """The codes of such facts, with the half-open spans that say them.

    Args:
        text: the note.
        sections: of the note; what is past, or only advised, gives none.
    """
    scored = first_of(_NIHSS, text)
    if scored and int(scored["score"]) <= _MOST:
        yield Found(*scored.span(), f"R29.7{int(scored['score']):02}")
    for words, code in ((_LYSED_ELSEWHERE, "Z92.82"), (_VACCINE, "Z23")):
        for match in all_of(words, text):
            section = section_at(sections, match.start())
            if section is None or section.name not in _OTHER_PLACES:
                yield Found(*match.span(), code)
                break


def settle_stay_facts(proposals: ProposedCodes, book: CodeBook) -> None:
    """Take away, in place, what stands only beside an infarction of the brain."""
    if codes_in(proposals, _OF_STROKE, book) and not codes_in(proposals, _STROKE, book):
        drop(proposals, _OF_STROKE, book)
