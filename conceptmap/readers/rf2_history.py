"""What became of SNOMED CT's inactive concepts: historical associations followed to the active concepts of today.

Source: SNOMED CT Release File Specification, "Association Reference Sets" and "Historical Association Reference Sets".
"""

from __future__ import annotations

import polars as pl

from conceptmap.readers.maps import MAPS
from conceptmap.readers.rf2_files import Rf2Release

__all__ = ["history"]

# Reference set -> relation, whether the target is the same meaning, and its place in the choice of a replacement.
_ASSOCIATIONS = {
    900000000000527005: ("same_as", True, 0),
    900000000000526001: ("replaced_by", True, 1),
    900000000000530003: ("alternative", False, 2),
    900000000000523009: ("possibly_equivalent_to", False, 3),
    1186921001: ("possibly_replaced_by", False, 4),
    1186924009: ("partially_equivalent_to", False, 5),
    900000000000529008: ("similar_to", False, 6),
    900000000000528000: ("was_a", False, 7),
}
# The target of these is the namespace that the concept moved to or from: no replacement, only kept among the maps.
_MOVES = {900000000000524003: "moved_to", 900000000000525002: "moved_from"}
_LONGEST_CHAIN = 50  # real chains have fewer than ten links; a loop ends here


def history(tables: Rf2Release, concepts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns replacements of inactive concepts, and every historical association as a map within SNOMED CT.

    Args:
        tables: the release.
        concepts: ``id, active``.

    Returns:
        ``id, replaced_by, consider`` (lists of active codes), and a frame of maps.
    """
    columns = ["refsetId", "referencedComponentId", "targetComponentId"]
    wanted = pl.col("refsetId").is_in([*_ASSOCIATIONS, *_MOVES])
    rows = tables.table("association", columns, where=wanted).rename({"referencedComponentId": "id"})
    inactive = concepts.filter(pl.col("active") == 0).select("id")
    rows = rows.join(inactive, on="id", how="semi").unique(maintain_order=True)
    return _replacements(rows, concepts), _as_maps(rows)


def _as_maps(rows: pl.DataFrame) -> pl.DataFrame:
    names = {key: name for key, (name, _, _) in _ASSOCIATIONS.items()} | _MOVES
    rows = rows.sort("id", "refsetId", "targetComponentId").select(
        code=pl.col("id").cast(pl.String),
        target_system=pl.lit("snomedct"),
        target_code=pl.col("targetComponentId").cast(pl.String),
        relation=pl.col("refsetId").replace_strict(names, default=None, return_dtype=pl.String),
        map_set=pl.col("refsetId").cast(pl.String),
    )
    return pl.concat([pl.DataFrame(schema=MAPS), rows], how="diagonal")


def _replacements(rows: pl.DataFrame, concepts: pl.DataFrame) -> pl.DataFrame:
    ranks = {key: rank for key, (_, _, rank) in _ASSOCIATIONS.items()}
    same = {rank for _, is_same, rank in _ASSOCIATIONS.values() if is_same}
    links = rows.with_columns(rank=pl.col("refsetId").replace_strict(ranks, default=None, return_dtype=pl.Int64))
    links = links.drop_nulls("rank").filter(pl.col("rank") == pl.col("rank").min().over("id"))
    links = links.select("id", target="targetComponentId", certain=pl.col("rank").is_in(list(same)))
    ends = _followed(links, concepts).unique().sort("id", "target")
    ends = ends.with_columns(pl.col("certain").all().over("id"), code=pl.col("target").cast(pl.String))
    certain = pl.col("certain")
    return ends.group_by("id", maintain_order=True).agg(
        replaced_by=pl.col("code").filter(certain).unique(maintain_order=True),
        consider=pl.col("code").filter(~certain).unique(maintain_order=True),
    )


def _followed(links: pl.DataFrame, concepts: pl.DataFrame) -> pl.DataFrame:
    """``id, target, certain`` with every target active: chains are walked, a chain is certain if all its links are."""
    active = concepts.filter(pl.col("active") == 1).select(target="id")
    waiting, done = links, []
    for _ in range(_LONGEST_CHAIN):
        done.append(waiting.join(active, on="target", how="semi"))
        waiting = waiting.join(active, on="target", how="anti")
        if not waiting.height:
            break
        step = links.select(target="id", next="target", also="certain")
        waiting = waiting.join(step, on="target").select(
            "id", target="next", certain=pl.col("certain") & pl.col("also")
        )
        waiting = waiting.unique(maintain_order=True)
    return pl.concat(done)
