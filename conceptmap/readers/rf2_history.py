"""What became of SNOMED CT's inactive concepts: historical associations followed to the active concepts of today.

Source: SNOMED CT Release File Specification, "Association Reference Sets" and "Historical Association Reference Sets".
"""

from __future__ import annotations

import polars as pl

from conceptmap.ontology.history import followed
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


def history(tables: Rf2Release, concepts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns replacements of inactive concepts, and every historical association as a map within SNOMED CT.

    Args:
        tables: the release.
        concepts: ``id, active``.

    Returns:
        ``id, replaced_by, consider`` (lists of active codes)``, change`` (by which association), and a frame of maps.
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
    words = {rank: name.replace("_", " ") for name, _, rank in _ASSOCIATIONS.values()}
    change = links.group_by("id").agg(change=pl.col("rank").first().replace_strict(words, return_dtype=pl.String))
    links = links.select("id", target="targetComponentId", certain=pl.col("rank").is_in(list(same)))
    active = concepts.filter(pl.col("active") == 1).select(target="id")
    ends = followed(links, active).unique().sort("id", "target")
    ends = ends.with_columns(pl.col("certain").all().over("id"), code=pl.col("target").cast(pl.String))
    certain = pl.col("certain")
    found = ends.group_by("id", maintain_order=True).agg(
        replaced_by=pl.col("code").filter(certain).unique(maintain_order=True),
        consider=pl.col("code").filter(~certain).unique(maintain_order=True),
    )
    return found.join(change, on="id", how="left", maintain_order="left")
