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
_ORDER_LINE = re.compile(r"\d{5} ([0-9A-Z]{3,7}) +([01]) ")
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
    content = _bytes(path)
    root = read_xml(content, path.name)
    if root.tag != "ICD10CM.tabular":
        raise ReaderError(
            f"{path.name} is no ICD-10-CM tabular list", got=f"<{root.tag}>", expected="<ICD10CM.tabular>"
        )
    version = (root.findtext("version") or "").strip()
    found = release or _date(path.name) or version
    if not found:
        raise ReaderError(f"{path.name} names no version", expected="a <version> element", then="pass release=")

    def wrong(element: Element, what: str) -> ReaderError:
        return ReaderError(f"{path.name}, line {line_of(element, root, content)}: {what}")

    rows = _Rows(None if codes is None else read_code_list(codes), wrong)
    for chapter in root.iterfind("chapter"):
        rows.add(chapter, None, None)
    try:
        return rows.ontology(found)
    except InputError as error:
        raise ReaderError(f"{path.name}: {error}") from None


def read_code_list(path: str | Path) -> frozenset[str]:
    """Returns the codes, with dots, of a list with a code first on each line or of a CMS order file.

    Raises:
        ReaderError: a line without a code; names file and line.
    """
    path = Path(path)
    found = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        ordered = _ORDER_LINE.match(line)
        code = ordered[1] if ordered else line.split(maxsplit=1)[0] if line.strip() else ""
        if not code:
            continue
        if not re.fullmatch(r"[0-9A-Z][0-9A-Z.-]*", code):
            raise ReaderError(
                f"{path.name}, line {number}: no ICD-10-CM code", got=repr(code[:20]), expected="such as A000"
            )
        found.append(code if "-" in code or "." in code or len(code) < 4 else f"{code[:3]}.{code[3:]}")
    return frozenset(found)


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
    """Columns of the frames, filled while walking down the tree."""

    known: frozenset[str] | None
    wrong: Callable[[Element, str], ReaderError]
    concepts: list[tuple[str, str, str, str, bool | None, bool, bool]] = field(default_factory=list)
    terms: list[tuple[str, str, str, str]] = field(default_factory=list)
    edges: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, element: Element, parent: str | None, seventh: Element | None) -> None:
        """Adds a chapter, section or diag with all below it; ``seventh`` is the ``sevenChrDef`` in force."""
        code, name = self._code(element), _clean(element.findtext("desc"))
        if not name:
            raise self.wrong(element, f"{code} has no <desc>")
        below = [child for child in element if child.tag in ("section", "diag")]
        node = f"block:{code}" if element.tag == "section" and "-" not in code else code
        own = element.find("sevenChrDef")
        seventh = seventh if own is None else own
        expansions = [] if below or element.tag != "diag" else list(self._expansions(code, name, seventh))
        billable = None if element.tag != "diag" else not (below or expansions)
        kind = _kind(element.tag, code, leaf=bool(billable))
        self.concepts.append((node, code, kind, name, billable, False, element.get("placeholder") == "true"))
        if parent is not None:
            self.edges.append((parent, node))
        self._texts(element, node, code, name)
        for longer, title in expansions:
            self.concepts.append((longer, longer, "code", title, True, True, False))
            self.edges.append((node, longer))
        for child in below:
            self.add(child, node, seventh)

    def _code(self, element: Element) -> str:
        code = element.get("id") if element.tag == "section" else _clean(element.findtext("name"))
        if not code:
            raise self.wrong(element, f"a <{element.tag}> without a code")
        return code

    def _texts(self, element: Element, node: str, code: str, name: str) -> None:
        self.terms.append((node, code, name, "preferred"))
        for part in element:
            tag = part.tag
            if (kind := _TERM_KINDS.get(tag)) is not None:
                self.terms.extend((node, code, text, kind) for text in _texts_in(part))
            elif (kind := _NOTE_KINDS.get(tag)) is not None:
                self.notes.extend((node, code, kind, text) for text in _texts_in(part))

    def _expansions(self, code: str, name: str, seventh: Element | None) -> Iterator[tuple[str, str]]:
        if seventh is None or len(code) > 7:
            return
        stem = (code if "." in code else f"{code}.").ljust(7, "X")
        for extension in seventh.iterfind("extension"):
            character, meaning = extension.get("char"), _clean(extension.text)
            if not character or not meaning:
                raise self.wrong(extension, f"a 7th character of {code} without its char or text")
            if self.known is None or stem + character in self.known:
                yield stem + character, f"{name}, {meaning}"

    def ontology(self, release: str) -> Ontology:
        concepts = pl.DataFrame(
            self.concepts,
            schema=dict.fromkeys(("node", "code", "kind", "name"), pl.String)
            | dict.fromkeys(("billable", "expanded", "placeholder"), pl.Boolean),
            orient="row",
        )
        texts = dict.fromkeys(("node", "code"), pl.String)
        terms = pl.DataFrame(self.terms, schema={**texts, "term": pl.String, "kind": pl.String}, orient="row")
        return Ontology(
            system="icd10cm",
            release=release,
            concepts=concepts.with_columns(active=pl.lit(True)),
            terms=terms.unique(["node", "term"], keep="first", maintain_order=True),
            edges=pl.DataFrame(self.edges, schema={"parent": pl.String, "child": pl.String}, orient="row"),
            notes=pl.DataFrame(self.notes, schema={**texts, "kind": pl.String, "text": pl.String}, orient="row"),
        )


def _kind(tag: str, code: str, *, leaf: bool) -> str:
    if tag != "diag":
        return "chapter" if tag == "chapter" else "block"
    if len(code) == 3:
        return "category"
    return "code" if leaf else "subcategory"


def _texts_in(part: Element) -> Iterator[str]:
    for note in part:
        if text := _clean(note.text):
            yield text


def _clean(text: str | None) -> str:
    """The text with single spaces and none around it."""
    return " ".join(text.split()) if text else ""
