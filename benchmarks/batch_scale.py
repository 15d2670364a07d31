"""Many notes at once: how memory grows, and what a second worker brings.

    python benchmarks/batch_scale.py soak [--notes 20000]
    python benchmarks/batch_scale.py workers [--notes 400]

Notes are synthetic, about 250 words each: sentences about names of ICD-10-CM (the n-th name 1/n as often as the
first) between sentences of plain prose. ``soak`` codes them by lexical evidence in one process and compares its
resident memory after a tenth of the notes with that at the end. ``workers`` codes them with the embedded encoder, once
with one single-threaded worker and once with two, and compares the notes per second after loading.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl

FRAMES = (
    "Known {}, stable on treatment.",
    "No {}.",
    "Admitted with {} and treated on the ward for two days.",
    "History of {}.",
    "Mother had {}.",
    "Possible {}, to be followed up.",
)
PROSE = (
    "The patient was seen on the morning round and slept well.",
    "Diet was advanced as tolerated and the family was updated at the bedside.",
    "Blood pressure 128/76, heart rate 82, temperature 36.9.",
    "Medication was reviewed; the plan was explained and agreed.",
    "Follow-up in the clinic in two weeks, sooner if anything changes.",
)


def make_notes(path: Path, n_notes: int) -> Path:
    """Notes in a Parquet file, always the same ones."""
    from conceptmap.readers import load_ontology

    ontology = load_ontology("icd10cm")
    names = ontology.terms.filter(pl.col("term").str.len_chars() < 40)["term"].to_list()
    rng = random.Random(20)
    rng.shuffle(names)
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(names) + 1)))
    texts = []
    for _ in range(n_notes):
        common = rng.choices(names, cum_weights=weights, k=12)
        sentences = [rng.choice(FRAMES).format(name.lower()) for name in common]
        sentences += [rng.choice(PROSE) for _ in range(16)]
        rng.shuffle(sentences)
        texts.append("HISTORY:\n" + " ".join(sentences[:14]) + "\nPLAN:\n" + " ".join(sentences[14:]))
    pl.DataFrame({"note_id": [f"n{at}" for at in range(n_notes)], "text": texts, "ward": "3B"}).write_parquet(path)
    return path


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def soak(notes_file: Path, out: Path) -> None:
    """Code the notes and print the memory at each tenth."""
    from conceptmap.batch import Settings, State, code_notes
    from conceptmap.mapper import ConceptMapper
    from conceptmap.notes.notes import read_notes

    mapper = ConceptMapper.load("icd10cm", encoder=None)
    sizes: dict[int, int] = {}
    began = time.perf_counter()

    def progress(state: State) -> None:
        sizes.setdefault(10 * state.done // state.total, resident())

    done = code_notes(read_notes(notes_file), mapper, out, Settings(formats=("csv", "parquet")), progress=progress)
    sizes[11] = resident()
    counts, seconds = done.facts["counts"], time.perf_counter() - began
    print(
        f"{counts['notes']:,} notes, {counts['words']:,} words, {counts['annotations']:,} annotations, {seconds:.0f} s"
    )
    print("resident memory in MiB at each tenth, and after merging:", *(size >> 20 for size in sizes.values()))
    print(f"growth from a tenth to all notes coded: {100 * (sizes[10] / sizes[1] - 1):.1f} %")


def one_run(notes_file: Path, out: Path, workers: int) -> float:
    """Notes per second, loading apart, of a run in worker processes of one thread each."""
    threads = dict.fromkeys("OMP_NUM_THREADS MKL_NUM_THREADS POLARS_MAX_THREADS RAYON_NUM_THREADS".split(), "1")
    command = [sys.executable, __file__, "one", str(notes_file), str(out), str(workers)]
    done = subprocess.run(command, env={**os.environ, **threads}, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{workers} worker{'s' * (workers > 1)}: {found}", flush=True)
    return found["notes_per_second"]


def code_with(notes_file: Path, out: Path, workers: int) -> None:
    """Code with so many workers; the clock starts with the first finished shard."""
    from conceptmap.batch import Engine, MapperSource, State, code_notes
    from conceptmap.notes.notes import read_notes

    if workers == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # it encodes ahead in a thread: on the same core
    source = MapperSource(("icd10cm",), {"encoder": "embedded", "device": "cpu", "dtype": "float32"})
    seen: list[tuple[float, int, float]] = []

    def progress(state: State) -> None:
        seen.append((time.perf_counter(), state.done, processor_seconds()))

    began = time.perf_counter()
    code_notes(
        read_notes(notes_file), source.load(), out, engine=Engine("processes", workers, source), progress=progress
    )
    whole = time.perf_counter() - began
    first = workers - 1  # each worker's first shard also holds what is prepared once
    seconds, notes = seen[-1][0] - seen[first][0], seen[-1][1] - seen[first][1]
    spent = (seen[-1][2] - seen[first][2]) / notes
    facts = {"notes_per_second": notes / seconds, "processor_seconds_per_note": spent, "notes": notes, "whole": whole}
    print(json.dumps({name: round(value, 3) for name, value in facts.items()}))


def processor_seconds() -> float:
    """Processor time of this process and its children so far."""
    total = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if os.getpid() in (int(entry.name), int(stat[1])):
                total += int(stat[11]) + int(stat[12])
    return total / os.sysconf("SC_CLK_TCK")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["soak", "workers", "one"])
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--notes", type=int)
    args = parser.parse_args(arguments)
    if args.what == "one":
        code_with(Path(args.rest[0]), Path(args.rest[1]), int(args.rest[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if args.what == "soak":
            soak(make_notes(home / "notes.parquet", args.notes or 20_000), home / "out")
            return
        notes = make_notes(home / "notes.parquet", args.notes or 400)
        rates = [one_run(notes, home / f"out{workers}", workers) for workers in (1, 2)]
        same = (home / "out1" / "codes.csv").read_bytes() == (home / "out2" / "codes.csv").read_bytes()
        print(f"two workers over one: {rates[1] / rates[0]:.2f}; the same codes: {same}")


if __name__ == "__main__":
    main()
