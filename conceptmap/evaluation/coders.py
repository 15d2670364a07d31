"""What several coders say of the same notes: how far they agree, and how a system does against any and all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import polars as pl

from conceptmap.evaluation.sampled import Figures, Floats, Means, Sums, mean_of, per_note, precision_recall_of

__all__ = ["MAIN", "agreement", "coders_of", "principal", "with_role"]

MAIN = "role"
_PAIR = ["note_id", "code"]


def with_role(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with ``kind`` called ``role``, as reference codes often have it."""
    return frame.rename({"kind": MAIN}) if "kind" in frame.columns and MAIN not in frame.columns else frame


def coders_of(gold: pl.DataFrame) -> list[pl.DataFrame]:
    """The gold codes of each coder; one frame where there is no column ``coder``, or one coder.

    >>> frame = pl.DataFrame({"note_id": ["a", "a"], "code": ["I10", "I10"], "coder": ["1", "2"]})
    >>> [side.height for side in coders_of(frame)], len(coders_of(frame.drop("coder")))
    ([1, 1], 1)
    """
    if "coder" not in gold.columns or gold["coder"].drop_nulls().n_unique() < 2:
        return [gold]
    return [gold.filter(pl.col("coder") == coder) for coder in gold["coder"].drop_nulls().unique().sort()]


def agreement(
    sides: Sequence[pl.DataFrame], guessed: pl.DataFrame, ids: pl.Series, category: Callable[[str], str]
) -> Figures:
    """Returns the section ``coders``.

    ``agreement`` is the mean F1 of two coders (which Cohen's kappa nears where codes are many: Hripcsak and Rothschild,
    2005), ``category agreement`` that of their categories; ``precision of any`` counts a guess as right where any coder
    has it, ``recall of all`` asks for the codes that all have.

    Args:
        sides: ``note_id, code`` of each coder, each pair once.
        guessed: likewise.
        ids: of the notes that count.
        category: of a code.
    """
    wider = [_categories(side, category) for side in sides]
    union, shared = pl.concat(sides).unique(), sides[0]
    for side in sides[1:]:
        shared = shared.join(side, on=_PAIR, how="semi")
    any_of, all_of = (_counts(gold, guessed, ids) for gold in (union, shared))
    return {
        ("coders", "agreement"): Means([_f1_of(one, two, ids) for one, two in combinations(sides, 2)]),
        ("coders", "category agreement"): Means([_f1_of(one, two, ids) for one, two in combinations(wider, 2)]),
        ("coders", "precision of any"): precision_recall_of("", any_of)["", "precision"],
        ("coders", "recall of all"): precision_recall_of("", all_of)["", "recall"],
    }


def _categories(side: pl.DataFrame, category: Callable[[str], str]) -> pl.DataFrame:
    return side.with_columns(pl.col("code").map_elements(category, return_dtype=pl.String)).unique(maintain_order=True)


def _counts(gold: pl.DataFrame, guessed: pl.DataFrame, ids: pl.Series) -> Floats:
    both = gold.join(guessed, on=_PAIR, how="semi")
    sums = [per_note(ids, side.with_columns(n=1.0), ["n"])[:, 0] for side in (both, guessed, both, gold)]
    return np.stack(sums, axis=1)


def _f1_of(one: pl.DataFrame, two: pl.DataFrame, ids: pl.Series) -> Sums:
    figure = precision_recall_of("", _counts(one, two, ids))["", "f1"]
    assert isinstance(figure, Sums)
    return figure


def principal(gold: pl.DataFrame, predicted: pl.DataFrame, ids: pl.Series) -> Figures:
    """Returns in how many notes the one principal diagnosis is that of a coder; nothing where there are no roles."""
    if MAIN not in gold.columns or MAIN not in predicted.columns:
        return {}
    bare = pl.col("code").str.replace_all(r"[\s.]", "")
    sides = [f.filter(pl.col(MAIN) == "principal").select("note_id", bare).unique() for f in (gold, predicted)]
    if not sides[0].height:
        return {}
    single = sides[1].filter(pl.len().over("note_id") == 1)
    right = single.join(sides[0], on=_PAIR, how="semi").with_columns(n=1.0)
    return {("principal", "right"): mean_of(per_note(ids, right, ["n"])[:, 0])}
