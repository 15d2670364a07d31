"""Conversion tables of ICD-10-CM: which code of a new release was assigned which codes before.

CMS publishes the table beside each release, as a workbook or as text with tabs: ``Current code assignment``,
``Effective``, ``Previous Code(s) Assignment``. A cell may list several codes, and ranges of
them (``H02.101-H02.106; H02.109``).
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import polars as pl

from conceptmap.errors import InputError, ReaderError
from conceptmap.readers.xml import read_xml

__all__ = ["CONVERSIONS", "read_conversions"]

CONVERSIONS = pl.Schema({"previous": pl.String, "current": pl.String, "effective": pl.String})
"""A row per pair of codes; a range stays as it is written, ``first-last``."""
_MOST_BYTES = 1 << 28
_CODE = re.compile(r"[A-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{1,4})?(?:\s*-\s*[A-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{1,4})?)?")
_HEADS = {"current": "current", "previous": "previous", "effective": "effective", "new": "current", "old": "previous"}


def read_conversions(path: str | Path) -> pl.DataFrame:
    """Returns the pairs of a conversion table: ``CONVERSIONS``.

    Args:
        path: ``.xlsx``, or text with tabs or commas between; columns whose names begin with current (or new), previous
            (or old) and effective.

    Raises:
        InputError: the file cannot be read, or no row names these columns.
        ReaderError: the workbook is damaged.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}", got=error.strerror, expected="a conversion table") from None
    rows = _sheet(content, path.name) if content[:2] == b"PK" else _lines(content)
    places: dict[str, int] = {}
    found: list[tuple[str, str, str]] = []
    for row in rows:
        if len(places) < 2:
            heads = {_HEADS.get((cell.split() or [""])[0].lower(), ""): at for at, cell in enumerate(row)}
            places = heads if {"current", "previous"} <= heads.keys() else {}
            continue
        current, previous = (_codes(row, places[name]) for name in ("current", "previous"))
        since = row[places["effective"]].strip() if places.get("effective", len(row)) < len(row) else ""
        found += [(old, new, since) for new in current for old in previous]
    if not places:
        expected = "columns that begin with current and previous, as in CMS's conversion table"
        raise InputError(f"{path.name} is no conversion table", got="no such header", expected=expected)
    return pl.DataFrame(found, schema=CONVERSIONS, orient="row").unique(maintain_order=True)


def _codes(row: list[str], at: int) -> list[str]:
    return [_pointed(found) for found in _CODE.findall(row[at].upper())] if at < len(row) else []


def _pointed(text: str) -> str:
    ends = [end.strip().replace(".", "") for end in text.split("-")]
    return "-".join(f"{end[:3]}.{end[3:]}" if len(end) > 3 else end for end in ends)


def _lines(content: bytes) -> Iterator[list[str]]:
    text = content.decode("utf-8-sig", "replace")
    yield from csv.reader(io.StringIO(text), delimiter="\t" if "\t" in text else ",")


# -- workbooks --------------------------------------------------------------------------------------------------------


def _sheet(content: bytes, name: str) -> Iterator[list[str]]:
    """The rows of a workbook's first sheet.

    Source: ECMA-376, part 1, "SpreadsheetML".
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            sheets = sorted(part for part in book.namelist() if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", part))
            strings = _part(book, "xl/sharedStrings.xml", name)
            sheet = _part(book, sheets[0], name) if sheets else None
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise ReaderError(f"{name} is no workbook", got=type(error).__name__, expected="an .xlsx file") from None
    if sheet is None:
        raise ReaderError(f"{name} holds no sheet", expected="an .xlsx file")
    shared = [] if strings is None else [_text(item) for item in _all(strings, "si")]
    for row in _all(sheet, "row"):
        cells: dict[int, str] = {}
        for at, cell in enumerate(_all(row, "c")):
            cells[_column(cell.get("r", ""), at)] = _value(cell, shared)
        yield [cells.get(at, "") for at in range(max(cells, default=-1) + 1)]


def _part(book: zipfile.ZipFile, part: str, name: str) -> Element | None:
    if part not in book.namelist():
        return None
    if book.getinfo(part).file_size > _MOST_BYTES:
        raise ReaderError(f"{name} is too large", got=f"{book.getinfo(part).file_size:,} bytes in {part}")
    return read_xml(book.read(part), name)


def _column(reference: str, default: int) -> int:
    letters = re.match(r"[A-Z]{1,3}", reference)
    at = 0
    for letter in letters[0] if letters else "":
        at = at * 26 + ord(letter) - 64
    return at - 1 if letters else default


def _value(cell: Element, shared: list[str]) -> str:
    value = next((found.text or "" for found in _all(cell, "v")), "")
    if cell.get("t") == "s":
        return shared[int(value)] if value.isdigit() and int(value) < len(shared) else ""
    return next(map(_text, _all(cell, "is")), value)


def _text(item: Element) -> str:
    return "".join(part.text or "" for part in _all(item, "t"))


def _all(element: Element, name: str) -> Iterator[Element]:
    """Elements of that name below, whatever prefix their namespace has."""
    return (found for found in element.iter() if found.tag.rpartition(":")[2] == name)
