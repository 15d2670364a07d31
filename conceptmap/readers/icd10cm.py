"""ICD-10-CM as CMS and NCHS publish it: tabular list XML, code lists, order file.

The tabular list holds chapters, blocks, categories and codes, but codes that only get a 7th character are not in
it: they are built from the ``sevenChrDef`` of the nearest ancestor, with ``X`` in the empty positions (ICD-10-CM
Official Guidelines, I.A.4 and I.A.5). Not every combination exists, so a code list decides where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from xml.etree.ElementTree import Element

import polars as pl

from conceptmap.errors import InputError, ReaderError
from conceptmap.frames import frame_of
from conceptmap.garbage import no_collection
from conceptmap.ontology import Ontology
from conceptmap.readers.xml import line_of, read_xml

__all__ = ["read_code_list", "read_embedded", "read_tabular"]

# Elements of the tabular XML whose <note> children are kept: those that name the concept are terms.
_TERM_KINDS = {"inclusionTerm": "inclusion", "includes": "includes"}
_NOTE_KINDS = {
    "excludes1": "excludes1",
    "excludes2": "excludes2",
    "codeFirst": "code_first",
    "useAdditionalCode": "use_additional",
    "codeAlso": "code_also",
    "notes": "note",
    "sevenChrNote": "seventh_character",
}
_CONCEPTS = pl.Schema(
    [(name, pl.String()) for name in ("node", "code", "kind", "name")]
    + [(name, pl.Boolean()) for name in ("active", "billable", "expanded", "placeholder")]
)
_TERMS, _NOTES, _EDGES = (
    pl.Schema([(name, pl.String()) for name in names])
    for names in (("node", "code", "term", "kind"), ("node", "code", "kind", "text"), ("parent", "child"))
)
_ORDER_LINE = re.compile(r"\d{5} ([0-9A-Z]{3,7}) +([01]) ")
_CODE = re.compile(r"[0-9A-Z][0-9A-Z-]{0,6}").fullmatch
_DATE_IN_NAME = re.compile(r"(January|April|July|October)-(\d{1,2})-(\d{4})")


def read_embedded() -> Ontology:
    """Returns the release in the data files of the installed package ``simple_icd_10_cm``, whose code is not run.

    Raises:
        ReaderError: the package or its data files are not there.
    """
    spec = find_spec("simple_icd_10_cm")
    folders = [Path(place, "data") for place in (spec.submodule_search_locations or ())] if spec else []
    tabular = [path for folder in folders for path in sorted(folder.glob("*tabular*.xml"))]
    codes = [path for folder in folders for path in sorted(folder.glob("code-list*.txt"))]
    if not tabular or not codes:
        then = "type: pip install 'simple-icd-10-cm>=1.5', or give the path of the tabular XML that CMS publishes"
        raise ReaderError("no embedded ICD-10-CM release", expected="the data files of simple_icd_10_cm", then=then)
    return read_tabular(tabular[-1], codes=codes[-1])


def read_tabular(path: str | Path, *, codes: str | Path | None = None, release: str | None = None) -> Ontology:
    """Returns the release in a tabular list XML.

    Args:
        path: the XML that CMS publishes as ``icd10cm_tabular_YYYY.xml``.
        codes: code list or order file of the same release; without it every 7th character that a ``sevenChrDef``
            offers makes a code, also the few combinations that the release leaves out.
        release: overrides the one read from the file name or the file's ``version``.

    Raises:
        ReaderError: unreadable, not well-formed, or not a tabular list; names file and line.
    """
    path = Path(path)
    known = None if codes is None else read_code_list(codes)
    try:
        with no_collection():
            return _read(path, known, release)
    except InputError as error:
        raise ReaderError(f"{path.name}: {error}") from None


def _read(path: Path, known: frozenset[str] | None, release: str | None) -> Ontology:
    content = _bytes(path)
    root = read_xml(content, path.name)
    if root.tag != "ICD10CM.tabular":
        raise ReaderError(
            f"{path.name} is no ICD-10-CM tabular list", got=f"<{root.tag}>", expected="<ICD10CM.tabular>"
        )
    found = release or _date(path.name) or (root.findtext("version") or "").strip()
    if not found:
        raise ReaderError(f"{path.name} names no version", expected="a <version> element", then="pass release=")

    def wrong(element: Element, what: str) -> ReaderError:
        return ReaderError(f"{path.name}, line {line_of(element, root, content)}: {what}")

    rows = _Rows(known, wrong)
    for chapter in root.iterfind("chapter"):
        rows.add_chapter(chapter)
    return rows.ontology(found)


def read_code_list(path: str | Path) -> frozenset[str]:
    """Returns the codes, without dots, of a list with a code first on each line or of a CMS order file.

    Raises:
        ReaderError: a line without a code; names file and line.
    """
    path = Path(path)
    lines = [(number, line) for number, line in enumerate(_text(path).splitlines(), start=1) if line.strip()]
    if lines and _ORDER_LINE.match(lines[0][1]):
        codes = [(number, line[6:13].rstrip()) for number, line in lines]
    else:
        codes = [(number, line.split(maxsplit=1)[0].replace(".", "")) for number, line in lines]
    for number, code in codes:
        if not _CODE(code):
            raise ReaderError(
                f"{path.name}, line {number}: no ICD-10-CM code", got=repr(code[:20]), expected="such as A000"
            )
    return frozenset(code for _, code in codes)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReaderError(f"{path} cannot be read", got=error.strerror) from None


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReaderError(f"{path.name} is not UTF-8", got=f"byte {error.start}") from None


def _date(file: str) -> str | None:
    """The date in a file name: a fiscal year has an October and an April release with the same ``version``.

    >>> _date("icd10c-tabular-April-1-2026.xml")
    '2026-04-01'
    """
    if not (parts := _DATE_IN_NAME.search(file)):
        return None
    return datetime.strptime(" ".join(parts.groups()), "%B %d %Y").strftime("%Y-%m-%d")


@dataclass
class _Rows:
    """Rows of the frames, filled while walking down the tree."""

    known: frozenset[str] | None
    wrong: Callable[[Element, str], ReaderError]
    concepts: list[tuple[object, ...]] = field(default_factory=list)
    terms: list[tuple[object, ...]] = field(default_factory=list)
    edges: list[tuple[object, ...]] = field(default_factory=list)
    notes: list[tuple[object, ...]] = field(default_factory=list)

    def add_chapter(self, chapter: Element) -> None:
        """Adds a chapter and its sections; a section without categories holds the later ones within its range.

        The XML lists C00-C96, C00-C75 and C00-C14 side by side, and only the last has categories.
        """
        top = self.add(chapter, _clean(chapter.findtext("name")), None, None)
        umbrellas: list[tuple[str, str, str]] = []
        for section in chapter.iterfind("section"):
            code = section.get("id", "")
            first, _, last = code.partition("-")
            last = last or first
            around = [node for start, end, node in umbrellas if start <= first and last <= end]
            node = self.add(section, code, around[-1] if around else top, None)
            if section.find("diag") is None:
                umbrellas.append((first, last, node))

    def add(self, element: Element, code: str, parent: str | None, seventh: Element | None) -> str:
        """Adds a chapter, section or diag and the diags below it; ``seventh`` is the ``sevenChrDef`` in force."""
        if not code:
            raise self.wrong(element, f"a <{element.tag}> without a code")
        node = f"block:{code}" if element.tag == "section" and "-" not in code else code
        name, below = "", []
        for part in element:
            tag = part.tag
            if tag == "diag":
                below.append(part)
            elif tag == "desc":
                name = _clean(part.text)
                self.terms.append((node, code, name, "preferred"))
            elif tag == "sevenChrDef":
                seventh = part
            elif tag in _TERM_KINDS:
                self.terms.extend((node, code, text, _TERM_KINDS[tag]) for text in _texts_in(part))
            elif tag in _NOTE_KINDS:
                self.notes.extend((node, code, _NOTE_KINDS[tag], text) for text in _texts_in(part))
        if not name:
            raise self.wrong(element, f"{code} has no <desc>")
        if parent is not None:
            self.edges.append((parent, node))
        if below or element.tag != "diag" or seventh is None:
            self._add_concept(element, node, code, name, leaf=element.tag == "diag" and not below)
        else:
            self._add_expanded(element, code, name, seventh)
        for child in below:
            self.add(child, _clean(child.findtext("name")), node, seventh)
        return node

    def _add_concept(self, element: Element, node: str, code: str, name: str, *, leaf: bool) -> None:
        tag = element.tag
        if tag == "diag":
            kind = "category" if len(code) == 3 else "code" if leaf else "subcategory"
        else:
            kind = "chapter" if tag == "chapter" else "block"
        billable = leaf if tag == "diag" else None
        self.concepts.append((node, code, kind, name, True, billable, False, element.get("placeholder") == "true"))

    def _add_expanded(self, element: Element, code: str, name: str, seventh: Element) -> None:
        """Adds a code of the tabular list with the 7-character codes that it stands for."""
        stem = (code if "." in code else f"{code}.").ljust(7, "X")
        longer = [] if len(code) > 7 else [(stem + char, meaning) for char, meaning in self._characters(seventh)]
        if self.known is not None:
            longer = [(found, meaning) for found, meaning in longer if found.replace(".", "") in self.known]
        self._add_concept(element, code, code, name, leaf=not longer)
        self.edges.extend((code, found) for found, _ in longer)
        self.concepts.extend(
            (found, found, "code", f"{name}, {meaning}", True, True, True, False) for found, meaning in longer
        )

    def _characters(self, seventh: Element) -> Iterator[tuple[str, str]]:
        for extension in seventh.iterfind("extension"):
            char, meaning = extension.get("char"), _clean(extension.text)
            if not char or not meaning:
                raise self.wrong(extension, "a 7th character without its char or meaning")
            yield char, meaning

    def ontology(self, release: str) -> Ontology:
        """Returns the rows as a checked ontology."""
        return Ontology(
            system="icd10cm",
            release=release,
            concepts=frame_of(self.concepts, _CONCEPTS),
            terms=frame_of(self.terms, _TERMS).unique(["node", "term"], keep="first", maintain_order=True),
            edges=frame_of(self.edges, _EDGES),
            notes=frame_of(self.notes, _NOTES),
        )


def _texts_in(part: Element) -> Iterator[str]:
    for note in part:
        if text := _clean(note.text):
            yield text


def _clean(text: str | None) -> str:
    """The text with single spaces and none around it."""
    return " ".join(text.split()) if text else ""
