"""SNOMED CT as SNOMED International and its members publish it: Release Format 2, zip or folder, several at once.

Source: SNOMED CT Release File Specification (component files, language, association and map reference sets). The
hierarchy is the inferred one of the relationship file; its child→parent rows are turned round here, once. Since 2019
the stated view lives in the OWL reference set, and files of stated relationships, which hold inactive rows only, are
not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from conceptmap.errors import InputError, ReaderError
from conceptmap.ontology import Ontology
from conceptmap.readers.archive import Archive, open_archive
from conceptmap.readers.maps import rf2_maps
from conceptmap.readers.rf2_files import Rf2Release, find_release
from conceptmap.readers.rf2_history import history
from conceptmap.readers.tables import ReadReport

__all__ = ["LANGUAGES", "read_rf2"]

LANGUAGES = {"en-US": 900000000000509007, "en-GB": 900000000000508004}
"""Language reference sets that have a short name; any other is given by its id."""

_IS_A = 116680003
_INFERRED = 900000000000011006
_FULLY_SPECIFIED = 900000000000003001
_SYNONYM = 900000000000013009
_PREFERRED = 900000000000548007
_TAG = r"\s*\(([^()]*)\)\s*$"
_ANY_LANGUAGE, _NO_MEMBER, _ACCEPTABLE = 2000, 1000, 100  # order of descriptions in the choice of a name


def read_rf2(
    *sources: str | Path | Archive,
    language: str | Sequence[str] = "en-US",
    at: str | int | None = None,
    release: str | None = None,
    strict: bool = True,
    report: ReadReport | None = None,
) -> Ontology:
    """Returns SNOMED CT with its active is-a hierarchy, its inactive concepts, their replacements, and all maps.

    A concept's name is its preferred term in the language reference set; ``fsn`` and ``semantic_tag`` stand beside it.
    ``replaced_by`` holds the active concepts that an inactive one became (SAME AS, REPLACED BY), ``consider`` those
    that it might be (POSSIBLY EQUIVALENT TO and weaker ones); chains of replacements are followed to their end.

    Args:
        sources: zips or folders of one edition, or of extensions and the edition that they build on.
        language: ``en-US``, ``en-GB`` or the id of a language reference set; several in order of preference. Terms of
            the languages that these reference sets speak are kept, preferred or not.
        at: date ``YYYYMMDD``: the content as it was then, out of the Full files. The newest unless given.
        release: version to carry instead of the one in the file names.
        strict: a malformed row, or a relationship to a concept that no file holds, is an error. Otherwise such rows
            are left out, counted and listed in ``report``.
        report: takes the rows of each file and what was left out.

    Raises:
        InputError: no such file, a bad argument, or a language reference set that the release does not hold.
        ReaderError: files are missing, unsafe or malformed; names file and line.
    """
    if not sources:
        raise InputError("no SNOMED CT release given", expected="a zip or a folder")
    archives = [source if isinstance(source, Archive) else open_archive(source) for source in sources]
    tables = find_release(archives, at=_date(at), strict=strict, report=report)
    concepts = tables.table("concept", ["id", "active", "moduleId"], active=False).sort("id")
    if not concepts.height:
        raise ReaderError(
            "no concepts in the release", got=", ".join(file.member.path for file in tables.of("concept"))
        )
    named, terms = _descriptions(tables, concepts, _reference_sets(language))
    edges = _edges(tables, concepts)
    replacements, history_maps = history(tables, concepts)
    try:
        return Ontology(
            system="snomedct",
            release=release or tables.version,
            concepts=_concept_frame(named, replacements),
            terms=terms,
            edges=edges,
            maps=pl.concat([rf2_maps(tables), history_maps], how="diagonal"),
            notes=_definitions(tables, concepts),
        )
    except InputError as error:
        raise ReaderError(f"SNOMED CT {tables.version}: {error}") from None


def _date(at: str | int | None) -> int | None:
    if at is None:
        return None
    text = str(at).replace("-", "")
    if not (text.isdigit() and len(text) == 8):
        raise InputError("not a date", got=repr(at), expected="YYYYMMDD, such as 20240731")
    return int(text)


def _reference_sets(language: str | Sequence[str]) -> list[int]:
    wanted = [language] if isinstance(language, str) else list(language)
    unknown = [name for name in wanted if name not in LANGUAGES and not name.isdigit()]
    if unknown or not wanted:
        expected = f"{', '.join(LANGUAGES)} or the id of a language reference set"
        raise InputError("unknown language", got=", ".join(unknown) or "none", expected=expected)
    return [LANGUAGES[name] if name in LANGUAGES else int(name) for name in wanted]


# -- names and terms --------------------------------------------------------------------------------------------------


def _members(tables: Rf2Release, reference_sets: list[int]) -> pl.DataFrame:
    """``id, rank`` of descriptions in the reference sets: 0, 1, … where the first, second, … prefers them."""
    wanted = pl.col("refsetId").is_in(reference_sets)
    rows = tables.table("language", ["refsetId", "referencedComponentId", "acceptabilityId"], where=wanted)
    if not rows.height and tables.of("language"):
        there = tables.table("language", ["refsetId"])["refsetId"].unique().sort().cast(pl.String)
        got = ", ".join(map(str, reference_sets))
        raise InputError(
            "the release has no such language reference set", got=got, expected=f"one of {', '.join(there)}"
        )
    order = dict(zip(reference_sets, range(len(reference_sets)), strict=True))
    preferred = pl.col("acceptabilityId") == _PREFERRED
    rank = pl.when(preferred).then(pl.col("refsetId").replace_strict(order, default=None, return_dtype=pl.Int64))
    ranked = rows.select(id="referencedComponentId", rank=rank.otherwise(_ACCEPTABLE))
    return ranked.group_by("id").agg(pl.col("rank").min())


def _descriptions(
    tables: Rf2Release, concepts: pl.DataFrame, reference_sets: list[int]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """``concepts`` with their names, and the terms frame."""
    types = pl.col("typeId").is_in([_FULLY_SPECIFIED, _SYNONYM])
    columns = ["id", "conceptId", "languageCode", "typeId", "term"]
    rows = tables.table("description", columns, where=types)
    tables.report.leave_out("descriptions with a blank term", rows["term"].null_count())
    rows = rows.drop_nulls("term").with_columns(pl.col("term").str.strip_chars())
    if not rows.height:
        raise ReaderError(
            "no active descriptions in the release", expected="sct2_Description_Snapshot-*.txt or _Full-*.txt"
        )
    rows = _ranked(rows, _members(tables, reference_sets))
    fsn = pl.col("typeId") == _FULLY_SPECIFIED
    named = concepts.join(_best(rows.filter(fsn), "fsn"), on="id", how="left", maintain_order="left")
    named = named.join(_best(rows.filter(~fsn), "preferred"), on="id", how="left", maintain_order="left")
    bare = pl.col("fsn").str.replace(_TAG, "")
    named = named.with_columns(
        code=pl.col("id").cast(pl.String),
        name=pl.coalesce("preferred", bare, pl.col("id").cast(pl.String)),
        semantic_tag=pl.col("fsn").str.extract(_TAG, 1),
    )
    tables.report.leave_out("concepts without a description, named by their code", named["fsn"].null_count())
    return named, _terms(rows, named)


def _ranked(rows: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Descriptions with ``rank``, best first from 0, and ``spoken``: in a language of the chosen reference sets."""
    rows = rows.join(members, on="id", how="left")
    spoken = rows.filter(pl.col("rank").is_not_null())["languageCode"].unique()
    is_spoken = pl.col("languageCode").is_in(spoken.implode()) if len(spoken) else pl.lit(True)
    other = pl.when(is_spoken).then(_NO_MEMBER).otherwise(_ANY_LANGUAGE)
    return rows.with_columns(pl.col("rank").fill_null(other), spoken=is_spoken)


def _best(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """The best description of each concept as ``id, <name>``; the lower description id wins a tie."""
    best = rows.sort("conceptId", "rank", "id").unique("conceptId", keep="first", maintain_order=True)
    if name == "preferred":  # a synonym of another language is worse than the fully specified name
        best = best.filter(pl.col("rank") < _ANY_LANGUAGE)
    return best.select(id="conceptId", **{name: pl.col("term")})


def _terms(rows: pl.DataFrame, named: pl.DataFrame) -> pl.DataFrame:
    """Terms of active concepts: preferred, synonyms, fully specified names without their tag; none twice."""
    live = named.filter(pl.col("active") == 1)
    bare = pl.when(pl.col("typeId") == _FULLY_SPECIFIED).then(pl.col("term").str.replace(_TAG, "")).otherwise("term")
    kind = pl.when(pl.col("typeId") == _FULLY_SPECIFIED).then(pl.lit("fsn")).otherwise(pl.lit("synonym"))
    others = rows.filter("spoken").sort(pl.col("typeId") == _FULLY_SPECIFIED, "id", maintain_order=True)
    others = others.select(id="conceptId", term=bare, kind=kind).join(live.select("id"), on="id", how="semi")
    preferred = live.select("id", term="name", kind=pl.lit("preferred"))
    terms = pl.concat([preferred, others]).unique(["id", "term"], keep="first", maintain_order=True)
    code = pl.col("id").cast(pl.String)
    return terms.sort("id", maintain_order=True).select(node=code, code=code, term="term", kind="kind")


def _concept_frame(named: pl.DataFrame, replacements: pl.DataFrame) -> pl.DataFrame:
    frame = named.join(replacements, on="id", how="left", maintain_order="left")
    none = pl.lit([], dtype=pl.List(pl.String))
    return frame.select(
        node="code",
        code="code",
        kind=pl.lit("concept"),
        name="name",
        active=pl.col("active") == 1,
        billable=pl.lit(None, dtype=pl.Boolean),
        fsn="fsn",
        semantic_tag="semantic_tag",
        module="moduleId",
        replaced_by=pl.col("replaced_by").fill_null(none),
        consider=pl.col("consider").fill_null(none),
    )


def _definitions(tables: Rf2Release, concepts: pl.DataFrame) -> pl.DataFrame:
    """Text definitions of concepts, as notes."""
    rows = tables.table("textdefinition", ["id", "conceptId", "term"]).drop_nulls("term")
    if not rows.height:
        return pl.DataFrame(schema=dict.fromkeys(("node", "code", "kind", "text"), pl.String))
    rows = rows.join(concepts, left_on="conceptId", right_on="id", how="semi").sort("conceptId", "id")
    code = pl.col("conceptId").cast(pl.String)
    return rows.select(node=code, code=code, kind=pl.lit("definition"), text="term")


# -- hierarchy --------------------------------------------------------------------------------------------------------


def _edges(tables: Rf2Release, concepts: pl.DataFrame) -> pl.DataFrame:
    """Active inferred is-a rows between active concepts, parent→child, none twice."""
    columns = ["sourceId", "destinationId", "characteristicTypeId"]
    rows = tables.table("relationship", columns, where=pl.col("typeId") == _IS_A)
    rows = rows.filter(pl.col("characteristicTypeId") == _INFERRED)
    if not rows.height:
        files = ", ".join(file.member.path for file in tables.of("relationship"))
        raise ReaderError(
            "no active inferred is-a relationships (typeId 116680003), so there is no hierarchy",
            got=files or "no such file",
            expected="sct2_Relationship_Snapshot_*.txt or sct2_Relationship_Full_*.txt with the inferred view",
            then="take the whole release; files of stated relationships do not serve",
        )
    edges = rows.select(parent="destinationId", child="sourceId").unique(maintain_order=True)
    for side in ("parent", "child"):
        edges = _between_concepts(edges, side, concepts, tables)
    return edges.select(pl.col("parent", "child").cast(pl.String))


def _between_concepts(edges: pl.DataFrame, side: str, concepts: pl.DataFrame, tables: Rf2Release) -> pl.DataFrame:
    """The edges whose end is an active concept. An end that no file holds is an error in strict mode."""
    lost = edges.join(concepts, left_on=side, right_on="id", how="anti")
    if lost.height and tables.strict:
        raise ReaderError(
            f"{lost.height} is-a relationships have a {side} that no concept file holds",
            got=", ".join(lost[side].head(3).cast(pl.String)),
            then="give the International edition together with its extension, or read with strict=False",
        )
    tables.report.leave_out(f"is-a relationships whose {side} no file holds", lost.height)
    live = edges.join(
        concepts.filter(pl.col("active") == 1), left_on=side, right_on="id", how="semi", maintain_order="left"
    )
    tables.report.leave_out(f"is-a relationships whose {side} is inactive", edges.height - lost.height - live.height)
    return live
