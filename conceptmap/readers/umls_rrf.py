"""The UMLS Metathesaurus in Rich Release Format: a ``META`` folder or a zip of it, whole or some of its sources.

Source: UMLS Reference Manual, chapter 3, "Metathesaurus - Rich Release Format"; the NCI Metathesaurus comes in the same
files, with concepts of its own (``CL448395``). A concept's code is its CUI; the codes
that its sources give it are maps. Files that are not there are done without, MRCONSO excepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from conceptmap.errors import InputError, ReaderError
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.archive import Archive, Member, open_archive, whole
from conceptmap.readers.cycles import edges_without_cycles
from conceptmap.readers.maps import MAPS, SOURCES, mrmap_frame
from conceptmap.readers.rrf.cuis import NUMBERS, code_of, is_id, number_of
from conceptmap.readers.tables import Check, ReadReport, TableLayout, broken_off, read_table
from conceptmap.readers.umls_history import TABLES, retired_cuis

__all__ = ["read_rrf"]

Hierarchy = Literal["auto", "MRREL", "MRHIER", "none"]

_COLUMNS = {
    "MRCONSO": "CUI LAT TS LUI STT SUI ISPREF AUI SAUI SCUI SDUI SAB TTY CODE STR SRL SUPPRESS CVF",
    "MRDEF": "CUI AUI ATUI SATUI SAB DEF SUPPRESS CVF",
    "MRHIER": "CUI AUI CXN PAUI SAB RELA PTR HCD CVF",
    "MRMAP": "MAPSETCUI MAPSETSAB MAPSUBSETID MAPRANK MAPID MAPSID FROMID FROMSID FROMEXPR FROMTYPE FROMRULE FROMRES "
    "REL RELA TOID TOSID TOEXPR TOTYPE TORULE TORES MAPRULE MAPRES MAPTYPE MAPATN MAPATV CVF",
    "MRRANK": "RANK SAB TTY SUPPRESS",
    "MRREL": "CUI1 AUI1 STYPE1 REL CUI2 AUI2 STYPE2 RELA RUI SRUI SAB SL RG DIR SUPPRESS CVF",
    "MRSTY": "CUI TUI STN STY ATUI CVF",
    **TABLES,
}
_REQUIRED = {
    "MRCUI": ("CUI1", "REL"),
    "DELETEDCUI": ("PCUI",),
    "MERGEDCUI": ("PCUI", "CUI"),
    "MRCONSO": ("CUI", "LAT", "AUI", "SAB", "STR", "SUPPRESS"),
    "MRDEF": ("CUI", "SAB", "DEF"),
    "MRHIER": ("CUI", "AUI", "SAB"),
    "MRMAP": ("MAPSETCUI",),
    "MRRANK": ("RANK", "SAB", "TTY"),
    "MRREL": ("REL", "SAB"),
    "MRSTY": ("CUI", "STY"),
}
_NUMBERS = {"RANK": pl.Int64, "MAPRANK": pl.Int64}
_RELEASE = re.compile(r"(?<!\d)((?:19|20)\d\d[A-C][A-C])(?![A-Za-z0-9])")
_FIRST = (pl.col("cui") != pl.col("cui").shift()).fill_null(True)  # the first row of a concept where they are together
_END = "end of row"  # what follows the last pipe: nothing
_CHECKS: dict[str, Check] = {"text after the last field": lambda frame: frame[_END].is_null().to_numpy()}
_SOURCE = re.compile(r"[A-Z][A-Z0-9_.-]{1,39}")
_NEVER_EMPTY = ("MRREL", "MRHIER", "MRMAP")
"""A hierarchy or maps of 0 bytes would be missed by nobody before it matters."""
_IDS = ("CUI", "CUI1", "CUI2", "PCUI", "AUI", "PAUI")


def read_rrf(
    source: str | Path | Archive,
    *,
    sabs: Sequence[str] | None = None,
    languages: Sequence[str] | None = ("ENG",),
    suppress: Sequence[str] = ("N",),
    hierarchy: Hierarchy = "auto",
    release: str | None = None,
    strict: bool = True,
    report: ReadReport | None = None,
) -> Ontology:
    """Returns the Metathesaurus, or some of its sources, with a concept for every CUI that keeps a name.

    Of a concept's names the one that MRRANK ranks highest is preferred, by TS, STT and ISPREF where ranks tie or there
    is no MRRANK. ``semantic_tag`` and ``tui`` hold its semantic types. An edge of the hierarchy joins two CUIs whose
    atoms a source calls parent and child; edges that would close a cycle are left out by the rule of
    :func:`~conceptmap.readers.cycles.edges_without_cycles` and counted.

    Args:
        source: zip or folder that holds ``MRCONSO.RRF``.
        sabs: abbreviations of the sources to keep, such as ``SNOMEDCT_US``; all unless given. Names, definitions,
            hierarchy and source codes come from these alone.
        languages: values of LAT to keep; None for all.
        suppress: values of SUPPRESS to keep: ``N`` not suppressible, ``O`` obsolete, ``E`` and ``Y`` by an editor.
        hierarchy: the file that gives it; ``auto`` takes MRREL, or MRHIER where there is no MRREL.
        release: version such as ``2025AA``; from ``release.dat``, MRDOC or the path unless given.
        strict: a malformed row is an error. Otherwise such rows are left out, counted and listed in ``report``.
        report: takes the rows of each file and what was left out.

    Raises:
        InputError: no such file, or a source or language without a row.
        ReaderError: MRCONSO is missing, or a file is unsafe or malformed; names file and line.
    """
    archive = source if isinstance(source, Archive) else open_archive(source)
    report = ReadReport() if report is None else report
    meta = _Meta(archive, None if sabs is None else tuple(sabs), tuple(suppress), strict, report)
    version = release or _release(archive)
    atoms = _atoms(meta, None if languages is None else tuple(languages))
    names = atoms.filter(_FIRST).select("cui", name="STR")
    numbers = names.select("cui")
    maps = [_source_codes(atoms), mrmap_frame(meta.read("MRMAP").drop(_END), names.select(code_of("cui"), "name"))]
    terms = _terms(atoms)
    del atoms
    return Ontology(
        system="umls",
        release=version,
        concepts=_with_retired(meta, _concepts(meta, names)),
        terms=terms,
        edges=_edges(meta, numbers, hierarchy),
        maps=pl.concat([pl.DataFrame(schema=MAPS), *maps], how="diagonal"),
        remarks=_definitions(meta, numbers),
    )


@dataclass(frozen=True)
class _Meta:
    """The files of a META folder and which of their rows count."""

    archive: Archive
    sabs: tuple[str, ...] | None
    suppress: tuple[str, ...]
    strict: bool
    report: ReadReport

    def has(self, table: str) -> bool:
        return self.archive.named(f"{table}.RRF") is not None

    def read(self, table: str, keep: Callable[[pl.DataFrame], pl.DataFrame] | None = None) -> pl.DataFrame:
        """A table whose rows ``keep`` has filtered; a file that is not there has no rows."""
        columns = tuple(_COLUMNS[table].split())
        layout = TableLayout(
            separator="|",
            columns=(*columns, _END),
            types={column: _NUMBERS[column] for column in columns if column in _NUMBERS},
            required=_REQUIRED[table],
            checks=_CHECKS
            | {f"{column} is no identifier of its kind": is_id(column) for column in columns if column in _IDS},
            has_header=False,
        )
        member = self.archive.named(f"{table}.RRF")
        if member is None:
            self.refuse_broken(table)
            empty = pl.DataFrame(schema=layout.schema)
            return empty if keep is None else keep(empty)
        return read_table(self.archive, member, layout, keep=keep, strict=self.strict, report=self.report)

    def refuse_broken(self, table: str) -> None:
        """Refuse a table of 0 bytes, where that is no absence."""
        if table in _NEVER_EMPTY and self.archive.empty(f"{table}.RRF"):
            broken_off(Member(f"{table}.RRF", 0), strict=self.strict, report=self.report)

    @property
    def counts(self) -> pl.Expr:
        """Whether a row is of a wanted source and not suppressed."""
        wanted = pl.col("SUPPRESS").is_in(self.suppress)
        return wanted if self.sabs is None else wanted & pl.col("SAB").is_in(self.sabs)


def _release(archive: Archive) -> str:
    if member := archive.named("release.dat"):
        text = whole(archive, member).decode("utf-8", "replace")
        if found := re.search(r"^umls\.release\.name\s*=\s*(\S+)", text, re.MULTILINE):
            return found[1]
    if member := archive.named("MRDOC.RRF"):
        text = whole(archive, member).decode("utf-8", "replace")
        if found := re.search(r"^RELEASE\|umls\.release\.name\|[^|]*\|([^|]+)\|", text, re.MULTILINE):
            return found[1]
    member = archive.named("MRCONSO.RRF")
    inside = member.path if member else ""
    if found := _RELEASE.search(f"{archive.source.resolve().as_posix()}/{inside}"):
        return found[1]
    then = "say which: --release 2025AA, or release= in Python; or name the folder so"
    raise ReaderError(f"{archive.source.name} does not say which release it is", expected="release.dat", then=then)


# -- names ------------------------------------------------------------------------------------------------------------


def _atoms(meta: _Meta, languages: tuple[str, ...] | None) -> pl.DataFrame:
    """``cui, STR, SAB, CODE`` of the wanted atoms, those of a concept together, the best name first."""
    if not meta.has("MRCONSO"):
        raise _no_mrconso(meta.archive)
    ranks = meta.read("MRRANK").select("SAB", "TTY", "SUPPRESS", rank=pl.col("RANK").cast(pl.Int32))
    seen: set[tuple[str, str]] = set()

    def keep(rows: pl.DataFrame) -> pl.DataFrame:
        seen.update(rows.select("SAB", "LAT").unique().iter_rows())
        wanted = meta.counts if languages is None else meta.counts & pl.col("LAT").is_in(languages)
        rows = rows.filter(wanted).with_columns(pl.col("STR").str.strip_chars())
        worded = rows.filter(pl.col("STR") != "")
        meta.report.leave_out("names of white space alone", rows.height - worded.height)
        rows = worded.join(ranks, on=["SAB", "TTY", "SUPPRESS"], how="left", maintain_order="left")
        default = (pl.col("TS") == "P") * 4 + (pl.col("STT") == "PF") * 2 + (pl.col("ISPREF") == "Y").cast(pl.Int32)
        score = pl.col("rank").fill_null(0) * 8 + default.cast(pl.Int32)
        return rows.select("STR", "SAB", "CODE", cui=number_of("CUI"), score=score)

    atoms = meta.read("MRCONSO", keep)
    _check_wanted(meta.sabs, {sab for sab, _ in seen}, "source (SAB)")
    _check_wanted(languages, {language for _, language in seen}, "language (LAT)")
    if not atoms.height:
        raise ReaderError("no names are left", expected="rows of MRCONSO.RRF with the wanted SAB, LAT and SUPPRESS")
    return atoms.sort("cui", "score", descending=[False, True], maintain_order=True).drop("score")


def _no_mrconso(archive: Archive) -> ReaderError:
    if any(member.name.endswith(".nlm") for member in archive.members):
        got, then = (
            "*.nlm",
            "run MetamorphoSys on it, or download the Metathesaurus full subset, which needs no installing",
        )
    else:
        got, then = f"{len(archive.members)} other files", "give the folder META, or the zip that holds it"
    return ReaderError(f"{archive.source.name} holds no MRCONSO.RRF", got=got, then=then)


def _check_wanted(wanted: tuple[str, ...] | None, seen: set[str], what: str) -> None:
    if wanted is not None and (missing := [name for name in wanted if name not in seen]):
        names = ", ".join(sorted(name for name in seen if _SOURCE.fullmatch(name)))
        raise InputError(f"MRCONSO.RRF has no such {what}", got=", ".join(missing), expected=f"of {names}")


def _terms(atoms: pl.DataFrame) -> pl.DataFrame:
    """Every name of a concept once, the preferred one first."""
    terms = atoms.select("cui", "STR").unique(["cui", "STR"], keep="first", maintain_order=True)
    kind = pl.when(_FIRST).then(pl.lit("preferred")).otherwise(pl.lit("synonym"))
    code = code_of("cui")
    return terms.select(node=code, code=code, term="STR", kind=kind)


def _concepts(meta: _Meta, names: pl.DataFrame) -> pl.DataFrame:
    frame = names.join(_semantic_types(meta, names), on="cui", how="left", maintain_order="left")
    return frame.select(
        node=code_of("cui"),
        code=code_of("cui"),
        kind=pl.lit("concept"),
        name="name",
        active=pl.lit(True),
        billable=pl.lit(None, dtype=pl.Boolean),
        semantic_tag="STY",
        tui="TUI",
    )


def _with_retired(meta: _Meta, concepts: pl.DataFrame) -> pl.DataFrame:
    """The concepts and, inactive, the CUIs that the release has retired."""
    retired = retired_cuis(meta.read, concepts["code"])
    return pl.concat([concepts, retired], how="diagonal") if retired.height else concepts


def _semantic_types(meta: _Meta, names: pl.DataFrame) -> pl.DataFrame:
    """``cui, STY, TUI``, several types of a concept joined by semicolons (few have several, and joining is slow)."""
    types = meta.read("MRSTY", lambda rows: rows.select("TUI", "STY", cui=number_of("CUI")))
    types = types.join(names, on="cui", how="semi").sort("cui", "TUI").select("cui", "STY", "TUI")
    several = types["cui"].is_duplicated()
    joined = types.filter(several).group_by("cui", maintain_order=True).agg(pl.col("STY", "TUI").str.join("; "))
    return pl.concat([types.filter(~several), joined])


def _source_codes(atoms: pl.DataFrame) -> pl.DataFrame:
    """The codes that sources give to concepts, as maps from the CUI."""
    codes = (
        atoms.select("cui", "SAB", "CODE").drop_nulls().filter(pl.col("CODE") != "NOCODE").unique(maintain_order=True)
    )
    return codes.select(
        code=code_of("cui"),
        target_system=pl.col("SAB").replace_strict(SOURCES, default=pl.col("SAB").str.to_lowercase()),
        target_code="CODE",
        relation=pl.lit("source_code"),
        map_set="SAB",
        source_system=pl.lit("umls"),
    )


def _definitions(meta: _Meta, numbers: pl.DataFrame) -> pl.DataFrame:
    rows = meta.read("MRDEF", lambda rows: rows.filter(meta.counts).select("DEF", cui=number_of("CUI")))
    rows = rows.join(numbers, on="cui", how="semi").unique(maintain_order=True).sort("cui", maintain_order=True)
    return rows.select(node=code_of("cui"), code=code_of("cui"), kind=pl.lit("definition"), text="DEF")


# -- hierarchy --------------------------------------------------------------------------------------------------------


def _edges(meta: _Meta, numbers: pl.DataFrame, hierarchy: Hierarchy) -> pl.DataFrame:
    """Parent→child between concepts that are kept, none twice, without cycles."""
    if hierarchy == "auto":
        meta.refuse_broken("MRREL")
    table = ("MRREL" if meta.has("MRREL") else "MRHIER") if hierarchy == "auto" else hierarchy
    if hierarchy not in ("auto", "none") and not meta.has(table):
        raise ReaderError(f"{meta.archive.source.name} holds no {table}.RRF", expected="it, as --hierarchy asks for it")
    if table == "none":
        return pl.DataFrame(schema={"parent": pl.String, "child": pl.String})
    edges = (_related(meta) if table == "MRREL" else _contexts(meta)).unique(maintain_order=True).to_numpy()
    cuis = numbers["cui"].to_numpy()
    place = np.full(NUMBERS, -1, dtype=np.int32)
    place[cuis] = np.arange(len(cuis))
    parents, children = place[edges // NUMBERS].astype(np.int64), place[edges % NUMBERS].astype(np.int64)
    kept = (parents >= 0) & (children >= 0)
    parents, children = parents[kept], children[kept]
    stays = edges_without_cycles(len(cuis), parents, children)
    meta.report.leave_out(f"{table} edges that close a cycle or lead back to their own concept", int((~stays).sum()))
    codes = numbers.select(code_of("cui"))["code"]
    return pl.DataFrame({"parent": codes.gather(parents[stays]), "child": codes.gather(children[stays])})


def _edge(parent: pl.Expr, child: pl.Expr) -> pl.Expr:
    """Both numbers in one, which is told apart from others much faster than two are."""
    return (parent.cast(pl.Int64) * NUMBERS + child).alias("edge")


def _related(meta: _Meta) -> pl.Series:
    """Edges out of MRREL, where REL says what the *second* concept is to the first."""

    def keep(rows: pl.DataFrame) -> pl.DataFrame:
        rows = rows.filter(pl.col("REL").is_in(["PAR", "CHD"]) & meta.counts).drop_nulls(["CUI1", "CUI2"])
        second_above = pl.col("REL") == "PAR"
        first, second = number_of("CUI1"), number_of("CUI2")
        parent = pl.when(second_above).then(second).otherwise(first)
        child = pl.when(second_above).then(first).otherwise(second)
        return rows.select(_edge(parent, child)).unique(maintain_order=True)

    return meta.read("MRREL", keep)["edge"]


def _contexts(meta: _Meta) -> pl.Series:
    """Edges out of MRHIER, whose rows name the parent as an atom."""
    wanted = pl.lit(True) if meta.sabs is None else pl.col("SAB").is_in(meta.sabs)

    def keep(rows: pl.DataFrame) -> pl.DataFrame:
        rows = rows.filter(wanted).drop_nulls("PAUI")
        return rows.select(aui=pl.col("PAUI").str.slice(1).cast(pl.Int64), child=number_of("CUI")).unique(
            maintain_order=True
        )

    below = meta.read("MRHIER", keep).unique(maintain_order=True)
    atom = pl.col("AUI").str.slice(1).cast(pl.Int64)
    atoms = meta.read("MRCONSO", lambda rows: rows.select(aui=atom, parent=number_of("CUI")))
    joined = below.join(atoms, on="aui", maintain_order="left")  # inner: a parent that MRCONSO lacks is none
    return joined.select(_edge(pl.col("parent"), pl.col("child")))["edge"]
