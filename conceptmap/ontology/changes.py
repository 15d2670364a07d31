"""What one release changes against an earlier one: concepts, names, places in the hierarchy, terms, billable codes."""

from __future__ import annotations

import polars as pl

from conceptmap.errors import InputError
from conceptmap.ontology.earlier import retired_since
from conceptmap.ontology.history import today, with_retired
from conceptmap.ontology.ontology import Ontology

__all__ = ["CHANGES", "KINDS", "changes"]

CHANGES = pl.Schema(
    {
        "change": pl.String,
        "system": pl.String,
        "code": pl.String,
        "name": pl.String,
        "old": pl.String,
        "new": pl.String,
        "reason": pl.String,
    }
)
"""A row per change: ``old`` and ``new`` are what was there and what is: names, parents, terms, heirs."""
KINDS = {
    "added": "new concepts",
    "reinstated": "in use again",
    "retired": "no longer in use",
    "renamed": "another name",
    "moved": "other parents",
    "term gained": "new terms",
    "term lost": "terms no longer there",
    "billable": "billable codes that are none any more, and the other way round",
}
_TERM = ("node", "term")


def changes(old: Ontology, new: Ontology, *, conversions: pl.DataFrame | None = None) -> pl.DataFrame:
    """Returns what changed: ``CHANGES``, by kind and in the order of the releases.

    Args:
        old: the earlier release.
        new: the later one, of the same system.
        conversions: ``previous, current``, see `conceptmap.readers.conversions`.

    Raises:
        InputError: the releases are of different systems.
    """
    if old.system != new.system:
        raise InputError("the releases are of different systems", got=f"{old.system} and {new.system}")
    before, after = (_live(ontology) for ontology in (old, new))
    both = before.join(after, on="node", how="inner", suffix="_new", maintain_order="left")
    parts = [
        *_arrived(before, after, old, new),
        _retired(before, after, old, new, conversions),
        _renamed(both),
        _moved(both, old, new),
        _terms(both, new, old, "term gained"),
        _terms(both, old, new, "term lost"),
        _billable(both),
    ]
    return pl.concat([pl.DataFrame(schema=CHANGES), *(_filled(part, new.system) for part in parts)])


def _filled(part: pl.DataFrame, system: str) -> pl.DataFrame:
    given = part.with_columns(system=pl.lit(system))
    lacking = [pl.lit(None, dtype=pl.String).alias(name) for name in CHANGES if name not in given.columns]
    return given.with_columns(lacking).select(pl.col(name).cast(pl.String) for name in CHANGES)


def _live(ontology: Ontology) -> pl.DataFrame:
    return ontology.concepts.filter("active").select("node", "code", "name", "billable")


def _arrived(before: pl.DataFrame, after: pl.DataFrame, old: Ontology, new: Ontology) -> list[pl.DataFrame]:
    """New concepts with the names of their parents, and those that were retired before."""
    fresh = after.join(before.select("node"), on="node", how="anti", maintain_order="left")
    known = old.concepts.select("node")
    added = fresh.join(known, on="node", how="anti", maintain_order="left")
    edges = new.edges.join(added.select(child="node"), on="child", how="semi", maintain_order="left")
    parents = _parents(new, edges).select(node="child", new="parents")
    rows = added.join(parents, on="node", how="left", maintain_order="left")
    again = fresh.join(known, on="node", how="semi", maintain_order="left")
    return [
        rows.select("code", "name", change=pl.lit("added"), new=pl.format("below {}", "new")),
        again.select("code", "name", change=pl.lit("reinstated")),
    ]


def _parents(ontology: Ontology, edges: pl.DataFrame) -> pl.DataFrame:
    """``child, parents`` of edges: codes and names, those of a child in one text."""
    named = edges.join(ontology.concepts.select("code", "name", parent="node"), on="parent", maintain_order="left")
    shown = pl.format("{} {}", "code", "name").sort().str.join("; ")
    return named.group_by("child", maintain_order=True).agg(parents=shown)


def _retired(
    before: pl.DataFrame, after: pl.DataFrame, old: Ontology, new: Ontology, conversions: pl.DataFrame | None
) -> pl.DataFrame:
    gone = before.join(after.select("node"), on="node", how="anti", maintain_order="left")
    known = with_retired(new, retired_since(old, new, conversions))
    told = (
        today(gone["node"], known)
        .group_by("code")
        .agg(pl.col("now").drop_nulls().sort(), pl.col("reason").first(), pl.col("consider").first())
    )
    names = new.concepts.select(node="node", shown=pl.format("{} {}", "code", "name"))
    heirs = told.select("code", "now").explode("now").drop_nulls().join(names, left_on="now", right_on="node")
    shown = heirs.group_by("code").agg(heirs=pl.col("shown").sort().str.join("; "))
    told = told.join(shown, on="code", how="left")
    maybe = pl.format("perhaps {}", pl.col("consider"))
    rows = gone.join(told.rename({"code": "node"}), on="node", how="left", maintain_order="left")
    return rows.select("code", "name", "reason", change=pl.lit("retired"), new=pl.coalesce("heirs", maybe))


def _renamed(both: pl.DataFrame) -> pl.DataFrame:
    rows = both.filter(pl.col("name") != pl.col("name_new"))
    return rows.select("code", name="name_new", change=pl.lit("renamed"), old="name", new="name_new")


def _moved(both: pl.DataFrame, old: Ontology, new: Ontology) -> pl.DataFrame:
    """Concepts in both releases with the parents that they lost and those that they gained."""
    rows = both
    for ontology, other, name in ((old, new, "old"), (new, old, "new")):
        edges = ontology.edges.join(other.edges, on=["parent", "child"], how="anti", maintain_order="left")
        parents = _parents(ontology, edges).select(node="child", **{name: pl.col("parents")})
        rows = rows.join(parents, on="node", how="left", maintain_order="left")
    rows = rows.filter(pl.col("old").is_not_null() | pl.col("new").is_not_null())
    return rows.select("code", "old", "new", name="name_new", change=pl.lit("moved"))


def _terms(both: pl.DataFrame, having: Ontology, lacking: Ontology, change: str) -> pl.DataFrame:
    """Terms of concepts in both releases that one of these has and the other lacks."""
    rows = having.terms.select(*_TERM).join(lacking.terms.select(*_TERM), on=_TERM, how="anti", maintain_order="left")
    rows = rows.unique(maintain_order=True).join(both, on="node", how="inner", maintain_order="left")
    side = "new" if change == "term gained" else "old"
    return rows.select("code", name="name_new", change=pl.lit(change), **{side: pl.col("term")})


def _billable(both: pl.DataFrame) -> pl.DataFrame:
    rows = both.filter(pl.col("billable").ne_missing(pl.col("billable_new")))
    words = {True: "billable", False: "not billable"}

    def said(name: str) -> pl.Expr:
        return pl.col(name).replace_strict(words, default=None, return_dtype=pl.String)

    finer = pl.when(pl.col("billable") & ~pl.col("billable_new")).then(pl.lit("finer codes below it"))
    return rows.select(
        "code", name="name_new", change=pl.lit("billable"), old=said("billable"), new=said("billable_new"), reason=finer
    )
