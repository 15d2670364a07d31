"""What an adapter must hold before it is applied, whoever made it."""

from __future__ import annotations

import math
import re
from dataclasses import asdict

import numpy as np
import polars as pl

from conceptmap.adapters.adapter import Adapter
from conceptmap.adapters.judge import FEATURES, Judge
from conceptmap.adapters.memory import Memory
from conceptmap.index.checks import CONTROL

__all__ = ["ImplausibleError", "check_adapter_values"]

_WIDEST = 1 << 20
_LARGEST = 1e6
"""More than any weight, slope or threshold that training gives."""


class ImplausibleError(ValueError):
    """A value that no training gives; the message names it and holds none of it."""


def check_adapter_values(adapter: Adapter) -> None:
    """Refuse numbers that are not finite or out of range, shapes that do not fit, and names with control characters.

    Raises:
        ImplausibleError: names what is wrong.
    """
    fit = adapter.made_for
    for name, value in asdict(fit).items():
        if name in ("dim", "index_dim"):
            _require(f"the width {name}", type(value) is int and 0 < value <= _WIDEST)
        else:
            _require(f"the name {name}", isinstance(value, str) and not re.search(CONTROL, value))
    _require("the card", isinstance(adapter.card, dict))
    shapes = {"matrix": (fit.dim, fit.index_dim), "inside": (fit.dim + 1,)}
    for name, shape in shapes.items():
        if (array := getattr(adapter, name)) is not None:
            _require(f"the shape of {name}", array.shape == shape)
            _require(f"{name}, with NaN, infinity or zeros alone", bool(np.isfinite(array).all() and array.any()))
    _require("the threshold of inside", _within(adapter.inside_threshold, -_LARGEST, _LARGEST))
    if adapter.judge is not None:
        _check_judge(adapter.judge)
    _check_memory(adapter.memory)


def _check_judge(judge: Judge) -> None:
    fits = judge.weights.shape == (len(FEATURES) + 1,)
    _require("the judge's weights", fits and bool(np.isfinite(judge.weights).all()))
    _require("the judge's threshold", _within(judge.threshold, 0.0, 1.0))
    _require("the slope of the calibration", _within(judge.calibration.slope, 0.0, math.inf))
    _require("the intercept of the calibration", _within(judge.calibration.intercept, -math.inf, math.inf))


def _check_memory(memory: Memory) -> None:
    names, seen = memory.names, memory.seen
    for frame, whole in ((names, names.columns), (seen, seen.columns)):
        kept = [column for column in whole if column != "written"]
        _require("a null among the wordings", not frame.select(pl.col(kept).null_count()).sum_horizontal().sum())
        texts = [column for column, dtype in frame.schema.items() if dtype == pl.String]
        _require("control characters in a wording", not any(frame[c].str.contains(CONTROL).any() for c in texts))
    share, annotated = names["share"], names["annotated"]
    _require("a share of the annotations", bool(share.is_between(0.0, 1.0 + 1e-6).all()))
    _require("a count of annotations", bool((annotated.is_finite() & (annotated >= 0)).all()))
    _require("a count of what was seen", bool(seen["right"].is_between(0, seen["seen"]).all()))


def _within(value: object, low: float, high: float) -> bool:
    """Whether it is a finite number in a range."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and low <= value <= high  # type: ignore[arg-type,operator]


def _require(what: str, fits: bool) -> None:
    if not fits:
        raise ImplausibleError(what)
