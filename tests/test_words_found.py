"""Where the rules that read a text find what they find: words and code, of the sentences of their pairs.

``data/words_found.csv``: the module of a rule, a text, and what it finds there, in its order. ``make told`` writes what
is found today; the difference is to be read before it is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pytest
from kept_readings import by_module, keep, text_of
from whole_release import mapper

from conceptmap.coding.derived.complications import complications
from conceptmap.coding.derived.drug_harm import Finding, adverse_effects
from conceptmap.coding.derived.drug_use import long_term_use
from conceptmap.coding.derived.drugs import drugs_in
from conceptmap.coding.derived.external_causes import external_causes
from conceptmap.coding.derived.found import Found
from conceptmap.coding.derived.injuries import injuries
from conceptmap.coding.derived.newborns import newborn_facts
from conceptmap.coding.derived.obstetrics import births
from conceptmap.coding.derived.substances import substances
from conceptmap.coding.derived.treatments import treatments
from conceptmap.coding.derived.underdosing import poisoning, regimens_not_kept, underdosing
from conceptmap.coding.neoplasms import with_neoplasms
from conceptmap.coding.results import with_results
from conceptmap.matching.mentions import Candidate, Mention
from conceptmap.text.sections import sections
from conceptmap.text.sentences import sentences


def _found(mentions: Iterable[Mention]) -> list[Found]:
    codes = mapper().linkers[0].book.codes
    return [Found(m.start_char, m.end_char, codes[m.candidates[0].concept]) for m in mentions]


def _effects(text: str) -> Iterable[Found]:
    named = ((word, text.lower().find(word)) for word in NAMED)
    findings = [Finding(at, at + len(word), NAMED[word]) for word, at in named if at >= 0]
    return adverse_effects(text, sentences(text), drugs_in(text, "icd10cm"), findings, "icd10cm")


def _cancers(text: str) -> list[Mention]:
    somewhere = Candidate(mapper().linkers[0].book.position_of_code["C80.1"], 1.0, 1.0, "lexical")
    return [Mention(*named.span(), (somewhere,)) for named in CANCER.finditer(text)]


CANCER = re.compile(r"\b(?:(?:adeno)?carcinoma|cancer)\b", re.IGNORECASE)
NAMED = {"rash": "R21", "hypotension": "I95.9", "diarrhea": "R19.7", "hyperglycemia": "R73.9", "bleeding": "R58"} | {
    "constipation": "K59.00", "nausea": "R11.0", "confusion": "R41.0", "neutropenia": "D70.9", "cough": "R05.9",
}  # fmt: skip
"""Findings that the texts name."""
RULES: dict[str, Callable[[str], Iterable[Found]]] = {
    "coding.derived.complications": lambda text: complications(text, sections(text)),
    "coding.derived.drug_harm": _effects,
    "coding.derived.drug_use": lambda text: long_term_use(text, sections(text), drugs_in(text, "icd10cm")),
    "coding.derived.external_causes": lambda text: external_causes(text, sections(text)),
    "coding.derived.injuries": lambda text: injuries(text, sections(text), mapper().linkers[0].book),
    "coding.derived.newborns": newborn_facts,
    "coding.derived.obstetrics": births,
    "coding.derived.substances": substances,
    "coding.derived.treatments": treatments,
    "coding.derived.underdosing": lambda text: [
        *underdosing(text, sentences(text), drugs_in(text, "icd10cm")),
        *poisoning(text, sentences(text), drugs_in(text, "icd10cm")),
        *regimens_not_kept(text),
    ],
    "coding.neoplasms": lambda text: _found(with_neoplasms(text, _cancers(text), mapper().linkers[0].book)),
    "coding.results": lambda text: _found(with_results(text, sentences(text), (), mapper().linkers[0].book)),
}


def told(module: str, text: str) -> str:
    """What a rule finds in a text: words and code."""
    return " | ".join(f"{text[one.start_char : one.end_char]} = {one.code}" for one in RULES[module](text))


BY_MODULE = by_module("words_found")


@pytest.mark.parametrize("module", RULES)
def test_a_rule_finds_its_words_and_no_others(module: str) -> None:
    for row in BY_MODULE[module]:
        assert told(module, text_of(row["text"])) == row["read"], row["text"]


if __name__ == "__main__":
    keep("words_found", told)
