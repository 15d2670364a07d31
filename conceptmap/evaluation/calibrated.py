"""Whether probabilities mean what they say: expected calibration error, Brier score, and the table behind them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from conceptmap.adapters.calibration import Bin, reliability
from conceptmap.evaluation.sampled import Figures, Floats, Sums, mean_of, per_note

__all__ = ["calibration", "calibration_of"]

BINS = 10
_PAIR = ["note_id", "code"]


def calibration(right: pl.DataFrame, predicted: pl.DataFrame, ids: pl.Series) -> tuple[Figures, Sequence[Bin]]:
    """Returns the section ``calibration`` and the reliability table of codes with a probability; nothing without any.

    Args:
        right: ``note_id, code``, each pair once.
        predicted: ``note_id, code`` and ``probability``.
        ids: of the notes that count.
    """
    if "probability" not in predicted.columns:
        return {}, ()
    given = predicted.drop_nulls("probability").group_by(_PAIR, maintain_order=True).agg(pl.col("probability").max())
    judged = given.join(right.select(_PAIR).with_columns(right=True), on=_PAIR, how="left", maintain_order="left")
    return calibration_of(judged.with_columns(pl.col("right").fill_null(value=False)), ids)


def calibration_of(judged: pl.DataFrame, ids: pl.Series) -> tuple[Figures, Sequence[Bin]]:
    """Returns the section and the table of predictions that were judged.

    Args:
        judged: ``note_id, probability, right``, a row a prediction.
        ids: of the notes that count.
    """
    if not judged.height:
        return {}, ()
    p, right = judged["probability"].to_numpy().astype(np.float64), judged["right"].to_numpy()
    at = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    columns = {f"n {b}": (at == b).astype(np.float64) for b in range(BINS)}
    columns |= {f"gap {b}": (at == b) * (p - right) for b in range(BINS)}
    squares = (p - right) ** 2
    rows = judged.select("note_id").with_columns(
        **{name: pl.Series(values) for name, values in columns.items()}, square=pl.Series(squares)
    )
    sums = per_note(ids, rows, list(columns))
    squared = per_note(ids, rows, ["square"])[:, 0]
    figures: Figures = {
        ("calibration", "ece"): Sums(sums, _error),
        ("calibration", "brier"): mean_of(squared, sums[:, :BINS].sum(axis=1)),
    }
    return figures, reliability(p, right, n_bins=BINS)


def _error(sums: Floats) -> Floats:
    """Expected calibration error (Naeini, Cooper and Hauskrecht, 2015)."""
    n, gaps = sums[:, :BINS], np.abs(sums[:, BINS:])
    return np.asarray(gaps.sum(axis=1) / np.maximum(n.sum(axis=1), 1), dtype=np.float64)
