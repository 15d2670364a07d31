"""Lists that share a head, and misspelt words."""

from __future__ import annotations

import csv
from importlib import resources

import polars as pl
import pytest
from coded_release import coded, coder
from hypothesis import given
from hypothesis import strategies as st

from conceptmap.matching.content import content_words
from conceptmap.matching.lexicon import build_lexicon
from conceptmap.matching.matcher import TermMatcher
from conceptmap.matching.shared_heads import shared_heads
from conceptmap.matching.spelling import Speller, correct_words
from conceptmap.text.words import normal_form

TERMS = {
    "1": "left knee pain",
    "2": "right knee pain",
    "3": "hepatitis B",
    "4": "hepatitis C",
    "5": "acute renal failure",
    "6": "chronic renal failure",
    "7": "metastasis to lung",
    "8": "metastasis to liver",
    "9": "metastasis to bone",
    "10": "abdominal pain",
    "11": "chest pain",
    "12": "fever",
    "13": "ulcer stage 3",
    "14": "ulcer stage 4",
    "15": "knee pain",
}


def lists(text: str) -> dict[str, str]:
    """What each item of the lists of a text stands for."""
    rows = [(code, term, "preferred") for code, term in TERMS.items()]
    frame = pl.DataFrame(rows, schema=["node", "term", "kind"], orient="row")
    lexicon = build_lexicon(frame, {code: int(code) for code in TERMS}, stop=frozenset(), expand_titles=False)
    matcher, content = TermMatcher(lexicon), content_words(text)
    (found,) = shared_heads([text], [content], matcher.find_all([text], [content]), matcher)
    return {text[hit.start_char : hit.end_char]: TERMS[str(matcher.concept[hit.entries[0]])] for hit in found}


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("Left and right knee pain.", {"Left": "left knee pain"}),
        ("Hepatitis B and C.", {"C": "hepatitis C"}),
        ("Hepatitis B/C, fever", {"C": "hepatitis C"}),
        ("acute and chronic renal failure", {"acute": "acute renal failure"}),
        ("lung, liver and bone metastasis", {"lung": "metastasis to lung", "liver": "metastasis to liver"}),
        ("metastasis to lung, liver and bone", {"liver": "metastasis to liver", "bone": "metastasis to bone"}),
        ("stage 3 or 4 ulcer", {"3": "ulcer stage 3", "4 ulcer": "ulcer stage 4"}),
        ("chest and abdominal pain", {"chest": "chest pain"}),
        ("chest/abdominal pain", {}),
        ("fever and abdominal pain", {}),
        ("left, then right knee pain", {}),
        ("hepatitis B and C of the liver", {}),
        ("left. And right knee pain", {}),
    ],
)
def test_items_are_read_with_the_words_that_they_share(text: str, items: dict[str, str]) -> None:
    assert lists(text) == items


@given(st.text(alphabet="ab ,/.&éß\n", max_size=60).map(lambda junk: f"left and right knee pain {junk}"))
def test_items_are_spans_of_the_text(text: str) -> None:
    assert all(span in text and span.strip() == span for span in lists(text))


def test_items_are_mentions_of_their_own() -> None:
    text = pl.DataFrame({"note_id": ["n"], "text": ["Hepatitis B and C."]})
    found = coder().annotate_many(text).mentions.filter(pl.col("rank") == 1)
    assert found.select("start_char", "end_char", "text", "code").rows() == [
        (0, 11, "Hepatitis B", "B18.1"),
        (16, 17, "C", "B18.2"),
    ]


KNOWN = ["hypertension", "pneumonia", "anemia", "hemothorax", "gastrostomy", "diabetes", "colitis", "colic"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("hypertenson", "hypertension"),
        ("hyppertension", "hypertension"),
        ("hypertnesion", "hypertension"),
        ("pneumonai", "pneumonia"),
        ("anemmia", "anemia"),
        ("hypertension", None),  # right as it is
        ("hemithorax", None),  # another letter makes another word
        ("gastrotomy", None),  # a cut is no opening
        ("ypertension", None),  # the first letter counts
        ("pneumonic", None),  # an inflection
        ("colitic", None),
        ("colis", None),  # short
        ("hypertenso", None),  # two slips
        ("diabetes2", None),
    ],
)
def test_slips_of_the_pen(written: str, meant: str | None) -> None:
    assert Speller(frozenset(KNOWN)).correct(written) == meant


def test_a_word_with_two_readings_is_left_alone() -> None:
    assert Speller(frozenset(["striated", "stricated"])).correct("striacted") is None


def test_everyday_words_are_no_slips() -> None:
    assert Speller(frozenset(["contracted"])).correct("contacted") is None
    lines = resources.files("conceptmap").joinpath("data/correct_words.csv").read_text("utf-8").splitlines()
    listed = [row["word"] for row in csv.DictReader(lines)]
    assert len(set(listed)) == len(listed) == len(correct_words())
    assert all(normal_form(word) == word for word in listed)


def test_a_misspelt_mention_codes_and_keeps_its_span() -> None:
    assert set(coded("Known hypertenson.")) == {"I10"}
    found = coder().annotate_many(pl.DataFrame({"note_id": ["n"], "text": ["Known hypertenson."]})).mentions
    assert found["text"].to_list()[0] == "hypertenson"
    assert set(found["evidence"]) == {"lexical"}
