"""Pairs of maternity and newborn records that differ by one rule: weeks, weights, degrees, labour, control, outcome."""

from __future__ import annotations

import pytest
from whole_release import codes_of

from conceptmap.coding.derived.newborns import is_newborn, newborn_facts
from conceptmap.coding.derived.obstetrics import births, episode, is_maternal

LABOUR = "Obstetrics. G2P1 at 39w2d, SROM. SVD, Apgars 8/9."
BEFORE = "Obstetrics. G2P1 at 30w2d, prenatal visit."
OPEN = "G1P0 prenatal visit."
CHILD = "NICU discharge. Baby boy born at 32w3d, birth weight 1640 g, C-section, apgars 7/8. DOL 20."


def of_mother(text: str) -> set[str]:
    return {found.code for found in births(text)}


def of_child(text: str) -> set[str]:
    return {found.code for found in newborn_facts(text)}


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        ("FHR with late decels", {"O76"}),
        ("FHR without a pattern", set()),
        ("Tracing: FHR cat II", {"O76"}),
        ("Tracing: FHR cat I", set()),
        ("Nonreassuring fetal tracing", {"O76"}),
        ("Nuchal cord, tight", {"O69.1XX0"}),
        ("Nuchal cord x1", {"O69.81X0"}),
        ("Maternal exhaustion", {"O75.81"}),
        ("PPH of 900 mL", {"O72.1"}),
        ("Uterine atony", {"O72.1"}),
        ("EBL of 300 mL", set()),
        ("Retained placenta", {"O73.0"}),
        ("Placenta spontaneous", set()),
        ("Periurethral laceration, repaired", {"O71.82"}),
        ("Periurethral laceration, hemostatic", set()),
        ("Vaginal wall tear, repaired", {"O71.4"}),
        ("Vaginal wall tear, hemostatic", set()),
        ("Cervical laceration", {"O71.3"}),
        ("Thick meconium", {"O77.0"}),
        ("Clear fluid", set()),
        ("Shoulder dystocia", {"O66.0"}),
        ("Arrest of descent", {"O63.1"}),
        ("PPD1 temp 38.9", {"O86.4"}),
        ("PPD1 temp 37.2", set()),
        ("First degree laceration", {"O70.0"}),
        ("Laceration: 2nd", {"O70.1"}),
        ("Tear: third", {"O70.20"}),
        ("Laceration: 3a", {"O70.21"}),
        ("Laceration: 3c", {"O70.23"}),
        ("4th degree laceration", {"O70.3"}),
        ("Lac: IV", {"O70.3"}),
        ("No laceration", set()),
        ("Hgb 11.4 -> 9.9, iron given", {"O90.81"}),
        ("Hgb 11.4 -> 10.0, iron given", set()),
        ("Hgb 10.4 -> 9.9, iron given", set()),
        ("Hgb 10.9 -> 9.9, iron given", {"O90.81"}),
        ("Hgb 11.4 -> 7.6", set()),
    ],
)
def test_what_a_record_of_labour_adds_and_one_before_labour_does_not(said: str, codes: set[str]) -> None:
    assert of_mother(f"{LABOUR} {said}.") - of_mother(LABOUR) == codes
    assert of_mother(f"{BEFORE} {said}.") == of_mother(BEFORE)


@pytest.mark.parametrize(
    ("said", "open_", "third", "childbirth"),
    [
        ("Superimposed preeclampsia", "O11.9", "O11.3", "O11.4"),
        ("IUGR", "O36.5990", "O36.5930", "O36.5930"),
        ("GDM on insulin", "O24.414", "O24.414", "O24.424"),
        ("GDM on metformin", "O24.415", "O24.415", "O24.425"),
        ("GDM on diet", "O24.410", "O24.410", "O24.420"),
        ("Gestational diabetes", "O24.419", "O24.419", "O24.429"),
        ("GBS carrier", "Z22.330", "Z22.330", "Z22.330"),
        ("Prior cesarean", "O34.219", "O34.219", "O34.219"),
    ],
)
def test_a_condition_of_pregnancy_by_where_the_record_stands(
    said: str, open_: str, third: str, childbirth: str
) -> None:
    for record, code in ((OPEN, open_), (BEFORE, third), (LABOUR, childbirth)):
        assert of_mother(f"{record} {said}.") - of_mother(record) == {code}


def test_a_scar_of_a_low_transverse_cesarean_is_more_exact() -> None:
    assert "O34.211" in codes_of(f"{BEFORE} Prior cesarean, low transverse.")
    assert "O34.219" not in codes_of(f"{BEFORE} Prior cesarean, low transverse.")
    assert "O34.219" in codes_of(f"{BEFORE} Prior cesarean.")


@pytest.mark.parametrize(
    ("weeks", "late", "stage"),
    [
        ("13w6d", "", "first"),
        ("14w0d", "", "second"),
        ("27w6d", "", "second"),
        ("28w0d", "", "third"),
        ("40w0d", "", "third"),
        ("40w1d", "O48.0", "third"),
        ("41w0d", "O48.0", "third"),
        ("42w0d", "O48.1", "third"),
    ],
)
def test_trimesters_change_and_a_delivery_is_late_on_a_day(weeks: str, late: str, stage: str) -> None:
    assert episode(BEFORE.replace("30w2d", weeks)) == stage
    delivered = of_mother(LABOUR.replace("39w2d", weeks))
    assert {code for code in delivered if code.startswith("O48")} == ({late} if late else set())
    assert f"Z3A.{weeks[:2]}" in delivered
    assert not {code for code in of_mother(BEFORE.replace("30w2d", weeks)) if code.startswith("O48")}


@pytest.mark.parametrize(("weeks", "given"), [("4w0d", True), ("3w0d", False), ("42w6d", True), ("43w0d", False)])
def test_weeks_that_no_pregnancy_has_are_none(weeks: str, given: bool) -> None:
    assert any(code.startswith("Z3A") for code in of_mother(BEFORE.replace("30w2d", weeks))) is given


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("G3P1, no IUP. Right tubal ectopic.", {"O00.101"}),
        ("G3P1, no IUP. Ectopic in the left adnexa.", {"O00.102"}),
        ("G3P1, no IUP. Tubal ectopic.", {"O00.109"}),
        ("G3P1, no IUP. Right ectopic.", {"O00.90"}),
        ("G3P1, no IUP. Tubal ectopic. Left arm pain.", {"O00.109"}),
        ("G3P1, no IUP. Tubal ectopic. Hemoperitoneum.", {"O00.109", "O08.1"}),
        ("G2P1 at 30w2d. Ectopic pregnancy before.", {"Z3A.30"}),
    ],
)
def test_the_tube_of_an_ectopic_pregnancy_is_the_one_of_its_sentence(text: str, codes: set[str]) -> None:
    assert of_mother(text) == codes


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("Obstetrics. G2P1 at 39w2d, SROM. SVD. Stillborn infant.", "Z37.1"),
        ("Obstetrics. G2P1 at 39w2d, SROM. SVD. Viable infant.", "Z37.0"),
        ("Obstetrics. G2P1 at 39w2d, SROM. SVD. Liveborn twins.", "Z37.2"),
        ("Obstetrics. G2P1 at 39w2d, SROM. SVD.", ""),
        ("Obstetrics. G2P1 at 39w2d, SROM. SVD in 2018, Apgars then 8/9; stillborn before.", "Z37.0"),
    ],
)
def test_the_outcome_of_a_delivery(text: str, outcome: str) -> None:
    assert {code for code in of_mother(text) if code.startswith("Z37")} == ({outcome} if outcome else set())


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("G2P1, prior SVD, prenatal visit.", "open"),
        ("G2P1, SVD, prenatal visit.", "childbirth"),
        ("G2P1, SVD in 2018, prenatal visit.", "open"),
        ("G2P1, SVD x2, prenatal visit.", "open"),
        ("G2P1, PPD 9, readmitted.", "puerperium"),
        ("G2P1, day 9, readmitted.", "open"),
    ],
)
def test_an_earlier_delivery_is_not_this_one(text: str, stage: str) -> None:
    assert episode(text) == stage


@pytest.mark.parametrize(
    ("text", "maternal"),
    [
        ("G2P1, cough.", False),
        ("G2P1, prenatal visit.", True),
        ("34-year-old woman, G1P0, prenatal visit.", True),
        ("34-year-old man, G1P0, prenatal visit.", False),
        ("6-year-old, prenatal visit, SROM.", False),
        ("3-week-old, prenatal visit, SROM.", False),
        ("Prenatal visit, SROM. " + "Seen by us. " * 20 + "Her father, a 60-year-old man, came too.", True),
    ],
)
def test_whose_record_it_is(text: str, maternal: bool) -> None:
    assert is_maternal(text) is maternal


@pytest.mark.parametrize(
    ("weeks", "code"),
    [
        ("22w1d", "P07.21"),
        ("23w1d", "P07.22"),
        ("27w6d", "P07.26"),
        ("28w0d", "P07.31"),
        ("36w6d", "P07.39"),
        ("37w0d", ""),
        ("40w0d", ""),
        ("40w1d", "P08.21"),
        ("41w6d", "P08.21"),
        ("42w0d", "P08.22"),
    ],
)
def test_weeks_make_a_child_preterm_or_late(weeks: str, code: str) -> None:
    found = {code for code in of_child(CHILD.replace("32w3d", weeks)) if code[:5] in ("P07.2", "P07.3", "P08.2")}
    assert found == ({code} if code else set())


@pytest.mark.parametrize(
    ("weight", "code"),
    [
        ("499 g", "P07.01"),
        ("500 g", "P07.02"),
        ("749 g", "P07.02"),
        ("750 g", "P07.03"),
        ("999 g", "P07.03"),
        ("1000 g", "P07.14"),
        ("1249 g", "P07.14"),
        ("1250 g", "P07.15"),
        ("1499 g", "P07.15"),
        ("1500 g", "P07.16"),
        ("1749 g", "P07.16"),
        ("1750 g", "P07.17"),
        ("1999 g", "P07.17"),
        ("2000 g", "P07.18"),
        ("2499 g", "P07.18"),
        ("2500 g", ""),
        ("3999 g", ""),
        ("4000 g", "P08.1"),
        ("4499 g", "P08.1"),
        ("4500 g", "P08.0"),
        ("1.64 kg", "P07.16"),
        ("0.8 kg", "P07.03"),
    ],
)
def test_weights_at_birth(weight: str, code: str) -> None:
    found = {c for c in of_child(CHILD.replace("1640 g", weight)) if c[:5] in ("P07.0", "P07.1", "P08.0", "P08.1")}
    assert found == ({code} if code else set())


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("48 h of ampicillin", "Z05.1"),
        ("Rule out sepsis", "Z05.1"),
        ("Apnea of prematurity", "P28.40"),
        ("Apneas and bradycardias", "P28.40"),
        ("Poor PO feeding", "P92.2"),
        ("Gavage feeding", "P92.2"),
        ("Phototherapy", "P59.0"),
        ("Infant of a diabetic mother", "P70.0"),
        ("Surfactant given", "P22.0"),
        ("TTN", "P22.1"),
        ("IVH grade 1", "P52.0"),
        ("Grade II IVH", "P52.1"),
        ("SGA", "P05.10"),
        ("LGA", "P08.1"),
        ("NAS", "P96.1"),
        ("Anemia of prematurity", "P61.2"),
        ("Caput", "P12.81"),
        ("Cephalohematoma", "P12.0"),
        ("Feeding well", ""),
    ],
)
def test_what_a_newborns_record_says(said: str, code: str) -> None:
    assert of_child(f"{CHILD} {said}.") - of_child(CHILD) == ({code} if code else set())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (CHILD, "Z38.01"),
        (CHILD.replace("C-section", "forceps"), "Z38.00"),
        (CHILD.replace("C-section", "LTCS, vacuum tried"), "Z38.01"),
        (CHILD + " Twin A.", "Z38.31"),
        (CHILD.replace("C-section", "SVD") + " Twin A.", "Z38.30"),
        (CHILD + " Readmitted.", ""),
        (CHILD + " Outborn.", ""),
        (CHILD.replace("C-section, ", ""), ""),
    ],
)
def test_birth_in_this_stay_by_its_way(text: str, code: str) -> None:
    assert {c for c in of_child(text) if c.startswith("Z38")} == ({code} if code else set())


@pytest.mark.parametrize(
    ("text", "newborn"),
    [
        ("Baby boy, DOL 2, newborn, apgars 8.", True),
        ("Baby boy, DOL 2, newborn.", False),
        ("Baby boy, apgars 8, mother, infant.", False),
        ("Baby, DOL 2, newborn, apgars 8. G1P0, she, her, postpartum, lochia.", False),
    ],
)
def test_four_words_of_a_newborn_one_of_its_first_days_and_no_mothers(text: str, newborn: bool) -> None:
    assert is_newborn(text) is newborn


@pytest.mark.parametrize(
    ("said", "stays", "yields"),
    [
        ("RDS. TTN", "P22.0", "P22.1"),
        ("Sepsis. Rule out sepsis", "P36.9", "Z05.1"),
        ("Anemia. Anemia of prematurity", "P61.2", "P61.4"),
        ("Hypoglycemia. Infant of a diabetic mother", "P70.0", "P70.4"),
    ],
)
def test_the_more_exact_condition_of_a_newborn_stands_alone(said: str, stays: str, yields: str) -> None:
    assert stays in codes_of(f"{CHILD} {said}.")
    assert yields not in codes_of(f"{CHILD} {said}.")


def test_a_child_small_for_its_weeks_is_not_coded_by_weight_alone() -> None:
    assert "P07.16" in codes_of(CHILD)
    assert not {"P07.16"} & codes_of(f"{CHILD} SGA.")


@pytest.mark.parametrize(
    ("text", "there", "gone"),
    [
        (f"{LABOUR} Anemia.", {"O99.02", "D64.9"}, {"O99.013"}),
        (f"{BEFORE} Anemia.", {"O99.013", "D64.9"}, {"O99.02"}),
        ("G3P1, no IUP. Miscarriage, anemia.", {"O03.9", "O99.011"}, {"Z3A.30"}),
        (f"{LABOUR} Asthma.", {"O99.52", "J45.909"}, set()),
        (f"{LABOUR} Miscarriage in 2018.", {"Z87.59"}, {"O03.9"}),
        (f"{LABOUR} Second degree perineal laceration. Perineal laceration.", {"O70.1"}, {"S31.41XA"}),
        (f"{BEFORE} Superimposed preeclampsia. Preeclampsia.", {"O11.3"}, {"O14.93"}),
        ("G2P1 prenatal. Hypothyroidism.", {"E03.9", "O99.280"}, set()),
    ],
)
def test_the_chapter_of_pregnancy_goes_first(text: str, there: set[str], gone: set[str]) -> None:
    found = codes_of(text)
    assert there <= found
    assert not gone & found
