"""Slips of the pen and short forms that probes were not found by: each beside what is written right."""

from __future__ import annotations

import pytest

from conceptmap.mapper import ConceptMapper
from conceptmap.matching.content import content_words, refolded
from conceptmap.text.abbreviations import definitions


@pytest.mark.parametrize(
    ("slip", "right"),
    [
        (
            "There is mlaignant neoplasm of the body of pancreas.",
            "There is malignant neoplasm of the body of pancreas.",
        ),
        ("Seen for elevtaed prostate specific antigen.", "Seen for elevated prostate specific antigen."),
    ],
)
def test_a_misspelt_word_stands_for_what_its_class_says(slip: str, right: str) -> None:
    mapper = ConceptMapper.load("icd10cm", encoder=None)
    first, second = (mapper.annotate(text).mentions.select("code").rows() for text in (slip, right))
    assert first == second != []


def test_what_is_not_changed_keeps_its_form_and_place() -> None:
    content = content_words("No fever, mlaignant neoplasm of lung; elevated calcium")
    again = refolded(content, {content.form.index("mlaignant"): "malignant"})
    right = content_words("No fever, malignant neoplasm of lung; elevated calcium")
    assert (again.form, again.start, again.end) == (right.form, right.start, right.end)
    assert (again.gap, again.first, again.last) == (right.gap, right.first, right.last)
    assert refolded(content, {}).form == content.form


def test_a_phrase_is_no_phrase_over_a_comma() -> None:
    content = content_words("mlaignant, neoplasm")
    assert refolded(content, {0: "malignant"}).form == ["malignant", "neoplasm"]


@pytest.mark.parametrize(
    ("text", "short", "long"),
    [
        ("Known gas gangrene (GG).", "GG", "gas gangrene"),
        ("Known dry gangrene (GG).", "GG", "gangrene"),
        ("She has auditory agnosia (AA).", "AA", "auditory agnosia"),
        ("About nodular nonsuppurative panniculitis (NNP).", "NNP", "nodular nonsuppurative panniculitis"),
        ("Chronic obstructive pulmonary disease (COPD)", "COPD", "Chronic obstructive pulmonary disease"),
    ],
)
def test_initials_stand_for_the_words_that_they_begin(text: str, short: str, long: str) -> None:
    assert definitions(text) == {short: long}
