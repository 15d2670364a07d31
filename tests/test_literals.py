"""Words that patterns need: no pattern of the tables is found in a text that its words are said to rule out."""

from __future__ import annotations

import re

import pytest

from conceptmap.coding.derived import complications, external_causes
from conceptmap.text.literals import all_of, first_of, in_small_letters, may_hold, needed


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"\bstent thrombosis\b", ("stent thrombosis",)),
        (r"\b(?:clot|DVT)\b", ("clot", "dvt")),
        (r"(?:clot)?", ()),
        (r"(?:clot)*x", ()),
        (r"(?:clot)+", ("clot",)),
        (r"clot|x", ()),
        (r"(?!clot)", ()),
        (r"(?=clot)", ()),
        (r"clo[t]s?", ("clot",)),
        (r"st[ai]rs", ()),
    ],
)
def test_words_are_those_that_every_match_holds(pattern: str, words: tuple[str, ...]) -> None:
    assert needed(re.compile(pattern, re.IGNORECASE)) == words


def test_letters_that_a_pattern_takes_for_others_are_not_ruled_out() -> None:
    words = re.compile(r"\bskin clips\b", re.IGNORECASE)
    for text in ("SKIN CLIPS", "\u017f\u212a\u0130n cl\u0131p\u017f", "skin clips"):
        assert words.search(text) is not None
        assert all(may_hold(words, text) for _ in range(10))
    assert not may_hold(words, "skin")


def test_a_pattern_is_found_as_before_however_often_it_is_asked_for() -> None:
    words = re.compile(r"\b(?:thrombosis|clots?)\b", re.IGNORECASE)
    for text in ["No fever."] * 9 + ["Two Clots, a clot."] * 3:
        assert [m.span() for m in all_of(words, text)] == [m.span() for m in words.finditer(text)]
        assert (first_of(words, text) is None) == (words.search(text) is None)


def test_most_patterns_of_the_tables_need_words() -> None:
    patterns = [
        item
        for module in (complications, external_causes)
        for row in module._patterns("icd10cm")
        for item in row
        if isinstance(item, re.Pattern)
    ]
    assert sum(not needed(pattern) for pattern in patterns) <= len(patterns) // 10


@pytest.mark.parametrize("pattern", [r"\bPICC(?:s|-Line)?\b", r"[A-C]x\W\d", r"(?P<Kind>Clot)\S(?P=Kind)"])
def test_small_letters_find_the_same_places(pattern: str) -> None:
    words = re.compile(pattern, re.IGNORECASE)
    small = in_small_letters(words)
    assert small is not None
    for text in ("A PICC-line, bX 1", "picc", "CLOT/clot", "Cx.2", "piccolo", "dx 3", "-"):
        given, lower = words.search(text), small.search(text.lower())
        assert (given and given.span()) == (lower and lower.span())


@pytest.mark.parametrize("pattern", [r"(?i:a)b", r"\x41", r"[!-Z]", r"[A-z]"])
def test_patterns_that_small_letters_may_change_stay_as_they_are(pattern: str) -> None:
    assert in_small_letters(re.compile(pattern, re.IGNORECASE)) is None
