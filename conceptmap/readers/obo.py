"""OBO 1.2 and 1.4 flat files: the Human Disease Ontology, the Human Phenotype Ontology, Mondo and others like them.

A reader of our own and not ``obonet``, since mistakes are to be named with their line, stanzas that share an id are
to be noticed, and frames come out without a graph in between, in less time (``benchmarks/ontology_speed.py``); the
tests hold its answers against obonet's. Source: the OBO Flat File Format 1.4 Syntax and Semantics, sections 2 and 3.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import polars as pl

from conceptmap.errors import InputError, ReaderError
from conceptmap.ontology import Ontology

__all__ = ["read_obo", "split_xref"]

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:(EXACT|NARROW|BROAD|RELATED)\b\s*)?([^\s\[]+)?')  # and scope, type
_SCOPES = {f"{scope}_synonym": scope.upper() for scope in ("exact", "narrow", "broad", "related")} | {
    "synonym": "RELATED"
}
_LISTS = {"is_a": "parents", "alt_id": "alt_ids", "replaced_by": "replaced_by", "consider": "consider"}
_TAIL = re.compile(r"(?:\s\{[^{}]*\})?(?:\s!.*)?\s*$")
_ESCAPE = re.compile(r"\\(.)")
_WHITE = {"n", "t", "W"}
_MATCH = re.compile(r'(?:skos:)?(exact|close|broad|narrow|related)Match\s+"?([^"\s]+)')
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY_FIRST = re.compile(r"(\d{2}):(\d{2}):(\d{4})")
_OUR_NAMES = (
    (re.compile(r"snomed.*|sctid"), "snomedct"),
    (re.compile(r"umls.*"), "umls"),
    (re.compile(r"msh"), "mesh"),
)
_FULL_CURIES = {"doid", "hp", "mondo"}

_CONCEPTS = pl.Schema(
    {
        "node": pl.String,
        "code": pl.String,
        "kind": pl.String,
        "name": pl.String,
        "active": pl.Boolean,
        "billable": pl.Boolean,
        "alt_ids": pl.List(pl.String),
        "replaced_by": pl.List(pl.String),
        "consider": pl.List(pl.String),
    }
)
_TERMS = pl.Schema(dict.fromkeys(("node", "code", "term", "kind", "scope", "type"), pl.String))
_MAPS = dict.fromkeys(("code", "target_system", "target_code", "relation"), pl.String)
_NOTES = dict.fromkeys(("node", "code", "kind", "text"), pl.String)

Clause = tuple[int, str, str]


def read_obo(path: str | Path, *, system: str | None = None, release: str | None = None) -> Ontology:
    """Returns the terms of an OBO file: names, synonyms by scope, is-a edges, cross-references, definitions.

    Obsolete terms stay as inactive concepts with their ``replaced_by`` and ``consider``. Terms of another prefix than
    most are of kind ``imported`` and have no rows in ``terms``. Parents that the file does not hold, as in a slim,
    are left out with a warning that counts them.

    Args:
        path: the file, UTF-8.
        system: prefix; the ids' own in lower case unless given.
        release: the header's ``data-version`` (its date, if it has one) unless given, else its ``date``.

    Raises:
        ReaderError: not an OBO file, or a line that cannot be read; names file and line.
    """
    path = Path(path)
    header, stanzas = _stanzas(path)
    terms = [_Term.of(stanza, path.name) for stanza in stanzas]
    if not terms:
        raise ReaderError(f"{path.name} holds no [Term]", expected="an OBO flat file")
    first_lines: dict[str, int] = {}
    for term in terms:
        if (line := first_lines.setdefault(term.id, term.line)) != term.line:
            raise ReaderError(f"{path.name}, line {term.line}: {term.id} again", got=f"a first [Term] on line {line}")
    prefix = Counter(term.prefix for term in terms if term.active).most_common(1) or [(terms[0].prefix, 1)]
    try:
        return _ontology(terms, prefix[0][0], system, release or _release(header), path.name)
    except InputError as error:
        raise ReaderError(f"{path.name}: {error}") from None


@cache
def split_xref(xref: str) -> tuple[str, str]:
    """Returns system and code of a cross-reference; the code is as in the file.

    >>> split_xref("SNOMEDCT_US_2016_03_01:44054006"), split_xref("ICD10CM:E11.9"), split_xref("HP:0001250")
    (('snomedct', '44054006'), ('icd10cm', 'E11.9'), ('hp', 'HP:0001250'))
    """
    prefix, colon, code = xref.partition(":")
    if not colon or code.startswith("//"):
        return ("iri" if colon else ""), xref
    system = prefix.lower()
    for pattern, ours in _OUR_NAMES:
        if pattern.fullmatch(system):
            return ours, code
    return system, xref if system in _FULL_CURIES else code


@dataclass
class _Term:
    """One [Term] stanza."""

    id: str
    line: int
    name: str = ""
    active: bool = True
    parents: list[str] = field(default_factory=list)
    synonyms: list[tuple[str, str, str | None]] = field(default_factory=list)
    alt_ids: list[str] = field(default_factory=list)
    replaced_by: list[str] = field(default_factory=list)
    consider: list[str] = field(default_factory=list)
    maps: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        return self.id.partition(":")[0]

    @classmethod
    def of(cls, stanza: list[Clause], file: str) -> _Term:
        """Reads the clauses; the first is the stanza's own line."""
        ids = [value for _, tag, value in stanza if tag == "id"]
        if len(ids) != 1 or not (code := _bare(ids[0])):
            raise ReaderError(f"{file}, line {stanza[0][0]}: a [Term] with {len(ids)} id lines", expected="one")
        term = cls(code, stanza[0][0])
        for line, tag, value in stanza[1:]:
            if not term.take(tag, value):
                raise ReaderError(f"{file}, line {line}: cannot be read", got=tag, expected="a quoted text after it")
        return term

    def take(self, tag: str, value: str) -> bool:
        """Keeps what a clause says; False if it cannot be read. Tags that say nothing of a term's meaning are passed over."""
        if tag in _LISTS:
            getattr(self, _LISTS[tag]).append(_bare(value).partition(" ")[0])
        elif tag == "xref":
            self.maps.append(("xref", _bare(value).partition(" ")[0]))
        elif tag == "name":
            self.name = _plain(_bare(value))
        elif tag == "comment":
            self.notes.append(("comment", _plain(_bare(value))))
        elif tag == "is_obsolete":
            self.active = _bare(value) != "true"
        elif tag == "property_value" and (found := _MATCH.match(value)):
            self.maps.append((f"{found[1]}Match", found[2]))
        elif tag == "def" or tag in _SCOPES:
            return self._take_quoted(tag, value)
        return True

    def _take_quoted(self, tag: str, value: str) -> bool:
        if not (parts := _QUOTED.match(value)):
            return False
        if tag == "def":
            self.notes.append(("definition", _plain(parts[1])))
        else:
            self.synonyms.append((_plain(parts[1]), parts[2] or _SCOPES[tag], parts[3]))
        return True


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReaderError(f"{path} cannot be read", got=error.strerror) from None
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            yield number, raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise ReaderError(f"{path.name}, line {number}: not UTF-8", got=f"byte {error.start} of the line") from None


def _stanzas(path: Path) -> tuple[dict[str, str], list[list[Clause]]]:
    """Returns the header and the [Term] stanzas, each clause as line number, tag and value."""
    header: list[Clause] = []
    current, terms = header, []
    for number, line in _lines(path):
        if not line or line[0] == "!":
            continue
        if line[0] == "[":
            current = [(number, "", line)]
            if line.startswith("[Term]"):
                terms.append(current)
            continue
        tag, colon, value = line.partition(":")
        if not colon:
            raise ReaderError(f"{path.name}, line {number}: not an OBO clause", expected="tag: value")
        current.append((number, tag, value.lstrip()))
    return {tag: value for _, tag, value in header}, terms


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


def _ontology(terms: list[_Term], prefix: str, system: str | None, release: str, file: str) -> Ontology:
    known = {term.id for term in terms}
    edges = dict.fromkeys((parent, term.id) for term in terms for parent in term.parents)
    kept = [edge for edge in edges if edge[0] in known]
    if lost := len(edges) - len(kept):
        warnings.warn(f"{file}: {lost} is_a lines name a parent that the file does not hold; left out", stacklevel=3)
    concepts = [
        (
            term.id,
            term.id,
            "concept" if term.prefix == prefix else "imported",
            term.name or term.id,
            term.active,
            None,
            term.alt_ids,
            term.replaced_by,
            term.consider,
        )
        for term in terms
    ]
    texts = [row for term in terms if term.active and term.name and term.prefix == prefix for row in _texts(term)]
    maps = [(term.id, *split_xref(target), relation) for term in terms for relation, target in term.maps]
    notes = [(term.id, term.id, kind, text) for term in terms for kind, text in term.notes]
    return Ontology(
        system=system or prefix.lower(),
        release=release,
        concepts=pl.DataFrame(concepts, schema=_CONCEPTS, orient="row"),
        terms=pl.DataFrame(texts, schema=_TERMS, orient="row").unique(
            ["node", "term"], keep="first", maintain_order=True
        ),
        edges=pl.DataFrame(kept, schema={"parent": pl.String, "child": pl.String}, orient="row"),
        maps=pl.DataFrame(maps, schema=_MAPS, orient="row").unique(maintain_order=True),
        notes=pl.DataFrame(notes, schema=_NOTES, orient="row"),
    )


def _texts(term: _Term) -> Iterator[tuple[str, str, str, str, str | None, str | None]]:
    yield term.id, term.id, term.name, "preferred", None, None
    for text, scope, kind in term.synonyms:
        if text:
            yield term.id, term.id, text, "synonym", scope, kind
