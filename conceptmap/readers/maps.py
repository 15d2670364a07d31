"""Maps from one system's codes to another's, with all their columns: RF2 map reference sets and UMLS MRMAP.

A map row is often conditional. RF2 groups rows by ``map_group`` and tries them by ``map_priority``, 1 first, until a
``map_rule`` holds (``IFA 248153007 | Male |``, ``OTHERWISE TRUE``); a blank ``target_code`` says that the case has no
code. So no row is dropped here: whoever maps a code has to evaluate the rules or show them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from conceptmap.data.tables import read_table

if TYPE_CHECKING:
    from conceptmap.readers.rf2_files import Rf2Release

__all__ = ["MAPS", "SOURCES", "mrmap_frame", "rf2_maps"]

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
SOURCES = {
    "HPO": "hp",
    "ICD10": "icd10",
    "ICD10CM": "icd10cm",
    "MONDO": "mondo",
    "MSH": "mesh",
    "MTH": "umls",
    "SNOMEDCT_US": "snomedct",
}
"""Our prefixes for sources of the UMLS by their abbreviation (SAB); the others go by that in lower case."""

_MRMAP_NAMES = {
    "FROMEXPR": "code",
    "TOEXPR": "target_code",
    "MAPSETCUI": "map_set",
    "MAPRANK": "map_priority",
    "MAPRULE": "map_rule",
    "MAPRES": "map_advice",
}
_MAP_SET_TARGET = r" to ([A-Za-z0-9]+)"  # as in the name of a map set, "SNOMEDCT_US_… to ICD10CM_… Mappings"


def mrmap_frame(rows: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """Returns the rows of MRMAP.RRF with all their columns.

    ``code`` is of the system that ``source_system`` names, which the map set belongs to. MRMAP does not say which
    system the target is of: it is read from the map set's name, and null where that name is not among the concepts.

    Args:
        rows: MRMAP as it is; a pipe inside a rule is written ``&#x7C;`` there.
        names: ``code, name`` of concepts.
    """
    targets = names.select(map_set="code", target=pl.col("name").str.extract(_MAP_SET_TARGET))
    frame = rows.rename(_MRMAP_NAMES).join(targets, on="map_set", how="left", maintain_order="left")
    frame = frame.with_columns(
        pl.col("map_rule", "map_advice").str.replace_all("&#x7C;", "|", literal=True),
        map_group=pl.col("MAPSUBSETID").cast(pl.Int64, strict=False),
        target_system=_our_prefix("target"),
        relation=pl.lit("map"),
        source_system=_our_prefix("MAPSETSAB"),
    )
    first = [*MAPS, "source_system"]
    return frame.select(*first, *(name for name in frame.columns if name not in (*first, "target")))


def _our_prefix(sab: str) -> pl.Expr:
    return pl.col(sab).replace_strict(SOURCES, default=pl.col(sab).str.to_lowercase(), return_dtype=pl.String)


def rf2_maps(tables: Rf2Release) -> pl.DataFrame:
    """Returns the simple, complex and extended map reference sets of a release: active rows, all columns.

    ``target_system`` is null where the reference set is not a known one; ``map_set`` tells it apart. In a map *to*
    SNOMED CT the file's ``mapSource`` is the foreign code: ``target_code`` holds that, and ``relation`` is ``reverse``.
    """
    rows = tables.table("map")
    targets = {row["set"]: row["system"] for row in read_table("map_sets")}
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
        target_system=pl.col("map_set").cast(pl.String).replace_strict(targets, default=None, return_dtype=pl.String),
        relation=pl.when(reverse).then(pl.lit("reverse")).otherwise(pl.lit("map")),
        map_set=pl.col("map_set").cast(pl.String),
        effectiveTime=pl.col("effectiveTime").cast(pl.String),
        moduleId=pl.col("moduleId").cast(pl.String),
    )
    order = [column for column in ("map_set", "code", "map_group", "map_priority") if column in rows.columns]
    rows = rows.sort(*order, "target_code", nulls_last=True).drop("referencedComponentId", "active")
    return pl.concat([pl.DataFrame(schema=MAPS), rows], how="diagonal")
