"""Pairs of injuries and of their causes that differ by one rule: side, site, number, level, grade, depth, minutes."""

from __future__ import annotations

import pytest
from whole_release import codes_of, mapper

from conceptmap.coding.derived.external_causes import external_causes
from conceptmap.coding.derived.injuries import injuries
from conceptmap.text.sections import sections


def harmed(text: str) -> set[str]:
    return {harm.code for harm in injuries(text, sections(text), mapper().linkers[0].book)}


def caused(text: str) -> set[str]:
    return {found.code for found in external_causes(text, sections(text))}


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        ("No fx. Left rib fx.", {"S22.32XA"}),
        ("Left rib fx in 2010.", set()),
        ("Left rib fx today.", {"S22.32XA"}),
        ("No dislocation, fracture of the left femur.", {"S72.92XA"}),
        ("Fracture of the left femur, laceration of the scalp.", {"S72.92XA", "S01.01XA"}),
        ("Left: fracture of the femur.", {"S72.92XA"}),
        ("XR left hand, right foot: fracture of the fifth metatarsal.", {"S92.353A"}),
        ("Left and right ankle sprain.", {"S93.409A"}),
        ("Lt ankle sprain.", {"S93.402A"}),
        ("Rt ankle sprain.", {"S93.401A"}),
        ("Fx of multiple ribs.", {"S22.49XA"}),
        ("Rib fractures.", {"S22.49XA"}),
        ("Rib fracture.", {"S22.39XA"}),
        ("Fracture of the right 4th rib.", {"S22.31XA"}),
        ("Fx of left 4th and 5th ribs.", {"S22.42XA"}),
        ("L rib 4, 5 fx.", {"S22.42XA"}),
        ("Fractured 3rd-6th ribs on the right.", {"S22.41XA"}),
        ("Fractures of ribs and clavicle.", {"S22.49XA", "S42.009A"}),
        ("Fracture of the left 4th, 5th ribs and clavicle.", {"S22.42XA", "S42.002A"}),
        ("Lacerations of the left hand and right knee.", {"S61.412A", "S81.011A"}),
        ("Laceration of the left hand.", {"S61.412A"}),
        ("Vaginal laceration repaired.", set()),
        ("Compression fracture of L1.", set()),
    ],
)
def test_each_injury_has_the_side_and_the_site_of_its_own_clause(said: str, codes: set[str]) -> None:
    assert harmed(f"He fell. {said}") == codes


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        ("C1 fracture.", {"S12.000A"}),
        ("C5 fracture.", {"S12.400A"}),
        ("C7 fracture.", {"S12.600A"}),
        ("C8 fracture.", set()),
        ("T1 fracture.", {"S22.019A"}),
        ("T12 fracture.", {"S22.089A"}),
        ("T13 fracture.", set()),
        ("L1 fracture.", {"S32.019A"}),
        ("L5 fracture.", {"S32.059A"}),
        ("L6 fracture.", set()),
        ("T11 and L1 fracture.", {"S22.089A", "S32.019A"}),
        ("T6 spinous process fx.", {"S22.058A"}),
        ("L2 burst fx.", {"S32.022A"}),
        ("L2 sprain.", set()),
    ],
)
def test_each_broken_vertebra_is_one_there_is(said: str, codes: set[str]) -> None:
    assert harmed(f"He fell. {said}") == codes


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Open fracture of the skull.", "S02.91XB"),
        ("Fracture of the skull.", "S02.91XA"),
        ("Open grade 3 fracture of the left femur.", "S72.92XC"),
        ("Open grade 1 fracture of the left femur.", "S72.92XB"),
        ("Compound fracture of the left femur.", "S72.92XB"),
        ("Open type III fracture of the left clavicle.", "S42.002B"),
    ],
)
def test_the_type_of_an_open_fracture_counts_in_long_bones_of_the_limbs(said: str, code: str) -> None:
    assert harmed(f"He fell. {said}") == {code}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Liver lac.", "S36.113A"),
        ("Hepatic laceration, grade I.", "S36.114A"),
        ("Liver lac grade 2.", "S36.115A"),
        ("Liver lac grade IV.", "S36.116A"),
        ("Splenic lac.", "S36.039A"),
        ("Splenic lac grade I.", "S36.030A"),
        ("Splenic lac grade 2.", "S36.031A"),
        ("Splenic lac grade V.", "S36.032A"),
        ("RLL contusion.", "S27.321A"),
        ("SAH, LOC 20 seconds.", "S06.6X1A"),
        ("SAH, LOC 5-10 min.", "S06.6X1A"),
        ("SAH, LOC 30 min.", "S06.6X1A"),
        ("SAH, LOC 31 min.", "S06.6X2A"),
        ("SAH, LOC 59 min.", "S06.6X2A"),
        ("SAH, LOC 25-60 min.", "S06.6X3A"),
        ("SAH, LOC 5 hours.", "S06.6X3A"),
        ("SAH, LOC 6 hours.", "S06.6X4A"),
        ("SAH, LOC 24 hours.", "S06.6X4A"),
        ("SAH, LOC 25 hours.", "S06.6X5A"),
        ("SAH, brief LOC.", "S06.6X1A"),
        ("SAH, LOC.", "S06.6X9A"),
        ("SAH, denies LOC.", "S06.6X0A"),
        ("SAH.", "S06.6XAA"),
        ("Epidural hematoma, without loss of consciousness.", "S06.4X0A"),
        ("Concussion, no LOC.", "S06.0X0A"),
        ("Concussion, LOC 10 min.", "S06.0X1A"),
        ("Concussion, LOC 2 hours.", "S06.0X9A"),
    ],
)
def test_grades_of_organs_and_how_long_consciousness_was_lost(said: str, code: str) -> None:
    assert code in harmed(f"He fell. {said}")
    same = {c for c in harmed(f"He fell. {said}") if c[:5] == code[:5]}
    assert same == {code}


def test_bruised_lungs_are_one_or_both() -> None:
    assert "S27.321A" in harmed("He fell. Pulmonary contusion.")
    assert "S27.322A" in harmed("He fell. Bilateral pulmonary contusions.")
    assert "S27.321A" not in harmed("He fell. Bilateral pulmonary contusions.")


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        ("Burn 8% TBSA.", {"T31.0"}),
        ("Burn 9.5% TBSA, 5% third degree.", {"T31.0"}),
        ("Burn 15% of the body.", {"T31.10"}),
        ("TBSA 32%, burned.", {"T31.30"}),
        ("TBSA 32%.", set()),
        ("Burn 32% TBSA, 12% full thickness, 22% full thickness.", {"T31.32"}),
        ("Burn 95% TBSA, 92% full thickness.", {"T31.99"}),
        ("Burn 100% TBSA.", {"T31.90"}),
        ("Burn, left hand, second degree.", {"T23.202A"}),
        ("Burn, left hand, third degree.", {"T23.302A"}),
        ("Burn, hand, second degree, treated with left graft.", {"T23.209A"}),
    ],
)
def test_the_depth_and_the_extent_of_burns(said: str, codes: set[str]) -> None:
    assert harmed(f"He fell. {said}") == codes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("MVC. Driver.", "V49.40XA"),
        ("MVC. Passenger.", "V49.50XA"),
        ("MVC.", "V89.2XXA"),
        ("MVC. Driver of a car struck by a bus.", "V44.5XXA"),
        ("MVC. Passenger, hit a tree.", "V47.6XXA"),
        ("MVC. Passenger, rollover.", "V48.6XXA"),
        ("MVC. Driver, lost control.", "V48.5XXA"),
        ("MVC. Driver T-boned by another car.", "V43.52XA"),
        ("MVC. Driver, hit by an SUV.", "V43.51XA"),
        ("MVC. Driver, hit by a van.", "V43.54XA"),
        ("Bicyclist struck by a car.", "V13.4XXA"),
        ("Motorcycle crash.", "V29.408A"),
        ("Motorcycle crash, hit a tree.", "V27.49XA"),
        ("Motorcycle crash, lost control.", "V28.49XA"),
        ("Motorcyclist struck by a truck.", "V24.49XA"),
        ("Motorcyclist struck by a car.", "V23.49XA"),
        ("Pedestrian struck by a bus.", "V04.10XA"),
        ("Pedestrian struck by a car.", "V03.10XA"),
        ("MVC, then fell down the stairs.", "V89.2XXA"),
        ("Assaulted, then he fell down the stairs.", "W10.9XXA"),
    ],
)
def test_a_collision_by_who_was_hurt_and_what_was_hit(text: str, code: str) -> None:
    assert code in caused(text)
    assert len({c for c in caused(text) if c[0] in "VW"}) == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("He fell in his bedroom.", "Y92.003"),
        ("He fell in the hallway.", "Y92.008"),
        ("He fell. Kitchen knife was found.", ""),
        ("She fell in the shower of her apartment.", "Y92.031"),
        ("She fell in the hallway of her condo.", "Y92.038"),
        ("She fell in the bedroom of the assisted living.", "Y92.122"),
        ("She fell in the living room of her nursing home.", "Y92.128"),
        ("She fell in the kitchen; lives in a house.", "Y92.010"),
        ("She fell in the bathroom; lives in a house.", "Y92.012"),
        ("She fell in the bedroom; lives in a house.", "Y92.013"),
        ("She fell on the porch; lives in a house.", "Y92.018"),
        ("Prior fall in the kitchen. She fell.", ""),
    ],
)
def test_the_room_and_the_dwelling_of_a_fall(text: str, place: str) -> None:
    assert {code for code in caused(text) if code.startswith("Y92")} == ({place} if place else set())


@pytest.mark.parametrize(
    ("text", "other"),
    [("MVC two years ago.", "MVC."), ("History of MVC.", "MVC."), ("PLAN: avoid MVC.", "HOSPITAL COURSE: MVC.")],
)
def test_a_cause_of_the_past_or_of_advice_is_none(text: str, other: str) -> None:
    assert not caused(text)
    assert caused(other) == {"V89.2XXA"}


@pytest.mark.parametrize(
    ("text", "there", "gone"),
    [
        ("MVC. Acute SDH.", {"S06.5XAA"}, {"I62.01"}),
        ("Acute SDH.", {"I62.01"}, {"S06.5XAA"}),
        ("MVC. SAH.", {"S06.6XAA"}, {"I60.9"}),
        ("SAH.", {"I60.9"}, {"S06.6XAA"}),
        ("MVC. L ribs 4-8 fx. L pneumothorax.", {"S27.0XXA"}, {"J93.9", "S27.2XXA"}),
        ("MVC. L ribs 4-8 fx. Hemothorax.", {"S27.1XXA"}, {"J94.2", "S27.2XXA"}),
        ("MVC. L ribs 4-8 fx. Hemopneumothorax.", {"S27.2XXA"}, {"S27.1XXA"}),
        ("He fell. Left hip fracture. Open fracture of the left hip.", {"S72.002B"}, {"S72.002A"}),
        ("He fell. Left 7th rib fx. L ribs 4-8 fx.", {"S22.42XA"}, {"S22.32XA"}),
        ("He fell. Acute SDH. Acute SDH, LOC 10 min.", {"S06.5X1A"}, {"S06.5XAA"}),
        ("He fell down the stairs. Left 7th rib fx.", {"W10.9XXA"}, {"W19.XXXA"}),
        ("He fell. Left 7th rib fx.", {"W19.XXXA"}, {"W10.9XXA"}),
    ],
)
def test_what_trauma_makes_of_other_codes(text: str, there: set[str], gone: set[str]) -> None:
    found = codes_of(text)
    assert there <= found
    assert not gone & found
