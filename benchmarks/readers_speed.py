"""How long the readers take on synthetic releases of full size, and how much memory.

    python benchmarks/readers_speed.py                 # both releases, made in a temporary folder and deleted
    python benchmarks/readers_speed.py --only rf2 --scale 0.1

Every reading runs in a process of its own. The peer is the standard library's ``csv`` module, which reads the same
columns of the same files into tuples and does nothing else, in the same run: on a busy machine compare the ratio.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import IO

from make_releases import make_rf2, make_umls

TARGETS = {"rf2": "under 20 s and 4 GB", "umls": "under 90 s and 6 GB"}


def read_rf2(release: Path) -> str:
    """Ours: zip to Ontology."""
    from conceptmap.readers.snomed_rf2 import read_rf2

    return repr(read_rf2(release))


def read_umls(release: Path) -> str:
    """Ours: MRCONSO (English), MRRANK, MRSTY and MRREL to Ontology."""
    from conceptmap.readers.umls_rrf import read_rrf

    return repr(read_rrf(release))


RF2_COLUMNS = {
    "Concept": (0, 3),
    "Description": (0, 4, 5, 6, 7),
    "Language": (4, 5, 6),
    "Relationship": (4, 5, 7, 8),
    "Association": (4, 5, 6),
    "ExtendedMap": tuple(range(13)),
}


def csv_rf2(release: Path) -> str:
    """The peer: active rows of the zip's members."""
    rows = 0
    kept = []
    with zipfile.ZipFile(release) as packed:
        for name in packed.namelist():
            columns = next(columns for content, columns in RF2_COLUMNS.items() if content in name)
            kept.append(keep(packed.open(name), "\t", lambda row: row[2] == "1", columns))
            rows += len(kept[-1])
    return f"{rows:,} rows"


def csv_umls(release: Path) -> str:
    """The peer: English rows of MRCONSO, all of MRSTY, parents and children of MRREL."""
    wanted: dict[str, tuple[Callable[[list[str]], bool], tuple[int, ...]]] = {
        "MRCONSO.RRF": (lambda row: row[1] == "ENG" and row[16] == "N", (0, 11, 12, 13, 14)),
        "MRSTY.RRF": (lambda _: True, (0, 1, 3)),
        "MRREL.RRF": (lambda row: row[3] in ("PAR", "CHD"), (0, 3, 4)),
    }
    kept = [keep((release / name).open("rb"), "|", test, columns) for name, (test, columns) in wanted.items()]
    return f"{sum(map(len, kept)):,} rows"


def keep(
    file: IO[bytes], separator: str, test: Callable[[list[str]], bool], columns: tuple[int, ...]
) -> list[tuple[str, ...]]:
    """Some columns of the rows of one table that pass a test."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    rows: Iterator[list[str]] = csv.reader(text, delimiter=separator, quoting=csv.QUOTE_NONE)
    pick = itemgetter(*columns)
    return [pick(row) for row in rows if test(row)]


READINGS = {"rf2": (read_rf2, csv_rf2), "umls": (read_umls, csv_umls)}


def measure(kind: str, which: int, release: Path) -> dict[str, object]:
    """One reading in a process of its own: its seconds, its peak in MB, what it read."""
    command = [sys.executable, __file__, "--only", kind, "--reading", str(which), "--release", str(release)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def one_reading(kind: str, which: int, release: Path) -> None:
    """Reads and writes the figures as JSON; runs in the process that :func:`measure` starts."""
    started = time.perf_counter()
    result = READINGS[kind][which](release)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
        "result": result,
    }
    print(json.dumps(figures))


def compare(kind: str, scale: float, runs: int) -> None:
    """Makes a release, reads it with both, prints a line each, deletes it."""
    with tempfile.TemporaryDirectory() as folder:
        release = {"rf2": make_rf2, "umls": make_umls}[kind](Path(folder), scale=scale)
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6
        print(f"{kind}: {size:,.0f} MB on disk; at full size the target is {TARGETS[kind]}")
        for name, which in (("conceptmap", 0), ("csv module", 1)):
            for _ in range(runs if which == 0 else 1):
                load = os.getloadavg()[0]
                found = measure(kind, which, release)
                print(
                    f"  {name}: {found['seconds']:6.1f} s wall, {found['cpu_seconds']:6.1f} s CPU, "
                    f"{found['peak_mb']:6.0f} MB peak, load {load:.1f} before: {found['result']}"
                )


def main() -> None:
    """Runs the comparisons that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["rf2", "umls"])
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the size of the real release")
    parser.add_argument("--runs", type=int, default=2, help="readings by conceptmap")
    parser.add_argument("--reading", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--release", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reading is not None:
        one_reading(options.only, options.reading, options.release)
        return
    for kind in [options.only] if options.only else list(READINGS):
        compare(kind, options.scale, options.runs)


if __name__ == "__main__":
    main()
