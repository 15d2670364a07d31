"""RxNorm as the National Library of Medicine publishes it: a zip or folder of RXNCONSO, RXNREL and RXNSTY in RRF.

Source: RxNorm Technical Documentation, sections 10 and 12. A concept's code is its RXCUI, its kind the term type of its
name (``IN`` ingredient, ``BN`` brand, ``SCD`` clinical drug, …). Ingredients stand above what is made of them and
generic drugs above their brands, so that roll-ups reach them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from conceptmap.errors import ReaderError
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.archive import Archive, Member, open_archive
from conceptmap.readers.cycles import edges_without_cycles
from conceptmap.readers.tables import ReadReport, TableLayout, read_table

__all__ = ["read_rxnorm"]

_COLUMNS = {
    "RXNCONSO": "RXCUI LAT TS LUI STT SUI ISPREF RXAUI SAUI SCUI SDUI SAB TTY CODE STR SRL SUPPRESS CVF",
    "RXNREL": "RXCUI1 RXAUI1 STYPE1 REL RXCUI2 RXAUI2 STYPE2 RELA RUI SRUI SAB SL DIR RG SUPPRESS CVF",
    "RXNSTY": "RXCUI TUI STN STY ATUI CVF",
}
_REQUIRED = {
    "RXNCONSO": ("RXCUI", "LAT", "SAB", "TTY", "STR", "SUPPRESS"),
    "RXNREL": ("REL", "SAB"),
    "RXNSTY": ("RXCUI", "STY"),
}
_TERM_TYPES = (
    "IN PIN MIN BN SCD SBD GPCK BPCK SCDC SBDC SCDF SCDFP SBDF SBDFP SCDG SCDGP SBDG DF DFG PSN SY TMSY ET".split()
)
"""The best name first."""
_SECOND_ABOVE, _FIRST_ABOVE = (
    ("inverse_isa", "ingredient_of", "has_tradename"),
    ("isa", "has_ingredient", "tradename_of"),
)
"""Values of RELA, which says what the *second* concept is to the first."""
_DAY = re.compile(r"(?<!\d)(\d{2})(\d{2})(20\d{2})(?!\d)")
_END = "end of row"


def read_rxnorm(
    source: str | Path | Archive,
    *,
    sabs: Sequence[str] = ("RXNORM",),
    suppress: Sequence[str] = ("N",),
    release: str | None = None,
    strict: bool = True,
    report: ReadReport | None = None,
) -> Ontology:
    """Returns the concepts of RxNorm that have a name.

    Args:
        source: zip or folder that holds ``RXNCONSO.RRF``; of several the one nearest to the top, not the prescribable
            subset.
        sabs: sources whose names count; RxNorm's own unless given.
        suppress: values of SUPPRESS to keep.
        release: version such as ``2025-01-06``; from the zip's or folder's name (``RxNorm_full_01062025``) unless
            given.
        strict: a malformed row is an error. Otherwise such rows are left out, counted and listed in ``report``.
        report: takes the rows of each file and what was left out.

    Raises:
        InputError: no such file.
        ReaderError: RXNCONSO is missing, or a file is unsafe or malformed; names file and line.
    """
    archive = source if isinstance(source, Archive) else open_archive(source)
    report = ReadReport() if report is None else report
    wanted = pl.col("SUPPRESS").is_in(list(suppress)) & pl.col("SAB").is_in(list(sabs))
    names = _read(archive, "RXNCONSO", wanted & (pl.col("LAT") == "ENG"), strict, report)
    if names is None or not names.height:
        got = "no RXNCONSO.RRF" if names is None else "no names"
        raise ReaderError(f"{archive.source.name} holds no RxNorm", got=got, expected=f"names of {', '.join(sabs)}")
    order = pl.col("TTY").replace_strict({tty: n for n, tty in enumerate(_TERM_TYPES)}, default=99)
    names = names.with_columns(order=order, number=pl.col("RXCUI").cast(pl.Int64, strict=False))
    names = names.sort("number", "RXCUI", "order", maintain_order=True)
    best = names.unique("RXCUI", keep="first", maintain_order=True).select("RXCUI", kind="TTY", name="STR")
    terms = names.unique(["RXCUI", "STR"], keep="first", maintain_order=True)
    first = pl.col("RXCUI") != pl.col("RXCUI").shift().fill_null("")
    return Ontology(
        system="rxnorm",
        release=release or _release(archive),
        concepts=_concepts(best, _read(archive, "RXNSTY", pl.lit(value=True), strict, report)),
        terms=terms.select(
            node="RXCUI",
            code="RXCUI",
            term="STR",
            kind=pl.when(first).then(pl.lit("preferred")).otherwise(pl.lit("synonym")),
        ),
        edges=_edges(best["RXCUI"], _read(archive, "RXNREL", wanted, strict, report), report),
    )


def _read(archive: Archive, table: str, wanted: pl.Expr, strict: bool, report: ReadReport) -> pl.DataFrame | None:
    """The wanted rows of a table; None where there is no such file."""
    found = [member for member in archive.members if member.name.upper() == f"{table}.RRF" and member.size]
    if not found:
        return None
    member = min(found, key=_depth)
    layout = TableLayout(
        separator="|", columns=(*_COLUMNS[table].split(), _END), required=_REQUIRED[table], has_header=False
    )
    return read_table(archive, member, layout, keep=lambda rows: rows.filter(wanted), strict=strict, report=report)


def _depth(member: Member) -> tuple[bool, int, str]:
    return "prescribe" in member.path.lower(), member.path.count("/"), member.path


def _release(archive: Archive) -> str:
    if found := _DAY.search(archive.source.resolve().as_posix()):
        return f"{found[3]}-{found[1]}-{found[2]}"
    then = "say which: --release 2025-01-06, or release= in Python"
    raise ReaderError(f"{archive.source.name} does not say which release it is", then=then)


def _concepts(best: pl.DataFrame, types: pl.DataFrame | None) -> pl.DataFrame:
    if types is None:
        typed = best.with_columns(STY=pl.lit(None, pl.String), TUI=pl.lit(None, pl.String))
    else:
        joined = types.sort("TUI").group_by("RXCUI", maintain_order=True).agg(pl.col("STY", "TUI").str.join("; "))
        typed = best.join(joined, on="RXCUI", how="left", maintain_order="left")
    return typed.select(
        node="RXCUI",
        code="RXCUI",
        kind="kind",
        name="name",
        active=pl.lit(value=True),
        billable=pl.lit(None, dtype=pl.Boolean),
        semantic_tag="STY",
        tui="TUI",
    )


def _edges(codes: pl.Series, relations: pl.DataFrame | None, report: ReadReport) -> pl.DataFrame:
    """Parent→child between concepts that are kept, none twice, without cycles."""
    schema = {"parent": pl.String, "child": pl.String}
    if relations is None:
        return pl.DataFrame(schema=schema)
    second = pl.col("RELA").is_in(_SECOND_ABOVE)
    rows = relations.filter(second | pl.col("RELA").is_in(_FIRST_ABOVE)).drop_nulls(["RXCUI1", "RXCUI2"])
    edges = rows.select(
        parent=pl.when(second).then("RXCUI2").otherwise("RXCUI1"),
        child=pl.when(second).then("RXCUI1").otherwise("RXCUI2"),
    ).unique(maintain_order=True)
    place = pl.DataFrame({"code": codes}).with_row_index("at")
    for side in ("parent", "child"):
        edges = edges.join(place.rename({"code": side, "at": f"{side}_at"}), on=side, maintain_order="left")
    ends = (edges[f"{side}_at"].cast(pl.Int64).to_numpy() for side in ("parent", "child"))
    stays = edges_without_cycles(len(codes), *ends) if edges.height else np.ones(0, dtype=np.bool_)
    report.leave_out("RXNREL edges that close a cycle or lead back to their own concept", int((~stays).sum()))
    return edges.filter(pl.Series(stays)).select("parent", "child")
