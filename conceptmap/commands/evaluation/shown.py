"""What ``evaluate`` prints: figures with their intervals, one system or two, as lines for a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conceptmap.commands.options.tables import aligned, terminal_width
from conceptmap.evaluation.intervals import Difference
from conceptmap.evaluation.sampled import Measured

__all__ = ["Measurement", "as_json", "lines"]

GROUPS = ("role ", "chapter ")
"""Sections that are one line each."""
Key = tuple[str, str]


@dataclass(frozen=True)
class Measurement:
    """What was measured.

    Attributes:
        measured: the predictions.
        intervals: of its figures; empty where none were drawn.
        differences: to other predictions, where there are any.
    """

    measured: Measured
    intervals: Mapping[Key, tuple[float, float]]
    differences: Mapping[Key, Difference]


def lines(shown: Measurement) -> str:
    """Lines for people."""
    scores = shown.measured.scores()
    counts = scores.pop("counts")
    single = {name: figures for name, figures in scores.items() if not name.startswith(GROUPS)}
    grouped = {name: figures for name, figures in scores.items() if name.startswith(GROUPS)}
    width = terminal_width()
    text = [*aligned(list(_compared(shown, single) if shown.differences else _figures(shown, single)), width)]
    if grouped and not shown.differences:
        text += ["", *aligned(list(_groups(shown, grouped)), width)]
    if shown.measured.reliability:
        text += ["", *aligned(list(_reliability(shown.measured)), width)]
    return "\n".join([*text, "", "  ".join(f"{name} {_number(value)}" for name, value in counts.items())])


def _figures(shown: Measurement, scores: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, ...]]:
    yield ("", "", "figure", "95 % interval") if shown.intervals else ("", "", "figure")
    for section, figures in scores.items():
        for at, (name, value) in enumerate(figures.items()):
            interval = shown.intervals.get((section, name))
            row = (section if at == 0 else "", name, f"{value:.3f}")
            yield (*row, _interval(*interval)) if interval else row


def _compared(shown: Measurement, scores: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, ...]]:
    yield "", "", "figure", "other", "differs", "95 % interval", "p"
    for section, figures in scores.items():
        names = [name for name in figures if (section, name) in shown.differences]
        for at, name in enumerate(names):
            found = shown.differences[section, name]
            row = (section if at == 0 else "", name, f"{found.one:.3f}", f"{found.two:.3f}", f"{found.difference:+.3f}")
            yield *row, _interval(found.low, found.high), f"{found.p:.3f}"


def _groups(shown: Measurement, scores: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, ...]]:
    yield "precision", "recall", "f1", "95 % interval", ""
    for section, figures in scores.items():
        cells = [f"{figures[name]:.3f}" if name in figures else "" for name in ("precision", "recall", "f1")]
        interval = shown.intervals.get((section, "f1"))
        yield *cells, _interval(*interval) if interval else "", section


def _reliability(measured: Measured) -> Iterator[tuple[str, ...]]:
    yield "probability", "right", "predictions"
    for one in measured.reliability:
        yield f"{one.probability:.3f}", f"{one.right:.3f}", f"{one.n:,}"


def _interval(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def as_json(shown: Measurement) -> dict[str, Any]:
    """The sections, and beside them ``intervals``, ``reliability`` and ``against``."""
    found: dict[str, Any] = dict(shown.measured.scores())
    if shown.intervals:
        found["intervals"] = _nested({name: list(ends) for name, ends in shown.intervals.items()})
    if shown.measured.reliability:
        bins = shown.measured.reliability
        found["reliability"] = [{"n": b.n, "probability": b.probability, "right": b.right} for b in bins]
    if shown.differences:
        found["against"] = _nested({name: _difference(one) for name, one in shown.differences.items()})
    return found


def _difference(one: Difference) -> dict[str, Any]:
    return {"other": one.two, "difference": one.difference, "interval": [one.low, one.high], "p": one.p}


def _nested(values: Mapping[Key, object]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for (section, name), value in values.items():
        found.setdefault(section, {})[name] = value
    return found
