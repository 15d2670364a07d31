"""Pairs of discharge summaries that differ by one thing: a heading, what a list says, what led to the stay."""

from __future__ import annotations

import pytest
from whole_release import code_rows, codes_of

from conceptmap.text.sections import sections


def _principal(text: str) -> str:
    return next(code for code, row in code_rows(text).items() if row["role"] == "principal")


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("Diagnoses this admission", "diagnosis"),
        ("Diagnoses in this family", None),
        ("Dx at D/C", "discharge diagnosis"),
        ("D/C Dx", "discharge diagnosis"),
        ("Adm Dx", "admission diagnosis"),
        ("Problem list at transfer", "discharge diagnosis"),
        ("Problem list", "problem list"),
        ("Assessment/Plan by problem (final)", "assessment and plan"),
        ("Relevant PMH", "past medical history"),
        ("Etiologic dx", "diagnosis"),
        ("DDx", "differential diagnosis"),
        ("INJURIES", "diagnosis"),
        ("INJURY PREVENTION", None),
        ("Clinical summary", "hospital course"),
        ("SocHx", "social history"),
    ],
)
def test_a_heading_may_say_when_or_which(heading: str, name: str | None) -> None:
    found = [part.name for part in sections(f"Seen.\n{heading}:\nPneumonia.\n")]
    assert found[-1] == name


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("PMH: HTN, RA, gout.", "M06.9"),
        ("Sats: HTN, RA, gout.", None),
        ("DISCHARGE DIAGNOSES:\n1. CAP\n2. gout\n", "J18.9"),
        ("DISCHARGE DIAGNOSES:\n1. CAP refill 2 s\n2. gout\n", None),
        ("PMH: severe AS, gout.", "I35.0"),
        ("PMH: gout, colchicine AS needed.", None),
    ],
)
def test_a_short_form_alone_in_a_list_of_diagnoses_is_one(text: str, code: str | None) -> None:
    assert codes_of(f"DISCHARGE SUMMARY\n{text}") - {"I10", "M10.9"} == ({code} if code else set())


@pytest.mark.parametrize(
    ("course", "code"),
    [
        ("Acute pancreatitis. Closed fracture of the right patella.", "K85.90"),
        ("POD2 acute pancreatitis. Closed fracture of the right patella.", "S82.001A"),
        ("POD2 acute blood loss anemia. Closed fracture of the right patella.", "S82.001A"),
    ],
)
def test_what_arose_in_the_stay_did_not_lead_to_it(course: str, code: str) -> None:
    assert _principal(f"DISCHARGE SUMMARY\nHOSPITAL COURSE: {course}\n") == code


@pytest.mark.parametrize(
    ("course", "code"),
    [
        ("66F with cellulitis, p/w pyelonephritis.", "N12"),
        ("66F with cellulitis, also pyelonephritis.", "L03.90"),
        ("66F with cellulitis, transferred w/ pyelonephritis.", "N12"),
    ],
)
def test_short_words_for_the_reason_name_it(course: str, code: str) -> None:
    assert _principal(f"DISCHARGE SUMMARY\nHOSPITAL COURSE: {course}\n") == code


@pytest.mark.parametrize(("whose", "found"), [("Maternal hx: 29 yo G1.", True), ("29 yo woman.", False)])
def test_the_age_of_the_mother_is_not_the_newborns(whose: str, found: bool) -> None:
    note = f"NICU DISCHARGE SUMMARY\nBaby boy, BW 1,890 g, DOL 19. {whose} Phototherapy. Gavage feeds, caffeine."
    assert ("P07.17" in codes_of(note)) is found
