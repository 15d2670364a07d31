"""What drugs did: adverse effects, with the finding that the text lays to the drug (ICD-10-CM guideline I.C.19.e.5.a).

"Steroid-induced hyperglycaemia", "rash from amoxicillin" say it; so do "on", "with" and "after" where the finding is a
known effect of the class (``data/adverse_effects_<system>.csv``): "constipation on opioids", but not "infarct on
aspirin".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from conceptmap.coding.derived.drugs import Drug, DrugClass, drugs_in, harm
from conceptmap.coding.derived.found import Found
from conceptmap.coding.proposed_codes import ProposedCodes, add, codes_in
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import all_of, first_of
from conceptmap.text.overlaps import Starts

__all__ = ["Finding", "adverse_effects", "groups", "imply_drugs"]


class Finding(NamedTuple):
    """A condition that a note names: its half-open span and its code."""

    start_char: int
    end_char: int
    code: str


_DUE: Final = re.compile(
    r"\A(?!.*\b(?:but|received|given|treated|started|improved|resolved|miss(?:ed|ing)|omi\w+|stopp\w+|discontinu\w+"
    r"|cessation|withdr\w+|lack|without|(?:run|ran|running) out|non-?(?:compl|adher)\w+|not tak\w+|sub-?therap\w+"
    r"|inadequate|insufficient|held|holding|unrelated|(?:not|n['’]t|never) (?:\w+ ){0,3}?(?:due|secondary|related"
    r"|caused|attribut\w+|induced|because|from|a result|a side|an? (?:adverse )?(?:effect|reaction)))\b)"
    r"[^.;\n]{0,45}?(?:\b(?:due to|secondary to"
    r"|2/2|d/t|from|caused by|attributed to|attributable to|related to|induced by|because of"
    r"|as a result of|effects? (?:of|from)|reactions? to|precipitated by|triggered by|provoked by|blamed on|sec to"
    r"|owing to|b/c of"
    r"|(?:exacerbated|worsened|aggravated|potentiated|compounded|complicated) by|ascribed to|resulting from"
    r"|consequence of|complication of|in response to)|2°)\s(?:[^.;:\n]{0,30})\Z",
    re.IGNORECASE,
)
_INDUCED: Final = re.compile(
    r"\A(?:\s?[-–]\s?|\s)(?:induced|related|associated|mediated|provoked|precipitated)\b[^.;:\n]{0,40}\Z"
    r"|\A[^.;:,\n]{0,25}\b(?:caus(?:ed|ing|es)|led to|leading to|result(?:ed|ing) in|precipitat(?:ed|ing)"
    r"|provok(?:ed|ing)|complicated by)\b"
    r"[^.;\n]{0,40}\Z",
    re.IGNORECASE,
)
_WITH: Final = re.compile(
    r"\A(?:\s?[-–]\s?\d+)?\s?,?(?:(?:while|when|started|worse|likely|probably|\d[\d., ]*)\s)*(?:on|with|w/|after"
    r"|following|during|s/p|post|since|iso|in (?:the )?setting of|taking"
    r"|when taking)\s?(?:(?!and )[\w\[\]/*-]+ ){0,4}\Z"
    r"|\A\s?(?:\w+ ){0,2}\(\s?(?:on|likely|probable|probably|\?)?\s?\Z|\A\s?[-–—:,]\s?(?:likely |probably "
    r"|suspect(?:ed)? |presumed |thought to be |\?\s?)(?:\w+ )?\Z|\A\s?[-–—]\s?\Z|\A\s?\+\s?\w+\s?[-–—]\s?\Z",
    re.IGNORECASE,
)
_DIRECTLY: Final = re.compile(r"\A[\s-]\Z")
_THEN: Final = re.compile(
    r"\A[^.;\n]{0,30}?(?:,\s?(?:\w+ ){0,2}|\b(?:developed|had|became|stopped (?:for|due to|because of|given)"
    r"|discontinued (?:for|due to|because of|given)"
    r"|d/c'?d (?:for|due to|because of|given))\s(?:\w+ ){0,3})\Z",
    re.IGNORECASE,
)
_SINCE: Final = re.compile(r"\b(?:after|since|following|while on|on|with)\s(?:\w+ ){0,3}\Z", re.IGNORECASE)
_RELATED_LIST: Final = re.compile(
    r"\b(?:drug|medication|med|iatrogenic|multifactorial)[- ]?(?:related|induced|(?:side )?effects?)?\s?[:(]\s?\Z",
    re.IGNORECASE,
)
_FELT: Final = re.compile(
    r"(?<!not )\b(?:felt|thought|likely|presumed) (?:to be )?(?:related|due|secondary) to [\w/ ]{0,12}\Z", re.IGNORECASE
)
_OPENS: Final = re.compile(
    r"\W*(?:attributed|due|secondary|related|likely (?:due|secondary)|felt (?:due|secondary)) to (?:\w+ ){0,2}\Z",
    re.IGNORECASE,
)
_FEARED: Final = re.compile(
    r"\b(?:should be (?:watched|monitored)|risks? of|(?:watch|monitor(?:ed|ing)?) for|to (?:avoid|prevent)|at risk"
    r"|if (?:you|there is)|seek help|return (?:for|if)|call (?:for|if))\b",
    re.IGNORECASE,
)
_LATER: Final = re.compile(r"\b(?:after|following|since)\b", re.IGNORECASE)
_ALLERGIC: Final = re.compile(
    r"\ballerg(?:y|ic|ies)\b(?: to|:)?[^.;\n]{0,25}\Z|\bintoleran\w+ (?:to|of)[^.;\n]{0,15}\Z", re.IGNORECASE
)
_ALLERGY: Final = re.compile(r"\A\s?(?:allerg\w+|intoleran\w+|sensitiv\w+)", re.IGNORECASE)
_MORE: Final = (  # findings that notes name without the words of a title
    (re.compile(r"\b(?:over-?)?sedat(?:ion|ed)\b|\bsomnolen\w+|\blethargy\b", re.IGNORECASE), "R40.0"),
    (re.compile(r"\bhand[- ]foot syndrome\b|\bred[- ]man\b|\bflushing\b", re.IGNORECASE), "L27.1"),
    (re.compile(r"\bQTc? prolong\w+|\bprolonged QTc?\b", re.IGNORECASE), "I45.81"),
)
_HIGH: Final = re.compile(r"\b(?:glucoses?|sugars?|bg|fingersticks?|glu)\b[^\d.;\n]{0,15}(\d{3})\b", re.IGNORECASE)
_HIGH_FROM: Final = 180
_TREATED: Final = re.compile(
    r"\A[^.;\n]{0,12}\b(?:given|started|added|increased|up|bid|tid|daily|mg|iv|po|x\s?\d|prn)\b|\A\s?\d",
    re.IGNORECASE,
)
_OTHER_CAUSE: Final = re.compile(r"\A,?\s(?:due to|secondary to|2/2|from|caused by)\b", re.IGNORECASE)
_TOXIC: Final = re.compile(r"\A[- ](?:toxicity|toxic)\b", re.IGNORECASE)
_REACTION: Final = re.compile(r"\b(?:infusion(?:[- ]related)? reactions?|cytokine release)\b", re.IGNORECASE)
_JOINED: Final = re.compile(r"\A(?:\s{0,2}(?:[,/&+()]|\b(?:and|plus|or)(?=\s)))+\s{0,2}\Z", re.IGNORECASE)
_LOOK_BACK: Final = 300
_FAR: Final = 500
"""Characters between a drug and a finding, beyond which nothing lays one to the other."""
_NO_FINDING: Final = parse_ranges("T36-T50 V00-Z99")
_NOT_OURS: Final = frozenset(
    {
        "heroin",
        "cocaine",
        "cannabis",
        "LSD",
        "ecstasy",
        "methamphetamine",
        "hallucinogen",
        "synthetic cannabinoid",
        "vaccine",
        "opioid antagonist",
        "antidote",
        "coagulant",
    }
)
_CLASS_WORDS: Final = re.compile(
    r"anticholinergics?|antihypertensives?|nsaids?|diuretics?|opioids?|chemo(?:therapy)?", re.IGNORECASE
)


def adverse_effects(
    text: str, bounds: Sequence[tuple[int, int]], drugs: Sequence[Drug], findings: Sequence[Finding], system: str
) -> Iterator[Found]:
    """The adverse effects that a note lays to drugs.

    Args:
        text: the note.
        bounds: its sentences.
        drugs: that it names.
        findings: that it names.
        system: of the codes.
    """
    starts = [start for start, _ in bounds]
    findings = sorted([*(f for f in findings if not within(f.code, _NO_FINDING)), *_more(text)])
    drugs = [drug for drug in drugs if drug.of.name not in _NOT_OURS]
    places = Starts([f.start_char for f in findings])
    feared: dict[tuple[int, int], bool] = {}
    for group in groups(text, drugs):
        at = bisect_right(starts, group[0].start_char) - 1
        first, last = bounds[at] if at >= 0 else (0, len(text))
        near = max(first, group[0].start_char - _FAR), min(last, group[-1].end_char + _FAR)
        here = [findings[number] for number in places.within(*near)]
        floor = bounds[at - 1][0] if at > 0 else first
        told = places.any_within(first, last)
        told |= places.any_within(floor, first) and "\n\n" not in text[floor:first]
        if (first, last) not in feared:
            feared[first, last] = _FEARED.search(text, first, last) is not None
        if not feared[first, last]:
            for drug in _lead(text, group, here, near, told=told, system=system):
                yield Found(drug.start_char, drug.end_char, harm(drug.of, "5"))
    named = Starts([drug.start_char for drug in drugs])
    for match in all_of(_REACTION, text):
        before = [drugs[number] for number in named.within(match.start() - _LOOK_BACK, match.start())]
        if before and "\n\n" not in text[before[-1].end_char : match.start()]:
            yield Found(match.start(), match.end(), harm(before[-1].of, "5"))


def _more(text: str) -> Iterator[Finding]:
    """Findings without the words of a title, and values of glucose of 180 mg/dL and more, high whenever taken."""
    for words, code in _MORE:
        yield from (Finding(*match.span(), code) for match in all_of(words, text))
    for match in all_of(_HIGH, text):
        if int(match[1]) >= _HIGH_FROM:
            yield Finding(match.start(), match.end(), "R73.9")


def groups(text: str, drugs: Sequence[Drug]) -> list[list[Drug]]:
    """Drugs that stand in one list: "amlodipine, a thiazide and lisinopril"."""
    out: list[list[Drug]] = []
    for drug in drugs:
        if out and _JOINED.match(text[out[-1][-1].end_char : drug.start_char]):
            out[-1].append(drug)
        else:
            out.append([drug])
    return out


def _lead(
    text: str,
    group: Sequence[Drug],
    findings: Sequence[Finding],
    sentence: tuple[int, int],
    *,
    told: bool,
    system: str,
) -> list[Drug]:
    """The drugs of a group that are said to have had an effect; ``told``: their sentence has a finding."""
    start, end = group[0].start_char, group[-1].end_char
    named = list(group)
    if (
        len(group) > 1
        and _CLASS_WORDS.fullmatch(text[start : group[0].end_char])
        and "(" in text[start : group[1].start_char]
    ):
        named = named[1:]  # "anticholinergics (oxybutynin, diphenhydramine)" says the class of what follows
    before = text[sentence[0] : start]
    if _FELT.search(before) or (told and (_RELATED_LIST.search(before) or _OPENS.match(before))):
        return named
    if _ALLERGIC.search(before) or _ALLERGY.match(text[end : sentence[1]]):
        return []
    if _TOXIC.match(text[end : sentence[1]]):
        return named
    out: dict[Drug, None] = {}
    for finding in findings:
        if _is_cause(text, finding, (start, end)):
            return named
        if _is_likely(text, finding, (start, end), sentence):
            out |= dict.fromkeys(drug for drug in named if _is_known(drug, finding, system))
    return list(out)


def _is_cause(text: str, finding: Finding, span: tuple[int, int]) -> bool:
    """Whether the text calls what stands at a span the cause of a finding."""
    start, end = span
    if finding.end_char <= start:
        return _DUE.match(text[finding.end_char : start]) is not None
    if finding.start_char <= start and end <= finding.end_char:
        inside = text[finding.start_char : start], text[end : finding.end_char] + " "
        return _DUE.match(inside[0]) is not None or _INDUCED.match(inside[1]) is not None
    return end <= finding.start_char and _INDUCED.match(text[end : finding.start_char]) is not None


def _is_likely(text: str, finding: Finding, span: tuple[int, int], sentence: tuple[int, int]) -> bool:
    """Whether a finding is told as one that came with the drugs at a span, if it is an effect of theirs."""
    start, end = span
    if finding.end_char <= start:
        between = text[finding.end_char : start]
        treated = _TREATED.match(text[end : sentence[1]]) and not _LATER.search(between)
        behind = treated or _OTHER_CAUSE.match(text[end : sentence[1]])
        return _WITH.match(between) is not None and not behind
    if end > finding.start_char:
        return start >= finding.start_char and end <= finding.end_char  # "amoxicillin rash"
    between = text[end : finding.start_char]
    return _DIRECTLY.match(between) is not None or (
        _THEN.match(between) is not None
        and ("stopped" in between or "discont" in between or _SINCE.search(text[sentence[0] : start]) is not None)
    )


def _is_known(drug: Drug, finding: Finding, system: str) -> bool:
    """Whether a finding is a known effect of a drug's class."""
    return within(finding.code, _effects(system).get(drug.of.name, ()))


@cache
def _effects(system: str) -> Mapping[str, Ranges]:
    out: dict[str, Ranges] = {}
    for row in read_rows("adverse_effects", system):
        for name in row["classes"].split(";"):
            out[name] = out.get(name, ()) + parse_ranges(row["findings"])
    return out


_BLEEDING: Final = parse_ranges(
    "K25.0 K25.2 K25.4 K25.6 K26.0 K26.2 K26.4 K26.6 K27.0 K27.4 K28.0 K28.4 K29.01 K31.811 K55.21 K57.01 K57.11"
    " K57.13 K57.21"
    " K57.31 K57.33 K92.0-K92.2 K62.5 I60-I62 R04 R31.0 K66.1 M79.81"
)


_TIED: Final = re.compile(
    r"\b(?:supra-?therapeutic|over-?anticoag\w+|revers(?:ed|al)|kcentra|prothrombin complex|andexanet|andexxa"
    r"|idarucizumab|praxbind|vitamin K|phytonadione|protamine|coagulopathy"
    r"|(?:anticoagula\w+|warfarin|coumadin|apixaban|eliquis|rivaroxaban|xarelto|dabigatran|DOAC|NOAC)"
    r"(?:[- ](?:associated|related|induced)"
    r"| (?:was |were )?(?:stopped|discontinued) (?:for|due to|because of|given)))\b",
    re.IGNORECASE,
)


def _bled_on_anticoagulant(proposals: ProposedCodes, book: CodeBook, text: str) -> None:
    """Bleeding of somebody who takes an anticoagulant that was too much, or had to be reversed (I.C.19.e.5.a).

    To take one and to bleed are two things: a note ties them by what it says or does of the anticoagulant.
    """
    if first_of(_TIED, text) is None:
        return
    at = book.position_of_code.get("T45.515A")
    bled, taken = codes_in(proposals, _BLEEDING, book), codes_in(proposals, parse_ranges("Z79.01"), book)
    if at is not None and bled and taken and taken[0].numbers[0] < bled[0].numbers[0]:  # taken before, not after it
        said = f"bleeding on an anticoagulant: {book.codes[bled[0].concept]} + Z79.01; check that the note ties them"
        add(proposals, at, bled[0].numbers, bled[0].strength, affirmed=True, remark=said)


def imply_drugs(proposals: ProposedCodes, book: CodeBook, text: str) -> None:
    """Add the adverse effects that the titles of a note's codes speak of (``data/implied_drugs_<system>.csv``).

    "Anaemia due to antineoplastic"
    " chemotherapy" has T45.1X5A beside it; where the title leaves the drug open, the note
    has to name one of its class.
    """
    drugs: dict[str, DrugClass] | None = None
    _bled_on_anticoagulant(proposals, book, text)
    for speaks, wanted, category, says in (
        _implied(book.system) if codes_in(proposals, _speaking(book.system), book) else ()
    ):
        found = codes_in(proposals, speaks, book)
        if not found or (says is not None and first_of(says, text) is None):
            continue
        if drugs is None:
            drugs = {d.of.name: d.of for d in reversed(drugs_in(text, book.system))}
        of = next((drugs[name] for name in wanted if name in drugs), None)
        category = of.harm if of else category
        at = book.position_of_code.get(harm(DrugClass("", "", category), "5")) if category else None
        if at is not None and not any(book.codes[at] == book.codes[d.concept] for d in proposals.values()):
            said = f"the drug that {book.codes[found[0].concept]} speaks of"
            add(proposals, at, found[0].numbers, found[0].strength, affirmed=True, remark=said)


@cache
def _speaking(system: str) -> Ranges:
    """All codes whose titles speak of drugs."""
    return tuple(pair for speaks, *_ in _implied(system) for pair in speaks)


@cache
def _implied(system: str) -> tuple[tuple[Ranges, list[str], str, re.Pattern[str] | None], ...]:
    return tuple(
        (
            parse_ranges(row["codes"]),
            row["classes"].split(";"),
            row["harm"],
            re.compile(rf"\b(?:{row['says']})", re.IGNORECASE) if row["says"] else None,
        )
        for row in read_rows("implied_drugs", system)
    )
