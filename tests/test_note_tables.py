"""Tables of notes as people have them: other names, separators and encodings, no ids, a workbook."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import polars as pl
import pytest
from small_mapper import index

from conceptmap.cli import main
from conceptmap.errors import InputError
from conceptmap.notes.notes import Notes, read_notes


def save(frame: pl.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        frame.write_csv(path)
    elif path.suffix == ".jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_parquet(path)


def rows(notes: Notes) -> list[tuple[object, ...]]:
    assert notes.quarantined == ()
    return notes.frame().select("note_id", "text").rows()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_usual_separator_is_seen(separator: str, tmp_path: Path) -> None:
    content = f'"note_id"{separator}text{separator}ward\r\n7{separator}"Fever; cough, rash | ache"{separator}B\r\n'
    (tmp_path / "n.csv").write_bytes(content.encode())
    (tmp_path / "n.tsv.gz").write_bytes(gzip.compress(content.encode()))
    for name in ("n.csv", "n.tsv.gz"):
        notes = read_notes(tmp_path / name)
        assert rows(notes) == [("7", "Fever; cough, rash | ache")]
        assert notes.carried == ("ward",)


def test_a_semicolon_in_the_name_of_a_column_separates_nothing(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("note_id,text,a;b\n1,Fever.,c\n")
    notes = read_notes(tmp_path / "n.csv")
    assert notes.carried == ("a;b",)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_names_differ_in_case_blanks_and_hyphens(kind: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"Note ID": ["a"], "TEXT": ["Fever."], "Age-Years": ["7"], "Ward": ["B"]})
    path = tmp_path / f"n.{kind}"
    save(frame, path)
    notes = read_notes(path)
    assert rows(notes) == [("a", "Fever.")]
    assert notes.carried == ("age_years", "Ward")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_columns_are_chosen(kind: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["a"], "body": ["Fever."]})
    path = tmp_path / f"n.{kind}"
    save(frame, path)
    with pytest.raises(InputError, match=r"rename 'id' to .*, or name them \(--id-column, --text-column\)"):
        read_notes(path)
    assert rows(read_notes(path, id_column="ID", text_column="body")) == [("a", "Fever.")]


def test_a_chosen_column_that_is_not_there_or_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("note_id,text,Body\n1,Fever.,Rash.\n")
    with pytest.raises(InputError, match="has no column narrative: got 3 columns without it"):
        read_notes(tmp_path / "n.csv", text_column="narrative")
    with pytest.raises(InputError, match="columns of the same name: got columns 2 and 3 of 3"):
        read_notes(tmp_path / "n.csv", text_column="body")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_without_ids_are_numbered(kind: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"text": ["Fever.", "Rash."], "ward": ["A", "B"]})
    path = tmp_path / f"n.{kind}"
    save(frame, path)
    notes = read_notes(path)
    assert rows(notes) == [("1", "Fever."), ("2", "Rash.")]
    assert notes.carried == ("ward",)
    (tmp_path / f"o.{kind}").write_bytes(path.read_bytes())
    ids = read_notes(tmp_path).frame()["note_id"].to_list()
    assert ids == [f"n.{kind}:1", f"n.{kind}:2", f"o.{kind}:1", f"o.{kind}:2"]


def test_a_line_without_an_id_is_not_numbered_where_others_have_one(tmp_path: Path) -> None:
    (tmp_path / "n.jsonl").write_text('{"note_id": "a", "text": "Fever."}\n{"text": "Rash."}\n')
    notes = read_notes(tmp_path / "n.jsonl")
    assert [(bad.where, bad.reason) for bad in notes.quarantined] == [("line 2", "note_id is empty")]


ENCODED = "note_id,text\n1,Fièvre – «toux» depuis 2 µg.\n"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("name", ["n.csv", "n.csv.gz"])
def test_other_encodings_are_read(encoding: str, name: str, tmp_path: Path) -> None:
    data = ENCODED.encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    notes = read_notes(tmp_path / name, encoding=encoding)
    assert rows(notes) == [("1", "Fièvre – «toux» depuis 2 µg.")]
    if encoding in ("utf-16", "utf-8-sig"):
        assert rows(read_notes(tmp_path / name)) == rows(notes), "its mark says so"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_texts_and_lines_are_decoded_too(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Fièvre – toux".encode(encoding))
    assert rows(read_notes(tmp_path, encoding=encoding)) == [("a", "Fièvre – toux")]
    (tmp_path / "a.jsonl").write_bytes('{"note_id": "a", "text": "Fièvre – toux"}\n'.encode(encoding))
    assert rows(read_notes(tmp_path / "a.jsonl", encoding=encoding)) == [("a", "Fièvre – toux")]


def test_a_byte_that_the_encoding_lacks_costs_its_note_alone(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_bytes(b"note_id,text\na,Fever.\nb,caf\x81\nc,Rash.\n")
    notes = read_notes(tmp_path / "n.csv", encoding="cp1252")
    assert notes.frame()["note_id"].to_list() == ["a", "c"]
    assert [bad.where for bad in notes.quarantined] == ["row 2"]
    (tmp_path / "b.txt").write_bytes(b"F\x00e")
    assert (
        "is not utf-16-le: got byte 0x65" in read_notes(tmp_path / "b.txt", encoding="utf-16-le").quarantined[0].reason
    )
    with pytest.raises(InputError, match="no such encoding: got klingon"):
        read_notes(tmp_path / "n.csv", encoding="klingon")


def test_a_workbook_is_read(tmp_path: Path) -> None:
    from xlsxwriter import Workbook

    path = tmp_path / "n.xlsx"
    with Workbook(path) as book:
        book.add_worksheet("About").write_column(0, 0, ["What this is", "a workbook"])
        sheet = book.add_worksheet("Notes")
        sheet.write_row(0, 0, ["Note ID", "Text", "Ward"])
        sheet.write_row(1, 0, [17, "Fever.\nNo cough.", "B"])
        sheet.write_row(3, 0, ["x", "Rash, +1."])
    notes = read_notes(path)
    assert rows(notes) == [("17", "Fever.\nNo cough."), ("x", "Rash, +1.")]
    assert notes.carried == ("Ward",)
    with Workbook(path) as book:
        book.add_worksheet().write_column(0, 0, ["text", "x" * 32_767])
    with pytest.warns(UserWarning, match="1 text fills its cell of 32,767 characters"):
        assert read_notes(path).frame()["note_id"].to_list() == ["1"]


def test_a_workbook_without_its_reader_gives_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "n.xlsx").write_bytes(b"PK\x03\x04")
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(InputError, match=r"reading n\.xlsx needs fastexcel.*pip install 'conceptmap\[excel\]'"):
        read_notes(tmp_path / "n.xlsx")


INPUTS = {
    "Seen for fever, cough and a rash.\nPlan: rest.\n": [("stdin", "Seen for fever, cough and a rash.\nPlan: rest.\n")],
    'He said "no, never.\n': [("stdin", 'He said "no, never.\n')],
    "note_id;text\na;Fever.\n": [("a", "Fever.")],
    "text\nFever.\n": [("1", "Fever.")],
    '{"text": "Fever."}\n': [("1", "Fever.")],
}


@pytest.mark.parametrize("given", INPUTS)
def test_a_plain_note_on_standard_input_is_a_note(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
    assert rows(read_notes("-")) == INPUTS[given]


def test_a_misnamed_table_on_standard_input_is_no_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"id,body\n1,Fever.\n")))
    with pytest.raises(InputError, match="rename 'id' to 'note_id' and 'body' to 'text'"):
        read_notes("-")


def test_the_command_takes_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    index().save(tmp_path / "index")
    (tmp_path / "n.csv").write_bytes("Nr;Befund\n7;Hypertension – ü.\n".encode("cp1252"))
    line = [
        "code",
        "n.csv",
        "-o",
        "out",
        "--fast",
        "--ontology",
        "index",
        "--id-column",
        "nr",
        "--text-column",
        "Befund",
    ]
    assert main([*line, "--encoding", "cp1252"]) == 0
    assert pl.read_csv(tmp_path / "out" / "codes.csv", infer_schema=False)["note_id"].to_list() == ["7"]
