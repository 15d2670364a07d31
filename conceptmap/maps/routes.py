"""Which map rows lead from one system to another: maps, cross-references, or both over a concept of the UMLS.

The best route that a code has is taken, and named in ``map_route``:

1. ``map``: a map reference set, MRMAP, the source codes of a UMLS concept; with groups, priorities and rules.
2. ``cross-reference``: of an OBO ontology, from the code or to it.
3. ``over C…``: two source codes of one UMLS concept.
4. ``broader or other meaning``: cross-references that say so, and maps turned round, which nobody made so.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from conceptmap.data.tables import read_table
from conceptmap.ontology.crosswalk import OTHER_MEANING
from conceptmap.ontology.ontology import Ontology

__all__ = ["ROUTED", "map_targets", "routes"]

ROUTED = pl.Schema(
    {
        "code": pl.String,
        "target_code": pl.String,
        "map_route": pl.String,
        "map_set": pl.String,
        "map_group": pl.Int64,
        "map_priority": pl.Int64,
        "map_rule": pl.String,
        "map_advice": pl.String,
        "map_category": pl.String,
    }
)
"""A map row on its route."""

_MAPS, _SOURCE = ("map", "reverse"), "source_code"
_HISTORY = (
    *("same_as", "replaced_by", "alternative", "possibly_equivalent_to", "possibly_replaced_by", "was_a"),
    *("partially_equivalent_to", "similar_to", "moved_to", "moved_from"),
)
_BEST = ("map", "cross-reference", "over the UMLS", "broader or other meaning")


def routes(codes: pl.Series, system: str, to: str, ontologies: Iterable[Ontology]) -> pl.DataFrame:
    """Returns the map rows of codes, those of the best route each: ``ROUTED``.

    Args:
        codes: of the system.
        system: that they are of.
        to: the system to map to, or the id of one map set.
        ontologies: whose maps count.
    """
    wanted = pl.DataFrame({"code": codes.unique(maintain_order=True)})
    parts = [part for ontology in ontologies for part in _parts(wanted, system, to, ontology)]
    found = pl.concat([pl.DataFrame(schema={"rank": pl.Int32, **ROUTED}), *parts])
    best = pl.col("rank") == pl.col("rank").min().over("code")
    kept = found.filter(best).drop("rank").unique(maintain_order=True)
    return kept.sort("code", "map_set", "map_group", "map_priority", nulls_last=True, maintain_order=True)


def map_targets(ontologies: Iterable[Ontology]) -> list[str]:
    """Systems, and sets of unknown ones, that some map leads to or from."""
    found: set[str] = set()
    for ontology in ontologies:
        maps = _maps_of(ontology)
        own = pl.coalesce("to", "map_set")
        found |= {name for name in maps.select(own.unique()).to_series() if name}
        found |= {name for name in maps["of"].unique() if name} if maps.height else set()
    return sorted(found)


def _parts(wanted: pl.DataFrame, system: str, to: str, ontology: Ontology) -> list[pl.DataFrame]:
    maps = _maps_of(ontology)
    leads = (pl.col("to") == to) | (pl.col("map_set") == to)
    relation = pl.col("relation")
    plain, other = relation.is_in(_MAPS), relation.is_in(OTHER_MEANING)
    direct = maps.filter((pl.col("of") == system) & leads).join(wanted, on="code", how="semi", maintain_order="left")
    turned = maps.filter((pl.col("of") == to) & (pl.col("to") == system))
    turned = turned.with_columns(code="target_code", target_code="code").with_columns(_without_rules())
    turned = turned.join(wanted, on="code", how="semi", maintain_order="left")
    known = plain | (relation == _SOURCE)
    return [
        _ranked(direct.filter(known), 0),
        _ranked(turned.filter(relation == _SOURCE), 0),
        _ranked(direct.filter(~known & ~other), 1),
        _ranked(turned.filter(~known & ~other), 1),
        *_over_concepts(maps, wanted, system, to),
        _ranked(direct.filter(other), 3),
        _ranked(turned.filter(other | plain), 3),
    ]


def _maps_of(ontology: Ontology) -> pl.DataFrame:
    """The maps with ``of`` and ``to``, the systems they join, and all columns of ``ROUTED`` but the route."""
    maps = ontology.maps if ontology.maps is not None else pl.DataFrame()
    categories = {row["category"]: row["name"] for row in read_table("map_categories")}
    sets = {row["set"]: row["system"] for row in read_table("map_sets")}
    names = {"source_system": "of", "target_system": "to", "mapCategoryId": "map_category"}
    maps = maps.rename({old: new for old, new in names.items() if old in maps.columns})
    texts = pl.Schema({"of": pl.String, "to": pl.String, "relation": pl.String})
    needed = dict(zip((*texts, *ROUTED), (*texts.values(), *ROUTED.values()), strict=True))
    lacking = [pl.lit(None, dtype=kind).alias(name) for name, kind in needed.items() if name not in maps.columns]
    maps = maps.with_columns(lacking).select(pl.col(name).cast(kind) for name, kind in needed.items())
    maps = maps.filter(~pl.col("relation").is_in(_HISTORY).fill_null(value=False))
    return maps.with_columns(
        of=pl.col("of").fill_null(ontology.system),
        to=pl.coalesce("to", pl.col("map_set").replace_strict(sets, default=None, return_dtype=pl.String)),
        relation=pl.col("relation").fill_null("map"),
        map_category=pl.col("map_category").replace_strict(
            categories, default=pl.col("map_category"), return_dtype=pl.String
        ),
    )


def _over_concepts(maps: pl.DataFrame, wanted: pl.DataFrame, system: str, to: str) -> list[pl.DataFrame]:
    """Rows over a concept of the UMLS that has source codes in both systems."""
    sources = maps.filter(pl.col("relation") == _SOURCE)
    start = sources.filter(pl.col("to") == system).select(cui="code", code="target_code")
    start = start.join(wanted, on="code", how="semi", maintain_order="left")
    ends = sources.filter(pl.col("to") == to).rename({"code": "cui"}).drop("map_route")
    found = start.join(ends, on="cui", maintain_order="left_right")
    return [_ranked(found.with_columns(map_route=pl.format("over {}", "cui")), 2)]


def _without_rules() -> list[pl.Expr]:
    names = ("map_group", "map_priority", "map_rule", "map_advice", "map_category")
    return [pl.lit(None, dtype=ROUTED[name]).alias(name) for name in names]


def _ranked(rows: pl.DataFrame, rank: int) -> pl.DataFrame:
    route = pl.coalesce("map_route", pl.lit(_BEST[rank]))
    return rows.with_columns(map_route=route).select(pl.lit(rank, dtype=pl.Int32).alias("rank"), *ROUTED)
