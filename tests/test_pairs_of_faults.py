"""Pairs that differ by one rule: old fractures, other causes, ended drugs, what is smoked, primaries, weapons."""

from __future__ import annotations

import pytest
from whole_release import codes_of

from conceptmap.coding.derived.drug_use import long_term_use
from conceptmap.coding.derived.drugs import drugs_in
from conceptmap.text.context import assess
from conceptmap.text.sections import sections


def taken(text: str) -> list[str]:
    return [use.code for use in long_term_use(text, sections(text), drugs_in(text, "icd10cm"))]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Left rib fx.", {"S22.32XA"}),
        ("Left rib fx, old.", {"Z87.81"}),
        ("Old left rib fracture.", {"Z87.81"}),
        ("L1 fracture.", {"S32.019A"}),
        ("Old L1 fracture.", {"Z87.81"}),
        ("Old L1 fracture with nonunion.", {"S32.019K"}),
        ("Old L1 fracture and acute hip fracture.", {"Z87.81", "S72.009A"}),
        ("Old L1 fracture, new L3 fracture.", {"Z87.81", "S32.039A"}),
        ("Old nasal bone fracture.", {"Z87.81"}),
        ("82 year old woman with left hip fracture.", {"S72.002A"}),
        ("Osteoporosis. L1 fracture.", {"M81.0", "S32.019A"}),
        ("Osteoporosis. Old L1 fracture.", {"M81.0", "Z87.310"}),
        ("Osteoporosis. Old rib fracture.", {"M81.0", "Z87.81"}),
        ("Osteoporosis. Old L1 fracture from MVA.", {"M81.0", "Z87.81"}),
    ],
)
def test_an_old_fracture_is_a_history(text: str, codes: set[str]) -> None:
    """Z87.81, and Z87.310 for a spine or hip that osteoporosis broke (guideline I.C.13.d.1)."""
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "harmed"),
    [
        ("Constipation due to opioids.", True),
        ("Constipation not due to opioids.", False),
        ("Constipation, not thought to be due to opioids.", False),
        ("Constipation unrelated to opioids.", False),
        ("Not feeling well, constipation due to opioids.", True),
    ],
)
def test_what_is_not_due_to_a_drug_is_no_effect_of_it(text: str, harmed: bool) -> None:
    assert ("T40.2X5A" in codes_of(text)) is harmed


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("MEDICATIONS: apixaban 5 mg BID", ["Z79.01"]),
        ("MEDICATIONS: apixaban 5 mg BID, discontinued", []),
        ("MEDICATIONS: apixaban 5 mg BID, stopped on admission", []),
        ("MEDICATIONS: apixaban 5 mg BID, stopped aspirin", ["Z79.01"]),
        ("MEDICATIONS: apixaban 5 mg BID, with food", ["Z79.01"]),
        ("MEDICATIONS: apixaban 5 mg BID, now discontinued.", []),
    ],
)
def test_a_drug_that_is_ended_behind_a_comma_is_not_taken(text: str, codes: list[str]) -> None:
    assert taken(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Smokes daily.", {"F17.200"}),
        ("Smokes marijuana.", {"F12.90"}),
        ("Smoking marijuana daily.", {"F12.90"}),
        ("Smokes 2 joints of marijuana daily.", {"F12.90"}),
        ("Marijuana smoker.", {"F12.90"}),
        ("Smoker, uses marijuana.", {"F12.90", "F17.200"}),
        ("Smokes marijuana and tobacco.", {"F12.90", "F17.200"}),
        ("Smokes marijuana and 1 ppd.", {"F12.90", "F17.210"}),
    ],
)
def test_who_smokes_something_else_has_no_nicotine_dependence(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Colon cancer, s/p chemo.", {"C18.9"}),
        ("Colon cancer with lung mets, s/p chemo.", {"C18.9", "C78.00"}),
        ("Colon cancer with mets to the lung.", {"C18.9", "C78.00"}),
        ("Colon cancer with brain mets.", {"C18.9", "C79.31"}),
        ("Rectal cancer with liver mets.", {"C20", "C78.7"}),
        ("Prostate cancer with bony metastases.", {"C61", "C79.51"}),
        ("Cancer with liver mets.", {"C80.1", "C78.7"}),
    ],
)
def test_a_cancer_keeps_its_organ_beside_those_of_its_metastases(text: str, codes: set[str]) -> None:
    assert codes_of(text) >= codes - {"C80.1"}
    assert not {"C34.90", "C71.9", "C41.9"} & codes_of(text)


@pytest.mark.parametrize("grade", ["grade II", "Grade II", "GRADE II", "grade ii", "Grade 2"])
def test_the_grade_of_an_organ_is_read_in_any_case(grade: str) -> None:
    assert "S36.031A" in codes_of(f"Fell. {grade} splenic laceration.")
    assert "S36.039A" in codes_of("Fell. Splenic laceration.")


@pytest.mark.parametrize(
    ("one", "several", "code"),
    [
        ("Sequela of stroke.", "Sequelae of stroke.", "I69.30"),
        ("Sequela of polio.", "Sequelae of polio.", "B91"),
    ],
)
def test_one_sequela_is_read_as_several_are(one: str, several: str, code: str) -> None:
    assert codes_of(one) == codes_of(several) == {code}
    assert code not in codes_of(one.partition(" of ")[2].capitalize())


@pytest.mark.parametrize(
    ("text", "temporality"),
    [
        ("h/o ischemic cardiomyopathy and CKD who p/w 5 days of worsening dyspnea", "recent"),
        ("h/o ischemic cardiomyopathy and CKD, p/w dyspnea", "recent"),
        ("h/o ischemic cardiomyopathy who presents with dyspnea", "recent"),
        ("h/o ischemic cardiomyopathy and dyspnea", "historical"),
    ],
)
def test_a_history_ends_where_somebody_presents(text: str, temporality: str) -> None:
    start = text.index("dyspnea")
    assert assess(text, [(start, len(text))], [])[0].temporality == temporality


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Assaulted, scalp laceration.", "Y04.0XXA"),
        ("Assaulted with a bat, scalp laceration.", "Y00.XXXA"),
        ("Beaten with a baseball bat, scalp laceration.", "Y00.XXXA"),
        ("Assaulted with a knife, scalp laceration.", "X99.1XXA"),
        ("Beaten with fists, scalp laceration.", "Y04.0XXA"),
    ],
)
def test_an_assault_is_coded_by_its_weapon(text: str, cause: str) -> None:
    """Once: Y09 says less than each of them."""
    assert {code for code in codes_of(text) if code[0] in "VWXY"} == {cause}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Parkinson's disease.", {"G20.A1"}),
        ("Parkinson's disease with dementia.", {"F02.80", "G20.A1"}),
        ("Dementia in Parkinson's disease.", {"F02.80", "G20.A1"}),
        ("Parkinson's disease. Dementia.", {"F02.80", "G20.A1"}),
        ("Dementia.", {"F03.90"}),
    ],
)
def test_a_dementia_has_its_disease_beside_it(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes
