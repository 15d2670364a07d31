"""The files of a SNOMED CT release in Release Format 2: found by name, checked by header, read at one point in time.

Source: SNOMED CT Release File Specification, "Release File Naming Convention" and "Component and Reference Set Files".
Names such as ``sct2_Concept_Snapshot_INT_20250101.txt``, ``xsct2_Description_Snapshot-en_INT_20250101.txt`` (beta) and
``sct2_Description_SpanishExtensionSnapshot-es_INT_20250331.txt`` are understood.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.errors import InputError, ReaderError, said_columns
from conceptmap.readers.archive import Archive, Member
from conceptmap.readers.sctid import Kind, valid_sctids
from conceptmap.readers.tables import Check, ReadReport, TableLayout, broken_off, read_header, read_table

__all__ = ["Rf2File", "Rf2Release", "find_release"]

_NAME = re.compile(
    r"[a-z]?(?P<prefix>sct|der)2_(?P<content>[a-z]+)_(?P<summary>\w*?)(?P<view>Full|Snapshot|Delta)(?:-[a-z-]+)?"
    r"_(?P<namespace>[a-z0-9]+)_(?P<date>\d{8})\.txt",
    re.IGNORECASE,
)
_COMPONENTS = {
    "concept": ("id", "effectiveTime", "active", "moduleId", "definitionStatusId"),
    "description": (
        *("id", "effectiveTime", "active", "moduleId", "conceptId", "languageCode", "typeId", "term"),
        "caseSignificanceId",
    ),
    "relationship": (
        *("id", "effectiveTime", "active", "moduleId", "sourceId", "destinationId", "relationshipGroup", "typeId"),
        *("characteristicTypeId", "modifierId"),
    ),
}
_COMPONENTS["textdefinition"] = _COMPONENTS["description"]
_KINDS: dict[str, Kind] = {
    "concept": "concept",
    "description": "description",
    "textdefinition": "description",
    "relationship": "relationship",
}
_MEMBER = ("id", "effectiveTime", "active", "moduleId", "refsetId", "referencedComponentId")
_REFSETS = {"language": ("acceptabilityId",), "association": ("targetComponentId",), "map": ()}
# Names that older releases give to the same columns.
_OLD_NAMES = {
    "acceptability": "acceptabilityId",
    "targetcomponent": "targetComponentId",
    "referencecomponentid": _MEMBER[5],
}
_VERSION = ("id", "effectiveTime", "active")
_TYPES: dict[str, type[pl.DataType]] = {
    column: pl.Int64 for columns in _COMPONENTS.values() for column in columns if column not in ("languageCode", "term")
}
_TYPES |= dict.fromkeys(("refsetId", "referencedComponentId", "acceptabilityId", "targetComponentId"), pl.Int64)
_TYPES |= dict.fromkeys(("mapGroup", "mapPriority"), pl.Int64)
_TYPES |= dict.fromkeys(("effectiveTime", "active", "relationshipGroup"), pl.Int32)
_OPTIONAL = {"effectiveTime", "moduleId", "caseSignificanceId", "relationshipGroup", "modifierId", "definitionStatusId"}
_UNPUBLISHED = 99_999_999  # a blank effectiveTime is a version that is not released yet: later than any date


@dataclass(frozen=True)
class Rf2File:
    """One table of a release, known by its name.

    Attributes:
        archive: where it lies.
        member: its place there.
        content: ``concept``, ``description``, ``textdefinition``, ``relationship``, ``language``, ``association``
            or ``map``.
        view: ``full`` or ``snapshot``.
        namespace: such as ``INT`` or ``US1000124``.
        date: of the release, ``YYYYMMDD``.
    """

    archive: Archive
    member: Member
    content: str
    view: str
    namespace: str
    date: str


@dataclass(frozen=True)
class Rf2Release:
    """The tables of one edition, which may come from several sources.

    Attributes:
        files: all tables that are read.
        at: only versions up to this date count, ``YYYYMMDD``; None for the newest.
        strict: whether a malformed row is an error.
        report: takes counts.
    """

    files: tuple[Rf2File, ...]
    at: int | None
    strict: bool
    report: ReadReport

    def of(self, content: str) -> tuple[Rf2File, ...]:
        """The files of one content."""
        return tuple(file for file in self.files if file.content == content)

    @property
    def version(self) -> str:
        """Namespaces and dates of the concept files, such as ``INT_20250101+US1000124_20250301``."""
        editions = "+".join(dict.fromkeys(f"{file.namespace}_{file.date}" for file in self.of("concept")))
        return f"{editions}@{self.at}" if self.at else editions

    def table(
        self, content: str, select: list[str] | None = None, *, where: pl.Expr | None = None, active: bool = True
    ) -> pl.DataFrame:
        """Returns the newest version of each row over all files of a content.

        A later file wins where two sources hold the same version of a row.

        Args:
            content: which files.
            select: columns to return; all columns that any of the files has, unless given.
            where: keeps only these rows; may use any column. All versions of a row have to agree on it.
            active: leaves out rows whose newest version is inactive.
        """
        files = self.of(content)
        versioned = len(files) > 1 or any(file.view == "full" for file in files)
        live = (pl.col("active") == 1) if active else pl.lit(True)
        columns = None if select is None else list(dict.fromkeys([*select, *(_VERSION if versioned else ())]))
        conditions = [condition for condition in (where, None if versioned else live) if condition is not None]

        def keep(rows: pl.DataFrame) -> pl.DataFrame:
            rows = rows.filter(*conditions)
            return rows.select(columns) if columns else rows

        frames = [
            read_table(file.archive, file.member, _layout(file), keep=keep, strict=self.strict, report=self.report)
            for file in files
        ]
        if not frames:
            return pl.DataFrame(schema={column: _TYPES.get(column, pl.String) for column in select or _MEMBER})
        rows = pl.concat(frames, how="diagonal")
        rows = self._newest(rows).filter(live) if versioned else rows
        return rows.select(select) if select else rows

    def _newest(self, rows: pl.DataFrame) -> pl.DataFrame:
        rows = rows.with_columns(pl.col("effectiveTime").fill_null(_UNPUBLISHED))
        if self.at is not None:
            rows = rows.filter(pl.col("effectiveTime") <= self.at)
        return rows.sort("effectiveTime", maintain_order=True).unique("id", keep="last", maintain_order=True)


def find_release(
    archives: Sequence[Archive], *, at: int | None, strict: bool, report: ReadReport | None = None
) -> Rf2Release:
    """Returns the tables that a reading needs: each archive's Snapshot, or its Full files when a date asks for history.

    Raises:
        ReaderError: no RF2 concept file, or only Delta files, or a map file of 0 bytes; names what is missing.
        InputError: a date was given and an archive has no Full files.
    """
    files: list[Rf2File] = []
    report = ReadReport() if report is None else report
    for archive in archives:
        found = [file for member in archive.members if (file := _recognised(archive, member))]
        view = _view({file.view for file in found if file.content == "concept"}, archive, at)
        files += [file for file in found if file.view == view]
    for file in files:
        if file.content == "map" and not file.member.size:
            broken_off(file.member, strict=strict, report=report)
    return Rf2Release(tuple(files), at, strict, report)


def _view(views: set[str], archive: Archive, at: int | None) -> str:
    name = archive.source.name
    if not views - {"delta"}:
        if any(member.name.startswith("sct1_") for member in archive.members):
            raise ReaderError(f"{name} is in Release Format 1", expected="Release Format 2 (files named sct2_…)")
        inside = [member.name for member in archive.members if member.name.lower().endswith(".zip")]
        if inside and not views:
            raise ReaderError(
                f"{name} holds zips", got=", ".join(inside[:3]), then="give the zips in it, or unpack them"
            )
        got = "only Delta files" if views else "no file of that name"
        raise ReaderError(
            f"{name} lacks the concepts", got=got, expected="sct2_Concept_Snapshot_*.txt or sct2_Concept_Full_*.txt"
        )
    if at is not None and "full" not in views:
        raise InputError(
            f"{name} holds the newest version of each component only, so {at} cannot be told",
            expected="sct2_Concept_Full_*.txt",
            then="give the release with its Full folder, or leave out the date",
        )
    return "full" if at is not None or "snapshot" not in views else "snapshot"


def _recognised(archive: Archive, member: Member) -> Rf2File | None:
    if not (parts := _NAME.fullmatch(member.name)):
        return None
    content = _content(parts["prefix"].lower(), parts["content"].lower(), parts["summary"].lower())
    if content is None:
        return None
    return Rf2File(archive, member, content, parts["view"].lower(), parts["namespace"], parts["date"])


def _content(prefix: str, content: str, summary: str) -> str | None:
    if prefix == "sct":
        return content if content in _COMPONENTS else None
    if not content.endswith("refset") or "mrcm" in summary:
        return None
    return next((kind for kind in _REFSETS if kind in summary), None)


def _layout(file: Rf2File) -> TableLayout:
    """A file's columns by its header, which is checked against the specification; extra columns at the end are kept."""
    expected = _COMPONENTS.get(file.content, (*_MEMBER, *_REFSETS.get(file.content, ())))
    known = {name.lower(): name for name in expected} | _OLD_NAMES
    header = read_header(file.archive, file.member)
    columns = tuple(known.get(name.strip().lower(), name.strip()) for name in header) or expected
    if columns[: len(expected)] != expected:
        raise ReaderError(
            f"{file.member.path}, line 1: not the header of a {file.content} file",
            got=said_columns(header),
            expected=" ".join(expected),
        )
    component = file.content in _COMPONENTS
    text = () if component else ("id",)  # a reference set's rows are told apart by UUIDs
    checks: dict[str, Check] = {"active is neither 0 nor 1": _active_is_boolean}
    if component:
        checks["id is no SCTID of its kind, or its check digit is wrong"] = _id_check(_KINDS[file.content])
    return TableLayout(
        separator="\t",
        columns=columns,
        types={column: _TYPES[column] for column in columns if column in _TYPES and column not in text},
        required=tuple(column for column in expected if column not in _OPTIONAL and column != "term"),
        checks=checks,
    )


def _active_is_boolean(frame: pl.DataFrame) -> NDArray[np.bool_]:
    return (frame["active"].is_between(0, 1)).fill_null(True).to_numpy()


def _id_check(kind: Kind) -> Check:
    return lambda frame: valid_sctids(frame["id"].fill_null(0).to_numpy(), kind)
