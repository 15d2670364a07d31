"""Several systems side by side: one table of what each says of a mention or a token, and whether they agree.

Two codes of different systems agree as far as the loaded releases say so: their maps and cross-references join codes
directly (SNOMED CT's map to ICD-10-CM) or over a third system (two sources of one UMLS concept). Where none says
anything of either code, agreement is not assessed: null, never "differ".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import polars as pl

from conceptmap.errors import InputError, UnknownCodeError
from conceptmap.index.index import ConceptIndex
from conceptmap.ontology.ontology import Ontology

__all__ = ["AGREEMENT", "Crosswalk", "agreement_column", "align"]

AGREEMENT = ("same", "near", "differ")
"""A map joins the two codes; or it joins one with a code above or below the other; or it leads elsewhere."""

_OTHER_MEANING = ("broadMatch", "narrowMatch", "relatedMatch", "closeMatch", "broad", "narrow", "related")
_LINKS = ("system", "code", "to_system", "to_code")
_NOTES_AT_ONCE = 500


@dataclass(frozen=True, eq=False)
class Crosswalk:
    """What the maps of several releases join.

    Attributes:
        ontologies: by system.
    """

    ontologies: dict[str, Ontology]

    @classmethod
    def of(cls, indexes: Iterable[ConceptIndex]) -> Crosswalk:
        """The crosswalk of the releases in some indexes."""
        return cls({index.system: index.ontology() for index in indexes})

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
                kept = kept.filter(~pl.col("relation").is_in(_OTHER_MEANING).fill_null(value=False))
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


def agreement_column(system: str, other: str) -> str:
    """Name of the column that says whether two systems agree.

    >>> agreement_column("icd10cm", "snomedct")
    'agreement_icd10cm_snomedct'
    """
    return f"agreement_{system}_{other}"


def align(found: pl.DataFrame, crosswalk: Crosswalk, systems: Sequence[str] | None = None) -> pl.DataFrame:
    """Returns a row per mention, or per token, with the best concept of each system beside the others'.

    A system that has no mention of just that span gives the one that overlaps it most, so that "type 2 diabetes" stands
    beside "diabetes"; the column ``<system>_mention_id`` says which.

    Args:
        found: a mention × rank a row (``frames.ANNOTATIONS``), or a token × rank a row (``frames.TAGS``).
        crosswalk: of the releases whose maps count.
        systems: in the order of the columns; by default those of the crosswalk.

    Returns:
        ``note_id``, ``mention_id`` or ``token_index``, ``start_char, end_char, text``, for each system ``<system>``
        (the code), ``<system>_name, <system>_score`` and, of mentions, ``<system>_mention_id``; then for each pair of
        systems ``agreement_<system>_<system>``: one of ``AGREEMENT``, null where it is not assessed.

    Raises:
        InputError: it is neither table, or a system is not in the crosswalk.
    """
    key = next((name for name in ("token_index", "mention_id") if name in found.columns), None)
    needed = ["note_id", "start_char", "end_char", "text", "rank", "system", "code", "name", "score"]
    if key is None or set(needed) - set(found.columns):
        raise InputError(
            "a table to align lacks columns", got=", ".join(found.columns[:20]), expected=", ".join(needed)
        )
    chosen = list(crosswalk.ontologies) if systems is None else list(systems)
    if unknown := [system for system in chosen if system not in crosswalk.ontologies]:
        got, expected = ", ".join(unknown), ", ".join(crosswalk.ontologies)
        raise InputError("systems to align that are not loaded", got=got, expected=expected)
    head = ["note_id", key, "start_char", "end_char", "text"]
    rows = found.select(head).unique(["note_id", key], maintain_order=True)
    order = ["note_id", "start_char", "end_char"]
    rows = rows.with_columns(pl.col("note_id").rle_id().alias("_note")).sort("_note", *order[1:], maintain_order=True)
    for system in chosen:
        best = found.filter((pl.col("system") == system) & (pl.col("rank") == 1) & pl.col("code").is_not_null())
        rows = _beside(rows, best, key, system)
    pairs = [
        crosswalk.agreement(rows, one, two).alias(agreement_column(one, two)) for one, two in combinations(chosen, 2)
    ]
    return rows.drop("_note").with_columns(pairs)


def _beside(rows: pl.DataFrame, best: pl.DataFrame, key: str, system: str) -> pl.DataFrame:
    """The rows with the best concept of one system."""
    columns = {"code": system, "name": f"{system}_name", "score": f"{system}_score"}
    if key == "token_index":
        cells = best.select("note_id", key, *columns).unique(["note_id", key], keep="first").rename(columns)
        return rows.join(cells, on=["note_id", key], how="left", maintain_order="left")
    cells = best.select("note_id", pl.col("mention_id").alias("_id"), pl.col("start_char").alias("_start"),
                        pl.col("end_char").alias("_end"), *columns)  # fmt: skip
    named = {**columns, "_id": f"{system}_mention_id"}
    notes = rows.with_columns(_part=pl.col("_note") // _NOTES_AT_ONCE).partition_by("_part", maintain_order=True)
    wanted = (
        pl.concat([_overlapping(part, cells) for part in notes or [rows]])
        .select("note_id", "mention_id", *named)
        .rename(named)
    )
    return rows.join(wanted, on=["note_id", "mention_id"], how="left", maintain_order="left")


def _overlapping(rows: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """For each row the cell that shares most characters with it, and of these the one with fewest others."""
    pairs = rows.select("note_id", "mention_id", "start_char", "end_char").join(cells, on="note_id")
    shared = pl.min_horizontal("end_char", "_end") - pl.max_horizontal("start_char", "_start")
    length = (pl.col("end_char") - pl.col("start_char")) + (pl.col("_end") - pl.col("_start"))
    near = pairs.with_columns(shared=shared, rest=length - 2 * shared).filter(pl.col("shared") > 0)
    near = near.sort("shared", "rest", "_start", descending=[True, False, False], maintain_order=True)
    return near.unique(["note_id", "mention_id"], keep="first", maintain_order=True)
