"""Severe sepsis: an acute organ failure that the text lays to a sepsis (ICD-10-CM guideline I.C.1.d.1.a-b).

"AKI due to sepsis", "sepsis-induced respiratory failure", "sepsis complicated by acute renal failure" say the link. A
sepsis and an organ failure of one note, or one "with" the other, do not: where the documentation does not tie them, the
record has to be asked (I.C.1.d.1.a.iv).
"""

from __future__ import annotations

import re
from typing import Final

from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCodes, add, codes_in
from conceptmap.ontology.code_ranges import parse_ranges
from conceptmap.ontology.codebook import CodeBook

__all__ = ["settle_severe_sepsis"]

_SEPSIS: Final = parse_ranges("A02.1 A20.7 A22.7 A26.7 A32.7 A40-A41 A42.7 B37.7 O85 T80.211 T81.44")
_SEVERE: Final = parse_ranges("R65.2 T81.12")
_FAILURES: Final = parse_ranges("D65 G62.81 G72.81 G93.41 J80 J96.0 J96.2 K72.0 N17")
"""What R65.2 asks for beside it."""
_LINK: Final = (
    r"(?:due to|secondary to|sec to|2/2|d/t|because of|caused by|attributed to|attributable to|related to|from"
    r"|induced by|resulting from|as a result of)"
)
_BEHIND: Final = re.compile(
    rf"[\s(,-]{{0,3}}(?:[\w-]+ ){{0,4}}?{_LINK} (?:\w+[- ]){{0,3}}?(?:\w+)?sep(?:sis|tic)\b|[^.;\n]{{0,12}}\bsepsis[- ]"
    r"(?:induced|related|associated|mediated)\b",
    re.IGNORECASE,
)
_BEFORE: Final = re.compile(
    r"(?:\bsep(?:sis|tic(?: shock)?)[- ](?:induced|related|associated|mediated) (?:[\w-]+[ ,]+){0,6}?"
    r"|\bsepsis\b[^.;\n]{0,60}?\b(?:complicated by|c/b|causing|leading to|led to|resulting in|resulted in"
    r"|(?:with|w/) (?:acute )?(?:end[- ]?)?(?:multi-?)?organ (?:dysfunction|failure|damage)[:,( ]|manifested by"
    r"|as evidenced by)[^.;\n]{0,50}?"
    r"|\bseptic )\Z",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(r"\bsep(?:sis|tic)\b", re.IGNORECASE)
_DENIED: Final = re.compile(r"\b(?:not|unlikely|rather than|instead of|without|unrelated)\b", re.IGNORECASE)
_REACH: Final = 130


def settle_severe_sepsis(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> None:
    """Add severe sepsis (R65.20), in place, where an organ failure is said to come of the sepsis."""
    at = book.position_of_code.get("R65.20")
    septic = codes_in(proposals, _SEPSIS, book)
    if at is None or not septic or codes_in(proposals, _SEVERE, book):
        return
    for failure in codes_in(proposals, _FAILURES, book):
        for number in failure.numbers:
            if _comes_of_sepsis(around.text, around.spans[number]):
                said = f"{book.codes[failure.concept]} is said to come of the sepsis (I.C.1.d.1.a)"
                numbers = [*septic[0].numbers, number]
                add(proposals, at, numbers, failure.strength, affirmed=True, remark=said).best = number
                return


def _comes_of_sepsis(text: str, span: tuple[int, int]) -> bool:
    start, end = span
    behind = _BEHIND.match(text, end, end + _REACH)
    before = _BEFORE.search(text, max(0, start - _REACH), start)
    said = _NAMED.search(text, start, end)
    return any(found is not None and not _DENIED.search(found[0]) for found in (behind, before, said))
