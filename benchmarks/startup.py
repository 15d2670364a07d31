"""How long whole processes take to answer: ``python benchmarks/startup.py``.

The import is timed inside its process (what it adds to a bare interpreter), the others around it (what a person waits
for): ``--help``, ``code --fast`` of a note of one line and ``tag`` of two words, the last two with a cached index.
Bounds: 0.3, 0.5, 1 and 5 s. Exits 1 when a median is over its bound.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMPORT = "import time; t = time.perf_counter(); import conceptmap; print(time.perf_counter() - t)"
COMMAND = "import sys; sys.argv[1:] = {}; from conceptmap.cli import main; sys.exit(main())"
HELP = COMMAND.format(["--help"])
TAG = COMMAND.format(["tag", "chest pain"])
NOTE = "Seen for pneumonia and hypertension.\n"


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
    with tempfile.TemporaryDirectory() as folder:
        note, out = Path(folder, "note.txt"), Path(folder, "out")
        note.write_text(NOTE)
        code = COMMAND.format(["code", str(note), "-o", str(out), "--fast", "--no-resume"])
        for line in (code, TAG):  # the index is built, the files are in memory
            run(line)
        rows = {
            "import conceptmap": ([float(run(IMPORT)[1]) for _ in range(runs)], 0.3),
            "conceptmap --help": ([run(HELP)[0] for _ in range(runs)], 0.5),
            "code --fast, one note": ([run(code)[0] for _ in range(runs)], 1.0),
            "tag": ([run(TAG)[0] for _ in range(runs)], 5.0),
        }
    print(f"{'':22} {'median':>8} {'best':>8} {'worst':>8} {'bound':>8}   ({runs} runs, seconds)")
    for name, (times, bound) in rows.items():
        print(f"{name:22} {statistics.median(times):8.3f} {min(times):8.3f} {max(times):8.3f} {bound:8.1f}")
    return int(any(statistics.median(times) > bound for times, bound in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
