"""One page about a CUDA device, to be sent back: what it is, whether the tests pass there, and how fast it is.

    python benchmarks/gpu_page.py [-o gpu-page.md]        # what `make test-gpu` runs
    python benchmarks/gpu_page.py --emulate               # anywhere, with numpy in CuPy's place: checks the page

It holds no note and no path: name and driver of the device, versions, the tests' last line, and two pages of figures.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = ("conceptmap", "cupy-cuda12x", "cupy-cuda13x", "numpy", "torch", "transformers")


def main() -> int:
    """Print the page, and write it down. 1 if a test failed or a page could not be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("gpu-page.md"))
    parser.add_argument("--emulate", action="store_true")
    given = parser.parse_args()
    small = ["--emulate"] if given.emulate else []
    tests = ["-m", "pytest", "-q", "tests/test_gpu.py", "tests/test_device_vectors.py", "tests/test_kernels.py"]
    parts = [
        ("Device", _device(), 0),
        ("Tests", *_last_line(_run([*tests, *([] if given.emulate else ["-m", "gpu"])]))),
        ("Search", *_run([str(HERE / "gpu_roofline.py"), *small])),
        ("Encoding, and notes end to end", *_run([str(HERE / "gpu_encode.py"), *small])),
    ]
    page = "# conceptmap on a CUDA device\n" + "".join(f"\n## {title}\n\n{text}\n" for title, text, _ in parts)
    sys.stdout.write(page)
    given.output.write_text(page, encoding="utf-8")
    return int(any(code for *_, code in parts))


def _device() -> str:
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader"]
    try:
        devices = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        devices = "none that nvidia-smi knows"
    versions = ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))
    return f"{devices}; Python {platform.python_version()}, {platform.machine()}; {versions}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _run(arguments: list[str]) -> tuple[str, int]:
    """What a program prints, and its exit code; where it fails, the last line of what went wrong."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=HERE.parent)
    failed = f"\n\nfailed: {(done.stderr.strip().splitlines() or ['no word why'])[-1]}" if done.returncode else ""
    return done.stdout.strip() + failed, done.returncode


def _last_line(found: tuple[str, int]) -> tuple[str, int]:
    lines = [line for line in found[0].splitlines() if " passed" in line or " failed" in line or " skipped" in line]
    return (lines[-1] if lines else found[0][-200:]), found[1]


if __name__ == "__main__":
    sys.exit(main())
