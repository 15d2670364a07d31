"""Pairs for what other pairs left: encounters of brittle bones, notes without a stop, proposals, unequal lengths."""

from __future__ import annotations

import pytest
from whole_release import codes_of, mapper

from conceptmap.coding.acceptance.acceptance import Acceptance
from conceptmap.coding.acceptance.known import FEATURES
from conceptmap.coding.coding import note_codes
from conceptmap.coding.contexts_as_coded import contexts_as_coded
from conceptmap.coding.derived.drug_harm import Finding, adverse_effects
from conceptmap.coding.derived.drugs import drugs_in
from conceptmap.coding.derived.external_causes import external_causes
from conceptmap.coding.derived.fragility import settle_fragility
from conceptmap.coding.derived.newborns import is_newborn
from conceptmap.coding.derived.underdosing import underdosing
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCodes, add, codes_in, drop, exchange, take
from conceptmap.coding.uncertain_diagnoses import as_established
from conceptmap.matching.defined_short_forms import defined_short_forms
from conceptmap.matching.mentions import Candidate, Mention
from conceptmap.ontology.code_ranges import parse_ranges
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.context import Context
from conceptmap.text.sentences import sentences
from conceptmap.text.view import all_seen


def book() -> CodeBook:
    return mapper().linkers[0].book


def at(code: str) -> int:
    return book().position_of_code[code]


def named(proposals: ProposedCodes) -> list[str]:
    return [book().codes[concept] for concept in proposals]


KEPT = {"A": "ABC", "D": "DEF", "G": "GHJ", "K": "KMN", "P": "PQR", "S": "S"}
BROKEN = {"S72.001": "M80.051", "S72.002": "M80.052", "S72.009": "M80.059", "S52.501": "M80.031"}


@pytest.mark.parametrize(("letter", "brittle"), [(letter, kept) for kept in KEPT for letter in KEPT[kept]])
@pytest.mark.parametrize(("site", "becomes"), BROKEN.items())
def test_a_brittle_bone_keeps_the_encounter_and_the_side_of_its_fracture(
    letter: str, brittle: str, site: str, becomes: str
) -> None:
    text = "Osteoporosis. Osteoporotic fracture."
    proposals: ProposedCodes = {}
    add(proposals, at("M81.0"), [0], 0.9, affirmed=True)
    add(proposals, at(f"{site}{letter}"), [1], 0.9, affirmed=True)
    settle_fragility(proposals, book(), MentionPlaces(text, [(0, 12), (14, 35)], [], sentences(text)))
    assert named(proposals)[1] == f"{becomes}{brittle}"


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        ("Osteoporosis. Fell, S72.001A.", {"M80.051A"}),
        ("Osteoporosis. MVC, S72.001A.", {"S72.001A"}),
        ("Osteoporosis. S72.001A.", {"S72.001A"}),
        ("Osteopenia. Fell, S72.001A.", {"S72.001A"}),
        ("Osteoporosis. Fell, S72.001D.", {"S72.001D"}),
    ],
)
def test_a_minor_fall_breaks_a_brittle_bone_and_a_crash_any(said: str, codes: set[str]) -> None:
    assert codes <= codes_of(said)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("He fell in the kitchen", "Y92.000"),
        ("He fell in the kitchen.", "Y92.000"),
        ("He fell. It was in the kitchen", ""),
        ("He fell at the kitchen", "Y92.000"),
        ("He fell in the bath tub", "Y92.002"),
    ],
)
def test_the_room_of_a_fall_is_named_before_the_stop(text: str, place: str) -> None:
    assert [one.code for one in external_causes(text, []) if one.code.startswith("Y92")] == ([place] if place else [])


def test_a_word_that_holds_a_sign_of_the_first_days_is_none() -> None:
    said = "mother, mom, maternal, caffeine, surfactant, phototherapy"
    assert not is_newborn(f"Subway to the clinic with {said}.")
    assert is_newborn(f"BW 3 kg, with {said}.")


@pytest.mark.parametrize(
    ("text", "word", "laid"),
    [
        ("rash, amoxicillin rash", "rash", False),
        ("amoxicillin rash", "rash", True),
        ("amoxicillin. rash", "rash", False),
        ("rash from amoxicillin", "rash", True),
        ("rash not from amoxicillin", "rash", False),
        ("amoxicillin-induced rash", "rash", True),
    ],
)
def test_a_finding_right_beside_a_drug_is_laid_to_it(text: str, word: str, laid: bool) -> None:
    start = text.index(word)
    finding = Finding(start, start + len(word), "L27.0")
    drugs = drugs_in(text, "icd10cm")
    assert any(adverse_effects(text, sentences(text), drugs, [finding], "icd10cm")) is laid


def test_a_finding_ends_where_the_drug_that_it_names_begins() -> None:
    text = "due to amoxicillin"
    drugs = drugs_in(text, "icd10cm")
    assert any(adverse_effects(text, [(0, len(text))], drugs, [Finding(0, 0, "L27.0")], "icd10cm"))


# -- proposals --------------------------------------------------------------------------------------------------------


def test_a_proposal_gathers_its_mentions_and_keeps_the_first_of_the_best() -> None:
    proposals: ProposedCodes = {}
    one = add(proposals, 5, [4], 0.5, affirmed=False, remark="a")
    assert (one.numbers, one.strength, one.best, one.affirmed, one.remarks) == ([4], 0.5, 4, False, ["a"])
    assert add(proposals, 5, [4, 6], 0.5, affirmed=True, remark="a") is one
    assert (one.numbers, one.strength, one.best, one.affirmed, one.remarks) == ([4, 6], 0.5, 4, True, ["a"])
    add(proposals, 5, [2, 6], 0.7, affirmed=False, remark="b")
    assert (one.numbers, one.strength, one.best, one.affirmed, one.remarks) == ([2, 4, 6], 0.7, 2, True, ["a", "b"])
    add(proposals, 5, [1], 0.6, affirmed=False)
    assert (one.numbers, one.strength, one.best) == ([1, 2, 4, 6], 0.7, 2)
    add(proposals, 5, [6, 7], 0.1, affirmed=False)
    assert one.numbers == [1, 2, 4, 6, 7]
    nothing = add(proposals, 6, [3], 0.0, affirmed=False)
    assert (nothing.best, nothing.strength, list(proposals)) == (3, 0.0, [5, 6])


def test_what_is_taken_is_kept_with_its_reason() -> None:
    proposals: ProposedCodes = {}
    taken: ProposedCodes = {}
    one = add(proposals, 5, [0], 0.5, affirmed=True)
    take(proposals, 5, "why", taken)
    assert (proposals, taken, one.reason) == ({}, {5: one}, "why")


def test_affirmed_codes_of_a_range_are_found_and_dropped() -> None:
    proposals: ProposedCodes = {}
    for number, code in enumerate(["J18.1", "J18.9", "K35.80", "J20.9"]):
        add(proposals, at(code), [number], 0.5, affirmed=code != "J18.9")
    found = codes_in(proposals, parse_ranges("J12-J18 J18.1 K35"), book())
    assert [book().codes[one.concept] for one in found] == ["J18.1", "K35.80"]
    drop(proposals, parse_ranges("J18 J20"), book())
    assert named(proposals) == ["J18.9", "K35.80"]


@pytest.mark.parametrize(("strength", "best"), [(0.5, 3), (0.9, 7)])
def test_an_exchanged_code_keeps_its_best_mention(strength: float, best: int) -> None:
    proposals: ProposedCodes = {}
    if strength > 0.5:
        add(proposals, at("J18.1"), [7], strength, affirmed=False)
    one = add(proposals, at("J18.9"), [2], 0.3, affirmed=True)
    add(proposals, at("J18.9"), [3], 0.5, affirmed=True)
    exchange(proposals, one, at("J18.1"), "why")
    assert named(proposals) == ["J18.1"]
    (put,) = proposals.values()
    assert (put.best, put.affirmed, put.remarks) == (best, True, ["why"])


# -- sequences of one note --------------------------------------------------------------------------------------------

GOUT = Context(negated=False, subject="patient", temporality="recent", certainty="possible")


def test_what_belongs_together_has_one_length() -> None:
    text = "HOSPITAL COURSE: possible gout."
    mention = Mention(26, 30, (Candidate(at("M10.9"), 1.0, 1.0, "lexical"),))
    around = MentionPlaces(text, [(26, 30)], [], sentences(text), "inpatient")
    for unequal in ([], [GOUT, GOUT]):
        with pytest.raises(ValueError, match="zip"):
            contexts_as_coded([mention], unequal, book(), around)
        with pytest.raises(ValueError, match="zip"):
            as_established([mention], unequal or [GOUT, GOUT, GOUT], book(), around)
        with pytest.raises(ValueError, match="zip"):
            note_codes([mention], unequal, book())
    with pytest.raises(ValueError, match="zip"):
        all_seen([text], [])
    with pytest.raises(ValueError, match="zip"):
        defined_short_forms([text], [], mapper().linkers[0].matcher)
    short = Acceptance((0.1,), 0.0, 0.0)
    with pytest.raises(ValueError, match="zip"):
        short.numbers()
    with pytest.raises(ValueError, match="zip"):
        short.probability((1.0,) * len(FEATURES))
    with pytest.raises(ValueError, match="zip"):
        short.reasons((1.0,) * len(FEATURES))


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("He ran out of torsemide, lisinopril.", "ran out of torsemide, lisinopril"),
        ("He ran out of torsemide,\n\nlisinopril.", "lisinopril"),
    ],
)
def test_what_says_that_less_was_taken_reaches_over_no_blank_line(text: str, second: str) -> None:
    found = [one for one in underdosing(text, sentences(text), drugs_in(text, "icd10cm")) if one.code.startswith("T")]
    assert [text[one.start_char : one.end_char] for one in found] == ["ran out of torsemide", second]
