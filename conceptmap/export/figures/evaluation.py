"""What ``evaluate`` found as a page without scripts: figures with their intervals, reliability, and the errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import polars as pl

from conceptmap.evaluation.intervals import Difference
from conceptmap.evaluation.sampled import Measured
from conceptmap.export.html import page
from conceptmap.export.report.charts import Bar, Chart
from conceptmap.export.report.marks import HUES

__all__ = ["Dot", "dot", "evaluation_page", "kinds_chart", "once"]

Key = tuple[str, str]
GROUPS = {"role ": "Roles", "chapter ": "Chapters"}
MOST_ERRORS = 40
"""Kinds of errors that the page tells one by one."""
_HUE = 210 * HUES // 360


class Dot(NamedTuple):
    """A figure on a line from 0 to 1, or a difference on one around 0; places are per cent of the line."""

    section: str
    name: str
    value: str
    other: str
    interval: str
    p: str
    at: str
    low: str
    wide: str


class _Point(NamedTuple):
    """A bin of the reliability plot: places and radius in hundredths of its width."""

    x: str
    y: str
    r: str
    n: str
    probability: str
    right: str


def evaluation_page(
    measured: Measured,
    intervals: Mapping[Key, tuple[float, float]],
    differences: Mapping[Key, Difference],
    errors: pl.DataFrame | None,
    *,
    facts: Sequence[str],
) -> str:
    """Returns the page.

    Args:
        measured: the predictions.
        intervals: of the figures, as far as they were drawn.
        differences: to other predictions; empty where there are none.
        errors: schema ``evaluation.errors.ERRORS``, or None.
        facts: shown below the title.
    """
    scores = measured.scores()
    counts = [f"{_number(value)} {name}" for name, value in scores.pop("counts").items()]
    dots = [dot(*key, value, intervals.get(key)) for key, value in _flat(scores)]
    groups = [
        (title, [one._replace(section=one.section[len(prefix) :]) for one in dots if one.section.startswith(prefix)])
        for prefix, title in GROUPS.items()
    ]
    return "".join(
        page(
            "evaluation.html",
            title="Evaluation",
            facts=[*facts, *counts],
            figures=list(once(one for one in dots if not one.section.startswith(tuple(GROUPS)))),
            drawn=bool(intervals),
            differences=list(once(_differences(differences))),
            reach=_signed(_reach(differences)),
            groups=[(title, [one for one in rows if one.name == "f1"]) for title, rows in groups],
            points=_points(measured),
            kinds=kinds_chart("Errors by kind", errors["error"]) if errors is not None and errors.height else None,
            commonest=_commonest(errors) if errors is not None else [],
        )
    )


def _flat(scores: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[Key, float]]:
    for section, figures in scores.items():
        for name, value in figures.items():
            yield (section, name), value


def dot(section: str, name: str, value: float, interval: tuple[float, float] | None) -> Dot:
    """A figure in [0, 1] and its interval.

    >>> dot("mentions", "f1", 0.5, (0.4, 0.6))[2:]
    ('0.500', '', '0.400 to 0.600', '', '50.00%', '40.00%', '20.00%')
    """
    low, high = interval or (value, value)
    said = f"{low:.3f} to {high:.3f}" if interval else ""
    return Dot(section, name, f"{value:.3f}", "", said, "", _share(value), _share(low), _share(high - low))


def _differences(differences: Mapping[Key, Difference]) -> Iterator[Dot]:
    reach = _reach(differences)
    for (section, name), one in differences.items():
        if section.startswith(tuple(GROUPS)):
            continue
        at, low, high = ((value / reach + 1) / 2 for value in (one.difference, one.low, one.high))
        interval = f"{one.low:+.3f} to {one.high:+.3f}"
        values = f"{_signed(one.difference)}", f"{one.one:.3f} / {one.two:.3f}", interval, f"{one.p:.3f}"
        yield Dot(section, name, *values, _share(at), _share(low), _share(high - low))


def _reach(differences: Mapping[Key, Difference]) -> float:
    """How far the line goes to either side of 0."""
    ends = [abs(end) for (section, _), one in differences.items() if not section.startswith(tuple(GROUPS))
            for end in (one.low, one.high, one.difference)]  # fmt: skip
    return max([*ends, 0.01])


def once(dots: Iterable[Dot]) -> Iterator[Dot]:
    """Each section named in its first row alone."""
    last = None
    for one in dots:
        yield one if one.section != last else one._replace(section="")
        last = one.section


def _points(measured: Measured) -> list[_Point]:
    most = max((one.n for one in measured.reliability), default=1)
    return [
        _Point(
            f"{100 * b.probability:.1f}",
            f"{100 * (1 - b.right):.1f}",
            f"{1 + 4 * (b.n / most) ** 0.5:.2f}",
            f"{b.n:,}",
            f"{b.probability:.3f}",
            f"{b.right:.3f}",
        )
        for b in measured.reliability
    ]


def kinds_chart(title: str, kinds: pl.Series) -> Chart:
    """Bars of how often each kind is there, the commonest first."""
    counted = kinds.value_counts(name="n").sort(["n", kinds.name], descending=[True, False])
    longest = int(counted["n"].max() or 1)  # type: ignore[arg-type]
    bars = [Bar("", str(kind), _HUE, f"{n:,}", f"{100 * n / longest:.1f}%") for kind, n in counted.iter_rows()]
    return Chart(title, bars, "")


def _commonest(errors: pl.DataFrame) -> list[tuple[str, ...]]:
    """What is wrong most often: kind, gold code and name, predicted code and name, how often. No note's text."""
    columns = ["error", "gold_code", "gold_name", "code", "name"]
    counted = errors.group_by(columns, maintain_order=True).len("n")
    counted = counted.sort(["n", *columns], descending=[True, *[False] * len(columns)]).head(MOST_ERRORS)
    return [tuple(row) for row in counted.select(pl.all().cast(pl.String).fill_null("")).iter_rows()]


def _share(value: float) -> str:
    return f"{100 * min(max(value, 0.0), 1.0):.2f}%"


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
