"""Maps from one system's codes to another's, with all their columns: RF2 map reference sets and UMLS MRMAP.

A map row is often conditional. RF2 groups rows by ``map_group`` and tries them by ``map_priority``, 1 first, until a
``map_rule`` holds (``IFA 248153007 | Male |``, ``OTHERWISE TRUE``); a blank ``target_code`` says that the case has no
code. So no row is dropped here: whoever maps a code has to evaluate the rules or show them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from conceptmap.readers.rf2_files import Rf2Release

__all__ = ["MAPS", "rf2_maps"]

MAPS = pl.Schema(
    {
        "code": pl.String,
        "target_system": pl.String,
        "target_code": pl.String,
        "relation": pl.String,
        "map_set": pl.String,
        "map_group": pl.Int64,
        "map_priority": pl.Int64,
        "map_rule": pl.String,
        "map_advice": pl.String,
    }
)
"""Columns that maps of every format have, null where a format says nothing; a format's further columns follow."""

_RF2_NAMES = {
    "refsetId": "map_set",
    "mapGroup": "map_group",
    "mapPriority": "map_priority",
    "mapRule": "map_rule",
    "mapAdvice": "map_advice",
    "mapTarget": "target_code",
}
# Map reference sets whose target is a system that conceptmap knows, or is widely met.
_TARGETS = {
    447562003: "icd10",  # ICD-10 complex map of the International edition
    6011000124106: "icd10cm",  # ICD-10-CM extended map of the US edition
    999002271000000101: "icd10",  # ICD-10 fifth edition, United Kingdom
    446608001: "icdo",
    900000000000497000: "ctv3",
}


def rf2_maps(tables: Rf2Release) -> pl.DataFrame:
    """Returns the simple, complex and extended map reference sets of a release: active rows, all columns.

    ``target_system`` is null where the reference set is not a known one; ``map_set`` tells it apart. In a map *to*
    SNOMED CT the file's ``mapSource`` is the foreign code: ``target_code`` holds that, and ``relation`` is ``reverse``.
    """
    rows = tables.table("map")
    if not rows.height:
        return pl.DataFrame(schema=MAPS)
    rows = rows.rename({old: new for old, new in _RF2_NAMES.items() if old in rows.columns})
    reverse = pl.lit(False)
    if "mapSource" in rows.columns:
        reverse = pl.col("mapSource").is_not_null()
        target = pl.coalesce("target_code", "mapSource") if "target_code" in rows.columns else pl.col("mapSource")
        rows = rows.with_columns(target_code=target)
    rows = rows.with_columns(
        code=pl.col("referencedComponentId").cast(pl.String),
        target_system=pl.col("map_set").replace_strict(_TARGETS, default=None, return_dtype=pl.String),
        relation=pl.when(reverse).then(pl.lit("reverse")).otherwise(pl.lit("map")),
        map_set=pl.col("map_set").cast(pl.String),
        effectiveTime=pl.col("effectiveTime").cast(pl.String),
    )
    order = [column for column in ("map_set", "code", "map_group", "map_priority") if column in rows.columns]
    rows = rows.sort(*order, "target_code", nulls_last=True).drop("referencedComponentId", "active")
    return pl.concat([pl.DataFrame(schema=MAPS), rows], how="diagonal")
