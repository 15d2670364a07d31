"""Short notes, kind by kind, with codes that must be given and that must not: forms, scope, names, markup, sides.

They were cut into two halves by a hash of their text before any rule was written. Rules were written on one half; the
floor of the other is what was measured once, a little under it.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from conceptmap.mapper import ConceptMapper

DATA = Path(__file__).parent / "data"
FLOORS = {"tuning": 0.99, "unseen": 0.95}


def cases(half: str) -> list[dict[str, str]]:
    with (DATA / f"reading_{half}.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@cache
def mapper() -> ConceptMapper:
    return ConceptMapper.load("icd10cm", encoder=None)


def codes(texts: list[str]) -> list[set[str]]:
    notes = pl.DataFrame({"note_id": [str(number) for number in range(len(texts))], "text": texts})
    found: list[set[str]] = [set() for _ in texts]
    for note_id, code in mapper().code(notes).select("note_id", "code").iter_rows():
        found[int(note_id)].add(code)
    return found


def is_right(case: dict[str, str], given: set[str]) -> bool:
    """Whether every prefix that must be given is, and none that must not."""
    missing = [start for start in case["must"].split() if not any(code.startswith(start) for code in given)]
    return not missing and not any(code.startswith(start) for code in given for start in case["must_not"].split())


@pytest.mark.parametrize("half", FLOORS)
def test_short_notes_are_read_right(half: str) -> None:
    found = cases(half)
    right = sum(map(is_right, found, codes([case["text"] for case in found])))
    assert right / len(found) >= FLOORS[half]


def test_the_halves_share_nothing_and_are_many() -> None:
    tuning, unseen = ({case["text"] for case in cases(half)} for half in FLOORS)
    assert not tuning & unseen
    assert len(tuning | unseen) >= 300


PAIRS = [
    # what is read one way, and what differs only by the rule
    ("Fever: no\nCough: yes", {"R05.9"}, "Fever: yes\nCough: no", {"R50.9"}),
    ("[x] gout [ ] asthma", {"M10.9"}, "gout [ ] asthma [x]", {"J45.909"}),
    ("-fever, +cough", {"R05.9"}, "- fever\n- cough", {"R50.9", "R05.9"}),
    ("Problem | Status\nGout | Active", {"M10.9"}, "Problem | Status\nGout | Inactive", set()),
    ("No fever<br>Gout", {"M10.9"}, "No fever or gout", set()),
    ("Seen in the asthma clinic.", set(), "Seen in clinic for asthma.", {"J45.909"}),
    ("Denies fever; cough.", set(), "Denies fever; has cough.", {"R05.9"}),
    ("Gout (M10.9)", {"M10.9"}, "T12 and L4 were normal.", set()),
]


@pytest.mark.parametrize(("text", "expected", "other", "expected_other"), PAIRS)
def test_pairs_that_differ_by_one_rule(text: str, expected: set[str], other: str, expected_other: set[str]) -> None:
    assert codes([text, other]) == [expected, expected_other]
