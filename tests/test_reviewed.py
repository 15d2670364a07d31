"""A workbook that a coder has gone through: its marks come back through ``evaluate`` and ``adapt``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from coded_mapper import embedded, small_ontology

from conceptmap.cli import main
from conceptmap.errors import InputError
from conceptmap.index.building import build_index
from conceptmap.notes.reviewed import reviewed_notes, reviewed_spans, with_marks

TEXTS = {
    "a": "Type 2 diabetes mellitus.\r\nHigh blood pressure, lung infection and chest pain.",
    "b": "Heart failure. Hypertension. " + "Slept well. " * 3_000 + "Chest pain.",
    "c": "Fever and chest pain.",
}
Marks = Mapping[tuple[str, str], str]


@pytest.fixture(scope="module")
def workbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with the workbook, and the index beside it."""
    here = tmp_path_factory.mktemp("reviewed")
    build_index(small_ontology(), embedded()).save(here / "index")
    pl.DataFrame({"note_id": list(TEXTS), "text": list(TEXTS.values())}).write_parquet(here / "notes.parquet")
    line = ["code", str(here / "notes.parquet"), "-o", str(here / "out"), "--format", "csv,xlsx"]
    assert main([*line, "--ontology", str(here / "index")]) == 0
    return here / "out" / "codes.xlsx"


def marked(workbook: Path, path: Path, codes: Marks, mentions: Marks = {}, more: Marks = {}) -> Path:  # noqa: B006
    """A copy in which somebody has typed: marks by note and code, or by note and mention's text; added codes."""
    book = openpyxl.load_workbook(workbook)
    for name, column, marks in (("Codes", "code", codes), ("Mentions", "text", mentions)):
        header = [cell.value for cell in book[name][1]]
        at = header.index("note_id"), header.index(column)
        left = dict(marks)
        for row in book[name].iter_rows(min_row=2):
            if mark := left.pop((row[at[0]].value, row[at[1]].value), None):
                row[0].value = mark
        assert not left, "everything that is to be marked is there"
    for (note_id, code), mark in more.items():
        book["Codes"].append([mark, note_id, None, None, code])
    book.save(path)
    return path


def evaluated(
    gold: Path, predicted: Path, capfd: pytest.CaptureFixture[str]
) -> tuple[dict[str, dict[str, float]], str]:
    assert main(["evaluate", str(gold), str(predicted), "--json"]) == 0
    said = capfd.readouterr()
    return json.loads(said.out), said.err


def test_evaluate_scores_against_what_was_accepted(
    workbook: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    marks = {("a", "E11.9"): "yes", ("a", "I10"): "x", ("a", "J18.9"): "no", ("c", "R50.9"): "No"}
    gold = marked(workbook, tmp_path / "gold.xlsx", marks, more={("a", "I50.9"): "yes"})
    for predicted in (workbook.with_name("codes.csv"), workbook, gold):
        scores, err = evaluated(gold, predicted, capfd)
        assert scores["full code"]["precision"] == pytest.approx(2 / 4), "the note without a right code counts, too"
        assert scores["full code"]["recall"] == pytest.approx(2 / 3), "what was added is missing"
        assert scores["counts"]["notes"] == 2
        assert f"2 codes of the notes reviewed have no mark in {gold}: they are left out" in err


def test_any_table_with_the_column_accept_will_do(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    frame = pl.DataFrame({"ACCEPT": ["1", "0"], "note_id": ["a", "a"], "code": ["I10", "E11.9"]})
    frame.write_csv(tmp_path / "gold.csv")
    frame.select("note_id", "code").write_csv(tmp_path / "found.csv")
    scores, _ = evaluated(tmp_path / "gold.csv", tmp_path / "found.csv", capfd)
    assert scores["full code"]["precision"] == 0.5
    frame.select("note_id", "code").write_csv(tmp_path / "plain.csv")
    scores, _ = evaluated(tmp_path / "plain.csv", tmp_path / "found.csv", capfd)
    assert scores["full code"]["precision"] == 1.0


def test_marks_are_yes_or_no_or_nothing(workbook: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="row 2 has another mark under Accept: got perhaps, expected yes or no"):
        with_marks(pl.DataFrame({"Accept": ["yes", "perhaps"]}), "here")
    with pytest.raises(InputError, match="got a text, expected yes or no"):
        with_marks(pl.DataFrame({"Accept": ["she denies it"]}), "here")
    assert main(["evaluate", str(workbook), str(workbook)]) == 2
    assert f"nothing is marked in {workbook}; type yes or no under Accept" in capfd.readouterr().err
    with pytest.raises(InputError, match="nothing is marked in"):
        reviewed_notes(workbook)


def test_marked_notes_hold_what_was_accepted_and_leave_alone_what_was_not_looked_at(
    workbook: Path, tmp_path: Path
) -> None:
    mentions = {("a", "lung infection"): "no", ("b", "Heart failure"): "yes", ("b", "Chest pain"): "yes"}
    path = marked(workbook, tmp_path / "marked.xlsx", {("a", "I10"): "yes", ("a", "E11.9"): "no"}, mentions)
    notes = {note.note_id: note for note in reviewed_notes(path)}
    assert list(notes) == ["a", "b"], "nothing is marked in the third"
    assert {note_id: note.text for note_id, note in notes.items()} == {name: TEXTS[name] for name in notes}
    said = {note_id: [(note.text[m.start_char : m.end_char], m.codes) for m in note.mentions]
            for note_id, note in notes.items()}  # fmt: skip
    assert said == {
        "a": [("High blood pressure", ("I10",))],
        "b": [("Heart failure", ("I50.9",)), ("Chest pain", ("R07.9",))],
    }
    left = {note_id: [note.text[slice(*span)] for span in note.ignored] for note_id, note in notes.items()}
    assert left == {"a": ["Type 2 diabetes mellitus", "chest pain"], "b": ["Hypertension"]}


def test_line_ends_that_a_program_saved_in_its_own_way_are_no_change(workbook: Path, tmp_path: Path) -> None:
    """LibreOffice saves CR LF as LF."""
    path = marked(workbook, tmp_path / "saved.xlsx", {("a", "I10"): "yes"})
    expected = reviewed_notes(path)
    book = openpyxl.load_workbook(path)
    for row in book["Notes"].iter_rows():
        for cell in row:
            if isinstance(cell.value, str):
                cell.value = cell.value.replace("_x000D_\n", "\n").replace("\r\n", "\n")
    book.save(path)
    assert reviewed_notes(path) == expected
    assert expected[0].text == TEXTS["a"]


def test_a_note_that_was_changed_is_refused(workbook: Path, tmp_path: Path) -> None:
    path = marked(workbook, tmp_path / "changed.xlsx", {}, {("c", "Fever"): "yes"})
    book = openpyxl.load_workbook(path)
    book["Notes"].cell(4, book["Notes"].max_column).value = None
    text = next(cell for cell in book["Notes"][4] if cell.value == TEXTS["c"])
    text.value = "Now fever and chest pain."
    book.save(path)
    with pytest.raises(InputError, match="mention m1 is not where its note has it; change nothing but Accept"):
        reviewed_notes(path)
    del book["Notes"]
    book.save(path)
    with pytest.raises(InputError, match="is no workbook of codes: got the sheets Codes, Mentions, expected"):
        reviewed_notes(path)


def test_adapt_learns_from_a_reviewed_workbook(
    workbook: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    texts = {f"n{at}": f"On day {at} type 2 diabetes mellitus, hypertension, chest pain." for at in range(12)}
    pl.DataFrame({"note_id": list(texts), "text": list(texts.values())}).write_parquet(tmp_path / "notes.parquet")
    index = str(workbook.parent.parent / "index")
    given = ["code", str(tmp_path / "notes.parquet"), "-o", str(tmp_path), "--format", "xlsx", "--encoder", "none"]
    assert main([*given, "--ontology", index]) == 0
    marks = {(name, code): "yes" for name in list(texts)[:11] for code in ("E11.9", "I10")}
    path = marked(tmp_path / "codes.xlsx", tmp_path / "marked.xlsx", marks, {("n0", "chest pain"): "no"})
    assert main(["adapt", str(path), "-o", str(tmp_path / "adapter"), "--index", index, "--method", "none"]) == 0
    assert "learned from 22 mentions" in capfd.readouterr().err
    assert "11" in (tmp_path / "adapter" / "README.md").read_text()


def table(*rows: tuple[str, str, str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["note_id", "code", "accept", "text", "spans"], orient="row")


def test_a_reviewed_table_says_which_words_are_right_and_which_wrong() -> None:
    text = "Fever. Hypertension, pneumonia and chest pain."
    at = {words: f"{text.index(words)}-{text.index(words) + len(words)}" for words in ("Hypertension", "pneumonia")}
    rows = [
        ("a", "I10", "yes", "hypertension ×2", at["Hypertension"]),
        ("a", "J18.9", "no", "pneumonia", at["pneumonia"]),
        ("a", "R07.9", "", "chest pain", "35-45"),
        ("b", "R50.9", "", "fever", "0-5"),
    ]
    (note,) = reviewed_spans(table(*rows), {"a": text, "b": "Fever."}, "here")
    assert [(text[one.start_char : one.end_char], one.codes) for one in note.mentions] == [("Hypertension", ("I10",))]
    assert [text[slice(*span)] for span in note.ignored] == ["Fever. ", ", ", " and chest pain."]


@pytest.mark.parametrize(
    ("rows", "texts", "said"),
    [
        (("a", "I10", "", "fever", "0-5"), {"a": "Fever."}, "nothing is marked in here"),
        (("a", "I10", "yes", "fever", "0-5"), {"b": "Fever."}, "has a note that the notes given lack: got a"),
        (("a", "I10", "yes", "fever", "0-5"), {"a": "A fever."}, "the words of a code are not where the note has them"),
        (("a", "I10", "yes", "fever", "0:5"), {"a": "Fever."}, "the words of a code are not where the note has them"),
        (("a", "I10", "yes", "fever", "90-95"), {"a": "Fever."}, "the words of a code are not where"),
    ],
)
def test_a_table_that_is_not_of_these_notes_is_refused(
    rows: tuple[str, str, str, str, str], texts: dict[str, str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        reviewed_spans(table(rows), texts, "here")
    with pytest.raises(InputError, match="here lacks the columns spans"):
        reviewed_spans(table(rows).drop("spans"), texts, "here")


def test_codes_are_learned_from_a_reviewed_table_as_far_as_it_was_reviewed(
    workbook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("a", "I10", "yes", "", ""), ("a", "E11.9", "no", "", ""), ("b", "I50.9", "", "", "")]
    table(*rows).write_csv(tmp_path / "reviewed.csv")
    pl.DataFrame({"note_id": list(TEXTS), "text": list(TEXTS.values())}).write_parquet(tmp_path / "notes.parquet")
    given = []

    def fit(_: object, notes: pl.DataFrame, codes: pl.DataFrame, *_more: object) -> None:
        given.append((notes["note_id"].to_list(), codes.select("note_id", "code").rows()))
        raise InputError("enough was seen")

    monkeypatch.setattr("conceptmap.mapper.ConceptMapper.fit", fit)
    index = str(workbook.parent.parent / "index")
    line = ["adapt", "--notes", str(tmp_path / "notes.parquet"), "--codes", str(tmp_path / "reviewed.csv")]
    assert main([*line, "-o", str(tmp_path / "adapter"), "--index", index]) == 2
    assert given == [(["a"], [("a", "I10")])]


def test_adapt_learns_from_a_reviewed_table(workbook: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = "On day {} type 2 diabetes mellitus and hypertension."
    texts = {f"n{at}": said.format(at) for at in range(10, 34)}
    pl.DataFrame({"note_id": list(texts), "text": list(texts.values())}).write_csv(tmp_path / "notes.csv")
    start = texts["n10"].index("hypertension")
    rows = [(name, "I10", "yes", "hypertension", f"{start}-{start + 12}") for name in texts]
    table(*rows).write_csv(tmp_path / "reviewed.csv")
    index = ["--index", str(workbook.parent.parent / "index"), "--method", "none"]
    given = ["adapt", str(tmp_path / "reviewed.csv"), "-o", str(tmp_path / "adapter"), *index]
    assert main(given) == 2
    assert "a .csv alone" in capfd.readouterr().err
    assert main([*given, "--notes", str(tmp_path / "notes.csv")]) == 0
    assert "learned from 24 mentions" in capfd.readouterr().err
