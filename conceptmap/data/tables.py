"""Data tables: the one reader of the package's own files in ``conceptmap/data/``: CSV, and JSON for fitted numbers."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable

from conceptmap.errors import InputError

__all__ = ["has_table", "read_numbers", "read_rows", "read_table", "reviewed_rows"]


def read_table(name: str) -> list[dict[str, str]]:
    """Rows of the data file ``<name>.csv``, a cell per column; missing cells are empty.

    >>> read_table("stop_terms")[0].keys()
    dict_keys(['term', 'reason', 'heard'])
    """
    return list(csv.DictReader(_text(name).splitlines(), restval=""))


def read_rows(name: str, system: str) -> list[dict[str, str]]:
    """Rows of the data file ``<name>_<system>.csv``; none where a system has no such file.

    >>> read_rows("allergens", "doid")
    []
    """
    table = f"{name}_{system}"
    return read_table(table) if has_table(table) else []


def read_numbers(name: str, system: str) -> dict[str, float]:
    """Numbers by name of the data file ``<name>_<system>.json``; none where a system has no such file.

    >>> read_numbers("acceptance", "doid")
    {}
    """
    file = _file(f"{name}_{system}", "json")
    numbers: dict[str, float] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return numbers


def has_table(name: str) -> bool:
    """Whether there is a data file ``<name>.csv``."""
    return _file(name).is_file()


def reviewed_rows(name: str, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Cells by row of a data file that people review: columns as expected, no cell empty or padded with white space.

    Raises:
        InputError: it is otherwise; the message names file and line.
    """
    lines = csv.reader(_text(name).splitlines())
    found = tuple(next(lines, ()))
    if found != tuple(columns):
        raise InputError(f"{name}.csv has other columns", got=found, expected=tuple(columns), then=_REPAIR)
    rows = [tuple(row) for row in lines]
    for line, row in enumerate(rows, start=2):
        if len(row) != len(found) or any(not cell or cell != cell.strip() for cell in row):
            raise InputError(f"{name}.csv, line {line}: a cell is missing, empty or padded", then=_REPAIR)
    return rows


_REPAIR = "reinstall conceptmap"


def _text(name: str) -> str:
    return _file(name).read_text("utf-8")


def _file(name: str, suffix: str = "csv") -> Traversable:
    return resources.files("conceptmap").joinpath("data", f"{name}.{suffix}")
