"""Maternity and newborn records; each pair differs by its rule alone."""

from __future__ import annotations

from functools import cache

import polars as pl
import pytest

from conceptmap import ConceptMapper
from conceptmap.coding.derived.newborns import is_newborn, newborn_facts
from conceptmap.coding.derived.obstetrics import births, episode, is_maternal, weeks_at
from conceptmap.data.tables import read_rows


@cache
def mapper() -> ConceptMapper:
    return ConceptMapper.load("icd10cm", encoder=None)


def codes(text: str) -> set[str]:
    return set(mapper().code(pl.DataFrame({"note_id": ["n"], "text": [text]}))["code"])


LABOUR = "Obstetrics. G2P1 at 39w2d, SROM. SVD, Apgars 8/9."
BEFORE = "Obstetrics. G2P1 at 30w2d, prenatal visit."
CHILD = "NICU discharge. Baby boy born at 32w3d, birth weight 1640 g, C-section, apgars 7/8. DOL 20."


def test_every_code_of_the_tables_exists() -> None:
    book = mapper().linkers[0].book
    stages = ("first", "second", "third", "open", "childbirth", "puerperium")
    given = [row[stage] for row in read_rows("obstetric", "icd10cm") for stage in stages]
    given += [row["gives"] for row in read_rows("newborn", "icd10cm")]
    assert [
        code for code in given if code not in book.position_of_code or not book.billable[book.position_of_code[code]]
    ] == []


@pytest.mark.parametrize(
    ("text", "weeks"),
    [
        ("39w2d", (39, 2)),
        ("33 weeks 4 days", (33, 4)),
        ("32+1 weeks", (32, 1)),
        ("32 1/7 weeks", (32, 1)),
        ("GA 31 weeks", (31, 0)),
    ],
)
def test_weeks_and_days(text: str, weeks: tuple[int, int]) -> None:
    found = weeks_at(f"Pregnant, {text}.")
    assert found is not None
    assert found[:2] == weeks


def test_weeks_of_something_else_are_no_gestation() -> None:
    assert weeks_at("cough for 3 weeks, seen in 6 weeks") is None


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (LABOUR, "childbirth"),
        (BEFORE, "third"),
        ("G2P1, prior SVD 2018, at 12w1d.", "first"),
        ("G2P1, PPD 9, readmitted.", "puerperium"),
    ],
)
def test_where_a_record_stands(text: str, where: str) -> None:
    assert episode(text) == where


@pytest.mark.parametrize(
    ("text", "there", "not_there"),
    [
        (f"{LABOUR} Hypothyroidism.", {"O99.284", "E03.9", "Z3A.39"}, {"O99.283"}),
        (f"{BEFORE} Hypothyroidism.", {"O99.283", "E03.9", "Z3A.30"}, {"O99.284", "Z37.0"}),
        ("Hypothyroidism.", {"E03.9"}, {"O99.283"}),
        (f"{LABOUR} Chronic hypertension.", {"O10.02"}, {"I10"}),
        (f"{BEFORE} Chronic hypertension.", {"O10.013"}, {"I10"}),
        (f"{LABOUR} Severe preeclampsia.", {"O14.14"}, {"O14.10", "O14.13"}),
        (f"{BEFORE} Severe preeclampsia.", {"O14.13"}, {"O14.14"}),
        (f"{LABOUR} GDM A2.", {"O24.424"}, set()),
        (f"{LABOUR} GDM A1.", {"O24.420"}, set()),
        (f"{BEFORE} GDM A2.", {"O24.414"}, set()),
    ],
)
def test_conditions_of_other_chapters_and_their_stage(text: str, there: set[str], not_there: set[str]) -> None:
    found = codes(text)
    assert there <= found
    assert not not_there & found


@pytest.mark.parametrize(
    ("text", "code", "given"),
    [
        ("Laceration: 3b.", "O70.22", True),
        ("Laceration: 3 cm.", "O70.22", False),
        ("Second degree perineal laceration.", "O70.1", True),
        ("Loose nuchal cord x1.", "O69.81X0", True),
        ("Tight nuchal cord x1.", "O69.1XX0", True),
        ("Tight nuchal cord x1.", "O69.81X0", False),
        ("Repetitive late decels.", "O76", True),
        ("Late arrival.", "O76", False),
        ("GBS pos.", "O99.824", True),
        ("GBS neg.", "O99.824", False),
        ("Hgb 11.4 -> 7.6, iron given.", "O90.81", True),
        ("Hgb 11.4 -> 10.6, iron given.", "O90.81", False),
        ("Repeat LTCS.", "O34.211", True),
    ],
)
def test_what_records_of_labour_say(text: str, code: str, given: bool) -> None:
    assert (code in codes(f"{LABOUR} Hypothyroidism. {text}")) is given


def test_after_the_due_date_by_weeks_and_days() -> None:
    assert "O48.0" in {found.code for found in births(LABOUR.replace("39w2d", "40w5d"))}
    assert "O48.0" not in {found.code for found in births(LABOUR)}


def test_two_words_make_a_maternity_record() -> None:
    assert is_maternal(LABOUR)
    assert not is_maternal("G2P2. Heroin use, endocarditis.")
    assert not is_maternal(CHILD)


@pytest.mark.parametrize(
    ("text", "tube"),
    [
        ("G3P1, no IUP. Ruptured ampullary ectopic on left. Hemoperitoneum.", "O00.102"),
        ("G3P1, no IUP. Ruptured ampullary ectopic on right. Hemoperitoneum.", "O00.101"),
        ("G3P1, no IUP. Ectopic pregnancy. Hemoperitoneum.", "O00.90"),
    ],
)
def test_an_ectopic_pregnancy_with_its_tube_and_bleeding(text: str, tube: str) -> None:
    assert {tube, "O08.1"} <= codes(text)
    assert not {code for code in codes(text) if code.startswith("Z3A")}


@pytest.mark.parametrize(
    ("text", "there"),
    [
        (CHILD, {"P07.35", "P07.16", "Z38.01"}),
        (CHILD.replace("C-section", "vaginal delivery"), {"Z38.00"}),
        (CHILD.replace("32w3d", "40w3d").replace("1640", "3640"), {"P08.21"}),
        (CHILD + " Phototherapy for two days.", {"P59.0"}),
        (CHILD.replace("32w3d", "39w3d") + " Phototherapy for two days.", {"P59.9"}),
    ],
)
def test_the_facts_of_a_newborn(text: str, there: set[str]) -> None:
    assert there <= {found.code for found in newborn_facts(text)}


def test_a_child_born_elsewhere_has_no_birth_here() -> None:
    assert not [f for f in newborn_facts(CHILD + " Transferred from another hospital.") if f.code.startswith("Z38")]


@pytest.mark.parametrize(
    ("text", "newborn"),
    [
        (CHILD, True),
        ("Age: 4 months. " + CHILD, False),
        ("A 33 year old. " + CHILD, False),
        ("Born to a 33 year old. " + CHILD, True),
    ],
)
def test_a_newborns_record(text: str, newborn: bool) -> None:
    assert is_newborn(text) is newborn


def test_conditions_of_a_newborn_go_by_their_own_chapter() -> None:
    found = codes(CHILD + " Hypoglycemia.")
    assert "P70.4" in found
    assert "E16.2" not in found
    assert "E16.2" in codes("Hypoglycemia.")


def test_no_perinatal_code_stands_in_an_adults_record() -> None:
    assert not {code for code in codes("54 yo man. Periventricular leukomalacia.") if code.startswith("P")}
    assert {code for code in codes("Periventricular leukomalacia.") if code.startswith("P")}


def test_weeks_stand_in_any_note_that_says_them() -> None:
    assert "Z3A.32" in codes("A woman at 32 weeks of gestation with pneumonia.")


def test_how_a_child_was_born_makes_no_maternity_record() -> None:
    told = " presented with anemia. Obstetric history: pregnancy at 34 weeks with bleeding, prenatal visits kept."
    assert any(code.startswith("O") for code in codes("A 31-year-old woman" + told))
    assert not any(code.startswith("O") for code in codes("A 3-year-old girl" + told))
    assert not any(code.startswith("O") for code in codes("A 31-year-old man" + told))
