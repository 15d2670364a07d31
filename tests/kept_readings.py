"""Tables of ``tests/data`` that keep what is read in texts: the module that reads, the text, what it makes of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from functools import cache
from itertools import groupby
from pathlib import Path

__all__ = ["by_module", "keep", "text_of"]

ROOT = Path(__file__).parents[1]
EXAMPLES = "examples/notes/"
"""A text that begins so is the note of that name."""
COLUMNS = ("module", "text", "read")


def by_module(table: str) -> dict[str, list[dict[str, str]]]:
    """The rows of a table by their module, in its order."""
    written = (ROOT / "tests" / "data" / f"{table}.csv").read_bytes().decode("utf-8")
    rows = csv.DictReader(io.StringIO(written, newline=""))
    return {module: list(of_module) for module, of_module in groupby(rows, key=lambda row: row["module"])}


@cache
def text_of(text: str) -> str:
    """A text, or the note that it names."""
    return (ROOT / text).read_text(encoding="utf-8") if text.startswith(EXAMPLES) else text


def keep(table: str, read: Callable[[str, str], str]) -> None:
    """Write what is read today, given module and text."""
    kept = by_module(table)
    with (ROOT / "tests" / "data" / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for module, rows in kept.items():
            writer.writerows((module, row["text"], read(module, text_of(row["text"]))) for row in rows)
