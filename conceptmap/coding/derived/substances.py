"""Tobacco, alcohol and cannabis as notes tell of them: by the pack, the year and the level in the blood.

Smoking said in the present is nicotine dependence, of cigarettes where packs or cigarettes are counted (Alphabetic
Index: Smoker); what was quit is a history (Z87.891). The level of alcohol in the blood (Y90) stands beside a disorder
that alcohol caused, and mere drinking is not coded (guideline I.C.5.b.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from conceptmap.coding.derived.found import Found
from conceptmap.coding.proposed_codes import ProposedCodes, codes_in
from conceptmap.ontology.code_ranges import parse_ranges
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import first_of

__all__ = ["settle_substances", "substances"]

_TOBACCO: Final = re.compile(
    r"\b(?:smok(?:e[sdr]?|ers?|ing)|tobacco|cigs?\b|cigarettes?|ppd|p/d\b|packs?|pks?[ -]?y(?:ea)?rs?"
    r"|pack[- ]?y(?:ea)?rs?|\d+ ?py\b)",
    re.IGNORECASE,
)
_COUNTED: Final = re.compile(
    r"\b(?:\d?ppd|cigs?|cigarettes?|packs?(?:[- ](?:per|a) day|/d|-?ye?a?rs?)?|pk|py)\b|\d ?(?:ppd|packs?|cigs?|pk"
    r"|py)\b",
    re.IGNORECASE,
)
_NOT_NOW: Final = re.compile(
    r"\b(?:quit|stopped|former(?:ly)?|ex[- ]?(?:(?:pipe|cigar|cigarette)[- ])?"
    r"|remote(?:ly)?|previous(?:ly)?|past|used to|\d+ (?:yrs?|years?) ago"
    r"|until \d{4}|prior|since quitting|in remission)(?:\b|(?=smok))",
    re.IGNORECASE,
)
_NEVER: Final = re.compile(
    r"\b(?:never|non-?|no|denie[sd]|without|not|does(?:n['’]t| not)|don['’]t|do not|avoid|second-?hand|passive"
    r"|mother|father|wife|husband|partner|parents?|lung|near"
    r"|cessation|counsel\w*|screen\w*|(?:cigar|pipe|chew|snuff|vap)\w*)\b",
    re.IGNORECASE,
)
_NOW: Final = re.compile(
    r"\b(?:smokes|still smok\w+|current(?:ly)? (?:every ?day )?smok\w+|active(?:ly)? smok\w+|continues to smoke"
    r"|ongoing (?:smok\w+|tobacco)|has smoked|smoking"
    r"|cut (?:down|back|from)|daily smoker|smoker|tobacco(?: use)?\s?[:\-–]?\s?[\d½¼]"
    r"|(?:[\d½¼./-]+ ?(?:to \d+ ?)?(?:ppd|packs? ?(?:per|a|/) ?d(?:ay)?|cigs? ?(?:/|per|a) ?d(?:ay)?"
    r"|cigarettes? ?(?:/|per|a) ?d(?:ay)?)))",
    re.IGNORECASE,
)
_OTHER_SMOKE: Final = re.compile(
    r"\s(?:(?:\d+|an?|some|daily|medical|recreational|occasional(?:ly)?|joints?|blunts?|bowls?|of"
    r"|(?:per|a) day)\s){0,4}"
    r"(?:marijuana|cannabis|weed|pot|THC|hashish|crack|cocaine|heroin|fentanyl|meth(?:amphetamines?)?|opium)\b"
    r"(?![^.;\n]{0,40}\b(?:tobacco|cig\w*|nicotine|ppd|packs?)\b)",
    re.IGNORECASE,
)
_OF_OTHER: Final = re.compile(r"\b(?:marijuana|cannabis|weed|pot|THC|hashish|crack|cocaine)[ -]\Z", re.IGNORECASE)
_CLAUSE: Final = re.compile(r"[^.;\n]+(?:\.(?=\d)[^.;\n]+)*")
_CHEWS: Final = re.compile(
    r"\b(?:chews(?: tobacco|(?=[,;]? [\d½])|(?= daily))|(?:current(?:ly)? |still |uses |daily )"
    r"(?:chew\w*|dip\w*|snuff)(?: tobacco)?|dips (?:tobacco|snuff|daily|\d)"
    r"|chew(?:ing)? tobacco(?: use|[,:]? \d)|smokeless tobacco(?: use|[,:]? \d))"
    r"|(?<=tobacco: )(?:chews|dips|snuff|chew\b)|(?<=nicotine: )(?:chewing|smokeless)",
    re.IGNORECASE,
)
_ALCOHOL_LEVEL: Final = re.compile(
    r"\b(?:EtOH|BAC|BAL|blood alcohol(?: (?:level|content))?|alcohol level|serum (?:ethanol|alcohol)"
    r"|ethanol)\b(?: level)?(?: (?:of|was|is))?[ :=]{1,3}(\d{2,3})(?! ?(?:%|x|ml|beer|drink|oz|yr|y\b))",
    re.IGNORECASE,
)
_LEVELS: Final = ((20, "0"), (40, "1"), (60, "2"), (80, "3"), (100, "4"), (120, "5"), (200, "6"), (240, "7"))
_CANNABIS: Final = re.compile(
    r"\b(?:marijuana|cannabis|weed|THC)(?: use)?(?: \w+)? (?:daily|weekly|vape\w*|edibles|occasional\w*|nightly"
    r"|most days|regularly|several times)\b"
    r"|\b(?:smokes|uses|vapes|daily|occasional|regular) (?:marijuana|cannabis|weed|THC)\b|(?<=\. )Marijuana(?=\.)",
    re.IGNORECASE,
)
_COWS: Final = re.compile(
    r"\b(?:COWS|opioid use disorder[^.\n]{0,30}withdrawal|withdrawal from (?:opioids?|heroin|fentanyl))\b"
)
_SOBER: Final = re.compile(
    r"\b(?:former (?:etoh|alcohol|drinker|alcoholic)|alcohol(?:ism| use disorder"
    r"| dependence))[^.;\n]{0,20}?\b(?:sober|abstinent|in remission|no (?:alcohol|drink\w*) (?:for|x))\b",
    re.IGNORECASE,
)
_BESIDE: Final = re.compile(
    r"\b(?:dad|father|mom|mum|mother|parents?|grand(?:mother|father|parents?|ma|pa)|husband|wife|spouse|partner"
    r"|boyfriend|girlfriend|roommates?|caregivers?|household members?)(?: (?:both|also|who|each))*"
    r" (?P<smokes>smokes?|vapes?)\b(?! detector)(?P<within>[^.;\n]{0,12}\b(?:indoors?|inside|in (?:the |their )?"
    r"(?:house|home|car|apartment)|at home|around (?:him|her|them)))?",
    re.IGNORECASE,
)
_CHILD: Final = re.compile(
    r"\b(?:\d{1,2}[- ]?(?:month|mo|week|wk|day)s?[- ]?(?:old|o\b)|(?:[1-9]|1[0-7])[- ]?(?:year|yr)s?[- ]old"
    r"|(?:[1-9]|1[0-7]) ?(?:yo|y/o|y\.o)|infant|toddler|newborn|baby|child|boy|girl|p[a]?ediatric\w*)\b",
    re.IGNORECASE,
)
_ADVISED: Final = re.compile(r"\b(?:cessation|counsel\w*|screen\w*)\b", re.IGNORECASE)
_YIELDING: Final = (  # the code, and what says more than it (guideline I.C.5.b.2-3)
    ("F17.200", "F17.21 F17.22 F17.29"),
    ("Z72.0", "F17.2"),
    ("Z87.891", "F17.2"),
    ("F10.20", "F10.21 F10.22-F10.28"),
    ("F10.10", "F10.2 F10.11 F10.12-F10.18"),
    ("F11.20", "F11.21 F11.22-F11.28"),
    ("F10.239", "F10.230-F10.232"),
    ("F19.90", "F10-F16 F18 F19.1 F19.2"),
    ("F12.90", "F12.1 F12.2"),
    ("F14.90", "F14.1 F14.2"),
    ("F15.90", "F15.1 F15.2"),
    ("F11.90", "F11.1 F11.2"),
)
_DISORDERS: Final = parse_ranges("F10 T51 R78.0 K70 G31.2 O99.31")


def substances(text: str) -> Iterator[Found]:
    """The codes of tobacco, alcohol and cannabis that a note tells of, with their half-open spans."""
    now, before = [], []
    for clause in _CLAUSE.finditer(text) if first_of(_TOBACCO, text) else ():
        word = _TOBACCO.search(clause[0])
        if word is None:
            continue
        said = _said_now(clause[0], word.end())
        if _NOT_NOW.search(clause[0]) and "still" not in clause[0].lower():
            quit_at = _NOT_NOW.search(clause[0])
            before.append(
                (
                    clause.start() + min(word.start(), quit_at.start() if quit_at else word.start()),
                    clause.start() + word.end(),
                )
            )
        elif said:
            now.append(
                (clause.start() + said.start(), clause.start() + said.end(), _COUNTED.search(clause[0]) is not None)
            )
    if now:
        counted = any(packs for _, _, packs in now)
        yield Found(now[0][0], now[0][1], "F17.210" if counted else "F17.200")
    elif before:
        yield Found(*before[0], "Z87.891")
    level = first_of(_ALCOHOL_LEVEL, text)
    if level:
        value = int(level[1])
        yield Found(*level.span(), f"Y90.{next((digit for below, digit in _LEVELS if value < below), '8')}")
    beside = first_of(_BESIDE, text)
    if beside and (beside["within"] or first_of(_CHILD, text)):
        yield Found(beside.start("smokes"), beside.end(), "Z77.22")
    for words, code in ((_CHEWS, "F17.220"), (_CANNABIS, "F12.90"), (_COWS, "F11.93"), (_SOBER, "F10.21")):
        said = first_of(words, text)
        if said:
            yield Found(*said.span(), code)


def _said_now(clause: str, word: int) -> re.Match[str] | None:
    """What says that somebody smokes, where nothing before it denies that or is advice."""
    for said in _NOW.finditer(clause):
        other = _OTHER_SMOKE.match(clause, said.end()) or _OF_OTHER.search(clause[: said.start()])
        if not (other or _NEVER.search(_own_words(clause, word, said.start()))):
            return said
    return None


def _own_words(clause: str, word: int, said: int) -> str:
    """What stands before the words that say it, without advice before a comma ("advised cessation, smokes 1 ppd")."""
    comma = clause.rfind(",", 0, said)
    advised = comma >= 0 and _ADVISED.search(clause[:comma])
    return clause[comma + 1 : said] if advised else clause[:word]


def settle_substances(proposals: ProposedCodes, book: CodeBook) -> None:
    """Take away, in place, what another code of the same substance says better, and use without a disorder."""
    for code, more in _YIELDING:
        at = book.position_of_code.get(code)
        if at in proposals and codes_in(proposals, parse_ranges(more), book):
            _drop(proposals, at)
    drinking = book.position_of_code.get("F10.90")
    if drinking in proposals:
        _drop(proposals, drinking)
    levels = codes_in(proposals, parse_ranges("Y90"), book)
    if levels and not codes_in(proposals, _DISORDERS, book):
        for proposal in levels:
            _drop(proposals, proposal.concept)


def _drop(proposals: ProposedCodes, concept: int | None) -> None:
    if concept is not None:
        proposals.pop(concept, None)
