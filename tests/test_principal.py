"""The principal diagnosis: pairs of notes that differ by heading, reason, time, part of the delivery or extent."""

from __future__ import annotations

import pytest
from whole_release import code_rows

from conceptmap.text.sections import section_names, sections

HIP = """ADMITTING DIAGNOSIS: Displaced left femoral neck fracture after a ground-level fall.

HISTORY: She tripped over a rug and fell. Past medical history of osteoporosis and vascular dementia.

HOSPITAL COURSE:
1. {} - to theatre without complication.
2. {}delirium superimposed on dementia.
"""


def principal_of(text: str) -> str:
    (code,) = [code for code, row in code_rows(f"{text}\n").items() if row["role"] == "principal"]
    return code


@pytest.mark.parametrize("label", ["Final dx", "FINAL DX", "Primary dx", "Principal Dx", "Dx", "D/C Diagnosis"])
@pytest.mark.parametrize("form", ["{}: {}", "{} - {}", "{} ..... {}", "{}\n- {}"])
def test_a_list_of_diagnoses_is_one_however_it_is_headed(label: str, form: str) -> None:
    found = sections(form.format(label, "lobar pneumonia"))
    assert [part.name for part in found] == ["discharge diagnosis" if "D/C" in label else "diagnosis"]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Admit dx", "admission diagnosis"),
        ("Admitted for", "reason for visit"),
        ("Reason for hospitalisation", "reason for visit"),
        ("Hosp course", "hospital course"),
        ("HPI/Course", "hospital course"),
        ("Course by problem", "hospital course"),
        ("Main problem", "problem list"),
    ],
)
def test_other_headings_say_what_they_head(label: str, name: str) -> None:
    assert [part.name for part in sections(f"{label}: gout")] == [name]
    assert name in section_names()
    assert [part.name for part in sections(f"{label} of gout: x")] == [None]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("HOSPITAL COURSE: psoriasis.\n\nFINAL DX\n-lobar pneumonia", "J18.1"),
        ("HOSPITAL COURSE: psoriasis.\n\nPMH\n-lobar pneumonia", "L40.9"),
        ("HOSPITAL COURSE: psoriasis.\n\nPrimary dx ..... lobar pneumonia", "J18.1"),
        ("SECONDARY DIAGNOSES: psoriasis.\n\nPRIMARY DIAGNOSIS: lobar pneumonia.", "J18.1"),
        ("SECONDARY DIAGNOSES: psoriasis.\n\nHOSPITAL COURSE: lobar pneumonia.", "J18.1"),
        ("DIAGNOSES: psoriasis.\n\nHOSPITAL COURSE: lobar pneumonia.", "L40.9"),
        ("OTHER DIAGNOSES: psoriasis.\n\nHOSPITAL COURSE: stable.", "L40.9"),
    ],
)
def test_the_main_diagnoses_go_before_the_course_and_the_others_behind(text: str, code: str) -> None:
    assert principal_of(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("HPI: He was admitted with appendicitis.\n\nHOSPITAL COURSE: Psoriasis. Appendicitis.", "K37"),
        ("HPI: He has appendicitis.\n\nHOSPITAL COURSE: Psoriasis. Appendicitis.", "L40.9"),
        ("HPI: He was previously admitted with appendicitis.\n\nHOSPITAL COURSE: Psoriasis. Appendicitis.", "L40.9"),
        ("HPI: He was admitted with fever.\n\nHOSPITAL COURSE: Psoriasis. Appendicitis.", "L40.9"),
        ("ADMISSION DIAGNOSIS: Appendicitis.\n\nHOSPITAL COURSE: Psoriasis. Appendicitis.", "K37"),
        ("ADMISSION DIAGNOSIS: Appendicitis.\n\nHOSPITAL COURSE: Psoriasis.", "L40.9"),
        ("REASON FOR ADMISSION: Cough in a man with known psoriasis.\n\nCOURSE: Appendicitis. Psoriasis.", "K37"),
    ],
)
def test_the_reason_of_the_stay_goes_before_the_order_of_the_course(text: str, code: str) -> None:
    """Guideline II: the condition established after study to have led to the admission."""
    assert principal_of(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("HOSPITAL COURSE: Pulmonary embolism on POD 3. Appendicitis.", "K37"),
        ("HOSPITAL COURSE: Pulmonary embolism. Appendicitis.", "I26.99"),
        ("HPI: Pulmonary embolism.\n\nHOSPITAL COURSE: Pulmonary embolism, heparin on POD 3. Appendicitis.", "I26.99"),
        ("POSTOPERATIVE DIAGNOSIS: Appendicitis.\n\nHOSPITAL COURSE: Psoriasis.", "K37"),
        ("HOSPITAL COURSE: Cardiac tamponade. Appendicitis.", "K37"),  # I31.4 code first underlying cause
        ("HOSPITAL COURSE: Pericarditis. Appendicitis.", "I31.9"),
    ],
)
def test_what_came_later_or_of_something_unnamed_is_not_the_principal(text: str, code: str) -> None:
    """Guidelines II and I.A.13: the principal diagnosis was present on admission, and is no result of another."""
    assert principal_of(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Dx K82.A1. Dx K80.00.", "K80.00"),
        ("Dx K80.00. Dx K82.A1.", "K80.00"),
        ("Dx K82.A1. Psoriasis.", "K82.A1"),
    ],
)
def test_what_the_classification_has_first_goes_first_in_any_order(text: str, code: str) -> None:
    assert principal_of(f"POSTOPERATIVE DIAGNOSIS: {text}") == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DX: Psoriasis.\nCame w/ weakness.", "L40.9"),
        ("DX: Weakness.\nCame w/ psoriasis.", "R53.1"),
        ("DX: Psoriasis. He was admitted with appendicitis.", "L40.9"),
    ],
)
def test_the_order_of_a_list_of_diagnoses_decides(text: str, code: str) -> None:
    assert principal_of(text) == code


def test_a_more_exact_fracture_keeps_the_places_of_the_vaguer_one() -> None:
    assert principal_of(HIP.format("Hip fracture", "Post-operative ")) == "M80.052A"
    assert principal_of(HIP.format("Urinary retention", "Post-operative ")) == "M80.052A", "the admission diagnosis"
    told = code_rows(HIP.format("Hip fracture", ""))
    assert "S72.009A" not in told
    assert {"hip fracture", "left femoral neck fracture"} <= set(told["M80.052A"]["text"].lower().split("; "))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Post-term pregnancy, vaginal delivery. Third degree perineal laceration.", "O70.20"),
        ("Post-term pregnancy, vaginal delivery. First degree perineal laceration.", "O48.0"),
        ("Gestational diabetes. Prior low transverse cesarean. Scheduled repeat cesarean.", "O34.211"),
        ("Gestational diabetes. Prior low transverse cesarean. Vaginal birth.", "O24.419"),
        ("Cesarean at 39w1d for failed trial of labor after cesarean. Prior low transverse cesarean.", "O66.41"),
    ],
)
def test_the_delivery_decides_in_a_maternity_record(text: str, code: str) -> None:
    """Guideline I.C.15.b.4: its main circumstance or complication, or what led to the cesarean."""
    assert principal_of(f"OBSTETRICS DISCHARGE SUMMARY\n\n{text} Live male infant.") == code


def test_a_burn_goes_before_its_extent() -> None:
    text = "HOSPITAL COURSE: Burn of 14% TBSA: right lower leg, full thickness."
    assert principal_of(text) == "T24.331A"
    assert principal_of("HOSPITAL COURSE: Burn of 14% TBSA.") == "T31.10"
