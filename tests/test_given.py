"""Notes as Python programs hold them go in; what is something else is refused in words; frames come back in kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from coded_mapper import full_mapper, lexical_mapper

import conceptmap as cm
from conceptmap.errors import InputError
from conceptmap.frames import CODES
from conceptmap.notes.given import as_given, batches, n_given, note_pairs

TEXTS = ["Fever.", "Pneumonia and hypertension."]
COLUMNS: dict[str, list[Any]] = {"note_id": ["a", "b"], "text": TEXTS}
CODED = [("a", "R50.9"), ("b", "J18.9"), ("b", "I10")]


def pairs(codes: Any) -> list[tuple[Any, str]]:
    """The (note_id, code) of every row, whatever library's frame it is."""
    if isinstance(codes, pa.Table):
        rows = codes.to_pylist()
    else:
        rows = codes.to_dict("records") if isinstance(codes, pd.DataFrame) else codes.to_dicts()
    return [(row["note_id"], row["code"]) for row in rows]


@pytest.mark.parametrize(
    "notes",
    [
        pl.DataFrame(COLUMNS),
        pl.LazyFrame(COLUMNS),
        pd.DataFrame(COLUMNS),
        pa.table(COLUMNS),
        COLUMNS,
        {"a": TEXTS[0], "b": TEXTS[1]},
        [("a", TEXTS[0]), ["b", TEXTS[1]]],
        [{"note_id": "a", "text": TEXTS[0]}, {"text": TEXTS[1], "note_id": "b", "sex": "F"}],
    ],
    ids=lambda notes: f"{type(notes).__module__}.{type(notes).__name__}",
)
def test_notes_of_every_kind_give_the_same_codes(notes: Any) -> None:
    assert sorted(pairs(lexical_mapper().code(notes))) == sorted(CODED)


@pytest.mark.parametrize(
    "texts",
    [TEXTS, tuple(TEXTS), iter(TEXTS), pl.Series(TEXTS), pd.Series(TEXTS), pa.chunked_array([TEXTS]), np.array(TEXTS)],
    ids=lambda texts: f"{type(texts).__module__}.{type(texts).__name__}",
)
def test_texts_alone_are_numbered_from_one(texts: Any) -> None:
    assert list(note_pairs(texts)) == [("1", TEXTS[0]), ("2", TEXTS[1])]


def test_what_read_notes_gives_is_taken(tmp_path: Path) -> None:
    pl.DataFrame(COLUMNS).write_csv(tmp_path / "notes.csv")
    notes = cm.read_notes(tmp_path / "notes.csv")
    assert sorted(pairs(lexical_mapper().code(notes))) == sorted(CODED)
    assert n_given(notes) == 2


@pytest.mark.parametrize(
    ("make", "kind"), [(pl.DataFrame, pl.DataFrame), (pd.DataFrame, pd.DataFrame), (pa.table, pa.Table)]
)
@pytest.mark.parametrize("ids", [["a", "b"], [17, 4]])
def test_a_frame_comes_back_in_kind_and_joins_on_its_ids(make: Callable[..., Any], kind: type, ids: list[Any]) -> None:
    found: Any = lexical_mapper().code(make({"note_id": ids, "text": TEXTS}))
    assert issubclass(type(found), kind)
    columns = found.column_names if kind is pa.Table else list(found.columns)
    assert columns == CODES.names()
    assert {note_id for note_id, _ in pairs(found)} == set(ids)


def test_a_pandas_frame_merges_with_its_codes() -> None:
    notes = pd.DataFrame({"note_id": [17, 4], "text": TEXTS, "ward": ["N", "S"]})
    merged = notes.merge(lexical_mapper().code(notes), on="note_id")
    assert sorted(zip(merged["ward"], merged["code"], strict=True)) == [("N", "R50.9"), ("S", "I10"), ("S", "J18.9")]


def test_spans_and_alignment_take_and_give_pandas() -> None:
    notes = pd.DataFrame({"note_id": [17], "text": ["Seen for hypertension."]})
    spans = pd.DataFrame({"note_id": [17], "start_char": [9], "end_char": [21]})
    found = full_mapper().spans(notes, spans, k=2)
    assert isinstance(found, pd.DataFrame)
    assert found[["note_id", "code"]].iloc[0].to_list() == [17, "I10"]
    mentions = full_mapper().annotate("Seen for hypertension.").to_pandas("mentions")
    aligned = full_mapper().align(mentions)
    assert isinstance(aligned, pd.DataFrame)
    assert "I10" in aligned["icd10"].to_list()


@pytest.mark.parametrize(
    ("notes", "says"),
    [
        ("Fever.", "these are no notes: got str.*put one text into a list"),
        (b"Fever.", "these are no notes: got bytes"),
        (None, "these are no notes: got NoneType"),
        (7, "these are no notes: got int"),
        (Path("notes.csv"), r"these are no notes: got PosixPath.*read_notes\(path\)"),
        ([7], "item 1 is no note: got int"),
        ([("a", "b", "c")], "note 1 is no pair: got 3 values"),
        (["Fever.", None], "item 2 is no note: got NoneType"),
        ([("a", None)], "the text of note 1 is no text: got nothing"),
        ([(None, "Fever.")], "the id of note 1 is no id: got nothing"),
        ([(1.5, "Fever.")], "the id of note 1 is no id: got float"),
        ([(True, "Fever.")], "the id of note 1 is no id: got bool"),
        ([{"note_id": 1}], "note 1 has no text: got 1 key"),
        ({"note_id": ["a"], "text": ["Fever.", "Cough."]}, "ids and texts do not fit: got 1 and 2"),
        (pd.DataFrame({"note_id": ["a"], "text": [math.nan]}), "the text of note 1 is no text: got float"),
        (pd.DataFrame({"id": ["a"], "text": ["Fever."]}), "notes lack columns: got 2 columns, expected note_id"),
        (pa.table({"note_id": ["a"]}), "notes lack columns: got 1 column, expected text"),
        (pl.DataFrame({"note_id": [1.5], "text": ["Fever."]}), "the id of note 1 is no id: got float"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else type(value).__name__,
)
def test_anything_else_is_refused_in_words(notes: Any, says: str) -> None:
    for use in (lexical_mapper().code, lambda notes: list(lexical_mapper().pipe(notes))):
        with pytest.raises(InputError, match=says) as refused:
            use(notes)
        assert "Fever" not in str(refused.value)


def test_a_wrong_frame_of_spans_is_refused_in_words() -> None:
    wrong: tuple[Any, ...] = (
        [("a", 0, 5)],
        pd.DataFrame({"note_id": ["a"]}),
        pd.DataFrame({"note_id": ["a"], "start_char": ["here"], "end_char": [5]}),
    )
    for spans in wrong:
        with pytest.raises(InputError, match=r"^spans "):
            lexical_mapper().spans(COLUMNS, spans)


def test_batches_are_handed_out_before_more_is_asked_for() -> None:
    asked: list[int] = []

    def stream() -> Iterator[tuple[str, str]]:
        for at in range(10):
            asked.append(at)
            yield str(at), "Fever."

    made = batches(stream(), notes=2)
    assert [ids for ids, _ in (next(made), next(made))] == [["0", "1"], ["2", "3"]]
    assert len(asked) == 4


def test_integer_ids_are_given_back_where_the_notes_had_them() -> None:
    found = pl.DataFrame({"note_id": ["17"], "code": ["I10"]})
    assert as_given(found, pl.DataFrame({"note_id": [17], "text": [""]}))["note_id"].to_list() == [17]
    assert as_given(found, pl.DataFrame({"note_id": ["17"], "text": [""]}))["note_id"].to_list() == ["17"]
    assert as_given(found, ["Fever."]) is found
