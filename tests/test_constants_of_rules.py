"""What the rules name exists: codes and ranges of their constants in ICD-10-CM, sections in the table of headings.

A list of which most are codes, or most are sections, holds nothing else.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache

import pytest
from whole_release import mapper

from conceptmap.data.tables import read_table

MODULES = [
    found.name
    for room in ("text", "matching", "coding")
    for found in pkgutil.walk_packages(importlib.import_module(f"conceptmap.{room}").__path__, f"conceptmap.{room}.")
]
MOST_SHARE = 0.6


@cache
def beginnings() -> frozenset[str]:
    """What the codes of the release begin with."""
    return frozenset(code[:end] for code in mapper().linkers[0].book.codes for end in range(3, len(code) + 1))


@cache
def section_names() -> frozenset[str]:
    return frozenset(row["name"] for row in read_table("section_headings")) | {"document"}


def lists(value: object) -> Iterator[list[str]]:
    """The texts of a constant; keys and values are lists of their own."""
    if isinstance(value, dict):
        yield from lists(list(value))
        yield from lists(list(value.values()))
    elif isinstance(value, tuple | list | frozenset | set):
        yield list(flat(value))
        for part in value:
            if isinstance(part, dict):
                yield from lists(part)


def flat(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | list | frozenset | set):
        for part in value:
            yield from flat(part)


@pytest.mark.parametrize("module", [name.removeprefix("conceptmap.") for name in MODULES])
def test_the_codes_and_the_sections_of_a_rule_exist(module: str) -> None:
    for name, value in vars(importlib.import_module(f"conceptmap.{module}")).items():
        for texts in [] if name.startswith("__") else lists(value):
            one_word = not any(" " in text for text in texts)
            for known in (beginnings(), section_names()) if one_word else (section_names(),):
                unknown = [text for text in texts if text and text not in known]
                if len(texts) - len(unknown) >= MOST_SHARE * len(texts):
                    assert not unknown, name
