"""Sex and age edits from a supplied list; an invented list in the layout of CMS's text."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from coded_release import coder

from conceptmap.batch import Settings, code_notes
from conceptmap.coding.code_edits import read_edits
from conceptmap.errors import InputError
from conceptmap.notes.notes import read_notes

MCE = """Definitions of Medicare Code Edits
4. Age conflict
Newborn diagnoses
P369  Bacterial sepsis of newborn, unspecified
Pediatric diagnoses (age 0 through 17)
P369  Bacterial sepsis of newborn, unspecified
Maternity diagnoses (age 12 through 55)
O99019 Anemia complicating pregnancy, unspecified trimester
5. Sex conflict
Diagnoses for females only
O99019 Anemia complicating pregnancy, unspecified trimester
Procedures for females only
0U5B0ZZ Destruction of endometrium, open approach
Diagnoses for males only
C61 Malignant neoplasm of prostate
6. Manifestation code as principal diagnosis
N08 Glomerular disorders in diseases classified elsewhere
"""


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "mce.txt"
    path.write_text(MCE)
    return path


@pytest.mark.parametrize(
    ("code", "sex", "age", "said"),
    [
        ("C61", "F", 70, ["sex edit: for males only"]),
        ("C61", "M", 70, []),
        ("C61", None, None, []),
        ("O99.019", "F", 60, ["age edit: for 12 to 55 years"]),
        ("O99.019", "M", 30, ["sex edit: for females only"]),
        ("P36.9", "F", 3, ["age edit: for 0 to 0 years"]),
        ("I10", "F", 3, []),
    ],
)
def test_edits(listed: Path, code: str, sex: str | None, age: int | None, said: list[str]) -> None:
    assert read_edits(listed).remarks(code, sex, age) == said


def test_edits_are_added_to_what_is_said_already(listed: Path) -> None:
    codes = pl.DataFrame(
        {
            "note_id": ["1", "1", "2", "2"],
            "system": ["icd10cm", "icd10cm", "icd10cm", "icd10"],
            "code": ["C61", "N08", "C61", "C61"],
            "notes": ["checked", "proposed as principal diagnosis: first under diagnosis", "", ""],
        }
    )
    notes = pl.DataFrame(
        {
            "note_id": ["1", "2"],
            "sex": ["F", "M"],
            "birth_date": ["2000-06-02", None],
            "note_date": ["2020-06-01", None],
        }
    )
    added = read_edits(listed).added(codes, notes)
    assert added["notes"].to_list() == [
        "checked; sex edit: for males only",
        "proposed as principal diagnosis: first under diagnosis; principal diagnosis edit: not acceptable as such",
        "",
        "",
    ]


def test_age_is_counted_in_completed_years(listed: Path) -> None:
    codes = pl.DataFrame({"note_id": ["1"], "system": ["icd10cm"], "code": ["O99.019"], "notes": [""]})
    notes = pl.DataFrame({"note_id": ["1"], "birth_date": ["2000-06-02"], "note_date": ["2012-06-01"]})
    edits = read_edits(listed)
    assert edits.added(codes, notes)["notes"].to_list() == ["age edit: for 12 to 55 years"]
    assert edits.added(codes, notes.with_columns(note_date=pl.lit("2012-06-02")))["notes"].to_list() == [""]


def test_a_csv_list(tmp_path: Path) -> None:
    path = tmp_path / "edits.csv"
    path.write_text("code,edit\nC61,male\nF03.90,adult\n")
    assert read_edits(path).remarks("F03.90", None, 10) == ["age edit: for 15 to 124 years"]
    path.write_text("code,edit\nC61,boys\n")
    with pytest.raises(InputError, match="row 1 of the list of edits names an unknown edit"):
        read_edits(path)


def test_a_run_says_them(listed: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text("note_id,text,sex\n1,Anemia in pregnancy.,M\n")
    done = code_notes(read_notes(notes), coder(), tmp_path / "out", Settings(mce=str(listed)))
    said = pl.read_csv(done.folder / "codes.csv")
    assert said["code"].to_list() == ["O99.019"]
    assert said["notes"][0].endswith("sex edit: for females only")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.txt"
    path.write_text("nothing of the kind\n")
    with pytest.raises(InputError, match="holds no sex or age edit"):
        read_edits(path)
    with pytest.raises(InputError, match="cannot read"):
        read_edits(tmp_path / "missing.txt")
