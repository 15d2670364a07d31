"""Results by their outcome, organisms with their infections, and values that the note acts on.

Each rule has a pair of notes that differ only by it.
"""

from __future__ import annotations

import pytest
from whole_release import stay_codes


@pytest.mark.parametrize(
    ("text", "code", "other", "instead"),
    [
        ("HIV test positive.", "Z21", "HIV disease.", "B20"),
        ("Tested positive for HIV. Oesophageal candidiasis.", "B20", "Tested positive for HIV. Gout.", "Z21"),
        ("HIV screen indeterminate.", "R75", "HIV screen positive.", "Z21"),
        ("C. diff toxin positive.", "A04.72", "C. diff toxin negative. Gout.", "M10.9"),
        ("Rapid strep positive, pharyngitis.", "J02.0", "Rapid strep negative, pharyngitis.", "J02.9"),
        ("MRSA nares swab positive. Gout.", "Z22.322", "MRSA nares swab negative. Gout.", "M10.9"),
        ("MRI brain showed an acute infarct.", "I63.9", "MRI brain showed no acute infarct. Gout.", "M10.9"),
        ("MSSA bacteremia.", "R78.81", "MSSA sepsis.", "A41.01"),
        ("Blood cultures grew E. coli.", "R78.81", "Blood cultures grew E. coli, contaminant. Gout.", "M10.9"),
        ("Right lower lobe pneumonia.", "J18.9", "Lobar pneumonia.", "J18.1"),
        ("EBV IgM positive. Gout.", "B27.00", "EBV IgG positive. Gout.", "M10.9"),
        ("CTA showed segmental PE.", "I26.99", "Segmental PE was considered. Gout.", "M10.9"),
        ("GBS swab positive. Gout.", "Z22.330", "GBS unknown. Gout.", "M10.9"),
    ],
)
def test_a_test_counts_by_its_outcome(text: str, code: str, other: str, instead: str) -> None:
    assert code in stay_codes(text)
    assert instead in stay_codes(other)
    assert code not in stay_codes(other)


@pytest.mark.parametrize(
    ("text", "code", "other", "instead"),
    [
        ("Sepsis. Blood cultures grew E. coli.", "A41.51", "Sepsis. Urine grew E. coli.", "A41.9"),
        ("Pneumonia. Sputum grew MRSA.", "J15.212", "Pneumonia. Wound grew MRSA.", "J18.9"),
        ("Pneumonia; sputum grew Klebsiella.", "J15.0", "Pneumonia; urine grew Klebsiella.", "J18.9"),
        ("Klebsiella pneumonia.", "J15.0", "UTI with Klebsiella pneumoniae.", "B96.1"),
        ("Septic arthritis of the left knee due to MSSA.", "M00.062", "Septic arthritis of the left knee.", "M00.862"),
        ("Endocarditis due to MRSA.", "I33.0", "Endocarditis.", "I38"),
        ("Haemophilus influenzae meningitis.", "G00.0", "Bacterial meningitis.", "G00.9"),
    ],
)
def test_an_organism_names_the_infection_that_it_grew_from(text: str, code: str, other: str, instead: str) -> None:
    assert code in stay_codes(text)
    assert instead in stay_codes(other)
    assert code not in stay_codes(other)


def test_an_organism_stays_where_an_infection_still_needs_it() -> None:
    """The code of the sepsis says it; the cellulitis leaves it to a second code."""
    assert {"A41.02", "L03.116", "B95.62"} <= stay_codes("MRSA sepsis. Cellulitis of the left leg with MRSA.")
    assert "B95.62" not in stay_codes("Sepsis. Blood cultures grew MRSA.")
    assert "B95.62" not in stay_codes("MRSA in a culture. Gout.")
    assert {"N39.0", "B96.20", "Z16.12"} <= stay_codes("UTI, urine culture grew ESBL E. coli.")
    assert "Z16.12" not in stay_codes("UTI, urine culture grew E. coli.")
    assert "Z16.21" in stay_codes("UTI due to vancomycin-resistant enterococcus.")
    assert {"D70.9", "R50.81"} <= stay_codes("Neutropenic fever.")
    assert "R50.81" not in stay_codes("Neutropenia.")
    assert {"K29.70", "B96.81"} <= stay_codes("H. pylori gastritis.")


@pytest.mark.parametrize(
    ("text", "other", "code"),
    [
        ("K 2.9. This was repleted.", "K 2.9. Gout, colchicine repleted.", "E87.6"),
        ("K 2.9, repleted.", "K 2.9, not repleted.", "E87.6"),
        ("Sodium fell to 125, fluid restriction.", "Sodium fell to 125, fluids restarted.", "E87.1"),
        ("Ca 13.2, given zoledronic acid.", "Ca 9.2, given zoledronic acid.", "E83.52"),
        ("iCa 0.9, given calcium gluconate.", "iCa 1.2, given calcium gluconate.", "E83.51"),
        ("Hgb 6.4, transfused 2 units.", "Hgb 6.4, transferred.", "D64.9"),
        ("INR 9.2, given vitamin K.", "INR 2.2, given vitamin K.", "R79.1"),
        ("Platelets 12, transfused platelets.", "Platelets 120, transfused platelets.", "D69.6"),
        ("Vitamin D 9, started on ergocalciferol.", "Vitamin D 9.", "E55.9"),
        ("B12 110, cyanocobalamin started.", "B12 410, cyanocobalamin started.", "E53.8"),
        ("TSH 45, started levothyroxine.", "TSH 4.5, started levothyroxine.", "E03.9"),
        ("HCO3 10, sodium bicarbonate given.", "HCO3 22, sodium bicarbonate given.", "E87.20"),
        ("Triglycerides 2200, fenofibrate.", "Triglycerides 220, fenofibrate.", "E78.1"),
        ("Ferritin 6, IV iron.", "Ferritin 60, IV iron.", "E61.1"),
        ("ANC 200, filgrastim.", "ANC 2000, filgrastim.", "D70.9"),
    ],
)
def test_a_value_is_a_diagnosis_where_it_is_out_of_range_and_treated(text: str, other: str, code: str) -> None:
    assert code in stay_codes(text)
    assert code not in stay_codes(other)


def test_the_infection_right_behind_a_sepsis_shares_its_organism() -> None:
    assert {"A41.59", "N39.0", "B96.1"} <= stay_codes("Sepsis due to Klebsiella UTI.")
    assert "B96.1" not in stay_codes("Sepsis due to Klebsiella. UTI.")
    assert {"A40.3", "J13"} <= stay_codes("Sepsis from Streptococcus pneumoniae pneumonia.")
    assert "J13" not in stay_codes("Sepsis from Streptococcus pneumoniae. Gout.")
    assert "B37.7" in stay_codes("Blood cultures grew Candida albicans.")
    assert "B37.7" not in stay_codes("Wound cultures grew Candida albicans.")
