"""Neoplasms by organ and behaviour. Each rule has a pair of notes that differ only by it."""

from __future__ import annotations

import pytest
from whole_release import stay_codes


@pytest.mark.parametrize(
    ("text", "codes", "other"),
    [
        (
            "Metastases to liver, lung and bone.",
            {"C78.7", "C78.00", "C79.51"},
            "No metastases to liver, lung and bone.",
        ),
        ("Breast cancer metastatic to bone and brain.", {"C50.919", "C79.51", "C79.31"}, "Breast cancer. Bone pain."),
        (
            "Metastatic breast cancer to bone and liver.",
            {"C79.51", "C78.7"},
            "Metastatic breast cancer, bone and liver.",
        ),
        ("Liver and bone mets.", {"C78.7", "C79.51"}, "Liver and bone scans."),
        ("Colon cancer with metastases to the liver.", {"C18.9", "C78.7"}, "Cancer with metastases to the liver."),
        ("Left adrenal metastasis.", {"C79.72"}, "Adrenal metastasis."),
        ("Axillary lymph node metastases.", {"C77.3"}, "Inguinal lymph node metastases."),
    ],
)
def test_metastases_are_coded_by_each_organ(text: str, codes: set[str], other: str) -> None:
    assert codes <= stay_codes(text)
    assert not codes <= stay_codes(other)


@pytest.mark.parametrize(
    ("text", "code", "other", "instead"),
    [
        ("Biopsy of the sigmoid mass showed adenocarcinoma.", "C18.7", "Biopsy showed adenocarcinoma.", "C80.1"),
        ("Right lung mass; biopsy: adenocarcinoma.", "C34.91", "Left lung mass; biopsy: adenocarcinoma.", "C34.92"),
        (
            "Liver biopsy showed metastatic adenocarcinoma.",
            "C78.7",
            "Biopsy showed metastatic adenocarcinoma.",
            "C79.9",
        ),
        ("Squamous cell carcinoma of the base of tongue.", "C01", "Squamous cell carcinoma of the tongue.", "C02.9"),
        ("Colonoscopy: cecal mass, biopsy adenocarcinoma.", "C18.0", "A mass, biopsy adenocarcinoma.", "C80.1"),
    ],
)
def test_a_neoplasm_is_of_the_organ_that_was_biopsied(text: str, code: str, other: str, instead: str) -> None:
    assert code in stay_codes(text)
    assert instead in stay_codes(other)
    assert code not in stay_codes(other)
