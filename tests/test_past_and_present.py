"""What was removed, replaced, treated or outgrown; what the family has; reactions to allergens; pairs of a body.

Each rule has a pair of notes that differ only by it.
"""

from __future__ import annotations

import csv
from importlib import resources

import pytest
from whole_release import code_rows, codes_of


@pytest.mark.parametrize(
    ("past", "gone", "left", "present"),
    [
        ("Bladder cancer, resected 2012.", "C67.9", "Z85.51", "Bladder cancer on chemotherapy."),
        ("Inguinal hernia repair 2010.", "K40.90", "", "Inguinal hernia, found in 2010."),
        ("Aortic stenosis s/p TAVR two years ago.", "I35.0", "", "Aortic stenosis, TAVR planned."),
        ("Latent TB, treated 2010.", "Z22.7", "Z86.15", "Latent TB, never treated, found in 2010."),
        ("Hepatitis C with SVR 2018.", "B19.20", "Z86.19", "Hepatitis C since 2018."),
        ("Multinodular goiter s/p thyroidectomy 2001.", "E04.2", "", "Multinodular goiter, thyroidectomy planned."),
        ("Asthma as a kid.", "J45.909", "", "Asthma."),
    ],
)
def test_what_ended_is_a_history_or_nothing(past: str, gone: str, left: str, present: str) -> None:
    assert gone not in codes_of(past)
    assert not left or left in codes_of(past)
    assert gone in codes_of(present)


def test_what_this_stay_removed_is_still_what_it_was_for() -> None:
    assert "C67.9" in codes_of("HOSPITAL COURSE: bladder cancer, resected.\n")
    assert "C67.9" not in codes_of("PAST MEDICAL HISTORY: bladder cancer, resected.\n")


def test_an_ended_condition_says_why_it_is_not_coded() -> None:
    row = code_rows("Inguinal hernia repair 2010. Gout.", candidates=True)["K40.90"]
    assert row["reason"] == "a hernia that was repaired is not there any more"


@pytest.mark.parametrize(
    ("text", "code"), [("Sister has Alzheimer's disease.", "Z82.0"), ("Her mother had breast cancer.", "Z80.3")]
)
def test_what_a_relative_has_is_a_family_history_under_any_heading(text: str, code: str) -> None:
    assert codes_of(text, setting="visit") == {code}
    assert code not in codes_of(text.replace("Sister has", "She has").replace("Her mother", "She"), setting="visit")


def test_a_reaction_behind_the_name_of_an_allergy_is_no_finding() -> None:
    assert "L50.9" not in codes_of("HOSPITAL COURSE: penicillin allergy w/ hives; gout.\n")
    assert "L50.9" in codes_of("HOSPITAL COURSE: penicillin given; hives; gout.\n")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("OA knees.", {"M17.0"}),
        ("OA knee.", {"M17.9"}),
        ("OA R knee.", {"M17.11"}),
        ("Osteoarthritis of the hands.", {"M19.041", "M19.042"}),
    ],
)
def test_a_plural_of_a_pair_is_both_and_a_letter_a_side(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


def test_an_organism_from_the_blood_is_the_cause_of_the_sepsis() -> None:
    assert "A41.51" in codes_of("Sepsis. Blood cultures grew E. coli.")
    assert "A41.51" not in codes_of("Sepsis. Urine cultures grew E. coli.")


def test_rows_of_ended_conditions_say_why_and_stand_once() -> None:
    lines = resources.files("conceptmap").joinpath("data/ended_icd10cm.csv").read_text("utf-8").splitlines()
    assert len(lines) == len(set(lines))
    assert all(row["reason"] for row in csv.DictReader(lines))
