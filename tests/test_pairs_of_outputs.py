"""Pairs that differ by one rule: dementias, healed fractures, gout, weapons, grafts, eye drops, other names."""

from __future__ import annotations

import pytest
from whole_release import codes_of


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Breast cancer with bone mets.", {"C50.919", "C79.51"}),
        ("Breast cancer. Mets to bone.", {"C50.919", "C79.51"}),
        ("Mets to the breast.", {"C79.81"}),
    ],
)
def test_metastases_are_of_the_organ_that_they_are_said_to_be_in(text: str, codes: set[str]) -> None:
    """Not of the organ of the primary in the same sentence (guideline I.C.2)."""
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Alzheimer's disease.", {"G30.9"}),
        ("Alzheimer's disease with dementia.", {"G30.9", "F02.80"}),
        ("Alzheimer's dementia.", {"G30.9", "F02.80"}),
        ("Alzheimer's dementia with behavioral disturbance.", {"G30.9", "F02.818"}),
        ("Lewy body dementia.", {"G31.83", "F02.80"}),
        ("Huntington's disease.", {"G10"}),
        ("Huntington's disease with dementia.", {"G10", "F02.80"}),
        ("Vascular dementia.", {"F01.50"}),
    ],
)
def test_a_dementia_of_a_disease_of_the_brain_takes_both_codes(text: str, codes: set[str]) -> None:
    """Guideline I.A.13; G30 and G31 use additional code F02."""
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Healed hip fracture.", {"Z87.81"}),
        ("Healing hip fracture.", {"S72.009D"}),
        ("Hip fracture.", {"S72.009A"}),
        ("Hip fracture, healed.", {"Z87.81"}),
        ("Right hip fracture, not healed.", {"S72.001A"}),
        ("Healed surgical scar and hip fracture.", {"S72.009A", "L90.5"}),
        ("Osteoporosis. Healed hip fracture.", {"M81.0", "Z87.310"}),
        ("Old L1 fracture, new L3 fracture.", {"Z87.81", "S32.039A"}),
        ("L1 fracture, new L3 fracture.", {"S32.019A", "S32.039A"}),
        ("Old rib fracture, new wrist fracture.", {"Z87.81", "S62.109A"}),
    ],
)
def test_a_healed_fracture_is_a_history_and_leaves_a_new_one(text: str, codes: set[str]) -> None:
    """Guidelines I.C.19.a and I.C.21.c.4."""
    assert codes_of(text) - {"L90.5"} == codes - {"L90.5"}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Gout.", {"M10.9"}),
        ("Gout of the left knee.", {"M10.062"}),
        ("Gout of the left knee and right ankle.", {"M10.062", "M10.071"}),
        ("Gout of the left knee and right foot.", {"M10.062", "M10.071"}),
        ("Gout of the left knee and left hip.", {"M10.062", "M10.052"}),
        ("Gout. Left knee pain.", {"M10.9", "M25.562"}),
        ("Drug-induced gout of the left knee.", {"M10.262"}),
        ("Chronic gout of the left knee.", {"M1A.0620"}),
    ],
)
def test_gout_is_coded_by_its_joints(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("with_what", "cause"),
    [
        ("Attacked with a machete", "X99.8XXA"),
        ("Stabbed with a machete", "X99.8XXA"),
        ("Stabbed with a dagger", "X99.2XXA"),
        ("Stabbed with broken glass", "X99.0XXA"),
        ("Stabbed", "X99.1XXA"),
        ("Assaulted with a gun", "X95.9XXA"),
        ("Assaulted with a handgun", "X93.XXXA"),
        ("Assaulted with a shotgun", "X94.0XXA"),
        ("Assaulted with a rifle", "X94.1XXA"),
        ("Gunshot wound after an assault with a handgun", "X93.XXXA"),
        ("Gunshot wound", "W34.00XA"),
        ("Attacked by a dog", "W54.0XXA"),
    ],
)
def test_an_assault_is_coded_by_its_gun_or_blade(with_what: str, cause: str) -> None:
    """Guideline I.C.20: X93-X99 by the weapon; an intent that is not said is accidental (I.C.20.h)."""
    assert {c for c in codes_of(f"{with_what}, laceration of the left forearm.") if c[0] in "VWXY"} == {cause}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Hepatic graft failure.", {"T86.42"}),
        ("Renal graft infection.", {"T86.13"}),
        ("Bone marrow graft failure.", {"T86.02"}),
        ("Bypass graft failure.", {"T82.898A"}),
        ("Skin graft failure.", {"T86.821"}),
        ("Burn of the arm. Graft failure.", {"T22.00XA", "T86.821"}),
        ("Thrombosed AV fistula.", {"T82.868A"}),
        ("Thrombosed left upper arm AV fistula.", {"T82.868A"}),
    ],
)
def test_a_graft_is_of_the_organ_that_it_is_said_to_be_of(text: str, codes: set[str]) -> None:
    """Guideline I.C.19.g: T86.82 is of skin alone."""
    assert codes_of(text, setting="inpatient") == codes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Bradycardia due to timolol.", "T44.7X5A"),
        ("Bradycardia due to timolol eye drops.", "T49.5X5A"),
        ("Bradycardia due to timolol 0.5% eye drops.", "T49.5X5A"),
        ("Bradycardia due to timolol, not to his eye drops.", "T44.7X5A"),
        ("Accidental poisoning by timolol eye drops.", "T49.5X1A"),
        ("Conjunctivitis due to gentamicin eye drops.", "T49.5X5A"),
        ("Rash due to hydrocortisone.", "T38.0X5A"),
        ("Rash due to hydrocortisone cream.", "T49.0X5A"),
        ("Rash due to lidocaine cream.", "T41.3X5A"),
        ("Rash due to ofloxacin ear drops.", "T49.6X5A"),
    ],
)
def test_a_drug_is_of_the_class_of_what_it_is_given_to(text: str, code: str) -> None:
    """Table of Drugs: topical action drug NEC, by eye, ear and skin."""
    assert {found for found in codes_of(text) if found[0] == "T"} == {code}


def test_eye_drops_are_no_systemic_steroid() -> None:
    assert "Z79.52" in codes_of("MEDICATIONS: prednisolone 5 mg daily")
    assert "Z79.52" not in codes_of("MEDICATIONS: prednisolone 1 % eye drops daily")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Meningitis was treated.", {"G03.9"}),
        ("Meningitis was discussed.", set()),
        ("The diagnosis of meningitis was discussed.", {"G03.9"}),
        ("Meningitis risk.", set()),
        ("Gout was discussed.", {"M10.9"}),
    ],
)
def test_an_emergency_that_was_only_discussed_is_not_there(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Pulmonary fibrosis and interstitial lung disease.", {"J84.10", "J84.9"}),
        ("Pulmonary fibrosis, also known as interstitial lung disease.", {"J84.10"}),
        ("Pulmonary fibrosis (a.k.a. interstitial lung disease).", {"J84.10"}),
        ("Also known as interstitial lung disease.", {"J84.9"}),
    ],
)
def test_another_name_of_a_disease_is_no_second_one(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes
