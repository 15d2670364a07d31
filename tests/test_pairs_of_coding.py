"""Pairs of notes that differ by one coding rule: sequence, admission, setting, organ, organism, stage, side, result."""

from __future__ import annotations

import pytest
from whole_release import code_rows, codes_of

from conceptmap.coding.reporting.setting import setting_of
from conceptmap.text.sections import sections


def principal_of(text: str) -> str:
    (code,) = [code for code, row in code_rows(text).items() if row["role"] == "principal"]
    return code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("HOSPITAL COURSE: lobar pneumonia. Psoriasis.", "J18.1"),
        ("HOSPITAL COURSE: psoriasis. Lobar pneumonia.", "L40.9"),
        ("HOSPITAL COURSE: psoriasis, admitted for lobar pneumonia.", "J18.1"),
        ("HOSPITAL COURSE: obesity. Lobar pneumonia.", "J18.1"),
        ("HOSPITAL COURSE: chest pain. Psoriasis.", "L40.9"),
        ("DISCHARGE DIAGNOSIS:\nChest pain\nPsoriasis", "R07.9"),
        ("HOSPITAL COURSE: lobar pneumonia in 2010. Psoriasis.", "L40.9"),
        ("HPI: psoriasis.\n\nHOSPITAL COURSE: appendicitis.\n\nDISCHARGE DIAGNOSIS: cellulitis.", "L03.90"),
        ("HPI: psoriasis.\n\nASSESSMENT: appendicitis.\n\nPLAN: cellulitis.", "K37"),
        ("HPI: psoriasis.\n\nPLAN: cellulitis.", "L03.90"),
        ("A man with psoriasis. He was diagnosed with appendicitis.", "K37"),
        ("A man with psoriasis. He has appendicitis.", "L40.9"),
        ("HOSPITAL COURSE: former smoker. Long-term use of aspirin.", "Z87.891"),
        ("HOSPITAL COURSE: rash from amoxicillin.", "L27.0"),
        ("HOSPITAL COURSE: overdose of diltiazem. Hypotension.", "T46.1X1A"),
        ("HOSPITAL COURSE: Admitted for chemotherapy. Lung cancer.", "Z51.11"),
        ("HOSPITAL COURSE: urinary tract infection. Sepsis.", "A41.9"),
        ("ASSESSMENT: urinary tract infection.\n\nPLAN: sepsis.", "N39.0"),
        ("PAST MEDICAL HISTORY: psoriasis.\n\nHOSPITAL COURSE: hypertension.", "I10"),
        ("PAST MEDICAL HISTORY: psoriasis.\n\nHOSPITAL COURSE: none.", "L40.9"),
        ("IMAGING: psoriasis.\n\nHPI: cellulitis.\n\nHOSPITAL COURSE: stable.", "L03.90"),
    ],
)
def test_the_principal_diagnosis_by_section_reason_past_and_kind(text: str, code: str) -> None:
    assert principal_of(f"{text}\n") == code


@pytest.mark.parametrize(
    ("text", "poa"),
    [
        ("HOSPITAL COURSE: appendicitis. Pneumonia on POD 3.", "N"),
        ("HOSPITAL COURSE: appendicitis. Hospital-acquired pneumonia.", "N"),
        ("HOSPITAL COURSE: appendicitis. Pneumonia.", "U"),
        ("HPI: pneumonia.\n\nHOSPITAL COURSE: appendicitis. Pneumonia on POD 3.", "Y"),
        ("HPI: fever.\n\nASSESSMENT: appendicitis. Pneumonia on day 3.", ""),
    ],
)
def test_what_came_up_in_the_stay_was_not_present_on_admission(text: str, poa: str) -> None:
    rows = code_rows(f"{text}\n\nDISCHARGE DIAGNOSIS: appendicitis.\n" if poa else f"{text}\n")
    assert rows["J18.9"]["poa"] == poa


@pytest.mark.parametrize(
    ("said", "code", "poa"),
    [
        ("COPD", "J44.9", "Y"),
        ("Former smoker", "Z87.891", ""),
        ("He fell. Left 7th rib fx", "S22.32XA", "U"),
        ("Left hip fracture, healing", "S72.002D", ""),
        ("Sequelae of a left hip fracture", "S72.002S", ""),
    ],
)
def test_what_is_chronic_was_there_and_what_is_exempt_is_not_asked(said: str, code: str, poa: str) -> None:
    assert code_rows(f"HOSPITAL COURSE: {said}.\n\nDISCHARGE DIAGNOSIS: appendicitis.\n")[code]["poa"] == poa


@pytest.mark.parametrize(
    ("said", "code", "role"),
    [
        ("Septic shock", "R65.21", "secondary"),
        ("Hematuria", "R31.9", "symptom"),
        ("Left hip fracture. He fell", "W19.XXXA", "external"),
        ("Former smoker", "Z87.891", "history"),
        ("Family history of breast cancer", "Z80.3", "history"),
        ("Colostomy status", "Z93.3", "status"),
        ("Psoriasis", "L40.9", "secondary"),
    ],
)
def test_each_code_has_the_role_of_its_kind(said: str, code: str, role: str) -> None:
    assert code_rows(f"HOSPITAL COURSE: {said}.\n\nDISCHARGE DIAGNOSIS: cellulitis.\n")[code]["role"] == role


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("Discharge summary. Cough.", "inpatient"),
        ("LOS 3 days. Cough.", "inpatient"),
        ("Reason for admission: cough.", "inpatient"),
        ("Cough.", "report"),
        ("HPI: cough.\n\nPLAN: rest. HD 3.", "inpatient"),
        ("HPI: cough.\n\nPLAN: rest.", "visit"),
        ("HPI: cough.", "report"),
        ("ED note. Cough.", "visit"),
        ("Clinic visit: cough.", "visit"),
        ("EMERGENCY DEPARTMENT\nCough.", "visit"),
        ("Primary survey intact. Cough.", "visit"),
        ("GCS 15 on arrival.", "visit"),
        ("Dear Colleague, he was admitted with a cough.", "inpatient"),
        ("Dear Colleague, he has a cough.", "report"),
        ("DISPOSITION: home.\nCough.", "inpatient"),
        ("A short stay for cough\nCough.", "inpatient"),
        ("He was discharged home.", "report"),
    ],
)
def test_what_a_note_says_of_its_setting(text: str, setting: str) -> None:
    assert setting_of(text, sections(text)) == setting


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Breast cancer metastatic to bone and liver.", {"C50.919", "C78.7", "C79.51"}),
        ("Breast cancer metastatic to bone.", {"C50.919", "C79.51"}),
        ("Breast cancer. Bone pain.", {"C50.919", "M89.8X9"}),
        ("Liver and bone metastases.", {"C78.7", "C79.51"}),
        ("Bone metastases.", {"C79.51"}),
        ("Metastases.", {"C79.9"}),
        ("Colon cancer with metastases to the lung.", {"C18.9", "C78.00"}),
        ("Colon cancer.", {"C18.9"}),
        ("Metastatic disease to the liver.", {"C78.7"}),
        ("Metastases within the lung.", {"C78.00"}),
        ("Metastatic melanoma to the brain.", {"C43.9", "C79.31"}),
        ("Lung mass biopsy showed adenocarcinoma.", {"C34.90", "R91.8"}),
        ("Lung mass. Adenocarcinoma.", {"C80.1", "R91.8"}),
        ("Biopsy of the liver showed metastatic adenocarcinoma.", {"C78.7"}),
        ("Adenocarcinoma of the lung.", {"C34.90"}),
        ("Adenocarcinoma.", {"C80.1"}),
        ("Left breast mass biopsy: carcinoma.", {"C50.912", "N63.20"}),
        ("Breast mass biopsy: carcinoma.", {"C50.919", "N63.0"}),
    ],
)
def test_a_neoplasm_has_the_organ_of_its_list_or_its_biopsy(text: str, codes: set[str]) -> None:
    found = codes_of(text)
    assert {c for c in found if c[0] in "CD" or c in codes} == {c for c in codes if c[0] != "M" or c in found}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Pneumonia. Sputum grew Klebsiella.", {"J15.0"}),
        ("Pneumonia. Urine grew Klebsiella.", {"B96.1", "J18.9"}),
        ("Klebsiella pneumonia.", {"J15.0"}),
        ("Klebsiella pneumoniae in the urine. UTI.", {"B96.1", "N39.0"}),
        ("UTI. Urine culture grew E. coli.", {"B96.20", "N39.0"}),
        ("UTI due to E. coli.", {"B96.20", "N39.0"}),
        ("Cellulitis. Wound culture: MRSA.", {"B95.62", "L03.90"}),
        ("Sepsis due to E. coli.", {"A41.51"}),
        ("Sepsis due to E. coli UTI.", {"A41.51", "B96.20", "N39.0"}),
        ("Sepsis due to E. coli pneumonia.", {"A41.51", "J15.5"}),
        ("Sepsis. Blood cultures: MRSA.", {"A41.02"}),
        ("Sepsis. Blood cultures: MSSA. Endocarditis.", {"A41.01", "B95.61", "I33.0"}),
        ("H. pylori gastritis.", {"B96.81", "K29.70"}),
        ("Septic arthritis. Synovial fluid grew MSSA.", {"B95.61", "M00.00"}),
        ("Septic arthritis.", {"M00.9"}),
        ("Osteomyelitis. Bone culture grew MRSA.", {"B95.62", "M86.9"}),
        ("Pharyngitis. Throat culture: group A strep.", {"J02.0"}),
        ("MRSA infection. Abscess.", {"A49.02", "L02.91"}),
        ("Cellulitis with MRSA infection.", {"B95.62", "L03.90"}),
    ],
)
def test_an_infection_has_the_organism_that_its_own_source_grew(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


def test_an_organism_without_an_infection_is_not_coded_in_a_stay() -> None:
    assert codes_of("HOSPITAL COURSE: Gout. Urine grew E. coli.\n") == {"M10.9"}
    assert "B96.20" in codes_of("HOSPITAL COURSE: Cystitis. Urine grew E. coli.\n")
    assert "B96.81" in codes_of("HOSPITAL COURSE: Gout. H. pylori.\n")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("CKD stage IIIb.", {"N18.32"}),
        ("CKD stage 4.", {"N18.4"}),
        ("Stage 4 CKD.", {"N18.4"}),
        ("CKD.", {"N18.9"}),
        ("Acute on chronic systolic heart failure.", {"I50.23"}),
        ("Chronic systolic heart failure.", {"I50.22"}),
        ("Acute systolic heart failure.", {"I50.21"}),
        ("Systolic heart failure.", {"I50.20"}),
        ("Primary open-angle glaucoma, moderate stage.", {"H40.1192"}),
        ("Primary open-angle glaucoma.", {"H40.1190"}),
        ("Primary open-angle glaucoma of the left eye, severe stage.", {"H40.1123"}),
        ("Sequelae of a left hip fracture.", {"S72.002S"}),
        ("Nonunion of left femur fracture.", {"S72.92XK"}),
        ("Malunion of left femur fracture.", {"S72.92XP"}),
        ("Delayed healing of the left femur fracture.", {"S72.92XG"}),
        ("Left femur fracture, healing.", {"S72.92XD"}),
        ("Open left femur fracture.", {"S72.92XB"}),
        ("Left femur fracture.", {"S72.92XA"}),
        ("Acetaminophen poisoning, intentional.", {"T39.1X2A"}),
        ("Acetaminophen poisoning.", {"T39.1X1A"}),
        ("Bilateral DVT of the femoral vein.", {"I82.413"}),
        ("DVT of the left femoral vein.", {"I82.412"}),
        ("DVT of the femoral vein.", {"I82.419"}),
        ("AS otitis media.", {"H66.92"}),
        ("Otitis media AU.", {"H66.93"}),
        ("Placenta previa, second trimester.", {"O44.02"}),
        ("Placenta previa.", {"O44.00"}),
        ("Placenta previa at 27 weeks gestation.", {"O44.02", "Z3A.27"}),
        ("Placenta previa at 28 weeks gestation.", {"O44.03", "Z3A.28"}),
        ("Placenta previa at 13 weeks gestation.", {"O44.01", "Z3A.13"}),
        ("Placenta previa at 14 weeks gestation.", {"O44.02", "Z3A.14"}),
        ("Bilateral knee osteoarthritis.", {"M17.0"}),
    ],
)
def test_stage_course_side_encounter_and_weeks_complete_a_code(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("treated", "code", "not_treated"),
    [
        ("K 2.9, repleted with KCl.", "E87.6", "K 2.9."),
        ("K 2.9, repleted with KCl.", "E87.6", "K 3.9, repleted with KCl."),
        ("K 6.5, given Kayexalate.", "E87.5", "K 5.0, given Kayexalate."),
        ("K 6.5. Given Kayexalate.", "E87.5", "K 6.5. Gout. Given Kayexalate."),
        ("Na 122, given hypertonic saline.", "E87.1", "Na 142, given hypertonic saline."),
        ("Hgb 6.8, transfused.", "D64.9", "Hgb 6.8, not transfused."),
        ("Glucose 45, given D50.", "E16.2", "Glucose 95, given D50."),
        ("Phos 1.2, repleted.", "E83.39", "Phos 3.2, repleted."),
        ("Ca 6.9, calcium gluconate given.", "E83.51", "Ca 9.9, calcium gluconate given."),
    ],
)
def test_a_value_is_a_diagnosis_where_it_was_treated(treated: str, code: str, not_treated: str) -> None:
    assert code in codes_of(treated)
    assert code not in codes_of(not_treated)


@pytest.mark.parametrize(
    ("text", "symptom", "coded"),
    [
        ("HOSPITAL COURSE: pneumonia. Cough.", "R05.9", False),
        ("HOSPITAL COURSE: gout. Cough.", "R05.9", True),
        ("ASSESSMENT:\n1. Pneumonia\n2. Cough\n", "R05.9", True),
        ("HOSPITAL COURSE: appendicitis. Abdominal pain.", "R10.9", False),
        ("HOSPITAL COURSE: gout. Abdominal pain.", "R10.9", True),
        ("HOSPITAL COURSE: heart failure. Dyspnea.", "R06.00", False),
        ("HOSPITAL COURSE: gout. Dyspnea.", "R06.00", True),
    ],
)
def test_a_symptom_is_integral_to_its_disease(text: str, symptom: str, coded: bool) -> None:
    """Guideline I.B.5; what a visit lists by itself stands."""
    assert (symptom in codes_of(f"{text}\n")) is coded
