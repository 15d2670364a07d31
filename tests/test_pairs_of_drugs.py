"""Pairs about drugs, substances and treatments that differ by one rule: taken, harmful, less, too much, allergic."""

from __future__ import annotations

import pytest
from whole_release import codes_of

from conceptmap.coding.derived.drug_use import long_term_use
from conceptmap.coding.derived.drugs import drugs_in
from conceptmap.coding.derived.substances import substances
from conceptmap.coding.derived.treatments import treatments
from conceptmap.coding.derived.underdosing import poisoning, regimens_not_kept, underdosing
from conceptmap.text.sections import sections
from conceptmap.text.sentences import sentences


def taken(text: str) -> list[str]:
    return [use.code for use in long_term_use(text, sections(text), drugs_in(text, "icd10cm"))]


def less(text: str) -> list[str]:
    return [found.code for found in underdosing(text, sentences(text), drugs_in(text, "icd10cm"))]


def poisoned(text: str) -> list[str]:
    return [found.code for found in poisoning(text, sentences(text), drugs_in(text, "icd10cm"))]


def harms(text: str) -> set[str]:
    """Codes of adverse effects."""
    return {code for code in codes_of(text) if code[:2] in ("T3", "T4", "T5") and code[-2:] == "5A"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He is not on apixaban.", []),
        ("He was off apixaban.", []),
        ("MEDICATIONS: hold apixaban 5 mg BID", []),
        ("MEDICATIONS: apixaban 5 mg BID held", []),
        ("MEDICATIONS: apixaban 5 mg BID, held, then resumed", ["Z79.01"]),
        ("MEDICATIONS: apixaban load then 5 mg BID", ["Z79.01"]),
        ("MEDICATIONS: apixaban load", []),
        ("MEDICATIONS: apixaban drip", []),
        ("MEDICATIONS: apixaban", ["Z79.01"]),
        ("MEDICATIONS: enoxaparin 40 mg daily for 7 days", []),
        ("MEDICATIONS: enoxaparin 40 mg daily", ["Z79.01"]),
        ("MEDICATIONS: apixaban 10 mg BID x 7 days then 5 mg BID", ["Z79.01"]),
        ("Sent home on aspirin.", ["Z79.82"]),
        ("Given aspirin.", []),
        ("Discharged with apixaban.", ["Z79.01"]),
        ("Home meds: aspirin.", ["Z79.82"]),
        ("Previously on apixaban 5 mg BID.", []),
        ("History of apixaban 5 mg BID.", []),
        ("Now apixaban 5 mg BID.", ["Z79.01"]),
        ("IMMUNIZATIONS: aspirin 81 daily", []),
        ("FAMILY HISTORY: takes aspirin 81 daily", []),
        ("HPI: takes aspirin 81 daily", ["Z79.82"]),
        ("Opioid use disorder. MEDICATIONS: chronic oxycodone 5 mg daily", []),
        ("Back pain. MEDICATIONS: chronic oxycodone 5 mg daily", ["Z79.891"]),
        ("Takes ibuprofen daily.", []),
        ("Takes ibuprofen chronically.", ["Z79.1"]),
        ("MEDICATIONS: fentanyl patch 25 mcg/h", ["Z79.891"]),
        ("MEDICATIONS: fentanyl 25 mcg", []),
        ("MEDICATIONS: prednisone 10 mg daily", ["Z79.52"]),
        ("On prednisone 10 mg daily.", ["Z79.52"]),
        ("On prednisone.", []),
        ("On chronic prednisone.", ["Z79.52"]),
        ("On ciprofloxacin 500 bid.", []),
        ("On ciprofloxacin 500 bid for prophylaxis.", ["Z79.2"]),
        ("Insulin therapy.", ["Z79.4"]),
        ("Insulin requiring.", ["Z79.4"]),
        ("Insulin, metformin and aspirin.", []),
        ("He takes insulin, metformin and aspirin.", ["Z79.4", "Z79.84", "Z79.82"]),
        ("He takes insulin; metformin given.", ["Z79.4"]),
        ("Failed metformin. He takes insulin.", ["Z79.4"]),
        ("Continue apixaban.", ["Z79.01"]),
        ("Apixaban started.", []),
    ],
)
def test_a_drug_is_taken_for_long_where_its_item_says_so(text: str, found: list[str]) -> None:
    assert taken(text) == found


@pytest.mark.parametrize(
    ("laid", "drug", "not_laid"),
    [
        ("Rash while on amoxicillin.", "T36.0X5A", "Rash and amoxicillin."),
        ("Amoxicillin rash.", "T36.0X5A", "Amoxicillin. Rash."),
        ("After amoxicillin he developed a rash.", "T36.0X5A", "Took amoxicillin, developed a rash."),
        ("Amoxicillin was stopped for rash.", "T36.0X5A", "Amoxicillin was given for rash."),
        ("Delirium, medication effects: lorazepam.", "T42.4X5A", "Delirium, home medicine: lorazepam."),
        ("Hypotension on lisinopril.", "T46.4X5A", "Constipation on lisinopril."),
        ("Glucose 180 on prednisone.", "T38.0X5A", "Glucose 179 on prednisone."),
        ("Sedated on lorazepam.", "T42.4X5A", "Sedated. Lorazepam."),
        ("Hand-foot syndrome on capecitabine.", "T45.1X5A", "Foot pain on capecitabine."),
        ("Constipation on oxycodone.", "T40.2X5A", "At risk of constipation on oxycodone."),
        ("Bleeding on apixaban.", "T45.515A", "Watch for bleeding on apixaban."),
        ("Cough with lisinopril.", "T46.4X5A", "Intolerance of lisinopril, cough."),
        ("Cough with lisinopril.", "T46.4X5A", "Lisinopril intolerance, cough."),
        ("Cough induced by lisinopril.", "T46.4X5A", "Cough treated with lisinopril."),
        ("Lisinopril-induced cough.", "T46.4X5A", "Lisinopril and cough."),
        ("Angioedema from lisinopril.", "T46.4X5A", "Angioedema not from lisinopril."),
        ("Infliximab given. Cytokine release.", "T45.1X5A", "Infliximab given.\n\nInfusion reaction."),
        ("Vomiting from oxycodone.", "T40.2X5A", "Naloxone induced vomiting."),
        ("Neutropenia after chemotherapy.", "T45.1X5A", "Neutropenia before chemotherapy."),
        ("Steroid-induced diabetes.", "T38.0X5A", "Type 2 diabetes. Steroids."),
        ("Hypoglycemia from insulin.", "T38.3X5A", "Hypoglycemia. Insulin was held."),
        (
            "He takes apixaban. GI bleed. Supratherapeutic INR.",
            "T45.515A",
            "He takes apixaban. GI bleed.",
        ),
        ("He takes apixaban. GI bleed. Given Kcentra.", "T45.515A", "He takes apixaban. Given Kcentra."),
    ],
)
def test_a_finding_is_laid_to_a_drug(laid: str, drug: str, not_laid: str) -> None:
    assert drug in harms(laid)
    assert drug not in harms(not_laid)


def test_each_drug_of_a_list_has_its_effect() -> None:
    assert harms("Hypotension due to lisinopril and amlodipine.") == {"T46.1X5A", "T46.4X5A"}
    assert harms("Hypotension due to lisinopril. Takes amlodipine.") == {"T46.4X5A"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He ran out of his medications.", ["Z91.138"]),
        ("He stopped his medications because of cost.", ["Z91.120"]),
        ("He stopped his medications.", ["Z91.128"]),
        ("His doctor stopped torsemide.", []),
        ("He ran out of money; takes torsemide.", []),
        ("He ran out of money and is on torsemide.", []),
        ("Takes torsemide about half the time.", ["T50.1X6A", "Z91.148"]),
        ("Takes torsemide all the time.", []),
        ("Takes torsemide. He ran out last week.", ["T50.1X6A", "Z91.138"]),
        ("Takes torsemide.\n\nHe ran out last week.", []),
        ("Torsemide, which he stopped.", ["T50.1X6A", "Z91.128"]),
        ("Torsemide noncompliance.", ["T50.1X6A", "Z91.148"]),
        ("No torsemide for 3 days.", ["T50.1X6A", "Z91.148"]),
        ("No torsemide.", []),
        ("He was without his torsemide due to insurance.", ["T50.1X6A", "Z91.120"]),
        ("He skipped torsemide. Insurance lapsed.", ["T50.1X6A", "Z91.120"]),
        ("He skipped torsemide. Felt better.", ["T50.1X6A", "Z91.148"]),
        ("He skipped torsemide as he felt better.", ["T50.1X6A", "Z91.128"]),
        ("He skipped torsemide.", ["T50.1X6A", "Z91.148"]),
        ("He quit torsemide.", ["T50.1X6A", "Z91.128"]),
        ("He missed 3 doses of torsemide.", ["T50.1X6A", "Z91.148"]),
        ("He did not fill torsemide.", ["T50.1X6A", "Z91.148"]),
        ("He did fill torsemide.", []),
        ("If he stopped torsemide.", []),
        ("He self-discontinued torsemide.", ["T50.1X6A", "Z91.128"]),
        ("Not taking acetaminophen.", []),
        ("Not taking contraceptive pills.", []),
        ("Not taking torsemide.", ["T50.1X6A", "Z91.148"]),
        ("He stopped torsemide and lisinopril.", ["T50.1X6A", "T46.4X6A", "Z91.128"]),
    ],
)
def test_less_than_prescribed_by_the_patients_own_doing_and_why(text: str, found: list[str]) -> None:
    assert less(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Double dose of metoprolol.", ["T44.7X1A"]),
        ("Single dose of metoprolol.", []),
        ("Took too many metoprolol.", ["T44.7X1A"]),
        ("Swallowed 30 tablets of acetaminophen, wanted to die.", ["T39.1X2A"]),
        ("Swallowed acetaminophen accidentally, denies suicidal ideation.", ["T39.1X1A"]),
        ("Poisoning by acetaminophen.", ["T39.1X1A"]),
        ("No overdose of diltiazem.", []),
        ("Overdose of diltiazem, naloxone given.", ["T46.1X1A"]),
        ("OD on heroin.", ["T40.1X1A"]),
        ("Overdose. Found with diltiazem.", []),
    ],
)
def test_too_much_of_a_drug_by_intent(text: str, found: list[str]) -> None:
    assert poisoned(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Skipped HD.", ["Z91.158"]),
        ("Never missed dialysis.", []),
        ("Noncompliant with hemodialysis.", ["Z91.158"]),
        ("Nonadherent with low salt diet.", ["Z91.118"]),
        ("Ate salty soup.", ["Z91.118"]),
        ("Denies high-salt diet.", []),
    ],
)
def test_dialysis_and_diets_not_kept(text: str, found: list[str]) -> None:
    assert [harm.code for harm in regimens_not_kept(text)] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Former smoker.", ["Z87.891"]),
        ("Ex-smoker.", ["Z87.891"]),
        ("Smoker.", ["F17.200"]),
        ("Non-smoker.", []),
        ("Still smoking, quit before.", ["F17.200"]),
        ("Tobacco: 1 ppd.", ["F17.210"]),
        ("Second-hand smoke.", []),
        ("Advised cessation, smokes 1 ppd.", ["F17.210"]),
        ("Advised never to smoke 1 ppd.", []),
        ("Current every day smoker, 10 cigarettes a day.", ["F17.210"]),
        ("Smokes. Quit 2010.", ["F17.200"]),
        ("Used to smoke 20 packs.", ["Z87.891"]),
        ("1 ppd x 20 years, until 2010.", ["Z87.891"]),
        ("1 ppd x 20 years.", ["F17.210"]),
        ("Marijuana on weekends.", []),
        ("Marijuana daily.", ["F12.90"]),
        ("COWS 12.", ["F11.93"]),
        ("Alcoholism, sober for 2 years.", ["F10.21"]),
        ("Alcoholism for 2 years.", []),
        ("Mother smokes indoors.", ["Z77.22"]),
        ("Mother smokes. Toddler with cough.", ["Z77.22"]),
        ("Mother smokes. Adult with cough.", []),
        ("Mother smokes detector. Toddler.", []),
    ],
)
def test_who_smokes_drinks_and_uses_now(text: str, found: list[str]) -> None:
    assert [harm.code for harm in substances(text)] == found


@pytest.mark.parametrize(
    ("level", "digit"),
    [*zip((19, 20, 39, 40, 59, 60, 79, 80, 99, 100, 119, 120, 199, 200, 239, 240), "0112233445566778", strict=True)],
)
def test_the_level_of_alcohol_changes_its_code_at_the_tabular_lists_limits(level: int, digit: str) -> None:
    assert [harm.code for harm in substances(f"EtOH {level}.")] == [f"Y90.{digit}"]


def test_a_strength_is_no_level_of_alcohol() -> None:
    assert not list(substances("EtOH 40%."))


@pytest.mark.parametrize(
    ("text", "codes", "without"),
    [
        ("Nicotine dependence. Smokes 1 ppd.", {"F17.210"}, {"F17.200"}),
        ("Alcohol abuse. Alcohol dependence.", {"F10.20"}, {"F10.10"}),
        ("Cannabis abuse. Cannabis daily.", {"F12.10"}, {"F12.90"}),
        ("Alcohol dependence. Alcohol withdrawal.", {"F10.239"}, {"F10.20"}),
        ("Opioid dependence. Opioid withdrawal.", {"F11.23"}, {"F11.20"}),
    ],
)
def test_the_stronger_statement_about_a_substance_stands(text: str, codes: set[str], without: set[str]) -> None:
    """Guideline I.C.5.b.2-3."""
    found = codes_of(text)
    assert codes <= found
    assert not without & found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Admitted for chemotherapy.", "Z51.11"),
        ("Received chemotherapy.", ""),
        ("Admitted for chemotherapy-induced nausea.", ""),
        ("Admitted for the induced chemotherapy.", ""),
        ("Here for cycle 3 of R-CHOP.", "Z51.11"),
        ("Presents for radiation.", "Z51.0"),
        ("Seen for pembrolizumab.", "Z51.12"),
        ("Admitted today for his third cycle of FOLFOX.", "Z51.11"),
    ],
)
def test_an_encounter_for_the_treatment_of_a_neoplasm_it_has(text: str, code: str) -> None:
    assert [found.code for found in treatments(text)] == ([code] if code else [])
    assert not code or code in codes_of(f"Lung cancer. {text}")
    assert not code or code not in codes_of(f"Pneumonia. {text}")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("ALLERGIES: penicillin", {"Z88.0"}),
        ("ALLERGIES: penicillin - tolerated", set()),
        ("ALLERGIES: not allergic to penicillin", set()),
        ("ALLERGIES: penicillin. Tolerates cephalosporins.", {"Z88.0"}),
        ("ALLERGIES: latex, sulfa", {"Z88.2", "Z91.040"}),
        ("ALLERGIES: penicillin (rash)", {"Z88.0"}),
        ("ALLERGIES: rash", set()),
        ("ALLERGIES: peanuts; shellfish.", {"Z91.010", "Z91.013"}),
        ("ALLERGIES: allergic rhinitis", {"J30.9"}),
        ("ALLERGIES: allergy to penicillin", {"Z88.0"}),
        ("ALLERGIES: iodinated contrast", {"Z91.041"}),
        ("HPI: penicillin allergy (hives).", {"Z88.0"}),
        ("HPI: penicillin allergy. Hives.", {"Z88.0", "L50.9"}),
    ],
)
def test_an_allergen_is_coded_and_its_reaction_is_not(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes
