"""What became of codes that a release has retired: the codes of today, and the reason in the release's own words."""

from __future__ import annotations

import polars as pl

from conceptmap.ontology.ontology import Ontology

__all__ = ["CHANGE", "TODAY", "today"]

CHANGE = "change"
"""Column of ``concepts``: how an inactive concept came to its end, ``same as``, ``merged``, ``split``; null: unsaid."""
TODAY = pl.Schema({"code": pl.String, "now": pl.String, "reason": pl.String, "consider": pl.String})
"""``now`` is null where nothing surely replaced the code; ``consider`` lists, with semicolons, what perhaps did."""


def today(codes: pl.Series, ontology: Ontology) -> pl.DataFrame:
    """Returns ``TODAY``: each active code as itself, each retired one with every code that replaced it, a row each.

    Args:
        codes: nodes of the ontology, each once; a code that it does not hold is left out.
        ontology: the release of today.
    """
    rows = ontology.rows_of(codes)
    kept = pl.DataFrame({"code": codes, "row": rows}).drop_nulls()
    concepts = ontology.concepts.with_columns(
        *(
            pl.lit(None, dtype=kind).alias(name)
            for name, kind in (
                ("replaced_by", pl.List(pl.String)),
                ("consider", pl.List(pl.String)),
                (CHANGE, pl.String),
            )
            if name not in ontology.concepts.columns
        )
    )
    facts = concepts.select("active", "replaced_by", "consider", CHANGE).select(pl.all().gather(kept["row"]))
    frame = pl.concat([kept.select("code"), facts], how="horizontal")
    retired = frame.filter(~pl.col("active"))
    live = ontology.concepts.filter("active").select(now="node")
    heirs = retired.explode("replaced_by").with_columns(now="replaced_by").join(live, on="now", how="semi")
    heirs = heirs.unique(["code", "now"], keep="first", maintain_order=True)
    lost = retired.join(heirs, on="code", how="anti").with_columns(now=pl.lit(None, dtype=pl.String))
    heirs = pl.concat([part.select("code", "now", CHANGE, "consider") for part in (heirs, lost)])
    old = heirs.select(
        "code",
        "now",
        reason=pl.coalesce(CHANGE, pl.when(pl.col("now").is_not_null()).then(pl.lit("replaced")), pl.lit("retired")),
        consider=pl.col("consider").list.join("; "),
    )
    active = frame.filter("active").select(
        "code", now="code", reason=pl.lit(None, pl.String), consider=pl.lit(None, pl.String)
    )
    return pl.concat([pl.DataFrame(schema=TODAY), active, old.with_columns(pl.col("consider").replace("", None))])
