"""Map rules: the conditions of SNOMED CT's complex and extended maps, read into alternatives of conditions.

Grammar, after the SNOMED CT Release File Specification ("Complex and Extended Map from SNOMED CT Reference Sets") and
the ICD-10 Mapping Technical Guide, which write conditions with AND; OR, NOT and brackets are read as people mean them::

    rule      = "TRUE" | "OTHERWISE TRUE" | any
    any       = all { "OR" all }
    all       = one { "AND" one }
    one       = "NOT" one | [ "IFA" ] "(" any ")" | "IFA" concept [ "|" term "|" ] [ comparison ]
    comparison = ( "<" | "<=" | ">" | ">=" | "=" ) number unit

A term may hold any word, AND and brackets among them ("Fracture of tibia AND fibula"): what stands between two pipes
is never looked into. ``IFA 248153007 | Male |`` asks for the patient's sex, ``IFA 445518008 | Age at onset … | < 65.0
years`` for an age, any other concept whether the patient has that finding or a kind of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

__all__ = ["FEMALE", "MALE", "Condition", "Rule", "read_rule"]

MALE, FEMALE = "248153007", "248152002"
AGES = {"445518008": "onset", "424144002": "age", "397669002": "age"}
"""Age at onset of a clinical finding, current chronological age, age."""
UNITS = {"minute": 1 / 1440, "hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 0.0, "year": 0.0}
"""Days in a unit of time; months and years have no fixed number."""
_MOST_ALTERNATIVES = 256
_LONGEST = 10_000
_TOKEN = re.compile(
    r"\s*(?:(?P<term>\|[^|]*\|)|(?P<sign><=|>=|=<|=>|≤|≥|<|>|=)|(?P<number>\d+(?:\.\d+)?)|(?P<word>[A-Za-z]+)"
    r"|(?P<bracket>[()])|(?P<other>\S))"
)
_SIGNS = {"=<": "<=", "=>": ">=", "≤": "<=", "≥": ">="}

Ask = Literal["finding", "male", "female", "onset", "age", "value"]
Literals = frozenset[tuple["Condition", bool]]
"""Conditions that have to hold (True) or must not (False), all of them."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One question that a rule asks of the patient.

    Attributes:
        asks: after a finding, the sex, the age at onset, the age now, or a value that no note gives.
        concept: the code in the rule.
        term: its name there.
        sign: of a comparison, else empty.
        number: compared with.
        unit: singular: ``year``, ``month``, ``day``; of a value as it is written.
    """

    asks: Ask
    concept: str
    term: str
    sign: str = ""
    number: float = 0.0
    unit: str = ""

    def __str__(self) -> str:
        name = f"{self.concept} | {self.term} |" if self.term else self.concept
        return f"{name} {self.sign} {self.number:g} {self.unit}" if self.sign else name


@dataclass(frozen=True)
class Rule:
    """A rule that was read.

    Attributes:
        kind: ``always``, ``otherwise`` (no earlier row of the group holds), ``if``, ``blank``, or ``unread``.
        alternatives: of a rule with conditions: it holds where all of some alternative do.
        fault: why it could not be read.
    """

    kind: Literal["always", "otherwise", "if", "blank", "unread"]
    alternatives: tuple[tuple[tuple[Condition, bool], ...], ...] = ()
    fault: str = ""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions, each once."""
        return tuple(dict.fromkeys(condition for part in self.alternatives for condition, _ in part))


class _RuleError(ValueError):
    """What is wrong with a rule."""


@cache
def read_rule(text: str | None) -> Rule:
    """Read a rule. One that cannot be read is no error: it is named, and never taken as true or false.

    >>> read_rule("IFA 248153007 | Male (finding) |").alternatives[0][0][0].asks
    'male'
    >>> read_rule("IFA 445518008 | Age at onset | >= 28.0 days AND IFA 445518008 | Age at onset | < 1.0 year").kind
    'if'
    >>> read_rule("IFA 445518008 | Age at onset | <").fault
    'a number must follow <'
    """
    said = (text or "").strip()
    words = said.upper().split()
    if not words:
        return Rule("blank")
    if words in (["TRUE"], ["OTHERWISE", "TRUE"]):
        return Rule("always" if len(words) == 1 else "otherwise")
    try:
        if len(said) > _LONGEST:
            raise _RuleError(f"longer than {_LONGEST:,} characters")
        tokens = [(match.lastgroup or "", match[match.lastgroup or 0]) for match in _TOKEN.finditer(said)]
        parser = _Parser(tokens)
        found = parser.any_of(positive=True)
        parser.end()
    except _RuleError as fault:
        return Rule("unread", fault=str(fault))
    if not found:
        return Rule("unread", fault="it can never hold")
    if frozenset() in found:
        return Rule("always")
    return Rule("if", tuple(tuple(sorted(part, key=lambda pair: (str(pair[0]), pair[1]))) for part in found))


class _Parser:
    """Reads tokens into alternatives, from left to right; AND binds closer than OR."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def any_of(self, *, positive: bool) -> list[Literals]:
        parts = [self._all_of(positive=positive)]
        while self._word("OR"):
            parts.append(self._all_of(positive=positive))
        return _either(parts) if positive else _both(parts)

    def _all_of(self, *, positive: bool) -> list[Literals]:
        parts = [self._one(positive=positive)]
        while self._word("AND"):
            parts.append(self._one(positive=positive))
        return _both(parts) if positive else _either(parts)

    def _one(self, *, positive: bool) -> list[Literals]:
        told = False
        while self._word("NOT") or (not told and self._word("IFA")):
            told |= self._before().upper() == "IFA"
            positive ^= self._before().upper() == "NOT"
        if self._take("bracket", "("):
            self._depth += 1
            if self._depth > 32:
                raise _RuleError("brackets within brackets, more than 32 deep")
            found = self.any_of(positive=positive)
            if not self._take("bracket", ")"):
                raise _RuleError("a bracket is not closed")
            self._depth -= 1
            return found
        if self._word("TRUE"):
            return [frozenset()] if positive else []
        if (concept := self._take("number")) is None or not concept.isdigit():
            raise _RuleError(f"a concept must follow {'IFA' if told else self._before()}")
        return [frozenset([(self._condition(concept), positive)])]

    def _condition(self, concept: str) -> Condition:
        term = (self._take("term") or "").strip("|").strip()
        sign = self._take("sign") or ""
        if not sign:
            if concept in AGES:
                raise _RuleError(f"{concept} is an age, and nothing is compared with it")
            asks: Ask = "male" if concept == MALE else "female" if concept == FEMALE else "finding"
            return Condition(asks, concept, term)
        number = self._take("number")
        if number is None:
            raise _RuleError(f"a number must follow {sign}")
        word = (self._take("word") or "").lower()
        unit = word.removesuffix("s")
        if concept not in AGES:
            return Condition("value", concept, term, _SIGNS.get(sign, sign), float(number), word)
        if unit not in UNITS:
            raise _RuleError(f"an age in {word or 'no unit'}")
        known: Ask = "onset" if AGES[concept] == "onset" else "age"
        return Condition(known, concept, term, _SIGNS.get(sign, sign), float(number), unit)

    def _word(self, word: str) -> bool:
        found = self._at < len(self._tokens) and self._tokens[self._at][0] == "word"
        found = found and self._tokens[self._at][1].upper() == word
        self._at += found
        return found

    def _take(self, kind: str, value: str | None = None) -> str | None:
        if self._at < len(self._tokens):
            group, text = self._tokens[self._at]
            if group == kind and value in (None, text):
                self._at += 1
                return text
        return None

    def _before(self) -> str:
        return self._tokens[self._at - 1][1] if self._at else "the start"

    def end(self) -> None:
        """Nothing may follow."""
        if self._at < len(self._tokens):
            raise _RuleError(f"nothing may follow {self._before()}")


def _either(parts: list[list[Literals]]) -> list[Literals]:
    return list(_few(dict.fromkeys(part for found in parts for part in found)))


def _both(parts: list[list[Literals]]) -> list[Literals]:
    """Every combination of one alternative of each part."""
    found: list[Literals] = [frozenset()]
    for part in parts:
        found = list(_few(dict.fromkeys(one | other for one in found for other in part)))
    return found


def _few(found: dict[Literals, None]) -> Iterator[Literals]:
    if len(found) > _MOST_ALTERNATIVES:
        raise _RuleError(f"more than {_MOST_ALTERNATIVES} alternatives")
    yield from found
