"""Uncertain diagnoses: coded at the end of a hospital stay (guideline II.H), not for a visit (IV.H)."""

from __future__ import annotations

import pytest
from coded_release import coded


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("He was admitted to the ward. Suspected heart failure.", {"I50.9"}),
        ("She was seen in the office. Suspected heart failure.", set()),
        ("Nasal discharge. Suspected heart failure.", set()),
        ("Admitted with suspected heart failure. An echocardiogram showed no heart failure.", set()),
        ("HISTORY OF PRESENT ILLNESS:\nPossible stroke.\n\nDISCHARGE DIAGNOSIS:\nPossible heart failure.", {"I50.9"}),
        ("HISTORY OF PRESENT ILLNESS:\nHe was admitted last year.\n\nASSESSMENT:\nPossible heart failure.", set()),
    ],
)
def test_what_stays_possible_codes_only_at_the_end_of_a_stay(text: str, codes: set[str]) -> None:
    assert set(coded(text)) == codes
