"""How alike the codes of two sides are in each note: every code with its best match on the other side."""

from __future__ import annotations

import polars as pl

from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.similarity import Similarity

__all__ = ["best_matches", "shared_part"]

_SIDES = ("gold", "guess")


def best_matches(gold: pl.DataFrame, guess: pl.DataFrame, ontology: Ontology, notes: pl.Series) -> pl.DataFrame:
    """Match the codes of each note, by Lin's similarity on the hierarchy; an unknown code matches itself alone.

    Args:
        gold: ``note_id, code``; retired codes stand for what replaced them.
        guess: likewise.
        ontology: whose hierarchy is meant.
        notes: ids of the notes that count.

    Returns:
        A row a note: ``note_id``, ``gold_sum`` and ``guess_sum``, the similarities of either side's codes to their best
        matches added up, ``n_gold`` and ``n_guess``, how many codes there are, and ``average``, the mean of the two
        sides' means; two empty sides are alike.
    """
    sides = [_placed(frame, ontology, name) for frame, name in zip((gold, guess), _SIDES, strict=True)]
    pairs = sides[0].join(sides[1], on="note_id", maintain_order="left_right")
    known = pl.col("gold_at").is_not_null() & pl.col("guess_at").is_not_null()
    inside = pairs.filter(known)
    at = (inside[f"{name}_at"].to_numpy() for name in _SIDES)
    alike = pl.Series("alike", Similarity.of(ontology).of_positions(*at), dtype=pl.Float64)
    same = (pl.col("gold") == pl.col("guess")).cast(pl.Float64)
    pairs = pl.concat([inside.with_columns(alike), pairs.filter(~known).with_columns(alike=same)])
    best = [_best(side, pairs, name) for side, name in zip(sides, _SIDES, strict=True)]
    rows = pl.DataFrame({"note_id": notes})
    for found, name in zip(best, _SIDES, strict=True):
        sums = found.group_by("note_id").agg(pl.col("alike").sum().alias(f"{name}_sum"), pl.len().alias(f"n_{name}"))
        rows = rows.join(sums, on="note_id", how="left", maintain_order="left")
    rows = rows.with_columns(pl.exclude("note_id").fill_null(0).cast(pl.Float64))
    one, two = (pl.col(f"{name}_sum") / pl.max_horizontal(f"n_{name}", 1) for name in _SIDES)
    neither = (pl.col("n_gold") + pl.col("n_guess")) == 0
    return rows.with_columns(average=pl.when(neither).then(1.0).otherwise((one + two) / 2))


def shared_part(gold: pl.DataFrame, guess: pl.DataFrame, notes: pl.Series) -> pl.Series:
    """For each note the shared part of two sets of codes (Jaccard); two empty sets are the same.

    Args:
        gold: ``note_id, code``, each pair once.
        guess: likewise.
        notes: ids of the notes that count.
    """
    both = gold.join(guess, on=["note_id", "code"], how="semi")
    sizes = pl.DataFrame({"note_id": notes})
    for frame, name in ((gold, "gold"), (guess, "guess"), (both, "both")):
        sizes = sizes.join(
            frame.group_by("note_id").agg(pl.len().alias(name)), on="note_id", how="left", maintain_order="left"
        )
    either = pl.col("gold") + pl.col("guess") - pl.col("both")
    share = pl.when(either > 0).then(pl.col("both") / either).otherwise(1.0)
    sizes = sizes.with_columns(pl.col("gold", "guess", "both").fill_null(0).cast(pl.Int64))
    return sizes.select(share=share)["share"]


def _placed(frame: pl.DataFrame, ontology: Ontology, name: str) -> pl.DataFrame:
    """``note_id``, the code without its point, and its positions today, null where it is unknown."""
    rows: list[tuple[str, int | None]] = []
    for code in frame["code"].unique(maintain_order=True):
        node = ontology.find(code)
        nodes = [] if node is None else sorted(ontology.current(node) or (node,))
        rows += [(code, ontology.positions[one]) for one in nodes] or [(code, None)]
    places = pl.DataFrame(rows, schema={"code": pl.String, f"{name}_at": pl.Int64}, orient="row")
    placed = frame.select("note_id", "code").join(places, on="code", maintain_order="left")
    bare = pl.col("code").str.replace_all(r"[\s.]", "").alias(name)
    return placed.select("note_id", bare, f"{name}_at").unique(maintain_order=True)


def _best(side: pl.DataFrame, pairs: pl.DataFrame, name: str) -> pl.DataFrame:
    """``note_id``, each code of a side, and ``alike``, its similarity to the best match."""
    items = side.select("note_id", name).unique(maintain_order=True)
    best = pairs.group_by("note_id", name).agg(pl.col("alike").max())
    return items.join(best, on=["note_id", name], how="left").with_columns(pl.col("alike").fill_null(0.0))
