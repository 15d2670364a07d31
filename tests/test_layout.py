"""The view of a note and its layout: offsets back to the original, answers, boxes, signs, tables."""

from __future__ import annotations

import random
import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmap.cli import main
from conceptmap.mapper import ConceptMapper
from conceptmap.text.context import assess
from conceptmap.text.layout import layout_of
from conceptmap.text.page import Page
from conceptmap.text.sections import sections
from conceptmap.text.view import seen, view_of

WORDS = ["No fever", "gout", "asthma\u00b2", "Sjo\u0308gren syndrome", "in\ufb02uenza", "chest pain", "pneu\u00admonia"]
MARKUP = [
    "<br>",
    "<li>",
    "</li>",
    "&nbsp;",
    "&#39;",
    "\\.br\\",
    "\\X0A\\",
    "~",
    "{\\rtf1 ",
    "\\par ",
    "}",
    "\u200b",
    "\U0001f600",
]
FORMS = [
    ": no",
    ": yes",
    "[x] ",
    "[ ] ",
    "| ",
    "\t",
    "Problem | Status\n",
    "Yes\tNo\n",
    "+",
    "-",
    "(resolved)",
    "X",
    "PMH: ",
]
PIECES = [
    *WORDS,
    *MARKUP,
    *FORMS,
    "hyper-\ntension",
    "\u03b1-thalassemia",
    "Diabetes",
    "\n",
    " ",
    ", ",
    ". ",
    "? ",
    "  ",
    "\r\n",
]


def random_notes(n: int) -> list[str]:
    """Notes of markup, forms and tables thrown together."""
    chance = random.Random(16)
    return ["".join(chance.choice(PIECES) for _ in range(chance.randint(1, 40))) for _ in range(n)]


@pytest.mark.parametrize(
    ("note", "read"),
    [
        ("No fever<br/>Gout", "No fever\nGout"),
        ("<td>Gout</td><td>Yes</td></tr>", "Gout\tYes\t\n"),
        ("dyspnea&nbsp;on&nbsp;exertion", "dyspnea on exertion"),
        ("No fever\\.br\\Gout\\X0A\\", "No fever\nGout\n"),
        ("fever~gout, ~5 days", "fever\ngout, ~5 days"),
        ("{\\rtf1\\ansi{\\fonttbl{\\f0 Arial;}}\\b Gout\\b0\\par caf\\'e9}", "Gout\ncafé"),
        ("hyper-\ntension, follow-\nup", "hypertension, follow-up"),
        ("Sjo\u0308gren, pneu\u00admonia, in\ufb02uenza", "Sj\u00f6gren, pneumonia, influenza"),
        ("asthma\u00b2 of 30 kg/m\u00b2", "asthma  of 30 kg/m\u00b2"),
        ("\u03b11-antitrypsin, 5 \u03bcg", "alpha-1-antitrypsin, 5 \u03bcg"),
        ("BP <140 and >90, a&b", "BP <140 and >90, a&b"),
    ],
)
def test_what_is_read_of_markup_and_marks(note: str, read: str) -> None:
    assert view_of(note).text == read


def test_a_plain_note_is_its_own_view() -> None:
    note = "Gout – naïve, “quoted”, 38 °C.\n- rash"
    assert view_of(note).text is note


@given(
    st.text(alphabet=st.sampled_from("ab -\n<>/br&;#39\\.X0A~\u0301\u00ad\u03b1\ufb01\u00b2{}rtfpa|\t"), max_size=60)
)
def test_every_character_of_a_view_comes_from_the_note(note: str) -> None:
    view = view_of(note)
    places = [view.span(at, at + 1) for at in range(len(view.text))]
    assert all(0 <= start < end <= len(note) for start, end in places)
    assert places == sorted(places)
    for at, (start, end) in enumerate(places):
        first, last = seen(view, start, end)
        assert first <= at < last


def test_nothing_of_a_random_note_breaks_and_entries_stand_in_it() -> None:
    for note in random_notes(1000):
        page = Page.of(note)
        ends = 0
        for entry in page.layout.entries:
            assert ends <= entry.start_char < entry.end_char <= len(page.text)
            ends = entry.end_char
        assert all(page.text[start:end].strip() == page.text[start:end] != "" for start, end in page.sentences)


def test_offsets_of_random_notes_point_at_the_original() -> None:
    texts = random_notes(1000)
    notes = pl.DataFrame({"note_id": [str(number) for number in range(len(texts))], "text": texts})
    found = ConceptMapper.load("icd10cm", encoder=None).annotate_many(notes).mentions
    assert found.height > 1000
    for note_id, start, end, text in found.select("note_id", "start_char", "end_char", "text").iter_rows():
        assert texts[int(note_id)][start:end] == text == text.strip()


@pytest.mark.parametrize(
    ("note", "answers"),
    [
        ("Fever: no", {"Fever": "no"}),
        ("Cough .... NO", {"Cough": "no"}),
        ("1. Gout - inactive", {"Gout": "past"}),
        ("Any cough?\nA: Yes.", {"Any cough": "yes"}),
        ("Gout (entered in error), asthma (active)", {"Gout": "error", "asthma": "yes"}),
        ("Allergies: no known drug allergies", {}),
        ("Family history: no diabetes", {}),
        ("seen today  no change", {}),
        ("Gout: \u2610 Yes \u2612 No", {"Gout:": "no"}),
        ("Y[ ] N[X] gout", {"gout": "no"}),
        ("\u25cf gout \u25cf rash", {}),
        ("\u25cf gout \u25cb rash", {"gout": "yes", "rash": "no"}),
        ("-CP, +SOB", {"CP": "no", "SOB": "yes"}),
        ("-gout\n-rash", {}),
        ("Symptom | Yes | No\nRash | X |\nCough | | X", {"Rash": "yes", "Cough": "no"}),
        ("Symptom    Yes   No\nRash        X\nCough             X", {"Rash": "yes", "Cough": "no"}),
        ("Resolved: gout, rash", {"gout, rash": "past"}),
        ("Asthma: unknown", {"Asthma": "blank"}),
        ("Ascites not present.", {}),
    ],
)
def test_what_forms_answer(note: str, answers: dict[str, str]) -> None:
    text = view_of(note).text
    entries = layout_of(text).entries
    assert {text[e.start_char : e.end_char].strip(): e.answer for e in entries} == answers


def test_a_span_from_a_list_mark_into_its_heading_is_not_assessed() -> None:
    text = "Pain.\n- Assessment:\nFever."
    assert assess(text, [(6, 18)], sections(text))[0].negated is None


def test_composed_and_decomposed_letters_read_the_same() -> None:
    name = "M\u00e9ni\u00e8re's disease"
    assert view_of(unicodedata.normalize("NFD", name)).text == name


def test_the_layout_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "--layout", "PMH: [x] gout [ ] asthma\nFever: no"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["past", "medical", "history", "box", "no", "asthma"] in lines
    assert ["pair", "no", "Fever"] in [line[-3:] for line in lines]
