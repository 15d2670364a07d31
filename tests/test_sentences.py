"""Sentences cover a note exactly, whatever its characters, and end where a reader would end them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmap.text.sentences import sentences

PIECES = st.sampled_from(
    [
        "Pt denies CP. ",
        "Dr. ",
        "38.5 ",
        "mg. ",
        "\n",
        "\r\n",
        "\r",
        "\u2028",
        "\u00a0",
        "\t",
        "  ",
        "- item",
        "1. ",
        "fever",
        "No",
        ".",
        *("😀", "e\u0301", "שלום. ", "…", "?!", "\x1c", "\x85", ")", '"', "q.d. ", "A", ": ", ";", "\n\n"),
    ]
)
NOTES = st.one_of(st.lists(PIECES, max_size=40).map("".join), st.text(max_size=200))


@given(NOTES)
def test_sentences_cover_all_text_in_order_without_white_edges(text: str) -> None:
    place = 0
    for start, end in sentences(text):
        assert place <= start < end <= len(text)
        assert not text[place:start].strip()
        assert text[start:end] == text[start:end].strip()
        place = end
    assert not text[place:].strip()


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He has a cough. She does not.", ["He has a cough.", "She does not."]),
        ("Seen by Dr. Lee vs. Mr. Ray.", ["Seen by Dr. Lee vs. Mr. Ray."]),
        ("Temp. 38.5 C, wt. 70.2 kg. Stable.", ["Temp. 38.5 C, wt. 70.2 kg.", "Stable."]),
        ("Lasix 40 mg q.d. for edema. Return.", ["Lasix 40 mg q.d. for edema.", "Return."]),
        ("Aspirin 81 mg. Denies pain.", ["Aspirin 81 mg.", "Denies pain."]),
        ("Culture grew E. coli. Treated.", ["Culture grew E. coli.", "Treated."]),
        ("J. Smith, hepatitis B. He rests.", ["J. Smith, hepatitis B.", "He rests."]),
        ("1. HTN\n2. Gout, stable\n3) Asthma", ["1. HTN", "2. Gout, stable", "3) Asthma"]),
        ("- fever\n• chills\n[ ] rash", ["- fever", "• chills", "[ ] rash"]),
        ("aspirin\nmetoprolol\nlasix", ["aspirin", "metoprolol", "lasix"]),
        ("The patient was brought to the\nICU with sepsis", ["The patient was brought to the\nICU with sepsis"]),
        (
            "He came with severe left sided chest pain\nradiating down.",
            ["He came with severe left sided chest pain\nradiating down."],
        ),
        ("Abdomen soft\nno masses\nand no rash", ["Abdomen soft", "no masses\nand no rash"]),
        ("Denies fever,\nChills", ["Denies fever,\nChills"]),
        ("Stable\n\nplan unchanged", ["Stable", "plan unchanged"]),
        ("PLAN:\naspirin", ["PLAN:", "aspirin"]),
        ("pain resolved.The patient left.", ["pain resolved.", "The patient left."]),
        ('Why? "It hurts." (He left.)\r\nDone!', ["Why?", '"It hurts."', "(He left.)", "Done!"]),
        ("Referred to Dr.\nSmith today.", ["Referred to Dr.\nSmith today."]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert cut(text) == expected
