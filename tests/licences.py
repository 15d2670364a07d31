"""Licences of what is installed, from the packages' own metadata: ``make licences`` writes docs/licences.md anew.

Run it where everything of requirements.lock is installed. What is for another system, and so not there, keeps its row.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs" / "licences.md"
_HEAD = """# Licences of what is installed

What `pip install conceptmap` brings along, by `requirements.lock`, with the licence that each package states of itself.
NVIDIA's libraries come with PyTorch's package for Linux and are not open source; its package for machines without a
GPU goes without them. `cuda-toolkit` holds no files, only names these libraries. Made by `make licences`; conceptmap's
own licence is [Apache-2.0](../LICENSE).

| package | version | licence |
|---|---|---|
"""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_ROW = re.compile(r"^\| ([a-z0-9-]+) \| (\d\S*) \| (.+) \|$", re.MULTILINE)
_LONGEST = 60


def pinned(path: Path) -> dict[str, str]:
    """The packages that a requirements file pins, with their versions."""
    return {plain(name): version for name, version in _PIN.findall(path.read_text(encoding="utf-8"))}


def plain(name: str) -> str:
    """A package's name as the index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def rows() -> dict[str, tuple[str, str]]:
    """The rows of the table as it is: version and licence of each package."""
    text = TABLE.read_text(encoding="utf-8") if TABLE.is_file() else ""
    return {name: (version, licence) for name, version, licence in _ROW.findall(text)}


def licence_of(name: str, version: str) -> str | None:
    """The licence that an installed package states; None where this version is not installed."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    return _stated(found) if found.version.split("+")[0] == version else None


def _stated(found: Distribution) -> str:
    """An SPDX expression if there is one, else what older metadata say."""
    if expression := found.metadata.get_all("License-Expression"):
        return str(expression[0])
    said = str((found.metadata.get_all("License") or [""])[0])
    if not said or said.strip().upper() == "UNKNOWN" or len(said) > _LONGEST or "\n" in said:
        classes = [line for line in found.metadata.get_all("Classifier") or [] if line.startswith("License ::")]
        said = "; ".join(line.rpartition(" :: ")[2] for line in classes) or said.split("\n", maxsplit=1)[0][:_LONGEST]
    return said.strip() or "not stated"


def table() -> str:
    """The page anew."""
    known, lines, unknown = rows(), [], []
    for name, version in sorted(pinned(ROOT / "requirements.lock").items()):
        kept = known[name][1] if known.get(name, ("",))[0] == version else None
        licence = licence_of(name, version) or kept
        lines.append(f"| {name} | {version} | {licence} |\n")
        unknown += [] if licence else [f"{name}=={version}"]
    if unknown:
        sys.exit(f"not installed here, so their licences are not known: {' '.join(unknown)}")
    return _HEAD + "".join(lines)


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
