"""How alike the codes of two sides are in each note: every code with its best match on the other side."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.similarity import Similarity

__all__ = ["BestMatches", "best_matches", "shared_part"]

_SIDES = ("gold", "guess")


@dataclass(frozen=True)
class BestMatches:
    """What the codes of two sides come to.

    Attributes:
        gold_sum: similarities of the gold codes to their best matches, added up; ``n_gold`` codes.
        guess_sum: likewise of the guessed codes.
        average: mean over the notes of the two sides' mean similarities; two empty sides are alike.
    """

    gold_sum: float
    n_gold: int
    guess_sum: float
    n_guess: int
    average: float


def best_matches(gold: pl.DataFrame, guess: pl.DataFrame, ontology: Ontology, notes: pl.Series) -> BestMatches:
    """Match the codes of each note, by Lin's similarity on the hierarchy; an unknown code matches itself alone.

    Args:
        gold: ``note_id, code``; retired codes stand for what replaced them.
        guess: likewise.
        ontology: whose hierarchy is meant.
        notes: ids of the notes that count.
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
    per_note = pl.DataFrame({"note_id": notes})
    for found, name in zip(best, _SIDES, strict=True):
        mean = found.group_by("note_id").agg(pl.col("alike").mean().alias(name))
        per_note = per_note.join(mean, on="note_id", how="left")
    one, two = (pl.col(name).fill_null(0.0) for name in _SIDES)
    neither = pl.all_horizontal(pl.col(_SIDES).is_null())
    average = per_note.select(pl.when(neither).then(1.0).otherwise((one + two) / 2).mean()).item()
    sums = [float(found["alike"].sum()) for found in best]
    return BestMatches(sums[0], best[0].height, sums[1], best[1].height, float(average or 0.0))


def shared_part(gold: pl.DataFrame, guess: pl.DataFrame, notes: pl.Series) -> float:
    """Mean over the notes of the shared part of two sets of codes (Jaccard); two empty sets are the same.

    Args:
        gold: ``note_id, code``, each pair once.
        guess: likewise.
        notes: ids of the notes that count.
    """
    both = gold.join(guess, on=["note_id", "code"], how="semi")
    sizes = pl.DataFrame({"note_id": notes})
    for frame, name in ((gold, "gold"), (guess, "guess"), (both, "both")):
        sizes = sizes.join(frame.group_by("note_id").agg(pl.len().alias(name)), on="note_id", how="left")
    either = pl.col("gold") + pl.col("guess") - pl.col("both")
    share = pl.when(either > 0).then(pl.col("both") / either).otherwise(1.0)
    sizes = sizes.with_columns(pl.col("gold", "guess", "both").fill_null(0).cast(pl.Int64))
    return float(sizes.select(share.mean()).item() or 0.0)


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
