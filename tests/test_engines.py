"""Engines: worker processes and Ray actors give what one process gives, and survive the death of a worker."""

from __future__ import annotations

import gc
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from small_mapper import index, mapper
from test_batch import random_note

from conceptmap.batch import Engine, MapperSource, Run, Settings, code_notes, engines, processes, workers
from conceptmap.batch.actors import Coder
from conceptmap.batch.settings import Asked
from conceptmap.errors import ConceptMapError, IndexMismatchError, InputError, ModelError, OutOfSpaceError
from conceptmap.notes.notes import read_notes

SETTINGS = Settings(formats=("csv", "parquet"), candidates=2)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> MapperSource:
    return MapperSource((str(index().save(tmp_path_factory.mktemp("index") / "lexical")),), {"encoder": None})


class Watched:
    """A source that notes how seldom garbage is collected when the mapper is loaded."""

    def load(self) -> Any:
        self.seen = gc.get_threshold()
        raise ModelError("no such model")


def test_workers_collect_garbage_as_seldom_as_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    usual, source, other = gc.get_threshold(), Watched(), Watched()
    pipe = SimpleNamespace(send=lambda word: None)
    try:
        processes._serve(pipe, source, Asked((), 0, 0))  # type: ignore[arg-type]
        gc.set_threshold(*usual)
        assert Coder(other, Asked((), 0, 0)).ready()[0] == "failed"  # type: ignore[arg-type]
    finally:
        gc.set_threshold(*usual)
    assert source.seen == other.seen == (500_000, 50, 100)


@pytest.fixture(scope="module")
def notes_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("notes") / "notes.parquet"
    rng = random.Random(5)
    pl.DataFrame(
        {"note_id": [f"n{at}" for at in range(90)], "text": [random_note(rng) for _ in range(90)]}
    ).write_parquet(path)
    return path


@pytest.fixture(scope="module")
def expected(notes_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    done = code_notes(read_notes(notes_file), mapper(), tmp_path_factory.mktemp("expected"), SETTINGS)
    return written(done)


def written(done: Run) -> dict[str, bytes]:
    return {name: (done.folder / name).read_bytes() for name in done.files if name != "run.json"}


def children() -> set[int]:
    """Processes whose parent is this one."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(stat[1]) == os.getpid() and stat[0] != "Z":
                found.add(int(entry.name))
    return found


def test_processes_give_the_same_files_although_one_is_killed(
    source: MapperSource, notes_file: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """The first shard to come back is the sign to kill a worker; its shard is then coded by another."""
    before = children()
    killed: list[int] = []

    def kill_one(_: object) -> None:
        workers = children() - before
        if not killed and len(workers) > 1:
            killed.append(max(workers))
            os.kill(killed[0], signal.SIGKILL)

    engine = Engine("processes", 2, source)
    done = code_notes(read_notes(notes_file), source.load(), tmp_path, SETTINGS, engine=engine, progress=kill_one)
    assert written(done) == expected
    assert killed or os.name == "nt"
    assert children() - before <= helpers(before)
    assert done.facts["engine"] == {"name": "processes", "workers": 2}


def helpers(before: set[int]) -> set[int]:
    """Python's own resource tracker stays."""

    def is_tracker(pid: int) -> bool:
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()

    return {pid for pid in children() - before if is_tracker(pid)}


def test_an_error_in_a_worker_ends_the_run_and_leaves_no_process(
    source: MapperSource, notes_file: Path, tmp_path: Path
) -> None:
    before = children()
    engine = Engine("processes", 1, MapperSource((str(tmp_path / "nowhere"),), source.options))
    with pytest.raises(IndexMismatchError, match="nowhere is not an index"):
        code_notes(read_notes(notes_file), source.load(), tmp_path / "out", SETTINGS, engine=engine)
    assert not (tmp_path / "out").exists()
    assert children() - before <= helpers(before)


def test_a_worker_that_would_give_other_results_is_refused(
    source: MapperSource, notes_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conceptmap.batch.run.run_key", lambda *_: "0123456789ab of an older version")
    with pytest.raises(IndexMismatchError, match=r"a worker differs.*expected 0123456789ab;"):
        code_notes(read_notes(notes_file), source.load(), tmp_path, engine=Engine("processes", 1, source))


def test_workers_that_keep_dying_end_the_run(
    source: MapperSource, notes_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = processes._Pool._started

    def started_and_killed(pool: Any, shard: Any) -> Any:
        worker = started(pool, shard)
        worker.process.kill()
        return worker

    monkeypatch.setattr(processes._Pool, "_started", started_and_killed)
    with pytest.raises(OutOfSpaceError, match=r"died 5 times in a row.*use fewer workers"):
        code_notes(read_notes(notes_file), source.load(), tmp_path, engine=Engine("processes", 2, source))


def test_much_text_read_by_its_words_goes_to_a_process_a_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "MANY_BYTES", 10)
    monkeypatch.setattr(engines, "default_workers", lambda: 2)
    little, much = tmp_path / "little.csv", tmp_path / "notes" / "much.txt"
    much.parent.mkdir()
    little.write_text("x" * 9)
    much.write_text("x" * 10)

    def chosen(notes: Path | str, workers: int = 0, by_words_alone: bool = True) -> str:
        return engines.engine_for(str(notes), workers=workers, by_words_alone=by_words_alone)

    assert [chosen(notes) for notes in (little, much, much.parent, "-")] == ["local", "processes", "processes", "local"]
    assert [chosen(much, workers) for workers in (1, 2)] == ["local", "processes"]
    assert [chosen(little, 2, False), chosen(much, 0, False)] == ["processes", "local"]
    monkeypatch.setattr(engines, "default_workers", lambda: 1)
    assert chosen(much) == "local"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"name": "spark"}, "engine is unknown: got spark, expected local, processes, ray"),
        ({"name": "local", "workers": 4}, "use --engine processes"),
        ({"name": "processes", "workers": -1}, "workers and gpus must not be negative"),
        ({"name": "processes"}, "where its workers get their mapper"),
        ({"name": "local", "address": "auto"}, "for the engine ray"),
    ],
)
def test_engines_that_there_are_not(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Engine(**asked)


def test_workers_and_their_threads_fill_the_cores_and_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 12)
    monkeypatch.setattr(workers, "_memory_there", lambda: 9.0 * workers.WORKER_BYTES)
    assert workers.default_workers() == 9
    assert {n: workers.thread_settings(n)["OMP_NUM_THREADS"] for n in (1, 4, 5, 12, 20)} == {
        1: "12", 4: "3", 5: "2", 12: "1", 20: "1",
    }  # fmt: skip
    monkeypatch.setattr(workers, "_memory_there", lambda: 0.5 * workers.WORKER_BYTES)
    assert workers.default_workers() == 1


def test_what_the_user_says_of_threads_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("RAYON_NUM_THREADS", raising=False)
    with workers.environment({"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}):
        assert (os.environ["OMP_NUM_THREADS"], os.environ["RAYON_NUM_THREADS"]) == ("7", "1")
    assert "RAYON_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("kind", ["OutOfSpaceError", "IndexMismatchError", "MissingExtraError", "unheard of"])
def test_errors_of_workers_keep_their_exit_code(kind: str) -> None:
    error = workers.rebuilt(kind, "what it said")
    assert str(error) == "what it said"
    assert error.exit_code == {"OutOfSpaceError": 5, "IndexMismatchError": 4}.get(kind, ConceptMapError.exit_code)


def test_ray_gives_the_same_files_although_an_actor_is_killed(
    source: MapperSource, notes_file: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    killed: list[int] = []

    def kill_one(_: object) -> None:
        actors = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and is_actor(entry)]
        if not killed and actors:
            killed.append(actors[0])
            os.kill(actors[0], signal.SIGKILL)

    engine = Engine("ray", 1, source)
    done = code_notes(read_notes(notes_file), source.load(), tmp_path, SETTINGS, engine=engine, progress=kill_one)
    assert killed
    assert written(done) == expected


def is_actor(entry: Path) -> bool:
    try:
        return (entry / "cmdline").read_bytes().startswith(b"ray::Coder")
    except OSError:
        return False


def test_workers_are_dealt_out_to_the_gpus(source: MapperSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker a GPU, and the next one to the GPU that has the fewest; what the user lets us see is respected."""
    seen: list[str | None] = []
    sizes: list[int] = []

    class Process:
        def __init__(self, **_: object) -> None:
            pass

        def start(self) -> None:
            seen.append(os.environ.get("CUDA_VISIBLE_DEVICES"))

    def four_started(pool: Any, shards: object) -> Iterator[Any]:
        sizes.append(pool.size)
        for number in range(4):
            if number == 2:
                pool.workers.pop(1)  # it died; its GPU is free
            pool.workers.append(pool._started(None))
        pool.workers.clear()
        return iter(())

    monkeypatch.setattr("multiprocessing.get_context", lambda method: SimpleNamespace(Process=Process))
    monkeypatch.setattr(processes, "device_count", lambda device: {"cuda:all": 2, "cuda": 1}.get(device, 0))
    monkeypatch.setattr(processes._Pool, "coded", four_started)
    for visible, device, expected in (
        (None, "cuda:all", ["0", "1", "1", "0"]),
        ("5,7,8", "cuda:all", ["5", "7", "7", "5"]),
        ("5,7", "cuda", ["5,7"] * 4),
        (None, "cpu", [None] * 4),
    ):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        seen.clear()
        engine = Engine("processes", source=MapperSource(source.indexes, {**source.options, "device": device}))
        assert list(processes.run_processes(engine, iter([]), Asked((), 0, 0), "", lambda *_: None)) == []
        assert seen == expected
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == visible
    assert sizes == [2, 2, 1, workers.default_workers()]
