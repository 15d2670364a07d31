"""Pairs about prostheses, devices, transplants and brittle bones that differ by one rule: joint, side, fate, force."""

from __future__ import annotations

import pytest
from whole_release import codes_of

from conceptmap.coding.derived.complications import complications
from conceptmap.text.sections import sections


def found(text: str) -> set[str]:
    return {one.code for one in complications(text, sections(text))}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Infected THA.", "T84.50XA"),
        ("Infected left THA.", "T84.52XA"),
        ("Infected right THA.", "T84.51XA"),
        ("Infected right TKA.", "T84.53XA"),
        ("Infected left TKA.", "T84.54XA"),
        ("Infected shoulder arthroplasty.", "T84.59XA"),
        ("PJI.", "T84.50XA"),
        ("Dislocation of the left hip prosthesis.", "T84.021A"),
        ("Dislocation of right THA.", "T84.020A"),
        ("Dislocated knee replacement.", "T84.029A"),
        ("Dislocated left knee replacement.", "T84.023A"),
        ("Dislocated right knee replacement.", "T84.022A"),
        ("Dislocated shoulder arthroplasty.", "T84.028A"),
        ("Loose left THA.", "T84.031A"),
        ("Loosening of right knee arthroplasty.", "T84.032A"),
        ("Periprosthetic fracture of the right hip.", "M97.01XA"),
        ("Periprosthetic fracture of the right knee.", "M97.11XA"),
        ("Periprosthetic fracture of the left ankle.", "M97.22XA"),
        ("Periprosthetic fracture of the left shoulder.", "M97.32XA"),
        ("Periprosthetic fracture of the right elbow.", "M97.41XA"),
        ("Periprosthetic fracture.", "M97.9XXA"),
        ("Periprosthetic fracture of the knee.", "M97.9XXA"),
        ("Renal transplant infection.", "T86.13"),
        ("Failure of the renal allograft.", "T86.12"),
        ("Heart transplant rejection.", "T86.21"),
        ("Cardiac allograft failure.", "T86.22"),
        ("Liver transplant infection.", "T86.43"),
        ("Lung transplant rejection.", "T86.810"),
        ("Lung transplant infection.", "T86.812"),
        ("PICC occluded.", "T82.594A"),
        ("Foley malfunction.", "T83.091A"),
        ("Foley infection.", "T83.511A"),
        ("Pacemaker lead displaced.", "T82.120A"),
        ("Stent thrombosis.", "T82.867A"),
        ("In-stent restenosis.", "T82.855A"),
    ],
)
def test_what_befell_a_prosthesis_a_transplant_or_a_device(text: str, code: str) -> None:
    assert found(text) == {code}
    assert code not in codes_of(f"No {text[0].lower()}{text[1:]}")
    assert not found(f"PAST MEDICAL HISTORY: {text}")


def test_a_word_far_from_a_device_says_nothing_of_it() -> None:
    assert "T83.511A" in found("Foley infection.")
    assert not found("Foley. The patient has a long course with many other problems that are far from it. Infection.")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Anastomotic leak. Sepsis.", {"A41.9", "K91.89"}),
        ("Anastomotic leak with sepsis.", {"A41.9", "K91.89", "T81.43XA", "T81.44XA"}),
        ("Cardiogenic shock after surgery.", {"T81.11XA"}),
        ("Cardiogenic shock.", {"R57.0"}),
        ("Superficial wound infection. Sepsis.", {"A41.9", "T81.41XA", "T81.44XA"}),
        ("Superficial wound infection.", {"T81.41XA"}),
        ("Kidney transplant status. CKD.", {"N18.9", "Z94.0"}),
        ("HOSPITAL COURSE: postoperative ileus after colectomy.", {"K91.89", "Y83.6"}),
        ("HOSPITAL COURSE: postoperative ileus.", {"K91.89"}),
        ("ASSESSMENT: postoperative ileus after colectomy.", {"K91.89"}),
    ],
)
def test_what_comes_after_a_procedure(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Osteoporosis. Fell, left hip fracture.", {"M80.052A"}),
        ("Osteoporosis. Fell, right hip fracture.", {"M80.051A"}),
        ("Osteoporosis. Fell, hip fracture.", {"M80.059A"}),
        ("Osteoporosis. Fell from a ladder, left hip fracture.", {"M81.0", "S72.002A", "W11.XXXA"}),
        ("Osteoporosis. Left hip fracture.", {"M81.0", "S72.002A"}),
        ("Fell, left hip fracture.", {"S72.002A", "W19.XXXA"}),
        ("Osteoporosis. MVC, fragility fracture of the left hip.", {"M80.052A"}),
        ("Osteoporosis. Fell, left clavicle fracture.", {"M80.012A"}),
        ("Osteoporosis. Fell, left humerus fracture.", {"M80.022A"}),
        ("Osteoporosis. Fell, right distal radius fracture.", {"M80.031A"}),
        ("Osteoporosis. Fell, ankle fracture.", {"M80.069A"}),
        ("Osteoporosis. Fell, left foot fracture.", {"M80.072A"}),
        ("Osteoporosis. Fell, L1 fracture.", {"M80.08XA"}),
        ("Osteoporosis. Fell, pelvic fracture.", {"M80.0B9A"}),
        ("Osteoporosis. Fell, left rib fracture.", {"M80.0AXA"}),
    ],
)
def test_a_fracture_that_a_healthy_bone_would_not_have_had(text: str, codes: set[str]) -> None:
    """Guideline I.C.13.d.2."""
    assert codes_of(text) == codes
