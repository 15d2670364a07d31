"""Intervals of figures, and two systems compared on the same notes: a bootstrap and a randomisation test over notes.

The intervals are expanded percentiles (Hesterberg, 2015, "What teachers should know about the bootstrap"): with few
notes plain ones are too narrow, by about what a normal interval is narrower than Student's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from conceptmap.evaluation.sampled import MOST_CELLS, Figures, Floats, Measured

__all__ = ["DRAWS", "Difference", "compared", "intervals"]

DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """Two systems on the same notes.

    Attributes:
        one: the figure of the one.
        two: that of the other.
        low: lower end of the 95 % interval of ``one - two``.
        high: its upper end.
        p: of a randomisation test: how probable so large a difference is where it does not matter which system a note's
            predictions come from.
    """

    one: float
    two: float
    low: float
    high: float
    p: float

    @property
    def difference(self) -> float:
        """How much better the one is."""
        return self.one - self.two


def intervals(measured: Measured, *, draws: int = DRAWS, seed: int = 0) -> dict[tuple[str, str], tuple[float, float]]:
    """Returns the 95 % interval of each figure: percentiles of a bootstrap over notes."""
    found = _drawn(measured.figures, _samples(len(measured.notes), draws, seed))
    return {name: _interval(values, len(measured.notes)) for name, values in found.items()}


def compared(one: Measured, two: Measured, *, draws: int = DRAWS, seed: int = 0) -> dict[tuple[str, str], Difference]:
    """Returns the differences of two systems in the figures that both have, in the order of the first.

    The bootstrap draws the same notes for both. The randomisation test swaps the predictions of notes (Noreen, 1989).

    Args:
        one: measured on the same notes as ``two``.
        two: the other.
        draws: of the bootstrap and of the test.
        seed: of both.
    """
    shared = {name: figure for name, figure in one.figures.items() if name in two.figures}
    n_notes = len(one.notes)
    both = {name: figure.beside(two.figures[name]) for name, figure in shared.items()}
    once = np.ones((1, n_notes))
    samples = list(_samples(n_notes, draws, seed))
    first, second = _drawn(shared, samples), _drawn({name: two.figures[name] for name in shared}, samples)
    swapped = [block.astype(np.float64) for block in _swaps(n_notes, draws, seed)]
    there = _drawn(both, (np.concatenate((1 - swap, swap), axis=1) for swap in swapped))
    back = _drawn(both, (np.concatenate((swap, 1 - swap), axis=1) for swap in swapped))
    found = {}
    for name, figure in shared.items():
        values = float(figure.at(once)[0]), float(two.figures[name].at(once)[0])
        least = abs(values[0] - values[1]) - 1e-12
        as_large = int((np.abs(there[name] - back[name]) >= least).sum())
        found[name] = Difference(*values, *_interval(first[name] - second[name], n_notes), (as_large + 1) / (draws + 1))
    return found


def _interval(values: Floats, n_notes: int) -> tuple[float, float]:
    tail = 100 * _tail(n_notes)
    low, high = np.percentile(values, (tail, 100 - tail))
    return float(low), float(high)


def _tail(n_notes: int) -> float:
    """The share of the draws beyond either end; of Student's quantile its expansion (Abramowitz and Stegun, 26.7.5).

    >>> round(_tail(20), 4), round(_tail(10_000), 4)
    (0.0159, 0.025)
    """
    z, free = NormalDist().inv_cdf(0.975), max(n_notes - 1, 1)
    t = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return NormalDist().cdf(-t * ((free + 1) / free) ** 0.5)


def _drawn(figures: Figures, samples: Iterable[Floats]) -> dict[tuple[str, str], Floats]:
    found: dict[tuple[str, str], list[Floats]] = {name: [] for name in figures}
    for weights in samples:
        for name, figure in figures.items():
            found[name].append(figure.at(weights))
    return {name: np.concatenate(values) for name, values in found.items()}


def _samples(n_notes: int, draws: int, seed: int) -> Iterator[Floats]:
    """How often each note is drawn, in blocks."""
    rng = np.random.default_rng(seed)
    step = max(1, MOST_CELLS // max(n_notes, 1))
    even = np.full(n_notes, 1 / max(n_notes, 1))
    for at in range(0, draws, step):
        size = min(step, draws - at)
        yield rng.multinomial(n_notes, even, size=size).astype(np.float64) if n_notes else np.zeros((size, 0))


def _swaps(n_notes: int, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Which notes are swapped, in blocks."""
    rng = np.random.default_rng((seed, 1))
    step = max(1, MOST_CELLS // max(n_notes, 1))
    for at in range(0, draws, step):
        yield rng.integers(0, 2, size=(min(step, draws - at), n_notes))
