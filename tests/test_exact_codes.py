"""The digits that the note's words choose: causes, siblings, fragments, combinations, and what is never reported.

Each rule has a pair of notes that differ only by it.
"""

from __future__ import annotations

import csv
from importlib import resources

import pytest
from whole_release import code_rows, codes_of, mapper

from conceptmap.coding.exact.residual import residual_codes
from conceptmap.ontology.code_ranges import base_code

STAY = "HOSPITAL COURSE: {}\n"


@pytest.mark.parametrize(
    ("text", "code", "other", "instead"),
    [
        ("Constipation on opioids.", "K59.03", "Constipation.", "K59.00"),
        ("Opioid-induced constipation.", "K59.03", "Constipation, not from opioids.", "K59.00"),
        ("Anemia due to chemotherapy.", "D64.81", "Anemia before chemotherapy.", "D64.9"),
        ("Iron deficiency anemia from menorrhagia.", "D50.0", "Iron deficiency anemia.", "D50.9"),
        ("Septic encephalopathy.", "G93.41", "Encephalopathy.", "G93.40"),
        ("Thrombocytopenia 2/2 sepsis.", "D69.59", "Thrombocytopenia. Gout.", "D69.6"),
        ("Hypothyroidism after thyroidectomy.", "E89.0", "Hypothyroidism.", "E03.9"),
        ("Orthostatic hypotension due to medication.", "I95.2", "Orthostatic hypotension.", "I95.1"),
        ("Acute pancreatitis due to gallstones.", "K85.10", "Acute pancreatitis.", "K85.90"),
    ],
)
def test_the_cause_that_the_sentence_gives_chooses_the_code(text: str, code: str, other: str, instead: str) -> None:
    assert code in codes_of(text, setting="report")
    assert instead in codes_of(other, setting="report")
    assert code not in codes_of(other, setting="report")


@pytest.mark.parametrize(
    ("text", "code", "other", "instead"),
    [
        ("Melanoma of the right lower back.", "C43.59", "Melanoma. Pain of the right lower back.", "C43.9"),
        ("Sacral pressure injury, stage 2.", "L89.152", "Pressure injury, stage 2.", "L89.92"),
        ("Pressure ulcer of the left heel, category 2.", "L89.622", "Pressure ulcer of the left heel.", "L89.629"),
        ("Hepatitis C: chronic, viremic.", "B18.2", "Hepatitis C: viremic.", "B19.20"),
        ("Malnutrition, moderate protein-calorie.", "E44.0", "Malnutrition.", "E46"),
        ("Right hip degenerative joint disease.", "M16.11", "Degenerative joint disease.", "M19.90"),
        ("Infrarenal aortic ectasia.", "I77.811", "Aortic ectasia.", "I77.819"),
    ],
)
def test_the_words_beside_a_mention_choose_among_siblings(text: str, code: str, other: str, instead: str) -> None:
    assert code in codes_of(text)
    assert instead in codes_of(other)
    assert code not in codes_of(other)


@pytest.mark.parametrize(
    ("text", "codes", "one"),
    [
        ("Cellulitis of the left leg and right foot.", {"L03.116", "L03.115"}, "Cellulitis of the left leg."),
        ("Abscess of the right buttock and left groin.", {"L02.31", "L02.214"}, "Abscess of the right buttock."),
        ("DVT of the right femoral and popliteal veins.", {"I82.411", "I82.431"}, "DVT of the right femoral vein."),
        ("Osteoarthritis of both knees and the right hip.", {"M17.0", "M16.11"}, "Osteoarthritis of both knees."),
        ("Pressure ulcers of the sacrum and left heel.", {"L89.159", "L89.629"}, "Pressure ulcer of the sacrum."),
        ("Melanoma of the back and left arm.", {"C43.59", "C43.62"}, "Melanoma of the back."),
        ("Spinal stenosis of the cervical and lumbar spine.", {"M48.02", "M48.061"}, "Cervical spinal stenosis."),
        (
            "Fell. Contusions of the right knee and left elbow.",
            {"S80.01XA", "S50.02XA"},
            "Fell. Contusion, right knee.",
        ),
        (
            "MVC. Fractures of the left 4th, 5th ribs and clavicle.",
            {"S22.42XA", "S42.002A"},
            "MVC. Left rib fractures.",
        ),
    ],
)
def test_each_site_of_a_list_has_its_code(text: str, codes: set[str], one: str) -> None:
    assert codes <= codes_of(text)
    assert not codes <= codes_of(one)


def test_words_of_another_mention_choose_nothing() -> None:
    """What another diagnosis of the sentence is called is said of that one."""
    assert "C43.59" in codes_of("Melanoma of the back.")
    assert "B17.10" not in codes_of("Viral hepatitis C, acute cholecystitis.")
    assert "B19.20" in codes_of("Viral hepatitis C, acute cholecystitis.")


def test_the_endocarditis_goes_before_the_valve() -> None:
    rows = code_rows("HOSPITAL COURSE: severe tricuspid regurgitation. Infective endocarditis.\n")
    assert rows["I33.0"]["role"] == "principal"
    alone = code_rows("HOSPITAL COURSE: severe tricuspid regurgitation. Gout.\n")
    assert [code[:3] for code, row in alone.items() if row["role"] == "principal"] == ["I07"]


def test_what_is_said_exactly_once_is_not_coded_openly_elsewhere() -> None:
    assert codes_of("Melanoma. Melanoma of the right lower back.") == {"C43.59"}


@pytest.mark.parametrize(
    ("text", "alone", "code"),
    [
        ("Abscess. Acute appendicitis with perforation.", "Abscess.", "L02.91"),
        ("Infection. Acute cystitis.", "Infection.", "B99.9"),
        ("Hypotension. Septic shock.", "Hypotension.", "I95.9"),
        ("Osteoporosis. Osteoporotic fracture of the hip.", "Osteoporosis.", "M81.0"),
        ("Lupus. Lupus nephritis.", "Lupus.", "M32.9"),
        ("Anxiety. Generalized anxiety disorder.", "Anxiety.", "F41.9"),
        ("Upper respiratory infection. Influenza A.", "Upper respiratory infection.", "J06.9"),
    ],
)
def test_a_fragment_yields_to_the_code_that_holds_it(text: str, alone: str, code: str) -> None:
    assert code not in codes_of(text, setting="inpatient")
    assert code in codes_of(alone, setting="inpatient")


def test_a_report_tells_its_findings_one_by_one() -> None:
    text = "Anemia. Acute posthemorrhagic anemia. Pleural effusion. Heart failure."
    assert "J90" in codes_of(text, setting="report")
    assert "J90" not in codes_of(text, setting="inpatient")


def test_a_code_that_is_taken_away_says_what_took_it() -> None:
    row = code_rows("Abscess. Acute cystitis. Lung abscess.", candidates=True, setting="inpatient")["L02.91"]
    assert "an abscess without its site adds nothing" in row["reason"]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Mitral regurgitation. Tricuspid regurgitation.", {"I08.1"}),
        ("Mitral regurgitation.", {"I34.0"}),
        ("Type 2 diabetes. Gangrene of the toe.", {"E11.52"}),
        ("Type 2 diabetes. Acute cholecystitis. Gangrene.", {"E11.9", "K81.0", "K82.A1"}),
        ("Type 1 diabetes. Diabetic ketoacidosis.", {"E10.10"}),
        ("Type 2 diabetes. Diabetic ketoacidosis.", {"E11.10"}),
        ("Hydronephrosis. Acute pyelonephritis.", {"N13.6"}),
        ("RSV. Bronchiolitis.", {"J21.0"}),
        ("Hypertension. Left ventricular hypertrophy.", {"I10", "I51.7"}),
    ],
)
def test_two_conditions_that_the_tabular_list_says_in_one_code(text: str, codes: set[str]) -> None:
    assert codes_of(text, setting="inpatient") == codes


def test_bleeding_belongs_to_the_source_that_its_sentence_names() -> None:
    assert "K57.31" in codes_of("Diverticulosis of the colon with hematochezia, K92.2 bleeding from the gut: GI bleed.")
    assert "K57.31" not in codes_of("Diverticulosis of the colon. A polyp was removed. GI bleed from an ulcer.")


@pytest.mark.parametrize(
    ("text", "code", "other", "instead"),
    [
        ("STEMI. The RCA was 100 % occluded.", "I21.11", "STEMI. The RCA was patent, not occluded.", "I21.3"),
        ("STEMI. A stent to the LAD was placed.", "I21.02", "STEMI. A stent was placed.", "I21.3"),
        ("Kidney stone. CT: 5 mm stone in the left ureter.", "N20.1", "Kidney stone. CT: 5 mm stone.", "N20.0"),
        ("Heart failure. LVEF 25 %.", "I50.20", "Heart failure. LVEF 55 %.", "I50.9"),
        ("Adenoma. It is in the left adrenal: adenoma, 2 cm.", "D35.02", "Adenoma.", "D36.9"),
        ("Type 1 diabetes. DKA.", "E10.10", "Diabetes. DKA.", "E11.10"),
    ],
)
def test_another_sentence_chooses_the_digits(text: str, code: str, other: str, instead: str) -> None:
    assert code in codes_of(text)
    assert instead in codes_of(other)
    assert code not in codes_of(other)


@pytest.mark.parametrize(
    ("text", "alone", "code"),
    [
        ("K 2.9, repleted.", "K 2.9.", "E87.6"),
        ("Potassium of 6.2 treated with lokelma.", "Potassium of 6.2.", "E87.5"),
        ("Mg 1.3 and phos 1.7, replaced.", "Mg 1.3 and phos 1.7.", "E83.42"),
        ("Found with glucose 38, got D50.", "Found with glucose 38.", "E16.2"),
        ("K 2.9, repleted.", "K 3.9, repleted.", "E87.6"),
    ],
)
def test_a_value_counts_where_the_note_acts_on_it(text: str, alone: str, code: str) -> None:
    assert code in codes_of(text)
    assert code not in codes_of(alone)


def test_a_device_put_in_now_is_a_procedure_and_not_a_status() -> None:
    assert "Z95.0" not in codes_of("HOSPITAL COURSE: heart block. A pacemaker was placed.\n")
    assert "Z95.0" in codes_of("HOSPITAL COURSE: heart block. Has a pacemaker.\n")


def test_a_hysterectomy_with_both_ovaries_takes_both_codes() -> None:
    assert {"Z90.710", "Z90.722"} <= codes_of("s/p TAH-BSO 2010.")
    assert "Z90.722" not in codes_of("s/p TAH 2010.")


def test_what_a_setting_never_reports() -> None:
    assert "Z99.89" not in codes_of("HOSPITAL COURSE: gout. Ambulates with a walker.\n")
    assert "Z99.89" in codes_of("Gout. Ambulates with a walker.", setting="report")


@pytest.mark.parametrize(
    "name",
    [
        "causes",
        "families",
        "not_reported",
        "sequencing",
        "body_parts",
        "residual",
        "elsewhere",
        "results",
        "outcomes",
        "organisms",
        "neoplasm_sites",
        "procedure_causes",
    ],
)
def test_tables_say_why_and_hold_no_row_twice(name: str) -> None:
    lines = resources.files("conceptmap").joinpath(f"data/{name}_icd10cm.csv").read_text("utf-8").splitlines()
    assert len(lines) == len(set(lines))
    assert all(row["reason"] for row in csv.DictReader(lines))


def test_residual_codes_are_codes_that_a_note_can_have() -> None:
    book = mapper().linkers[0].book
    known = {base_code(code) for code, billable in zip(book.codes, book.billable, strict=True) if billable}
    assert set(residual_codes("icd10cm")) - known == {"T14"}, "of older releases"
