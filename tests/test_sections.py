"""Headings are found in every layout, named from the published set, and problem names are left alone."""

from __future__ import annotations

import csv
import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmap.text.sections import Section, section_names, sections

LINES = st.sampled_from(
    [
        "FAMILY HISTORY:",
        "Mother with CAD.",
        "PMH: asthma.",
        "## Plan",
        "HPI - cough",
        "- Allergies: none",
        "\r\n",
        "\n\n",
        "😀 x",
        "HEENT: clear.",
        "Nausea: denies",
        "LUPUS",
        "\u00a0",
        "The patient was well and had no complaints today.",
        "SUBJECTIVE:, text. PLAN: rest.",
    ]
)


@given(st.lists(LINES, max_size=15).map("\n".join) | st.text(max_size=150))
def test_sections_tile_the_note_and_headings_lie_inside(text: str) -> None:
    found = sections(text)
    assert "".join(text[part.start_char : part.end_char] for part in found) == text
    for part in found:
        assert part.start_char <= part.heading_start <= part.heading_end <= part.end_char
        heading = text[part.heading_start : part.heading_end]
        assert heading.startswith(part.heading_text)
        assert heading == heading.strip()
        assert part.name is None or section_names()[part.name] == part.loinc


def named(text: str) -> list[tuple[str | None, str]]:
    return [(part.name, part.heading_text) for part in sections(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CHIEF COMPLAINT\nCough", [("chief complaint", "CHIEF COMPLAINT")]),
        ("Past Medical History\n- asthma", [("past medical history", "Past Medical History")]),
        ("past medical history: asthma", [("past medical history", "past medical history")]),
        ("**Assessment:** gout", [("assessment", "Assessment")]),
        ("PMH  asthma\nFH\tgout", [("past medical history", "PMH"), ("family history", "FH")]),
        ("PSH tonsillectomy", [("past surgical history", "PSH")]),
        ("ALL latex", [(None, "")]),
        ("### Hospital Course\nWell.", [("hospital course", "Hospital Course")]),
        ("3. Discharge Diagnoses:\nGout", [("discharge diagnosis", "Discharge Diagnoses")]),
        ("PMH - asthma", [("past medical history", "PMH")]),
        ("ALLERGIES (per chart): none", [("allergies", "ALLERGIES (per chart)")]),
        ("A&P: gout", [("assessment and plan", "A&P")]),
        ("REVIEW OF SYSTEMS The patient feels well.", [("review of systems", "REVIEW OF SYSTEMS")]),
        ("Right Knee Exam: tender", [("physical exam", "Right Knee Exam")]),
        ("PREVIOUS CARDIAC STUDIES:\nEcho", [("results", "PREVIOUS CARDIAC STUDIES")]),
        ("SUBJECTIVE:, Well. ALLERGIES: None.", [("subjective", "SUBJECTIVE"), ("allergies", "ALLERGIES")]),
        ("PREOP DIAGNOSIS: Gout\nPOSTOP DIAGNOSIS: Same",
         [("preoperative diagnosis", "PREOP DIAGNOSIS"), ("postoperative diagnosis", "POSTOP DIAGNOSIS")]),
        ("TECHNIQUE: CT.\nFINDINGS: Cyst.\nIMPRESSION: Cyst.",
         [("technique", "TECHNIQUE"), ("findings", "FINDINGS"), ("impression", "IMPRESSION")]),
    ],
)  # fmt: skip
def test_headings_of_every_layout_are_named(text: str, expected: list[tuple[str | None, str]]) -> None:
    assert named(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Hypertension.\nStable on lisinopril.",
        "CONGESTIVE HEART FAILURE\nStable.",
        "Nausea: denies\nFever: no",
        "The plan was discussed: rest.",
        "Patient has a family history of gout",
        "The report gave the final diagnosis: gout",
    ],
)
def test_problems_and_prose_are_no_headings(text: str) -> None:
    assert named(text) == [(None, "")]


def test_a_note_without_headings_is_one_unnamed_section_and_an_empty_note_none() -> None:
    assert sections("cough for a week") == [Section(0, 16, 0, 0, "", None, None)]
    assert sections("") == []


def test_parts_keep_the_name_of_the_section_they_divide() -> None:
    text = "REVIEW OF SYSTEMS\nCardiovascular: no pain.\nHEENT: clear.\nPHYSICAL EXAM\nHEENT: icterus."
    assert [name for name, _ in named(text)] == ["review of systems"] * 3 + ["physical exam"] * 2


def test_items_that_head_a_list_are_nested_in_their_section() -> None:
    text = "ASSESSMENT AND PLAN\nGout.\n- Instructions: rest.\n\nAsthma.\n- Medical Reasoning: stable."
    assert named(text) == [
        ("assessment and plan", "ASSESSMENT AND PLAN"),
        ("instructions", "Instructions"),
        ("assessment and plan", ""),
        ("assessment and plan", "Medical Reasoning"),
    ]


@pytest.mark.parametrize(
    "following",
    [
        "\n\nThe knee hurts.",
        "\nPhysical findings today: pallor.",
        "\nThe patient was found to have pallor today.",
        "\nANAEMIA\n",
    ],
)
def test_family_history_does_not_leak_into_what_follows(following: str) -> None:
    text = f"FAMILY HISTORY: Mother with gout.{following}"
    place = len(text) - 3
    inside = next(part for part in sections(text) if part.start_char <= place < part.end_char)
    assert inside.name != "family history"


def test_family_history_goes_on_over_lines_about_relatives() -> None:
    text = "Family history: Mother had a stroke.\nFather: gout\nHer maternal aunt has had breast cancer for years."
    assert named(text) == [("family history", "Family history")]


def test_the_published_set_is_consistent() -> None:
    source = resources.files("conceptmap").joinpath("data/section_headings.csv")
    rows = list(csv.DictReader(source.read_text(encoding="utf-8").splitlines()))
    headings = [row["heading"] for row in rows]
    assert len(set(headings)) == len(headings)
    assert all(heading == heading.lower().strip() for heading in headings)
    assert {row["kind"] for row in rows} == {"section", "part"}
    assert all(bool(row["name"]) == (row["kind"] == "section") for row in rows)
    assert len({(row["name"], row["loinc"]) for row in rows}) == len({row["name"] for row in rows})


@pytest.mark.parametrize("loinc", sorted({code for code in section_names().values() if code}))
def test_loinc_codes_have_their_check_digit(loinc: str) -> None:
    assert re.fullmatch(r"\d{4,5}-\d", loinc)
    digits, check = loinc.split("-")
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    assert (10 - total % 10) % 10 == int(check)
