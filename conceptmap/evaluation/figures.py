"""Figures that several measures share, and how they are shown.

Precision, recall, F1 and accuracies are shares in [0, 1]. A figure without any case is 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

__all__ = ["Scores", "as_text", "auc", "precision_recall"]

Scores = dict[str, dict[str, float]]
"""Sections of figures: ``{"full code": {"precision": …}}``."""


def precision_recall(right: float, guessed: int, found: float, gold: int) -> dict[str, float]:
    """Precision, recall and their harmonic mean.

    Args:
        right: how many guesses are right, or the sum of how right each is.
        guessed: how many guesses there are.
        found: how many of what should be found was found, or the sum of how much of each was.
        gold: how much should be found.

    >>> precision_recall(1, 2, 1, 4)
    {'precision': 0.5, 'recall': 0.25, 'f1': 0.3333333333333333}
    """
    precision, recall = right / max(guessed, 1), found / max(gold, 1)
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / max(precision + recall, 1e-9)}


def auc(scores: pl.Series, right: pl.Series) -> float:
    """Area under the ROC curve of scores; ties count half (Mann and Whitney).

    Args:
        scores: higher for what is more probably right.
        right: of Booleans, as long.

    >>> auc(pl.Series([0.9, 0.5, 0.5, 0.1]), pl.Series([True, True, False, False]))
    0.875
    """
    positives = int(right.sum())
    rank_sum = float(scores.rank("average").filter(right).sum())
    return (rank_sum - positives * (positives + 1) / 2) / max(positives * (len(right) - positives), 1)


def as_text(scores: Mapping[str, Mapping[str, float]]) -> str:
    """The figures as lines for people.

    >>> print(as_text({"mentions": {"precision": 0.5, "f1": 0.25}, "counts": {"notes": 12}}))
    mentions  precision 0.500  f1 0.250
    counts    notes 12
    """
    width = max(map(len, scores))
    return "\n".join(
        f"{section:<{width}}  " + "  ".join(f"{name} {_figure(value)}" for name, value in figures.items())
        for section, figures in scores.items()
    )


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
