"""What a head on vectors gains over words alone, on notes held out, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conceptmap.evaluation.intervals import Difference, compared
from conceptmap.evaluation.sampled import Measured, Sums
from conceptmap.learning.count_associations import TrainingNote
from conceptmap.learning.held_out import Cases, Decided

__all__ = ["Gain", "gain_of"]

_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class Gain:
    """The model with what vectors say, beside the one of words alone; intervals are 95 %, patients drawn anew.

    Attributes:
        loss: log loss of a note's possible codes, summed, of words alone and with vectors; the interval of its fall.
        f1: of words alone and with vectors; the interval of its rise.
    """

    loss: Difference
    f1: Difference

    @property
    def holds(self) -> bool:
        """Whether the log loss falls by more than chance: it tells the least gain that there is."""
        return self.loss.low > 0


def gain_of(notes: Sequence[TrainingNote], cases: Cases, words: Decided, vectors: Decided, *, seed: int = 0) -> Gain:
    """Compare both on the same notes held out.

    Args:
        notes: of the cases.
        cases: their possible codes.
        words: as words alone decide them.
        vectors: as words and vectors do.
        seed: of the draws.
    """
    patients, whose = np.unique([note.patient for note in notes], return_inverse=True)
    one, two = (_measured(patients.tolist(), whose, cases, by) for by in (vectors, words))
    found = compared(one, two, seed=seed)
    loss, score = found["codes", "log likelihood"], found["codes", "f1"]
    return Gain(
        Difference(-loss.two, -loss.one, loss.low, loss.high, loss.p),
        Difference(score.two, score.one, score.low, score.high, score.p),
    )


def _measured(patients: Sequence[str], whose: NDArray[np.int64], cases: Cases, by: Decided) -> Measured:
    def of_patients(column: NDArray[np.float64], note: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.bincount(whose[note], column, len(patients)).astype(np.float64)

    sure = np.clip(by.sure, _LEAST, 1.0 - _LEAST)
    likely = np.log(np.where(cases.right, sure, 1.0 - sure))
    every = np.arange(len(cases.given))
    n_notes = of_patients(np.ones(len(every)), every)
    right, accepted = (
        of_patients(chosen.astype(float), cases.note) for chosen in (by.accepted & cases.right, by.accepted)
    )
    counts = np.stack([right, accepted, of_patients(cases.given.astype(float), every)], axis=1)
    sums = np.stack([of_patients(likely, cases.note), n_notes], axis=1)
    figures = {
        ("codes", "log likelihood"): Sums(sums, lambda s: s[:, 0] / s[:, 1]),
        ("codes", "f1"): Sums(counts, lambda s: 2.0 * s[:, 0] / np.maximum(s[:, 1] + s[:, 2], 1.0)),
    }
    return Measured(patients, dict(figures))
