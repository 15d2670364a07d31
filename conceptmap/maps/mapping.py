"""READ FIRST in this room. Codes of one system as codes of another: codes → today's → map rows → rules → targets.

Every code comes out at least once, and every group of its map rows: with a target, or with the reason for none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from conceptmap.errors import InputError
from conceptmap.maps.asked import (
    NOW,
    ROW,
    checked,
    codes_of_today,
    findings_of,
    spelled,
    systems_of,
    with_people,
)
from conceptmap.maps.assess import Facts, assess, tried
from conceptmap.maps.routes import ROUTED, map_targets, routes
from conceptmap.maps.rules import read_rule
from conceptmap.ontology.ontology import Ontology

__all__ = ["MAPPED", "TRIED", "check_target", "map_codes", "trace_maps"]

MAPPED = pl.Schema(
    {
        "now_code": pl.String,
        "now_reason": pl.String,
        "to_system": pl.String,
        "to_code": pl.String,
        "to_name": pl.String,
        "map_status": pl.String,
        "map_missing": pl.String,
        "map_candidates": pl.String,
        "map_route": pl.String,
        "map_set": pl.String,
        "map_group": pl.Int64,
        "map_priority": pl.Int64,
        "map_rule": pl.String,
        "map_advice": pl.String,
        "map_category": pl.String,
    }
)
"""What is added to a row of codes. ``map_status`` is one of

- ``mapped``: ``to_code`` is the target;
- ``presumed``: it is, if findings that the note does not mention are absent and an undated onset was now;
- ``not assessable``: ``map_missing`` says what is not known, ``map_candidates`` what the target may be;
- ``no target``: a rule holds whose target is blank; ``map_category`` and ``map_advice`` say why;
- ``no rule holds``, ``no map``, ``retired`` (and nothing surely replaced it: ``map_candidates``), ``unknown code``;
- ``other meaning``: a cross-reference that is broader, narrower or related, or a map turned round.
"""
TRIED = pl.Schema(
    {
        "map_set": pl.String,
        "map_group": pl.Int64,
        "map_priority": pl.Int64,
        "map_rule": pl.String,
        "holds": pl.String,
        "why": pl.String,
        "target_code": pl.String,
        "map_advice": pl.String,
        "map_category": pl.String,
    }
)
"""A map row that was tried: ``holds`` is yes, no, not assessable, or not tried, as an earlier row held."""


def map_codes(
    codes: pl.DataFrame | Sequence[str],
    ontology: Ontology | Sequence[Ontology],
    *,
    to: str,
    patients: pl.DataFrame | None = None,
    findings: pl.DataFrame | None = None,
    targets: Ontology | None = None,
) -> pl.DataFrame:
    """Returns codes with those of another system, a row for each target; see ``MAPPED``.

    The rules of extended maps are evaluated with the age and sex of the patient and the findings of the note. What is
    not known is neither true nor false: the row then says what is missing. A retired code is mapped as its successor.

    Args:
        codes: column ``code`` and, where there are several, ``system``; rows of one ``note_id`` are one patient's.
            Of ``sex, age_years, birth_date, note_date, onset_age_years`` those that are known. Or codes alone.
        ontology: whose maps and cross-references lead there; one, or one for each system.
        to: system to map to, such as ``icd10cm``; or the id of a map reference set.
        patients: ``note_id`` and the columns above, where they are not in ``codes``.
        findings: ``note_id, code`` and, for what is denied, ``negated``: what notes say; by default their codes.
        targets: the ontology mapped to, for names.

    Raises:
        InputError: columns are missing, no code has a system, or no map leads there; the message says where to.
    """
    return _Mapping.of(codes, ontology, to, patients, findings).table(targets)


def trace_maps(
    codes: pl.DataFrame | Sequence[str],
    ontology: Ontology | Sequence[Ontology],
    *,
    to: str,
    patients: pl.DataFrame | None = None,
    findings: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Returns every map row that was tried for each row of ``codes``: its columns, then ``TRIED``.

    Args and errors as of `map_codes`.
    """
    return _Mapping.of(codes, ontology, to, patients, findings).trace()


@dataclass(frozen=True)
class _Mapping:
    """Codes with their codes of today, map rows and facts.

    Attributes:
        given: the rows as they came, with ``_row``.
        to: as asked.
        now: ``_row, system, person, note, now, reason, consider, known``: a row for each code of today.
        rows: ``ROUTED, system, row, group, order, static``: the last says that the first row of a group always holds.
        facts: by system.
    """

    given: pl.DataFrame
    to: str
    now: pl.DataFrame
    rows: pl.DataFrame
    facts: dict[str, Facts]

    @classmethod
    def of(
        cls,
        codes: pl.DataFrame | Sequence[str],
        ontology: Ontology | Sequence[Ontology],
        to: str,
        known: pl.DataFrame | None,
        findings: pl.DataFrame | None,
    ) -> _Mapping:
        ontologies = {one.system: one for one in ([ontology] if isinstance(ontology, Ontology) else ontology)}
        given = checked(codes).with_row_index(ROW)
        coded = given.with_columns(systems_of(given, ontologies)).filter(pl.col("code").is_not_null())
        check_target(ontologies.values(), to)
        coded, people = with_people(coded, known)
        said = findings_of(coded if findings is None else findings)
        parts, rows, facts = [], [], {}
        for system in coded["system"].drop_nulls().unique(maintain_order=True):
            own = ontologies.get(system)
            parts.append(codes_of_today(coded.filter(pl.col("system") == system), own))
            found = routes(parts[-1]["now"].drop_nulls(), system, to, ontologies.values())
            rows.append(found.with_columns(system=pl.lit(system)))
            theirs = said.filter(pl.col("system").is_null() | (pl.col("system") == system))
            facts[system] = Facts(people, spelled(theirs.drop("system"), own), own)
        return cls(given, to, pl.concat([pl.DataFrame(schema=NOW), *parts]), _grouped(rows), facts)

    def table(self, targets: Ontology | None) -> pl.DataFrame:
        """See `map_codes`."""
        cases = self.now.with_row_index("case")
        firsts = self.rows.unique("group", keep="first", maintain_order=True)
        plain = firsts.filter("static").with_columns(map_status=pl.lit("mapped"))
        settled = cases.select("case", "system", code="now").join(
            plain.select("system", "code", "row", "map_status"), on=["system", "code"], maintain_order="left_right"
        )
        open_ = self.rows.filter(~pl.col("static"))
        judged = [self._judged(cases, open_, system, facts) for system, facts in self.facts.items()]
        found = pl.concat([settled.select("case", "row", "map_status"), *judged], how="diagonal")
        found = found.join(self.rows.drop("code", "system", "group", "static", "order"), on="row", how="left")
        return self._as_rows(cases.join(found, on="case", how="left"), targets)

    def _judged(self, cases: pl.DataFrame, rows: pl.DataFrame, system: str, facts: Facts) -> pl.DataFrame:
        mine, theirs = rows.filter(pl.col("system") == system), cases.filter(pl.col("system") == system)
        theirs = theirs.join(mine.select(now="code").unique(), on="now", how="semi", maintain_order="left")
        theirs = theirs.select("case", "person", "note", code="now")
        found = assess(theirs, mine.select("code", "row", "group", "order", "map_rule", "target_code"), facts)
        where = mine.unique("group", keep="first").select("group", "map_set", "map_group", "map_route")
        return found.join(where, on="group", how="left").select(
            "case",
            "row",
            "map_status",
            "map_missing",
            "map_candidates",
            set="map_set",
            number="map_group",
            route="map_route",
        )

    def _as_rows(self, found: pl.DataFrame, targets: Ontology | None) -> pl.DataFrame:
        """Status and target of every case, in the order of the input."""
        found = found.with_columns(
            pl.lit(None, dtype=kind).alias(name)
            for name, kind in {"set": pl.String, "number": pl.Int64, "route": pl.String}.items()
            if name not in found.columns
        )
        blank = pl.col("target_code").fill_null("") == ""
        taken = pl.col("row").is_not_null()
        status = (
            pl.when(~pl.col("known"))
            .then(pl.lit("unknown code"))
            .when(pl.col("now").is_null())
            .then(pl.lit("retired"))
            .when(pl.col("map_status").is_null())
            .then(pl.lit("no map"))
            .when(taken & blank)
            .then(pl.lit("no target"))
            .when(taken & (pl.col("map_route") == "broader or other meaning"))
            .then(pl.lit("other meaning"))
            .otherwise("map_status")
        )
        answer = found.select(
            ROW,
            now_code="now",
            now_reason="reason",
            to_system=pl.lit(self.to),
            to_code=pl.when(~blank).then("target_code"),
            map_status=status,
            map_missing="map_missing",
            map_candidates=pl.coalesce("map_candidates", pl.when(pl.col("now").is_null()).then("consider")),
            map_route=pl.coalesce("map_route", "route"),
            map_set=pl.coalesce("map_set", "set"),
            map_group=pl.coalesce("map_group", "number"),
            **{name: name for name in ("map_priority", "map_rule", "map_advice", "map_category")},
        )
        answer = answer.with_columns(to_name=_names(answer["to_code"], targets)).select(ROW, *MAPPED)
        answer = answer.sort(ROW, "map_set", "map_group", nulls_last=True, maintain_order=True)
        kept = self.given.drop(*MAPPED, strict=False)
        return kept.join(answer, on=ROW, how="left", maintain_order="left_right").drop(ROW)

    def trace(self) -> pl.DataFrame:
        """See `trace_maps`."""
        cases = self.now.with_row_index("case").with_columns(code="now")
        parts = []
        for system, facts in self.facts.items():
            mine = self.rows.filter(pl.col("system") == system)
            theirs = cases.filter(pl.col("system") == system)
            wanted = ("code", "row", "group", "order", "map_rule", "target_code")
            parts.append(tried(theirs.select("case", "code", "person", "note"), mine.select(wanted), facts))
        found = pl.concat([part.select("case", "row", "truth", "value", "why", "unknown") for part in parts])
        reached = pl.col("truth") != 0
        holds = pl.when(pl.col("value") == 2).then(pl.lit("yes")).when(~reached).then(pl.lit("no"))
        held = holds.when(pl.col("value") == 0).then(pl.lit("not tried")).otherwise(pl.lit("not assessable"))
        found = found.join(self.rows, on="row", maintain_order="left").join(
            cases.select("case", ROW), on="case", maintain_order="left"
        )
        found = found.with_columns(holds=held, why=pl.coalesce("why", pl.col("unknown").list.join("; ")))
        found = found.sort(ROW, "case", "map_set", "order", nulls_last=True, maintain_order=True)
        kept = self.given.drop(*TRIED, strict=False)
        return kept.join(found.select(ROW, *TRIED), on=ROW, maintain_order="left_right").drop(ROW)


def check_target(ontologies: Iterable[Ontology], to: str) -> None:
    """Refuse a system, or a map set, that no map of the ontologies leads to or from.

    Raises:
        InputError: says where they lead.
    """
    given = list(ontologies)
    there = map_targets(given)
    sets = [one.maps["map_set"] for one in given if one.maps is not None and "map_set" in one.maps.columns]
    if to not in there and not any((found == to).any() for found in sets):
        raise InputError("no map leads there", got=to, expected=f"one of {', '.join(there)}" if there else "maps")


def _grouped(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Rows numbered, with their groups; rows that no group, priority or rule ties together are a group each."""
    rows = pl.concat([pl.DataFrame(schema={**ROUTED, "system": pl.String}), *parts]).with_row_index("row")
    tied = pl.any_horizontal(pl.col("map_group", "map_priority", "map_rule").is_not_null())
    key = ["system", "code", "map_set", "map_route", "map_group", "_alone"]
    rows = rows.with_columns(_alone=pl.when(~tied).then("row"))
    rows = rows.with_columns(group=pl.struct(key).rank("dense").cast(pl.UInt32), order=pl.col("row"))
    rules = rows["map_rule"].unique()
    kinds = {rule: read_rule(rule).kind for rule in rules}
    kind = pl.col("map_rule").replace_strict(kinds, return_dtype=pl.String)
    first = kind.first().over("group")
    alone = pl.len().over("group") == 1
    static = first.is_in(["always", "otherwise"]) | (alone & (first == "blank"))
    return rows.with_columns(static=static).drop("_alone")


def _names(codes: pl.Series, targets: Ontology | None) -> pl.Series:
    if targets is None:
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(codes))
    named = targets.concepts.select(code="code", name="name").unique("code", keep="first")
    return codes.to_frame("code").join(named, on="code", how="left", maintain_order="left")["name"]
