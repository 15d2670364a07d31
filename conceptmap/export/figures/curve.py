"""A learning curve as a page without scripts: figures by how many notes were learned from, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import NamedTuple

from conceptmap.export.figures.evaluation import Dot, dot
from conceptmap.export.html import page

__all__ = ["Point", "curve_page"]


class Point(NamedTuple):
    """What was measured where so many notes were learned from.

    Attributes:
        n_notes: how many.
        scores: by section and name.
        intervals: of the figures, as far as they were drawn.
    """

    n_notes: int
    scores: Mapping[str, Mapping[str, float]]
    intervals: Mapping[tuple[str, str], tuple[float, float]]


class _Mark(NamedTuple):
    """A point of a plot: places in hundredths of its width and height."""

    n: str
    x: str
    y: str
    low: str
    high: str
    said: str


def curve_page(points: Sequence[Point], shown: Sequence[tuple[str, str]], *, facts: Sequence[str]) -> str:
    """Returns the page.

    Args:
        points: the fewest notes first.
        shown: sections and names of the figures that are plotted, each where it was measured.
        facts: shown below the title.
    """
    across = _across([point.n_notes for point in points])
    rows = [(f"{point.n_notes:,}", _dots(point, shown)) for point in points]
    plots = [(f"{section}, {name}", _marks(points, across, section, name)) for section, name in shown]
    return "".join(page("curve.html", title="Learning curve", facts=facts, plots=plots, rows=rows))


def _across(sizes: Sequence[int]) -> list[float]:
    """Places of numbers of notes, from 0 to 100: equal steps for equal factors, none one halving before the fewest.

    >>> _across([0, 50, 100, 200])
    [0.0, 33.33, 66.67, 100.0]
    """
    fewest = min((size for size in sizes if size), default=1)
    logs = [log(size / fewest * 2) if size else 0.0 for size in sizes]
    return [round(100 * one / (max(logs) or 1.0), 2) for one in logs]


def _marks(points: Sequence[Point], across: Sequence[float], section: str, name: str) -> list[_Mark]:
    found = []
    for point, x in zip(points, across, strict=True):
        value = point.scores.get(section, {}).get(name)
        if value is not None:
            low, high = point.intervals.get((section, name), (value, value))
            n = f"{point.n_notes:,}"
            said = f"{n} notes: {value:.3f}" + (f" ({low:.3f} to {high:.3f})" if low < high else "")
            found.append(_Mark(n, f"{x:.2f}", _up(value), _up(low), _up(high), said))
    return found


def _up(share: float) -> str:
    return f"{100 * (1 - share):.2f}"


def _dots(point: Point, shown: Sequence[tuple[str, str]]) -> list[Dot]:
    there = [(section, name) for section, name in shown if name in point.scores.get(section, {})]
    return [dot(*key, point.scores[key[0]][key[1]], point.intervals.get(key)) for key in there]
