"""Calibration: from a score that only ranks to a probability that means what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bin", "Calibration", "expected_error", "fit_calibration", "reliability"]

MOST_KNOTS = 40
LEAST_IN_KNOT = 20


@dataclass(frozen=True)
class Calibration:
    """A rising curve through knots, straight between them and level beyond them.

    Attributes:
        scores: strictly rising.
        probabilities: never falling, in (0, 1).
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probability of each score. *Shape:* as given.

        >>> Calibration((0.0, 1.0), (0.2, 0.8))(np.array([-1.0, 0.5, 2.0])).tolist()
        [0.2, 0.5, 0.8]
        """
        return np.asarray(np.interp(scores, self.scores, self.probabilities), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of about the same probability.

    Attributes:
        n: how many.
        probability: their mean probability.
        right: the share of them that was right.
    """

    n: int
    probability: float
    right: float


def fit_calibration(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> Calibration:
    """Isotonic regression over groups of neighbouring scores (Zadrozny and Elkan, KDD 2002).

    Groups keep the curve from answering 0 or 1 on the word of a few cases; a right and a wrong case are added to each.

    Args:
        scores: of cases that took no part in making the score. *Shape:* (n,).
        right: whether each was right. *Shape:* (n,).
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(scores, kind="stable")
    n_groups = max(1, min(MOST_KNOTS, len(order) // LEAST_IN_KNOT))
    groups = np.array_split(order, n_groups)
    share = np.array([(right[g].sum() + 1.0) / (len(g) + 2.0) for g in groups])
    rising = isotonic_regression(share, weights=np.array([len(g) for g in groups], dtype=np.float64)).x
    centres = np.array([scores[g].mean() for g in groups])
    kept = np.concatenate([[True], np.diff(centres) > 0])
    return Calibration(tuple(centres[kept].tolist()), tuple(np.asarray(rising)[kept].tolist()))


def reliability(probabilities: NDArray[np.float64], right: NDArray[np.bool_], *, n_bins: int = 10) -> list[Bin]:
    """Predictions by probability, in bins of equal width; empty bins are left out.

    Args:
        probabilities: *Shape:* (n,), in [0, 1].
        right: *Shape:* (n,).
        n_bins: number of bins.
    """
    number = np.minimum((probabilities * n_bins).astype(np.int64), n_bins - 1)
    filled = [number == i for i in range(n_bins) if (number == i).any()]
    return [Bin(int(m.sum()), float(probabilities[m].mean()), float(right[m].mean())) for m in filled]


def expected_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: mean gap between probability and share right, weighted by cases.

    >>> expected_error([Bin(3, 0.9, 1.0), Bin(1, 0.2, 0.0)])
    0.125
    """
    total = sum(b.n for b in bins)
    return round(sum(b.n * abs(b.probability - b.right) for b in bins) / max(total, 1), 6)
