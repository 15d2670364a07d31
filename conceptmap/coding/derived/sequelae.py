"""What a stroke left behind: deficits of one that is over are its sequelae (ICD-10-CM category I69, guideline I.C.9.d).

A deficit is a sequela where its sentence calls it residual of a stroke, and in the record of a rehabilitation, which
treats what the stroke left and not the stroke. Weakness of one side that a stroke brought is a hemiparesis (Coding
Clinic 1Q 2015), of the dominant side where it is the right one and nothing else is said (guideline I.C.6.a).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from conceptmap.coding.derived.found import Found
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCode, ProposedCodes, add, codes_in, exchange
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import all_of, first_of

__all__ = ["one_sided", "settle_sequelae"]

_ACUTE: Final = parse_ranges("I60-I63")
_OVER: Final = parse_ranges("Z86.73 I69")
_WEAKNESS: Final = parse_ranges("R53.1")
_HEMIPARESES: Final = parse_ranges("G81.9")
_NO_SIDE: Final = parse_ranges("I69.059 I69.159 I69.259 I69.359 I69.959")
_DEFICITS: Final = (  # the deficit, and the last digits of its code in I69
    ("G81.90", "59"), ("G81.91", "51"), ("G81.92", "52"), ("G81.93", "53"), ("G81.94", "54"),
    ("R47.01", "20"), ("R47.02", "21"), ("R47.1", "22"), ("R13.1", "91"), ("R29.810", "92"), ("R27.0", "93"),
)  # fmt: skip
_STAYS: Final = parse_ranges("R13.1")
"""Its kind is coded beside the sequela (I69.391: use additional code)."""
_KINDS: Final = (("I60", "I69.0"), ("I61", "I69.1"), ("I62", "I69.2"), ("I63", "I69.3"))
_STROKE: Final = r"(?:strokes?|CVAs?|cerebrovascular accident|(?:cerebral )?infarct\w*|ICH|brain hemorrhage)"
_STROKES: Final = re.compile(rf"\b{_STROKE}\b", re.IGNORECASE)
_RESIDUAL: Final = re.compile(
    rf"\b(?:residuals?|sequela\w*|late effects?|left with|leaving)\b.*\b{_STROKE}\b"
    rf"|\b{_STROKE}\b.*\b(?:residuals?|sequela\w*|late effects?|left (?:him|her|the patient)? ?with|leaving)\b"
    rf"|\b(?:from|due to|after|since) (?:a |an |his |her |the )?(?:prior|old|previous|remote|past|(?:19|20)\d\d)"
    rf" {_STROKE}\b"
    rf"|\b(?:prior|old|previous|remote|past|h/o|hx(?: of)?|history of) (?:\w+ ){{0,3}}{_STROKE}\b.*\bwith\b",
    re.IGNORECASE,
)
_OLD: Final = re.compile(
    rf"\b(?:prior|old|previous|remote|past|h/o|hx|history of)\s(?:\w+\s){{0,4}}{_STROKE}\b"
    rf"|\b{_STROKE}\b[^.\n]{{0,12}}\b(?:19|20)\d\d\b",
    re.IGNORECASE,
)
_REHABILITATION: Final = re.compile(
    r"\A[^\n]{0,60}\b(?:rehab(?:ilitation)? (?:facility|hospital|unit|cent(?:er|re)|discharge|summary|medicine"
    r"|stay)|IRF)\b"
    r"|\b(?:rehab(?:ilitation)? (?:impairment|admission (?:date|dx|diagnosis|:)|course|diagnosis)|impairment group)\b"
    r"|\bRehab(?:ilitation)? admission:",
    re.IGNORECASE,
)
_SIDED: Final = re.compile(
    r"\b(left|right|L|R)[- ]sided?(?: \w+)? weakness|\b(left|right) hemibody weakness", re.IGNORECASE
)
_SIDE: Final = re.compile(r"\b(left|right|L|R)\b(?: \w+){0,1}\W*\Z", re.IGNORECASE)
_SIDE_WITHIN: Final = re.compile(r"\b(left|right|L|R)\b", re.IGNORECASE)
_BEFORE: Final = 24


def one_sided(text: str) -> Iterator[Found]:
    """Weakness of one side in a note that tells of a stroke: the code of a hemiparesis, with its half-open span."""
    if first_of(_STROKES, text):
        for said in all_of(_SIDED, text):
            yield Found(*said.span(), _hemiparesis(said))


def _hemiparesis(said: re.Match[str]) -> str:
    """The code of a weakness of the side that is said."""
    return "G81.91" if (said[1] or said[2])[0].lower() == "r" else "G81.94"


def settle_sequelae(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> None:
    """Make the deficits of a stroke that is over its sequelae, in place."""
    if not codes_in(proposals, (*_ACUTE, *_OVER), book):
        for proposal in codes_in(proposals, _HEMIPARESES, book):
            if all(_SIDED.search(around.says([number])) for number in proposal.numbers):
                del proposals[proposal.concept]
        return
    _sided(proposals, book, around)
    strokes = codes_in(proposals, _ACUTE, book)
    in_rehabilitation = bool(strokes) and _REHABILITATION.search(around.text) is not None
    kind = next(
        (to for code, to in _KINDS for stroke in strokes if book.codes[stroke.concept].startswith(code)), "I69.3"
    )
    left = [
        (proposal, digits)
        for code, digits in _DEFICITS
        for proposal in codes_in(proposals, parse_ranges(code), book)
        if in_rehabilitation or any(around.in_line(_RESIDUAL, number) for number in proposal.numbers)
    ]
    for proposal, digits in left:
        at = book.position_of_code.get(f"{kind}{digits}")
        if at is None:
            continue
        said = f"what a stroke left is coded as its sequela (I.C.9.d): {book.codes[proposal.concept]}"
        if within(book.codes[proposal.concept], _STAYS):
            add(proposals, at, proposal.numbers, proposal.strength, affirmed=True, remark=said)
        else:
            exchange(proposals, proposal, at, said)
    _without_stroke(proposals, strokes, book, around, in_rehabilitation=in_rehabilitation, any_left=bool(left))


def _without_stroke(
    proposals: ProposedCodes,
    strokes: list[ProposedCode],
    book: CodeBook,
    around: MentionPlaces,
    *,
    in_rehabilitation: bool,
    any_left: bool,
) -> None:
    """Take away, in place, the stroke that is over, and its history beside what it left (Z86.73 Excludes1 I69)."""
    for stroke in strokes:
        old = any_left and all(around.in_line(_OLD, number) for number in stroke.numbers)
        if in_rehabilitation or old:
            proposals.pop(stroke.concept, None)
    if codes_in(proposals, parse_ranges("I69"), book):
        history = book.position_of_code.get("Z86.73")
        if history is not None:
            proposals.pop(history, None)


def _sided(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> None:
    """Give weakness of one side, and a sequela without its side, the side that is said, in place."""
    for proposal in codes_in(proposals, _WEAKNESS, book):
        said = next((m for n in proposal.numbers if (m := _SIDED.search(around.line(n)))), None)
        if said is not None:
            at = book.position_of_code.get(_hemiparesis(said))
            if at is not None:
                exchange(proposals, proposal, at, "weakness of one side that a stroke brought is a hemiparesis")
    for proposal in codes_in(proposals, _NO_SIDE, book):
        starts = [around.spans[number] for number in proposal.numbers]
        said = next(
            (
                m
                for a, b in starts
                if (m := _SIDE.search(around.text[max(0, a - _BEFORE) : a]) or _SIDE_WITHIN.search(around.text[a:b]))
            ),
            None,
        )
        if said is not None:
            digit = "1" if said[1][0].lower() == "r" else "4"
            at = book.position_of_code.get(f"{book.codes[proposal.concept][:6]}{digit}")
            if at is not None:
                exchange(proposals, proposal, at, "the side is said beside it (I.C.6.a)")
