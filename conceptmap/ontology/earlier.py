"""Codes of an earlier release that today's no longer has: what a conversion table, titles and the hierarchy say.

1. The conversion table, followed over the years: one code of today replaces it, several are what it may be.
2. Without it, a new code with the same title replaces it: the code was only numbered anew.
3. Else nothing replaced it. It stays below what it stood below, so that it still rolls up; the codes there may be it.
"""

from __future__ import annotations

import polars as pl

from conceptmap.ontology.history import followed, retired_concepts
from conceptmap.ontology.ontology import Ontology

__all__ = ["retired_by_table", "retired_since"]

_NONE = pl.lit([], dtype=pl.List(pl.String))


def retired_since(old: Ontology, new: Ontology, conversions: pl.DataFrame | None = None) -> pl.DataFrame:
    """Returns the concepts of ``old`` that ``new`` lacks, as `conceptmap.ontology.history.with_retired` takes them.

    Args:
        old: the earlier release.
        new: today's, of the same system.
        conversions: ``previous, current``.
    """
    gone = old.concepts.filter("active").join(new.concepts.select("node"), on="node", how="anti", maintain_order="left")
    gone = gone.select(id="node", name="name", kind="kind")
    links = _links(conversions, gone["id"], new)
    titles = new.concepts.filter("active").join(old.concepts.select("node"), on="node", how="anti")
    titles = titles.select("kind", target="node", title=_title("name")).filter(pl.len().over("title", "kind") == 1)
    same = gone.join(links, on="id", how="anti", maintain_order="left").with_columns(title=_title("name"))
    same = same.filter(pl.len().over("title", "kind") == 1).join(titles, on=["title", "kind"], maintain_order="left")
    same = same.select("id", "target", certain=pl.lit(value=True), change=pl.lit("same title under a new code"))
    every = pl.concat([links, same])
    told = gone.join(every.unique("id").select("id", "change"), on="id", how="left", maintain_order="left")
    placed = _places(gone["id"], old, new)
    told = told.with_columns(change=pl.coalesce("change", pl.lit("no longer in the release")))
    rows = retired_concepts(told, every.select("id", "target", "certain"))
    rows = rows.join(placed, on="node", how="left", maintain_order="left")
    bare = (pl.col("replaced_by").list.len() == 0) & (pl.col("consider").list.len() == 0)
    return rows.with_columns(
        consider=pl.when(bare).then(pl.col("was_below").fill_null(_NONE)).otherwise("consider"),
        was_below=pl.col("was_below").fill_null(_NONE),
    )


def retired_by_table(conversions: pl.DataFrame, new: Ontology) -> pl.DataFrame:
    """Returns the codes of a conversion table that ``new`` lacks, as :func:`retired_since` does with an old release."""
    previous = conversions.filter(~pl.col("previous").str.contains("-"))["previous"].unique(maintain_order=True)
    gone = previous.to_frame("id").join(new.concepts.select(id="node"), on="id", how="anti", maintain_order="left")
    links = _links(conversions, gone["id"], new)
    told = gone.join(links.unique("id").select("id", "change"), on="id", maintain_order="left")
    told = told.with_columns(name=pl.lit(None, dtype=pl.String), kind=pl.lit("code"))
    return retired_concepts(told, links.select("id", "target", "certain"))


def _title(name: str) -> pl.Expr:
    return pl.col(name).str.to_lowercase().str.replace_all(r"[^a-z0-9]+", " ").str.strip_chars()


def _links(conversions: pl.DataFrame | None, gone: pl.Series, new: Ontology) -> pl.DataFrame:
    """``id, target, certain, change`` of the retired codes that a table leads to today's."""
    schema = {"id": pl.String, "target": pl.String, "certain": pl.Boolean, "change": pl.String}
    if conversions is None or not conversions.height:
        return pl.DataFrame(schema=schema)
    pairs = _spread(conversions, gone)
    certain = pl.col("target").n_unique().over("id") == 1
    live = new.concepts.filter("active").select(target="node")
    ends = followed(pairs.with_columns(certain=certain), live).unique(maintain_order=True)
    ends = ends.join(pl.DataFrame({"id": gone}), on="id", how="semi", maintain_order="left")
    several = pl.col("target").n_unique().over("id") > 1
    said = pl.when(several).then(pl.lit("split (conversion table)")).otherwise(pl.lit("conversion table"))
    return ends.with_columns(certain=pl.col("certain") & ~several, change=said)


def _spread(conversions: pl.DataFrame, gone: pl.Series) -> pl.DataFrame:
    """``id, target``, each range of previous codes as those retired codes that lie in it."""
    pairs = conversions.select(id="previous", target="current").filter(pl.col("id") != pl.col("target"))
    ranges = pairs.filter(pl.col("id").str.contains("-"))
    ends = ranges.with_columns(
        first=pl.col("id").str.split("-").list.first(), last=pl.col("id").str.split("-").list.last()
    )
    inside = ends.drop("id").join(pl.DataFrame({"id": gone}), how="cross")
    inside = inside.filter(
        (pl.col("first") <= pl.col("id"))
        & (pl.col("id").str.slice(0, pl.col("last").str.len_chars()) <= pl.col("last"))
    )
    return pl.concat([pairs.filter(~pl.col("id").str.contains("-")), inside.select("id", "target")]).unique(
        maintain_order=True
    )


def _places(gone: pl.Series, old: Ontology, new: Ontology) -> pl.DataFrame:
    """``node, was_below``: the nearest concepts above in the old hierarchy that are active today."""
    live = frozenset(new.concepts.filter("active")["node"])
    rows: list[tuple[str, list[str]]] = []
    for node in gone:
        front, found = old.parents(node), set[str]()
        while front:
            found |= front & live
            front = frozenset().union(*(old.parents(parent) for parent in front - live))
        rows.append((node, sorted(found)))
    return pl.DataFrame(rows, schema={"node": pl.String, "was_below": pl.List(pl.String)}, orient="row")
