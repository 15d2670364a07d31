"""Complications of care: where the text ties a finding to a procedure, a device or a graft (guideline I.B.16).

"DVT, PICC associated", "hematoma at the access site" say it; a day after surgery alone does not. The patterns are
``data/complications_<system>.csv``. Shock and sepsis after a complication are those of procedures (I.C.1.d.5.b), shock
after an injury is traumatic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from operator import itemgetter
from typing import Final

from conceptmap.coding.derived.found import Found
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCodes, add, codes_in, drop, exchange
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import Rows, all_of
from conceptmap.text.sections import Section, section_at

__all__ = ["complications", "procedure_causes", "settle_complications"]

_OTHER_PLACES: Final = frozenset(
    "past medical history;past surgical history;family history;instructions;discharge"
    " instructions;allergies;follow-up".split(";")
)
_HYPOTHETICAL: Final = re.compile(
    r"\b(?:no|without|denies|risk of|watch for|call for|if|r/o|rule out|negative for|prior|previous"
    r"|history of)\s(?:\w+\s){0,3}\Z",
    re.IGNORECASE,
)


def complications(text: str, sections: Sequence[Section]) -> Iterator[Found]:
    """The complications of care that a note tells of, with the half-open spans that say so.

    Args:
        text: the note.
        sections: of the note; what is past, the family's or advice gives none.
    """
    for words, code in _said("icd10cm").of(text):
        for match in all_of(words, text):
            section = section_at(sections, match.start())
            told = section is None or section.name not in _OTHER_PLACES
            before = text[max(0, match.start() - 30) : match.start()]
            of_other = code.startswith(_SKIN_GRAFT) and _OTHER_GRAFT.search(before + match[0])
            if told and not of_other and not _HYPOTHETICAL.search(before):
                yield Found(*match.span(), code)
                break
    for finder in (_of_devices, _of_joints, _of_transplants):
        for found in finder(text):
            section = section_at(sections, found.start_char)
            if section is None or section.name not in _OTHER_PLACES:
                yield found


_SKIN_GRAFT: Final = "T86.82"
_OTHER_GRAFT: Final = re.compile(
    r"\b(?:liver|hepatic|kidney|renal|heart|cardiac|lung|pulmonary|pancrea\w+|islet|intestin\w+|bowel|corneal?|bone"
    r"|marrow|stem[- ]cell|fem\w*|pop\w*|bypass|vein|venous|vascular|arterial|aort\w+|dialysis|AV|A-V|PTFE|SVG|LIMA"
    r"|RIMA|endograft|stent|tendon|ACL|mesh)\b",
    re.IGNORECASE,
)
"""Grafts that are none of skin (T86.82 is of skin alone)."""


_KINDS: Final = (
    ("infection", r"infect\w+|abscess\w*|bacter[a]?emia|cellulitis|peritonitis|endocarditis|UTI"),
    ("thrombosis", r"thrombos\w+|thrombus|clot(?:s|ted)?|DVT"),
    ("stenosis", r"(?:re)?stenos\w+"),
    ("displaced", r"dislodg\w+|displac\w+|migrat\w+|fell out|pulled out|malposition\w*"),
    (
        "malfunction",
        r"malfunction\w*|occlu\w+|blocked|blockage|clogged|kink\w+|failed|failure|obstruct\w+|broken?"
        r"|not (?:working|functioning|draining)",
    ),
    ("bleeding", r"bleed\w*|hemorrhage|oozing"),
)
_LINK: Final = (
    r"(?: (?:was|is|were|are|site|tip|tract|tube|associated|related|acutely|with|due to|from|in|of|at|around|the|his"
    r"|her|a|an|acute|partial|complete|chronic|now|found|to|be|recurrent|new|left|right|L|R|upper|lower|arm|forearm"
    r"|leg|thigh|groin))*"
)


def _of_devices(text: str) -> Iterator[Found]:
    """What befell a device, by the names of both beside each other."""
    done: set[str] = set()
    for named, kinds in _devices("icd10cm").of(text):
        for device in all_of(named, text):
            begin = max(0, device.start() - _BESIDE)
            for words, code in kinds:
                match = None if code in done else words.search(text, begin, device.end() + _BESIDE)
                if match and not _HYPOTHETICAL.search(text[max(0, match.start() - 30) : match.start()]):
                    done.add(code)
                    yield Found(*match.span(), code)


_BESIDE = 80
_Device = tuple[re.Pattern[str], tuple[tuple[re.Pattern[str], str], ...]]


@cache
def _devices(system: str) -> Rows[_Device]:
    """The names of a device, and what may befall it, with the code."""
    out = []
    for row in read_rows("device_complications", system):
        device = rf"(?:{row['device']})"
        kinds = tuple(
            (
                re.compile(rf"\b{device}s?[- ]?{_LINK}[ -](?:{kind})\b|\b(?:{kind}){_LINK} {device}\b", re.IGNORECASE),
                row[name],
            )
            for name, kind in _KINDS
            if row[name]
        )
        out.append((re.compile(rf"\b{device}", re.IGNORECASE), kinds))
    return Rows(out, itemgetter(0))


_REPLACED: Final = (
    r"(?:prosthetic joint|prosthe\w+|(?:hemi)?arthroplast\w+|(?:joint|hip|knee|shoulder|elbow|ankle) replacement"
    r"|total (?:hip|knee|shoulder)|r?THA"
    r"|TKA|r?TSA|TEA|TAA)"
)
_JOINT: Final = re.compile(
    r"\b(?:(?P<kind>PJI|prosthetic joint infection|periprosthetic fracture)"
    rf"|(?P<before>infected|infection of|dislocat(?:ed|ion of)|loosening of|loose) (?:[\w-]+ ){{0,5}}?{_REPLACED}"
    rf"|{_REPLACED} (?:site )?(?P<after>infection|dislocation|loosening))\b",
    re.IGNORECASE,
)
_WHICH: Final = re.compile(
    r"\b(?P<hip>hip|r?THA)\b|\b(?P<knee>knee|TKA)\b|\b(?P<shoulder>shoulder|r?TSA)\b|\b(?P<elbow>elbow|TEA)\b"
    r"|\b(?P<ankle>ankle|TAA)\b",
    re.IGNORECASE,
)
_BROKEN_AT: Final = {"hip": "0", "knee": "1", "ankle": "2", "shoulder": "3", "elbow": "4"}
_SIDE: Final = re.compile(r"\b((?i:left|right)|L|R)\b")


def _of_joints(text: str) -> Iterator[Found]:
    """Infection, dislocation and loosening of joint prostheses, and fractures round them, by joint and side."""
    for match in all_of(_JOINT, text):
        line = max(text.rfind("\n", 0, match.start()) + 1, match.start() - 60, 0)
        if _HYPOTHETICAL.search(text[max(0, match.start() - 30) : match.start()]):
            continue
        near = text[match.start() : match.end() + 50], text[line : match.start()]
        joint = _WHICH.search(near[0]) or _WHICH.search(near[1])
        side = _SIDE.search(near[0]) or _SIDE.search(near[1])
        code = _of_joint(
            (match["kind"] or match["before"] or match["after"]).lower(),
            (joint.lastgroup or "") if joint else "",
            side[0].lower()[0] if side else "",
        )
        if code:
            yield Found(*match.span(), code)


def _of_joint(kind: str, joint: str, side: str) -> str:
    """The code of what befell a joint prosthesis; of another joint than hip and knee the side is not told."""
    if "fracture" in kind:
        return f"M97.{_BROKEN_AT[joint]}{'2' if side == 'l' else '1'}XA" if joint and side else "M97.9XXA"
    at = {"hip": 0, "knee": 2}.get(joint)
    if "infect" in kind or kind == "pji":
        if at is None or not side:
            return "T84.59XA" if joint and at is None else "T84.50XA"
        return f"T84.5{at + (2 if side == 'l' else 1)}XA"
    stem = "T84.02" if "disloc" in kind else "T84.03"
    if at is None or not side:
        return f"{stem}{'8' if joint and at is None else '9'}A"
    return f"{stem}{at + (1 if side == 'l' else 0)}A"


_TRANSPLANT: Final = re.compile(
    r"\b(kidney|renal|liver|hepatic|heart|cardiac|lung)[ -](?:transplant|allograft|graft) (rejection|failure"
    r"|infection)"
    r"|\b(rejection|failure|infection) of (?:the |a |her |his )?(kidney|renal|liver|heart|cardiac"
    r"|lung) (?:transplant|allograft)",
    re.IGNORECASE,
)
_ORGANS: Final = {"k": "T86.1", "r": "T86.1", "l": "T86.4", "h": "T86.2", "c": "T86.2"}
_FATES: Final = {"r": "1", "f": "2", "i": "3"}


def _of_transplants(text: str) -> Iterator[Found]:
    """Rejection, failure and infection of a transplanted organ."""
    for match in all_of(_TRANSPLANT, text):
        organ, fate = (match[1] or match[4]).lower(), (match[2] or match[3]).lower()
        if organ == "lung":
            yield Found(*match.span(), f"T86.81{int(_FATES[fate[0]]) - 1}")
        else:
            stem = "T86.4" if organ == "hepatic" else _ORGANS[organ[0]]
            yield Found(*match.span(), stem + _FATES[fate[0]])


_AFTER: Final = re.compile(
    r"\b(?:post-?op\w*|POD ?#?\d+|after surgery|coming off (?:pump|bypass)|off pump|post-?cardiotomy|vasopleg\w+)\b",
    re.IGNORECASE,
)
_INFECTED: Final = re.compile(r"\b(?:periton\w+|abscess|septic|sepsis|infect\w+)\b", re.IGNORECASE)
_LEAK: Final = re.compile(r"\b(?:anastomotic|staple[- ]line) (?:leak\w*|dehiscence|disruption)[^.\n]*", re.IGNORECASE)
_SETTLED: Final[tuple[tuple[Ranges, Ranges, str, Ranges, str], ...]] = tuple(
    (parse_ranges(has), parse_ranges(beside), gives, parse_ranges(replaces), reason)
    for has, beside, gives, replaces, reason in (
        ("T81.41-T81.43", "A40-A41 R65.2", "T81.44XA", "", "sepsis after a procedure (I.C.1.d.5.b)"),
        ("T81.41-T81.44", "R65.21", "T81.12XA", "R65.21", "septic shock after a procedure (I.C.1.d.5.b)"),
        ("Z94.0", "N17", "T86.19", "Z94.0", "acute failure of a transplanted kidney (I.C.19.g.3.a)"),
        ("S00-T34", "R57.1", "T79.4XXA", "R57.1", "shock after an injury is traumatic (R57 Excludes1)"),
    )
)


_CONCERNED: Final = (*parse_ranges("K91.89 R57.0"), *(pair for has, *_ in _SETTLED for pair in has))
"""Codes without which nothing here applies."""


def procedure_causes(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> None:
    """Add, in place, the procedure that a complication came of (Y83-Y84), where its code or its sentence says it.

    In a hospital stay alone, one a note, and not for codes that say the procedure themselves (I.C.19.g.4): see
    ``data/procedure_causes_<system>.csv``.
    """
    if around.setting != "inpatient":
        return
    care = codes_in(proposals, _CARE, book)
    for codes, words, gives in _causes(book.system) if care else ():
        for complication in care:
            code = book.codes[complication.concept]
            lines = "\n".join(around.line(number) for number in complication.numbers)
            if within(code, codes) and (words is None or words.search(lines)):
                at = book.default(book.position_of_code[gives])
                said = f"the procedure that {code} came of (I.C.20, Y83-Y84)"
                add(proposals, at, complication.numbers, complication.strength, affirmed=True, remark=said)
                return


_CARE: Final = parse_ranges("D78 I97 J95 K91 L76 N99 T81")


@cache
def _causes(system: str) -> tuple[tuple[Ranges, re.Pattern[str] | None, str], ...]:
    return tuple(
        (
            parse_ranges(row["codes"]),
            re.compile(rf"\b(?:{row['words']})\b", re.IGNORECASE) if row["words"] else None,
            row["gives"],
        )
        for row in read_rows("procedure_causes", system)
    )


def settle_complications(proposals: ProposedCodes, book: CodeBook, around: MentionPlaces) -> None:
    """Give infection, sepsis and shock after a complication or an injury their codes, in place."""
    if not codes_in(proposals, _CONCERNED, book):
        return
    leaks = codes_in(proposals, parse_ranges("K91.89"), book)
    leak = _LEAK.search(around.text) if leaks else None
    organ = book.position_of_code.get("T81.43XA")
    if leak and _INFECTED.search(leak[0]) and organ is not None:
        add(
            proposals,
            organ,
            leaks[0].numbers,
            leaks[0].strength,
            affirmed=True,
            remark="infection of an anastomotic leak",
        )
    for proposal in codes_in(proposals, parse_ranges("R57.0"), book):
        at = book.position_of_code.get("T81.11XA")
        if at is not None and any(_AFTER.search(around.line(number)) for number in proposal.numbers):
            exchange(proposals, proposal, at, "shock after a procedure (R57 Excludes1)")
    for has, beside, gives, replaces, reason in _SETTLED:
        shocked = codes_in(proposals, beside, book) if codes_in(proposals, has, book) else []
        at = book.position_of_code.get(gives)
        if shocked and at is not None:
            add(proposals, at, shocked[0].numbers, shocked[0].strength, affirmed=True, remark=reason)
            drop(proposals, replaces, book)


@cache
def _said(system: str) -> Rows[tuple[re.Pattern[str], str]]:
    return Rows(_patterns(system), itemgetter(0))


@cache
def _patterns(system: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns and their codes."""
    return tuple((re.compile(row["words"], re.IGNORECASE), row["code"]) for row in read_rows("complications", system))
