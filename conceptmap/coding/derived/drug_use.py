"""Drugs that somebody takes for long, from the whole note (ICD-10-CM Z79).

A drug of a medication list counts, and elsewhere one with a dose and how often, or one that the text says is taken
("on apixaban", "takes metformin", "home insulin"). Short courses, drugs taken when needed, held, stopped or given once
do not. Antibiotics count as prophylaxis only, opioids and anti-inflammatory drugs only where their use is called
chronic: the guideline speaks of long-term use (I.C.21.c.3). A case report tells how somebody was treated, so there a
drug counts only where the text says that it is taken for long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from conceptmap.coding.derived.drugs import Drug
from conceptmap.coding.derived.found import Found
from conceptmap.text.literals import first_of
from conceptmap.text.sections import Section, section_at

__all__ = ["SECTIONS", "is_said_to_be_long", "long_term_use"]

SECTIONS: Final = frozenset({"medications", "admission medications", "discharge medications"})
_NOT_TAKEN: Final = frozenset(
    "allergies;family history;immunizations;instructions;discharge instructions;results;review of systems".split(";")
)
_REACH: Final = 90


_END: Final = re.compile(
    r"[;\n•|]|,\s+(?=[A-Za-z])(?!then\b|(?:(?:was|is|now|since|recently|but|has been|have been) )*"
    r"(?:stopped|discontinued|d/c'?e?d|no longer (?:taking|taken|takes))(?:[.,;)\n]|\Z| (?:on|in|at|by|due|because|for"
    r"|after|since|last|prior|before|\d|\[)))|\.\s+(?=[A-Z\[])|\.\Z"
)
_BEGIN: Final = re.compile(r"[;\n•|]|,\s|\.\s")
_STATEMENT: Final = re.compile(r"[;\n•|]|\.\s")
_ENDED_LIST: Final = re.compile(
    r"(?:\b(?:(?<!not )stop(?:ped)?|stopping|hold(?:ing)?|held|discontinued?|d/c'?d|avoid|off|finished|completed"
    r"|no longer(?: on| taking)?"
    r"|never|not|without|declined?|refused|allerg\w+|instead of|rather than|switched from|failed|(?:was"
    r"|were) (?:previously |once )?on)\b|\bno\s"
    r"|\bintoleran)"
    r"[^:]*:?[^:]*\Z",
    re.IGNORECASE,
)
_ENDED: Final = re.compile(
    r"\b(?:(?<!not )stop(?:ped)?|discontinu\w+|d/c'?d|finish\w*|complet\w+|last dose|allerg\w+|not taking|no longer"
    r"|not started|was considered|considered|declined|off at|in house|failed)\b",
    re.IGNORECASE,
)
_HELD: Final = re.compile(r"\b(?:held|hold)\b", re.IGNORECASE)
_AGAIN: Final = re.compile(
    r"(?<!not )(?<!not be )\b(?:resum\w+|re-?start\w*|continu\w+|reinstat\w+|back on|then \d)\b", re.IGNORECASE
)
_SHORT: Final = re.compile(
    r"\b(?:prn|as needed|when needed|if needed|(?:x|for|another|to complete)\s?\d+\s?(?:more )?(?:-\s?\d+ )?(?:d"
    r"|days?|doses?|wks?|weeks?|w)"
    r"|x\s?\d+\b(?!\s?(?:mo|y))|\d+[- ]days?|once only|one dose|single dose|until \w+|thru|through \[|taper\w*"
    r"|wean\w*|short|burst"
    r"|course|gtt|drip|bolus\w*|load(?:ed|ing)?|infusion|iv|sliding scale|ssi|given|received|got)\b|#\s?\d+",
    re.IGNORECASE,
)
_GOES_ON: Final = re.compile(
    r"(?:\bthen\b|→|->|\bto\b)\s*\d(?!\d* x\s?\d)|\bthen (?:daily|continue|lifelong|indefinitely)|\bindefinite"
    r"|\blifelong|\blong[- ]term"
    r"|\bmonths?\b|\bmo\b",
    re.IGNORECASE,
)
_OFTEN: Final = (
    r"(?:daily|qd|od|bid|bd|b\.i\.d|tid|tds|t\.i\.d|qid|qds|q\.?\s?\d+\s?(?:h|hr|hours|wk|w)?\b|q\.?hs|hs|nightly"
    r"|nocte|q\.?a\.?m|q\.?p\.?m"
    r"|[ap]\.?m\b|weekly|wkly|monthly|once|twice|three times|every|mwf|per day|a day|at bedtime|each|yearly|qod"
    r"|q\.o\.d)"
)
_DOSE: Final = (
    r"\d+(?:[.,/]\d+)*\s?(?:mg|mcg|µg|μg|ug|g|gm|units?|u|iu|ml|puffs?|inh|tabs?|caps?|tablets?|capsules?)?\b"
)
_DOSED: Final = re.compile(
    rf"[^,;.\n]{{0,28}}?{_DOSE}[^,;\n]{{0,24}}?\b{_OFTEN}|[^,;.\n]{{0,12}}?\b{_OFTEN}", re.IGNORECASE
)
_TAKEN: Final = re.compile(
    r"(?<!not )(?<!was )(?<!been )(?<!were )(?<!previously )(?<!off )(?<!no longer )(?<!started )(?<!maintained )"
    r"\b(?:on|takes|taking|uses|using|continues?|continued|continuing|resumed?|restart(?:ed)?|restarting|home"
    r"|chronic|lifelong"
    r"|long[- ]term|maintenance|maintained on|started on|switched to|transitioned to|remains on|stays on"
    r"|discharged on"
    r"|(?:treated|managed|medicated|anticoagulated|treatment|therapy) with|under|receives?|controlled (?:with|on)"
    r"|has taken|has been (?:on|taking)|have been (?:on|taking))"
    r"\s+(?:(?:a|an|the|his|her|home|daily|low[- ]dose|high[- ]dose|full[- ]dose|oral|po|chronic|long[- ]term|dose"
    r"|weekly|current"
    r"|and|both|therapeutic|nightly)\s+){0,3}\Z",
    re.IGNORECASE,
)
_LIST: Final = re.compile(
    r"\b(?:(?:goes?|went|sent|discharged|going) home|discharged) (?:on|with)\b|\bmed(?:ication)?s?\b[^.:]{0,20}:",
    re.IGNORECASE,
)
_TREATMENT: Final = re.compile(r"\A[- ](?:treatment|therapy|dependent|dependence|requiring|treated)\b", re.IGNORECASE)
_JOINED: Final = re.compile(r"\A[^.;\n]{0,30}?(?:,|/|\+|&|\band)\s*\Z", re.IGNORECASE)
_PAST: Final = re.compile(
    r"\b(?:previously|formerly|prior|past|history of|h/o|used to|until|years? ago|in (?:19|20)\d\d)\b", re.IGNORECASE
)
_PREVENTS: Final = re.compile(
    r"prophyla\w+|\bppx\b|suppress\w+|lifelong|indefinite|long[- ]term|chronic\w*", re.IGNORECASE
)
_CHRONIC: Final = re.compile(
    r"\b(?:chronic(?:ally)?|long[- ]term|maintenance|for years|every day for)\b|\bpatch\b|/h\b", re.IGNORECASE
)
_ADDICTION: Final = re.compile(
    r"\b(?:opioid|opiate|heroin) (?:use disorder|dependence|addiction|abuse)|\bOUD\b|methadone (?:clinic|program)",
    re.IGNORECASE,
)
_ANTIBIOTIC: Final = re.compile(r"T36\.[0-68]|T37\.0|T37\.8")
_OPIOID: Final = "Z79.891"
_ONLY_CHRONIC: Final = frozenset({"Z79.1", _OPIOID})
_TAPERED: Final = "Z79.52"
_DAILY: Final = re.compile(r"\b(?:chronic|home|long[- ]term|maintenance|lifelong|daily)\b", re.IGNORECASE)
_FOR_LONG: Final = re.compile(
    r"\b(?:chronic(?:ally)?|long[- ]term|maintenance|lifelong|indefinite(?:ly)?|permanent(?:ly)?|home|usual(?:ly)?"
    r"|habitual(?:ly)?|regular(?:ly)?|daily|takes|taking|for (?:many |several |\w+ )?years|since)\b",
    re.IGNORECASE,
)
_TAPER: Final = re.compile(r"\btaper\w*|\bwean\w*", re.IGNORECASE)


def long_term_use(text: str, sections: Sequence[Section], found: Sequence[Drug]) -> Iterator[Found]:
    """The drugs of a note that somebody takes for long, in reading order, and not those that the note ends.

    Args:
        text: the note.
        sections: of the note.
        found: the drugs that it names.
    """
    kept: list[tuple[Drug, str]] = []
    ended: dict[str, int] = {}
    taken = False
    addicted = any(drug.of.long_term == _OPIOID for drug in found) and first_of(_ADDICTION, text) is not None
    for number, drug in enumerate(found):
        section = section_at(sections, drug.start_char)
        name = section.name if section else None
        if name in _NOT_TAKEN or (section is not None and drug.start_char < section.heading_end):
            continue
        following = found[number + 1].start_char if number + 1 < len(found) else len(text)
        before, after = _before(text, drug), _item(text, drug.end_char, following)
        joined = taken and _JOINED.search(text[found[number - 1].end_char : drug.start_char]) is not None
        taken = (
            joined or _TAKEN.search(before) is not None or _TREATMENT.match(after) is not None
        ) and not _HELD.search(after)
        if _is_over(text, drug, after):
            taken, ended[drug.ingredient] = False, drug.start_char
        code = drug.of.long_term or ("Z79.2" if _ANTIBIOTIC.match(drug.of.harm) else "")
        listed = name in SECTIONS or _LIST.search(_statement(text, drug)) is not None
        if not code or ended.get(drug.ingredient) == drug.start_char or _HELD.search(after):
            continue
        said = taken or (_DOSED.match(after) is not None and not _PAST.search(before))
        if addicted and code == _OPIOID:
            continue
        if (listed or said) and not _is_short(before, after, code) and _counts(text, drug, code, after, listed=listed):
            kept.append((drug, code))
    for drug, code in kept:
        if ended.get(drug.ingredient, -1) < drug.start_char:
            yield Found(drug.start_char, drug.end_char, code)


def is_said_to_be_long(text: str, start: int, end: int) -> bool:
    """Whether the statement round a drug says that it is taken for long, as a case report would.

    >>> text = "On long-term prednisone. Treated with prednisone."
    >>> [is_said_to_be_long(text, start, start + 10) for start in (13, 38)]
    [True, False]
    """
    before = _STATEMENT.split(text[max(0, start - 3 * _REACH) : start])[-1]
    after = _STATEMENT.split(text[end : end + _REACH])[0]
    return _FOR_LONG.search(before + after) is not None


def _before(text: str, drug: Drug) -> str:
    """What stands before a drug in its item."""
    return _BEGIN.split(text[max(0, drug.start_char - _REACH) : drug.start_char])[-1]


def _item(text: str, start: int, following: int) -> str:
    """What follows a drug in its item, up to the next drug."""
    return _END.split(text[start : min(start + _REACH, following)], maxsplit=1)[0]


def _is_over(text: str, drug: Drug, after: str) -> bool:
    """Whether the note says that a drug is no longer taken, or never was."""
    statement = _statement(text, drug)
    if _AGAIN.search(after) or _GOES_ON.search(after):
        return False
    return _ENDED.search(after) is not None or (
        _ENDED_LIST.search(statement) is not None and not _AGAIN.search(statement)
    )


def _statement(text: str, drug: Drug) -> str:
    """What stands before a drug in its sentence or line."""
    return _STATEMENT.split(text[max(0, drug.start_char - 3 * _REACH) : drug.start_char])[-1]


def _is_short(before: str, after: str, code: str) -> bool:
    """Whether an item tells of a short course, of need, or of what was given once."""
    said = before + " " + after
    if _GOES_ON.search(after):
        return False
    if code == _TAPERED and (taper := _TAPER.search(after)) is not None:
        return not re.search(r"\b(?:weekly|sheet|by \d)", after[taper.start() :])
    return _SHORT.search(said) is not None


def _counts(text: str, drug: Drug, code: str, after: str, *, listed: bool) -> bool:
    """Whether the class of a drug counts as it is taken here."""
    said = text[max(0, drug.start_char - 40) : drug.start_char].rpartition("\n")[2] + after
    if code == "Z79.2":
        return _PREVENTS.search(said + _STATEMENT.split(text[drug.end_char : drug.end_char + _REACH])[0]) is not None
    if code == _TAPERED and not listed:
        return _DAILY.search(said) is not None
    if code in _ONLY_CHRONIC:
        return _CHRONIC.search(said) is not None
    return True
