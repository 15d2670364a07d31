"""Acceptance: how probably a coder would report a code, as a logistic over what is known of it.

The numbers are ``data/acceptance_<system>.json``; ``conceptmap.training.acceptance`` fits them to notes with reference
codes, and ``docs/acceptance.md`` says to which, and how well. They hold for the system and the settings of those
notes alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import exp
from typing import Final

from conceptmap.coding.acceptance.known import FEATURES, Known
from conceptmap.data.tables import read_numbers
from conceptmap.errors import InputError

__all__ = ["SETTINGS", "Acceptance", "acceptance_of"]

SETTINGS: Final = frozenset({"inpatient", "visit"})
"""Settings in which it is applied: the records of stays and visits. A report codes what it tells one by one."""

_INTERCEPT, _THRESHOLD = "intercept", "threshold"
_STRONG: Final = 0.25
"""A reason that moves the odds by less than this, in logits, is not worth telling."""
_MOST: Final = 4


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A logistic over ``known.FEATURES``.

    Attributes:
        weights: one for each feature.
        intercept: of the sum.
        threshold: probability below which a code that the rules accept is left out, unless it is the principal one.
    """

    weights: tuple[float, ...]
    intercept: float
    threshold: float

    @classmethod
    def of(cls, numbers: Mapping[str, float]) -> Acceptance:
        """Made of numbers by name: the features, the intercept and the threshold.

        Raises:
            InputError: a number is missing, or one is unknown.
        """
        if numbers.keys() != {*FEATURES, _INTERCEPT, _THRESHOLD}:
            wrong = numbers.keys() ^ {*FEATURES, _INTERCEPT, _THRESHOLD}
            raise InputError(
                "the acceptance model has other numbers", got=", ".join(sorted(wrong)), then="fit it again"
            )
        return cls(tuple(numbers[name] for name in FEATURES), numbers[_INTERCEPT], numbers[_THRESHOLD])

    def numbers(self) -> dict[str, float]:
        """What ``of`` takes."""
        named = dict(zip(FEATURES, self.weights, strict=True))
        return {**named, _INTERCEPT: self.intercept, _THRESHOLD: self.threshold}

    def probability(self, known: Known) -> float:
        """That a coder would report a code of which this is known.

        >>> Acceptance((0.0,) * len(FEATURES), 0.0, 0.25).probability((1.0,) * len(FEATURES))
        0.5
        """
        total = self.intercept
        for weight, value in zip(self.weights, known, strict=True):
            total += weight * value
        return 1.0 / (1.0 + exp(-total))

    def reasons(self, known: Known) -> list[tuple[str, float]]:
        """What speaks for a code and against it in words, each with the logits that it adds, strongest first."""
        moves = (
            (says, weight * value) for says, weight, value in zip(FEATURES.values(), self.weights, known, strict=True)
        )
        return sorted((move for move in moves if abs(move[1]) >= _STRONG), key=lambda move: -abs(move[1]))[:_MOST]

    def refusal(self, known: Known) -> str:
        """Why a code is left out."""
        against = [says for says, logits in self.reasons(known) if logits < 0]
        return f"a coder would hardly report it ({self.probability(known):.2f}): {', '.join(against)}"


@cache
def acceptance_of(system: str) -> Acceptance | None:
    """That of a system; None where none was fitted."""
    numbers = read_numbers("acceptance", system)
    return Acceptance.of(numbers) if numbers else None
