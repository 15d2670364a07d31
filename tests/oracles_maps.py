"""A slow reading of map rules, one patient at a time, written from the reference-set specification.

Source: SNOMED CT Release File Specification, "Complex and Extended Map from SNOMED CT Reference Sets"; ICD-10 Mapping
Technical Guide. Texts are cut at the words AND and OR outside brackets, once what stands between pipes is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

Truth = bool | None
Answer = Callable[[str], Truth]
_CONDITION = re.compile(r"(?:IFA)?\s*(\d+)\s*(?:(<=|>=|<|>|=)\s*(\d+(?:\.\d+)?)\s*([a-z]+))?\s*$")
_DAYS = {"day": (1.0, 1.0), "month": (1 / 12, 1 / 12), "year": (1.0, 1.0)}


@dataclass
class Patient:
    """Age and onset in whole years; a finding that is in neither set was not mentioned."""

    sex: str | None = None
    age: int | None = None
    onset: int | None = None
    findings: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)


def truth(rule: str, answer: Answer) -> Truth:
    """What a rule with conditions comes to."""
    return _any(re.sub(r"\|[^|]*\|", " ", rule).strip(), answer)


def _any(text: str, answer: Answer) -> Truth:
    found = [_all(part, answer) for part in _cut(text, "OR")]
    return True if True in found else None if None in found else False


def _all(text: str, answer: Answer) -> Truth:
    found = [_one(part.strip(), answer) for part in _cut(text, "AND")]
    return False if False in found else None if None in found else True


def _one(text: str, answer: Answer) -> Truth:
    text = re.sub(r"^IFA\s*(?=\(|NOT\b)", "", text)
    if text.startswith("NOT"):
        found = _one(text[3:].strip(), answer)
        return None if found is None else not found
    if text.startswith("("):
        return _any(text[1:-1].strip(), answer)
    return answer(text)


def _cut(text: str, word: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for match in re.finditer(rf"[()]|\b{word}\b", text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if match[0] == word and depth == 0:
            parts.append(text[start : match.start()])
            start = match.end()
    return [*parts, text[start:]]


def answers(patient: Patient, above: Callable[[str], set[str]], own: str) -> Answer:
    """How a patient answers conditions. ``above``: the codes at and above a code."""

    def answer(text: str) -> Truth:
        match = _CONDITION.match(text)
        assert match, text
        concept, sign, number, unit = match.groups()
        if concept in ("248153007", "248152002"):
            return None if patient.sex is None else (patient.sex == "M") == (concept == "248153007")
        if sign:
            return _age(patient, concept, sign, float(number), unit.removesuffix("s"))
        if any(concept in above(code) for code in {*patient.findings, own}):
            return True
        return False if any(code in above(concept) for code in patient.denied) else None

    return answer


def _age(patient: Patient, concept: str, sign: str, number: float, unit: str) -> Truth:
    """Tried on every age, by twelfths of a year, that the patient may have."""
    years: Iterable[float]
    if concept == "445518008" and patient.onset is None:
        years = () if patient.age is None else [month / 12 for month in range(12 * (patient.age + 1))]
    else:
        whole = patient.onset if concept == "445518008" else patient.age
        years = () if whole is None else [whole + month / 12 for month in range(12)]
    limit = number * _DAYS[unit][0]
    tests = {"<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__, "=": float.__eq__}
    found = {tests[sign](float(year), limit) for year in years}
    return found.pop() if len(found) == 1 else None


def chosen(rules: Sequence[str], targets: Sequence[str], answer: Answer) -> tuple[int | None, set[str | None]]:
    """The number of the row that a group comes to, None where that is open; and the targets that it may come to."""
    before: list[Truth] = []
    values: list[Truth] = []
    for rule in rules:
        own = True if rule in ("TRUE", "OTHERWISE TRUE") else truth(rule, answer)
        reached = False if True in before else None if None in before else True
        values.append(False if False in (own, reached) else None if None in (own, reached) else True)
        before.append(own)
    possible = [at for at, value in enumerate(values) if value is not False]
    may = {targets[at] for at in possible} | (set() if True in before else {None})
    if True in values:
        return values.index(True), may
    return (possible[0] if len(may) == 1 and possible else None), may


def completions(rule: str, answer: Answer) -> set[Truth]:
    """What the rule comes to for every way in which the open conditions may be."""
    bare = re.sub(r"\|[^|]*\|", " ", rule)
    asked = sorted({" ".join(found.split()) for found in re.findall(r"\d{6,}\s*(?:[<>=]+ [\d.]+ [a-z]+)?", bare)})
    open_ = [text for text in asked if answer(text) is None]
    found: set[Truth] = set()
    for values in product((True, False), repeat=len(open_)):
        given = dict(zip(open_, values, strict=True))

        def told(text: str, given: dict[str, bool] = given) -> Truth:
            key = " ".join(re.sub(r"^IFA", "", text).split())
            return given[key] if key in given else answer(text)

        found.add(truth(rule, told))
    return found
