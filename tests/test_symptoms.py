"""Symptoms that a disease of the note explains are not reported beside it (guidelines I.B.4, I.B.5, II.A)."""

from __future__ import annotations

import csv
from importlib import resources

import pytest
from whole_release import code_rows, codes_of

STAY = "HPI: {}\n\nHOSPITAL COURSE: {}\n"
VISIT = "HPI: {}\n\nASSESSMENT:\n{}\n"


@pytest.mark.parametrize(
    ("note", "told", "found", "symptom", "kept"),
    [
        (STAY, "Fever and cough.", "Lobar pneumonia.", "R50.9", False),
        (STAY, "Fever and cough.", "Workup negative.", "R50.9", True),
        (STAY, "Chest pain.", "Acute pericarditis.", "R07.9", False),
        (STAY, "Chest pain.", "Hyperlipidemia.", "R07.9", True),
        (STAY, "Syncope.", "Complete heart block.", "R55", False),
        (STAY, "Syncope.", "Obesity.", "R55", True),
        (STAY, "Dysphagia.", "Lobar pneumonia.", "R13.10", True),
        (VISIT, "Right knee pain.", "Primary osteoarthritis of right knee.", "M25.561", False),
        (VISIT, "Right knee pain.", "Migraine.", "M25.561", True),
        (VISIT, "Headache.", "Migraine.", "R51.9", False),
        (VISIT, "Cough.", "Migraine.", "R05.9", True),
        (VISIT, "Edema of the legs.", "Heart failure.", "R60.0", False),
        (VISIT, "Edema of the legs.", "Migraine.", "R60.0", True),
    ],
)
def test_a_symptom_yields_to_the_disease_that_explains_it(
    note: str, told: str, found: str, symptom: str, *, kept: bool
) -> None:
    assert (symptom in codes_of(note.format(told, found))) is kept


def test_a_symptom_that_the_note_lists_as_a_diagnosis_stays() -> None:
    listed = "HOSPITAL COURSE: cough.\n\nDISCHARGE DIAGNOSIS:\n1. Lobar pneumonia\n2. Syncope\n"
    told = "HOSPITAL COURSE: cough, syncope.\n\nDISCHARGE DIAGNOSIS:\n1. Lobar pneumonia\n"
    assert "R55" in codes_of(listed)
    assert "R55" not in codes_of(told)


def test_a_report_keeps_its_symptoms_and_the_caller_decides_what_a_note_is() -> None:
    text = "A man with fever and cough had lobar pneumonia."
    assert {"R50.9", "R05.9"} <= codes_of(text)
    assert {"R50.9", "R05.9"}.isdisjoint(codes_of(text, setting="inpatient"))


def test_what_was_taken_away_can_be_seen_with_its_reason() -> None:
    note = STAY.format("Fever.", "Lobar pneumonia.")
    row = code_rows(note, candidates=True)["R50.9"]
    assert row["reason"] == "integral to J18.1 (I.B.5)"
    assert not code_rows(note)["J18.1"]["reason"]


def test_what_is_only_told_to_the_patient_is_no_condition() -> None:
    note = "HOSPITAL COURSE: gout.\n\nDISCHARGE INSTRUCTIONS: {}\n"
    assert codes_of(note.format("A stroke is an emergency.")) == {"M10.9"}
    assert "I63.9" in codes_of("HOSPITAL COURSE: gout. A stroke.\n")


def test_rows_say_why_and_name_no_code_of_their_own() -> None:
    file = resources.files("conceptmap").joinpath("data/integral_icd10cm.csv")
    rows = list(csv.DictReader(file.read_text("utf-8").splitlines()))
    assert all(row["symptoms"] and row["diseases"] and row["reason"] for row in rows)
    assert {name for row in rows for name in row["settings"].split()} == {"inpatient", "visit"}
