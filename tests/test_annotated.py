"""Annotated notes and results: what they show first, what they become, and notes one after another."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from coded_mapper import full_mapper, lexical_mapper

from conceptmap.errors import InputError
from conceptmap.frames import ANNOTATIONS, CODES, TAGS

TEXT = "Pneumonia. No fever. Mother had heart failure. History of hypertension."


def test_best_has_a_row_a_mention_and_its_context_in_words() -> None:
    best = full_mapper().annotate(TEXT).best
    assert best.columns == ["text", "code", "name", "confidence", "context", "start_char", "mention_id"]
    assert best["text"].to_list() == ["Pneumonia", "fever", "heart failure", "hypertension"]
    assert best["code"].to_list() == ["J18.9", "R50.9", "I50.9", "I10"]
    assert best["context"].to_list() == ["affirmed", "negated", "family", "historical"]
    assert best["confidence"].is_between(0, 1).all()


def test_frames_show_text_code_and_name_first() -> None:
    note = full_mapper().annotate(TEXT)
    for frame, schema in ((note.mentions, ANNOTATIONS), (note.tags, TAGS), (full_mapper().tag(TEXT), TAGS)):
        assert frame.columns[:3] == ["text", "code", "name"]
        assert sorted(frame.schema.items(), key=str) == sorted(schema.items(), key=str), "the same columns and types"
        assert "name" in str(frame)
    assert [name for name in note.codes.columns if name in ("code", "name")] == ["code", "name"]
    assert note.codes.columns.index("name") < 3


def test_a_note_becomes_json_pandas_and_a_page() -> None:
    note = full_mapper().annotate(TEXT, note_id=17)
    said = json.loads(json.dumps(note.to_dict()))
    assert said["note_id"] == "17"
    assert [mention["text"] for mention in said["mentions"]] == note.best["text"].to_list()
    assert said["mentions"][0]["concepts"][0]["code"] == "J18.9"
    assert [code["code"] for code in said["codes"]] == note.codes["code"].to_list()
    for table in ("codes", "mentions", "tags", "best"):
        frame = note.to_pandas(table)
        assert isinstance(frame, pd.DataFrame)
        assert len(frame) == len(getattr(note, table))
    with pytest.raises(InputError, match="got 'code', expected codes, mentions, tags, best"):
        note.to_pandas("code")
    page = note.to_html()
    assert page.startswith("<!DOCTYPE html>")
    assert "Pneumonia" in page


def test_a_note_is_saved_and_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    note = full_mapper().annotate(TEXT)
    written = note.save(tmp_path / "new" / "folder")
    assert sorted(path.name for path in written) == [
        *("annotations.csv", "codes.csv", "mentions.csv", "note.html", "tags.csv")
    ]
    codes = pl.read_csv(tmp_path / "new" / "folder" / "codes.csv", schema=CODES)
    assert codes["code"].to_list() == note.codes["code"].to_list()
    (tmp_path / "new" / "folder" / "codes.csv").write_text("mine")
    with pytest.raises(InputError, match=r"is not free: got .*codes\.csv.*overwrite=True"):
        note.save(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder" / "codes.csv").read_text() == "mine"
    note.save(tmp_path / "new" / "folder", overwrite=True)
    assert (tmp_path / "new" / "folder" / "codes.csv").read_text() != "mine"
    assert [path.name for path in lexical_mapper().annotate(TEXT).save(tmp_path / "words")] == [
        "codes.csv",
        "mentions.csv",
        "annotations.csv",
        "note.html",
    ]


def test_reprs_fit_a_terminal_and_hold_no_note_text() -> None:
    note = lexical_mapper().annotate(TEXT, note_id="stay-1")
    results = lexical_mapper().annotate_many([TEXT] * 3)
    for shown in (repr(note), repr(results), repr(lexical_mapper())):
        assert all(len(line) <= 80 for line in shown.splitlines())
        assert "Mother" not in shown
    assert repr(note).startswith("AnnotatedNote('stay-1', 71 characters, 4 mentions, ")
    assert "  J18.9  Pneumonia, unspecified organism" in repr(note)
    assert repr(results).startswith("Results(3 notes with mentions, 12 mentions, ")
    assert repr(lexical_mapper()) == "ConceptMapper(icd10 2099 (19 concepts); encoder none)"
    assert repr(lexical_mapper().annotate_many([])) == "Results(0 notes with mentions, 0 mentions, 0 codes)"


class Cells(HTMLParser):
    """The texts of a table's cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def test_results_show_their_commonest_codes_in_a_notebook() -> None:
    cells = Cells(lexical_mapper().annotate_many(["Fever.", "Fever and pneumonia."])._repr_html_()).cells
    assert [cell.strip() for cell in cells] == ["R50.9", "Fever, unspecified", "2", *cells[3:5], "1"]


def test_results_have_the_best_concept_of_every_mention() -> None:
    results = lexical_mapper().annotate_many({"a": "Fever.", "b": "No pneumonia."})
    assert results.best.select("note_id", "code", "context").rows() == [
        ("a", "R50.9", "affirmed"),
        ("b", "J18.9", "negated"),
    ]
    assert results.to_pandas("best")["code"].to_list() == ["R50.9", "J18.9"]


def test_pipe_is_lazy_and_keeps_order() -> None:
    read: list[int] = []

    def stream() -> Iterator[tuple[int, str]]:
        for at in range(100):
            read.append(at)
            yield at, "Fever." if at % 2 else "Pneumonia."

    notes = lexical_mapper().pipe(stream(), batch_size=4)
    assert read == []
    first = next(notes)
    assert (first.note_id, first.codes["code"].to_list()) == ("0", ["J18.9"])
    assert len(read) <= 8, "two batches: one is encoded while the words of the next are gone through"
    assert [note.note_id for note in notes] == [str(at) for at in range(1, 100)]


@pytest.mark.parametrize("size", [1, 2, 50])
def test_pipe_gives_what_annotate_gives(size: int) -> None:
    texts = [TEXT, "", "Fever.", "Systolic heart failure."]
    for note, text in zip(full_mapper().pipe(texts, batch_size=size), texts, strict=True):
        alone = full_mapper().annotate(text, note_id=note.note_id)
        assert note.text == text
        assert note.codes.drop("score").equals(alone.codes.drop("score"))
        assert note.best.drop("confidence").equals(alone.best.drop("confidence"))
        assert note.tags.height == alone.tags.height


def test_pipe_takes_what_annotate_many_takes() -> None:
    (note,) = lexical_mapper().pipe(["No fever."], include=["negated"])
    assert note.codes["code"].to_list() == ["R50.9"]
    for wrong in ({"include": ["negation"]}, {"setting": "ward"}, {"batch_size": 0}):
        with pytest.raises(InputError):
            lexical_mapper().pipe([TEXT], **wrong)


def test_progress_is_shown_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    list(lexical_mapper().pipe([TEXT] * 3))
    assert shown.getvalue() == ""
    list(lexical_mapper().pipe([TEXT] * 3, progress=True))
    assert "3/3" in shown.getvalue()
    list(lexical_mapper().pipe(iter([TEXT] * 3), progress=True))
    assert "3note" in shown.getvalue()
