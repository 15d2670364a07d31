"""ICD-10 as WHO and national centres publish it in the Classification Markup Language (ClaML), zip or XML.

Source: EN 14463, ClaML 2.0.0 and 2.0.1. Chapters, blocks and categories come with their preferred rubric and
inclusions as terms, exclusions and other rubrics as notes, dagger and asterisk as ``usage``; modifiers are expanded
into the codes that they compose. Of these, fourth characters that a category states are codes like others; fifth
characters and those that a whole block takes (place of occurrence, activity) are ``expanded`` and have no terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from xml.etree.ElementTree import Element

import polars as pl

from conceptmap.errors import InputError, ReaderError
from conceptmap.frames import frame_of
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.archive import Archive, Member, open_archive, stream, whole
from conceptmap.readers.claml_modifiers import ModifiedBy, ModifierClass, Stated, composed, with_dot
from conceptmap.readers.claml_text import Marks, plain_text, with_references
from conceptmap.readers.tables import MalformedRow, ReadReport
from conceptmap.readers.xml import line_of, read_xml

__all__ = ["is_claml", "read_claml"]

_MAX_BYTES = 512 * 2**20  # the whole file is held as a tree; the largest known editions have 30 MB
_LANGUAGE = "xml:lang"  # expat without name spaces leaves the prefix as it is written
_NOTES = {"exclusion": "excludes", "modifierlink": None, "preferred": None, "preferredLong": None, "inclusion": None}
_CONCEPTS = pl.Schema(
    dict.fromkeys(("node", "code", "kind", "name"), pl.String)
    | dict.fromkeys(("active", "billable", "expanded"), pl.Boolean)
    | {"usage": pl.String}
)
_TERMS = pl.Schema(dict.fromkeys(("node", "code", "term", "kind"), pl.String))
_EDGES = pl.Schema(dict.fromkeys(("parent", "child"), pl.String))
_NOTE_ROWS = pl.Schema(dict.fromkeys(("node", "code", "kind", "text"), pl.String))


def read_claml(
    source: str | Path | Archive,
    *,
    system: str = "icd10",
    language: str | None = None,
    release: str | None = None,
    strict: bool = True,
    report: ReadReport | None = None,
) -> Ontology:
    """Returns a classification in ClaML with every code that its modifiers compose.

    ``billable`` is true of categories below which only optional subdivisions lie; ``usage`` is ``dagger``, ``aster``
    or what else the file marks; ``expanded`` codes have no terms, as they are reached from the code above them.

    Args:
        source: the XML file, or a zip or folder that holds it.
        system: prefix of the system that the codes are of.
        language: labels in this language, such as ``en``, are taken where a rubric has several; its first otherwise.
        release: version to carry instead of the one in the file's Title.
        strict: a class without code or name, a second class of the same code, or a reference to a class or modifier
            that the file lacks is an error. Otherwise these are left out, counted and listed in ``report``.
        report: takes counts.

    Raises:
        InputError: no such file.
        ReaderError: no ClaML file, not well-formed, or malformed; names file and line.
    """
    archive = source if isinstance(source, Archive) else open_archive(source)
    report = ReadReport() if report is None else report
    member = _find(archive)
    if member.size > _MAX_BYTES:
        raise ReaderError(f"{member.path} is too large", got=f"{member.size} bytes", expected=f"at most {_MAX_BYTES}")
    content = whole(archive, member)
    root = read_xml(content, member.path)
    title = root.find("Title")
    found = release or (title is not None and (title.get("version") or title.get("date"))) or None
    if found is None:
        raise ReaderError(
            f"{member.path} names no version", expected="a Title with version or date", then="pass release="
        )

    def wrong(element: Element, what: str) -> None:
        row = MalformedRow(member.path, line_of(element, root, content), what)
        if strict:
            raise ReaderError(f"{row.file}, line {row.line}: {row.reason}")
        report.add_malformed([row])

    reader = _Reader(root, language, wrong)
    report.rows[member.path] = len(root.findall("Class"))
    try:
        return reader.ontology(system, found)
    except InputError as error:
        raise ReaderError(f"{member.path}: {error}") from None


def is_claml(archive: Archive, member: Member) -> bool:
    """Says whether a member is a ClaML file, by its first few kilobytes."""
    return member.name.lower().endswith((".xml", ".claml")) and b"<ClaML" in next(stream(archive, member), b"")[:65536]


def _find(archive: Archive) -> Member:
    found = [member for member in archive.members if is_claml(archive, member)]
    if len(found) != 1:
        got = ", ".join(member.path for member in found) or "none"
        raise ReaderError(
            f"{archive.source.name} has to hold one ClaML file", got=got, expected="an XML whose root is ClaML"
        )
    return found[0]


@dataclass
class _Class:
    """A Class element with what is needed of it."""

    element: Element
    node: str
    code: str
    kind: str
    name: str
    parents: list[str]
    stated: Stated
    children: list[str] = field(default_factory=list)

    @property
    def is_category(self) -> bool:
        return self.kind not in ("chapter", "block")


@dataclass
class _Reader:
    """The file's tree and how to read a label; rows of the frames are gathered from it."""

    root: Element
    language: str | None
    wrong: Callable[[Element, str], None]
    concepts: list[tuple[object, ...]] = field(default_factory=list)
    terms: list[tuple[object, ...]] = field(default_factory=list)
    edges: list[tuple[object, ...]] = field(default_factory=list)
    notes: list[tuple[object, ...]] = field(default_factory=list)

    def ontology(self, system: str, release: str) -> Ontology:
        """Returns all rows as a checked ontology."""
        classes = self._classes()
        for member in classes.values():
            self._add(member, classes)
        return Ontology(
            system=system,
            release=release,
            concepts=frame_of(self.concepts, _CONCEPTS),
            terms=frame_of(self.terms, _TERMS).unique(["node", "term"], keep="first", maintain_order=True),
            edges=frame_of(self.edges, _EDGES).unique(maintain_order=True),
            remarks=frame_of(self.notes, _NOTE_ROWS).unique(maintain_order=True),
        )

    # -- the file's own classes ---------------------------------------------------------------------------------------

    @cached_property
    def marks(self) -> Marks:
        """What the file prints for each usage, such as * for aster."""
        return {kind.get("name", ""): kind.get("mark", "") for kind in self.root.iter("UsageKind")}

    def _classes(self) -> dict[str, _Class]:
        """Classes by their code as the file writes it, with their children linked."""
        classes: dict[str, _Class] = {}
        for element in self.root.iterfind("Class"):
            code, name = element.get("code", ""), self._label(element, "preferred")
            if not code or not name:
                self.wrong(
                    element, f"a Class {code} without a {'preferred rubric' if code else 'code'}".replace("  ", " ")
                )
            elif code in classes:
                self.wrong(element, f"a second Class {code}")
            else:
                classes[code] = self._class(element, code, name)
        for code, member in classes.items():
            member.parents = self._known_parents(member, classes)
            for parent in member.parents:
                classes[parent].children.append(code)
        return classes

    def _class(self, element: Element, code: str, name: str) -> _Class:
        kind = element.get("kind", "category")
        is_category = kind not in ("chapter", "block")
        excluded = frozenset(exclude.get("code", "") for exclude in element.iterfind("ExcludeModifier"))
        stated = Stated(is_category, tuple(self._modified_by(element)), excluded)
        parents = [parent.get("code", "") for parent in element.iterfind("SuperClass")]
        ours = with_dot(code) if is_category else code
        return _Class(element, ours, ours, kind, name, parents, stated)

    def _known_parents(self, member: _Class, classes: dict[str, _Class]) -> list[str]:
        for lost in (parent for parent in member.parents if parent not in classes):
            self.wrong(member.element, f"Class {member.code} has a SuperClass that is no Class: {lost}")
        return [parent for parent in member.parents if parent in classes]

    def _modified_by(self, element: Element) -> Iterator[ModifiedBy]:
        """The modifiers that a class states. A modifierlink rubric stands in where the file forgot ModifiedBy."""
        stated = element.findall("ModifiedBy")
        links = [rubric.find("Label/Reference") for rubric in element.iterfind("Rubric[@kind='modifierlink']")]
        for origin in stated or [link for link in links if link is not None and link.get("code") in self.modifiers]:
            code, position = origin.get("code", ""), origin.get("position", "")
            if code not in self.modifiers:
                self.wrong(
                    element, f"Class {element.get('code')} is modified by {code}, which no ModifierClass belongs to"
                )
                continue
            only = frozenset(value.get("code", "") for value in origin.iterfind("ValidModifierClass"))
            yield ModifiedBy(code, int(position) if position.isdigit() else None, only or None)

    @cached_property
    def modifiers(self) -> dict[str, tuple[ModifierClass, ...]]:
        """Values by the code of their modifier."""
        found: dict[str, tuple[ModifierClass, ...]] = {}
        for element in self.root.iterfind("ModifierClass"):
            modifier, code, name = (
                element.get("modifier", ""),
                element.get("code", ""),
                self._label(element, "preferred"),
            )
            if not (modifier and code and name):
                self.wrong(element, f"a ModifierClass {modifier} {code} without modifier, code or preferred rubric")
                continue
            not_after = {meta.get("value", "") for meta in element.iterfind("Meta[@name='excludeOnPrecedingModifier']")}
            inclusions = tuple(text for _, text in self._texts(element, "inclusion"))
            notes = tuple(self._notes(element))
            value = ModifierClass(code, name, inclusions, element.get("usage"), notes, frozenset(not_after))
            found[modifier] = (*found.get(modifier, ()), value)
        return found

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _add(self, member: _Class, classes: dict[str, _Class]) -> None:
        node, code = member.node, member.code
        self.edges.extend((classes[parent].node, node) for parent in member.parents)
        self.terms.append((node, code, member.name, "preferred"))
        self.terms.extend((node, code, text, "synonym") for _, text in self._texts(member.element, "preferredLong"))
        kind = "inclusion" if member.is_category else "includes"
        self.terms.extend((node, code, text, kind) for _, text in self._texts(member.element, "inclusion"))
        self.notes.extend((node, code, kind, text) for kind, text in self._notes(member.element))
        at = len(self.concepts)
        refined = self._refine(member, classes) if member.is_category and not member.children else False
        leaf = member.is_category and not member.children and not refined
        billable, usage = leaf if member.is_category else None, member.element.get("usage")
        self.concepts.insert(at, (node, code, _kind(member, leaf=leaf), member.name, True, billable, False, usage))

    def _refine(self, member: _Class, classes: dict[str, _Class]) -> bool:
        """Adds the codes composed below a class; says whether any of them is a subcategory of its own."""
        names, refined = {member.code: member.name}, False
        stated = [above.stated for above in _upwards(member, classes)]
        for new in composed(member.code, stated, self.modifiers):
            if new.code in self.own_codes:
                continue
            code, base, value = new.code, names[new.parent], new.value
            name = names[code] = f"{base}, {_lowered(value.name)}"
            usage = value.usage or member.element.get("usage")
            self.concepts.append((code, code, "code", name, True, True, new.optional, usage))
            self.edges.append((new.parent, code))
            if not new.optional:
                refined = True
                self.terms.append((code, code, name, "preferred"))
                self.terms.extend((code, code, f"{base}, {_lowered(text)}", "inclusion") for text in value.inclusions)
                self.notes.extend((code, code, kind, text) for kind, text in value.notes)
        return refined

    @cached_property
    def own_codes(self) -> frozenset[str]:
        """Codes that the file spells out; where a modifier would compose one of them, the file's own class counts."""
        return frozenset(with_dot(element.get("code", "")) for element in self.root.iterfind("Class"))

    def _label(self, element: Element, kind: str) -> str:
        return next((text for _, text in self._texts(element, kind)), "")

    def _texts(self, element: Element, kind: str) -> Iterator[tuple[Element, str]]:
        """Labels of the rubrics of a kind, references left out."""
        for rubric in element.iterfind(f"Rubric[@kind='{kind}']"):
            if (label := self._in_language(rubric)) is not None and (text := plain_text(label)):
                yield label, text

    def _notes(self, element: Element) -> Iterator[tuple[str, str]]:
        """Rubrics that are no terms, and terms that name the other half of a dagger and asterisk pair."""
        for rubric in element.iterfind("Rubric"):
            kind, label = rubric.get("kind", ""), self._in_language(rubric)
            if label is None:
                continue
            kept = _NOTES.get(kind, kind.replace("-", "_"))
            if kept is None and any(reference.get("usage") for reference in label.iter("Reference")):
                kept = "dagger_asterisk"
            if kept and (text := with_references(label, self.marks)):
                yield kept, text

    def _in_language(self, rubric: Element) -> Element | None:
        labels = rubric.findall("Label")
        wanted = [label for label in labels if self.language and label.get(_LANGUAGE, "").startswith(self.language)]
        return next(iter(wanted or labels), None)


def _kind(member: _Class, *, leaf: bool) -> str:
    if not member.is_category:
        return member.kind
    return "category" if len(member.code) == 3 else "code" if leaf else "subcategory"


def _upwards(member: _Class, classes: dict[str, _Class]) -> list[_Class]:
    """A class and those above it, nearest first, none twice."""
    found = [member]
    for one in found:
        above = (classes[parent] for parent in one.parents)
        found.extend(other for other in above if all(other is not seen for seen in found))
    return found


def _lowered(text: str) -> str:
    """A label as the second half of a name: its first letter small, unless the word is an abbreviation or a symbol."""
    return text[0].lower() + text[1:] if len(text) > 1 and text[1].islower() else text
