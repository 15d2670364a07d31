"""Tables for people: mentions.csv, the wide table and its matrix, the workbook, and CSV for spreadsheets."""

from __future__ import annotations

import codecs
import json
import stat
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from coded_mapper import lexical_mapper
from small_mapper import index, mapper

from conceptmap.batch import Settings, code_notes
from conceptmap.batch.publishing import STAGING
from conceptmap.errors import MissingExtraError
from conceptmap.export import workbook
from conceptmap.export.csv import csv_bytes
from conceptmap.export.workbook import CELL, _Sheet
from conceptmap.frames import ANNOTATIONS, CODES, CODES_ROLLED_UP, MENTIONS
from conceptmap.mapper import ConceptMapper
from conceptmap.notes.notes import read_notes

TEXTS = {
    "a": "History of high blood pressure.\nNo fever.\n\nAssessment:\nType 2 diabetes and\n  hypertension, as before.",
    "b": "Nothing to report.",
    "=c": "Mother had heart failure; he has headache, fever and cardiac failure.",
}


def coded(
    tmp_path: Path, asked: Settings, texts: dict[str, str] | None = None, on: ConceptMapper | None = None
) -> Path:
    given = texts or TEXTS
    frame = pl.DataFrame({"note_id": list(given), "text": list(given.values()), "ward": "3B", "text_code": "x"})
    frame.rename({"text_code": "code"}).write_parquet(tmp_path / "notes.parquet")
    code_notes(read_notes(tmp_path / "notes.parquet"), on or mapper(), tmp_path / "out", asked)
    return tmp_path / "out"


# -- mentions.csv -----------------------------------------------------------------------------------------------------


def test_a_mention_has_one_row_with_its_best_concept_in_words(tmp_path: Path) -> None:
    out = coded(tmp_path, Settings(rollup="category"))
    mentions = pl.read_csv(out / "mentions.csv", schema_overrides=dict(MENTIONS))
    annotations = pl.read_csv(out / "annotations.csv", schema_overrides=dict(ANNOTATIONS))
    assert mentions.columns == [*MENTIONS, "ward", "note_code"]
    best = annotations.filter(pl.col("rank") == 1)
    shared = [name for name in ANNOTATIONS if name in MENTIONS and name != "text"]
    assert mentions.select(shared).equals(best.select(shared))
    assert mentions["text"].to_list() == [" ".join(text.split()) for text in best["text"]]
    said = {row["text"]: row for row in mentions.iter_rows(named=True)}
    assert said["fever"]["context"] == "affirmed", "of the last note"
    assert mentions.filter(pl.col("note_id") == "a")["context"].to_list() == [
        "historical", "negated", "affirmed", "affirmed",
    ]  # fmt: skip
    assert said["heart failure"]["context"] == "family"
    assert said["high blood pressure"]["snippet"] == "History of high blood pressure."
    assert said["hypertension"]["snippet"] == "hypertension, as before."
    assert (said["Type 2 diabetes"]["supports"], said["heart failure"]["supports"]) == ("E11.9", "")
    assert said["Type 2 diabetes"]["rollup_code"] == "E11"
    for name in ("release", "encoder"):
        assert name not in mentions.columns, "what is the same in every row stands in run.json"
    facts = json.loads((out / "run.json").read_text())
    assert facts["indexes"][0]["release"] == "2099"
    assert facts["counts"]["mentions"] == mentions.height


def test_codes_are_rolled_up_where_that_is_asked_for(tmp_path: Path) -> None:
    rolled = pl.read_csv(coded(tmp_path, Settings(rollup="category")) / "codes.csv", infer_schema=False)
    assert rolled.columns == [*CODES_ROLLED_UP, "ward", "note_code"]
    assert dict(rolled.select("code", "rollup_code").iter_rows())["E11.9"] == "E11"
    assert dict(rolled.select("code", "rollup_name").iter_rows())["I50.9"] == "Heart failure"
    (tmp_path / "plain").mkdir()
    plain = pl.read_csv(coded(tmp_path / "plain", Settings()) / "codes.csv", infer_schema=False)
    assert plain.columns == [*CODES, "ward", "note_code"]


# -- wide -------------------------------------------------------------------------------------------------------------


def test_the_wide_table_has_a_row_a_note_and_the_matrix_the_same_codes(tmp_path: Path) -> None:
    out = coded(tmp_path, Settings(formats=("csv", "wide")))
    wide = pl.read_csv(out / "wide.csv", infer_schema=False)
    assert wide.columns == ["note_id", "principal", "codes", "n_codes", "ward", "note_code"]
    assert wide["note_id"].to_list() == list(TEXTS)
    codes = pl.read_csv(out / "codes.csv", infer_schema=False)
    for note_id, joined, n in wide.select("note_id", "codes", "n_codes").iter_rows():
        expected = codes.filter(pl.col("note_id") == note_id)["code"].to_list()
        assert (joined or "") == ";".join(expected)
        assert int(n) == len(expected)
    matrix = pl.read_parquet(out / "matrix.parquet")
    assert matrix.columns == ["note_id", *sorted(codes["code"].unique())]
    assert matrix["note_id"].to_list() == list(TEXTS)
    has = {(note_id, code) for note_id, code in codes.select("note_id", "code").iter_rows()}
    assert {(row["note_id"], code) for row in matrix.iter_rows(named=True) for code in row if row[code] == 1} == has
    assert int(matrix.drop("note_id").to_numpy().sum()) == len(has)
    counts = json.loads((out / "run.json").read_text())["counts"]
    assert (counts["wide"], counts["matrix_codes"]) == (len(TEXTS), matrix.width - 1)
    assert set(matrix.drop("note_id").dtypes) == {pl.UInt8}


def test_the_principal_diagnosis_stands_in_the_wide_table(tmp_path: Path) -> None:
    on = ConceptMapper.load("icd10cm", encoder=None)
    out = coded(tmp_path, Settings(formats=("wide",)), {"n": "Discharge diagnosis: acute appendicitis. Gout."}, on)
    assert pl.read_csv(out / "wide.csv").row(0, named=True)["principal"] == "K35.80"


def test_codes_of_several_systems_are_told_apart_in_the_matrix(tmp_path: Path) -> None:
    both = ConceptMapper((index(), lexical_mapper().indexes[0]), None)
    out = coded(tmp_path, Settings(formats=("wide",)), {"n": "Hypertension."}, both)
    assert pl.read_parquet(out / "matrix.parquet").rows(named=True) == [{"note_id": "n", "icd10:I10": 1, "test:I10": 1}]


def test_a_run_without_codes_has_empty_tables(tmp_path: Path) -> None:
    out = coded(tmp_path, Settings(formats=("wide", "xlsx")), {"n": "Nothing."})
    assert pl.read_parquet(out / "matrix.parquet").rows() == [("n",)]
    assert pl.read_csv(out / "wide.csv", infer_schema=False).row(0) == ("n", None, "", "0", "3B", "x")
    assert openpyxl.load_workbook(out / "codes.xlsx")["Codes"].max_row == 1


# -- the workbook -----------------------------------------------------------------------------------------------------


def sheet_rows(out: Path, name: str) -> list[dict[str, Any]]:
    rows = list(openpyxl.load_workbook(out / "codes.xlsx")[name].iter_rows(values_only=True))
    return [dict(zip(map(str, rows[0]), row, strict=True)) for row in rows[1:]]


def test_openpyxl_reads_the_same_rows_back(tmp_path: Path) -> None:
    out = coded(tmp_path, Settings(formats=("csv", "xlsx"), rollup="category"))
    for sheet, table in (("Codes", "codes"), ("Mentions", "mentions")):
        csv, rows = pl.read_csv(out / f"{table}.csv", infer_schema=False), sheet_rows(out, sheet)
        assert len(rows) == csv.height > 0
        for row, expected in zip(rows, csv.iter_rows(named=True), strict=True):
            assert row.pop("Accept") is None
            for name, value in row.items():
                if name in ("score", "confidence", "probability"):
                    assert value == pytest.approx(float(expected[name]), abs=1e-5) if expected[name] else value is None
                else:
                    assert str("" if value is None else value).lower() == (expected[name] or "").lower()
    notes = {row["note_id"]: row for row in sheet_rows(out, "Notes")}
    assert {note_id: row["text"] for note_id, row in notes.items()} == TEXTS
    assert notes["a"]["codes"] == "I10;E11.9"
    assert notes["a"]["ward"] == "3B"


def test_sheets_have_filters_a_header_that_stays_and_choices_to_accept(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(coded(tmp_path, Settings(formats=("xlsx",))) / "codes.xlsx")
    assert book.sheetnames == ["Codes", "Mentions", "Notes"]
    for sheet, frozen in zip(book, ("F2", "D2", "B2"), strict=True):
        assert sheet.freeze_panes == frozen
        assert sheet.auto_filter.ref == f"A1:{sheet.cell(1, sheet.max_column).column_letter}{sheet.max_row}"
        assert sheet["A1"].font.bold
        assert sheet.column_dimensions["E"].width > 8
    codes = book["Codes"]
    assert [cell.value for cell in codes[1]][:6] == ["Accept", "note_id", "rank", "role", "code", "name"]
    assert codes["E2"].data_type == "s", "codes are text"
    (choices,) = codes.data_validations.dataValidation
    assert (choices.formula1, str(choices.sqref)) == ('"yes,no"', "A2:A1006")
    assert {cell.data_type for row in codes.iter_rows() for cell in row} <= {"s", "n", "b", "inlineStr"}, "no formula"
    assert codes["B5"].value == "=c"


def test_rows_are_as_high_as_their_longest_cell(tmp_path: Path) -> None:
    sheet = openpyxl.load_workbook(coded(tmp_path, Settings(formats=("xlsx",))) / "codes.xlsx")["Codes"]
    names = [cell.value for cell in sheet[1]]
    high = {
        row[names.index("name")].value: sheet.row_dimensions[row[0].row].height for row in sheet.iter_rows(min_row=2)
    }
    assert high["Type 2 diabetes mellitus without complications"] == 30
    assert high["Fever, unspecified"] is None, "as high as the program makes it"


def test_a_workbook_has_the_same_bytes_whenever_it_is_written(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found.append((coded(tmp_path / name, Settings(formats=("xlsx",))) / "codes.xlsx").read_bytes())
    assert found[0] == found[1]
    assert stat.S_IMODE((tmp_path / "one" / "out" / "codes.xlsx").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "one" / "out").iterdir() if path.name.startswith(".")] == []


def test_a_long_text_goes_on_in_the_cells_beside_it(tmp_path: Path) -> None:
    text = "fever " * 8_000 + "\U0001f912\x0b\ufffe end"
    out = coded(tmp_path, Settings(formats=("xlsx",)), {"long": text})
    (row,) = list(openpyxl.load_workbook(out / "codes.xlsx")["Notes"].iter_rows(min_row=2, values_only=True))
    cells = [cell for cell in row[6:] if cell is not None]
    assert [len(cell) for cell in cells[:-1]] == [CELL] * (len(text) // CELL)
    assert "".join(cells).startswith(text[: 6 * 8_000])


def test_what_a_killed_run_left_of_a_workbook_goes(tmp_path: Path) -> None:
    """Rows wait in files of the operating system's names until the workbook is put together."""
    parts = tmp_path / "out" / f"{STAGING}{'1' * 12}" / ".xlsx.parts"
    parts.mkdir(parents=True)
    (parts / "tmp5prtmmj8").write_text("fever")
    (parts / "mine.txt").write_text("mine")
    out = coded(tmp_path, Settings(formats=("xlsx",)))
    assert [path.name for path in parts.iterdir()] == ["mine.txt"], "and nothing of somebody else's"
    assert (out / "codes.xlsx").is_file()


class Grid:
    """Takes cells as a worksheet does."""

    def __init__(self) -> None:
        self.cells: list[tuple[int, int, Any]] = []

    def write_string(self, row: int, column: int, value: str, look: object) -> None:
        self.cells.append((row, column, value))


def test_what_excel_has_no_rows_for_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 4)
    grid = Grid()
    sheet = _Sheet(grid, ["code"], [None])
    sheet.write([("I10",)] * 9)
    assert (sheet.rows, sheet.left_out, len(grid.cells)) == (3, 6, 3)


def test_without_its_writer_a_run_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "xlsxwriter", None)
    with pytest.raises(MissingExtraError, match=r"conceptmap\[excel\]"):
        coded(tmp_path, Settings(formats=("xlsx",)))
    assert not (tmp_path / "out").exists()


# -- CSV for spreadsheets ---------------------------------------------------------------------------------------------


def test_csv_for_a_spreadsheet_begins_with_a_byte_order_mark(tmp_path: Path) -> None:
    out = coded(tmp_path, Settings(formats=("csv", "wide", "brat", "omop"), spreadsheet_safe=True))
    tables = sorted(out.glob("*.csv"))
    assert {"codes", "mentions", "annotations", "wide", "brat_notes", "note_nlp"} <= {path.stem for path in tables}
    for path in tables:
        content = path.read_bytes()
        assert content.startswith(codecs.BOM_UTF8)
        assert content.count(codecs.BOM_UTF8) == 1
        assert pl.read_csv(path).columns[0].isascii(), "and the mark is no part of a name"
    (tmp_path / "plain").mkdir()
    exact = coded(tmp_path / "plain", Settings())
    assert not (exact / "codes.csv").read_bytes().startswith(codecs.BOM_UTF8)
    frame = pl.DataFrame({"a": ["é"]})
    assert csv_bytes(frame, header=False, safe=True) == "é\n".encode()


def test_a_run_with_brat_files_for_a_spreadsheet_knows_them_again(tmp_path: Path) -> None:
    asked = Settings(formats=("csv", "brat"), spreadsheet_safe=True)
    coded(tmp_path, asked, {"a": "fever", "b": "headache"})
    out = coded(tmp_path, asked, {"a": "fever"})
    assert sorted(path.name for path in (out / "brat").glob("*.ann")) == ["a.ann"]
