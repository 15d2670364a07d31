"""Runs that are interrupted, killed, shared among jobs or repeated: nothing is lost, doubled or different."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_mapper import index, mapper
from test_batch import random_note

from conceptmap.batch import Part, Run, Settings, State, code_notes
from conceptmap.batch import folder as batch_folder
from conceptmap.batch.folder import PREFIX, ShardFolder
from conceptmap.batch.publishing import STAGING
from conceptmap.mapper import ConceptMapper, Results
from conceptmap.notes.notes import read_notes

N_NOTES = 100
FORMATS = ("csv", "parquet", "jsonl", "xlsx", "wide", "omop", "brat", "html")
SETTINGS = Settings(formats=FORMATS, candidates=2, date="2024-01-31")


@pytest.fixture(scope="module")
def notes_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("notes") / "notes.csv"
    rng = random.Random(11)
    texts = [random_note(rng) for _ in range(N_NOTES)]
    pl.DataFrame({"note_id": [f"n{at}" for at in range(N_NOTES)], "text": texts, "ward": "3B"}).write_csv(path)
    return path


@pytest.fixture(scope="module")
def expected(notes_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed run writes."""
    out = tmp_path_factory.mktemp("expected") / "out"
    code_notes(read_notes(notes_file), mapper(), out, SETTINGS)
    return written(out)


def written(out: Path) -> dict[str, bytes]:
    """Every file by name, but for the times of ``run.json``; hidden ones count."""
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name != "run.json"}


@dataclass
class Stopping:
    """The mapper, which stops the run at the n-th call."""

    at: int
    inner: ConceptMapper = field(default_factory=mapper)
    calls: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def annotate_many(self, notes: pl.DataFrame, **asked: Any) -> Results:
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return self.inner.annotate_many(notes, **asked)


def run(notes_file: Path, out: Path, on: Any = None, **options: Any) -> Run:
    return code_notes(read_notes(notes_file), on or mapper(), out, SETTINGS, **options)


@pytest.mark.parametrize("at", [1, 2, 4, 7])
def test_an_interrupted_run_goes_on_where_it_was(
    at: int, notes_file: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(notes_file, tmp_path, Stopping(at))
    assert [name for name in written(tmp_path) if not name.startswith(PREFIX)] == []
    counting = Stopping(at=0)
    states: list[State] = []
    done = run(notes_file, tmp_path, counting, progress=states.append)
    assert counting.calls == 7 - (at - 1)
    assert done.facts["shards"] == {"all": 7, "coded_now": counting.calls}
    assert written(tmp_path) == expected
    assert (states[-1].done, states[-1].total) == (N_NOTES, N_NOTES)
    assert states[-1].reused == min(16 * (at - 1), N_NOTES)


def test_a_finished_run_is_not_done_again(notes_file: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    first = run(notes_file, tmp_path)
    counting = Stopping(at=0)
    again = run(notes_file, tmp_path, counting)
    assert counting.calls == 0
    assert (again.files, again.quarantined) == (first.files, first.quarantined)
    assert again.facts == json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "codes.csv").unlink()
    run(notes_file, tmp_path, counting)
    assert counting.calls == 7
    assert written(tmp_path) == expected
    run(notes_file, tmp_path, counting, resume=False)
    assert counting.calls == 14


def test_other_settings_are_another_run(notes_file: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(notes_file, tmp_path, Stopping(5))
    counting = Stopping(at=0)
    code_notes(read_notes(notes_file), counting, tmp_path, Settings(include=("negated",)))  # type: ignore[arg-type]
    assert counting.calls == 7
    assert sorted(written(tmp_path)) == ["annotations.csv", "codes.csv", "mentions.csv"]


def test_another_format_alone_needs_no_new_coding(notes_file: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(notes_file, tmp_path, Stopping(7))
    counting = Stopping(at=0)
    settings = Settings(formats=("jsonl",), candidates=2)
    code_notes(read_notes(notes_file), counting, tmp_path, settings)  # type: ignore[arg-type]
    assert counting.calls == 1


def test_a_damaged_shard_is_coded_again(notes_file: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(notes_file, tmp_path, Stopping(6))
    shard = sorted(tmp_path.glob(f"{PREFIX}*/*.shard"))[2]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    counting = Stopping(at=0)
    run(notes_file, tmp_path, counting)
    assert counting.calls == 2 + 1
    assert written(tmp_path) == expected


def test_what_killed_runs_left_behind_is_cleared_away(
    notes_file: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    half = tmp_path / f"{STAGING}0123456789ab"
    (half / ".codes.parts").mkdir(parents=True)
    (half / ".codes.parts" / "00000000.parquet").write_text("half")
    (half / "codes.csv").write_text("half")
    (half / "brat").mkdir()
    (half / "brat" / "n1.ann").write_text("half")
    with pytest.raises(KeyboardInterrupt):  # a run with other settings
        code_notes(read_notes(notes_file), Stopping(3), tmp_path, Settings(include=("negated",)))  # type: ignore[arg-type]
    (next(tmp_path.glob(f"{PREFIX}*")) / f".{'0' * 32}.shard.0123456789ab.tmp").write_text("half")
    run(notes_file, tmp_path)
    assert written(tmp_path) == expected


def test_jobs_share_the_shards_and_the_last_one_finishes(
    notes_file: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    parts = [Part(2, 3), Part(3, 3), Part(1, 3)]
    calls = []
    for part in parts:
        counting = Stopping(at=0)
        done = run(notes_file, tmp_path, counting, part=part)
        calls.append(counting.calls)
        assert (done.missing == 0) == (part == parts[-1])
        assert done.files == () or part == parts[-1]
    assert sorted(calls) == [2, 2, 3]
    assert written(tmp_path) == expected
    assert run(notes_file, tmp_path, Stopping(1), part=Part(3, 3)).missing == 0


def test_a_plain_call_takes_the_place_of_a_lost_job(
    notes_file: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    run(notes_file, tmp_path, part=Part(1, 2))
    counting = Stopping(at=0)
    run(notes_file, tmp_path, counting)
    assert counting.calls == 3
    assert written(tmp_path) == expected


def test_without_locks_of_the_file_system_all_is_as_well(
    notes_file: Path, expected: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_folder, "fcntl", None)
    run(notes_file, tmp_path)
    assert written(tmp_path) == expected


def test_racing_threads_give_the_same_files(notes_file: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """Threads of one process are granted the same claims: work is done twice, and nothing goes wrong."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            run(notes_file, tmp_path)
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert written(tmp_path) == expected


def test_a_claim_is_seen_by_other_processes_and_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, time\n"
        "from conceptmap.batch.folder import ShardFolder\n"
        "with ShardFolder(pathlib.Path(sys.argv[1])).opened() as shards:\n"
        "    print(shards.claim(3), flush=True)\n"
        "    time.sleep(60)\n"
    )
    with ShardFolder(tmp_path / "shards").opened() as shards:
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "shards")], stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "True\n"
            assert not shards.claim(3)
            assert shards.claim(4)
            other.kill()
            other.wait()
        assert shards.claim(3)


# -- the command ------------------------------------------------------------------------------------------------------

SLOW = """
import sys, time
from conceptmap import cli, mapper
annotate = mapper.ConceptMapper.annotate_many
def slowly(self, notes, **asked):
    print("at", notes["note_id"][0], flush=True)
    time.sleep(0.2)
    return annotate(self, notes, **asked)
mapper.ConceptMapper.annotate_many = slowly
sys.exit(cli.main(sys.argv[1:]))
"""


def slow_command(notes_file: Path, out: Path, lexical: Path, *more: str) -> list[str]:
    given = ["code", str(notes_file), "-o", str(out), "--ontology", str(lexical), "--encoder", "none"]
    asked = ["--format", ",".join(SETTINGS.formats), "--candidates", "2", "--date", "2024-01-31"]
    return [sys.executable, "-c", SLOW, *given, *asked, *more]


@pytest.fixture(scope="module")
def lexical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return index().save(tmp_path_factory.mktemp("index") / "lexical")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_command_and_says_how_to_go_on(
    number: signal.Signals, code: int, notes_file: Path, lexical: Path, tmp_path: Path
) -> None:
    with subprocess.Popen(
        slow_command(notes_file, tmp_path, lexical), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        for _ in range(2):
            running.stdout.readline()
        began = time.monotonic()
        running.send_signal(number)
        said = running.stderr.read()
        assert running.wait() == code
    assert time.monotonic() - began < 10, "the contract of the command line, not a measurement"
    assert said.endswith("the same command goes on from there\n")
    assert said.count("\n") == 1
    assert len(list(tmp_path.glob(f"{PREFIX}*/*.shard"))) == 1
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(PREFIX)] == []


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_two_racing_commands_that_are_killed_give_the_same_files(
    notes_file: Path, lexical: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """The long version, with more than fifty kills, is benchmarks/kill_runs.py."""
    command = slow_command(notes_file, tmp_path, lexical)
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for one in racing:
        assert one.stdout is not None
        one.stdout.readline()
    time.sleep(0.3)
    for one in racing:
        one.kill()
        one.communicate()
    done = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    begun = [one.communicate()[0].splitlines() for one in done]
    assert [one.returncode for one in done] == [0, 0]
    assert written(tmp_path) == expected
    assert len(set(begun[0] + begun[1])) == len(begun[0] + begun[1]), "no shard was coded by both"
