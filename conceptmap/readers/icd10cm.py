"""ICD-10-CM as CMS and NCHS publish it: the tabular list, with code lists and the alphabetic index where they are.

The tabular list holds chapters, blocks, categories and codes, but codes that only get a 7th character are not in
it: they are built from the ``sevenChrDef`` of the nearest ancestor, with ``X`` in the empty positions (ICD-10-CM
Official Guidelines, I.A.4 and I.A.5). Not every combination exists, so a code list decides where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from xml.etree.ElementTree import Element

import polars as pl

from conceptmap.errors import InputError, ReaderError, said_codes
from conceptmap.frames import frame_of
from conceptmap.memory import no_collection
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.archive import Archive, Member, open_archive, whole
from conceptmap.readers.icd10cm_index import read_index
from conceptmap.readers.icd10cm_lists import date_in, read_code_list, read_order
from conceptmap.readers.tables import ReadReport
from conceptmap.readers.xml import line_of, read_xml

__all__ = ["FILES", "read_embedded", "read_icd10cm"]

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
    "visualImpairment": "table",
}
_CONCEPTS = pl.Schema(
    [(name, pl.String()) for name in ("node", "code", "kind", "name")]
    + [(name, pl.Boolean()) for name in ("active", "billable", "expanded", "placeholder")]
)
_TERMS, _NOTES, _EDGES = (
    pl.Schema([(name, pl.String()) for name in names])
    for names in (("node", "code", "term", "kind"), ("node", "code", "kind", "text"), ("parent", "child"))
)
FILES = {
    "tabular": re.compile(r"icd-?10-?cm?[-_]tabular.*\.xml$"),
    "order": re.compile(r"icd-?10-?cm[-_]order.*\.txt$"),
    "codes": re.compile(r"icd-?10-?cm[-_]codes.*\.txt$|^code-list.*\.txt$"),
    "index": re.compile(r"icd-?10-?cm[-_](e?index|neoplasm|drug).*\.xml$"),
}
"""How the files of a release are named, in lower case."""


def read_embedded(*, release: str | None = None) -> Ontology:
    """Returns the release in the data files of the installed package ``simple_icd_10_cm``, whose code is not run.

    Args:
        release: overrides the date in the files' names.

    Raises:
        ReaderError: the package or its data files are not there.
    """
    spec = find_spec("simple_icd_10_cm")
    folders = [Path(place, "data") for place in (spec.submodule_search_locations or ())] if spec else []
    if not any(folder.is_dir() for folder in folders):
        then = "type: pip install 'simple-icd-10-cm>=1.5', or give the release that CMS publishes"
        raise ReaderError("no embedded ICD-10-CM release", expected="the data files of simple_icd_10_cm", then=then)
    return read_icd10cm(folders[0], release=release)


def read_icd10cm(
    source: str | Path | Archive, *, release: str | None = None, strict: bool = True, report: ReadReport | None = None
) -> Ontology:
    """Returns the release in the files that CMS and NCHS publish, zipped or not.

    - the tabular list (``icd10cm_tabular_YYYY.xml``): chapters, blocks, codes, their terms and notes;
    - the order file (``icd10cm_order_YYYY.txt``) or a code list: says which 7-character codes exist. Without one every
      7th character that a ``sevenChrDef`` offers makes a code, also the few that the release leaves out. Without a
      tabular list the order file alone gives categories and codes, with no chapters, blocks, further terms or notes;
    - the alphabetic index, its external causes, the neoplasm and the drug table (``icd10cm_index_YYYY.xml``,
      ``…_eindex_…``, ``…_neoplasm_…``, ``…_drug_…``): further terms, see :mod:`conceptmap.readers.icd10cm_index`.

    Args:
        source: a folder or zip that holds some of them, or one of them.
        release: overrides the date in the file name and the version in the file.
        strict: a line of a code list or order file that cannot be read is an error. Otherwise such lines are left out,
            counted and listed in ``report``. XML that is malformed is always an error.
        report: takes the lines and the index entries that are left out.

    Raises:
        ReaderError: none of these files is there, they are of several releases, or one is malformed; names file
            and line.
    """
    archive = source if isinstance(source, Archive) else open_archive(source)
    lenient = None if strict else ReadReport() if report is None else report
    files = {what: _members(archive, pattern) for what, pattern in FILES.items()}
    for what in ("tabular", "order", "codes"):
        if len(files[what]) > 1:
            got = ", ".join(member.path for member in files[what])
            raise ReaderError(f"{archive.source.name} holds several releases", got=got, then="give one of the files")
    if files["tabular"]:
        lists = files["order"] or files["codes"]
        codes = read_code_list(archive, lists[0], lenient=lenient) if lists else None
        ontology = _tabular(archive, files["tabular"][0], codes, release)
        _check_same_release(ontology, codes, left_out=0 if lenient is None else lenient.n_malformed)
    elif files["order"]:
        ontology = read_order(archive, files["order"][0], release=release, lenient=lenient)
    else:
        got = ", ".join(member.name for member in archive.members[:5])
        expected = "icd10cm_tabular_YYYY.xml or icd10cm_order_YYYY.txt"
        raise ReaderError(f"{archive.source.name} holds no ICD-10-CM release", got=got, expected=expected)
    if not files["index"]:
        return ontology
    return ontology.with_terms(read_index(archive, files["index"], ontology, report=report))


def _members(archive: Archive, pattern: re.Pattern[str]) -> list[Member]:
    found = [member for member in archive.members if pattern.search(member.name.lower()) and member.size]
    return [member for member in found if "addenda" not in member.name.lower()]


def _check_same_release(ontology: Ontology, codes: frozenset[str] | None, *, left_out: int) -> None:
    billable = ontology.concepts.filter("billable")["code"]
    strange = [] if codes is None else [code for code in billable if code.replace(".", "") not in codes]
    if len(strange) > left_out:
        raise ReaderError(
            f"{len(strange)} codes of the tabular list are not in the code list",
            got=said_codes(strange, 5),
            expected="both of one release",
        )


def _tabular(archive: Archive, member: Member, codes: frozenset[str] | None, release: str | None) -> Ontology:
    try:
        with no_collection():
            content = whole(archive, member)
            root = read_xml(content, member.name)
            if root.tag != "ICD10CM.tabular":
                expected = "<ICD10CM.tabular>"
                raise ReaderError(f"{member.name} is no ICD-10-CM tabular list", got=f"<{root.tag}>", expected=expected)
            rows = _Rows(codes, lambda element: f"{member.name}, line {line_of(element, root, content)}")
            for chapter in root.iterfind("chapter"):
                rows.add_chapter(chapter)
            version = _clean(root.findtext("version"))
            return rows.ontology(release or date_in(member.name) or version or "undated")
    except InputError as error:
        raise ReaderError(f"{member.name}: {error}") from None


@dataclass
class _Rows:
    """Rows of the frames, filled while walking down the tree."""

    known: frozenset[str] | None
    place: Callable[[Element], str]
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
            raise ReaderError(f"{self.place(element)}: a <{element.tag}> without a code")
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
            raise ReaderError(f"{self.place(element)}: {code} has no <desc>")
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
        longer = {} if len(code) > 7 else {stem + char: texts for char, texts in self._characters(seventh)}
        if self.known is not None:
            longer = {found: texts for found, texts in longer.items() if found.replace(".", "") in self.known}
        self._add_concept(element, code, code, name, leaf=not longer)
        for found, (meaning, *includes) in longer.items():
            self.edges.append((code, found))
            self.concepts.append((found, found, "code", f"{name}, {meaning}", True, True, True, False))
            self.notes.extend((found, found, "includes", text) for text in includes)

    def _characters(self, seventh: Element) -> list[tuple[str, list[str]]]:
        """Each character with its meaning, and what the notes after it say that it includes."""
        found: list[tuple[str, list[str]]] = []
        for part in seventh:
            text = _clean(part.text)
            if part.tag == "extension":
                if not text or not part.get("char"):
                    raise ReaderError(f"{self.place(part)}: a 7th character without its char or meaning")
                found.append((part.get("char", ""), [text]))
            elif part.tag == "note" and found and text:
                found[-1][1].append(text)
        return found

    def ontology(self, release: str) -> Ontology:
        """Returns the rows as a checked ontology."""
        return Ontology(
            system="icd10cm",
            release=release,
            concepts=frame_of(self.concepts, _CONCEPTS),
            terms=frame_of(self.terms, _TERMS).unique(["node", "term"], keep="first", maintain_order=True),
            edges=frame_of(self.edges, _EDGES),
            remarks=frame_of(self.notes, _NOTES),
        )


def _texts_in(part: Element) -> Iterator[str]:
    for note in part:
        if text := _clean(" ".join(note.itertext()) if len(note) else note.text):
            yield text


def _clean(text: str | None) -> str:
    """The text with single spaces and none around it."""
    return " ".join(text.split()) if text else ""
