"""Crosswalk: what the maps and cross-references of several releases join, and whether two codes agree.

Two codes of different systems agree as far as the loaded releases say so: their maps and cross-references join codes
directly (SNOMED CT's map to ICD-10-CM) or over a third system (two sources of one UMLS concept). Where none says
anything of either code, agreement is not assessed: null, never "differ".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from conceptmap.errors import UnknownCodeError
from conceptmap.ontology.ontology import Ontology

__all__ = ["AGREEMENT", "OTHER_MEANING", "Crosswalk"]

AGREEMENT = ("same", "near", "differ")
"""A map joins the two codes; or it joins one with a code above or below the other; or it leads elsewhere."""

OTHER_MEANING = ("broadMatch", "narrowMatch", "relatedMatch", "closeMatch", "broad", "narrow", "related")
"""Relations that do not say that two codes mean the same."""
_LINKS = ("system", "code", "to_system", "to_code")


@dataclass(frozen=True, eq=False)
class Crosswalk:
    """What the maps of several releases join.

    Attributes:
        ontologies: by system.
    """

    ontologies: dict[str, Ontology]

    @classmethod
    def of(cls, ontologies: Iterable[Ontology]) -> Crosswalk:
        """The crosswalk of some releases, one a system."""
        return cls({ontology.system: ontology for ontology in ontologies})

    @cached_property
    def links(self) -> pl.DataFrame:
        """``system, code, to_system, to_code``, each link in both directions."""
        frames = [pl.DataFrame(schema=dict.fromkeys(_LINKS, pl.String))]
        for system, ontology in self.ontologies.items():
            if ontology.maps is None:
                continue
            given = pl.col("source_system") if "source_system" in ontology.maps.columns else pl.lit(None)
            kept = ontology.maps
            if "relation" in kept.columns:
                kept = kept.filter(~pl.col("relation").is_in(OTHER_MEANING).fill_null(value=False))
            links = kept.select(
                system=pl.coalesce(given, pl.lit(system)),
                code="code",
                to_system="target_system",
                to_code=pl.col("target_code").str.strip_chars_end("?"),  # a 7th character that is still to be chosen
            )
            links = links.drop_nulls().filter((pl.col("system") != pl.col("to_system")) & (pl.col("to_code") != ""))
            turned = links.select(system="to_system", code="to_code", to_system="system", to_code="code")
            frames += [links, turned]
        return pl.concat(frames)

    def joined(self, codes: Iterable[str], system: str, to_system: str) -> dict[str, frozenset[str]]:
        """Returns the codes of another system that each code is joined with, directly or over one third code."""
        start = self.links.filter((pl.col("system") == system) & pl.col("code").is_in(list(set(codes))))
        onward = self.links.filter(pl.col("to_system") == to_system)
        keys = ["to_system", "to_code"]
        third = start.filter(~pl.col("to_system").is_in([system, to_system])).select("code", *keys)
        second = third.join(onward.rename({"to_code": "end"}), left_on=keys, right_on=["system", "code"], how="inner")
        direct = start.filter(pl.col("to_system") == to_system).select("code", end="to_code")
        found = pl.concat([direct, second.select("code", "end")]).group_by("code").agg(pl.col("end").unique())
        return {code: frozenset(ends) for code, ends in found.iter_rows()}

    def agreement(self, pairs: pl.DataFrame, system: str, other: str) -> pl.Series:
        """Returns one of ``AGREEMENT`` for each pair of codes, null where it cannot be assessed.

        Args:
            pairs: columns named by the two systems, codes; null where a system has none.
            system: the one.
            other: the other.
        """
        distinct = pairs.select(system, other).drop_nulls().unique(maintain_order=True)
        there = self.joined(distinct[system], system, other)
        back = self.joined(distinct[other], other, system)
        none: frozenset[str] = frozenset()
        said = [
            self._said((one, there.get(one, none), system), (two, back.get(two, none), other))
            for one, two in distinct.iter_rows()
        ]
        told = distinct.with_columns(pl.Series("said", said, dtype=pl.String))
        return pairs.select(system, other).join(told, on=[system, other], how="left", maintain_order="left")["said"]

    def _said(self, one: tuple[str, frozenset[str], str], two: tuple[str, frozenset[str], str]) -> str | None:
        (code, there, system), (other_code, back, other) = one, two
        if other_code in there:
            return "same"
        if any(self._near(other, other_code, target) for target in there):
            return "near"
        if any(self._near(system, code, target) for target in back):
            return "near"
        return "differ" if there or back else None

    def _near(self, system: str, code: str, other: str) -> bool:
        """Whether one subsumes the other, and is no root of the hierarchy, under which everything lies."""
        ontology = self.ontologies[system]
        try:
            above = ontology.is_a(code, other), other
            below = ontology.is_a(other, code), code
        except UnknownCodeError:
            return False
        return any(holds and bool(ontology.parents(upper)) for holds, upper in (above, below))
