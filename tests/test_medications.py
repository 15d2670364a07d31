"""Drugs of the medication lists that are taken for long."""

from __future__ import annotations

import polars as pl
import pytest
from coded_release import coder

from conceptmap.coding.medications import with_medications
from conceptmap.text.sections import sections


def drugs(text: str) -> list[tuple[str, str]]:
    found = with_medications(text, sections(text), [], coder().linkers[0].book)
    book = coder().linkers[0].book
    return [(text[m.start_char : m.end_char], book.codes[m.candidates[0].concept]) for m in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "DISCHARGE MEDICATIONS:\n1. Insulin 10 units\n2. Apixaban 5 mg\n",
            [("Insulin", "Z79.4"), ("Apixaban", "Z79.01")],
        ),
        ("MEDICATIONS: apixaban, insulin", [("apixaban", "Z79.01"), ("insulin", "Z79.4")]),
        ("MEDICATIONS: apixaban x 5 days; insulin held", []),
        ("MEDICATIONS: insulin PRN", []),
        ("HOSPITAL COURSE: insulin was given.", []),
        ("MEDICATIONS: water", []),
    ],
)
def test_what_is_listed_is_taken_for_long(text: str, found: list[tuple[str, str]]) -> None:
    assert drugs(text) == found


def test_a_listed_drug_codes_and_is_the_partner_that_was_missed() -> None:
    text = "Type 2 diabetes mellitus.\n\nMEDICATIONS:\nInsulin 10 units daily\n"
    codes = coder().annotate_many(pl.DataFrame({"note_id": ["n"], "text": [text]})).codes
    assert set(codes["code"]) == {"E11.9", "Z79.4"}
