"""OBO 1.0, 1.2 and 1.4 flat files: the Human Disease and Phenotype Ontologies, Mondo and others like them.

A reader of our own and not ``obonet``, since mistakes are to be named with their line, stanzas that share an id are
to be noticed, and frames come out without a graph in between, in less time (``benchmarks/ontology_speed.py``); the
tests hold its answers against obonet's. Source: the OBO Flat File Format 1.4 Syntax and Semantics, sections 2 and 3.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from conceptmap.errors import InputError, ReaderError
from conceptmap.memory import no_collection
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.archive import Archive, Member, open_archive, whole
from conceptmap.readers.graphs.terms import Term, cut_cycles, ontology_of
from conceptmap.readers.tables import MalformedRow, ReadReport

__all__ = ["read_obo"]

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:(EXACT|NARROW|BROAD|RELATED)\b\s*)?([^\s\[]+)?')  # and scope, type
_SCOPES = {f"{scope}_synonym": scope.upper() for scope in ("exact", "narrow", "broad", "related")} | {
    "synonym": "RELATED"
}
_XREFS = ("xref", "xref_analog", "xref_unk")  # OBO 1.0 has the latter two
_LISTS = {"is_a": "parents", "alt_id": "alt_ids", "replaced_by": "replaced_by", "consider": "consider"}
_TAIL = re.compile(r"(?:\s\{[^{}]*\})?(?:\s!.*)?\s*$")
_ESCAPE = re.compile(r"\\(.)")
_WHITE = {"n", "t", "W"}
_MATCH = re.compile(r'(?:skos:)?(exact|close|broad|narrow|related)Match\s+"?([^"\s]+)')
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY_FIRST = re.compile(r"(\d{2}):(\d{2}):(\d{4})")


def read_obo(
    source: str | Path | Archive,
    *,
    system: str | None = None,
    release: str | None = None,
    strict: bool = True,
    report: ReadReport | None = None,
) -> Ontology:
    """Returns the terms of an OBO file: names, synonyms by scope, is-a edges, cross-references, definitions.

    Obsolete terms stay as inactive concepts with their ``replaced_by`` and ``consider``. Terms of another prefix than
    most are of kind ``imported`` and have no rows in ``terms``. Parents that the file does not hold, as in a slim,
    are left out with a warning that counts them.

    Args:
        source: the file, UTF-8, also packed with gzip, or a zip or folder that holds one OBO file.
        system: prefix; the ids' own in lower case unless given.
        release: the header's ``data-version`` (its date, if it has one) unless given, else its ``date``.
        strict: False leaves out the lines that cannot be read, with a warning that counts them and lists the first.
        report: receives all that is left out.

    Raises:
        ReaderError: not an OBO file, or a line that cannot be read; names file and line.
    """
    archive = source if isinstance(source, Archive) else open_archive(source)
    member = _the_file(archive)
    report = ReadReport() if report is None else report
    try:
        with no_collection():
            stanzas = _Stanzas(member.name, strict, report)
            for number, line in enumerate(_text(archive, member).split("\n"), start=1):
                stanzas.take(number, line.strip())
            terms = stanzas.finished()
            cut_cycles(terms, stanzas.refuse)
            ontology = ontology_of(terms, system, release or _release(stanzas.header), report)
    except InputError as error:
        raise ReaderError(f"{member.name}: {error}") from None
    _warn(report, member.name)
    return ontology


def _take(term: Term, tag: str, value: str) -> bool:
    """Keeps what a clause says of the meaning and passes over the rest; False if it cannot be read."""
    if tag in _XREFS:
        term.maps.append(("xref", value.partition(" ")[0]))
    elif tag in _SCOPES or tag == "def":
        return _take_quoted(term, tag, value)
    elif tag in _LISTS:
        getattr(term, _LISTS[tag]).append(value.partition(" ")[0])
    elif tag == "name":
        term.name = _plain(_bare(value))
    elif tag == "id":
        fresh = not term.id
        term.id = term.id or value.partition(" ")[0]
        return fresh
    elif tag == "comment" and value:
        term.notes.append(("comment", _plain(_bare(value))))
    elif tag == "is_obsolete":
        term.active = not value.startswith("true")
    elif tag == "property_value" and (found := _MATCH.match(value)):
        term.maps.append((f"{found[1]}Match", found[2]))
    return True


def _take_quoted(term: Term, tag: str, value: str) -> bool:
    if not (parts := _QUOTED.match(value)):
        return False
    text = _plain(parts[1])
    if tag == "def" and text:
        term.notes.append(("definition", text))
    elif parts[3] == "obsolete_synonym":  # HPO: once used, and wrong today
        term.notes.append(("obsolete_synonym", text))
    elif text:
        term.synonyms.append((text, parts[2] or _SCOPES[tag], parts[3]))
    return True


@dataclass
class _Stanzas:
    """Where the reader is in a file: the header, then the terms so far."""

    file: str
    strict: bool
    report: ReadReport
    header: dict[str, str] = field(default_factory=dict)
    terms: list[Term] = field(default_factory=list)
    stanza: str = ""

    def take(self, number: int, line: str) -> None:
        """Reads the next line; those of other stanzas than [Term] are passed over."""
        if not line or line[0] == "!":
            return
        if line[0] == "[":
            self.stanza = line.partition("]")[0][1:]
            if self.stanza == "Term":
                self.terms.append(Term(number))
            return
        tag, colon, value = line.partition(":")
        if not colon:
            self.refuse(number, "not a clause", "tag: value")
        elif not self.stanza:
            self.header[tag] = value.lstrip()
        elif self.stanza == "Term" and not _take(self.terms[-1], tag, value.lstrip()):
            self.refuse(number, f"{tag} cannot be read", "one id in a [Term], and quotes around texts")
            if tag == "id":  # another term, whose [Term] is missing: what follows is not said of the one before
                self.stanza = "without a [Term]"

    def refuse(self, number: int, what: str, expected: str) -> None:
        """Raises, or reports the line."""
        if self.strict:
            raise ReaderError(f"{self.file}, line {number}: {what}", expected=expected)
        self.report.add_malformed([MalformedRow(self.file, number, what)])

    def finished(self) -> list[Term]:
        """Returns the terms, each with an id of its own."""
        lines: dict[str, int] = {}
        kept = []
        for term in self.terms:
            if not term.id:
                self.refuse(term.line, "a [Term] without an id", "one id line in each")
            elif (first := lines.setdefault(term.id, term.line)) != term.line:
                self.refuse(term.line, f"{term.id} again, first on line {first}", "one [Term] for each id")
            else:
                kept.append(term)
        if not kept:
            raise ReaderError(f"{self.file} holds no [Term]", expected="an OBO flat file")
        return kept


def _the_file(archive: Archive) -> Member:
    found = [member for member in archive.members if member.name.lower().endswith(".obo")]
    if len(found) != 1 and len(archive.members) > 1:
        names = ", ".join(member.path for member in found[:5]) or "none"
        raise ReaderError(f"{archive.source.name} should hold one OBO file", got=names, then="give the file itself")
    return found[0] if found else archive.members[0]


def _text(archive: Archive, member: Member) -> str:
    content = whole(archive, member)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ReaderError(f"{member.name}, line {line}: not UTF-8", expected="a file in UTF-8") from None


def _warn(report: ReadReport, file: str) -> None:
    if said := report.said(f"{count} {rule}" for rule, count in report.left_out.items()):
        warnings.warn(f"{file}: {said}", stacklevel=3)


def _bare(value: str) -> str:
    """The value without trailing modifiers in braces and without the comment after an exclamation mark."""
    return _TAIL.sub("", value, count=1) if "!" in value or "{" in value else value


def _plain(text: str) -> str:
    r"""The text without escapes and with single spaces.

    >>> _plain(r"http\://x\nsays  \"a, b\"")
    'http://x says "a, b"'
    """
    if "\\" in text:
        text = _ESCAPE.sub(lambda found: " " if found[1] in _WHITE else found[1], text)
    return " ".join(text.split())


def _release(header: dict[str, str]) -> str:
    version = header.get("data-version", "")
    if date := _DATE.search(version):
        return date[0]
    if version:
        return version
    if day := _DAY_FIRST.match(header.get("date", "")):
        return f"{day[3]}-{day[2]}-{day[1]}"
    return "undated"
