"""Kill runs at random moments and see that nothing is lost, doubled or different.

    python benchmarks/kill_runs.py [--kills 50] [--engine local|processes|ray] [--notes 1500]

Two calls race on one output folder (``local``), or one call has two workers (``processes``, ``ray``). Something is
killed with SIGKILL every now and then: one of the racing calls, or a worker or the call itself. Whatever was killed
starts again, until the outputs are there; then they are compared, byte for byte, with those of an undisturbed call,
and a new run begins until there were enough kills.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from conceptmap.batch import Engine, MapperSource, Settings, code_notes
from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper, Results
from conceptmap.notes.notes import read_notes
from conceptmap.ontology.ontology import Ontology

NAMES = {"E11": "diabetes mellitus", "I10": "hypertension", "I50": "heart failure", "R50": "fever", "R51": "headache"}
FORMATS = ("csv", "parquet", "jsonl", "omop", "brat")
WORKER_MARKS = {"processes": "multiprocessing.spawn", "ray": "ray::Coder"}
PAUSE = 0.1
"""Seconds that a shard takes at least, so that kills hit shards and not only the loading."""


def make_index(folder: Path) -> Path:
    """An index of five invented concepts, without vectors."""
    codes, names = list(NAMES), list(NAMES.values())
    concepts = pl.DataFrame({"node": codes, "code": codes, "kind": "code", "name": names, "active": True})
    concepts = concepts.with_columns(billable=pl.lit(value=True))
    terms = pl.DataFrame({"node": codes, "code": codes, "term": names, "kind": "preferred"})
    edges = pl.DataFrame({"parent": ["E11"], "child": ["I10"]})
    return build_index(Ontology("test", "1", concepts, terms, edges), None).save(folder)


def make_notes(path: Path, n_notes: int) -> Path:
    """Notes of a few sentences, a different one each."""
    rng = random.Random(8)
    names = list(NAMES.values())
    said = ("Known", "No", "Possible")
    texts = [
        " ".join(f"{rng.choice(said)} {rng.choice(names)}, day {rng.randint(1, 99)}.\n" for _ in range(8))
        for _ in range(n_notes)
    ]
    pl.DataFrame({"note_id": [f"n{i}" for i in range(n_notes)], "text": texts, "ward": "3B"}).write_csv(path)
    return path


# -- the call that is killed ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Watched:
    """A mapper that takes its time and writes down which notes it begins."""

    inner: ConceptMapper
    log: Path

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the mapper has
        return getattr(self.inner, name)

    def annotate_many(self, notes: pl.DataFrame, **asked: Any) -> Results:  # noqa: ANN401
        """Annotate, after a pause."""
        with self.log.open("a") as file:
            file.write(f"{notes['note_id'][0]}\n")
        time.sleep(PAUSE)
        return self.inner.annotate_many(notes, **asked)


def call(engine: str, home: Path, out: Path) -> None:
    """Code the notes."""
    source = MapperSource((str(home / "index"),), {"encoder": None})
    mapper: Any = source.load()
    if engine == "local":
        mapper = Watched(mapper, home / "log")
    chosen = Engine(engine, 0 if engine == "local" else 2, source)
    settings = Settings(formats=FORMATS, candidates=3, date="2024-01-31")
    code_notes(read_notes(home / "notes.csv"), mapper, out, settings, engine=chosen)


# -- the one who kills ------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What happened."""

    kills: int = 0
    runs: int = 0
    shards: int = 0
    coded: int = 0
    different: list[str] = field(default_factory=list)


def start(engine: str, home: Path, out: Path) -> subprocess.Popen[bytes]:
    """Begin a call."""
    command = [sys.executable, __file__, "--call", engine, str(home), str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def disturbed_run(engine: str, home: Path, out: Path, tally: Tally, rng: random.Random) -> None:
    """Run to the end, killing."""
    calls = [start(engine, home, out) for _ in range(2 if engine == "local" else 1)]
    while any(one.poll() is None for one in calls):
        time.sleep(rng.uniform(1.0, 6.0) if engine == "local" else rng.uniform(3.0, 9.0))
        at = rng.randrange(len(calls))
        if calls[at].poll() is not None:
            continue
        workers = list(children(calls[at].pid, WORKER_MARKS[engine])) if engine != "local" else []
        if workers and rng.random() < 0.7:
            kill(rng.choice(workers))
        else:
            calls[at].send_signal(signal.SIGKILL)
            calls[at].wait()
            calls[at] = start(engine, home, out)
        tally.kills += 1
    for one in calls:
        if one.returncode != 0:
            message = one.stderr.read().decode()[-2000:] if one.stderr else ""
            sys.exit(f"a call ended with {one.returncode}: {message}")


def children(parent: int, mark: str) -> Iterator[int]:
    """Processes below a process whose command line holds ``mark``."""
    parents: dict[int, int] = {}
    marked = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if mark in (entry / "cmdline").read_bytes().decode(errors="replace"):
                    marked.append(int(entry.name))
            except (OSError, ValueError):
                continue
    for pid in marked:
        above = pid
        while above > 1 and above != parent:
            above = parents.get(above, 0)
        if above == parent:
            yield pid


def kill(pid: int) -> None:
    """End a process at once, if it is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def differences(expected: Path, got: Path) -> list[str]:
    """Files that are not the same."""
    names = {path.relative_to(folder).as_posix() for folder in (expected, got) for path in folder.rglob("*")}
    found = []
    for name in sorted(names - {"run.json"}):
        one, other = expected / name, got / name
        same = one.exists() and other.exists() and (one.is_dir() or one.read_bytes() == other.read_bytes())
        found += [] if same else [name]
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Kill, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--notes", type=int, default=1500)
    parser.add_argument("--engine", default="local", choices=["local", *WORKER_MARKS])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--call", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.call:
        call(args.call[0], Path(args.call[1]), Path(args.call[2]))
        return
    rng, tally, began = random.Random(args.seed), Tally(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make_index(home / "index")
        make_notes(home / "notes.csv", args.notes)
        call("local", home, home / "expected")
        tally.shards = len((home / "log").read_text().split())
        (home / "log").unlink()
        while tally.kills < args.kills:
            disturbed_run(args.engine, home, home / "out", tally, rng)
            tally.runs += 1
            tally.different += differences(home / "expected", home / "out")
            shutil.rmtree(home / "out")
        tally.coded = len((home / "log").read_text().split()) if args.engine == "local" else 0
    print(f"{tally.kills} kills in {tally.runs} runs of {args.notes} notes in {tally.shards} shards")
    print(f"files that differ from an undisturbed run: {len(tally.different)} {tally.different[:5]}")
    if args.engine == "local":
        print(f"shards coded more than once: {tally.coded - tally.shards * tally.runs} (at most one a kill)")
    print(f"{time.monotonic() - began:.0f} s")
    if tally.different or (args.engine == "local" and tally.coded - tally.shards * tally.runs > tally.kills):
        sys.exit(1)


if __name__ == "__main__":
    main()
