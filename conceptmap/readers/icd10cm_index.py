"""The alphabetic index of ICD-10-CM with its external causes, neoplasm table and drug table, as terms.

An entry is a path of titles, a main term first, with a code: *Failure, failed > heart > systolic* I50.20. Its term is
put into the order that notes use (``systolic heart failure``), and its code is the default for that wording: where
documentation says no more, that is the code to assign (Official Guidelines, I.A.18, default codes). The main term's
own code has ``level`` 0. Entries that only refer elsewhere (*see*) take the code of the entry that they name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

import polars as pl

from conceptmap.errors import ReaderError, UnknownCodeError
from conceptmap.frames import frame_of
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.archive import Archive, Member, whole
from conceptmap.readers.tables import ReadReport
from conceptmap.readers.xml import line_of, read_xml

__all__ = ["read_index"]

# Subterms that start so follow what they qualify; the others go before it.
_FOLLOWS = re.compile(
    r"(?:affecting|after|and|as|associated|at|by|caused|classified|complicating|due|during|following|for|from|in"
    r"|involving|NEC|NOS|of|on|or|resulting|secondary to|specified as|to|with|within|without)\b"
)
_MARKS = re.compile(r"[#*♦†‡]+")
# Columns of the two tables, by what their headings say, and the wording of their entries.
_COLUMNS = (
    ("primary", "malignant neoplasm of {}"),
    ("secondary", "secondary malignant neoplasm of {}"),
    ("situ", "carcinoma in situ of {}"),
    ("benign", "benign neoplasm of {}"),
    ("uncertain", "neoplasm of uncertain behavior of {}"),
    ("unspecified", "neoplasm of {}"),
    ("accidental", "poisoning by {}"),  # the intent to assume where none is documented
    ("self-harm", "intentional self-poisoning by {}"),
    ("assault", "poisoning by {}, assault"),
    ("undetermined", "poisoning by {}, undetermined intent"),
    ("adverse", "adverse effect of {}"),
    ("underdosing", "underdosing of {}"),
)
_TERMS = pl.Schema([("code", pl.String()), ("term", pl.String()), ("kind", pl.String()), ("level", pl.Int64())])


def read_index(
    archive: Archive, members: Sequence[Member], ontology: Ontology, *, report: ReadReport | None = None
) -> pl.DataFrame:
    """Returns the entries as terms for :meth:`~conceptmap.ontology.ontology.Ontology.with_terms`.

    A code that is to be completed (``S72.00-``) stands for its header, a 7-character one for the code that it extends.

    Args:
        archive: where the files are.
        members: alphabetic index, external cause index, neoplasm table, drug table: any of them.
        ontology: the same release; entries whose code it does not hold are left out and counted in ``report``.
        report: takes the counts of what is left out.

    Returns:
        ``code, term, kind, level``. ``kind`` is ``index``, or ``manifestation`` for the second of an entry's two codes.

    Raises:
        ReaderError: not well-formed, or no such index; names file and line.
    """
    report = ReadReport() if report is None else report
    rows: dict[tuple[object, ...], None] = {}
    for member in members:
        for entry in _entries(archive, member, report):
            code = _known(entry.code, ontology)
            if code is None:
                report.leave_out("index entries with a code that the tabular list does not hold", 1)
            else:
                rows[code, entry.term, entry.kind, entry.level] = None
    return frame_of(list(rows), _TERMS)


@dataclass(frozen=True)
class _Entry:
    code: str
    term: str
    kind: str
    level: int


@dataclass
class _Entries:
    """One file: its columns, its entries so far, and which code each path of titles has."""

    columns: dict[str, str]
    entries: list[_Entry] = field(default_factory=list)
    codes: dict[tuple[str, ...], str] = field(default_factory=dict)
    references: list[tuple[tuple[str, ...], str]] = field(default_factory=list)

    def add(self, element: Element, above: tuple[str, ...]) -> None:
        """Adds a main term or term and those below it."""
        title = _title(element)
        path = above if not title or title.startswith("Note:") else (*above, title)
        if path is not above:
            self._add_codes(element, path)
        for child in element.iterfind("term"):
            self.add(child, path)

    def _add_codes(self, element: Element, path: tuple[str, ...]) -> None:
        for part in element:
            text = _MARKS.sub("", part.text or "").strip()
            if part.tag == "code" and text:
                self.codes.setdefault(_key(path), text)
                self._add(text, _wording(path), "index", path)
            elif part.tag == "manif" and text:
                self._add(text, _wording(path), "manifestation", path)
            elif part.tag == "see" and text:
                self.references.append((path, text))
            elif part.tag == "cell" and any(letter.isdigit() for letter in text):
                pattern = self.columns.get(part.get("col", ""), "{}")
                site = path[1:] if "neoplasm" in pattern or "carcinoma" in pattern else path
                what = " ".join(title.partition(",")[0] for title in site) or "unspecified site"
                self._add(text, pattern.format(what), "index", path)

    def _add(self, code: str, term: str, kind: str, path: tuple[str, ...]) -> None:
        self.entries.append(_Entry(code, term, kind, len(path) - 1))

    def followed(self, report: ReadReport) -> list[_Entry]:
        """Returns the entries with those that refer to another one, under its code."""
        for path, text in self.references:
            code = self.codes.get(_key(tuple(text.split(", "))))
            if code is None:
                report.leave_out("index entries that refer to none that has a code", 1)
            else:
                self._add(code, _wording(path), "index", path)
        return self.entries


def _entries(archive: Archive, member: Member, report: ReadReport) -> list[_Entry]:
    content = whole(archive, member)
    root = read_xml(content, member.name)
    letters = root.findall("letter")
    if root.tag != "ICD10CM.index" or not letters:
        expected = "<ICD10CM.index> with <letter> elements"
        raise ReaderError(f"{member.name} is no ICD-10-CM alphabetic index", got=f"<{root.tag}>", expected=expected)
    entries = _Entries({head.get("col", ""): _pattern(head.text or "") for head in root.iterfind("indexHeading/head")})
    for letter in letters:
        for main_term in letter.iterfind("mainTerm"):
            if not _title(main_term):
                raise ReaderError(
                    f"{member.name}, line {line_of(main_term, root, content)}: a main term without a title"
                )
            entries.add(main_term, ())
    return entries.followed(report)


def _pattern(heading: str) -> str:
    words = " ".join(heading.lower().split())
    return next((pattern for word, pattern in _COLUMNS if word in words), f"{words} of {{}}")


def _title(element: Element) -> str:
    """The title without its nonessential modifiers (``<nemod>``) and footnote marks."""
    title = element.find("title")
    if title is None:
        return ""
    texts = [title.text or "", *(part.tail or "" for part in title)]
    return " ".join(_MARKS.sub("", " ".join(texts)).split())


def _key(path: tuple[str, ...]) -> tuple[str, ...]:
    """What references name a path by: the first wording of each title."""
    return tuple(title.partition(",")[0].strip().lower() for title in path)


def _wording(path: tuple[str, ...]) -> str:
    """The path in the order of running text.

    >>> _wording(("Diabetes, diabetic", "type 2", "with", "hyperglycemia"))
    'type 2 diabetes with hyperglycemia'
    >>> _wording(("Failure, failed", "heart", "systolic"))
    'systolic heart failure'
    """
    main, *rest = (title.partition(",")[0] if not level else title.replace(",", "") for level, title in enumerate(path))
    before: list[str] = []
    after: list[str] = []
    for words in rest:
        if after or _FOLLOWS.match(words):
            after.append(words)
        else:
            before.insert(0, words)
    head = main[:1].lower() + main[1:] if before else main
    return " ".join([*before, head, *after])


def _known(code: str, ontology: Ontology) -> str | None:
    """The code that the entry's rows go to, None if there is none."""
    try:
        node = ontology.node(code.rstrip("-").rstrip("."))
    except UnknownCodeError:
        return None
    if ontology.is_expanded(node):
        node = min(ontology.parents(node))
    return node
