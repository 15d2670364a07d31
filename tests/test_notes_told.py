"""What mentions and codes of short notes are told with: scores, context, role, remarks, what was taken away and why.

``data/notes_told.csv``: the module of a rule, a note of its pairs, and what is told of it, of rooms below ``coding`` by
mention. ``make told`` writes what is told today;
the difference is to be read before it is kept.
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

from conceptmap.annotated.results import Results

TABLE = Path(__file__).parent / "data" / "notes_told.csv"
MOST = 2
"""Candidates of a mention that are told."""
UNLIKELY = "a coder would hardly report it"
"""What the acceptance model takes away says nothing of a rule; nor does its order."""
LINKS = ("excludes", "code_first", "use_additional", "combined_from")


def rows() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(TABLE.read_text(encoding="utf-8"), newline="")))


def told(module: str, texts: Sequence[str]) -> list[str]:
    """What is told of each note."""
    notes = pl.DataFrame({"note_id": [str(n) for n in range(len(texts))], "text": list(texts)})
    found = mapper().annotate_many(notes, candidates=8)
    return _of_codes(found, len(texts)) if module.startswith("coding") else _of_mentions(found, len(texts))


def _of_mentions(found: Results, n_notes: int) -> list[str]:
    of_note: dict[str, list[str]] = {}
    for row in found.mentions.filter(pl.col("rank") <= MOST).iter_rows(named=True):
        said = of_note.setdefault(row["note_id"], [])
        if row["rank"] == 1:
            contexts = [row[name] for name in ("subject", "temporality", "certainty", "section") if row[name]]
            said.append(f"{row['text']}: {' '.join([*(['negated'] if row['negated'] else []), *contexts])}")
        said.append(f"{row['code']} {row['score']:.2f} {row['confidence']:.2f} {row['evidence']}, {row['why']}")
    return [" | ".join(of_note.get(str(n), [])) for n in range(n_notes)]


def _of_codes(found: Results, n_notes: int) -> list[str]:
    of_note: dict[str, list[str]] = {}
    accepted = set()
    for row in found.codes.iter_rows(named=True):
        accepted.add((row["note_id"], row["code"]))
        of_note.setdefault(row["note_id"], []).append(" ".join(_accepted(row)))
    for row in found.candidates.iter_rows(named=True):
        by_rule = row["reason"] and not row["reason"].startswith(UNLIKELY)
        if by_rule and (row["note_id"], row["code"]) not in accepted:
            of_note.setdefault(row["note_id"], []).append(f"not {row['code']}: {row['reason']}")
    return [" | ".join(sorted(of_note.get(str(n), []))) for n in range(n_notes)]


def _accepted(row: dict[str, Any]) -> Iterator[str]:
    yield f"{row['code']} {row['role']} {row['poa'] or '-'} {row['score']:.2f} [{row['text']}]"
    if row["notes"]:
        yield row["notes"]
    yield from (f"{name}: {row[name]}" for name in LINKS if row[name])


BY_MODULE = {module: list(of_module) for module, of_module in groupby(rows(), key=lambda row: row["module"])}


@pytest.mark.parametrize("module", BY_MODULE)
def test_notes_are_told_of_as_they_were(module: str) -> None:
    texts = [row["text"] for row in BY_MODULE[module]]
    for row, now in zip(BY_MODULE[module], told(module, texts), strict=True):
        assert now == row["told"], row["text"]


def write() -> None:
    """Write what is told today."""
    kept = rows()
    now = [said for module, some in BY_MODULE.items() for said in told(module, [row["text"] for row in some])]
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["module", "text", "told"])
        table.writerows((row["module"], row["text"], said) for row, said in zip(kept, now, strict=True))


if __name__ == "__main__":
    write()
