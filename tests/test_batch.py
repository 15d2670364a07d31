"""Runs over many notes: what is written, what is quarantined, and that nothing half-written is ever left."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_mapper import PHRASES, mapper

from conceptmap.batch import Run, Settings, code_notes, shards, work
from conceptmap.batch.folder import PREFIX
from conceptmap.errors import InputError, ModelError, OutOfSpaceError, UnknownCodeError
from conceptmap.export import csv as export_csv
from conceptmap.export import tables
from conceptmap.export.report.pages import ReportFiles
from conceptmap.frames import ANNOTATIONS, CODES
from conceptmap.mapper import ConceptMapper, Results
from conceptmap.notes.notes import read_notes

POISON = "POISON"
SECRET = "Jane Roe, born 1 April"


def write_notes(folder: Path, notes: dict[str, str], **columns: list[str]) -> Path:
    path = folder / "notes.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["note_id", "text", *columns])
        writer.writerows(zip(notes, notes.values(), *columns.values(), strict=True))
    return path


def run(folder: Path, notes: dict[str, str], settings: Settings | None = None, *, on: Any = None) -> Run:
    source = read_notes(write_notes(folder, notes))
    return code_notes(source, on or mapper(), folder / "out", settings or Settings())


NOTES = {
    "one": "Known hypertension. No fever.\r\nType 2 diabetes mellitus.",
    "two": 'He said "cardiac failure", or\nheadache 🤕, and =HYPERLINK("x").',
    "three": "Nothing of note.",
}


@dataclass
class Failing:
    """The mapper, but for notes that hold a certain word."""

    inner: ConceptMapper
    error: Callable[[str], BaseException]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def annotate_many(self, notes: pl.DataFrame, **asked: Any) -> Results:
        for text in notes["text"]:
            if POISON in text:
                raise self.error(text)
        return self.inner.annotate_many(notes, **asked)


def test_tables_and_run_file(tmp_path: Path) -> None:
    done = run(tmp_path, NOTES, Settings(candidates=3))
    assert done.files == ("annotations.csv", "candidates.csv", "codes.csv", "mentions.csv", "run.json")
    annotations = pl.read_csv(tmp_path / "out" / "annotations.csv", schema=ANNOTATIONS)
    codes = pl.read_csv(tmp_path / "out" / "codes.csv", schema=CODES)
    texts = dict(read_notes(tmp_path / "notes.csv").frame().select("note_id", "text").iter_rows())
    assert annotations.height
    for note_id, start, end, text in annotations.select("note_id", "start_char", "end_char", "text").iter_rows():
        assert texts[note_id][start:end] == text
    assert dict(codes.group_by("note_id").agg(pl.col("code").sort()).iter_rows()) == {
        "one": ["E11.9", "I10"],
        "two": ["I50.9", "R51.9"],
    }
    facts = json.loads((tmp_path / "out" / "run.json").read_text())
    assert facts["counts"]["notes"] == 3
    assert facts["counts"]["codes"] == codes.height
    assert facts["counts"]["words"] == sum(len(text.split()) for text in NOTES.values())
    assert facts["indexes"][0]["system"] == "test"
    assert facts["indexes"][0]["release"] == "2099"
    assert facts["encoder"] is None
    assert facts["settings"]["candidates"] == 3
    assert set(facts["files"]) == {"annotations.csv", "candidates.csv", "codes.csv", "mentions.csv"}


def test_formats_hold_the_same(tmp_path: Path) -> None:
    run(tmp_path, NOTES, Settings(formats=("csv", "parquet", "jsonl")))
    out = tmp_path / "out"
    for name, schema in (("annotations", ANNOTATIONS), ("codes", CODES)):
        parquet = pl.read_parquet(out / f"{name}.parquet")
        assert parquet.schema == schema
        assert parquet.height
        assert parquet.equals(pl.read_ndjson(out / f"{name}.jsonl", schema=schema))
        assert parquet.equals(pl.read_csv(out / f"{name}.csv", schema=schema))


def test_no_mention_at_all_still_gives_tables(tmp_path: Path) -> None:
    run(tmp_path, {"a": "Nothing."}, Settings(formats=("csv", "parquet", "jsonl", "html")))
    assert (tmp_path / "out" / "codes.csv").read_text() == ",".join(CODES.names()) + "\n"
    assert pl.read_parquet(tmp_path / "out" / "codes.parquet").schema == CODES
    assert (tmp_path / "out" / "codes.jsonl").read_bytes() == b""
    assert "Nothing." in (tmp_path / "out" / "report.html").read_text()


def test_two_runs_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(candidates=5, formats=("csv", "parquet", "jsonl", "html"), rollup="chapter")
    written = []
    for _ in range(2):
        done = run(tmp_path, NOTES, settings)
        written.append({name: (done.folder / name).read_bytes() for name in done.files if name != "run.json"})
        shutil.rmtree(done.folder)
    assert written[0] == written[1]
    monkeypatch.setattr(work, "CHUNK_NOTES", 1)
    monkeypatch.setattr(shards, "FEWEST_NOTES", 1)
    done = run(tmp_path, NOTES, Settings(candidates=5, rollup="chapter"))
    for name in ("annotations.csv", "codes.csv", "candidates.csv"):
        assert (done.folder / name).read_bytes() == written[0][name]


def test_a_note_that_fails_is_quarantined_and_the_others_are_coded(tmp_path: Path) -> None:
    notes = {**NOTES, "bad": f"{POISON} {SECRET}", "empty": "  ", "last": "fever"}
    done = run(tmp_path, notes, on=Failing(mapper(), ValueError))
    assert [(bad.where, bad.note_id) for bad in done.quarantined] == [("row 5", "empty"), ("mapper", "bad")]
    assert done.quarantined[1].reason.startswith("the mapper failed: ValueError in ")
    assert set(pl.read_csv(done.folder / "codes.csv")["note_id"]) == {"one", "two", "last"}
    facts = (done.folder / "run.json").read_text()
    assert SECRET not in facts
    assert [bad["note_id"] for bad in json.loads(facts)["quarantined"]] == ["empty", "bad"]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (lambda _: ModelError("the weights are gone"), ModelError),
        (lambda _: KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_what_is_no_notes_fault_ends_the_run_and_leaves_the_earlier_one(
    error: Callable[[str], BaseException], raised: type[BaseException], tmp_path: Path
) -> None:
    before = run(tmp_path, NOTES)
    kept = {name: (before.folder / name).read_bytes() for name in before.files}
    with pytest.raises(raised):
        run(tmp_path, {**NOTES, "bad": POISON}, on=Failing(mapper(), error))
    files = [path for path in before.folder.iterdir() if not path.name.startswith(PREFIX)]
    assert {path.name: path.read_bytes() for path in files} == kept


def test_files_of_an_earlier_run_do_not_mix_with_this_one(tmp_path: Path) -> None:
    run(tmp_path, NOTES, Settings(candidates=2, formats=("csv", "html")))
    (tmp_path / "out" / "mine.csv").write_text("kept")
    done = run(tmp_path, NOTES)
    assert sorted(path.name for path in done.folder.iterdir()) == [
        "annotations.csv",
        "codes.csv",
        "mentions.csv",
        "mine.csv",
        "run.json",
    ]


def test_include_lets_negated_mentions_code(tmp_path: Path) -> None:
    done = run(tmp_path, NOTES, Settings(include=("negated",)))
    assert "R50.9" in pl.read_csv(done.folder / "codes.csv")["code"].to_list()


def test_rollup_fills_its_columns(tmp_path: Path) -> None:
    done = run(tmp_path, NOTES, Settings(rollup="chapter"))
    rows = pl.read_csv(done.folder / "annotations.csv").filter(pl.col("rank") == 1)
    rolled = {code: (top, name) for code, top, name in rows.select("code", "rollup_code", "rollup_name").iter_rows()}
    assert rolled["I10"] == (9, "Diseases of the heart & vessels")
    listed = tmp_path / "codes.txt"
    listed.write_text("# ours\nI50\n\nE11  # diabetes\n")
    done = run(tmp_path, NOTES, Settings(rollup=str(listed)))
    rows = pl.read_csv(done.folder / "annotations.csv").filter(pl.col("rank") == 1)
    assert dict(rows.select("code", "rollup_code").iter_rows()) | {"I10": None, "I50.9": "I50"} == dict(
        rows.select("code", "rollup_code").iter_rows()
    )


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (Settings(tags=True), InputError, "tags need token vectors"),
        (Settings(rollup="planet"), InputError, "no concept to roll up to: got 'planet'"),
        (Settings(rollup="missing.txt"), InputError, "cannot read codes from missing.txt"),
    ],
)
def test_settings_are_refused_before_anything_is_written(
    settings: Settings, error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        run(tmp_path, NOTES, settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"formats": ("csv", "xml")}, "unknown format: got xml"),
        ({"include": ("everything",)}, "include is unknown"),
        ({"candidates": -1}, "candidates must not be negative: got -1"),
    ],
)
def test_settings_that_there_are_not(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**asked)


def test_a_listed_code_that_is_unknown_is_named(tmp_path: Path) -> None:
    (tmp_path / "codes.txt").write_text("I50\nZ99.9\n")
    with pytest.raises(UnknownCodeError, match=r"got Z99\.9"):
        run(tmp_path, NOTES, Settings(rollup=str(tmp_path / "codes.txt")))


def test_csv_cells_are_exact_and_on_request_safe(tmp_path: Path) -> None:
    notes = {"=1+1": "fever", '"quoted", 😀': "type\r\n2 diabetes"}
    done = run(tmp_path, notes)
    rows = list(csv.DictReader(io.StringIO((done.folder / "annotations.csv").read_bytes().decode(), newline="")))
    assert {row["note_id"]: row["text"] for row in rows} == {"=1+1": "fever", '"quoted", 😀': "type\r\n2 diabetes"}
    done = run(tmp_path, notes, Settings(spreadsheet_safe=True))
    assert "'=1+1" in pl.read_csv(done.folder / "annotations.csv")["note_id"].to_list()


CLUSTERS = ["🤒", "👩‍⚕️", "é́"]
BLANKS = ["\r\n", "\r", "\u00a0", "\u2003"]
FILLERS = [*CLUSTERS, *BLANKS, "שלום", "مريض", "\t", ", ", "ﬁ", "İ", "\u200b", "x"]


def random_note(rng: random.Random) -> str:
    parts = []
    for _ in range(rng.randint(1, 14)):
        phrase = rng.choice(PHRASES)
        phrase = rng.choice([phrase, phrase.upper(), phrase.title(), phrase.replace(" ", rng.choice(BLANKS))])
        parts += [rng.choice(["", " ", "no ", *FILLERS]), phrase, rng.choice([" ", ". ", *FILLERS])]
    return "".join(parts)


def test_offsets_count_code_points_in_five_hundred_random_notes(tmp_path: Path) -> None:
    rng = random.Random(7)
    notes = {f"n{number}": random_note(rng) for number in range(500)}
    done = run(tmp_path, notes)
    assert not done.quarantined
    rows = list(csv.DictReader(io.StringIO((done.folder / "annotations.csv").read_bytes().decode(), newline="")))
    assert len({row["note_id"] for row in rows}) > 450
    for row in rows:
        text = notes[row["note_id"]][int(row["start_char"]) : int(row["end_char"])]
        assert text == row["text"]
        assert text == text.strip()
        assert text


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "html"])
def test_a_full_disk_says_so_and_leaves_nothing(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(*_: object, **__: object) -> None:
        raise full

    targets = {
        "csv": (export_csv, "csv_bytes"),
        "jsonl": (tables, "jsonl_bytes"),
        "parquet": (Path, "write_bytes"),
        "html": (ReportFiles, "finish"),
    }
    source = read_notes(write_notes(tmp_path, NOTES))
    monkeypatch.setattr(*targets[suffix], refuse)
    with pytest.raises(OutOfSpaceError, match="no space left"):
        code_notes(source, mapper(), tmp_path / "out", Settings(formats=(suffix,)))
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(PREFIX)] == []
    monkeypatch.undo()
    again = code_notes(source, mapper(), tmp_path / "out", Settings(formats=(suffix,)))
    assert again.facts["shards"] == {"all": 1, "coded_now": 0}
    assert sorted(path.name for path in again.folder.iterdir()) == sorted(again.files)
