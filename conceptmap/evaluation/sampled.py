"""Figures that can be taken again over other samples of the notes: for intervals, and for comparing two systems.

A figure is asked with weights: how often each note counts. Once each is the figure itself; a bootstrap draws notes with
replacement (Efron and Tibshirani, 1993). Weights have *shape* (n_draws, n_notes) float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.adapters.calibration import Bin
from conceptmap.evaluation.figures import Scores

__all__ = [
    "MOST_CELLS",
    "Areas",
    "Figure",
    "Figures",
    "Groups",
    "Means",
    "Measured",
    "Sums",
    "mean_of",
    "per_note",
    "places",
    "precision_recall_of",
]

Floats = NDArray[np.float64]
MOST_CELLS = 4_000_000
"""Numbers that a step holds at once."""


class Figure(Protocol):
    """What can be taken over a sample of the notes."""

    def at(self, weights: Floats) -> Floats:
        """The figure of each draw. *Shape:* (n_draws,)."""

    def beside(self, other: Self) -> Self:
        """The figure over the notes of both, this one's first: two systems on the same notes."""


Figures = dict[tuple[str, str], Figure]
"""By section and name."""


@dataclass(frozen=True, eq=False)
class Sums:
    """A figure of what is added up over the notes.

    Attributes:
        counts: *Shape:* (n_notes, n_counts).
        of: from sums of them, (n_draws, n_counts), to the figure, (n_draws,).
    """

    counts: Floats
    of: Callable[[Floats], Floats]

    def at(self, weights: Floats) -> Floats:
        """See `Figure`."""
        return self.of(weights @ self.counts)

    def beside(self, other: Sums) -> Sums:
        """See `Figure`."""
        return Sums(np.concatenate((self.counts, other.counts)), self.of)


@dataclass(frozen=True, eq=False)
class Groups:
    """The mean over groups, such as codes, of a share; a group that the sample does not have is left out.

    Attributes:
        n_notes: of the sample once each.
        note: positions of the notes. *Shape:* (n_rows,), as all that follow.
        group: names.
        part: what is added up above the line.
        whole: what is added up below it.
    """

    n_notes: int
    note: NDArray[np.int64]
    group: NDArray[np.str_]
    part: Floats
    whole: Floats

    def at(self, weights: Floats) -> Floats:
        """See `Figure`."""
        order = np.argsort(self.group, kind="stable")
        _, starts = np.unique(self.group[order], return_index=True)
        if not len(starts):
            return np.zeros(len(weights))
        step = max(1, MOST_CELLS // len(order))
        return np.concatenate([self._of(weights[at : at + step], order, starts) for at in range(0, len(weights), step)])

    def _of(self, weights: Floats, order: NDArray[np.int64], starts: NDArray[np.int64]) -> Floats:
        rows = weights[:, self.note[order]]
        part, whole = (np.add.reduceat(rows * column[order], starts, axis=1) for column in (self.part, self.whole))
        there = whole > 0
        shares = np.divide(part, whole, out=np.zeros_like(part), where=there)
        return np.asarray(shares.sum(axis=1) / np.maximum(there.sum(axis=1), 1), dtype=np.float64)

    def beside(self, other: Groups) -> Groups:
        """See `Figure`."""
        return Groups(
            self.n_notes + other.n_notes,
            np.concatenate((self.note, other.note + self.n_notes)),
            np.concatenate((self.group, other.group)),
            np.concatenate((self.part, other.part)),
            np.concatenate((self.whole, other.whole)),
        )


@dataclass(frozen=True, eq=False)
class Areas:
    """The area under the ROC curve; ties count half (Mann and Whitney, 1947).

    Attributes:
        n_notes: of the sample once each.
        note: positions of the notes. *Shape:* (n_rows,), as all that follow.
        score: higher for what is more probably right.
        right: whether it is.
    """

    n_notes: int
    note: NDArray[np.int64]
    score: Floats
    right: NDArray[np.bool_]

    def at(self, weights: Floats) -> Floats:
        """See `Figure`."""
        if not len(self.score):
            return np.zeros(len(weights))
        order = np.argsort(self.score, kind="stable")
        _, starts = np.unique(self.score[order], return_index=True)
        step = max(1, MOST_CELLS // len(order))
        return np.concatenate([self._of(weights[at : at + step], order, starts) for at in range(0, len(weights), step)])

    def _of(self, weights: Floats, order: NDArray[np.int64], starts: NDArray[np.int64]) -> Floats:
        rows = weights[:, self.note[order]]
        right = np.add.reduceat(rows * self.right[order], starts, axis=1)
        wrong = np.add.reduceat(rows * ~self.right[order], starts, axis=1)
        below = np.cumsum(wrong, axis=1) - wrong / 2
        pairs = right.sum(axis=1) * wrong.sum(axis=1)
        return np.asarray((right * below).sum(axis=1) / np.maximum(pairs, 1), dtype=np.float64)

    def beside(self, other: Areas) -> Areas:
        """See `Figure`."""
        return Areas(
            self.n_notes + other.n_notes,
            np.concatenate((self.note, other.note + self.n_notes)),
            np.concatenate((self.score, other.score)),
            np.concatenate((self.right, other.right)),
        )


@dataclass(frozen=True, eq=False)
class Means:
    """The mean of several figures, as those against each of several coders."""

    parts: Sequence[Figure]

    def at(self, weights: Floats) -> Floats:
        """See `Figure`."""
        return np.asarray(np.mean([part.at(weights) for part in self.parts], axis=0), dtype=np.float64)

    def beside(self, other: Means) -> Means:
        """See `Figure`."""
        return Means([one.beside(two) for one, two in zip(self.parts, other.parts, strict=True)])


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured.

    Attributes:
        notes: ids of the notes that count.
        figures: by section and name, in the order in which they are shown.
        counts: how many notes, codes and so on.
        reliability: predictions by probability, where they have one.
    """

    notes: Sequence[str]
    figures: Figures
    counts: Mapping[str, float] = field(default_factory=dict)
    reliability: Sequence[Bin] = ()

    def scores(self) -> Scores:
        """The figures over all notes, and the counts."""
        found: Scores = {}
        once = np.ones((1, len(self.notes)))
        for (section, name), figure in self.figures.items():
            found.setdefault(section, {})[name] = float(figure.at(once)[0])
        return {**found, "counts": dict(self.counts)}


def per_note(notes: Sequence[str] | pl.Series, rows: pl.DataFrame, columns: Sequence[str]) -> Floats:
    """Returns the sums of columns over the rows of each note. *Shape:* (n_notes, n_columns)."""
    distinct = list(dict.fromkeys(columns))
    summed = rows.group_by("note_id", maintain_order=True).agg(pl.col(distinct).cast(pl.Float64).sum())
    ids = pl.DataFrame({"note_id": pl.Series(notes, dtype=pl.String)})
    found = ids.join(summed, on="note_id", how="left", maintain_order="left").select(pl.col(distinct).fill_null(0.0))
    return np.stack([found[name].to_numpy() for name in columns], axis=1)


def places(rows: pl.DataFrame, ids: pl.Series) -> NDArray[np.int64]:
    """Returns where the note of each row stands among the notes. *Shape:* (n_rows,)."""
    known = pl.DataFrame({"note_id": ids}).with_row_index("at")
    at = rows.select("note_id").join(known, on="note_id", how="left", maintain_order="left")["at"]
    return at.to_numpy().astype(np.int64)


def precision_recall_of(section: str, counts: Floats) -> Figures:
    """Returns precision, recall and F1.

    Args:
        section: where they are shown.
        counts: right guesses, guesses, what was found, what should be. *Shape:* (n_notes, 4).
    """
    return {
        (section, "precision"): Sums(counts, lambda sums: sums[:, 0] / np.maximum(sums[:, 1], 1)),
        (section, "recall"): Sums(counts, lambda sums: sums[:, 2] / np.maximum(sums[:, 3], 1)),
        (section, "f1"): Sums(counts, _f1),
    }


def _f1(sums: Floats) -> Floats:
    precision, recall = sums[:, 0] / np.maximum(sums[:, 1], 1), sums[:, 2] / np.maximum(sums[:, 3], 1)
    return np.asarray(2 * precision * recall / np.maximum(precision + recall, 1e-9), dtype=np.float64)


def mean_of(values: Floats, counts: Floats | None = None) -> Sums:
    """Returns the mean of values over the notes, or over so many cases of each.

    Args:
        values: sums of each note. *Shape:* (n_notes,).
        counts: cases of each note; one if not given. *Shape:* (n_notes,).
    """
    cases = np.ones_like(values) if counts is None else counts
    return Sums(np.stack((values, cases), axis=1), lambda sums: sums[:, 0] / np.maximum(sums[:, 1], 1))
