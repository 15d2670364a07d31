"""Pairs of words, titles and short forms that mean the same, and others that nearly look it and do not."""

from __future__ import annotations

import pytest

from conceptmap.matching.content import content_words, term_forms
from conceptmap.matching.wordings import variants
from conceptmap.text.abbreviations import definitions
from conceptmap.text.words import normal_form, words

SAME = """
diverticula diverticulum|calculi calculus|fungi fungus|foci focus|nevi nevus|naevi nevus|thrombi thrombus
emboli embolus|bronchi bronchus|bacilli bacillus|villi villus|nuclei nucleus|uteri uterus|bacteria bacterium
ganglia ganglion|septa septum|teeth tooth|feet foot|children child|women woman|men man|lice louse|phalanges phalanx
vertices vertex|cortices cortex|apices apex|appendices appendix|indices index|fibre fiber|fibres fibers
centre center|caliber calibre|metre meter|ageing aging|haemorrhoids hemorrhoids|III 3|II 2|diseases disease
cases case|noses nose|doses dose|phases phase|increases increase|decreases decrease|releases release|bases base
creases crease|hoses hose|relapses relapse|prolapses prolapse|exercises exercise|bruises bruise
metastases metastasis|diagnoses diagnosis|prostheses prosthesis|paralyses paralysis|biopsies biopsy
abscesses abscess|apexes apexs|crutches crutch|rashes rash|bursae bursa|fractures fracture|tumour tumor
behaviours behavior|oedema edema|caesarean cesarean|organisation organization|sulphate sulfate|Sjögren's Sjogren
Ménière meniere|Crohn’s crohn's|patients' patient|stabilising stabilizing
"""
OTHER = """
stress stres|virus viru|sepsis sepsi|ties ty|gas ga|pour por|hour hor|mass mas|3rd rd|b12 b|ileum ilium|pubes pubis
"""


@pytest.mark.parametrize("pair", [pair for line in SAME.split("\n") for pair in line.split("|") if pair])
def test_singular_and_plural_british_and_american_are_one_word(pair: str) -> None:
    one, other = pair.split()
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize("pair", [pair for line in OTHER.split("\n") for pair in line.split("|") if pair])
def test_words_that_only_look_like_forms_of_one_another_stay_apart(pair: str) -> None:
    one, other = pair.split()
    assert normal_form(one) != normal_form(other)


@pytest.mark.parametrize(
    ("text", "gaps"),
    [
        ("chest pain", [2, 0]),
        ("chest-pain", [2, 0]),
        ("chest, pain", [2, 1]),
        ("chest/pain", [2, 1]),
        ("chest (pain", [2, 1]),
        ("chest\npain", [2, 1]),
        ("chest. pain", [2, 2]),
        ("chest; pain", [2, 2]),
        ("chest: pain", [2, 2]),
        ("chest\n\npain", [2, 2]),
        ("chest\n- pain", [2, 2]),
        ("chest - pain", [2, 2]),
        ("chest • pain", [2, 2]),
        ("E. coli", [2, 0]),
        ("E.coli", [2, 0]),
        ("3. coli", [2, 2]),
    ],
)
def test_what_stands_between_words_keeps_them_together_or_apart(text: str, gaps: list[int]) -> None:
    assert words(text).gap == gaps


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Dr. Graves", 1),
        ("Dr Betty Graves", 2),
        ("Dr. Betty Graves Disease", 2),
        ("Dr. graves", 0),
        ("Dr, Graves", 0),
        ("Mrs. Graves", 1),
        ("mrs. Graves", 0),
        ("Professor Graves", 1),
    ],
)
def test_up_to_two_capitalised_names_behind_a_title_are_a_persons(text: str, hidden: int) -> None:
    assert words(text).form.count("someone") == hidden


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fracture of the femur", "fracture femur"),
        ("femur that was fractured", "femur fractured"),
        ("infection due to a fungus", "infection fungus"),
        ("diabetes type II", "diabetes type 2"),
        ("heart failure class IV", "heart failure class 4"),
        ("cancer stage I", "cancer stage 1"),
        ("kidney failure", "renal failure"),
        ("malignant neoplasm of bladder", "bladder cancer"),
    ],
)
def test_terms_are_compared_by_their_content(one: str, other: str) -> None:
    assert sorted(term_forms(one)) == sorted(term_forms(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("IV fluid", "4 fluid"),
        ("vitamin I", "vitamin 1"),
        ("pain without fever", "pain fever"),
        ("no pain", "pain"),
        ("hepatitis A", "hepatitis"),
        ("hepatitis A", "hepatitis B"),
    ],
)
def test_numerals_and_negations_count_where_they_mean_something(one: str, other: str) -> None:
    assert sorted(term_forms(one)) != sorted(term_forms(other))


def test_a_conjunction_leaves_a_gap_and_another_subject_a_wide_one() -> None:
    said = ("pain fever", "pain of fever", "pain and fever", "pain, she fever", "pain she fever")
    assert [content_words(text).gap[-1] for text in said] == [0, 0, 1, 2, 2]


def test_nothing_is_read_on_over_the_end_of_a_statement_but_over_a_wrapped_line() -> None:
    text = "chest\npain"
    assert content_words(text, statements=[(0, 5), (6, 10)]).gap == [2, 1]
    assert content_words("chest\nPain", statements=[(0, 5), (6, 10)]).gap == [2, 2]
    assert content_words("chest pain", statements=[(0, 5), (6, 10)]).gap == [2, 2]
    assert content_words("E. coli", statements=[(0, 2), (3, 7)]).gap == [2, 0]


@pytest.mark.parametrize(
    ("title", "wordings"),
    [
        ("Pneumonia, unspecified organism", {"Pneumonia"}),
        ("Pain in unspecified knee", {"Pain in knee"}),
        ("Asthma NOS", {"Asthma"}),
        ("Gout, not elsewhere classified", {"Gout"}),
        ("Type 2 diabetes mellitus without complications", {"Type 2 diabetes mellitus"}),
        ("Gastric ulcer without hemorrhage or perforation", {"Gastric ulcer"}),
        ("Migraine, not intractable", {"Migraine"}),
        ("Laceration of scalp, initial encounter", {"Laceration of scalp"}),
        ("Other specified anemias", {"anemias"}),
        ("Gout, other site", {"Gout"}),
        ("Essential (primary) hypertension", {"Essential hypertension"}),
        ("Malignant neoplasm of bronchus or lung", {"Malignant neoplasm of bronchus", "Malignant neoplasm of lung"}),
        ("Dementia, so stated", {"Dementia"}),
    ],
)
def test_a_title_is_found_without_what_adds_nothing(title: str, wordings: set[str]) -> None:
    assert wordings <= variants(title).keys()
    assert variants(title)[title] == 3
    assert all(variants(title)[wording] < 3 for wording in wordings)


@pytest.mark.parametrize(
    ("title", "wording"),
    [
        ("Gastric ulcer with hemorrhage", "Gastric ulcer"),
        ("Pain in left knee", "Pain in knee"),
        ("Nausea and vomiting", "Nausea"),
        ("Disorders of bladder and related conditions", "Disorders of bladder"),
        ("Hodgkin lymphoma (12 years old)", "Hodgkin lymphoma"),
    ],
)
def test_a_title_is_not_found_by_less_than_it_says(title: str, wording: str) -> None:
    assert wording not in variants(title)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("acute kidney injury (AKI)", {"AKI": "acute kidney injury"}),
        ("AKI (acute kidney injury)", {"AKI": "acute kidney injury"}),
        ("acute kidney injury (aki)", {}),
        ("acute renal (AKI)", {}),
        ("acute\nkidney injury (AKI)", {}),
        ("pain. Acute kidney injury (AKI)", {"AKI": "Acute kidney injury"}),
        ("kidney pain (3)", {}),
        ("acute kidney injury (AKI, resolved)", {"AKI": "acute kidney injury"}),
        ("He has a very long lasting acute kidney injury (AKI)", {"AKI": "acute kidney injury"}),
        ("acute kidney injury (AKI) and chronic kidney disease (CKD)",
         {"AKI": "acute kidney injury", "CKD": "chronic kidney disease"}),
        ("acute kidney injury (AKI); another kind of injury (AKI)", {"AKI": "acute kidney injury"}),
    ],
)  # fmt: skip
def test_a_short_form_is_defined_by_words_that_hold_its_letters(text: str, found: dict[str, str]) -> None:
    assert definitions(text) == found
