"""Pairs of notes that differ by what ended, what belongs together, what was tested, and what the rest of them says."""

from __future__ import annotations

import pytest
from whole_release import codes_of


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("PMH: breast cancer.", {"Z85.3"}),
        ("PMH: breast cancer, on chemo.", {"C50.919"}),
        ("PMH: breast cancer 2010.", {"Z85.3"}),
        ("Breast cancer in 2010.", {"Z85.3"}),
        ("Breast cancer in 2010, recurrent.", {"C50.919"}),
        ("PMH: asthma.", {"J45.909"}),
        ("PMH: pneumonia.", {"Z87.01"}),
        ("PMH: stroke.", {"Z86.73"}),
        ("HPI: stroke in 2010.", {"Z86.73"}),
        ("HPI: stroke.", {"I63.9"}),
        ("Breast cancer as a child.", {"Z85.3"}),
        ("PMH: stroke, resolved.", {"Z86.73"}),
        ("Depression in remission.", {"F32.5"}),
        ("Depression, resolved.", set()),
        ("Leukemia in remission.", {"C95.91"}),
        ("Lymphoma, resolved.", {"Z85.72"}),
        ("FAMILY HISTORY: colon cancer.", {"Z80.0"}),
        ("FAMILY HISTORY: no colon cancer.", set()),
        ("FAMILY HISTORY: possible colon cancer.", set()),
        ("Family history of diabetes.", {"Z83.3"}),
        ("Wife with diabetes.", set()),
    ],
)
def test_an_illness_is_past_of_the_family_or_goes_on(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Cholecystectomy.", set()),
        ("Cholecystectomy in 2010.", {"Z90.49"}),
        ("S/p cholecystectomy.", {"Z90.49"}),
        ("PAST SURGICAL HISTORY: cholecystectomy.", {"Z90.49"}),
        ("PROCEDURES: pacemaker placed.", set()),
        ("HOSPITAL COURSE: pacemaker was placed.", set()),
        ("HOSPITAL COURSE: pacemaker present.", {"Z95.0"}),
        ("Has a pacemaker.", {"Z95.0"}),
        ("On hemodialysis MWF.", {"Z99.2"}),
        ("Hemodialysis.", set()),
        ("HOSPITAL COURSE: Received hemodialysis.", set()),
    ],
)
def test_a_procedure_is_a_status_where_it_is_past(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("EBV IgG positive.", set()),
        ("EBV IgG positive, IgM positive.", {"B27.00"}),
        ("EBV infection.", {"B27.00"}),
        ("DISCHARGE INSTRUCTIONS: pneumonia.", set()),
        ("ASSESSMENT: gout.\n\nDISCHARGE INSTRUCTIONS: you have pneumonia.", {"M10.9"}),
        ("ASSESSMENT: pneumonia.\n\nHPI: fever.", {"J18.9"}),
    ],
)
def test_antibodies_and_advice_are_no_illness(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Inguinal hernia.", {"K40.90"}),
        ("Inguinal hernia, repaired 2010.", set()),
        ("Inguinal hernia for repair.", {"K40.90"}),
        ("Inguinal hernia repaired.", {"K40.90"}),
        ("PMH: inguinal hernia repair.", set()),
    ],
)
def test_a_hernia_that_was_repaired_is_gone(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Hypertension. CKD stage 3. Heart failure.", {"I13.0", "I50.9", "N18.30"}),
        ("Hypertension. CKD stage 3.", {"I12.9", "N18.30"}),
        ("Hypertension. Heart failure.", {"I11.0", "I50.9"}),
        ("Hypertension. Gout.", {"I10", "M10.9"}),
        ("Type 2 diabetes. CKD stage 3.", {"E11.22", "N18.30"}),
        ("Type 2 diabetes. Neuropathy.", {"E11.40"}),
        ("Type 2 diabetes with neuropathy.", {"E11.40"}),
        ("Type 2 diabetes. Hyperglycemia.", {"E11.65"}),
        ("Type 2 diabetes. Foot ulcer.", {"E11.621", "L97.509"}),
        ("Alcohol withdrawal. Alcohol dependence.", {"F10.239"}),
        ("CAD. Unstable angina.", {"I25.110"}),
        ("CAD. Angina.", {"I25.119"}),
        ("COPD. COPD exacerbation.", {"J44.1"}),
        ("COPD. Pneumonia.", {"J18.9", "J44.0"}),
        ("COPD. Acute bronchitis.", {"J20.9", "J44.0"}),
        ("Asthma. Asthma exacerbation.", {"J45.901"}),
        ("Cirrhosis. Ascites.", {"K74.60", "R18.8"}),
        ("Alcoholic cirrhosis. Ascites.", {"K70.31"}),
        ("Gallstones. Cholecystitis.", {"K80.10"}),
        ("Gallstones. Acute cholecystitis.", {"K80.00"}),
        ("Obesity. BMI 42.", {"E66.9", "Z68.41"}),
        ("BMI 42.", {"Z68.41"}),
        ("Sepsis. Acute kidney failure.", {"A41.9", "N17.9"}),
        ("Septic shock. Pneumonia.", {"A41.9", "J18.9", "R65.21"}),
    ],
)
def test_conditions_that_belong_together_are_one_code(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("HOSPITAL COURSE: Chest pain.", {"R07.9"}),
        ("CT for chest pain, no PE.", {"R07.9"}),
        ("No chest pain.", set()),
        ("Palliative care.", {"Z51.5"}),
        ("Flu/COVID/RSV PCR negative.", set()),
        ("Influenza, COVID PCR negative.", set()),
        ("Influenza PCR positive.", {"J11.1"}),
    ],
)
def test_what_a_test_asks_for_and_what_it_denies(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("HOSPITAL COURSE: possible pneumonia.", {"J18.9"}),
        ("ASSESSMENT: possible pneumonia.\n\nPLAN: rest.", set()),
        ("HOSPITAL COURSE: pneumonia was considered.", set()),
        ("HOSPITAL COURSE: possible pneumonia. No pneumonia.", set()),
        ("HOSPITAL COURSE: differential includes pneumonia.", set()),
        ("HPI: possible pneumonia.\n\nHOSPITAL COURSE: gout.", {"M10.9"}),
        ("A man, possible pneumonia.", set()),
        ("A man was admitted with possible pneumonia.", {"J18.9"}),
    ],
)
def test_what_is_possible_is_coded_of_a_stay_alone(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("J18.9", {"J18.9"}),
        ("Diagnosis: J18", {"J18.9"}),
        ("I10 was seen", set()),
        ("ICD: I10", {"I10"}),
        ("Room J18.9-2", set()),
    ],
)
def test_a_code_that_the_note_states(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Heart failure. EF 30%.", {"I50.20"}),
        ("Heart failure. EF 60%.", {"I50.9"}),
        ("Constipation due to opioids.", {"K59.03", "T40.2X5A"}),
        ("Anemia due to CKD.", {"D63.1"}),
        ("Cellulitis of the left leg with abscess and fever.", {"L02.91", "L03.116", "R50.9"}),
        ("Pain in the left knee and hip.", {"M25.552", "M25.562"}),
        ("Pain. Headache.", {"R51.9"}),
        ("Edema. Heart failure.", {"I50.9", "R60.9"}),
        ("HOSPITAL COURSE: Edema. Heart failure.", {"I50.9"}),
        ("Pancreatitis. Alcohol-induced pancreatitis.", {"K85.20"}),
        ("Stroke. Left MCA stroke.", {"I63.512"}),
        ("Psoriasis. Psoriatic arthritis.", {"L40.50", "L40.9"}),
    ],
)
def test_what_the_rest_of_the_note_says_of_a_code(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes
