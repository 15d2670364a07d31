"""Each pattern of the rules finds every wording that ``data/wordings_of_rules.csv`` says it knows, whole.

Module, constant, whether the case of letters does not matter, and the wordings, divided by bars ("\\p" is a bar). A
wording that a rule no longer knows fails here; new ones are added where a rule learns them.
"""

from __future__ import annotations

import csv
import importlib
import io
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

TABLE = Path(__file__).parent / "data" / "wordings_of_rules.csv"
ROWS = list(csv.DictReader(io.StringIO(TABLE.read_text(encoding="utf-8"), newline="")))
BY_MODULE = {name: list(rows) for name, rows in groupby(ROWS, key=lambda row: row["module"])}
ESCAPED = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\p": "|", "\\\\": "\\"}


def patterns(value: object) -> Iterator[re.Pattern[str]]:
    """The patterns in a constant; some rules write theirs as text."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, str) and "\\b" in value:
        yield re.compile(value, re.IGNORECASE)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from patterns(part)
    elif isinstance(value, dict):
        yield from patterns(list(value.values()))


def wordings(row: dict[str, str]) -> Iterator[str]:
    for written in row["wordings"].split("|"):
        wording = re.sub(r"\\.", lambda escape: ESCAPED[escape[0]], written)
        yield wording
        if row["case"] == "any":
            yield from (wording.upper(), wording.lower())


@pytest.mark.parametrize("module", BY_MODULE)
def test_a_rule_knows_its_wordings(module: str) -> None:
    for row in BY_MODULE[module]:
        known = list(patterns(getattr(importlib.import_module(f"conceptmap.{module}"), row["pattern"])))
        for wording in wordings(row):
            found = {match[0] for pattern in known if (match := pattern.search(wording))}
            assert wording in found, (row["pattern"], wording)
