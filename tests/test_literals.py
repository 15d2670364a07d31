"""Words that patterns need: no pattern of the tables is found in a text that its words are said to rule out."""

from __future__ import annotations

import random
import re

import pytest

from conceptmap.coding.derived import complications, external_causes
from conceptmap.text import literals
from conceptmap.text.beginnings import beginnings
from conceptmap.text.literals import Rows, all_of, first_of, needed


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
        assert all(first_of(words, text) for _ in range(10))
    assert first_of(words, "skin") is None


def test_a_pattern_is_found_as_before_however_often_it_is_asked_for() -> None:
    words = re.compile(r"\b(?:thrombosis|clots?)\b", re.IGNORECASE)
    for text in ["No fever."] * 9 + ["Two Clots, a clot."] * 3:
        assert [m.span() for m in all_of(words, text)] == [m.span() for m in words.finditer(text)]
        assert (first_of(words, text) is None) == (words.search(text) is None)


def patterns_of_tables() -> list[re.Pattern[str]]:
    return [
        item
        for module in (complications, external_causes)
        for row in module._patterns("icd10cm")
        for item in row
        if isinstance(item, re.Pattern)
    ]


def test_most_patterns_of_the_tables_need_words() -> None:
    patterns = patterns_of_tables()
    assert sum(not needed(pattern) for pattern in patterns) <= len(patterns) // 10


@pytest.mark.parametrize(
    ("pattern", "begun"),
    [
        (r"\b(?:thrombus|clots?|O2)\b", ("clo", "o2", "thr")),
        (r"\bclot|\b[Kk]\s", ("clo", "k")),
        (r"\b(?:the )?clot", ("clo", "the")),
        (r"\b(?:re-?)?clot", ("clo", "re-", "rec")),
        (r"\b(?:at )?\d+ ml", ("\\d", "at ")),
        (r"\b(?:no|not)\b", ("no",)),
        (r"(?<!\w)clot", ("clo",)),
        (r"(?<![\w-])clot", ("clo",)),
        (r"(?<=\. )Clot", ("clo",)),
        (r"\bc[lr]ot", ("clo", "cro")),
        (r"\bc+lot", ("c",)),
        ("clot", ()),
        (r"\bclot|stent", ()),
        (r"(?:clot)?\b", ()),
        (r"\b\w+ clot", ()),
        (r"\b-clot", ()),
        (r"(?<=a)clot", ()),
        (r"(?<![-.])clot", ()),
        (r"(?<!\w\w)clot", ()),
        (r"(?a:\bclot)", ()),
    ],
)
def test_beginnings_are_those_of_every_match(pattern: str, begun: tuple[str, ...]) -> None:
    assert beginnings(re.compile(pattern, re.IGNORECASE)) == begun


@pytest.mark.parametrize("flags", [0, re.IGNORECASE])
def test_what_is_tried_at_its_beginnings_is_what_is_found(flags: int) -> None:
    parts = [
        "clot",
        "Clot",
        "no",
        "a",
        "at ",
        "c-c ",
        "k",
        "K",
        "\u212a",
        "\u017fo",
        "so",
        " ",
        ". ",
        "-",
        "_",
        "3",
        "\u0663 ml",
        "\u00e9",
    ]
    texts = ["".join(random.Random(number).choices(parts, k=30)) for number in range(60)]
    for pattern in (
        r"\b(?:no|clot)\w*",
        r"\bk\b",
        r"\b(?:at )?\d+ ml",
        r"\bc-c c",
        r"\bso\W+(?:so)?",
        r"(?<!\w)a.{0,3}a",
    ):
        words = re.compile(pattern, flags)
        for text in texts:
            assert [m.span() for m in all_of(words, text)] == [m.span() for m in words.finditer(text)]


def test_most_patterns_of_the_tables_are_tried_at_their_beginnings_alone() -> None:
    patterns = patterns_of_tables()
    assert sum(not beginnings(pattern) for pattern in patterns) <= len(patterns) // 4


def test_the_rows_of_a_table_hold_all_that_are_found_and_few_that_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(literals, "_FIRST_ASKED", 0)
    texts = [
        "Infected mesh, DVT with the PICC line.",
        "\u0130 PICC malfunction",
        "stent thrombosis on POD 3",
        "cough",
        "",
    ]
    plain = complications._patterns("icd10cm")
    rows = Rows(plain, lambda row: row[0])
    for text in texts:
        given = [row for row in plain if row[0].search(text)]
        assert [row for row in rows.of(text) if row in given] == given
        assert len(rows.of(text)) < len(plain) // 3
    unknown = Rows(["clot"], re.compile)
    assert [list(unknown.of(text)) for text in ("bloodclot", "pus")] == [["clot"], ["clot"]]
