"""Notes come out exactly as they went in, and every kind of bad input is named."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conceptmap.errors import InputError
from conceptmap.notes import notes as module
from conceptmap.notes import rows as formats
from conceptmap.notes.notes import read_notes

AWKWARD = [
    "plain",
    "  leads and trails  ",
    "CRLF\r\nlines\r\n",
    "lone CR\rhere",
    '"quoted", and ""doubled""',
    "tab\there, comma, semicolon;",
    "emoji 🩺👩🏽‍⚕️ and e\u0301 combining",
    "NBSP\u00a0and\u202fnarrow, line sep\u2028para sep\u2029next line\u0085vt\x0bff\x0c",
    "\ufeffstarts with a byte-order mark",
    "שלום right to left",
    "NUL \x00 inside",
    "=1+1",
]
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: not text.isspace())


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_bytes(b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows))
    return path


def write_parquet(path: Path, rows: list[dict[str, str]]) -> Path:
    pl.DataFrame(rows).write_parquet(path)
    return path


def write_folder(path: Path, rows: list[dict[str, str]]) -> Path:
    path.mkdir()
    for row in rows:
        (path / f"{row['note_id']}.txt").write_bytes(row["text"].encode())
    return path


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet, "folder": write_folder}


def numbered(texts: list[str]) -> list[dict[str, str]]:
    return [{"note_id": f"n{number:04}", "text": text} for number, text in enumerate(texts)]


@pytest.mark.parametrize("kind", WRITERS)
def test_awkward_texts_survive_every_format(kind: str, tmp_path: Path) -> None:
    rows = numbered(AWKWARD)
    notes = read_notes(WRITERS[kind](tmp_path / f"notes.{kind}".removesuffix(".folder"), rows))
    assert notes.quarantined == ()
    assert notes.frame().to_dicts() == rows
    assert notes.n_notes == len(rows)
    assert notes.n_chars == sum(map(len, AWKWARD))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=1, max_size=6))
def test_any_text_survives(kind: str, texts: list[str], tmp_path: Path) -> None:
    notes = read_notes(WRITERS[kind](tmp_path / f"notes.{kind}", numbered(texts)))
    assert notes.frame()["text"].to_list() == texts


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_gzip_is_unpacked(suffix: str, tmp_path: Path) -> None:
    plain = WRITERS[suffix[1:]](tmp_path / f"a{suffix}", numbered(AWKWARD))
    packed = tmp_path / f"b{suffix}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_notes(packed).frame().equals(read_notes(plain).frame())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=30),
    most_notes=st.integers(1, 10),
    most_chars=st.integers(1, 60),
)
def test_chunks_hold_every_note_once_within_the_limits(
    lengths: list[int], most_notes: int, most_chars: int, tmp_path: Path
) -> None:
    notes = read_notes(write_csv(tmp_path / "n.csv", numbered(["x" * length for length in lengths])))
    chunks = list(notes.chunks(notes=most_notes, chars=most_chars))
    assert pl.concat(chunks).equals(notes.frame())
    for chunk in chunks:
        assert 1 <= len(chunk) <= most_notes
        assert len(chunk) == 1 or chunk["text"].str.len_chars().sum() <= most_chars


def test_columns_are_carried_along(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text("sex,note_id,age_years,text,ward\nF,1,063,Pneumonia.,\n", encoding="utf-8")
    notes = read_notes(path)
    assert notes.carried == ("sex", "age_years", "ward")
    assert notes.frame().row(0, named=True) == {
        "sex": "F", "note_id": "1", "age_years": "063", "text": "Pneumonia.", "ward": "",
    }  # fmt: skip


def test_jsonl_columns_are_the_union_of_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    path.write_text('{"note_id": 7, "text": "a", "age_years": 63}\n\n{"note_id": "8", "text": "b", "tags": ["x"]}\n')
    assert read_notes(path).frame().to_dicts() == [
        {"note_id": "7", "text": "a", "age_years": "63", "tags": None},
        {"note_id": "8", "text": "b", "age_years": None, "tags": '["x"]'},
    ]


def test_parquet_types_are_carried_and_nested_ones_named(tmp_path: Path) -> None:
    path = tmp_path / "n.parquet"
    frame = pl.DataFrame(
        {"note_id": [1, 2], "text": ["a", "b"], "age_years": [63.5, None], "nested": [[1], [2]]},
        schema_overrides={"text": pl.Categorical, "age_years": pl.Float32},
    ).with_columns(seen=pl.date(2024, 1, 31))
    frame.write_parquet(path)
    notes = read_notes(path)
    assert notes.left_out == ("nested",)
    assert notes.frame().schema == {
        "note_id": pl.String, "text": pl.String, "age_years": pl.Float32, "seen": pl.Date,
    }  # fmt: skip
    assert notes.frame()["age_years"].to_list() == [63.5, None]


def test_long_parquet_is_read_in_slices(tmp_path: Path) -> None:
    frame = pl.DataFrame({"note_id": range(2500)}).with_columns(text=pl.format("note {}", "note_id"))
    frame.write_parquet(tmp_path / "n.parquet")
    assert read_notes(tmp_path / "n.parquet").frame()["text"].to_list() == frame["text"].to_list()


def test_standard_input_is_sniffed_and_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b"note_id,text\n1,Sepsis.\n", b'\n{"note_id": "1", "text": "Sepsis."}\n'):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        notes = read_notes("-")
        assert notes.frame().rows() == [("1", "Sepsis.")]
        assert notes.frame().rows() == [("1", "Sepsis.")]


def test_nested_folders_and_upper_case_suffixes(tmp_path: Path) -> None:
    (tmp_path / "ward").mkdir()
    (tmp_path / "ward" / "b.TXT").write_text("b")
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "._a.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "readme.md").write_text("no note")
    assert read_notes(tmp_path).frame().rows() == [("a", "a"), ("ward/b", "b")]


BAD_NOTES = {
    "empty id": (b"note_id,text\n,Fever.\n", None, "note_id is empty"),
    "white id": (b"note_id,text\n  ,Fever.\n", None, "note_id is empty"),
    "duplicate": (b"note_id,text\ngood,Fever.\n", "good", "note_id is a duplicate.*"),
    "no text": (b"note_id,text\nx,\n", "x", "the text is empty"),
    "white text": ("note_id,text\nx,\" \t\u00a0\r\n\"\n".encode(), "x", "the text is only white space"),
    "latin-1": ("note_id,text\nx,fièvre\n".encode("latin-1"), "x", "text is not UTF-8: got byte 0xe8 at character 2"),
    "latin-1 id": ("note_id,text\né,a\n".encode("latin-1"), None, "note_id is not UTF-8: got byte 0xe9 .*"),
    "short row": (b"note_id,text\nx\n", None, "got 1 cells, expected 2 as in the header"),
    "long row": (b"note_id,text\nx,a,b\n", None, "got 3 cells, expected 2 as in the header"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_NOTES)
def test_a_bad_note_is_quarantined_and_the_good_ones_stay(case: str, tmp_path: Path) -> None:
    data, note_id, reason = BAD_NOTES[case]
    path = tmp_path / "notes.csv"
    path.write_bytes(b"note_id,text\ngood,Pneumonia.\n" + data.partition(b"\n")[2] + b"last,Sepsis.\n")
    notes = read_notes(path)
    assert notes.frame()["note_id"].to_list() == ["good", "last"]
    (bad,) = notes.quarantined
    assert bad.where == "row 2"
    assert bad.note_id == note_id
    assert re.fullmatch(reason, bad.reason)


BAD_LINES = {
    "not JSON": (b"{oops", "the line is not a JSON object"),
    "too deep": (b"[" * 100_000, "the line is not a JSON object"),
    "a list": (b"[1]", "got a JSON list, expected an object"),
    "no id": (b'{"text": "a"}', "note_id is empty"),
    "null text": (b'{"note_id": "x", "text": null}', "there is no text"),
    "number text": (b'{"note_id": "x", "text": 7}', "text is a int, expected a string"),
    "true id": (b'{"note_id": true, "text": "a"}', "note_id is a bool, expected a string"),
    "surrogate": (rb'{"note_id": "x", "text": "a\ud800"}', "text holds a lone surrogate U+D800 at character 1"),
    "not UTF-8": (b'{"note_id": "x", "text": "\xe9"}', "is not UTF-8: got byte 0xe9 at byte 26"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_is_quarantined(case: str, tmp_path: Path) -> None:
    line, reason = BAD_LINES[case]
    path = tmp_path / "notes.jsonl"
    path.write_bytes(b'{"note_id": "good", "text": "Pneumonia."}\r\n' + line + b"\n")
    notes = read_notes(path)
    assert notes.frame()["note_id"].to_list() == ["good"]
    assert [(bad.where, bad.reason) for bad in notes.quarantined] == [("line 2", reason)]


def test_bad_values_in_parquet_and_folders(tmp_path: Path) -> None:
    pl.DataFrame({"note_id": ["a", None, "c", "d"], "text": [b"ok", b"x", None, b"\xff"]}).write_parquet(
        tmp_path / "n.parquet"
    )
    reasons = [(bad.where, bad.reason) for bad in read_notes(tmp_path / "n.parquet").quarantined]
    assert reasons == [
        ("row 2", "note_id is empty"),
        ("row 3", "there is no text"),
        ("row 4", "text is not UTF-8: got byte 0xff at character 0"),
    ]
    (tmp_path / "bad.txt").write_bytes(b"\xff")
    (tmp_path / "good.txt").write_bytes(b"ok")
    notes = read_notes(tmp_path)
    assert notes.frame().rows() == [("good", "ok")]
    assert notes.quarantined[0].note_id == "bad"


def test_quarantine_never_shows_note_text(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text(f'note_id,text\n"{"secret words " * 30}",\n"secret\nlines",\nsecret without commas\n')
    assert all("secret" not in repr(bad) for bad in read_notes(path).quarantined)


BAD_FILES = {
    "empty.csv": (b"", "empty.csv is empty: got 0 bytes"),
    "names.csv": (b"ID,Note Text\n1,a\n", "rename 'id' to 'note_id' and 'note_text' to 'text'"),
    "one.csv": (
        b"note_id,body\n1,a\n",
        "lacks the column text: got 2 columns, .*; rename 'body' to 'text'",
    ),
    "twice.csv": (b"note_id,text,text\n1,a,b\n", "columns of the same name: got columns 2 and 3 of 3"),
    "utf16le.csv": ("note_id,text\n1,a\n".encode("utf-16-le"), "is not UTF-8"),
    "header.csv": ("note_id,text,âge\n1,a,2\n".encode("latin-1"), "is not UTF-8"),
    "quote.csv": (b'note_id,text\n1,"never closed\n', "not well-formed CSV: got unexpected end of data"),
    "inner.csv": (b'note_id,text\n1,"a"b\n', "in the row that ends at line 2"),
    "excel.csv": (b"PK\x03\x04....", "Excel workbook"),
    "notes.xlsx": (b"PK\x03\x04....", "got no whole Excel workbook"),
    "notes.docx": (b"....", r"got a \.docx file"),
    "notes.csv.zst": (b"\x28\xb5\x2f\xfd....", "notes.csv.zst is damaged"),
    "cut.csv.gz": (
        gzip.compress(b"note_id,text\n" + bytes(range(256)) * 99)[:60],
        "cut.csv.gz is damaged: got EOFError",
    ),
    "bad.csv.gz": (b"\x1f\x8bnonsense", "bad.csv.gz is damaged"),
    "cut.parquet": (b"PAR1 and no more", "cannot read cut.parquet"),
    "fake.parquet": (b"note_id,text\n1,a\n", r"got a \.parquet file"),
    "prose.jsonl": (b"not\njson\n", "got no JSON object"),
    "keys.jsonl": (b'{"id": "1", "note": "a"}\n', "rename 'id' to 'note_id' and 'note' to 'text'"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_used_says_what_to_do(name: str, tmp_path: Path) -> None:
    data, message = BAD_FILES[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=f"(?s){message}") as caught:
        read_notes(tmp_path / name)
    assert caught.value.exit_code == 2


def test_missing_path_wrong_folder_and_wrong_types(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        read_notes(tmp_path / "nowhere.csv")
    (tmp_path / "a.md").write_text("note_id,text\n")
    with pytest.raises(InputError, match=r"got only \.md files"):
        read_notes(tmp_path)
    pl.DataFrame({"note_id": [1.5], "text": ["a"]}).write_parquet(tmp_path / "f.parquet")
    with pytest.raises(InputError, match="column note_id of another type: got Float64"):
        read_notes(tmp_path / "f.parquet")


def test_a_header_alone_is_no_notes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("note_id,text,sex\n")
    notes = read_notes(tmp_path / "a.csv")
    assert (notes.n_notes, list(notes.chunks()), notes.frame().columns) == (0, [], ["note_id", "text", "sex"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), suffix=st.sampled_from(["csv", "jsonl", "parquet", "txt", "csv.gz"]))
def test_only_our_errors_escape_from_any_bytes(data: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"any.{suffix}"
    start = {"csv": b"note_id,text\n", "parquet": b"PAR1", "csv.gz": b"\x1f\x8b\x08"}
    path.write_bytes(start.get(suffix, b"") + data)
    try:
        notes = read_notes(path)
    except InputError:
        return
    assert len(notes.frame()) == notes.n_notes


def test_ids_that_may_be_text_are_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text('note_id,text\n"secret words",\nx-17,\n')
    assert [(bad.where, bad.note_id) for bad in read_notes(path).quarantined] == [("row 1", None), ("row 2", "x-17")]


@pytest.mark.parametrize("packed", [False, True])
def test_lines_and_texts_of_gigabytes_are_refused_at_a_stated_size(
    packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "LONGEST_LINE", 1_000)
    monkeypatch.setattr(module, "LONGEST_TEXT", 600)

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)
        return path

    long, short = {"note_id": "long", "text": "x" * 5_000}, {"note_id": "short", "text": "fever"}
    wide = {"note_id": "wide", "text": "y" * 700}
    lines = "".join(json.dumps(note) + "\n" for note in (long, short, wide, short | {"note_id": "last"}))
    notes = read_notes(write("n.jsonl", lines.encode()))
    assert notes.frame()["note_id"].to_list() == ["short", "last"]
    assert [(bad.where, bad.reason) for bad in notes.quarantined] == [
        ("line 1", "the line is longer than 1,000 bytes"),
        ("line 3", "the text is longer than 600 characters"),
    ]
    for content in (b"note_id,text\n1," + b"x" * 5_000 + b"\n", b"x" * 5_000):
        with pytest.raises(InputError, match="got a line of more than 1,000 characters, in the row that ends at line"):
            read_notes(write("n.csv", content))
    notes = read_notes(write("n.txt", b"x" * 1_001))
    assert [bad.reason for bad in notes.quarantined] == ["the text is longer than 1,000 bytes"]
    assert read_notes(write("n.txt", b"x" * 600)).n_notes == 1


def test_a_key_that_is_not_text_puts_its_line_into_quarantine(tmp_path: Path) -> None:
    path = tmp_path / "n.jsonl"
    path.write_bytes(b'{"note_id": "1", "text": "a", "\\ud800": 2}\n{"note_id": "2", "text": "b", "sex": "F"}\n')
    notes = read_notes(path)
    assert notes.frame().rows() == [("2", "b", "F")]
    assert [bad.reason for bad in notes.quarantined] == ["the name of a column is not UTF-8"]
