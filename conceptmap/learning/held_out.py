"""The possible codes of notes held out, decided: how probable each is, and which are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.calibration import Calibration, fit_calibration
from conceptmap.adapters.judge import best_threshold
from conceptmap.learned.features import Possible
from conceptmap.learning.count_associations import TrainingNote

__all__ = ["LEAST_PRECISION", "Cases", "Decided", "decided"]

LEAST_PRECISION: Final = 0.52
"""A code that no training note was given is accepted where at least so many of its like are right: a little more than
half, for thresholds are chosen on the notes that they are told of."""
_NEVER: Final = 2.0
"""More than any probability."""


@dataclass(frozen=True, eq=False)
class Cases:
    """The possible codes of all notes.

    Attributes:
        note: place of each code's note. *Shape:* (n,).
        seen: whether coders gave it to other notes. *Shape:* (n,).
        right: whether coders gave it to its note. *Shape:* (n,).
        given: how many codes each note has. *Shape:* (n_notes,).
    """

    note: NDArray[np.int64]
    seen: NDArray[np.bool_]
    right: NDArray[np.bool_]
    given: NDArray[np.int64]

    @classmethod
    def of(cls, notes: Sequence[TrainingNote], parts: Sequence[Possible]) -> Cases:
        """The possible codes of notes, one note after another."""
        of_note = np.repeat(np.arange(len(notes)), [len(part.codes) for part in parts])
        seen = np.concatenate([part.seen for part in parts])
        right = [code in note.given for note, part in zip(notes, parts, strict=True) for code in part.codes]
        return cls(of_note, seen, np.array(right, dtype=np.bool_), np.array([len(note.given) for note in notes]))


@dataclass(frozen=True, eq=False)
class Decided:
    """Cases by a model that was not fitted to them.

    Attributes:
        logits: *Shape:* (n,).
        curves: from logits to probabilities, of codes that coders gave before and of others.
        sure: probability of each. *Shape:* (n,).
        least: probabilities from which codes of both kinds are accepted.
        accepted: *Shape:* (n,).
    """

    logits: NDArray[np.float64]
    curves: tuple[Calibration, Calibration]
    sure: NDArray[np.float64]
    least: tuple[float, float]
    accepted: NDArray[np.bool_]


def decided(cases: Cases, logits: NDArray[np.float64]) -> Decided:
    """Probabilities and thresholds from the logits of notes held out."""
    seen, right = cases.seen, cases.right
    curves = _calibrated(logits, right, seen), _calibrated(logits, right, ~seen)
    sure = np.where(seen, curves[0](logits), curves[1](logits))
    missed = int(cases.given.sum()) - int(right.sum())
    least = _least_seen(sure[seen], right[seen], missed), _least_unseen(sure[~seen], right[~seen])
    return Decided(logits, curves, sure, least, sure >= np.where(seen, *least))


def _calibrated(logits: NDArray[np.float64], right: NDArray[np.bool_], kind: NDArray[np.bool_]) -> Calibration:
    """The curve of one kind of codes; that of all where there are too few."""
    enough = 0 < right[kind].sum() < kind.sum()
    return fit_calibration(logits[kind], right[kind]) if enough else fit_calibration(logits, right)


def _least_seen(sure: NDArray[np.float64], right: NDArray[np.bool_], missed: int) -> float:
    return best_threshold(sure, right, missed) if len(sure) else _NEVER


def _least_unseen(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The lowest probability from which enough are right."""
    order = np.argsort(-sure, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(share >= LEAST_PRECISION)
    return float(sure[order[enough[-1]]]) if len(enough) else _NEVER
