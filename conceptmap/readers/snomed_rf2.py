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
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.archive import Archive, open_archive
from conceptmap.readers.maps import rf2_maps
from conceptmap.readers.rf2.situations import ATTRIBUTES, situations
from conceptmap.readers.rf2_files import Rf2Release, find_release
from conceptmap.readers.rf2_history import history
from conceptmap.readers.tables import ReadReport

__all__ = ["LANGUAGES", "read_rf2"]

LANGUAGES = {"en-US": 900000000000509007, "en-GB": 900000000000508004}
"""Language reference sets that have a short name; any other is given by its id."""

_DEFAULT = "en-US"
_IS_A = 116680003
_INFERRED = 900000000000011006
_FULLY_SPECIFIED = 900000000000003001
_SYNONYM = 900000000000013009
_PREFERRED = 900000000000548007
_TAG = r"\s*\(([^()]*)\)\s*$"
_ANY_LANGUAGE, _NO_MEMBER, _ACCEPTABLE = 2000, 1000, 100  # order of descriptions in the choice of a name


def read_rf2(
    *sources: str | Path | Archive,
    language: str | Sequence[str] | None = None,
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
        language: ``en-US`` (the default; where the release has none of it, the set that prefers most descriptions, and
            ``report`` says so), ``en-GB`` or the id of a language reference set; several in order of preference. Terms
            of the languages that these reference sets speak are kept, preferred or not.
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
    concepts = tables.table("concept", ["id", "active", "moduleId", "definitionStatusId"], active=False).sort("id")
    if not concepts.height:
        raise ReaderError(
            "no concepts in the release", got=", ".join(file.member.path for file in tables.of("concept"))
        )
    named, terms = _descriptions(tables, concepts, None if language is None else _reference_sets(language))
    relationships = _relationships(tables)
    edges = _edges(tables, relationships, concepts)
    replacements, history_maps = history(tables, concepts)
    try:
        return Ontology(
            system="snomedct",
            release=release or tables.version,
            concepts=_concept_frame(named, replacements),
            terms=terms,
            edges=edges,
            maps=pl.concat([rf2_maps(tables), history_maps], how="diagonal"),
            remarks=_definitions(tables, concepts),
            situations=situations(relationships, edges, concepts),
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


def _members(tables: Rf2Release, asked: list[int] | None) -> pl.DataFrame:
    """``id, rank`` of descriptions in the reference sets: 0, 1, … where the first, second, … prefers them."""
    reference_sets = [LANGUAGES[_DEFAULT]] if asked is None else asked
    columns = ["refsetId", "referencedComponentId", "acceptabilityId"]
    rows = tables.table("language", columns, where=pl.col("refsetId").is_in(reference_sets))
    if not rows.height and tables.of("language"):
        rows = tables.table("language", columns)
        there = rows["refsetId"].unique().sort().cast(pl.String)
        if asked is not None or not rows.height:
            got = ", ".join(map(str, reference_sets))
            expected = f"one of {', '.join(there)}"
            raise InputError("the release has no such language reference set", got=got, expected=expected)
        reference_sets = [_most_preferring(rows)]
        rows = rows.filter(pl.col("refsetId") == reference_sets[0])
        said = f"languages other than that of reference set {reference_sets[0]}, as there is no {_DEFAULT}"
        tables.report.leave_out(said, len(there) - 1 or 1)
    order = dict(zip(reference_sets, range(len(reference_sets)), strict=True))
    preferred = pl.col("acceptabilityId") == _PREFERRED
    rank = pl.when(preferred).then(pl.col("refsetId").replace_strict(order, default=None, return_dtype=pl.Int64))
    ranked = rows.select(id="referencedComponentId", rank=rank.otherwise(_ACCEPTABLE))
    return ranked.group_by("id").agg(pl.col("rank").min())


def _most_preferring(rows: pl.DataFrame) -> int:
    """The language reference set that prefers most descriptions."""
    preferring = rows.filter(pl.col("acceptabilityId") == _PREFERRED)["refsetId"]
    counts = (preferring if len(preferring) else rows["refsetId"]).value_counts()
    return int(counts.sort("count", "refsetId", descending=[True, False])["refsetId"][0])


def _descriptions(
    tables: Rf2Release, concepts: pl.DataFrame, reference_sets: list[int] | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """``concepts`` with their names, and the terms frame."""
    types = pl.col("typeId").is_in([_FULLY_SPECIFIED, _SYNONYM])
    rows = tables.table("description", ["id", "conceptId", "languageCode", "typeId", "term"], where=types)
    worded = rows.with_columns(pl.col("term").str.strip_chars()).filter(pl.col("term") != "")
    tables.report.leave_out("descriptions with a blank term", rows.height - worded.height)
    if not worded.height:
        expected = "sct2_Description_Snapshot-*.txt or sct2_Description_Full-*.txt"
        raise ReaderError("no active descriptions in the release", expected=expected)
    ranked = _ranked(worded, _members(tables, reference_sets))
    named = _named(concepts, ranked)
    nameless = named.filter(pl.col("name") == pl.col("code")).height
    tables.report.leave_out("concepts without a description, named by their code", nameless)
    return named, _terms(ranked, named.filter(pl.col("active") == 1))


def _ranked(rows: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Descriptions in the order in which they name a concept: synonyms, then fully specified names, best first.

    ``rank`` is 0 for the best; ``spoken`` says whether a description is in a language of the chosen reference sets. Of
    equally good ones the lower id comes first.
    """
    rows = rows.join(members, on="id", how="left")
    languages = rows.filter(pl.col("rank").is_not_null())["languageCode"].unique()
    spoken = pl.col("languageCode").is_in(languages.implode()) if len(languages) else pl.lit(True)
    rows = rows.with_columns(
        pl.col("rank").fill_null(pl.when(spoken).then(_NO_MEMBER).otherwise(_ANY_LANGUAGE)),
        spoken=spoken,
        is_fsn=pl.col("typeId") == _FULLY_SPECIFIED,
    )
    return rows.sort("conceptId", "is_fsn", "rank", "id").drop("typeId", "languageCode")


def _named(concepts: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """``concepts`` with ``code, name, fsn, semantic_tag``.

    The name is the best synonym unless that is in another language; then the fully specified name without its tag is.
    """
    changes = [pl.col(column).ne_missing(pl.col(column).shift()) for column in ("conceptId", "is_fsn")]
    best = rows.filter(pl.any_horizontal(changes))
    synonym = ~pl.col("is_fsn") & (pl.col("rank") < _ANY_LANGUAGE)
    named = concepts
    for name, chosen in (("fsn", pl.col("is_fsn")), ("preferred", synonym)):
        names = best.filter(chosen).select(id="conceptId", **{name: pl.col("term")})
        named = named.join(names, on="id", how="left", maintain_order="left")
    code = pl.col("id").cast(pl.String)
    return named.with_columns(
        code=code,
        name=pl.coalesce("preferred", pl.col("fsn").str.replace(_TAG, ""), code),
        semantic_tag=pl.col("fsn").str.extract(_TAG, 1),
    )


def _terms(rows: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """Terms of the ``live`` concepts: names, synonyms, fully specified names without their tag; none twice."""
    is_fsn, names = pl.col("is_fsn"), live.select("id", "name")
    bare = pl.when(is_fsn).then(pl.col("term").str.replace(_TAG, "")).otherwise("term")
    terms = rows.filter("spoken").select("is_fsn", id="conceptId", term=bare, description=pl.col("id").cast(pl.String))
    same = terms.group_by("id", "term", maintain_order=True)
    terms = same.agg(pl.col("is_fsn").first(), description_ids="description")
    terms = terms.join(names, on="id", maintain_order="left")
    kind = pl.when(is_fsn).then(pl.lit("fsn")).otherwise(pl.lit("synonym"))
    is_name = pl.col("term") == pl.col("name")
    kind = pl.when(is_name).then(pl.lit("preferred")).otherwise(kind)
    terms = terms.select("id", "term", "description_ids", kind=kind)
    unspoken = names.join(terms.filter(pl.col("kind") == "preferred"), on="id", how="anti")
    terms = pl.concat([unspoken.select("id", term="name", kind=pl.lit("preferred")), terms], how="diagonal")
    code = pl.col("id").cast(pl.String)
    return terms.sort("id", maintain_order=True).select(
        node=code, code=code, term="term", kind="kind", description_ids="description_ids"
    )


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
        module=pl.col("moduleId").cast(pl.String),
        replaced_by=pl.col("replaced_by").fill_null(none),
        consider=pl.col("consider").fill_null(none),
        change="change",
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


def _relationships(tables: Rf2Release) -> pl.DataFrame:
    """Active inferred rows of the types that are read: is-a, and those that define situations."""
    columns = ["sourceId", "destinationId", "typeId", "relationshipGroup", "characteristicTypeId"]
    rows = tables.table("relationship", columns, where=pl.col("typeId").is_in([_IS_A, *ATTRIBUTES]))
    return rows.filter(pl.col("characteristicTypeId") == _INFERRED)


def _edges(tables: Rf2Release, relationships: pl.DataFrame, concepts: pl.DataFrame) -> pl.DataFrame:
    """Is-a rows between active concepts, parent→child, none twice."""
    rows = relationships.filter(pl.col("typeId") == _IS_A)
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
            then="give the International edition too, or leave these out: --lenient, strict=False in Python",
        )
    tables.report.leave_out(f"is-a relationships whose {side} no file holds", lost.height)
    live = edges.join(
        concepts.filter(pl.col("active") == 1), left_on=side, right_on="id", how="semi", maintain_order="left"
    )
    tables.report.leave_out(f"is-a relationships whose {side} is inactive", edges.height - lost.height - live.height)
    return live
