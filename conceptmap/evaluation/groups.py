"""Figures of pairs of a note and a code, over all and by group: chapter, role, whether a code was seen in training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from conceptmap.evaluation.above import upwards
from conceptmap.evaluation.sampled import Figures, Groups, per_note, places, precision_recall_of

if TYPE_CHECKING:
    from conceptmap.ontology.ontology import Ontology

__all__ = ["group_figures", "pair_figures", "tops"]

_PAIR = ["note_id", "code"]


def pair_figures(section: str, gold: pl.DataFrame, guessed: pl.DataFrame, ids: pl.Series) -> Figures:
    """Returns micro precision, recall and F1, and macro F1, the mean over all codes of either side.

    Args:
        section: where they are shown.
        gold: ``note_id, code``, each pair once.
        guessed: likewise.
        ids: of the notes that count.
    """
    pairs = gold.select(*_PAIR, gold=1.0).join(guessed.select(*_PAIR, guess=1.0), on=_PAIR, how="full", coalesce=True)
    pairs = pairs.with_columns(pl.col("gold", "guess").fill_null(0.0)).sort(_PAIR)
    pairs = pairs.with_columns(hit=pl.col("gold") * pl.col("guess"))
    part, whole = (2 * pairs["hit"]).to_numpy(), (pairs["gold"] + pairs["guess"]).to_numpy()
    names = pairs["code"].to_numpy().astype(np.str_)
    return {
        **precision_recall_of(section, per_note(ids, pairs, ["hit", "guess", "hit", "gold"])),
        (section, "macro_f1"): Groups(len(ids), places(pairs, ids), names, part, whole),
    }


def group_figures(
    prefix: str,
    gold: pl.DataFrame | None,
    guessed: pl.DataFrame | None,
    ids: pl.Series,
    *,
    pairs: tuple[pl.DataFrame, pl.DataFrame] | None = None,
) -> Figures:
    """Returns precision of the guesses of each group, recall of the gold codes of each, and F1 where both have it.

    Args:
        prefix: what the sections' names begin with, before that of the group.
        gold: ``note_id, code, group``; None where the gold codes have no groups.
        guessed: likewise.
        ids: of the notes that count.
        pairs: gold and guessed ``note_id, code``, if what is right does not depend on the group alone.
    """
    right, found = pairs or (gold, guessed)
    assert right is not None
    assert found is not None
    sides = [_hits(guessed, right), _hits(gold, found)]
    groups = sorted(pl.concat([side["group"] for side in sides]).drop_nulls().unique(), key=_numbers_first)
    figures: Figures = {}
    for group in groups:
        guess, wanted = (side.filter(pl.col("group") == group) for side in sides)
        columns = [per_note(ids, guess, ["hit", "n"]), per_note(ids, wanted, ["hit", "n"])]
        three = precision_recall_of(f"{prefix}{group}", np.concatenate(columns, axis=1))
        names = {"precision", "recall", "f1"} if gold is not None and guessed is not None else {"precision"}
        figures |= {name: figure for name, figure in three.items() if name[1] in names}
    return figures


def _numbers_first(name: str) -> tuple[int, str]:
    """Chapter 2 before chapter 10."""
    first = name.partition(" ")[0]
    return int(first) if first.isdecimal() else 1 << 30, name


def _hits(side: pl.DataFrame | None, other: pl.DataFrame) -> pl.DataFrame:
    """``note_id, group, n`` and ``hit``, 1 where the other side has the code."""
    if side is None:
        return pl.DataFrame(schema={"note_id": pl.String, "group": pl.String, "n": pl.Float64, "hit": pl.Float64})
    own = side.select(*_PAIR, "group").unique(maintain_order=True)
    there = other.select(*_PAIR, hit=1.0).unique()
    joined = own.join(there, on=_PAIR, how="left", maintain_order="left")
    return joined.select("note_id", "group", pl.lit(1.0).alias("n"), pl.col("hit").fill_null(0.0))


def tops(ontology: Ontology) -> Callable[[str], list[str]]:
    """From a code to the names of what is uppermost over it: chapters, or what stands below a single root."""
    edges = ontology.edges
    roots = frozenset(edges.join(edges, left_on="parent", right_on="child", how="anti")["parent"].unique())
    if len(roots) == 1:
        uppermost = frozenset(edges.filter(pl.col("parent").is_in(list(roots)))["child"].unique())
    else:
        uppermost = roots
    above = upwards(ontology)
    wanted = ontology.concepts.filter(pl.col("node").is_in(list(uppermost)))
    named = {node: f"{code} {name}" for node, code, name in wanted.select("node", "code", "name").iter_rows()}

    def over(code: str) -> list[str]:
        return sorted(named[node] for node in above(code) if node in named)

    return over
