"""What goes wrong around a run: full disks, failing writes, too little memory, damaged indexes."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
import pytest
from coded_mapper import embedded, full_mapper
from small_mapper import index, mapper, ontology
from test_batch import random_note

from conceptmap.batch import Settings, code_notes, shards, work
from conceptmap.batch.folder import PREFIX
from conceptmap.batch.publishing import STAGING
from conceptmap.batch.settings import Asked
from conceptmap.cli import main
from conceptmap.errors import IndexMismatchError, OutOfSpaceError
from conceptmap.index.index import ConceptIndex
from conceptmap.mapper import ConceptMapper, Results
from conceptmap.notes.notes import read_notes

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_notes(path: Path, n_notes: int) -> Path:
    rng = random.Random(2)
    notes = {"note_id": [f"n{at}" for at in range(n_notes)], "person_id": "p1"}
    pl.DataFrame(notes | {"text": [random_note(rng) for _ in range(n_notes)]}).write_parquet(path)
    return path


def visible(out: Path) -> dict[str, bytes]:
    """Files under their final names."""
    hidden = (PREFIX, STAGING)
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(hidden)}


# -- a disk that fails ------------------------------------------------------------------------------------------------


@dataclass
class FailingDisk:
    """Lets so many writes, fsyncs and renames pass, then fails one."""

    left: int
    failed: list[str] = field(default_factory=list)

    def step(self, what: str) -> None:
        self.left -= 1
        if self.left == 0:
            self.failed.append(what)
            raise FULL

    def counted(self, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.step(what)
            return function(*args, **options)

        return call

    def opened(self, path_open: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
            file = path_open(path, mode, *args, **options)
            return FailingFile(file, self) if mode == "xb" else file

        return call


@dataclass
class FailingFile:
    """A file whose writes count."""

    file: BinaryIO
    disk: FailingDisk

    def write(self, content: bytes) -> int:
        self.file.write(content[: len(content) // 2])  # what a full disk leaves
        self.disk.step("write")
        return self.file.write(content[len(content) // 2 :])

    def close(self) -> None:
        self.file.close()

    def __enter__(self) -> FailingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def test_whichever_write_fsync_or_rename_fails_nothing_is_cut_off_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "FEWEST_NOTES", 2)
    monkeypatch.setattr(os, "sync", lambda: None)
    notes = read_notes(write_notes(tmp_path / "notes.parquet", 3))
    settings = Settings(formats=("csv", "fhir", "brat"))
    code_notes(notes, mapper(), tmp_path / "expected", settings)
    expected = {name: content for name, content in visible(tmp_path / "expected").items() if name != "run.json"}
    failures: list[str] = []
    for k in range(1, 500):
        out, disk = tmp_path / f"out{k}", FailingDisk(k)
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", disk.counted("fsync", os.fsync))
            patched.setattr(Path, "replace", disk.counted("rename", Path.replace))
            patched.setattr(Path, "write_bytes", disk.counted("write", Path.write_bytes))
            patched.setattr(Path, "open", disk.opened(Path.open))
            try:
                code_notes(notes, mapper(), out, settings)
            except OutOfSpaceError:
                pass
            else:
                break
        failures += disk.failed
        assert "run.json" not in visible(out) or disk.failed == ["fsync"], "the last fsync may come after the rename"
        for name, content in visible(out).items():
            assert name == "run.json" or content == expected[name]
        code_notes(notes, mapper(), out, settings)
        assert {name: content for name, content in visible(out).items() if name != "run.json"} == expected
        assert [path for path in out.iterdir() if path.name.startswith((PREFIX, STAGING))] == []
        shutil.rmtree(out)
    assert len(failures) == k - 1 >= 35
    assert set(failures) == {"write", "fsync", "rename"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode:
        pytest.skip("a file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_the_run_with_code_5_and_more_room_lets_it_go_on(
    small_disk: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    notes = write_notes(tmp_path / "notes.parquet", 500)
    lexical = index().save(tmp_path / "lexical")
    given = ["--ontology", str(lexical), "--encoder", "none", "--format", "csv,parquet,jsonl"]
    assert main(["code", str(notes), "-o", str(small_disk / "out"), *given]) == 5
    assert "no space left; free some space and run again" in capfd.readouterr().err
    assert visible(small_disk / "out") == {}
    kept = len(list(small_disk.glob(f"out/{PREFIX}*/*.shard")))
    assert kept > 0
    subprocess.run(["mount", "-o", "remount,size=512m", str(small_disk)], check=True)
    assert main(["code", str(notes), "-o", str(small_disk / "out"), *given]) == 0
    assert main(["code", str(notes), "-o", str(tmp_path / "out"), *given]) == 0
    got, expected = visible(small_disk / "out"), visible(tmp_path / "out")
    assert {name for name in got if got[name] != expected[name]} == {"run.json"}
    assert got.keys() == expected.keys()


# -- too little memory ------------------------------------------------------------------------------------------------


class OutOfMemoryError(RuntimeError):
    """What torch calls the error that a full GPU raises."""


@dataclass
class Narrow:
    """The mapper in a memory that holds so many notes at a time."""

    holds: int
    error: BaseException
    inner: ConceptMapper = field(default_factory=mapper)
    batches: list[int] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def annotate_many(self, notes: pl.DataFrame, **asked: Any) -> Results:
        if notes.height > self.holds:
            raise self.error
        self.batches.append(notes.height)
        return self.inner.annotate_many(notes, **asked)


@pytest.mark.parametrize(
    "error", [MemoryError(), OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_too_little_memory_halves_the_batch_down_to_one(error: BaseException) -> None:
    notes = pl.DataFrame({"note_id": [str(at) for at in range(13)], "text": ["fever"] * 13})
    narrow: Any = Narrow(2, error)
    coded = work.code_shard(notes, narrow, Asked((), 0, 0))
    assert coded.failed == ()
    assert coded.results.codes["note_id"].to_list() == notes["note_id"].to_list()
    assert max(narrow.batches) <= 2
    assert 1 in narrow.batches
    none: Any = Narrow(0, error)
    failed = work.code_shard(notes, none, Asked((), 0, 0)).failed
    assert [bad.note_id for bad in failed] == notes["note_id"].to_list()


@dataclass
class Forgetful:
    """The mapper where memory ends, or polars gives up, at any batch with a certain note."""

    error: BaseException
    inner: ConceptMapper = field(default_factory=mapper)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def annotate_many(self, notes: pl.DataFrame, **asked: Any) -> Results:
        if notes["text"].str.contains("GIANT").any():
            raise self.error
        return self.inner.annotate_many(notes, **asked)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "does not fit into memory: got 11 characters"),
        (OutOfMemoryError("CUDA"), "does not fit into memory: got 11 characters"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "does not fit into memory: got 11 characters"),
        (pl.exceptions.PanicException("capacity overflow"), "the mapper failed: PanicException"),
    ],
)
def test_a_note_that_does_not_fit_into_memory_is_named_and_the_others_are_coded(
    error: BaseException, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.DataFrame({"note_id": list("abc"), "text": ["fever", "GIANT fever", "headache"]}).write_csv(tmp_path / "n.csv")
    monkeypatch.setattr(ConceptMapper, "load", lambda *given, **options: Forgetful(error))
    assert main(["code", str(tmp_path / "n.csv"), "-o", str(tmp_path / "out"), "--encoder", "none"]) == 3
    assert set(pl.read_csv(tmp_path / "out" / "codes.csv")["note_id"]) == {"a", "c"}
    (bad,) = json.loads((tmp_path / "out" / "run.json").read_text())["quarantined"]
    assert bad["note_id"] == "b"
    assert bad["reason"].startswith(said)
    assert "GIANT" not in capsys.readouterr().err


# -- damaged indexes --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small index with vectors."""
    codes = ontology().concepts["code"].to_list()
    vectors = np.random.default_rng(0).normal(size=(len(codes), 8)).astype(np.float32)
    built = ConceptIndex.from_vectors(codes, vectors, ontology())
    return built.save(tmp_path_factory.mktemp("index") / "whole")


def damages(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """200 truncations and 1,000 flipped bits, over all files by turns."""
    rng = random.Random(6)
    files = sorted(folder.iterdir())
    for at in range(1200):
        path = files[at % len(files)]
        content = bytearray(path.read_bytes())
        place = rng.randrange(len(content))
        if at < 200:
            del content[place:]
        else:
            content[place] ^= 1 << rng.randrange(8)
        yield path, bytes(content)


def test_every_truncation_and_every_flipped_bit_of_an_index_is_refused_by_name(whole_index: Path) -> None:
    ConceptIndex.open(whole_index).verify()
    seen = set()
    for path, damaged in damages(whole_index):
        whole = path.read_bytes()
        path.write_bytes(damaged)
        with pytest.raises(IndexMismatchError) as caught:
            ConceptIndex.open(whole_index).verify()
        assert path.name in str(caught.value)
        path.write_bytes(whole)
        seen.add(path.name)
    assert {"manifest.json", "vectors.safetensors", "terms.parquet"} <= seen
    ConceptIndex.open(whole_index).verify()


def test_a_manifest_that_lost_its_last_line_end_is_refused(whole_index: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(whole_index, tmp_path / "copy")
    manifest = copy / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-1])
    with pytest.raises(IndexMismatchError, match=r"manifest\.json is damaged"):
        ConceptIndex.open(copy)


@pytest.mark.parametrize(("row", "norm"), [(np.nan, 1.0), (np.inf, 1.0), (0.0, 1.0), (None, 2.0), (None, np.nan)])
def test_rows_without_a_cosine_are_refused_although_their_checksums_are_right(
    row: float | None, norm: float, whole_index: Path, tmp_path: Path
) -> None:
    whole = ConceptIndex.open(whole_index)
    assert whole.vectors is not None
    assert whole.norms is not None
    vectors, norms = whole.vectors.copy(), whole.norms.copy()
    norms[3] *= norm
    if row is not None:
        vectors[3] = row
    wrong = replace(whole, vectors=vectors, norms=norms, checked=None).save(tmp_path / "wrong")
    with pytest.raises(IndexMismatchError, match=r"vectors\.safetensors holds rows without a cosine"):
        ConceptIndex.open(wrong)


def test_a_damaged_index_ends_the_command_before_the_first_note(
    whole_index: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(whole_index, tmp_path / "copy")
    content = bytearray((copy / "vectors.safetensors").read_bytes())
    content[-1] ^= 4
    (copy / "vectors.safetensors").write_bytes(content)
    notes = write_notes(tmp_path / "notes.parquet", 3)
    assert main(["code", str(notes), "-o", str(tmp_path / "out"), "--ontology", str(copy), "--encoder", "none"]) == 4
    assert "vectors.safetensors is damaged" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


# -- the same whatever the batch and the thread -----------------------------------------------------------------------


def clinical(n_notes: int) -> pl.DataFrame:
    """Notes of different lengths with mentions of which only vectors know."""
    rng = random.Random(9)
    said = ["Known hypertension", "heart is failing", "no fever", "diabetes with renal disease", "lung infection",
            "broken femur", "BP 120/80", "chest hurts", "systolic cardiac failure", "seen in clinic"]  # fmt: skip
    texts = [". ".join(rng.choice(said) for _ in range(rng.randint(1, 5))) for _ in range(n_notes)]
    return pl.DataFrame({"note_id": [f"n{at}" for at in range(n_notes)], "text": texts})


def test_batches_of_1_8_and_64_give_the_same_scores() -> None:
    notes = clinical(64)
    assert embedded().dim == 384
    found = []
    for size in (1, 8, 64):
        parts = [full_mapper().annotate_many(notes[at : at + size]) for at in range(0, 64, size)]
        found.append((pl.concat([p.mentions for p in parts]), pl.concat([p.codes for p in parts])))
    (mentions, codes), *others = found
    assert (mentions["evidence"] != "lexical").any()
    for other_mentions, other_codes in others:
        same = ["note_id", "start_char", "end_char", "rank", "code"]
        assert other_mentions.select(same).equals(mentions.select(same))
        assert (other_mentions["score"] - mentions["score"]).abs().max() <= 1e-5  # type: ignore[operator]
        assert other_codes.select("note_id", "code").equals(codes.select("note_id", "code"))
        assert (other_codes["score"] - codes["score"]).abs().max() <= 1e-5  # type: ignore[operator]


def test_eight_threads_on_one_mapper_give_what_one_gives() -> None:
    notes = clinical(48)
    fresh = ConceptMapper.load(*full_mapper().indexes, encoder=embedded())
    with ThreadPoolExecutor(8) as threads:
        parts = list(threads.map(fresh.annotate_many, [notes[at : at + 6] for at in range(0, 48, 6)]))
    serial = [full_mapper().annotate_many(notes[at : at + 6]) for at in range(0, 48, 6)]
    for part, expected in zip(parts, serial, strict=True):
        assert part.mentions.drop("score").equals(expected.mentions.drop("score"))
        assert part.codes.drop("score").equals(expected.codes.drop("score"))
        assert (part.mentions["score"] - expected.mentions["score"]).abs().max() <= 1e-6  # type: ignore[operator]
