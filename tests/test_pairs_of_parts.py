"""Pairs for the parts that rules are made of: slips, overlaps, snippets, shared heads, edits, evidence, places."""

from __future__ import annotations

from pathlib import Path

import pytest
from whole_release import code_rows, codes_of

from conceptmap.coding.acceptance.known import _of_code, _of_remarks
from conceptmap.coding.code_edits import CodeEdits, read_edits
from conceptmap.coding.derived.substances import substances
from conceptmap.coding.exact.listed_sites import listed_words
from conceptmap.coding.instructions import references
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.sides import sides
from conceptmap.matching.spelling import Speller
from conceptmap.text.layout import layout_of
from conceptmap.text.overlaps import Claims, Overlaps, Starts
from conceptmap.text.sections import sections
from conceptmap.text.sentences import sentences
from conceptmap.text.snippets import counted, snippet

KNOWN = Speller(frozenset(["hypertension", "pneumonia", "edema", "colostomy", "asthma", "hepatitis", "nephritis"]))


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("hypertenson", "hypertension"),
        ("hypertensiion", "hypertension"),
        ("hypretension", "hypertension"),
        ("hypertensino", "hypertension"),
        ("hypertensoin", "hypertension"),
        ("hypertension", None),
        ("ypertension", None),
        ("hypertensiom", None),
        ("hyprtnsion", None),
        ("pneumoia", "pneumonia"),
        ("pnuemonia", "pneumonia"),
        ("edma", None),
        ("edemaa", None),
        ("asthmma", "asthma"),
        ("asthm", None),
        ("colotomy", None),
        ("hepatitiss", None),
        ("hypert3nsion", None),
    ],
)
def test_one_letter_or_two_swapped_make_a_slip_within_a_word(slip: str, meant: str | None) -> None:
    assert KNOWN.correct(slip) == meant


def test_a_slip_of_two_words_is_neither() -> None:
    both = Speller(frozenset(["dysphagia", "dysphasia"]))
    assert both.correct("dyspagia") == "dysphagia"
    assert both.correct("dyspha ia".replace(" ", "")) is None


@pytest.mark.parametrize(
    ("span", "touching", "holds", "within"),
    [
        ((0, 3), [], False, False),
        ((0, 6), [0], False, True),
        ((4, 5), [0], True, False),
        ((3, 6), [0], True, True),
        ((5, 9), [0], False, False),
        ((6, 9), [], False, False),
        ((5, 11), [0, 1], False, False),
        ((9, 21), [1, 2], False, True),
        ((12, 15), [1, 2], True, True),
    ],
)
def test_spans_touch_hold_and_lie_within(span: tuple[int, int], touching: list[int], holds: bool, within: bool) -> None:
    spans = Overlaps([(3, 6), (10, 20), (12, 15)])
    assert spans.touching(*span) == touching
    assert spans.hold(*span) is holds
    assert spans.any_in(*span) is within


def test_places_are_found_from_the_first_on_and_before_the_last() -> None:
    places = Starts([30, 4, 12])
    assert [places.within(*pair) for pair in ((4, 12), (5, 13), (0, 99), (13, 30))] == [[1], [2], [0, 1, 2], []]
    assert [places.any_within(*pair) for pair in ((4, 12), (5, 12), (13, 30), (13, 31))] == [True, False, False, True]


def test_the_first_claim_on_a_place_keeps_it() -> None:
    claims = Claims([(0, 5), (5, 9), (4, 6), (0, 9)])
    assert [claims.claim(*span) for span in ((0, 5), (5, 9), (4, 6), (0, 9))] == [None, None, 0, 0]


@pytest.mark.parametrize(
    ("span", "most", "shown"),
    [
        ((10, 14), 40, "He had no pain in the left knee today."),
        ((10, 14), 20, "…had no pain in the…"),
        ((10, 14), 14, "…no pain in…"),
        ((10, 14), 4, "pain"),
        ((10, 14), 3, "pa…"),
        ((0, 2), 10, "He had no…"),
        ((32, 37), 14, "…knee today."),
    ],
)
def test_a_snippet_is_cut_between_words_on_both_sides(span: tuple[int, int], most: int, shown: str) -> None:
    text = "He had no pain in the left knee today."
    assert snippet(text, *span, within=(0, len(text)), most=most) == shown


def test_wordings_are_counted_whatever_their_case() -> None:
    assert counted(["AF", "af", "gout"]) == "AF ×2; gout"
    assert counted(["AF"]) == "AF"
    assert counted(list("abcdef")) == "a; b; c; d; e; …"
    assert counted(list("abcde")) == "a; b; c; d; e"


@pytest.mark.parametrize(
    ("text", "end", "items"),
    [
        ("Cellulitis of the left leg and right foot.", 10, ["left leg", "right foot"]),
        ("Cellulitis of the left leg, foot and hand.", 10, ["left leg", "left foot", "left hand"]),
        ("DVT of the right femoral and popliteal veins", 3, ["right femoral veins", "right popliteal veins"]),
        ("Cellulitis of the left leg.", 10, []),
        ("Cellulitis of both legs and feet.", 10, ["both legs", "feet"]),
        ("Cellulitis of the leg and arm with fever.", 10, ["leg", "arm"]),
        ("Cellulitis, left leg and arm.", 10, []),
        ("Pain of one, two, three, four, five, six and seven.", 4, []),
        ("Pain of one, two, three, four, five and six.", 4, ["one", "two", "three", "four", "five", "six"]),
    ],
)
def test_a_list_of_sites_shares_its_side_and_its_noun(text: str, end: int, items: list[str]) -> None:
    assert listed_words(text, 0, end) == items


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("diabetes mellitus (E08-E13), nephritis (N05.-)", [("E08", "E13", None), ("N05", "N05", None)]),
        ("code to identify (B95-B97)", [("B95", "B97", None)]),
        ("see (Z79.4)", [("Z79.4", "Z79.4", None)]),
        ("(F10.- with 5th or 6th character 2)", [("F10", "F10", "2")]),
        ("diabetes", []),
        ("diabetes E08", []),
    ],
)
def test_an_instruction_names_the_codes_in_its_brackets(text: str, codes: list[tuple[str, str, str | None]]) -> None:
    assert [(one.first, one.last, one.digit) for one in references(text)] == codes


LIST = """
1. Newborn diagnoses (age 0 through 0)
P59.9 Jaundice
2. Pediatric diagnoses
B08.20 Exanthema
3. Maternity diagnoses (age 12 through 55)
O80 Delivery
4. Adult diagnoses
C61 Prostate
5. Diagnoses for females only
N76.0 Vaginitis
6. Diagnoses for males only
N40.0 Enlarged prostate
7. Manifestation codes not allowed as principal diagnosis
F02.80 Dementia
8. Unacceptable principal diagnosis
Z79.4 Insulin
9. Procedures for males
N41.0 Not read
"""


@pytest.mark.parametrize(
    ("code", "sex", "age", "said"),
    [
        ("P59.9", None, 0, 0),
        ("P59.9", None, 1, 1),
        ("B08.20", None, 17, 0),
        ("B08.20", None, 18, 1),
        ("O80", None, 11, 1),
        ("O80", None, 12, 0),
        ("O80", None, 55, 0),
        ("O80", None, 56, 1),
        ("C61", None, 14, 1),
        ("C61", None, 15, 0),
        ("C61", None, 124, 0),
        ("N76.0", "M", None, 1),
        ("N76.0", "F", None, 0),
        ("N40.0", "F", None, 1),
        ("N40.0", "M", None, 0),
        ("N40.0", None, None, 0),
        ("N40.0", "X", None, 0),
        ("N41.0", "F", 3, 0),
    ],
)
def test_a_list_of_edits_asks_for_sex_and_age(
    tmp_path: Path, code: str, sex: str | None, age: int | None, said: int
) -> None:
    path = tmp_path / "edits.txt"
    path.write_text(LIST)
    edits = read_edits(path)
    assert len(edits.remarks(code, sex, age)) == said
    assert edits.not_principal == {"F0280", "Z794"}
    assert not CodeEdits().remarks(code, sex, age)


@pytest.mark.parametrize(
    ("code", "name", "known"),
    [
        ("J18.9", "Pneumonia, unspecified organism", [1, 0, 0, 0, 0, 0, 0]),
        ("J18.8", "Other pneumonia", [0, 1, 0, 0, 0, 0, 0]),
        ("R07.9", "Chest pain", [0, 0, 1, 0, 0, 0, 0]),
        ("Z95.0", "Pacemaker", [0, 0, 0, 1, 0, 0, 0]),
        ("Z79.4", "Insulin", [0, 0, 0, 0, 0, 1, 0]),
        ("Z80.3", "Family history", [0, 0, 0, 0, 1, 0, 0]),
        ("Z87.891", "Nicotine", [0, 0, 0, 0, 1, 0, 0]),
        ("Z88.0", "Allergy", [0, 0, 0, 1, 0, 0, 0]),
        ("I10", "Hypertension", [0, 0, 0, 0, 0, 0, 1]),
        ("O30.001", "Twins, not applicable or unspecified", [0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_what_the_acceptance_model_knows_of_a_code(code: str, name: str, known: list[int]) -> None:
    assert list(_of_code("icd10cm", code, name)) == known


@pytest.mark.parametrize(
    ("remark", "known"),
    [
        ("default of J18", [1, 0, 0, 0]),
        ("left: completes J18", [0, 1, 0, 0]),
        ("Excludes1 at J18: not with J15", [0, 0, 1, 0]),
        ("use additional code, not found: B95", [0, 0, 0, 1]),
        ("proposed as principal diagnosis", [0, 0, 0, 0]),
    ],
)
def test_what_the_acceptance_model_knows_of_remarks(remark: str, known: list[int]) -> None:
    assert list(_of_remarks([remark])) == known
    assert list(_of_remarks(["other", remark])) == known


def places(text: str, *mentions: str) -> MentionPlaces:
    spans = [(text.index(word), text.index(word) + len(word)) for word in mentions]
    return MentionPlaces(text, spans, sections(text), sentences(text))


def test_mentions_stand_together_near_or_apart() -> None:
    around = places("Gout and rash. Fever. Cough.", "Gout", "rash", "Fever", "Cough")
    assert [around.together([0], [other]) for other in (1, 2, 3)] == [True, False, False]
    assert [around.near([0], [other]) for other in (1, 2, 3)] == [True, True, False]
    assert around.near([3], [2])
    assert around.says([0, 2]) == "gout fever"
    assert around.beside(1) == ((9, 13), [(0, 4), (15, 20)])
    assert around.beside(0) == ((0, 4), [(9, 13)])


@pytest.mark.parametrize(
    ("text", "opens"),
    [
        ("1. Gout", True),
        ("Fever. Gout", True),
        ("Severe old left Gout", True),
        ("He has had severe Gout", False),
        ("He has had severe; Gout", True),
        ("He has had severe\nGout", True),
    ],
)
def test_a_mention_opens_its_item_at_most_three_words_in(text: str, opens: bool) -> None:
    assert places(text, "Gout").opens_item(0) is opens


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Upper and lower back pain.", {"M54.50", "M54.6"}),
        ("Hepatitis B and C.", {"B19.10", "B19.20"}),
        ("Hepatitis B.", {"B19.10"}),
        ("Left and right knee pain.", {"M25.561", "M25.562"}),
    ],
)
def test_the_items_of_a_list_share_the_word_at_its_end(text: str, codes: set[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("strong", "weak"),
    [
        ("DISCHARGE DIAGNOSIS", "ASSESSMENT"),
        ("DIAGNOSIS", "ASSESSMENT AND PLAN"),
        ("ASSESSMENT", "HPI"),
        ("IMPRESSION", "HPI"),
        ("HOSPITAL COURSE", "HPI"),
        ("HPI", "PAST MEDICAL HISTORY"),
        ("HPI", "SOCIAL HISTORY"),
        ("HPI", "INDICATION"),
        ("PAST MEDICAL HISTORY", "PHYSICAL EXAM"),
        ("PHYSICAL EXAM", "MEDICATIONS"),
        ("PHYSICAL EXAM", "ROS"),
    ],
)
def test_a_code_weighs_more_in_a_conclusion_than_in_the_background(strong: str, weak: str) -> None:
    scores = [code_rows(f"{heading}: gout.\n", candidates=True)["M10.9"]["score"] for heading in (strong, weak)]
    assert scores[0] > scores[1]


def test_each_doubling_of_mentions_adds_to_a_code() -> None:
    scores = [code_rows("Gout. " * n)["M10.9"]["score"] for n in (1, 2, 3, 4)]
    assert scores[0] < scores[1] == scores[2] < scores[3]


def test_codes_of_a_report_stand_in_the_order_of_their_sections() -> None:
    text = "PHYSICAL EXAM: gout.\n\nHPI: asthma.\n\nASSESSMENT: psoriasis.\n"
    assert list(code_rows(text, setting="report")) == ["L40.9", "J45.909", "M10.9"]


def test_both_sides_within_a_mention_are_bilateral() -> None:
    assert sides("Left and right knee pain", (0, 24)) == ("bilateral",)
    assert sides("Left knee pain", (0, 14)) == ("left",)


def test_a_heading_within_a_line_is_found_on_any_line() -> None:
    names = [one.name for one in sections("He is well today.\nPMH: gout. FH: stroke.")]
    assert names == [None, "past medical history", "family history"]


@pytest.mark.parametrize("answerer", ["A", "Ans", "Answer", "Pt", "Patient", "Response", "R"])
def test_whoever_answers_is_not_what_was_asked(answerer: str) -> None:
    entries = layout_of(f"Any cough?\n{answerer}: Yes").entries
    assert [(entry.answer, entry.start_char) for entry in entries] == [("yes", 0)]
    assert not layout_of(f"{answerer}: Yes").entries


def test_a_status_leads_a_note_that_has_only_an_organism_beside_it() -> None:
    rows = code_rows("H. pylori. Former smoker.")
    assert {code: row["role"] == "principal" for code, row in rows.items()} == {"B96.81": False, "Z87.891": True}


def test_advice_against_smoking_in_capitals_is_advice() -> None:
    assert [found.code for found in substances("CESSATION not wanted, smokes 1 ppd.")] == ["F17.210"]
    assert not list(substances("Not a smoker of 1 ppd."))
