"""The table ``mapped``: the codes of a run as codes of another system, map rules tried on each note's patient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from conceptmap.frames import CODES
from conceptmap.maps.mapping import MAPPED, check_target, map_codes

if TYPE_CHECKING:
    from conceptmap.mapper import Results
    from conceptmap.ontology.ontology import Ontology

__all__ = ["MAPPED_CODES", "CodeMap"]

_KEPT = ("note_id", "system", "code", "name", "role")
MAPPED_CODES = pl.Schema({**{name: CODES[name] for name in _KEPT}, **MAPPED})
"""A row per note × code × target."""


@dataclass(frozen=True)
class CodeMap:
    """Where the codes of a run are mapped to.

    Attributes:
        ontologies: of the indexes, one a system.
        to: system to map to, or the id of a map set.
    """

    ontologies: tuple[Ontology, ...]
    to: str

    @classmethod
    def between(cls, ontologies: Iterable[Ontology], to: str) -> CodeMap:
        """Find the maps.

        Raises:
            InputError: none leads there.
        """
        found = tuple(ontologies)
        check_target(found, to)
        return cls(found, to)

    def rows(self, notes: pl.DataFrame, results: Results) -> pl.DataFrame:
        """The rows of some notes: ``MAPPED_CODES``.

        Args:
            notes: note_id and, where known, sex and age_years, or birth_date and note_date.
            results: codes, and mentions, which are the findings that rules ask for.
        """
        said = results.mentions.filter((pl.col("rank") == 1) & (pl.col("subject").fill_null("patient") == "patient"))
        sure = (pl.col("certainty").fill_null("certain") == "certain") & (pl.col("temporality") != "hypothetical")
        findings = said.filter(sure.fill_null(value=True)).select("note_id", "system", "code", "negated")
        codes = results.codes.filter(pl.col("system") != self.to).select(_KEPT)
        own = {one.system: one for one in self.ontologies}
        mapped = map_codes(
            codes, self.ontologies, to=self.to, patients=notes, findings=findings, targets=own.get(self.to)
        )
        return mapped.select(MAPPED_CODES.names())
