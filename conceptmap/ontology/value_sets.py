"""Value sets: lists of codes that people keep, as CSV, text, Parquet or a FHIR ValueSet in JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from conceptmap.errors import InputError, said_columns
from conceptmap.files import json_of
from conceptmap.frames import no_panic

__all__ = ["ValueSet", "read_value_set"]

_COLUMNS = ("code", "codes", "concept_id", "conceptid", "sctid", "cui", "curie", "id", "referencedcomponentid")
"""Names, in small letters, of the columns that codes stand in."""
_BELOW = ("is-a", "descendent-of")
"""Operators of a FHIR filter; what the second selects is without the concept itself."""


@dataclass(frozen=True)
class ValueSet:
    """Codes of a list.

    Attributes:
        codes: listed one by one.
        below: of concepts all of whose descendants belong to it too.
        without: listed as what does not belong to it.
    """

    codes: tuple[str, ...]
    below: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


def read_value_set(source: str | Path) -> ValueSet:
    """The codes of a file: a ``.json`` FHIR ValueSet, a ``.csv`` or ``.tsv`` with a column code, ``.parquet``, or text.

    Of a ValueSet the expansion counts where there is one, else what it is composed of: concepts, and the filters
    ``is-a`` and ``descendent-of``. In text files every line holds a code; what follows a ``#`` is a remark.

    Raises:
        InputError: it cannot be read, holds no code, or says what cannot be followed (another filter, another set).
    """
    path = Path(source)
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            with no_panic():
                found = ValueSet(_of_column(pl.read_parquet(path), path))
        elif kind == ".json":
            found = _of_fhir(json_of(path.read_bytes()), path)
        else:
            found = ValueSet(_of_text(path.read_text(encoding="utf-8-sig"), kind, path))
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        if isinstance(error, InputError):
            raise
        got = getattr(error, "strerror", None) or type(error).__name__
        expected = "a list of codes: .csv, .tsv, .txt, .parquet, or a FHIR ValueSet in .json"
        raise InputError(f"cannot read codes from {path}", got=got, expected=expected) from None
    if not found.codes and not found.below:
        raise InputError(f"{path} lists no code", expected="a code a line, a column code, or a ValueSet's concepts")
    return found


def _of_text(text: str, kind: str, path: Path) -> tuple[str, ...]:
    if kind not in (".csv", ".tsv"):
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        return tuple(dict.fromkeys(code for code in lines if code))
    rows = [row for row in csv.reader(io.StringIO(text), delimiter="\t" if kind == ".tsv" else ",") if any(row)]
    return _column(rows[0], rows[1:], path) if rows else ()


def _of_column(frame: pl.DataFrame, path: Path) -> tuple[str, ...]:
    return _column(frame.columns, [[str(cell or "") for cell in row] for row in frame.iter_rows()], path)


def _column(header: Sequence[str], rows: Sequence[Sequence[str]], path: Path) -> tuple[str, ...]:
    """The cells of the column that is named as one of codes; of the only one, whatever its first row says."""
    names = [name.strip().lower().replace(" ", "_") for name in header]
    at = next((names.index(name) for name in _COLUMNS if name in names), None)
    if at is None and len(header) > 1:
        raise InputError(f"{path} has no column of codes", got=said_columns(header), expected="a column code")
    cells = [*([] if at is not None else [header[0]]), *(row[at or 0] for row in rows if len(row) > (at or 0))]
    return tuple(dict.fromkeys(cell.strip() for cell in cells if cell.strip()))


def _of_fhir(value: Any, path: Path) -> ValueSet:  # noqa: ANN401 - JSON
    if not isinstance(value, dict) or value.get("resourceType") != "ValueSet":
        got = value.get("resourceType", "another object") if isinstance(value, dict) else type(value).__name__
        raise InputError(f"{path} is no FHIR ValueSet", got=str(got)[:40], expected='"resourceType": "ValueSet"')
    try:
        if "expansion" in value:
            return ValueSet(tuple(dict.fromkeys(_contained(value["expansion"].get("contains", [])))))
        included, excluded = (list(value.get("compose", {}).get(name, [])) for name in ("include", "exclude"))
        codes, below, themselves = _composed(included, path)
        without, under, _ = _composed(excluded, path)
    except (AttributeError, KeyError, TypeError):
        raise InputError(f"{path} is no whole ValueSet", expected="include and exclude as FHIR R4 has them") from None
    if under:
        raise InputError(f"{path} excludes by a filter", then="exclude with --exclude CODE, or expand the value set")
    return ValueSet(codes, below, (*without, *(code for code in themselves if code not in codes)))


def _contained(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The codes of an expansion, nested ones too; abstract entries only hold others."""
    for entry in entries:
        if "code" in entry and not entry.get("abstract"):
            yield str(entry["code"])
        yield from _contained(entry.get("contains", []))


def _composed(parts: Sequence[Mapping[str, Any]], path: Path) -> tuple[tuple[str, ...], ...]:
    """Codes named one by one, those whose descendants are meant, and which of these are not meant themselves."""
    codes, below, themselves = list[str](), list[str](), list[str]()
    for part in parts:
        filters = part.get("filter", [])
        if part.get("valueSet") or len(filters) > 1:
            raise InputError(f"{path} is composed of other sets", then="expand the value set, and give the expansion")
        codes += [str(concept["code"]) for concept in part.get("concept", [])]
        for one in filters:
            if one["op"] not in _BELOW:
                expected = ", ".join(_BELOW)
                raise InputError(f"{path} has another filter", got=str(one["op"])[:40], expected=expected)
            below.append(str(one["value"]))
            themselves += below[-1:] if one["op"] == "descendent-of" else []
    return tuple(tuple(dict.fromkeys(found)) for found in (codes, below, themselves))
