"""Slips of the pen and short forms that probes were not found by: each beside what is written right."""

from __future__ import annotations

import re

import polars as pl
import pytest
from small_ontologies import ontology_of

from conceptmap.data.tables import read_table
from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper
from conceptmap.matching.content import content_words, refolded
from conceptmap.matching.spelling import SHORTEST, Speller, english_words
from conceptmap.text.abbreviations import definitions
from conceptmap.text.words import normal_form


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


ENGLISH = ("Disease of the blood", "Neurofibromatosis", "Serous adenoma", "Adenoma", "Miosis", "Malignant tumor")
GERMAN = ("Morbus Crohn", "Neurofibromatose", "Adenome der Leber", "Akute Appendizitis")


def named_in(text: str, names: tuple[str, ...]) -> set[str]:
    """Names of an ontology that nobody has gone through which are found in a text."""
    mapper = ConceptMapper.load(build_index(ontology_of([], extra=names), None), encoder=None)
    found = mapper.annotate_many(pl.DataFrame({"note_id": ["1"], "text": [text]})).mentions
    return set(found.filter(rank=1)["code"])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Signs of neurofibromatosis.", {"Neurofibromatosis"}),
        ("Signs of neurofibromatsis.", {"Neurofibromatosis"}),  # a letter missing
        ("Signs of neurrofibromatosis.", {"Neurofibromatosis"}),  # one too many
        ("Signs of neurofibrmoatosis.", {"Neurofibromatosis"}),  # two swapped
        ("Signs of neurofibramatosis.", set()),  # another letter
        ("A serous adenoma.", {"Serous adenoma"}),
        ("A seroous adenoma.", {"Serous adenoma"}),
        ("A serious adenoma.", {"Adenoma"}),  # an English word
        ("Meiosis began.", set()),  # a word of the field
        ("A mlaignant tumor.", {"Malignant tumor"}),  # its class is what the wording has
    ],
)
def test_words_of_any_english_ontology_are_put_right(text: str, names: set[str]) -> None:
    assert named_in(text, ENGLISH) == names


@pytest.mark.parametrize(
    ("more", "names"), [((), set()), (("Disease of the blood",), {"Akute Appendizitis"})], ids=["german", "english"]
)
def test_words_of_another_language_are_left_alone(more: tuple[str, ...], names: set[str]) -> None:
    assert named_in("Akute Apendizitis.", (*GERMAN, *more)) == names
    assert named_in("Akute Appendizitis.", (*GERMAN, *more)) == {"Akute Appendizitis"}


def test_english_words_are_kept_as_they_are_compared() -> None:
    listed = [row["word"] for row in read_table("english_words")]
    assert listed == sorted(set(listed))
    assert all(re.fullmatch("[a-z]+", word) and len(word) >= SHORTEST for word in listed)
    assert {*map(normal_form, ("during", "serious", "inflammations"))} <= {*listed}
    assert {"during", "medical", "erythematous"} <= english_words()


def test_english_words_are_read_only_where_a_known_word_is_near() -> None:
    asked: list[str] = []

    def everyday() -> frozenset[str]:
        asked.append("asked")
        return frozenset(["serious"])

    speller = Speller(frozenset(["serous"]), everyday=everyday)
    assert speller.correct("mountain") is None
    assert asked == []
    assert speller.correct("serious") is None
    assert asked == ["asked"]
