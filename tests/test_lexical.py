"""Lexical evidence: wordings, windows, abbreviations, and the matcher against its slow twin."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles_lexical import naive_windows

from conceptmap.matching.content import content_words, term_forms
from conceptmap.matching.lexicon import build_lexicon
from conceptmap.matching.matcher import TermMatcher
from conceptmap.matching.wordings import variants
from conceptmap.text.abbreviations import Abbreviation, ShortForms, definitions
from conceptmap.text.words import words

TERMS = {
    "1": "abdominal pain",
    "2": "chest pain",
    "3": "pain",
    "4": "malignant neoplasm of bladder",
    "5": "acute renal failure",
    "6": "COPD",
    "7": "nausea and vomiting",
    "8": "hepatitis A",
}


def matcher_of(
    terms: dict[str, str], *, expand_titles: bool = False, stop: frozenset[str] = frozenset()
) -> TermMatcher:
    rows = [(code, term, "preferred") for code, term in terms.items()]
    frame = pl.DataFrame(rows, schema=["node", "term", "kind"], orient="row")
    return TermMatcher(
        build_lexicon(frame, {code: int(code) for code in terms}, stop=stop, expand_titles=expand_titles)
    )


def found_in(text: str, terms: dict[str, str] = TERMS) -> set[tuple[str, str]]:
    matcher = matcher_of(terms)
    return {
        (text[hit.start_char : hit.end_char], str(matcher.concept[entry]))
        for hit in matcher.find(text)
        for entry in hit.entries
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pain in the abdomen", {("pain in the abdomen", "1"), ("pain", "3")}),
        ("PAINS of abdomen", {("PAINS of abdomen", "1"), ("PAINS", "3")}),
        ("bladder cancer", {("bladder cancer", "4")}),
        ("cancer of the urinary bladder", {("cancer of the urinary bladder", "4")}),
        ("Acute kidney failure", {("Acute kidney failure", "5")}),
        ("history of COPD", {("COPD", "6")}),
        ("copd", set()),
        ("vomiting, nausea", set()),
        ("nausea, vomiting", {("nausea, vomiting", "7")}),
        ("nausea, he is vomiting", set()),
        ("hepatitis A", {("hepatitis A", "8")}),
        ("a hepatitis", set()),
    ],
)
def test_what_a_text_holds(text: str, expected: set[tuple[str, str]]) -> None:
    assert found_in(text) == expected


def test_a_comma_keeps_lists_apart() -> None:
    assert ("pain, chest", "2") not in found_in("abdominal pain, chest tightness")


def test_modifiers_inside_a_term_are_passed_over() -> None:
    assert ("acute severe renal failure", "5") in found_in("acute severe renal failure")


def test_numbers_and_their_units_inside_a_term_are_passed_over() -> None:
    terms = {"1": "mass in the kidney", "2": "type 2 diabetes"}
    assert found_in("a mass of 5 cm in the kidney", terms) == {("mass of 5 cm in the kidney", "1")}
    assert found_in("type 1 diabetes", terms) == set()


def test_the_looser_classes_are_marked_and_only_used_where_the_words_differ() -> None:
    matcher = matcher_of({"1": "cancer of the stomach"})
    (hit,) = matcher.find("gastric adenocarcinoma")
    assert hit.loose
    (hit,) = matcher.find("gastric cancer")
    assert not hit.loose


def test_stop_terms_never_match_alone_but_do_inside_longer_ones() -> None:
    matcher = matcher_of(TERMS, stop=frozenset({"pain"}))
    text = "pain and chest pain"
    assert [text[hit.start_char : hit.end_char] for hit in matcher.find(text)] == ["chest pain"]


def test_a_printed_title_beats_a_shortened_one() -> None:
    matcher = matcher_of({"1": "Asthma, unspecified", "2": "Asthma"}, expand_titles=True)
    (hit,) = matcher.find("asthma")
    assert [matcher.concept[entry] for entry in hit.entries] == [2, 1]


def test_a_reviewed_synonym_goes_before_the_release_s_own_inclusion_term() -> None:
    rows = [("1", "Pseudomonas aeruginosa", "inclusion"), ("2", "pseudomonas aeruginosa", "clinical")]
    frame = pl.DataFrame(rows, schema=["node", "term", "kind"], orient="row")
    matcher = TermMatcher(build_lexicon(frame, {"1": 1, "2": 2}, stop=frozenset(), expand_titles=True))
    (hit,) = matcher.find("Pseudomonas aeruginosa grew")
    assert [matcher.concept[entry] for entry in hit.entries] == [2, 1]


@pytest.mark.parametrize(
    ("title", "wording"),
    [
        ("Essential (primary) hypertension", "Essential hypertension"),
        ("Pneumonia, unspecified organism", "Pneumonia"),
        ("Type 2 diabetes mellitus without complications", "Type 2 diabetes mellitus"),
        ("Malignant neoplasm of unspecified part of unspecified bronchus or lung", "Malignant neoplasm of lung"),
        ("Other and unspecified asthma", "asthma"),
        ("Pain in unspecified knee", "Pain in knee"),
    ],
)
def test_titles_are_shortened_to_what_is_said(title: str, wording: str) -> None:
    assert wording in variants(title)


@pytest.mark.parametrize(
    ("title", "wording"),
    [
        ("Type 2 diabetes mellitus with unspecified complications", "Type 2 diabetes mellitus"),
        ("Migraine without aura, not intractable, with status migrainosus", "Migraine without aura"),
        ("Major depressive disorder, single episode, mild", "Major depressive disorder"),
        ("Stomatitis and related lesions", "related lesions"),
        ("Stomatitis and related lesions", "lesions"),
    ],
)
def test_titles_are_not_shortened_to_something_else(title: str, wording: str) -> None:
    assert wording not in variants(title)


def test_a_curated_term_is_taken_as_it_is() -> None:
    assert variants("other thing, unspecified", curated=True) == {"other thing, unspecified": 3}


# -- abbreviations ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acute kidney injury (AKI) resolved", {"AKI": "acute kidney injury"}),
        ("We saw HIT (heparin-induced thrombocytopenia).", {"HIT": "heparin-induced thrombocytopenia"}),
        ("a mass (3 cm) was seen", {}),
        ("see above (Smith 2003)", {}),
        ("end-stage renal disease (ESRD; on dialysis)", {"ESRD": "end-stage renal disease"}),
        ("myotonic dystrophy (DM)", {"DM": "myotonic dystrophy"}),
        ("cancer of lung, small cell (SCC)", {}),
        ("a myotonic dystrophy patient (DM)", {}),
    ],
)
def test_definitions(text: str, expected: dict[str, str]) -> None:
    assert definitions(text) == expected


def test_the_notes_own_definition_beats_the_list_and_context_is_checked() -> None:
    forms = ShortForms.of(
        [
            Abbreviation("MS", "multiple sclerosis", frozenset({"neurology"})),
            Abbreviation("RA", "rheumatoid arthritis"),
        ]
    )
    own = "right atrium (RA) enlarged; MS"
    assert forms.readings(own, ["RA", "MS"], frozenset(content_words(own).form)) == {"RA": "right atrium"}
    seen = "neurology: MS, RA"
    assert forms.readings(seen, ["RA", "MS"], frozenset(content_words(seen).form)) == {
        "RA": "rheumatoid arthritis",
        "MS": "multiple sclerosis",
    }


def test_the_word_behind_a_short_form_may_decide_its_reading() -> None:
    forms = ShortForms.of(
        [
            Abbreviation("CVA", "costovertebral angle", frozenset({"next:tenderness"})),
            Abbreviation("CVA", "cerebrovascular accident"),
        ]
    )
    assert forms.before("CVA", "tenderness", "cerebrovascular accident") == "costovertebral angle"
    assert forms.before("CVA", "in", "cerebrovascular accident") == "cerebrovascular accident"
    assert forms.readings("CVA", ["CVA"], frozenset()) == {"CVA": "cerebrovascular accident"}


def test_short_forms_of_several_words_stand_for_one_thing_or_for_one_each() -> None:
    forms = ShortForms.of(
        [Abbreviation("N/V", "nausea and vomiting"), Abbreviation("C diff", "clostridioides difficile infection")]
    )
    found = words("N/V, C diff. N/X, C different")
    written = ["N", "V", "C", "diff", "N", "X", "C", "different"]
    assert forms.phrases("N/V, C diff. N/X, C different", found.start_char, found.end_char, written) == {
        0: "nausea",
        1: "vomiting",
        2: "clostridioides difficile infection",
        3: "",
    }
    content = content_words("C diff here", lambda found: {0: ("clostridium", "difficile"), 1: ()})
    assert list(zip(content.form, content.start, content.end, strict=True)) == [
        ("clostridium", 0, 6),
        ("difficile", 0, 6),
        ("here", 7, 11),
    ]


def test_a_number_behind_a_short_form_of_several_meanings_makes_it_a_measurement() -> None:
    forms = ShortForms.of([Abbreviation("SBP", "spontaneous bacterial peritonitis", frozenset({"ascites"}))])
    long = "spontaneous bacterial peritonitis"
    assert forms.before("SBP", "140", long) is None
    assert forms.before("SBP", "and", long) == long


def test_an_expanded_abbreviation_matches_as_a_whole() -> None:
    matcher = matcher_of({"1": "chronic lung disease", "2": "lung disease"})
    text = "severe CLD"
    hits = matcher.find(text, content_words(text, lambda found: {1: ("chronic", "lung", "disease")}))
    assert [(text[h.start_char : h.end_char], matcher.concept[h.entries[0]]) for h in hits] == [("CLD", 1)]


# -- against the slow twin ----------------------------------------------------------------------------------------

SOME_WORDS = ["abdominal", "chest", "pain", "acute", "renal", "failure", "of", "the", "vomiting", "nausea", "bladder"]


@given(st.lists(st.sampled_from([*SOME_WORDS, ",", ".", "and", "\n\n"]), max_size=14))
def test_windows_equal_the_slow_twin(parts: list[str]) -> None:
    text = " ".join(parts)
    matcher = matcher_of(TERMS)
    strict = {
        (hit.start_char, hit.end_char, str(matcher.concept[entry]))
        for hit in matcher.find(text)
        if not hit.loose
        for entry in hit.entries
    }
    assert strict == naive_windows(text, TERMS)


PARTS = [
    "Heart",
    "attack",
    "secondary",
    "malignant neoplasm",
    "of the",
    "hepatic",
    "A",
    "a",
    "type",
    "IV",
    "Dr.",
    "Graves",
]


@given(st.lists(st.sampled_from([*PARTS, ",", "(", "and", "Kaposi's"])).map(" ".join) | st.text(max_size=50))
def test_the_forms_of_a_term_are_those_of_its_content_words(term: str) -> None:
    assert term_forms(term) == content_words(term).form


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for hit in matcher_of(TERMS).find(text):
        span = text[hit.start_char : hit.end_char]
        assert span
        assert span == span.strip()
