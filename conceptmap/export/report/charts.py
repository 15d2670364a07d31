"""Bars of the report's first page: the codes of most notes, and how many codes each chapter has.

The template ``bars.html`` draws them. A single note has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from conceptmap.export.paths import PathOf
from conceptmap.export.report.marks import Top, hue, top_of

__all__ = ["Bar", "Chart", "Totals"]

MOST_BARS = 15


class Bar(NamedTuple):
    """A bar: what it stands for, how many, and its length in per cent of the longest."""

    code: str
    name: str
    hue: int
    n: str
    length: str


class Chart(NamedTuple):
    """Bars, the longest first, and how many more there are."""

    title: str
    bars: Sequence[Bar]
    more: str


class _Code(NamedTuple):
    """A code with the chapter that gives it its colour."""

    code: str
    name: str
    top: Top


@dataclass
class Totals:
    """Codes counted over notes, each once a note."""

    codes: Counter[_Code] = field(default_factory=Counter)
    notes: int = 0

    def add(self, codes: pl.DataFrame, path: PathOf) -> None:
        """Count the codes of a note.

        Args:
            codes: its rows of ``frames.CODES``.
            path: gives a concept's way to the top.
        """
        self.notes += 1
        for system, code, name in codes.select("system", "code", "name").unique(maintain_order=True).iter_rows():
            self.codes[_Code(code, name or "", top_of(system or "", code, name or "", path))] += 1

    def charts(self) -> list[Chart]:
        """By frequency and by chapter; none without codes, and none of a single note."""
        tops: Counter[Top] = Counter()
        for code, n in self.codes.items():
            tops[code.top] += n
        by_code = _chart("Codes in most notes", ((*code, n) for code, n in self.codes.items()))
        by_top = _chart("Codes by chapter", ((*top, top, n) for top, n in tops.items()))
        return [by_code, by_top] if self.codes and self.notes > 1 else []


def _chart(title: str, rows: Iterable[tuple[str, str, Top, int]]) -> Chart:
    """The longest bars first, equal ones by code."""
    ordered = sorted(rows, key=lambda row: (-row[3], row[0]))
    longest = max((n for *_, n in ordered), default=1)
    shown = ordered[:MOST_BARS]
    bars = [Bar(code, name, hue(top), f"{n:,}", f"{100 * n / longest:.1f}%") for code, name, top, n in shown]
    return Chart(title, bars, f"{len(ordered) - MOST_BARS:,}" if len(ordered) > MOST_BARS else "")
