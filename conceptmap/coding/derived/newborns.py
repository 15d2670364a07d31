"""The record of a newborn: birth, weeks and weight, and the conditions of other chapters in the codes of its own (P).

A perinatal condition of the first 28 days goes by chapter 16 (guideline I.C.16.a.2): apnoea of a newborn is P28.4-
(``data/newborn_<system>.csv``). Birth in this stay is Z38, with how the child was born; weeks and grams give P07.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Final

from conceptmap.coding.derived.found import Found
from conceptmap.coding.proposed_codes import ProposedCodes, add, codes_in, drop
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import first_of

__all__ = ["is_newborn", "newborn_facts", "settle_newborn"]

_CHILD: Final = re.compile(
    r"\b(?:NICU|DOL|days? of life|newborn|neonat\w*|baby|infant|birth ?weight|BW|apgars?|ex-?\d\d|\d\d ?-?weeker"
    r"|caffeine"
    r"|phototherapy|mother|mom|maternal|gavage|nippling|isolette|fontanel\w*|head circumference|surfactant"
    r"|corrected age)\b",
    re.IGNORECASE,
)
_WOMAN: Final = re.compile(
    r"\b(?:G\s?\d+\s?P\s?\d+|postpartum|PP|PPD|lochia|fundus|perine\w+|laceration|breast ?feeding|epidural|labor"
    r"|contractions"
    r"|cesarean|LTCS|SVD|EBL|QBL|IUP|antepartum|L&D|she|her)\b",
    re.IGNORECASE,
)
_GROWN: Final = re.compile(
    r"\b\d{1,2} ?-?(?:yo\b|y/?o\b|years?[- ]old|yr[- ]old|y\.o\.)"
    r"|\b(?:[2-9]|1\d) ?-?(?:months?[- ]old|m/o|m\.o\.)|\bage:? {1,3}(?:[2-9]|\d\d) ?(?:mo|months?|y|years?)\b",
    re.IGNORECASE,
)
_ADULT: Final = re.compile(
    r"\b(?:1[89]|[2-9]\d) ?-?(?:yo\b|y/?o\b|years?[- ]old|yr[- ]old|y\.o\.|[MF]\b)", re.IGNORECASE
)
_OF_THE_MOTHER: Final = re.compile(r"\b(?:mother|mom|to a|maternal)\b[^.\n]{0,40}\Z", re.IGNORECASE)
_PERINATAL: Final = parse_ranges("P00-P96")
_HEAD = 400
_GESTATION: Final = re.compile(
    r"\b(?:born (?:at|@)|ex-?|GA|gestational age|gestation|delivered at|EGA|at birth)\b[^.\n\d]{0,20}(2[2-9]|3\d"
    r"|4[0-3]) ?(?:\+ ?|w(?:ee)?ks?,? ?(?:and )?|w ?|[- ])?([0-6])?(?: ?/7| ?d\b)?"
    r"|\b(2[2-9]|3\d|4[0-3]) ?(?:(?:\+ ?|w ?|w(?:ee)?ks?,? ?(?:and )?| )([0-6])(?: ?/7| ?d(?:ays?)?\b)"
    r"|[- ]?(?:week(?:er|s)?|wks?)\b)",
    re.IGNORECASE,
)
_WEIGHT: Final = re.compile(
    r"\b(?:birth ?weight|birth ?wt|BW|weigh(?:ed|ing)|wt at birth)\b[^\d\n]{0,12}"
    r"(?:(\d{3,4}|\d,\d{3}) ?(?:g|gm|grams?)\b|(\d\.\d{1,3}) ?kg)",
    re.IGNORECASE,
)
_WEIGHTS: Final = (
    (500, "P07.01"), (750, "P07.02"), (1000, "P07.03"), (1250, "P07.14"), (1500, "P07.15"), (1750, "P07.16"),
    (2000, "P07.17"), (2500, "P07.18"),
)  # fmt: skip
_HEAVY: Final = ((4500, "P08.0"), (4000, "P08.1"))
_ELSEWHERE: Final = re.compile(
    r"\b(?:outborn|transferred (?:from|in)|born at (?:an )?(?:outside|home)|readmi\w+|referred from"
    r"|sent (?:in )?from home|brought (?:in|back))\b",
    re.IGNORECASE,
)
_BY_CESAREAN: Final = re.compile(r"\b(?:cesarean|caesarean|c-?sections?|c/s|(?:R|P)?LTCS)\b", re.IGNORECASE)
_BY_VAGINA: Final = re.compile(r"\b(?:vaginal(?:ly)?|N?SVD|VAVD|forceps|vacuum)\b", re.IGNORECASE)
_TWIN: Final = re.compile(r"\btwins?\b", re.IGNORECASE)
_SAID: Final = (  # what newborns' records say, and its code by the titles of chapter 16 and of Z05
    (
        r"\b(?:48|36)[ -]?(?:h|hrs?|hours?)\b[^.\n]{0,25}\b(?:amp\w*|antibiotics|rule[- ]?out)"
        r"|\brule[- ]?out sepsis\b|\bsepsis (?:evaluation|was ruled out|ruled out)",
        "Z05.1",
    ),
    (r"\bapneas?(?: (?:and bradycardias?|of prematurity))\b|\bA/?Bs? (?:spells|events)|\bAOP\b", "P28.40"),
    (
        r"\b(?:slow feeding|immature feeding|feeding immaturity|poor (?:PO|oral|nipple) (?:feeding|intake)"
        r"|gavage feed\w*|nipple feeding)\b",
        "P92.2",
    ),
    (r"\b(?:phototherapy|hyperbilirubin\w+|bili ?lights)\b", "P59.9"),
    (r"\b(?:infant of (?:a )?diabetic mother|IDM|mother (?:with|has) gestational diabetes)\b", "P70.0"),
    (r"\b(?:surfactant (?:given|x ?\d|administered)|RDS)\b", "P22.0"),
    (r"\bTTN\b|\btransient tachypnea\b", "P22.1"),
    (r"\b(?:gr(?:ade)?\.? ?(?:I|1)\b[^.\n]{0,12}IVH|IVH[^.\n]{0,12}gr(?:ade)?\.? ?(?:I|1)\b)", "P52.0"),
    (r"\b(?:gr(?:ade)?\.? ?(?:II|2)\b[^.\n]{0,12}IVH|IVH[^.\n]{0,12}gr(?:ade)?\.? ?(?:II|2)\b)", "P52.1"),
    (r"\b(?:SGA|small for gestational age)\b", "P05.10"),
    (r"\b(?:LGA|large for gestational age)\b", "P08.1"),
    (r"\b(?:NAS|neonatal abstinence|NOWS)\b", "P96.1"),
    (r"\banemia of prematurity\b", "P61.2"),
    (r"\bcaput\b", "P12.81"),
    (r"\bcephalo?hematoma\b", "P12.0"),
)
_PRETERM: Final = parse_ranges("P07.2-P07.3")
_MOTHERS: Final = parse_ranges("O00-O9A Z3A Z37 Z33-Z34")
_YIELDING: Final = (
    (parse_ranges("P59.0"), parse_ranges("P59.9")),
    (parse_ranges("P61.2"), parse_ranges("P61.4")),
    (parse_ranges("P07.3 P07.2"), parse_ranges("P07.30")),
    (parse_ranges("P22.0"), parse_ranges("P22.1 P22.9 P28.5")),
    (parse_ranges("P36"), parse_ranges("Z05.1")),
    (parse_ranges("P70.0-P70.1"), parse_ranges("P70.4")),
    (parse_ranges("P05.1"), parse_ranges("P07.1")),
)


_FIRST_DAYS: Final = frozenset(
    "birth weight|birthweight|bw|dol|day of life|days of life|nicu|newborn|neonatal|neonatology".split("|")
)


@lru_cache(maxsize=64)
def is_newborn(text: str) -> bool:
    """Whether a note is the record of a newborn child, and not of the mother or of anybody older."""
    folded = text.lower()
    if not any(word in folded for word in _FIRST_DAYS):
        return False
    child = {word.lower() for word in _CHILD.findall(text)}
    if len(child) < 4 or not child & _FIRST_DAYS:
        return False
    patient = _GROWN.search(text[:_HEAD])
    mother = patient is not None and _OF_THE_MOTHER.search(text[: patient.start()]) is None
    return not mother and len(_CHILD.findall(text)) > len(_WOMAN.findall(text))


def newborn_facts(text: str) -> Iterator[Found]:
    """What a newborn's record says of birth, weeks, weight and the first days: codes with their half-open spans."""
    if not is_newborn(text):
        return
    age, grams = first_of(_GESTATION, text), first_of(_WEIGHT, text)
    weeks = int(age[1] or age[3]) if age else 0
    if age and weeks < 37:
        yield Found(*age.span(), f"P07.3{weeks - 27}" if weeks >= 28 else f"P07.2{max(weeks - 21, 1)}")
    elif age and (weeks > 40 or (weeks == 40 and (age[2] or age[4] or "0") != "0")):
        yield Found(*age.span(), "P08.21" if weeks < 42 else "P08.22")
    if grams:
        weight = int(grams[1].replace(",", "")) if grams[1] else round(1000 * float(grams[2]))
        light = next((code for below, code in _WEIGHTS if weight < below), None)
        code = light or next((code for least, code in _HEAVY if weight >= least), None)
        if code:
            yield Found(*grams.span(), code)
    yield from _born(text)
    for words, code in _SAID:
        found = first_of(_compiled(words), text)
        if found:
            yield Found(*found.span(), "P59.0" if code == "P59.9" and 0 < weeks < 37 else code)


def _born(text: str) -> Iterator[Found]:
    """Birth in this stay, by the way of it."""
    cut, vaginal = first_of(_BY_CESAREAN, text), first_of(_BY_VAGINA, text)
    way = min((m for m in (cut, vaginal) if m), key=lambda m: m.start(), default=None)
    if way is not None and not first_of(_ELSEWHERE, text):
        code = "Z38.3" if first_of(_TWIN, text) else "Z38.0"
        yield Found(*way.span(), f"{code}{'1' if way is cut else '0'}")


def settle_newborn(proposals: ProposedCodes, book: CodeBook, text: str) -> None:
    """Give the codes of a newborn's record their place in chapter 16, in place."""
    if not is_newborn(text):
        if _ADULT.search(text[:_HEAD]):
            drop(proposals, _PERINATAL, book)
        return
    drop(proposals, _MOTHERS, book)
    for proposal in [d for d in proposals.values() if d.affirmed]:
        row = next((row for row in _perinatal(book.system) if within(book.codes[proposal.concept], row[0])), None)
        at = book.position_of_code.get(row[1]) if row else None
        if row and at is not None:
            said = f"{row[2]} in a newborn's record (I.C.16.a.2): {book.codes[proposal.concept]}"
            add(proposals, at, proposal.numbers, proposal.strength, affirmed=True, remark=said)
            del proposals[proposal.concept]
    for stronger, weaker in _YIELDING:
        said_better = {d.concept for d in codes_in(proposals, stronger, book)}
        for proposal in codes_in(proposals, weaker, book) if said_better else ():
            if said_better - {proposal.concept}:
                del proposals[proposal.concept]


@cache
def _compiled(words: str) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE)


@cache
def _perinatal(system: str) -> tuple[tuple[Ranges, str, str], ...]:
    return tuple((parse_ranges(row["codes"]), row["gives"], row["reason"]) for row in read_rows("newborn", system))
