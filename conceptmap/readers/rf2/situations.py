"""Situations with explicit context: what a SNOMED CT release defines as a finding that is absent, past, the family's.

Source: SNOMED CT Editorial Guide, "Situation with explicit context": the attributes Associated finding (procedure),
Finding (procedure) context, Temporal context and Subject relationship context, all in one role group. What their values
mean is in ``data/situation_values_snomedct.csv``; a value that is not listed means what the nearest one above it does.
"""

from __future__ import annotations

import polars as pl

from conceptmap.data.tables import read_rows
from conceptmap.ontology.checks import FRAMES

__all__ = ["ATTRIBUTES", "situations"]

ATTRIBUTES = {
    246090004: "of",
    363589002: "of",
    408729009: "finding",
    408730004: "procedure",
    408731000: "time",
    408732007: "subject",
}
"""The attributes that define a situation, and what ``situation_values`` calls them."""
_DEFINED = 900000000000073002
_SCHEMA = {name: pl.Boolean if name in ("general", "defined") else pl.String for name in FRAMES["situations"]}
_CONTEXTS = [
    # finding or procedure, time, subject: the context
    ("absent", ("any", "past"), "family", "family negated"),
    ("present", ("any", "past"), "family", "family"),
    ("absent", ("any",), "patient", "negated"),
    ("absent", ("past",), "patient", "negated historical"),
    ("present", ("past",), "patient", "historical"),
    ("suspected", ("any",), "patient", "suspected"),
]


def situations(rows: pl.DataFrame, edges: pl.DataFrame, concepts: pl.DataFrame) -> pl.DataFrame:
    """Returns a row per active concept that is one finding, or procedure, in one context.

    Args:
        rows: active inferred relationships: ``sourceId, destinationId, typeId, relationshipGroup``.
        edges: ``parent, child``, codes.
        concepts: ``id, active, definitionStatusId``.

    Returns:
        ``node``; ``finding``, the node of what it is about; ``context`` (one of "negated", "historical", "negated
        historical", "suspected", "family", "family negated"); ``general``, whether it says no more than that (a
        mother's illness is more than the family's); ``defined``, whether it is sufficiently defined.
    """
    live = concepts.filter(pl.col("active") == 1)
    told = rows.filter(pl.col("typeId").is_in(list(ATTRIBUTES))).join(live, left_on="sourceId", right_on="id")
    told = told.join(live.select("id"), left_on="destinationId", right_on="id", how="semi").select(
        "relationshipGroup",
        node=pl.col("sourceId").cast(pl.String),
        attribute=pl.col("typeId").replace_strict(ATTRIBUTES, return_dtype=pl.String),
        value=pl.col("destinationId").cast(pl.String),
        defined=pl.col("definitionStatusId") == _DEFINED,
    )
    of = told.filter(pl.col("attribute") == "of").filter(pl.len().over("node") == 1)
    found = of.select("node", "relationshipGroup", "defined", finding="value", general=pl.lit(value=True))
    meanings = _meanings(told.filter(pl.col("attribute") != "of"), edges)
    for side, attributes in (("said", ("finding", "procedure")), ("time", ("time",)), ("subject", ("subject",))):
        told_of = meanings.filter(pl.col("attribute").is_in(attributes)).group_by("node", "relationshipGroup")
        part = told_of.agg(pl.col("means").first().alias(side), own=pl.col("general").first(), n=pl.len())
        found = found.join(part.filter(pl.col("n") == 1).drop("n"), on=["node", "relationshipGroup"])
        found = found.with_columns(general=pl.col("general") & pl.col("own")).drop("own")
    context = pl.lit(None, dtype=pl.String)
    for said, times, subject, name in _CONTEXTS:
        here = (pl.col("said") == said) & pl.col("time").is_in(times) & (pl.col("subject") == subject)
        context = pl.when(here).then(pl.lit(name)).otherwise(context)
    found = found.with_columns(context=context).drop_nulls("context")
    return found.select(*_SCHEMA).cast(pl.Schema(_SCHEMA)).sort("node")


def _meanings(told: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    """The rows with what their values mean, where that is known: ``means``, ``general``."""
    listed = pl.DataFrame(read_rows("situation_values", "snomedct"))
    listed = listed.select("attribute", at="value", means="means", general=pl.col("general") == "yes")
    asked = told.select("attribute", "value").unique().with_columns(at="value")
    near = []
    while asked.height:
        hit = asked.join(listed, on=["attribute", "at"], maintain_order="right")
        near.append(
            hit.unique(["attribute", "value"], keep="first", maintain_order=True).with_columns(
                general=pl.col("general") & (pl.col("at") == pl.col("value"))
            )
        )
        asked = asked.join(hit, on=["attribute", "value"], how="anti")
        asked = asked.join(edges, left_on="at", right_on="child").select("attribute", "value", at="parent").unique()
    known = pl.concat(near).drop("at") if near else listed.clear().rename({"at": "value"})
    return told.join(known.filter(pl.col("means") != "-"), on=["attribute", "value"])
