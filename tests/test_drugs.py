"""Drugs: taken for long, harmful, taken too little or too much, and substances; each pair differs by its rule alone."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest
from coded_release import coder

from conceptmap import ConceptMapper
from conceptmap.coding.derived.drug_use import long_term_use
from conceptmap.coding.derived.drugs import DrugClass, drugs_in, harm, specific
from conceptmap.coding.derived.substances import substances
from conceptmap.coding.derived.underdosing import poisoning, regimens_not_kept, underdosing
from conceptmap.data.tables import read_rows
from conceptmap.text.sections import sections
from conceptmap.text.sentences import sentences


@cache
def mapper() -> ConceptMapper:
    return ConceptMapper.load("icd10cm", encoder=None)


def codes(text: str) -> set[str]:
    return set(mapper().code(pl.DataFrame({"note_id": ["n"], "text": [text]}))["code"])


def uses(text: str) -> list[str]:
    return [use.code for use in long_term_use(text, sections(text), drugs_in(text, "icd10cm"))]


def harms(text: str) -> list[str]:
    drugs = specific(drugs_in(text, "icd10cm"))
    return [
        found.code for found in [*underdosing(text, sentences(text), drugs), *poisoning(text, sentences(text), drugs)]
    ]


def test_every_code_of_the_tables_exists_and_every_class_is_named_once() -> None:
    book = mapper().linkers[0].book
    classes = {row["class"]: row for row in read_rows("drug_classes", "icd10cm")}
    named: list[str] = []
    for row in read_rows("drugs", "icd10cm"):
        assert row["class"] in classes
        assert row["source"]
        named += [name.lower() for name in (row["ingredient"], *filter(None, row["also"].split(";")))]
    assert len(named) == len(set(named))
    for row in classes.values():
        assert harm(DrugClass("", "", row["harm"]), "1") in book.position_of_code
        assert not row["long_term"] or book.billable[book.position_of_code[row["long_term"]]]
    for table in ("adverse_effects", "implied_drugs"):
        for row in read_rows(table, "icd10cm"):
            assert all(name in classes for name in row["classes"].split(";") if name)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("DISCHARGE MEDICATIONS:\n1. Insulin 10 units\n2. Apixaban 5 mg\n", ["Z79.4", "Z79.01"]),
        ("MEDICATIONS: water", []),
        ("MEDICATIONS: METFORMIN 1000 BID, AMLODIPINE 5, OXYCODONE 5 PRN.", ["Z79.84"]),  # need is of its own item
        ("MEDICATIONS: METFORMIN 1000 PRN, AMLODIPINE 5, OXYCODONE 5.", []),
        ("MEDICATIONS: apixaban 5 mg BID", ["Z79.01"]),
        ("MEDICATIONS: apixaban 5 mg BID x 5 days", []),
        ("MEDICATIONS: apixaban 5 mg BID x 3 months", ["Z79.01"]),
        ("MEDICATIONS: STOPPED apixaban 5 mg BID", []),
        ("He takes apixaban.", ["Z79.01"]),
        ("He was given apixaban.", []),
        ("He is on apixaban.", ["Z79.01"]),
        ("He was on apixaban.", []),
        ("She was being treated with metformin.", ["Z79.84"]),
        ("She was given metformin.", []),
        ("Diabetes, insulin-dependent.", ["Z79.4"]),
        ("Diabetes, insulin level.", []),
        ("Atrial fibrillation, apixaban 5 mg BID.", ["Z79.01"]),
        ("Atrial fibrillation, apixaban 5 mg once only.", []),
        ("Continue Lipitor 40 mg a day, aspirin and metoprolol.", ["Z79.82"]),
        ("Gave Lipitor 40 mg a day, aspirin and metoprolol.", []),
        ("She takes apixaban. Apixaban was discontinued.", []),
        ("She takes apixaban. Apixaban was continued.", ["Z79.01"]),
        ("She takes ticagrelor 90 bid, do not stop.", ["Z79.02"]),
        ("MEDICATIONS: ciprofloxacin 500 daily, secondary prophylaxis", ["Z79.2"]),
        ("MEDICATIONS: ciprofloxacin 500 daily", []),
        ("MEDICATIONS: oxycodone 5 mg daily", []),
        ("MEDICATIONS: oxycodone 5 mg daily, chronic", []),
        ("MEDICATIONS: chronic oxycodone 5 mg daily", ["Z79.891"]),
        ("MEDICATIONS: prednisone 40 mg tapering by 5 weekly to 5", ["Z79.52"]),
        ("MEDICATIONS: prednisone 40 mg taper", []),
        ("ALLERGIES: takes aspirin with hives", []),
    ],
)
def test_what_is_taken_for_long(text: str, found: list[str]) -> None:
    assert uses(text) == found


def test_a_listed_drug_codes_and_is_the_partner_that_was_missed() -> None:
    text = "Type 2 diabetes mellitus.\n\nMEDICATIONS:\nInsulin 10 units daily\n"
    found = coder().annotate_many(pl.DataFrame({"note_id": ["n"], "text": [text]})).codes
    assert set(found["code"]) == {"E11.9", "Z79.4"}


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("Type 2 diabetes mellitus. He takes insulin.", True),
        ("Type 1 diabetes mellitus. He takes insulin.", False),  # I.C.4.a.3: type 1 says it
        ("Hyperglycemia. He takes insulin.", False),
    ],
)
def test_insulin_is_said_to_be_taken_for_long_in_type_2_diabetes_alone(text: str, given: bool) -> None:
    assert ("Z79.4" in codes(text)) is given


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Steroid-induced hyperglycemia.", "T38.0X5A"),
        ("Rash from amoxicillin.", "T36.0X5A"),
        ("Constipation on opioids.", "T40.2X5A"),
        ("Hyperkalemia on high-dose Bactrim.", "T37.0X5A"),
        ("Hyponatremia due to hydrochlorothiazide.", "T50.2X5A"),
        ("Anticholinergics (oxybutynin, diphenhydramine) caused delirium.", "T44.3X5A"),
        ("First dose of infliximab. Infusion reaction, slowed.", "T45.1X5A"),
        ("Digoxin toxicity.", "T46.0X5A"),
        ("Delirium, worsened by lorazepam.", "T42.4X5A"),
        ("Urinary retention after oxybutynin was started.", "T44.3X5A"),
        ("He takes apixaban. Upper GI bleed, reversed with Kcentra.", "T45.515A"),
        ("Anemia due to antineoplastic chemotherapy.", "T45.1X5A"),
    ],
)
def test_a_finding_laid_to_a_drug_is_its_adverse_effect(text: str, code: str) -> None:
    assert code in codes(text)


@pytest.mark.parametrize(
    "text",
    [
        "Hyperglycemia, steroids given.",
        "Rash, amoxicillin given.",
        "Cerebral infarction on aspirin.",  # no effect of aspirin
        "No steroid-induced hyperglycemia.",
        "ALLERGIES: amoxicillin - rash",
        "Risk of bleeding on apixaban.",
        "Oxybutynin was started for urge incontinence.",
        "Hives, allergic to amoxicillin.",
    ],
)
def test_a_drug_beside_a_finding_is_no_adverse_effect(text: str) -> None:
    assert not [code for code in codes(text) if code.startswith(("T3", "T4", "T50"))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He ran out of torsemide.", ["T50.1X6A", "Z91.138"]),
        ("He was put on torsemide.", []),
        ("He stopped taking torsemide because of cramps.", ["T50.1X6A", "Z91.128"]),
        ("We stopped torsemide because of cramps.", []),
        ("He stopped taking torsemide as he could not afford it.", ["T50.1X6A", "Z91.120"]),
        ("He forgets to take torsemide.", ["T50.1X6A", "Z91.138"]),
        ("He never forgets to take torsemide.", []),
        ("He is not consistent with taking torsemide.", ["T50.1X6A", "Z91.148"]),
        ("He is not taking ibuprofen.", []),
        ("He had been rationing insulin due to cost.", ["T38.3X6A", "Z91.120"]),
        ("He stopped taking his medications.", ["Z91.128"]),
        ("Seizure after missed Keppra doses.", ["T42.6X6A", "Z91.148"]),
        ("Stopped his lisinopril because of cough.", ["T46.4X6A", "Z91.128"]),
        ("Lisinopril was stopped because of cough.", []),
        ("Took her diuretic and lisinopril. She ran out of her diuretic.", ["T50.2X6A", "Z91.138"]),
        ("Takes furosemide and lisinopril. She ran out of her diuretic.", ["T50.1X6A", "Z91.138"]),
    ],
)
def test_taken_less_than_prescribed_with_the_reason(text: str, found: list[str]) -> None:
    assert harms(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Overdose of diltiazem.", ["T46.1X1A"]),
        ("Overdose of diltiazem in a suicide attempt.", ["T46.1X2A"]),
        ("Overdose of diltiazem, unclear intent.", ["T46.1X4A"]),
        ("History of overdose of diltiazem.", []),
    ],
)
def test_poisoning_by_intent(text: str, found: list[str]) -> None:
    assert [harm.code for harm in poisoning(text, sentences(text), drugs_in(text, "icd10cm"))] == found


def test_the_words_of_an_underdosing_deny_it_not() -> None:
    assert "T50.1X6A" in codes("He is not consistent with taking torsemide.")


def test_a_denied_place_does_not_hide_another() -> None:
    assert "T38.0X5A" in codes("No steroid-induced psychosis. Steroid-induced hyperglycemia.")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He missed two dialysis sessions.", ["Z91.158"]),
        ("He had two dialysis sessions.", []),
        ("Dietary indiscretion.", ["Z91.118"]),
        ("Dietary advice.", []),
    ],
)
def test_other_regimens_that_were_not_kept(text: str, found: list[str]) -> None:
    assert [harm.code for harm in regimens_not_kept(text)] == found


def test_the_names_in_capitals_are_read_in_capitals_alone() -> None:
    assert [drug.ingredient for drug in drugs_in("LEV 500 bid", "icd10cm")] == ["levetiracetam"]
    assert drugs_in("lev 500 bid", "icd10cm") == []


def test_the_longest_name_wins() -> None:
    found = drugs_in("insulin glargine, piperacillin-tazobactam", "icd10cm")
    assert [drug.ingredient for drug in found] == ["insulin glargine", "piperacillin-tazobactam"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Smokes 1 ppd.", ["F17.210"]),
        ("Current smoker.", ["F17.200"]),
        ("Quit smoking in 2010, 20 pack years.", ["Z87.891"]),
        ("Never smoked.", []),
        ("Father smokes 1 ppd.", []),
        ("EtOH 212 mg/dL.", ["Y90.7"]),
        ("EtOH 42 mg/dL.", ["Y90.2"]),
        ("EtOH 2 beers.", []),
        ("Cannabis daily.", ["F12.90"]),
        ("Cannabis in urine.", []),
    ],
)
def test_substances(text: str, found: list[str]) -> None:
    assert [harm.code for harm in substances(text)] == found


def test_the_level_of_alcohol_stands_beside_its_disorder_alone() -> None:
    assert "Y90.7" in codes("Alcohol intoxication. EtOH 212 mg/dL.")
    assert "Y90.7" not in codes("Pneumonia. EtOH 212 mg/dL.")


def test_drinking_without_a_disorder_is_not_coded() -> None:
    assert "F10.90" not in codes("Alcohol use on weekends.")
    assert "F10.20" in codes("Alcohol dependence.")


def test_what_a_rule_takes_away_is_kept_among_the_candidates_with_the_reason() -> None:
    notes = pl.DataFrame({"note_id": ["n"], "text": ["Type 1 diabetes mellitus. He takes insulin."]})
    rows = mapper().annotate_many(notes, candidates=50).candidates
    assert rows.filter(pl.col("code") == "Z79.4")["reason"].to_list() == [
        "insulin is coded beside type 2 diabetes alone (I.C.4.a.3)"
    ]


def test_a_case_report_must_say_that_a_drug_is_taken_for_long() -> None:
    """A report tells how somebody was treated; a stay's or a visit's list is what is taken (I.C.21.c.3)."""
    treated, taken = "She is on methotrexate.", "She is on long-term methotrexate."

    def found(text: str, setting: str) -> bool:
        notes = pl.DataFrame({"note_id": ["n"], "text": [text]})
        return "Z79.631" in set(mapper().code(notes, setting=setting)["code"])

    assert [found(text, "report") for text in (treated, taken)] == [False, True]
    assert [found(text, "visit") for text in (treated, taken)] == [True, True]


def test_a_name_is_found_between_characters_of_other_scripts() -> None:
    """U+0130 has two small letters and U+212A an ASCII one: neither moves a place, nor makes or breaks a name."""
    text = "\u0130 lasix, \u0130Lasix x_LASIX \u00e9lasix 5lasix lasix2 lasix\u212a \u212aeppra"
    found = [text[drug.start_char : drug.end_char] for drug in drugs_in(text, "icd10cm")]
    assert found == ["lasix", "Lasix", "LASIX", "lasix", "lasix"]
