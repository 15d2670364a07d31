"""What an index of a large release costs: reading, building, opening, coding and tagging, each in a process of its own.

    python benchmarks/make_releases.py rf2 FOLDER --scale 0.1
    nice -n 19 python benchmarks/target_size.py FOLDER/SnomedCT_….zip NOTES.csv INDEX [--encoder embedded]

Prints for every step its wall and processor seconds and the most memory that it held. Full size (520,000 concepts,
1.08 M terms) is ``--scale 1`` and wants a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

CLI = ("-c", "import sys; from conceptmap.cli import main; sys.exit(main(sys.argv[1:]))")
OPEN = "import sys, conceptmap; print(conceptmap.ConceptIndex.open(sys.argv[1]))"


def measured(what: str, *command: str) -> None:
    """Runs a command and prints what it took, and the last line that it said."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = process.stdout.read().strip().splitlines()
    _, status, used = os.wait4(process.pid, 0)
    wall, cpu = time.perf_counter() - began, used.ru_utime + used.ru_stime
    print(f"{what:>8}: {wall:7.1f} s, {cpu:7.1f} s of processor, {used.ru_maxrss / 1024:7,.0f} MiB, code {status >> 8}")
    print(f"          {said[-1][:150] if said else ''}", flush=True)


def main() -> None:
    """Measures all steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release")
    parser.add_argument("notes")
    parser.add_argument("index")
    parser.add_argument("--encoder", default="embedded")
    args = parser.parse_args()
    out = str(Path(args.index).with_name(Path(args.index).name + "-coded"))
    common = ("--ontology", args.index, "--encoder", args.encoder)
    measured("build", *CLI, "build", args.release, "-o", args.index, "--encoder", args.encoder)
    measured("open", "-c", OPEN, args.index)
    measured("tag", *CLI, "tag", "Fever and cough.", *common)
    measured("code", *CLI, "code", args.notes, "-o", out, *common)


if __name__ == "__main__":
    main()
