"""What is asked of a mapping: codes with the patients they are of, what their notes say, and their codes of today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from conceptmap.errors import InputError, said_columns
from conceptmap.maps.patients import KNOWN, patients
from conceptmap.ontology.history import today
from conceptmap.ontology.ontology import Ontology

__all__ = ["NOW", "ROW", "checked", "codes_of_today", "findings_of", "spelled", "systems_of", "with_people"]

ROW = "_row"
NOW = pl.Schema(
    {
        ROW: pl.UInt32,
        "system": pl.String,
        "person": pl.UInt32,
        "note": pl.String,
        "now": pl.String,
        "reason": pl.String,
        "consider": pl.String,
        "known": pl.Boolean,
    }
)
"""What a code means today, a row for each such code; ``person`` and ``note`` are of the patient."""


def checked(codes: pl.DataFrame | Sequence[str]) -> pl.DataFrame:
    """The codes as a frame with a column ``code`` of texts.

    Raises:
        InputError: one string for several, or no such column.
    """
    if isinstance(codes, str):
        raise InputError("codes must be a sequence", got=repr(codes), expected=f"[{codes!r}]")
    frame = (
        codes if isinstance(codes, pl.DataFrame) else pl.DataFrame({"code": list(codes)}, schema={"code": pl.String})
    )
    if "code" not in frame.columns:
        raise InputError("codes lack a column", got=said_columns(frame.columns), expected="code")
    return frame.with_columns(pl.col("code").cast(pl.String)).drop(ROW, strict=False)


def systems_of(given: pl.DataFrame, ontologies: Mapping[str, Ontology]) -> pl.Series:
    """The system of each row; of the only ontology where no column says it.

    Raises:
        InputError: neither is there.
    """
    if "system" in given.columns:
        return given["system"]
    if len(ontologies) != 1:
        raise InputError("of which system are the codes?", got=", ".join(ontologies), expected="a column system")
    return pl.Series("system", [next(iter(ontologies))]).new_from_index(0, given.height)


def with_people(coded: pl.DataFrame, known: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows with ``person`` and ``note``, and what is known of each person: rows that say the same are one."""
    note = pl.col("note_id").cast(pl.String) if "note_id" in coded.columns else pl.lit(None, dtype=pl.String)
    rows = coded.with_columns(note=note)
    if known is not None:
        more = known.select(pl.col("note_id").cast(pl.String).alias("note"), pl.col(*_known_in(known)))
        rows = rows.drop(_known_in(known), strict=False)
        rows = rows.join(more.unique("note", keep="first"), on="note", how="left", maintain_order="left")
    names = _known_in(rows)
    if not names:
        return rows.with_columns(person=pl.lit(0, dtype=pl.UInt32)), _people(pl.DataFrame({"sex": [None]}))
    rows = rows.with_columns(pl.col(names).cast(pl.String))
    distinct = rows.select(names).unique(maintain_order=True).with_row_index("person")
    rows = rows.join(distinct, on=names, how="left", nulls_equal=True, maintain_order="left")
    return rows, _people(distinct.drop("person"))


def _people(frame: pl.DataFrame) -> pl.DataFrame:
    return patients(frame).with_row_index("person")


def _known_in(frame: pl.DataFrame) -> list[str]:
    return [name for name in KNOWN if name in frame.columns]


def findings_of(found: pl.DataFrame) -> pl.DataFrame:
    """``note, code, denied, system`` of notes that are named."""
    if "note_id" not in found.columns:
        return pl.DataFrame(schema={"note": pl.String, "code": pl.String, "denied": pl.Boolean, "system": pl.String})
    denied = pl.col("negated").cast(pl.Boolean) if "negated" in found.columns else pl.lit(None, dtype=pl.Boolean)
    system = pl.col("system") if "system" in found.columns else pl.lit(None, dtype=pl.String)
    rows = found.select(
        note=pl.col("note_id").cast(pl.String),
        code=pl.col("code").cast(pl.String),
        denied=denied.fill_null(value=False),
        system=system,
    )
    return rows.drop_nulls(["note", "code"]).unique(maintain_order=True)


# -- codes of today and their rows ------------------------------------------------------------------------------------


def codes_of_today(coded: pl.DataFrame, ontology: Ontology | None) -> pl.DataFrame:
    """What the codes of one system mean today: ``NOW``; without an ontology each is taken as it is."""
    rows = coded.select(ROW, "system", "person", "note", "code")
    written = rows["code"].drop_nulls().unique(maintain_order=True)
    if ontology is None:
        found = pl.DataFrame({"code": written, "now": written}).with_columns(_nulls("reason", "consider"))
    else:
        nodes = _nodes(written, ontology)
        told = today(nodes.drop_nulls().unique(maintain_order=True), ontology).rename({"code": "node"})
        found = pl.DataFrame({"code": written, "node": nodes}).join(told, on="node", maintain_order="left").drop("node")
    found = found.with_columns(known=pl.lit(value=True))
    rows = rows.join(found, on="code", how="left", maintain_order="left").drop("code")
    return rows.with_columns(pl.col("known").fill_null(value=False)).select(*NOW)


def _nodes(written: pl.Series, ontology: Ontology) -> pl.Series:
    """The node of each code, null where there is none; most are written as they should be."""
    rows = ontology.rows_of(written)
    missing = written.filter(rows.is_null())
    spelled = {code: ontology.find(code) for code in missing}
    return pl.select(
        pl.when(rows.is_not_null())
        .then(written)
        .otherwise(written.replace_strict(spelled, default=None, return_dtype=pl.String))
    ).to_series()


def spelled(said: pl.DataFrame, ontology: Ontology | None) -> pl.DataFrame:
    """Findings as the ontology writes them; those that it does not hold say nothing."""
    if ontology is None:
        return said
    written = said["code"].unique(maintain_order=True)
    nodes = pl.DataFrame({"code": written, "node": _nodes(written, ontology)})
    return said.join(nodes, on="code", maintain_order="left").select("note", "denied", code="node").drop_nulls("code")


def _nulls(*names: str) -> list[pl.Expr]:
    return [pl.lit(None, dtype=pl.String).alias(name) for name in names]
