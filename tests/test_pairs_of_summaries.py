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


_STAY = "DISCHARGE SUMMARY\nHOSPITAL COURSE: "


@pytest.mark.parametrize(
    ("course", "codes"),
    [
        ("Prior stroke with residual right hemiparesis.", {"I69.351"}),
        ("Acute stroke with right hemiparesis.", {"I63.9", "G81.91"}),
        ("Prior stroke, no residual right hemiparesis.", {"Z86.73"}),
        ("Acute stroke with left-sided weakness.", {"I63.9", "G81.94"}),
        ("Migraine with left-sided weakness.", {"G43.909"}),
        ("Left MCA territory infarct, etiology cardioembolic.", {"I63.412"}),
        ("Left MCA ischemic stroke with right hemiparesis.", {"I63.512", "G81.91"}),
        ("Right MCA ischemic stroke with left hemiparesis.", {"I63.511", "G81.94"}),
        ("Left MCA territory infarct, etiology not cardioembolic.", {"I63.512"}),
        ("Acute ischemic stroke. NIHSS 14.", {"I63.9", "R29.714"}),
        ("No stroke. NIHSS 14. Migraine.", {"G43.909"}),
        ("Acute ischemic stroke, TNK given at Riverside.", {"I63.9", "Z92.82"}),
        ("Acute ischemic stroke, TNK given in our ED.", {"I63.9"}),
    ],
)
def test_a_stroke_and_what_it_left(course: str, codes: set[str]) -> None:
    assert codes_of(_STAY + course) == codes


def test_a_rehabilitation_treats_what_the_stroke_left() -> None:
    body = "Etiologic dx: left MCA stroke.\nCourse: right hemiparesis.\n"
    assert "I69.351" in codes_of(f"INPATIENT REHABILITATION FACILITY SUMMARY\n{body}")
    assert {"I63.512", "G81.91"} <= codes_of(f"STROKE UNIT DISCHARGE SUMMARY\n{body}")


@pytest.mark.parametrize(
    ("course", "codes"),
    [
        ("Pneumonia, cx neg.", {"J18.9"}),
        ("Influenza PCR neg.", set()),
        ("She did not meet criteria for thyroid storm.", set()),
        ("She met criteria for thyroid storm.", {"E05.91"}),
        ("Ovarian torsion was on the initial differential.", set()),
        ("Ovarian torsion was found.", {"N83.519"}),
        ("Hx of kidney stones. Gout.", {"Z87.442", "M10.9"}),
        ("Kidney stones. Gout.", {"N20.0", "M10.9"}),
        ("Postural hypotension, amlodipine stopped.", {"I95.1"}),
        ("Postural hypotension from amlodipine.", {"I95.2", "T46.1X5A"}),
        ("Major depression with suicidal ideation.", {"F32.9", "R45.851"}),
        ("Major depression without suicidal ideation.", {"F32.9"}),
    ],
)
def test_what_is_denied_past_or_done(course: str, codes: set[str]) -> None:
    assert codes_of(_STAY + course) == codes


@pytest.mark.parametrize(
    ("course", "codes"),
    [
        ("Acute on chronic hypoxic and hypercapnic respiratory failure.", {"J96.21", "J96.22"}),
        ("Acute on chronic hypoxic respiratory failure.", {"J96.21"}),
        ("Chronic hypoxic respiratory failure.", {"J96.11"}),
        ("SBO due to adhesions.", {"K56.50"}),
        ("SBO due to hernia.", {"K56.609", "K46.9"}),
        ("Diverticulitis with pelvic abscess.", {"K57.20"}),
        ("Diverticulitis, no abscess.", {"K57.92"}),
        ("Alzheimer's dementia.", {"G30.9", "F02.80"}),
        ("Alzheimer's disease.", {"G30.9"}),
        ("BPH with urinary retention.", {"N40.1", "R33.8"}),
        ("BPH without urinary retention.", {"N40.0"}),
        ("COVID-19 pneumonia.", {"U07.1", "J12.82"}),
        ("RSV bronchiolitis.", {"J21.0"}),
        ("Inadvertent cystotomy at hysterectomy.", {"N99.71"}),
        ("Planned cystotomy at hysterectomy.", set()),
        ("Struck by a car. Road rash left knee.", {"S80.212A"}),
        ("Rash left knee.", {"R21"}),
        ("Septic shock due to E. coli.", {"A41.51", "R65.21"}),
        ("Acute gastric ulcer with active oozing.", {"K25.0"}),
        ("Acute gastric ulcer, no active oozing.", {"K25.3"}),
        ("Total knee arthroplasty on the right for osteoarthritis.", {"M17.11"}),
        ("Arthroplasty on the right for osteoarthritis.", {"M19.90"}),
        ("AKI from obstructive uropathy due to BPH.", {"N17.9", "N13.8", "N40.1"}),
        ("Hyponatremia. SIADH.", {"E22.2"}),
        ("MSSA sepsis from an infected dialysis catheter.", {"A41.01", "T80.211A"}),
        ("Acute psychosis. Schizophrenia.", {"F20.9"}),
    ],
)
def test_names_with_what_belongs_to_them(course: str, codes: set[str]) -> None:
    found = {code for code in codes_of(_STAY + course) if code[0] not in "VWXY"}
    assert found == codes


@pytest.mark.parametrize(
    ("note", "codes"),
    [
        ("Type 1 diabetes. Mild NPDR of both eyes.", {"E10.3293"}),
        ("Type 2 diabetes. Mild NPDR of both eyes.", {"E11.3293"}),
        ("DM2 w/ proliferative retinopathy OU.", {"E11.3593"}),
        ("DM2 w/ proliferative retinopathy OD.", {"E11.3591"}),
    ],
)
def test_diabetic_retinopathy_by_type_and_eye(note: str, codes: set[str]) -> None:
    assert codes_of(_STAY + note) == codes


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("SH chews tobacco daily", "F17.220"),
        ("SH never chewed tobacco", None),
        ("SH ex-pipe smoker", "Z87.891"),
        ("FH mom breast CA 49", "Z80.3"),
        ("ALL latex (hives)", "Z91.040"),
        ("ALL, on maintenance", None),
    ],
)
def test_headings_of_two_letters_before_a_blank(line: str, code: str | None) -> None:
    found = codes_of(f"{_STAY}Gout.\nMeds: none\n{line}\n") - {"M10.9"}
    assert found == ({code} if code else set())
