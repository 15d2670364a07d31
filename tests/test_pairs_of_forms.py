"""Pairs of notes that differ by one rule of reading: ends of headings, cells, boxes, markup, cues, short forms."""

from __future__ import annotations

import re

import pytest
from whole_release import code_rows

from conceptmap.matching.wordings import variants
from conceptmap.text.abbreviations import Abbreviation, ShortForms, _with_decimals
from conceptmap.text.beginnings import beginnings
from conceptmap.text.context import assess
from conceptmap.text.layout import layout_of
from conceptmap.text.sections import sections
from conceptmap.text.view import view_of
from conceptmap.text.words import words


@pytest.mark.parametrize(
    ("text", "heading", "under"),
    [
        ("HPI: fever", "HPI:", " fever"),
        ("HPI:: fever", "HPI::", " fever"),
        ("HPI - fever", "HPI -", " fever"),
        ("# HPI\nfever", "# HPI", "\nfever"),
        ("**HPI:** fever", "**HPI:**", " fever"),
        ("HPI\nfever", "HPI", "\nfever"),
    ],
)
def test_a_heading_ends_behind_its_marks(text: str, heading: str, under: str) -> None:
    (section,) = sections(text)
    assert (text[section.start_char : section.heading_end], text[section.heading_end :]) == (heading, under)


def test_headings_in_a_line_begin_and_end_where_they_stand_after_a_first_line() -> None:
    text = "Seen today.\nWell. PMH: gout. HPI: fever."
    assert [text[one.start_char : one.heading_end] for one in sections(text)] == ["", "PMH:", "HPI:"]
    assert [one.name for one in sections(text)][1:] == ["past medical history", "history of present illness"]


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("Symptom,Yes,No\nFever,no,yes", {"Fever": "no"}),
        ("Symptom,Yes,No\nFever,yes,no", {"Fever": "yes"}),
        ("Symptom | Yes | No\nRash | unknown |", {"Rash": "blank"}),
        ("Symptom | Absent\nRash |\nCough | X", {"Rash": "blank", "Cough": "no"}),
        ("Symptom | Yes\nRash |\nCough | X", {"Rash": "no", "Cough": "yes"}),
        ("Symptom | Yes | Resolved\nRash | |\nCough | X |", {"Rash": "blank", "Cough": "yes"}),
        ("Symptom | Yes | Resolved\nRash | | X", {"Rash": "past"}),
        ("Symptom | Status\nRash | no\n---|---\nCough | yes", {"Rash": "no", "Cough": "yes"}),
        ("Symptom | Yes\nRash | X\n\nCough | X", {"Rash": "yes"}),
        ("Symptom,Status\nRash,no\nCough,yes,today", {"Rash": "no"}),
        ("Symptom,Status\nRash,no\nCough,yes", {"Rash": "no", "Cough": "yes"}),
        ("Symptom | Status\nRash | no\n2 | yes", {"Rash": "no"}),
        ("Gout: [x] yes [ ] no since 2010", {"Gout:": "yes"}),
        ("[x] yes [ ] no gout", {"gout": "yes"}),
        ("[ ] yes [x] no gout", {"gout": "no"}),
        ("Gout: [x] yes [ ] no rash: [ ] yes [x] no", {"Gout:": "yes", "rash:": "no"}),
        ("Gout: [x] yes [ ] no, rash: [ ] yes [ ] no", {"Gout:": "yes", "rash:": "blank"}),
    ],
)
def test_a_cell_or_box_answers_by_its_column_or_option(text: str, answers: dict[str, str]) -> None:
    found = {text[e.start_char : e.end_char].strip(): e.answer for e in layout_of(text).entries}
    assert found == answers


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("fever\\tCough", "fever\tCough"),
        ("fever\\nCough", "fever\nCough"),
        ("fever\\tablet", "fever\\tablet"),
        ("{\\rtf1 it\\u8217?s \\'e9t\\'e9}", "it\u2019s \u00e9t\u00e9"),
        ("{\\rtf1 a\\u-10179?b}", "ab"),
        ("{\\rtf1 a\\~b\\_c\\-d\\{e}", "a b-cd{e"),
        ("{\\rtf1 a\\tab b\\par c}", "a\tb\nc"),
        ("\\T\\ x \\F\\", "& x |"),
        ("a\\X0D0A\\b\\X41\\", "a\nbA"),
        ("&amp;lt;5&nbsp;", "<5 "),
        ("a &nosuch; b", "a &nosuch; b"),
    ],
)
def test_an_escape_is_read_as_its_character(written: str, read: str) -> None:
    assert view_of(written).text == read


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FAMILY HISTORY:\n<Gout>: yes", {"family"}),
        ("ROS:\n<Gout>: yes", set()),
        ("FAMILY HISTORY:\n<Gout>: no", {"family", "negated"}),
        ("PMH:\n<Gout>: yes", {"historical"}),
        ("Had <fever>, cough not seen.", set()),
        ("<Fever>, cough not seen.", {"negated"}),
        ("Had <fever> and cough not seen.", set()),
        ("<Fever> and cough not seen.", {"negated"}),
        ("Had <fever> cough not seen.", {"negated"}),
        ("<Goitre is not> seen.", {"negated"}),
        ("Goitre <is not seen>.", set()),
        ("Denies fever; burning pain in left lower <leg>.", {"negated"}),
        ("Denies fever; burning pain in left lower inner <leg>.", set()),
        ("Should <bleeding> occur, stop it.", {"hypothetical"}),
        ("Stable; should <bleeding> occur, stop it.", {"hypothetical"}),
        ("The nurse should <bleeding> occur, stop it.", set()),
        ("Has no< fever>.", {"negated"}),
        ("Has< fever>, no rash.", set()),
    ],
)
def test_a_cue_holds_by_its_place_its_section_and_the_verbs_before(text: str, said: set[str]) -> None:
    """The mention stands between < and >; said: what is not affirmed, certain, recent and of the patient."""
    start, end = text.index("<"), text.index(">") - 1
    plain = text.replace("<", "").replace(">", "")
    (found,) = assess(plain, [(start, end)], sections(plain), layout=layout_of(plain))
    told = {str(found.subject), str(found.temporality), str(found.certainty)} - {"patient", "recent", "certain"}
    assert told | ({"negated"} if found.negated else set()) == said


HYDROCEPHALUS = "normal pressure hydrocephalus"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("MEDICATIONS:\n- NPH at night", False),
        ("HPI:\n- NPH at night", True),
        ("HPI: NPH 20 units", False),
        ("HPI: NPH noted", True),
    ],
)
def test_the_first_word_of_a_drug_list_is_no_disease_in_sections_not_told_before(text: str, meant: bool) -> None:
    forms = ShortForms({"NPH": (Abbreviation("NPH", HYDROCEPHALUS),)})
    found = words(text)
    at = found.written.index("NPH")
    told = {at: HYDROCEPHALUS} if meant else {}
    assert forms.those_meant(text, found, {at: HYDROCEPHALUS}) == told
    assert forms.those_meant(text, found, {at: HYDROCEPHALUS}, sections(text)) == told


@pytest.mark.parametrize(
    ("text", "form"), [("9.2", "92"), ("9.2 mg", "92"), ("9. 2", "9"), ("9, 2", "9"), ("9", "9"), ("x.2", "x")]
)
def test_a_number_is_one_with_its_decimals(text: str, form: str) -> None:
    assert _with_decimals(text, words(text), 0) == form


@pytest.mark.parametrize(
    ("term", "shortened"),
    [
        ("Dementia so stated", {"Dementia"}),
        ("Disease so called", {"Disease"}),
        ("Dementia also known as Pick", {"Dementia Pick"}),
        ("Dementia so far", set()),
    ],
)
def test_what_a_title_says_of_its_own_name_is_left_out(term: str, shortened: set[str]) -> None:
    assert set(variants(term)) == {term} | shortened


@pytest.mark.parametrize(
    ("pattern", "begun"),
    [
        (r"\bx\d", ("x",)),
        (r"\b(?:x\d|y)", ("x", "y")),
        (r"\bab[cd]\d", ("abc", "abd")),
        (r"\b\d", (r"\d",)),
        (r"\d", ()),
        (r"\b(?:x|\w)\d", ()),
    ],
)
def test_a_number_behind_a_letter_ends_what_a_pattern_begins_with(pattern: str, begun: tuple[str, ...]) -> None:
    assert beginnings(re.compile(pattern)) == begun


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [("Breast cancer.", "C50.919", "C80.1"), ("Acute cystitis.", "N30.00", "N30.90"), ("Cystitis.", "N30.90", "")],
)
def test_the_head_of_a_longer_name_stays_a_candidate_below_it(text: str, code: str, part: str) -> None:
    assert list(code_rows(text, candidates=True)) == ([code, part] if part else [code])
