"""How long two releases take to be compared, and how much memory: SNOMED CT of International size, 2 % changed.

    python benchmarks/diff_speed.py [--scale 1] [--folder FOLDER]      # the releases are made there and kept
    python benchmarks/diff_speed.py --old icd10cm-2025 --new icd10cm-2026

The comparison is the command itself, ``conceptmap diff``, in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from make_releases import make_rf2


def main() -> None:
    """Make the releases if none are given, compare them and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--old")
    parser.add_argument("--new")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        old = args.old or str(make_rf2(folder, scale=args.scale))
        new = args.new or str(make_rf2(folder, scale=args.scale, changed=0.02))
        began = time.perf_counter()
        command = [sys.executable, "-m", "conceptmap.cli", "diff", old, new, "-o", str(Path(scratch, "out.csv"))]
        subprocess.run(command, check=True)
        took, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"{took:.1f} s ({used.ru_utime:.1f} s of user CPU), {used.ru_maxrss / 1e6:.2f} GB at most")


if __name__ == "__main__":
    main()
