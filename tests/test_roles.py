"""The setting of a note, the principal diagnosis, roles, order, and what was present on admission."""

from __future__ import annotations

from typing import Any

import pytest
from whole_release import code_rows

from conceptmap.coding.reporting.setting import check_setting, setting_of
from conceptmap.errors import InputError
from conceptmap.text.sections import sections


def principal_of(text: str, **settings: Any) -> str:
    (code,) = [code for code, row in code_rows(text, **settings).items() if row["role"] == "principal"]
    return code


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("HPI: cough.\n\nHOSPITAL COURSE: pneumonia.\n", "inpatient"),
        ("DISCHARGE SUMMARY\nA man with a cough, treated for pneumonia.", "inpatient"),
        ("HPI: cough.\n\nHOSPITAL COURSE:\nnone.\n", "inpatient"),
        ("HPI: cough.\n\nASSESSMENT: bronchitis.\n", "visit"),
        ("HPI: cough.\n\nASSESSMENT: bronchitis on POD 3.\n", "inpatient"),
        ("Dear Doctor,\nShe was admitted with a cough.", "inpatient"),
        ("Dear Doctor,\nShe was seen today with a cough.", "report"),
        ("A 40-year-old man was admitted with a cough.", "report"),
    ],
)
def test_a_note_shows_its_setting(text: str, setting: str) -> None:
    assert setting_of(text, sections(text)) == setting
    assert {row["setting"] for row in code_rows(text).values()} == {setting}


def test_a_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="setting is unknown: got ward, expected inpatient, visit, report"):
        check_setting("ward")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("HPI: gout.\n\nHOSPITAL COURSE: lobar pneumonia.\n", "J18.1"),
        ("HPI: gout.\n\nPAST MEDICAL HISTORY: lobar pneumonia.\n", "M10.9"),
        ("HPI: migraine.\n\nHOSPITAL COURSE: hypertension. Lobar pneumonia.\n", "J18.1"),
        ("HOSPITAL COURSE: gout.\n\nDISCHARGE DIAGNOSIS:\n1. Hypertension\n2. Lobar pneumonia\n", "I10"),
        ("HPI: migraine.\n\nASSESSMENT:\n1. Cough\n2. Psoriasis\n", "R05.9"),
        ("HPI: cough.\n\nASSESSMENT:\n1. Psoriasis\n", "L40.9"),
        ("HOSPITAL COURSE: acute pyelonephritis. Sepsis.\n", "A41.9"),
        ("HOSPITAL COURSE: acute pancreatitis. Sepsis.\n", "K85.90"),
        ("HOSPITAL COURSE: postpartum anemia. Third degree perineal laceration during delivery.\n", "O70.20"),
        ("HOSPITAL COURSE: postpartum anemia. Gout.\n", "O90.81"),
        ("HPI: migraine.\n\nASSESSMENT:\n1. Shortness of breath\n2. Heart failure\n", "I50.9"),
        ("HPI: migraine.\n\nASSESSMENT:\n1. Shortness of breath\n2. Psoriasis\n", "R06.02"),
    ],
)
def test_the_principal_diagnosis_by_setting_section_and_sequence(text: str, code: str) -> None:
    assert principal_of(text) == code


def test_a_note_has_one_principal_diagnosis_even_where_no_code_may_be_one() -> None:
    rows = code_rows("FAMILY HISTORY: father had diabetes.\n\nSOCIAL HISTORY: former smoker.\n")
    assert [row["role"] for row in rows.values()].count("principal") == 1


def test_codes_are_listed_by_role() -> None:
    text = (
        "PMH: colon cancer 2001, s/p appendectomy.\n\nHOSPITAL COURSE: gout. Lobar pneumonia. Dysphagia. "
        "\n\nDISCHARGE DIAGNOSIS:\nLobar pneumonia\n"
    )
    roles = [row["role"] for row in code_rows(text).values()]
    assert roles[0] == "principal"
    order = ["principal", "secondary", "symptom", "status", "history", "external"]
    assert roles == sorted(roles, key=order.index)
    assert {"secondary", "symptom", "status", "history"} <= set(roles)


@pytest.mark.parametrize(
    ("course", "poa"),
    [
        ("Cellulitis of the left leg on POD 3.", "N"),
        ("Cellulitis of the left leg.", "U"),
        ("Gout flare on POD 3.", "N"),
        ("Gout.", "Y"),
    ],
)
def test_present_on_admission_by_the_words_of_timing(course: str, poa: str) -> None:
    rows = code_rows(f"HOSPITAL COURSE: lobar pneumonia. {course}\n")
    assert rows["J18.1"]["poa"] == "Y"
    assert [row["poa"] for code, row in rows.items() if code != "J18.1"] == [poa]


def test_what_brought_the_patient_in_was_present_and_visits_are_not_asked() -> None:
    stay = "HPI: cellulitis of the left leg.\n\nHOSPITAL COURSE: lobar pneumonia.\n"
    assert code_rows(stay)["L03.116"]["poa"] == "Y"
    assert code_rows(stay, setting="visit")["L03.116"]["poa"] == ""
