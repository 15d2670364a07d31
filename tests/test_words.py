"""Words, their normal forms and what stands between them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmap.text.words import normal_form, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("anaemia", "anemias"),
        ("diagnoses", "diagnosis"),
        ("diseases", "disease"),
        ("tumours", "tumor"),
        ("Sjögren's", "sjogren"),
        ("calculi", "calculus"),
        ("oesophagus", "esophagus"),
        ("abscesses", "abscess"),
        ("therapies", "therapy"),
        ("II", "2"),
        ("fistulae", "fistula"),
    ],
)
def test_variants_of_a_word_share_a_form(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(("one", "other"), [("ileum", "ilium"), ("aural", "oral"), ("hypo", "hyper"), ("pus", "pu")])
def test_different_words_do_not(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


def test_gaps_say_what_may_be_read_together() -> None:
    found = words("Cough, fever and chills of two days. No rash\n\n- Asthma")
    assert dict(zip(found.form, found.gap, strict=True)) == {
        "cough": 2,
        "fever": 1,
        "and": 0,
        "chill": 0,
        "of": 0,
        "two": 0,
        "day": 0,
        "no": 2,
        "rash": 0,
        "asthma": 2,
    }


def test_an_initial_does_not_end_a_clause() -> None:
    assert words("due to E. coli").gap == [2, 0, 0, 0]


def test_the_number_of_a_list_item_is_no_initial() -> None:
    assert words("2. CKD stage 3b").gap == [2, 2, 0, 0]


def test_a_capital_a_is_a_type_and_a_small_one_an_article() -> None:
    assert words("hepatitis A in a child").form == ["hepatitis", "type a", "in", "a", "child"]


def test_the_name_behind_a_form_of_address_is_nobodys_disease() -> None:
    assert words("Dr. Betty Graves saw Graves disease").form == ["dr", "someone", "someone", "saw", "grave", "disease"]
    assert words("seen by Dr. graves").form[-1] == "grave"


@given(st.text(max_size=80))
def test_words_are_in_order_and_hold_no_white_space(text: str) -> None:
    found = words(text)
    spans = list(zip(found.start_char, found.end_char, strict=True))
    assert spans == sorted(spans)
    for start, end in spans:
        assert text[start:end]
        assert not any(c.isspace() for c in text[start:end])
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
