"""How long ``import conceptmap`` and ``conceptmap --help`` take, as whole processes: ``python benchmarks/startup.py``.

The import is timed inside its process (what it adds to a bare interpreter), the help around it (what a person waits
for). Bounds: 0.3 s and 0.5 s. Exits 1 when a median is over its bound.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

IMPORT = "import time; t = time.perf_counter(); import conceptmap; print(time.perf_counter() - t)"
HELP = "import sys; sys.argv[1:] = ['--help']; from conceptmap.cli import main; sys.exit(main())"


def run(code: str) -> tuple[float, str]:
    """Wall-clock seconds of a fresh interpreter that runs the code, and what it prints."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def main() -> int:
    """Time both, print a row each, and compare the medians with their bounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=11)
    runs = parser.parse_args().runs
    rows = {
        "import conceptmap": ([float(run(IMPORT)[1]) for _ in range(runs)], 0.3),
        "conceptmap --help": ([run(HELP)[0] for _ in range(runs)], 0.5),
    }
    print(f"{'':20} {'median':>8} {'best':>8} {'worst':>8} {'bound':>8}   ({runs} runs, seconds)")
    for name, (times, bound) in rows.items():
        print(f"{name:20} {statistics.median(times):8.3f} {min(times):8.3f} {max(times):8.3f} {bound:8.1f}")
    return int(any(statistics.median(times) > bound for times, bound in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
