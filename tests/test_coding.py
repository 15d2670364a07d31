"""Note-level coding: combinations, completion, histories, instructions, the proposal of a principal diagnosis."""

from __future__ import annotations

import csv
from importlib import resources

import polars as pl
import pytest
from coded_release import coded, coder

from conceptmap.coding.combinations import combinations
from conceptmap.coding.completion import gestation, trimester_of
from conceptmap.coding.exact.residual import residual_codes
from conceptmap.coding.instructions import references
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCode
from conceptmap.coding.reporting.principal import principal
from conceptmap.coding.sides import sides
from conceptmap.ontology.code_ranges import parse_ranges


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Hypertension. Heart failure.", {"I11.0", "I50.9"}),
        ("Hypertension, heart failure and chronic kidney disease stage 4.", {"I13.0", "I50.9", "N18.4"}),
        ("Type 2 diabetes mellitus. Chronic kidney disease, stage 4.", {"E11.22", "N18.4"}),
        ("Hypertension. No heart failure.", {"I10"}),
        ("Sepsis from E. coli.", {"A41.51"}),
        ("Sepsis. Urine grew E. coli.", {"A41.9", "B96.20"}),
    ],
)
def test_conditions_that_the_classification_says_in_one_code(text: str, codes: set[str]) -> None:
    assert set(coded(text)) == codes


def test_a_combination_says_what_it_was_made_of_and_keeps_the_evidence() -> None:
    found = coder().annotate_many(pl.DataFrame({"note_id": ["n"], "text": ["Hypertension. Heart failure."]})).codes
    both = found.row(by_predicate=pl.col("code") == "I11.0", named=True)
    assert both["evidence"] == "m1 m2"
    assert "I10 + I50.9" in both["notes"]
    assert "I.C.9.a.1" in both["notes"]


def test_what_is_only_included_combines_with_nothing() -> None:
    assert set(coded("Hypertension. No heart failure.", include=["negated"])) == {"I10", "I50.9"}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Knee pain.", {"M25.569"}),
        ("Knee pain on the left.", {"M25.562"}),
        ("Bilateral knee pain.", {"M25.561", "M25.562"}),
        ("Left and right knee pain.", {"M25.561", "M25.562"}),
        ("Knee pain. Knee pain, right.", {"M25.561"}),
        ("Anemia in pregnancy.", {"O99.019"}),
        ("Anemia in pregnancy, now in the third trimester.", {"O99.013"}),
        ("Pregnant at 32 weeks gestation, anemia in pregnancy.", {"O99.013", "Z3A.32"}),
        ("Right tibia fracture.", {"S82.201A"}),
        ("Open right tibia fracture.", {"S82.201B"}),
        ("Right tibia fracture with nonunion.", {"S82.201K"}),
        ("HFrEF.", {"I50.20"}),
        ("Acute on chronic HFrEF.", {"I50.23"}),
        ("Stage III sacral sore.", {"L89.153"}),
        ("Sacral sore, stage 3.", {"L89.153"}),
        ("Sacral sore. Stage 3 lung cancer.", {"L89.159"}),
    ],
)
def test_the_words_beside_a_mention_complete_its_code(text: str, codes: set[str]) -> None:
    assert set(coded(text)) == codes


@pytest.mark.parametrize(
    ("text", "mention", "others", "said"),
    [
        ("fracture of the left radius", "fracture", [], ("left",)),
        ("fracture of the radius, left", "fracture of the radius", [], ("left",)),
        ("right-sided chest wall pain", "pain", [], ("right",)),
        ("right hip pain and knee pain", "knee pain", ["right hip pain"], ()),
        ("left greater than right leg edema", "leg edema", [], ("bilateral",)),
        ("cough. Right arm weak", "cough", [], ()),
        ("R ankle sprain", "ankle sprain", [], ("right",)),
        ("given 2 L knee pain", "knee pain", [], ()),
        ("knee pain b/l", "knee pain", [], ("bilateral",)),
        ("wrist sprain, L. Home", "wrist sprain", [], ("left",)),
        ("wrist sprain R/O fracture", "wrist sprain", [], ()),
    ],
)
def test_sides(text: str, mention: str, others: list[str], said: tuple[str, ...]) -> None:
    def span(part: str) -> tuple[int, int]:
        return text.index(part), text.index(part) + len(part)

    assert sides(text, span(mention), [span(other) for other in others]) == said


@pytest.mark.parametrize(
    ("text", "weeks", "said"),
    [
        ("G1P0 at 13 weeks gestation", 13, "first trimester"),
        ("14 weeks pregnant", 14, "second trimester"),
        ("pregnancy of 28 weeks", 28, "third trimester"),
        ("gestational age 27 6/7 weeks", 27, "second trimester"),
        ("cough for 3 weeks", None, ""),
        ("first trimester and third trimester scans", None, ""),
    ],
)
def test_gestation(text: str, weeks: int | None, said: str) -> None:
    assert (gestation(text), trimester_of(text)) == (weeks, said)


def test_past_and_family_sections_make_histories() -> None:
    note = "HISTORY OF PRESENT ILLNESS: fever.\n\nPAST MEDICAL HISTORY: stroke.\n\nFAMILY HISTORY: type 2 diabetes."
    found = coded(note)
    assert set(found) == {"R50.9", "Z86.73", "Z83.3"}
    assert "I63.9" in found["Z86.73"]
    assert set(coded("Admitted with a stroke.\n\nPAST MEDICAL HISTORY: stroke.")) == {"I63.9"}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("She underwent cholecystectomy on day 2.", set()),
        ("Status post cholecystectomy.", {"Z90.49"}),
        ("Cholecystectomy in 2009.", {"Z90.49"}),
        ("PAST SURGICAL HISTORY:\nCholecystectomy", {"Z90.49"}),
    ],
)
def test_a_procedure_done_now_is_no_status(text: str, codes: set[str]) -> None:
    assert set(coded(text)) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Stroke 5 years ago.", {"Z86.73"}),
        ("Stroke in 2012.", {"Z86.73"}),
        ("Hypertension diagnosed in 2010.", {"I10"}),
        ("Stroke today.", {"I63.9"}),
    ],
)
def test_what_the_text_dates_back_is_a_history_where_there_is_a_code_for_it(text: str, codes: set[str]) -> None:
    assert set(coded(text)) == codes


def test_what_is_the_mothers_is_not_on_the_newborns_record() -> None:
    both = "Anemia in pregnancy. Sepsis of newborn."
    assert set(coded(f"G2P1 in labor. {both}")) == {"O99.019"}
    assert set(coded(f"NICU stay, DOL 3, baby boy. {both}")) == {"P36.9"}


def test_a_poisoning_meant_is_no_accident() -> None:
    assert set(coded("Aspirin overdose.")) == {"T39.011A"}
    assert set(coded("Suicide attempt by aspirin overdose.")) == {"T39.012A"}


def test_exclusions_are_said_of_both_codes_and_drop_none() -> None:
    found = coded("Stroke. Chronic kidney disease stage 4.")
    assert found["N18.4"].count("not with I63.9") == found["I63.9"].count("not with N18.4") == 1
    assert "Excludes1 at" in found["N18.4"]


def test_partners_are_missed_where_the_release_asks_for_them() -> None:
    unstaged = coded("Type 2 diabetes mellitus, chronic kidney disease.")["E11.22"]
    assert "use additional code, not found: stage of chronic kidney disease" in unstaged
    assert "not found" not in coded("Type 2 diabetes mellitus. Chronic kidney disease stage 4.")["E11.22"]
    assert "insulin" not in unstaged, "a status is coded where it applies"
    assert "code first, not found: underlying disease" in coded("Glomerular trouble.")["N08"]
    assert "not found" not in coded("Glomerular trouble in sepsis.")["N08"]


def test_what_stands_before_its_partner_says_so() -> None:
    found = coded("Glomerular trouble. Glomerular trouble. Sepsis.")
    assert list(found) == ["A41.9", "N08"], "the principal diagnosis is listed first"
    assert found["N08"] == "code first A41.9"


def test_the_principal_diagnosis_is_proposed_by_section() -> None:
    note = "HISTORY OF PRESENT ILLNESS: fever, heart failure.\n\nDISCHARGE DIAGNOSIS:\nSepsis\nHeart failure\n"
    found = coded(note)
    assert "proposed as principal diagnosis: first under discharge diagnosis" in found["A41.9"]
    assert sum("principal" in notes for notes in found.values()) == 1
    assert "principal" in coded("HISTORY OF PRESENT ILLNESS: fever. Heart failure.")["I50.9"], "a symptom goes behind"
    assert "first under no heading" in coded("Fever. Type 2 diabetes mellitus.")["E11.9"]
    assert "principal" in coded("PAST MEDICAL HISTORY: sepsis.")["A41.9"], "the only code of a note is its principal"


def test_what_the_text_calls_the_reason_goes_before_what_is_listed_and_what_is_past() -> None:
    text = "History of stroke. Hypertension, admitted for sepsis."
    assert "the reason or the diagnosis under no heading" in coded(text)["A41.9"]
    assert "first under no heading" in coded("History of stroke. Hypertension.")["I10"]


def test_what_the_classification_codes_first_is_proposed_instead() -> None:
    book = coder().linkers[0].book
    failure, hypertensive = (book.position_of_code[code] for code in ("I50.9", "I11.0"))
    proposals = [
        ProposedCode(failure, [0], 1.0, affirmed=True, remarks=["code first I11.0"]),
        ProposedCode(hypertensive, [1], 1.0, affirmed=True),
    ]
    chosen = principal(proposals, book, MentionPlaces("ab cd", [(0, 2), (3, 5)], [], [(0, 5)]))
    assert chosen is proposals[1]
    assert proposals[0].remarks == ["code first I11.0"]
    assert proposals[1].remarks == ["proposed as principal diagnosis: I50.9 has it coded first"]


def test_a_residual_code_yields_to_what_stands_near() -> None:
    """A heart disease without its kind is the one beside it; elsewhere in the note it is another."""
    assert all(rule.near for rule in residual_codes("icd10cm")["I51.9"])
    assert not any(rule.near for rule in residual_codes("icd10cm")["C80.1"])


def test_references_of_an_instruction() -> None:
    found = references("drug (T36-T50 with fifth or sixth character 5), failure (J96.-)")
    assert [found[0].names(code) for code in ("T40.5X5A", "T40.2X1A", "T51.0")] == [True, False, False]
    assert found[1].names("J96.01")
    assert references("vitamin B12 deficiency (anemia)") == ()


@pytest.mark.parametrize("name", ["combinations_icd10cm", "histories_icd10cm"])
def test_data_files_say_why_and_hold_no_row_twice(name: str) -> None:
    lines = resources.files("conceptmap").joinpath(f"data/{name}.csv").read_text("utf-8").splitlines()
    rows = list(csv.DictReader(lines))
    assert all(row["reason"] and row["gives"] for row in rows)
    assert len({tuple(row.items()) for row in rows}) == len(rows)


def test_rules_name_codes() -> None:
    assert {rule.gives[0] for rule in combinations("icd10cm")} <= set("=ABCDEFGHIJKLMNQRSTUZ")
    assert combinations("doid") == ()
    assert parse_ranges("") == ()


def test_inner_words_stay_at_the_lower_ranks_of_a_mention() -> None:
    text = "Chronic kidney disease, stage 4."
    found = coder().annotate_many(pl.DataFrame({"note_id": ["n"], "text": [text]}), candidates=5)
    (span,) = set(found.mentions["text"])
    assert span == text[:-1]
    ranked = found.mentions.sort("rank")
    assert ranked["code"].to_list()[0] == "N18.4"
    assert "N18.9" in ranked["code"].to_list()[1:]
    assert ranked["score"].is_sorted(descending=True)
    assert found.codes["code"].to_list() == ["N18.4"]
    assert "N18.9" in found.candidates["code"].to_list()
