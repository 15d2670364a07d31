"""Pairs that differ by one link: bleeding on anticoagulants, organs in sepsis, neoplasms of bone, pregnancy."""

from __future__ import annotations

import pytest
from whole_release import codes_of


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Epistaxis.", {"R04.0"}),
        ("Epistaxis due to apixaban.", {"R04.0", "D68.32", "T45.515A"}),
        ("Epistaxis, not due to apixaban.", {"R04.0"}),
        ("GI bleed on warfarin.", {"K92.2", "D68.32", "T45.515A"}),
        ("GI bleed. Warfarin was held.", {"K92.2"}),
        ("Coagulopathy due to warfarin.", {"D68.32", "T45.515A"}),
        ("Hemorrhagic disorder due to warfarin.", {"D68.32", "T45.515A"}),
        ("Supratherapeutic INR due to warfarin.", {"R79.1", "T45.515A"}),
        ("Supratherapeutic INR. Epistaxis due to warfarin.", {"R04.0", "D68.32", "T45.515A"}),
    ],
)
def test_a_bleeding_that_is_laid_to_an_anticoagulant_is_its_disorder(text: str, codes: set[str]) -> None:
    """D68.32 and T45.515A beside the bleeding (Coding Clinic 1Q 2016; D68.32 use additional code, Excludes1 R79.1)."""
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "severe"),
    [
        ("Sepsis. AKI due to sepsis.", True),
        ("Sepsis. AKI due to dehydration.", False),
        ("Sepsis with AKI.", False),
        ("Sepsis-induced AKI.", True),
        ("Sepsis and AKI.", False),
        ("Sepsis complicated by acute respiratory failure.", True),
        ("Sepsis complicated by anemia.", False),
        ("Sepsis. AKI, not due to sepsis.", False),
        ("Sepsis with septic encephalopathy.", True),
        ("Sepsis with acute organ dysfunction.", True),
        ("AKI due to pneumonia.", False),
    ],
)
def test_sepsis_is_severe_where_an_organ_failure_is_laid_to_it(text: str, severe: bool) -> None:
    """Guideline I.C.1.d.1.a: what the documentation does not tie has to be asked."""
    assert ("R65.20" in codes_of(text)) is severe


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Liver metastases.", {"C78.7"}),
        ("Liver metastases, primary unknown.", {"C78.7", "C80.1"}),
        ("Carcinoma of unknown primary with liver metastases.", {"C78.7", "C80.1"}),
        ("Colon cancer with liver metastases.", {"C18.9", "C78.7"}),
        ("Cancer of unknown primary.", {"C80.1"}),
        ("Cancer of unknown primary. Later found: colon cancer.", {"C18.9"}),
        ("Metastatic adenocarcinoma, unknown primary.", {"C79.9"}),
    ],
)
def test_a_primary_that_is_unknown_stands_beside_its_metastases(text: str, codes: set[str]) -> None:
    """C80.1, but not beside C79.9 (Excludes1)."""
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Left hip fracture.", {"S72.002A"}),
        ("Pathologic fracture of the left hip.", {"M84.452A"}),
        ("Pathologic fracture of the left hip due to metastatic cancer.", {"M84.552A", "C79.9"}),
        ("Breast cancer with bone mets. Pathologic fracture of the left hip.", {"M84.552A", "C50.919", "C79.51"}),
        ("Breast cancer. Pathologic fracture of the left hip.", {"M84.452A", "C50.919"}),
        ("Breast cancer with bone mets. Left hip fracture.", {"S72.002A", "C50.919", "C79.51"}),
        ("Pathological fracture in neoplastic disease, left femur.", {"M84.552A"}),
        ("Pathologic fracture of L2.", {"M84.48XA"}),
        ("Pathologic fracture of L2 in multiple myeloma.", {"M84.58XA", "C90.00"}),
        ("Pathological fracture of the left femur due to osteoporosis.", {"M80.052A"}),
        ("Pathological fracture of the left femur due to bone metastases of breast cancer.",
         {"M84.552A", "C79.51", "C50.919"}),
    ],
)  # fmt: skip
def test_a_pathological_fracture_is_of_what_broke_the_bone(text: str, codes: set[str]) -> None:
    """Guidelines I.C.2.l.6 and I.C.13.d; M84.4 Excludes1."""
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Asthma.", {"J45.909"}),
        ("Pregnant at 30 weeks. Asthma.", {"O99.513", "J45.909", "Z3A.30"}),
        ("Pregnant at 20 weeks. Asthma.", {"O99.512", "J45.909", "Z3A.20"}),
        ("Asthma in pregnancy, second trimester.", {"O99.512", "J45.909"}),
        ("Hypothyroidism in pregnancy.", {"O99.280", "E03.9"}),
        ("Depression complicating pregnancy, third trimester.", {"O99.343", "F32.A"}),
        ("Prior pregnancy at 30 weeks. Asthma.", {"J45.909"}),
        ("A man whose wife is pregnant. Asthma.", {"J45.909"}),
        ("Not pregnant. Asthma.", {"J45.909"}),
        ("UTI in pregnancy, second trimester.", {"O23.42"}),
    ],
)
def test_chapter_15_has_priority_in_a_pregnancy(text: str, codes: set[str]) -> None:
    """Guideline I.C.15.a.1, in one name and in sentences of their own."""
    assert codes_of(text) - {"Z34.90"} == codes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Fragility fracture.", "M80.00XA"),
        ("Fragility fractures of the pelvis.", "M80.0B9A"),
        ("Fragility fractures of pelvis (R pubic rami, R sacral ala).", "M80.0B1A"),
        ("Fragility fracture. Pelvis stable.", "M80.00XA"),
    ],
)
def test_a_fragility_fracture_is_at_the_site_that_is_named_behind_it(text: str, code: str) -> None:
    """Guideline I.C.13.d.2."""
    assert codes_of(text) == {code}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Right inguinal hernia.", "K40.90"),
        ("Right inguinal hernia, irreducible.", "K40.30"),
        ("Right inguinal hernia. The gallbladder is obstructed.", "K40.90"),
        ("Kidney stone. CT: a stone of 0.5 cm in the right ureter.", "N20.1"),
        ("Kidney stone. CT: a stone of 0.5 cm. The right ureter is wide.", "N20.0"),
        ("Ulcer in the posterior duodenal bulb.", "K26.9"),
    ],
)
def test_what_obstructs_or_where_it_lies_chooses_the_code(text: str, code: str) -> None:
    assert code in codes_of(text)
