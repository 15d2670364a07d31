"""What the codes of short notes are told with: role, place, score, words, remarks, and what was taken away and why.

``data/codes_told.csv``: the module of a rule, a note of its pairs, and what is told of it. ``python
tests/test_codes_told.py`` writes what is told today; the difference is to be read before it is kept.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from whole_release import mapper

TABLE = Path(__file__).parent / "data" / "codes_told.csv"
LINKS = ("excludes", "code_first", "use_additional", "combined_from")


def rows() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(TABLE.read_text(encoding="utf-8"), newline="")))


def told(texts: Sequence[str]) -> list[str]:
    """What is told of each note."""
    notes = pl.DataFrame({"note_id": [str(n) for n in range(len(texts))], "text": list(texts)})
    found = mapper().annotate_many(notes, candidates=8)
    of_note: dict[str, list[str]] = {}
    accepted = set()
    for row in found.codes.iter_rows(named=True):
        accepted.add((row["note_id"], row["code"]))
        of_note.setdefault(row["note_id"], []).append(" ".join(_accepted(row)))
    for row in found.candidates.iter_rows(named=True):
        if row["reason"] and (row["note_id"], row["code"]) not in accepted:
            of_note.setdefault(row["note_id"], []).append(f"not {row['code']}: {row['reason']}")
    return [" | ".join(of_note.get(str(n), [])) for n in range(len(texts))]


def _accepted(row: dict[str, Any]) -> Iterator[str]:
    yield f"{row['code']} {row['role']} {row['poa'] or '-'} {row['score']:.2f} [{row['text']}]"
    if row["notes"]:
        yield row["notes"]
    yield from (f"{name}: {row[name]}" for name in LINKS if row[name])


BY_MODULE = {module: list(of_module) for module, of_module in groupby(rows(), key=lambda row: row["module"])}


@pytest.mark.parametrize("module", BY_MODULE)
def test_codes_are_told_as_they_were(module: str) -> None:
    texts = [row["text"] for row in BY_MODULE[module]]
    for row, now in zip(BY_MODULE[module], told(texts), strict=True):
        assert now == row["told"], row["text"]


def write() -> None:
    """Write what is told today."""
    kept = rows()
    now = told([row["text"] for row in kept])
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["module", "text", "told"])
        table.writerows((row["module"], row["text"], said) for row, said in zip(kept, now, strict=True))


if __name__ == "__main__":
    write()
