"""Fractures of brittle bones, prostheses of joints, treatments of neoplasms, and procedures that complications came of.

Each rule has a pair of notes that differ only by it.
"""

from __future__ import annotations

import pytest
from whole_release import code_rows, stay_codes

STAY = "HOSPITAL COURSE: {}\n"


@pytest.mark.parametrize(
    ("text", "code", "other", "instead"),
    [
        (
            "Osteoporosis. Fell, right femoral neck fracture.",
            "M80.051A",
            "Fell, right femoral neck fracture.",
            "S72.001A",
        ),
        (
            "Osteoporosis. Fell at home, left distal radius fracture.",
            "M80.032A",
            "Osteoporosis. Struck by a car, left distal radius fracture.",
            "S52.502A",
        ),
        ("Osteoporosis. L1 compression fracture.", "M80.08XA", "L1 compression fracture.", "M48.56XA"),
        ("Osteoporosis. Old healed hip fracture.", "Z87.310", "Osteoporosis. Gout.", "M10.9"),
    ],
)
def test_what_a_minor_fall_broke_in_brittle_bones_is_their_disease(
    text: str, code: str, other: str, instead: str
) -> None:
    given = stay_codes(text)
    assert code in given
    assert not any(c.startswith("S") for c in given)
    assert code not in stay_codes(other)
    if not instead.startswith("M48"):
        assert instead in stay_codes(other)


@pytest.mark.parametrize(
    ("text", "code", "other", "instead"),
    [
        ("Infected left total shoulder arthroplasty.", "T84.59XA", "Infected left total hip arthroplasty.", "T84.52XA"),
        ("Prosthetic joint infection, right knee.", "T84.53XA", "Prosthetic joint infection.", "T84.50XA"),
        ("Dislocated left total hip arthroplasty.", "T84.021A", "Dislocated left shoulder prosthesis.", "T84.028A"),
        ("Loosening of the left ankle replacement.", "T84.038A", "Loosening of the left hip prosthesis.", "T84.031A"),
        ("Periprosthetic fracture, left shoulder.", "M97.32XA", "Periprosthetic fracture, right elbow.", "M97.41XA"),
    ],
)
def test_what_befell_a_joint_prosthesis(text: str, code: str, other: str, instead: str) -> None:
    assert code in stay_codes(text)
    assert instead in stay_codes(other)
    assert code not in stay_codes(other)


@pytest.mark.parametrize(
    ("text", "code", "other"),
    [
        ("Admitted for cycle 3 of R-CHOP for lymphoma.", "Z51.11", "Admitted for pneumonia after R-CHOP for lymphoma."),
        (
            "Admitted for radiation therapy for brain metastases.",
            "Z51.0",
            "Past radiation therapy for brain metastases.",
        ),
        ("Here for pembrolizumab infusion for melanoma.", "Z51.12", "Takes pembrolizumab for melanoma."),
        ("Here for methotrexate for lymphoma.", "Z51.11", "Here for methotrexate for rheumatoid arthritis."),
    ],
)
def test_a_stay_for_the_treatment_of_a_neoplasm_says_so_first(text: str, code: str, other: str) -> None:
    principal = [code for code, row in code_rows(STAY.format(text)).items() if row["role"] == "principal"]
    assert principal == [code]
    assert code not in stay_codes(other)


@pytest.mark.parametrize(
    ("text", "code", "other"),
    [
        ("Anastomotic leak after sigmoid resection.", "Y83.2", "Sigmoid resection."),
        ("Postoperative wound infection after colectomy.", "Y83.6", "Postoperative wound infection."),
        ("Iatrogenic pneumothorax after thoracentesis.", "Y84.4", "Pneumothorax. Thoracentesis."),
    ],
)
def test_a_complication_names_the_procedure_that_its_code_leaves_open(text: str, code: str, other: str) -> None:
    assert code in stay_codes(text)
    assert code not in stay_codes(other)
    assert not any(c.startswith("Y83") for c in stay_codes("Kidney transplant rejection.")), "said by T86 (I.C.19.g.4)"


def test_an_infection_of_a_device_leaves_its_organism_and_site_to_second_codes() -> None:
    assert {"T83.511A", "N39.0", "B96.20"} <= stay_codes("CAUTI with E. coli.")
    assert {"T82.7XXA", "B95.61"} <= stay_codes("Dialysis catheter infection with MSSA.")
    assert "A49.01" in stay_codes("Infection with MSSA.")
    assert "T81.41XA" in stay_codes("Superficial wound infection, POD 5.")
