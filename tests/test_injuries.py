"""Injuries composed of what a clause says; each pair differs by its rule alone."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from conceptmap import ConceptMapper
from conceptmap.coding.derived.external_causes import external_causes
from conceptmap.coding.derived.injuries import injuries
from conceptmap.data.tables import read_rows
from conceptmap.text.sections import sections


@cache
def mapper() -> ConceptMapper:
    return ConceptMapper.load("icd10cm", encoder=None)


def codes(text: str) -> set[str]:
    return set(mapper().code(pl.DataFrame({"note_id": ["n"], "text": [text]}))["code"])


def found(text: str) -> set[str]:
    return {harm.code for harm in injuries(text, sections(text), mapper().linkers[0].book)}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("XR L hand: nondisplaced fx of base of 5th metacarpal.", "S62.347A"),
        ("XR R hand: nondisplaced fx of base of 5th metacarpal.", "S62.346A"),
        ("XR L hand: displaced fx of base of 5th metacarpal.", "S62.317A"),
        ("XR L hand: nondisplaced fx of shaft of 5th metacarpal.", "S62.357A"),
        ("Comminuted midshaft fx of left femur.", "S72.352A"),
        ("Fracture of the distal left radius.", "S52.502A"),
        ("Open fracture of the distal left radius.", "S52.502B"),
        ("Open type III fracture of the distal left radius.", "S52.502C"),
        ("L ribs 4-8 fx.", "S22.42XA"),
        ("L 7th rib fx.", "S22.32XA"),
        ("R ribs 4-8 fx.", "S22.41XA"),
        ("L1 transverse process fx.", "S32.018A"),
        ("L1 burst fracture.", "S32.012A"),
        ("T11 fracture.", "S22.089A"),
        ("Splenic lac grade III.", "S36.032A"),
        ("Splenic lac grade I.", "S36.030A"),
        ("Small laceration of the tongue.", "S01.512A"),
        ("Bruise of the forehead.", "S00.83XA"),
        ("Posterior dislocation of the right shoulder.", "S43.024A"),
        ("Left ankle sprain.", "S93.402A"),
        ("Acute SDH, LOC 10 min.", "S06.5X1A"),
        ("Acute SDH, LOC 2 hours.", "S06.5X3A"),
        ("Acute SDH, no LOC.", "S06.5X0A"),
        ("Acute SDH.", "S06.5XAA"),
        ("Burn, right lower leg, full thickness.", "T24.331A"),
        ("Burn, right lower leg, partial thickness.", "T24.231A"),
        ("Burn: right forearm and the back of the right hand, partial thickness.", "T22.211A"),
        ("Burn: right forearm and the back of the right hand, partial thickness.", "T23.261A"),
        ("Burn 14% TBSA.", "T31.10"),
        ("Burn 24% TBSA, 12% third degree.", "T31.21"),
    ],
)
def test_kind_site_side_and_manner_make_the_code(text: str, code: str) -> None:
    assert code in found(f"He fell. {text}")


@pytest.mark.parametrize(
    "text",
    [
        "He fell. Old healed left rib fx.",
        "He fell. No left rib fx.",
        "PAST MEDICAL HISTORY: left rib fx after he fell",
        "Left rib fx.",  # nothing tells of an accident: the words alone are coded as they are
        "He fell. Osteoporotic fracture of the left femur.",
    ],
)
def test_what_is_past_denied_or_of_a_disease_is_no_injury_of_now(text: str) -> None:
    assert not found(text)


def test_an_injured_bone_is_open_where_the_note_calls_it_open_once() -> None:
    text = "MVC. Comminuted midshaft fx of left femur. Course: left femur type I open fx was nailed."
    assert "S72.352B" in codes(text)
    assert "S72.352A" in codes(text.replace("open ", ""))


def test_air_and_blood_in_the_chest_after_an_injury_are_one_code() -> None:
    text = "MVC. L ribs 4-8 fx. L pneumothorax. Small hemothorax."
    assert "S27.2XXA" in codes(text)
    assert "S27.2XXA" not in codes(text.replace(" Small hemothorax.", ""))
    assert "J93.9" in codes("Spontaneous illness. L pneumothorax.")


def test_an_injury_without_its_site_adds_nothing_to_one_with_it() -> None:
    assert "T14.90XA" not in codes("MVC with injury. L ribs 4-8 fx.")


def caused(text: str) -> set[str]:
    return {found.code for found in external_causes(text, sections(text))}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("MVC. Driver struck by a pickup.", "V43.53XA"),
        ("MVC. Passenger struck by a pickup.", "V43.63XA"),
        ("MVC. Driver struck by a semi.", "V44.5XXA"),
        ("MVC. Driver hit a tree.", "V47.5XXA"),
        ("MVC.", "V89.2XXA"),
        ("Pedestrian struck by a car.", "V03.10XA"),
        ("He fell down the stairs.", "W10.9XXA"),
        ("He fell from a ladder.", "W11.XXXA"),
        ("He fell out of bed.", "W06.XXXA"),
        ("He fell.", "W19.XXXA"),
        ("Ground-level fall.", "W18.30XA"),
        ("Syncope in the shower.", "W18.2XXA"),
        ("Poured gasoline, which flashed; burned.", "X04.XXXA"),
        ("His shirt caught fire; burned.", "X06.2XXA"),
        ("Dog bite, injury of the hand.", "W54.0XXA"),
        ("She fell in the kitchen of her apartment.", "Y92.030"),
        ("She fell in the kitchen of her nursing home.", "Y92.120"),
        ("She fell in the kitchen.", "Y92.000"),
        ("She fell in the bathroom.", "Y92.002"),
        ("Injured while playing soccer.", "Y93.66"),
        ("Injured while playing basketball.", "Y93.67"),
    ],
)
def test_cause_place_and_activity(text: str, code: str) -> None:
    assert code in caused(text)


@pytest.mark.parametrize(
    ("text", "cause", "other"),
    [
        ("Gunshot wound of the left thigh, open wound.", "W34.00XA", "X95.9XXA"),
        ("Shot by a neighbour in the left thigh, open wound.", "X95.9XXA", "W34.00XA"),
        ("Stab wound of the left thigh.", "W26.0XXA", "X99.1XXA"),
        ("Stabbed in the left thigh.", "X99.1XXA", "W26.0XXA"),
    ],
)
def test_an_intent_that_is_not_said_is_accidental(text: str, cause: str, other: str) -> None:
    """Guideline I.C.20.h."""
    assert cause in caused(text)
    assert other not in caused(text)


@pytest.mark.parametrize(
    "text",
    ["No MVC.", "TBI (MVC age 19).", "Lost his insurance in the fall.", "PAST MEDICAL HISTORY: MVC", "Risk of falls."],
)
def test_what_is_long_ago_or_denied_caused_nothing_now(text: str) -> None:
    assert not caused(text)


def test_causes_stand_beside_an_injury_alone() -> None:
    assert "W10.9XXA" in codes("He fell down the stairs. Left 7th rib fx.")
    assert "W10.9XXA" not in codes("He fell down the stairs. Pneumonia.")


def test_every_external_cause_of_the_table_exists() -> None:
    book = mapper().linkers[0].book
    rows = read_rows("external_causes", "icd10cm")
    assert [row["code"] for row in rows if not book.billable[book.position_of_code.get(row["code"], 0)]] == []
