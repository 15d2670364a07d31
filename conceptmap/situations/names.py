"""Situations by their names, where a release defines none: "Family history of asthma" is the family's asthma."""

from __future__ import annotations

import re

import polars as pl

from conceptmap.data.tables import read_table

__all__ = ["named_situations"]

_TAG = "situation"
_NONE = "-"


def named_situations(concepts: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Returns what the names of active concepts say that they are: ``node, finding, context``.

    A name counts where what is left of it, without the words of the context, is a name of another concept. Where
    concepts have SNOMED CT's semantic tags only its situations can be ones.

    Args:
        concepts: as the ontology's.
        terms: likewise.
    """
    live = concepts.filter("active")
    may = live
    if "semantic_tag" in live.columns and (live["semantic_tag"] == _TAG).any():
        may = live.filter(pl.col("semantic_tag") == _TAG)
    names = terms.select("node", term=pl.col("term").str.to_lowercase()).unique()
    forms = [(row["context"], _form(row["before"], row["after"])) for row in read_table("situation_names")]
    mine = names.filter(pl.col("term").str.contains("|".join(form for _, form in forms)))
    mine = mine.join(may, on="node", how="semi")
    parts = [mine.select("node", "term", rest=pl.col("term").str.extract(form), context=pl.lit(c)) for c, form in forms]
    found = pl.concat(parts).drop_nulls("rest")
    length = pl.col("rest").str.len_chars()
    found = found.filter(length == length.min().over("node", "term")).drop("term")  # "no family history of", not "no"
    called = names.filter(pl.col("term").is_in(found["rest"].unique().implode())).join(live, on="node", how="semi")
    called = called.select(rest="term", finding="node")
    found = found.join(called, on="rest").filter(pl.col("finding") != pl.col("node"))
    return found.select("node", "finding", "context").unique().sort("node", "finding", "context")


def _form(before: str, after: str) -> str:
    """A pattern whose group is what stands between the words of a context."""
    head = "" if before == _NONE else re.escape(before) + (r"\s*" if before.endswith(":") else r"\s+")
    tail = "" if after == _NONE else rf"\s+{re.escape(after)}"
    return rf"^{head}(\S.*?){tail}$"
