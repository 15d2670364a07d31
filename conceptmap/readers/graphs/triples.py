"""Statements of an RDF file (RDF/XML, Turtle, N-Triples, JSON-LD), one after another, from pyoxigraph's parsers.

Nothing is fetched: no import, no JSON-LD context from elsewhere, no external entity. What those parsers do not guard
against is refused before they see it: entities that grow, and elements nested so deeply that reading them takes hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn
from xml.parsers import expat

from conceptmap.errors import MissingExtraError, ReaderError
from conceptmap.readers.xml import MAX_DEPTH

__all__ = ["is_rdf", "statements"]

_LONGEST_ENTITY = 256
"""Characters. The entities of ontologies stand for the beginnings of IRIs."""
_BASE = "http://localhost/"  # what a relative IRI is completed with
_OTHER_SYNTAX = {
    "OWL functional syntax": re.compile(rb"(?:Prefix|Ontology)\s*\("),
    "OWL Manchester syntax": re.compile(rb"Prefix:\s|Ontology:\s"),
    "OWL/XML": re.compile(rb"(?:<[?!][^>]*>\s*)*<Ontology\b"),
}
_XML = re.compile(rb"<\?xml|<!DOCTYPE|<!--|<rdf:RDF|<RDF\b")
_AT_XML_HEAD = re.compile(rb"<(?:\w+:)?RDF\b")


def is_rdf(head: bytes) -> bool:
    """Whether an XML file begins as RDF/XML does."""
    return _AT_XML_HEAD.search(head) is not None


def statements(content: bytes, file: str) -> Iterator[Any]:
    """The statements, each with subject, predicate and object, in the order of the file.

    Args:
        content: the whole file.
        file: its name, for errors.

    Raises:
        ReaderError: no RDF, or malformed; names file and, where it is known, line. Nothing after it is read.
        MissingExtraError: pyoxigraph is not installed.
    """
    form = _form_of(content.removeprefix(b"\xef\xbb\xbf").lstrip(), file)
    if form == "RDF_XML":
        _check_xml(content, file)
    oxigraph = _oxigraph()
    try:
        yield from oxigraph.parse(input=content, format=getattr(oxigraph.RdfFormat, form), base_iri=_BASE)
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        reason = "it names a context elsewhere" if "remote context" in str(error.msg) else "not well-formed"
        expected = (
            "a context within the file: nothing is fetched" if reason.startswith("it") else form.replace("_", "/")
        )
        raise ReaderError(f"{file}{line}: {reason}", expected=expected) from None
    except (OSError, ValueError) as error:
        raise ReaderError(f"{file} cannot be read", got=type(error).__name__, expected=form) from None


def _oxigraph() -> Any:  # noqa: ANN401 - a module
    try:
        import pyoxigraph
    except ModuleNotFoundError as error:
        raise MissingExtraError("pyoxigraph", extra="rdf", purpose="reading OWL and SKOS") from error
    return pyoxigraph


def _form_of(head: bytes, file: str) -> str:
    """What the first characters show: files of the same name ending hold one or the other."""
    for name, pattern in _OTHER_SYNTAX.items():
        if pattern.match(head):
            raise ReaderError(
                f"{file} is in {name}", expected="RDF/XML, Turtle, N-Triples or JSON-LD", then="save it as RDF/XML"
            )
    if _XML.match(head):
        return "RDF_XML"
    return "JSON_LD" if head[:1] in (b"{", b"[") and not re.match(rb"\[\s*\]|\[\s*[<\w:]", head) else "TURTLE"


def _check_xml(content: bytes, file: str) -> None:
    """Refuse entities that are long, hold others or lie elsewhere, and deep nesting.

    Raises:
        ReaderError: there is one, or it is no XML; names file and line.
    """
    parser, depth = expat.ParserCreate(), 0

    def refuse(what: str, got: str, expected: str) -> NoReturn:
        raise ReaderError(f"{file}, line {parser.CurrentLineNumber}: {what}", got=got, expected=expected)

    def entity(name: str, is_parameter: int, value: str | None, *_: object) -> None:
        if is_parameter or value is None or len(value) > _LONGEST_ENTITY or "&" in value or "<" in value:
            refuse("an entity that may grow or lies elsewhere", name, "short texts such as the beginning of an IRI")

    def start(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            refuse("elements nested too deeply", f"{depth}", f"at most {MAX_DEPTH} deep")

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser.EntityDeclHandler = entity
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = str(expat.ErrorString(error.code))
        raise ReaderError(f"{file}, line {error.lineno}: not well-formed XML", got=reason) from None
