"""What only the code of a mention tells how to take, and rules that a guideline or the tabular list corrected.

Each rule has a pair of notes that differ only by it.
"""

from __future__ import annotations

import pytest
from whole_release import codes_of, stay_codes

from conceptmap.coding.reporting.setting import setting_of
from conceptmap.text.sections import sections

STAY = "HOSPITAL COURSE: {}\n"


@pytest.mark.parametrize(
    ("text", "other", "code"),
    [
        ("ESRD. Regular haemodialysis programme.", "ESRD. Haemodialysis access clinic.", "Z99.2"),
        ("Gout. Discharged to the palliative care unit.", "Gout. Palliative care team asked.", "Z51.5"),
        ("Troponin sent for chest tightness: negative.", "Chest tightness: negative.", "R07.89"),
        ("CT for headache: negative.", "Headache: negative.", "R51.9"),
        ("5 year old with asthma. Dad smokes.", "55 year old with asthma. Dad smokes.", "Z77.22"),
        ("Asthma. Husband smokes in the house.", "Asthma. Husband does not smoke in the house.", "Z77.22"),
        ("Gout. Smoking cessation advice given.", "Gout. Smoking cessation advice for his mother.", "Z71.6"),
        ("Counselled on cessation, smokes 1 ppd.", "Counselled on cessation, never smoked.", "F17.210"),
        ("Migraine w/out aura.", "Migraine.", "G43.009"),
        ("Dense adhesions, lysed.", "Adhesions seen. Gout.", "K66.0"),
    ],
)
def test_the_code_tells_how_to_take_what_is_said(text: str, other: str, code: str) -> None:
    setting = "visit" if code == "Z71.6" else "inpatient"
    assert code in codes_of(STAY.format(text), setting=setting)
    assert code not in codes_of(STAY.format(other), setting=setting)


def test_a_relative_who_smokes_gives_the_patient_no_tobacco() -> None:
    given = stay_codes("Asthma. Smoking cessation advice for his mother.")
    assert not any(code.startswith(("F17", "Z71", "Z81", "Z87")) for code in given)


@pytest.mark.parametrize(
    ("text", "code", "other", "instead"),
    [
        ("Heart failure, LVEF 25 %.", "I50.20", "Heart failure.\nEcho: LVEF 25 %.", "I50.9"),
        ("Heart failure, reduced EF.", "I50.20", "Heart failure, preserved EF.", "I50.30"),
        ("Acne vulgaris. Acne on the face.", "L70.0", "Acne on the face.", "L70.9"),
    ],
)
def test_what_a_word_beside_it_decides(text: str, code: str, other: str, instead: str) -> None:
    assert code in stay_codes(text)
    assert instead not in stay_codes(text)
    assert instead in stay_codes(other)
    assert code not in stay_codes(other)


def test_bleeding_is_an_effect_of_the_anticoagulant_where_the_note_ties_them() -> None:
    """Who takes one and bleeds of an ulcer has two conditions (I.C.19.e.5.a)."""
    home = "HOME MEDICATIONS:\napixaban 5 mg BID\n"
    assert "T45.515A" in codes_of(home + STAY.format("Melena. Reversed with Kcentra."))
    assert "T45.515A" not in codes_of(home + STAY.format("Melena. Resolved with rest."))
    assert "T45.515A" not in stay_codes("GI bleeding on warfarin due to a gastric ulcer.")
    assert "K25.4" in stay_codes("GI bleeding on warfarin due to a gastric ulcer.")


def test_unknown_consciousness_yields_to_its_loss() -> None:
    """One haemorrhage is one injury: "unknown" (A) adds nothing to "of unspecified duration" (9)."""
    given = stay_codes("Fell. SDH with LOC. Traumatic subdural hemorrhage.")
    assert "S06.5X9A" in given
    assert "S06.5XAA" not in given


def test_the_note_of_an_emergency_room_is_a_visit() -> None:
    def seen(text: str) -> str:
        return setting_of(text, sections(text))

    assert seen("ED note: 30 yo with a wrist fracture after a fall.") == "visit"
    assert seen("30 yo with a wrist fracture after a fall. Primary survey intact.") == "visit"
    assert seen("A 30-year-old man came to the emergency department with a wrist fracture.") == "report"


@pytest.mark.parametrize(
    ("text", "other", "code"),
    [
        ("Cough. Flu PCR positive.", "Cough. Flu/RSV/COVID PCR neg.", "J11.1"),
        ("Rapid strep positive. Pharyngitis.", "Rapid strep positive. Gout.", "J02.0"),
        ("MVC, L hemopneumothorax.", "MVC, L pneumothorax.", "S27.2XXA"),
        ("Gout. Patient discontinued lisinopril.", "Gout. Patient discontinued her birth control.", "Z91.128"),
        ("Easy bruising.", "Easy bruising. Fell, left wrist sprain.", "R23.3"),
        ("Limping gait.", "Limping gait. Fell, left ankle sprain.", "R26.89"),
        ("Fever. Gout.", "Fever. Acute pharyngitis.", "R50.9"),
    ],
)
def test_what_a_coder_would_be_ashamed_of(text: str, other: str, code: str) -> None:
    assert code in stay_codes(text)
    assert code not in stay_codes(other)


def test_a_sign_that_only_the_examination_tells_of_is_not_reported() -> None:
    assert "L53.9" not in codes_of("PHYSICAL EXAM: erythema.\nASSESSMENT: gout.\n", setting="visit")
    assert "L53.9" in codes_of("PHYSICAL EXAM: erythema.\nASSESSMENT: erythema.\n", setting="visit")


def test_what_is_not_kept_of_a_diet_is_coded_once() -> None:
    given = codes_of(
        "ASSESSMENT: gout.\nHPI: some dietary indiscretion. Dietary indiscretion again.\n", setting="visit"
    )
    assert len({code for code in given if code.startswith("Z91.11")}) == 1
