"""Degrees, stages, grades and types in words and numerals: pairs of sentences that differ by them alone."""

from __future__ import annotations

import pytest
from whole_release import code_rows


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Delivered vaginally at 39 weeks with a first degree perineal laceration.", "O70.0"),
        ("Delivered vaginally at 39 weeks with a fourth degree perineal laceration.", "O70.3"),
        ("Pressure ulcer of sacrum, stage i.", "L89.151"),
        ("Pressure ulcer of sacrum, stage ii.", "L89.152"),
        ("Pressure ulcer of sacrum, stage iv.", "L89.154"),
        ("MVC. Grade II liver laceration.", "S36.115A"),
        ("MVC. Grade V liver laceration.", "S36.116A"),
        ("Open type I right tibia shaft fracture after MVC.", "S82.201B"),
        ("Open type IIIA right tibia shaft fracture after MVC.", "S82.201C"),
        ("Open type IIIA right humerus shaft fracture after MVC.", "S42.391B"),
    ],
)
def test_a_degree_chooses_the_code(said: str, code: str) -> None:
    assert list(code_rows(f"HOSPITAL COURSE: {said}\n", setting="inpatient")) == [code]
