"""What became of codes that a release has retired: the codes of today, and the reason in the release's own words."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from conceptmap.ontology.ontology import Ontology

__all__ = ["CHANGE", "TODAY", "followed", "retired_concepts", "today", "with_retired"]

_LONGEST_CHAIN = 50  # real chains have fewer than ten links; a loop ends here

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


def followed(links: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """Returns ``id, target, certain`` with every target live: chains are walked, and certain if all their links are.

    Args:
        links: ``id, target, certain``: a retired concept, what it leads to, and whether that is the same meaning.
        live: ``target``: the concepts of today.
    """
    waiting, done = links, []
    for _ in range(_LONGEST_CHAIN):
        done.append(waiting.join(live, on="target", how="semi"))
        waiting = waiting.join(live, on="target", how="anti")
        if not waiting.height:
            break
        step = links.select(target="id", next="target", also="certain")
        waiting = waiting.join(step, on="target").select(
            "id", target="next", certain=pl.col("certain") & pl.col("also")
        )
        waiting = waiting.unique(maintain_order=True)
    return pl.concat(done)


def retired_concepts(retired: pl.DataFrame, ends: pl.DataFrame) -> pl.DataFrame:
    """Returns inactive rows for ``concepts``: ``node, code, kind, name, active, replaced_by, consider, change``.

    Args:
        retired: ``id, name`` (null: named by its code), ``change`` and, if not all are concepts, ``kind``.
        ends: of :func:`followed`; a concept with certain ends is replaced by those alone.
    """
    ends = ends.unique(maintain_order=True).sort("id", "target")
    certain = pl.col("certain")
    heirs = ends.group_by("id", maintain_order=True).agg(
        replaced_by=pl.col("target").filter(certain).unique(maintain_order=True),
        consider=pl.col("target").filter(~certain).unique(maintain_order=True),
    )
    none = pl.lit([], dtype=pl.List(pl.String))
    frame = retired.join(heirs, on="id", how="left", maintain_order="left")
    sure = pl.col("replaced_by").list.len().fill_null(0) > 0
    return frame.select(
        node="id",
        code="id",
        kind=pl.col("kind") if "kind" in retired.columns else pl.lit("concept"),
        name=pl.coalesce("name", "id"),
        active=pl.lit(value=False),
        replaced_by=pl.col("replaced_by").fill_null(none),
        consider=pl.when(sure).then(none).otherwise(pl.col("consider").fill_null(none)),
        **{CHANGE: CHANGE},
    )


def with_retired(ontology: Ontology, retired: pl.DataFrame) -> Ontology:
    """Returns the ontology with concepts that it no longer has, inactive: codes of then lead to those of today.

    Args:
        ontology: the release of today.
        retired: as of :func:`retired_concepts`, and ``was_below``, a list of the nodes under which a code that nothing
            replaced stood. Codes that the ontology holds are left out.
    """
    known = ontology.concepts.select("node")
    fresh = retired.join(known, on="node", how="anti", maintain_order="left").unique(
        "node", keep="first", maintain_order=True
    )
    if not fresh.height:
        return ontology
    return replace(ontology, concepts=pl.concat([ontology.concepts, fresh], how="diagonal"))
