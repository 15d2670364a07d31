"""Folders, patterns and compressed files of notes, and that whatever bytes are in them only our errors come out."""

from __future__ import annotations

import gzip
import json
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_mapper import mapper

from conceptmap.batch import Settings, code_notes
from conceptmap.errors import ConceptMapError, InputError, MissingExtraError
from conceptmap.notes.notes import read_notes

ROWS = [{"note_id": f"n{at}", "text": f"fever {at}\r\n", "ward": f"w{at}"} for at in range(60)]
FRAME = pl.DataFrame(ROWS)


def parquet(path: Path, frame: pl.DataFrame) -> None:
    frame.write_parquet(path)


def table(path: Path, frame: pl.DataFrame) -> None:
    frame.write_csv(path)


def lines(path: Path, frame: pl.DataFrame) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dicts()), newline="")


WRITERS: dict[str, Callable[[Path, pl.DataFrame], None]] = {".csv": table, ".jsonl": lines, ".parquet": parquet}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_folder_or_pattern_is_read_as_one(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name, at in (("a", 0), ("b", 20), ("sub/c", 40)):
        WRITERS[suffix](tmp_path / f"{name}{suffix}", FRAME[at : at + 20])
    (tmp_path / "_SUCCESS").write_text("")
    assert read_notes(tmp_path).frame().select(FRAME.columns).equals(FRAME)
    assert read_notes(f"{tmp_path}/**/*{suffix}").frame().select(FRAME.columns).equals(FRAME)
    assert read_notes(f"{tmp_path}/[ab]*{suffix}").frame().height == 40


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_compressed_files_are_unpacked_whole_or_refused(suffix: str, packing: str, tmp_path: Path) -> None:
    plain = tmp_path / f"plain{suffix}"
    WRITERS[suffix](plain, FRAME)
    packed = tmp_path / f"notes{suffix}{packing}"
    content = PACKERS[packing](plain.read_bytes())
    packed.write_bytes(content)
    assert read_notes(packed).frame().select(FRAME.columns).equals(FRAME)
    half = plain.read_bytes()[: len(plain.read_bytes()) // 2]
    packed.write_bytes(PACKERS[packing](half) + PACKERS[packing](plain.read_bytes()[len(half) :]))
    assert read_notes(packed).frame().select(FRAME.columns).equals(FRAME), "files put one after the other"
    for cut in (5, len(content) // 2, len(content) - 1):
        packed.write_bytes(content[:cut])
        with pytest.raises(InputError, match="is damaged"):
            read_notes(packed)


def test_compressed_texts_are_notes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"plain\r\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"gzip\r\n"))
    (tmp_path / "c.TXT.zst").write_bytes(PACKERS[".zst"](b"zstd\r\n"))
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress(b"cut off")[:-3])
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"the same id"))
    notes = read_notes(tmp_path)
    assert notes.frame().rows() == [("a", "plain\r\n"), ("b", "gzip\r\n"), ("c", "zstd\r\n")]
    reasons = {bad.where: bad.reason.split(":")[0] for bad in notes.quarantined}
    assert reasons == {"file a.txt.gz": "note_id is a duplicate", "file d.txt.gz": "cannot be read"}
    assert read_notes(tmp_path / "b.txt.gz").frame().rows() == [("b", "gzip\r\n")]


def test_without_zstandard_the_command_to_type_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "n.csv.zst").write_bytes(PACKERS[".zst"](b"note_id,text\n1,a\n"))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'conceptmap\[zstd\]'"):
        read_notes(tmp_path / "n.csv.zst")


def test_files_may_differ_in_their_columns_but_not_in_their_types(tmp_path: Path) -> None:
    pl.DataFrame({"note_id": ["1"], "text": ["a"], "age_years": [63]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"text": ["b"], "note_id": ["2"], "sex": ["F"]}).write_parquet(tmp_path / "b.parquet")
    rows = read_notes(tmp_path).frame()
    assert rows.select("note_id", "text", "age_years", "sex").rows() == [("1", "a", 63, None), ("2", "b", None, "F")]
    pl.DataFrame({"note_id": ["3"], "text": ["c"], "age_years": ["63"]}).write_parquet(tmp_path / "c.parquet")
    with pytest.raises(InputError, match=r"column age_years: got Int64 in a\.parquet and String in c\.parquet"):
        read_notes(tmp_path)


def test_a_repeated_note_and_a_bad_file_name_their_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("note_id,text\n1,fever\n")
    assert [bad.where for bad in read_notes(tmp_path).quarantined] == ["b.csv, row 1"]
    (tmp_path / "b.csv").write_text("id,text\n1,fever\n")
    with pytest.raises(InputError, match=r"b\.csv lacks the column note_id"):
        read_notes(tmp_path)


def test_a_mixed_folder_and_an_empty_pattern_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("note_id,text\n")
    (tmp_path / "b.jsonl").write_text("{}")
    with pytest.raises(InputError, match=r"several kinds of files: got \.csv and \.jsonl"):
        read_notes(tmp_path)
    with pytest.raises(InputError, match="got no such file"):
        read_notes(f"{tmp_path}/*.parquet")


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        odd = tmp_path / f"notes[1]{suffix}"
        WRITERS[suffix](odd, FRAME[:3])
        assert read_notes(odd).n_notes == 3


def test_carried_columns_reach_the_outputs(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"note_id": ["1", "2"], "text": ["fever", "headache"], "age_years": [63, None], "code": ["x", "y"]}
    )
    frame.write_parquet(tmp_path / "n.parquet")
    code_notes(read_notes(tmp_path / "n.parquet"), mapper(), tmp_path / "out", Settings(formats=("parquet",)))
    for name in ("codes", "annotations"):
        rows = pl.read_parquet(tmp_path / "out" / f"{name}.parquet")
        carried = rows.select("note_id", "age_years", "note_code").unique().sort("note_id")
        assert carried.rows() == [("1", 63, "x"), ("2", None, "y")]


@pytest.mark.parametrize("suffix", WRITERS)
def test_reading_holds_a_few_notes_at_a_time(suffix: str, tmp_path: Path) -> None:
    text = "x" * 20_000
    frame = pl.DataFrame({"note_id": [str(at) for at in range(2_000)], "text": [text] * 2_000})
    WRITERS[suffix](tmp_path / f"n{suffix}", frame)
    del frame
    tracemalloc.start()
    try:
        notes = read_notes(tmp_path / f"n{suffix}")
        assert sum(chunk.height for chunk in notes.chunks(notes=64)) == 2_000
        assert tracemalloc.get_traced_memory()[1] < 30_000_000, "of 40 MB"
    finally:
        tracemalloc.stop()


STARTS = {
    "csv": b"note_id,text\n1,",
    "csv.gz": gzip.compress(b"note_id,text\n1,fever\n"),
    "csv.zst": PACKERS[".zst"](b"note_id,text\n1,fever\n"),
    "jsonl": b'{"note_id": "1", "text": "fever"}\n{',
    "jsonl.zst": PACKERS[".zst"](b'{"note_id": "1"}'),
    "txt": b"",
    "txt.gz": gzip.compress(b"fever"),
}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=120), name=st.sampled_from(sorted(STARTS)), at=st.floats(0, 1), folder=st.booleans())
def test_only_our_errors_come_out_of_any_bytes(data: bytes, name: str, at: float, folder: bool, tmp_path: Path) -> None:
    start = STARTS[name]
    cut = int(at * len(start))
    path = tmp_path / f"d-{name}" / f"any.{name}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(start[:cut] + data + start[cut:])
    try:
        notes = read_notes(path.parent if folder else path)
    except ConceptMapError:
        return
    assert len(notes.frame()) == notes.n_notes


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "n.parquet"
    FRAME.write_parquet(path)
    return path.read_bytes()


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), mask=st.integers(1, 255), cut=st.booleans())
def test_only_our_errors_come_out_of_a_damaged_parquet_file(
    at: int, mask: int, cut: bool, whole: bytes, tmp_path: Path
) -> None:
    at %= len(whole)
    path = tmp_path / "n.parquet"
    path.write_bytes(whole[:at] if cut else whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :])
    try:
        notes = read_notes(path)
        assert len(notes.frame()) == notes.n_notes
    except ConceptMapError:
        return


ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.tuples(ANY_TEXT, st.sampled_from(["fever", "no fever", "type 2\r\ndiabetes", ""])), max_size=4),
    columns=st.lists(ANY_TEXT.filter(lambda name: name not in ("note_id", "text")), unique=True, max_size=2),
    ids=st.lists(ANY_TEXT, min_size=4, max_size=4),
)
def test_any_notes_can_be_written_in_every_format(
    texts: list[tuple[str, str]], columns: list[str], ids: list[str], tmp_path: Path
) -> None:
    rows = [
        {"note_id": ids[at], "text": before + said, "person_id": before[:3], **dict.fromkeys(columns, before)}
        for at, (before, said) in enumerate(texts)
    ]
    (tmp_path / "n.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows) or '{"note_id": "", "text": "", "person_id": ""}'
    )
    formats = ("csv", "parquet", "jsonl", "xlsx", "wide", "omop", "fhir", "brat", "html")
    notes = read_notes(tmp_path / "n.jsonl")
    done = code_notes(notes, mapper(), tmp_path / "out", Settings(formats=formats, candidates=1, spreadsheet_safe=True))
    assert done.facts["counts"]["notes"] == notes.n_notes
    assert done.facts["counts"]["quarantined"] == len(notes.quarantined)
