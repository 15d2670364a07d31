"""Any list as an ontology: a CSV, TSV or Parquet table of codes and terms, and if there are any parents and types.

A row is a term of a code; several rows of a code are its synonyms, the first its preferred name. Columns are known by
the names that people give them, in whatever letter case.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from conceptmap.errors import InputError, ReaderError, said_columns
from conceptmap.frames import frame_of, no_panic
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.archive import Archive, Member, open_archive, whole
from conceptmap.readers.cycles import edges_without_cycles
from conceptmap.readers.tables import MalformedRow, ReadReport

__all__ = ["SUFFIXES", "has_concepts", "read_list"]

SUFFIXES = (".csv", ".tsv", ".parquet")

_NAMES = {
    "code": ("code", "id", "concept_id", "conceptid", "concept_code", "conceptcode", "identifier", "sctid", "cui"),
    "term": ("term", "name", "label", "display", "preferred_term", "concept_name", "description", "title", "str"),
    "parent": ("parent", "parents", "parent_code", "parent_id", "is_a", "isa", "broader"),
    "type": ("type", "semantic_tag", "semantic_type", "concept_class", "concept_class_id", "category", "sty"),
    "active": ("active", "is_active", "isactive", "status"),
    "replaced_by": ("replaced_by", "replacement", "replacedby"),
}
_NO = frozenset({"0", "f", "false", "n", "no", "inactive", "retired", "deprecated", "obsolete"})
_SEVERAL = ("|", ";")
"""What stands between several parents, or several codes that replaced one."""

_CONCEPTS = pl.Schema(
    {
        **dict.fromkeys(("node", "code", "kind", "name"), pl.String()),
        "active": pl.Boolean(),
        "billable": pl.Boolean(),
        "semantic_tag": pl.String(),
        "replaced_by": pl.List(pl.String()),
    }
)
_TERMS = pl.Schema(dict.fromkeys(("node", "code", "term", "kind"), pl.String()))
_EDGES = pl.Schema(dict.fromkeys(("parent", "child"), pl.String()))


@dataclass
class _Concept:
    terms: list[str] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    heirs: list[str] = field(default_factory=list)
    active: bool = True


def read_list(
    source: str | Path | Archive,
    *,
    system: str | None,
    release: str | None = None,
    strict: bool = True,
    report: ReadReport | None = None,
) -> Ontology:
    """Returns the concepts of a table.

    Args:
        source: a ``.csv`` (commas, or semicolons), ``.tsv`` or ``.parquet`` file with the columns code and term (or
            name, label, …), and if there are any parent, type, active and replaced_by. Several parents are separated by
            ``|`` or ``;``.
        system: prefix that the codes are to have, such as ``local``.
        release: version to carry; ``undated`` unless given.
        strict: a row without a code or term, or a parent that would be its own ancestor, is an error; otherwise they
            are left out and counted in ``report``.
        report: takes the number of rows, and what was left out.

    Raises:
        InputError: no such file, or no system.
        ReaderError: no table with these columns, or a malformed row; names file and line.
    """
    archive = source if isinstance(source, Archive) else open_archive(source)
    member = next(one for one in archive.members if one.name.lower().endswith(SUFFIXES))
    if not system:
        raise InputError(f"{member.name} does not say of which system its codes are", then="name it: --system local")
    report = ReadReport() if report is None else report
    header, rows = _table(archive, member)
    at = _columns(header, member.name)
    concepts = _gathered(rows, at, member.name, strict=strict, report=report)
    try:
        return _ontology(concepts, system, release or "undated", member.name, strict=strict, report=report)
    except InputError as error:
        if isinstance(error, ReaderError):
            raise
        raise ReaderError(f"{member.name}: {error}") from None


def has_concepts(archive: Archive, member: Member) -> bool:
    """Whether a table has columns of codes and terms."""
    try:
        _columns(_table(archive, member)[0], member.name)
    except ReaderError:
        return False
    return True


def _table(archive: Archive, member: Member) -> tuple[Sequence[str], Iterator[tuple[int, Sequence[str]]]]:
    """The header, and rows with the number of their line."""
    data = whole(archive, member)
    if member.name.lower().endswith(".parquet"):
        try:
            with no_panic():
                frame = pl.read_parquet(io.BytesIO(data)).with_columns(pl.all().cast(pl.String, strict=False))
        except (pl.exceptions.PolarsError, OSError, ValueError) as error:
            raise ReaderError(f"{member.name} is no Parquet file", got=type(error).__name__) from None
        return frame.columns, ((number, [cell or "" for cell in row]) for number, row in enumerate(frame.rows(), 1))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ReaderError(f"{member.name}, line {line}: not UTF-8", expected="a file in UTF-8") from None
    first = text.partition("\n")[0]
    separator = "\t" if "\t" in first else ";" if first.count(";") > first.count(",") else ","
    lines = csv.reader(io.StringIO(text), delimiter=separator)
    return next(lines, []), ((lines.line_num, row) for row in lines if any(row))


def _columns(header: Sequence[str], file: str) -> dict[str, int]:
    """Where each known column stands."""
    names = [name.strip().lower().replace(" ", "_") for name in header]
    at: dict[str, int] = {}
    for column, known in _NAMES.items():
        place = next((names.index(name) for name in known if name in names), None)
        if place is not None and place not in at.values():
            at[column] = place
    if missing := [column for column in ("code", "term") if column not in at]:
        expected = f"{' and '.join(missing)} among its columns (or {', '.join(_NAMES[missing[0]][1:5])}, …)"
        raise ReaderError(f"{file} is no list of concepts", got=said_columns(list(header)), expected=expected)
    return at


def _gathered(
    rows: Iterator[tuple[int, Sequence[str]]], at: dict[str, int], file: str, *, strict: bool, report: ReadReport
) -> dict[str, _Concept]:
    concepts: dict[str, _Concept] = {}
    n_rows = 0
    for line, row in rows:
        n_rows += 1
        cells = {column: row[place].strip() if place < len(row) else "" for column, place in at.items()}
        if not cells["code"] or not cells["term"]:
            reason = f"{'code' if not cells['code'] else 'term'} is blank"
            if strict:
                raise ReaderError(f"{file}, line {line}: {reason}", then="fill it in, or read leniently: --lenient")
            report.add_malformed([MalformedRow(file, line, reason)])
            continue
        concept = concepts.setdefault(cells["code"], _Concept())
        for listed, column in ((concept.parents, "parent"), (concept.heirs, "replaced_by"), (concept.types, "type")):
            listed += _parts(cells.get(column, ""))
        concept.terms.append(" ".join(cells["term"].split()))
        concept.active &= cells.get("active", "").lower() not in _NO
    report.rows[file] = n_rows
    if not concepts:
        raise ReaderError(f"{file} lists no concept", expected="rows of code and term")
    return concepts


def _parts(cell: str) -> list[str]:
    for separator in _SEVERAL:
        if separator in cell:
            return [part for one in cell.split(separator) if (part := one.strip())]
    return [cell] if cell else []


def _ontology(
    concepts: dict[str, _Concept], system: str, release: str, file: str, *, strict: bool, report: ReadReport
) -> Ontology:
    rows, terms = [], []
    for code, one in concepts.items():
        types = "; ".join(dict.fromkeys(one.types)) or None
        rows.append((code, code, "concept", one.terms[0], one.active, None, types, list(dict.fromkeys(one.heirs))))
        kinds = ("preferred", *["synonym"] * (len(one.terms) - 1))
        terms += [(code, code, term, kind) for term, kind in zip(one.terms, kinds, strict=True) if one.active]
    return Ontology(
        system=system,
        release=release,
        concepts=frame_of(rows, _CONCEPTS),
        terms=frame_of(terms, _TERMS).unique(["node", "term"], keep="first", maintain_order=True),
        edges=_edges(concepts, file, strict=strict, report=report),
    )


def _edges(concepts: dict[str, _Concept], file: str, *, strict: bool, report: ReadReport) -> pl.DataFrame:
    """Parent→child, none twice; what closes a cycle is refused, or left out."""
    place = {code: number for number, code in enumerate(concepts)}
    pairs = dict.fromkeys((parent, code) for code, one in concepts.items() for parent in one.parents)
    known = [pair for pair in pairs if pair[0] in place]
    report.leave_out("parents that the list does not hold", len(pairs) - len(known))
    if not known:
        return pl.DataFrame(schema=_EDGES)
    parents, children = np.array([(place[above], place[below]) for above, below in known], dtype=np.int64).T
    stays = edges_without_cycles(len(concepts), parents, children)
    if strict and not stays.all():
        above, below = known[int(np.flatnonzero(~stays)[0])]
        what = f"{file}: {below} lies below {above}, which lies below it"
        raise ReaderError(what, then="mend the column parent, or read leniently: --lenient")
    report.leave_out("parents that close a cycle", int((~stays).sum()))
    return frame_of([pair for pair, kept in zip(known, stays.tolist(), strict=True) if kept], _EDGES)
