"""The plain-text files of an ICD-10-CM release: code lists and the order file.

An order file has fixed columns (CMS, "ICD-10-CM/PCS Order File format"): 1-5 order, 7-13 code without its dot, 15 a
0 for a header and a 1 for a code that is valid for submission, 17-76 short title, from 78 long title.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import polars as pl

from conceptmap.errors import InputError, ReaderError
from conceptmap.frames import frame_of
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.archive import Archive, Member, whole
from conceptmap.readers.tables import MalformedRow, ReadReport

__all__ = ["date_in", "dotted", "read_code_list", "read_order"]

_ORDER = re.compile(r"\d{5} ([0-9A-Z]{3,7}) +([01]) (.{60}) (.*\S)\s*")
_CODE = re.compile(r"[0-9A-Z][0-9A-Z-]{0,6}").fullmatch
_DATE = re.compile(r"(January|April|July|October)-(\d{1,2})-(\d{4})", re.IGNORECASE)
_CONCEPTS = pl.Schema(
    [(name, pl.String()) for name in ("node", "code", "kind", "name")]
    + [(name, pl.Boolean()) for name in ("active", "billable", "expanded")]
    + [("short_name", pl.String())]
)


def dotted(code: str) -> str:
    """Returns a code with its dot.

    >>> dotted("E119"), dotted("I10"), dotted("A00-A09")
    ('E11.9', 'I10', 'A00-A09')
    """
    return f"{code[:3]}.{code[3:]}" if len(code) > 3 and "." not in code and "-" not in code else code


def date_in(file: str) -> str | None:
    """Returns the date in a file name: a fiscal year's October and April releases have the same ``version`` inside.

    >>> date_in("icd10c-tabular-April-1-2026.xml")
    '2026-04-01'
    """
    if not (parts := _DATE.search(file)):
        return None
    return datetime.strptime(" ".join(parts.groups()), "%B %d %Y").strftime("%Y-%m-%d")


def read_code_list(archive: Archive, member: Member, *, lenient: ReadReport | None = None) -> frozenset[str]:
    """Returns the codes, without dots, of a list with a code first on each line, or of an order file.

    Args:
        archive: the release.
        member: the list.
        lenient: takes the lines that cannot be read, which are left out; without it the first is an error.

    Raises:
        ReaderError: a line without a code; names file and line.
    """
    lines = list(_lines(archive, member))
    if lines and _ORDER.match(lines[0][1]):
        codes = [(number, line[6:13].rstrip()) for number, line in lines]
    else:
        codes = [(number, line.split(maxsplit=1)[0].replace(".", "")) for number, line in lines]
    return frozenset(
        code
        for number, code in codes
        if _CODE(code) or _refused(lenient, member, number, "no ICD-10-CM code at its start")
    )


def _refused(lenient: ReadReport | None, member: Member, number: int, what: str) -> bool:
    """Raises, or lists the line and answers False."""
    if lenient is None:
        then = "take the file as it was released, or leave such lines out: --lenient, strict=False in Python"
        raise ReaderError(f"{member.name}, line {number}: {what}", then=then)
    lenient.add_malformed([MalformedRow(member.path, number, what)])
    return False


def read_order(
    archive: Archive, member: Member, *, release: str | None = None, lenient: ReadReport | None = None
) -> Ontology:
    """Returns categories and codes of an order file: a code lies below the longest other code that it starts with.

    A 7-character code is ``expanded`` when its title is its header's title and something more.

    Args:
        archive: the release.
        member: the order file.
        release: version to carry instead of the one in the file name.
        lenient: as in :func:`read_code_list`.

    Raises:
        ReaderError: a line of another layout; names file and line.
    """
    titles: dict[str, tuple[bool, str, str]] = {}
    for number, line in _lines(archive, member):
        if not (parts := _ORDER.fullmatch(line)):
            _refused(lenient, member, number, "not a line of an order file")
            continue
        if parts[1] in titles:
            _refused(lenient, member, number, f"{parts[1]} again")
            continue
        titles[parts[1]] = (parts[2] == "1", " ".join(parts[3].split()), " ".join(parts[4].split()))
    year = re.search(r"(?<!\d)20\d\d(?!\d)", member.name)
    try:
        return _ontology(titles, release or date_in(member.name) or (year[0] if year else "undated"))
    except InputError as error:
        raise ReaderError(f"{member.name}: {error}") from None


def _ontology(titles: dict[str, tuple[bool, str, str]], release: str) -> Ontology:
    parents = {code: _parent(code, titles) for code in titles}
    concepts: list[tuple[object, ...]] = []
    terms: list[tuple[object, ...]] = []
    for bare, (billable, short, name) in titles.items():
        parent, code = parents[bare], dotted(bare)
        expanded = len(bare) == 7 and parent is not None and name.startswith(f"{titles[parent][2]}, ")
        kind = "category" if len(bare) == 3 else "code" if billable else "subcategory"
        concepts.append((code, code, kind, name, True, billable, expanded, short))
        if not expanded:
            terms.append((code, code, name, "preferred"))
    edges = [(dotted(parent), dotted(code)) for code, parent in parents.items() if parent is not None]
    texts = [(name, pl.String()) for name in ("node", "code", "term", "kind")]
    return Ontology(
        system="icd10cm",
        release=release,
        concepts=frame_of(concepts, _CONCEPTS),
        terms=frame_of(terms, pl.Schema(texts)),
        edges=frame_of(edges, pl.Schema([("parent", pl.String()), ("child", pl.String())])),
    )


def _parent(code: str, titles: dict[str, tuple[bool, str, str]]) -> str | None:
    return next((code[:end] for end in range(len(code) - 1, 2, -1) if code[:end] in titles), None)


def _lines(archive: Archive, member: Member) -> Iterator[tuple[int, str]]:
    """Lines that hold something, numbered from 1. Older files are in Windows' code page, newer ones in UTF-8."""
    content = whole(archive, member)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line
