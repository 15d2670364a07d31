"""OWL ontologies and SKOS vocabularies, in RDF: classes or concepts, labels, synonyms, what is above, cross-references.

Sources: OWL 2 Mapping to RDF Graphs; SKOS Reference; the annotation properties of OBO (oboInOwl, IAO) and of the NCI
Thesaurus. Imports are not followed. A parent is what ``rdfs:subClassOf`` or ``skos:broader`` names; what a class is
defined to be (restrictions, intersections) is passed over, as releases say the hierarchy that follows from it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from conceptmap.errors import InputError, ReaderError
from conceptmap.memory import no_collection
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.archive import Archive, Member, open_archive, whole
from conceptmap.readers.graphs.terms import Term, cut_cycles, ontology_of
from conceptmap.readers.graphs.triples import statements
from conceptmap.readers.tables import ReadReport

__all__ = ["SUFFIXES", "read_rdf"]

SUFFIXES = (".owl", ".rdf", ".ttl", ".skos", ".jsonld", ".nt", ".ofn", ".omn", ".owx")
"""The last three are refused, with what to do."""
_SKOS, _OWL = "http://www.w3.org/2004/02/skos/core#", "http://www.w3.org/2002/07/owl#"
_RDF, _RDFS = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://www.w3.org/2000/01/rdf-schema#"
_OBO, _IN_OWL = "http://purl.obolibrary.org/obo/", "http://www.geneontology.org/formats/oboInOwl#"
_NCIT, _DC = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl#", "http://purl.org/dc/terms/"
_SAYS = {
    _RDF + "type": "type",
    _SKOS + "prefLabel": "name",
    _RDFS + "label": "label",
    _SKOS + "altLabel": "synonym",
    _SKOS + "hiddenLabel": "synonym",
    _OBO + "IAO_0000118": "synonym",
    _NCIT + "P90": "synonym",
    **{f"{_IN_OWL}has{scope}Synonym": scope.upper() for scope in ("Exact", "Narrow", "Broad", "Related")},
    _RDFS + "subClassOf": "parent",
    _SKOS + "broader": "parent",
    _SKOS + "narrower": "child",
    _OWL + "deprecated": "deprecated",
    _OBO + "IAO_0100001": "replaced_by",
    _DC + "isReplacedBy": "replaced_by",
    _IN_OWL + "consider": "consider",
    _IN_OWL + "hasAlternativeId": "alt_id",
    _IN_OWL + "hasDbXref": "xref",
    **{f"{_SKOS}{kind}Match": f"{kind}Match" for kind in ("exact", "close", "broad", "narrow", "related")},
    _OBO + "IAO_0000115": "definition",
    _SKOS + "definition": "definition",
    _NCIT + "P97": "definition",
    _RDFS + "comment": "comment",
    _SKOS + "notation": "notation",
    _OWL + "versionInfo": "version",
    _OWL + "versionIRI": "version",
}
"""What each property says; others are passed over."""
_SYNONYMS = ("synonym", "EXACT", "NARROW", "BROAD", "RELATED")
_MATCHES = tuple(f"{kind}Match" for kind in ("exact", "close", "broad", "narrow", "related"))
_KINDS = {_SKOS + "Concept": "skos", _OWL + "Class": "owl", _RDFS + "Class": "owl"}
_CURIE = re.compile(r"([A-Za-z][A-Za-z.]*)_(\d+)")
_PLACES = (
    (re.compile(r"https?://snomed\.info/(?:id|sct)/(\d+)"), "SCTID"),
    (re.compile(r"https?://id\.nlm\.nih\.gov/mesh/(\w+)"), "MESH"),
    (re.compile(r"https?://(?:www\.)?orpha\.net/ORDO/Orphanet_(\d+)"), "ORPHA"),
    (re.compile(r"https?://identifiers\.org/(\w+)[/:]([\w.]+)"), ""),
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TEXT = re.compile(r"\s+")


class _Text(NamedTuple):
    """An object of a statement: an IRI, or a text with its language."""

    value: str
    language: str | None
    iri: bool


_Said = dict[str, list[_Text]]


def read_rdf(
    source: str | Path | Archive,
    *,
    system: str | None = None,
    language: str | Sequence[str] | None = None,
    release: str | None = None,
    strict: bool = True,
    report: ReadReport | None = None,
) -> Ontology:
    """Returns the classes of an OWL ontology, or the concepts of a SKOS vocabulary where the file holds such.

    Codes are ``PREFIX:number`` where IRIs end with ``PREFIX_number``, as OBO's do; in SKOS the notation, where each
    concept has one of its own; else what an IRI ends with, or all of it where several end alike.

    Args:
        source: the file, also packed with gzip, or a zip or folder that holds one.
        system: prefix that the codes are to have; needed unless they have one of their own, as OBO's do.
        language: of labels, ``en`` unless given, with those that name none; several in order of preference. Where the
            file has none of these, the one that names most, and ``report`` says so.
        release: version to carry; what the file says of its version unless given.
        strict: something above itself is an error; otherwise that edge is left out and counted in ``report``.
        report: takes what was left out.

    Raises:
        InputError: no such file, or no system.
        ReaderError: no such ontology in it, or the file is malformed or unsafe; names it.
        MissingExtraError: the extra ``rdf`` is not installed.
    """
    archive = source if isinstance(source, Archive) else open_archive(source)
    member = _the_file(archive)
    report = ReadReport() if report is None else report
    with no_collection():
        said = _gathered(whole(archive, member), member.name)
        kind, subjects = _subjects(said, member.name)
        codes = _codes(said, subjects, kind)
        spoken = _spoken(said, subjects, ["en"] if language is None else _listed(language), report)
        terms = [_term(iri, said, codes, spoken, kind) for iri in subjects]
        _add_narrower(terms, said, codes)
        home = system or _own_prefix(terms, codes)
        if home is None:
            raise InputError(
                f"{member.name} does not say of which system its codes are", then="name it: --system local"
            )

        def refuse(_: int, what: str, expected: str) -> None:
            if strict:
                raise ReaderError(f"{member.name}: {what}", expected=expected)
            report.leave_out("edges that close a cycle", 1)

        cut_cycles(terms, refuse)
        try:
            return ontology_of(terms, home, release or _release(said), report)
        except InputError as error:
            raise ReaderError(f"{member.name}: {error}") from None


def _listed(language: str | Sequence[str]) -> list[str]:
    return [language] if isinstance(language, str) else list(language)


def _the_file(archive: Archive) -> Member:
    found = [member for member in archive.members if member.name.lower().endswith((*SUFFIXES, ".xml"))]
    if len(found) > 1:
        names = ", ".join(member.path for member in found[:5])
        raise ReaderError(f"{archive.source.name} should hold one OWL or SKOS file", got=names, then="give the file")
    return found[0] if found else archive.members[0]


# -- statements -------------------------------------------------------------------------------------------------------


def _gathered(content: bytes, file: str) -> dict[str, _Said]:
    """What is said of every IRI."""
    said: dict[str, _Said] = {}
    for one in statements(content, file):
        what = _SAYS.get(one.predicate.value)
        if what is None or type(one.subject).__name__ != "NamedNode":
            continue
        if (text := _text_of(one.object)) is not None:
            said.setdefault(one.subject.value, {}).setdefault(what, []).append(text)
    return said


def _text_of(found: Any) -> _Text | None:  # noqa: ANN401 - a term of pyoxigraph
    kind = type(found).__name__
    if kind == "NamedNode":
        return _Text(found.value, None, iri=True)
    if kind == "Literal":
        return _Text(_TEXT.sub(" ", found.value).strip(), found.language, iri=False)
    return None


def _subjects(said: dict[str, _Said], file: str) -> tuple[str, list[str]]:
    """Whether it is SKOS or OWL, and its concepts or classes."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for iri, about in said.items():
        for kind in {_KINDS[one.value] for one in about.get("type", ()) if one.value in _KINDS}:
            if not iri.startswith((_OWL, _RDFS)):
                by_kind[kind].append(iri)
    kind = "skos" if len(by_kind["skos"]) > len(by_kind["owl"]) else "owl"
    if not by_kind[kind]:
        raise ReaderError(f"{file} holds no ontology", expected="classes of OWL or concepts of SKOS")
    return kind, by_kind[kind]


# -- codes ------------------------------------------------------------------------------------------------------------


def _codes(said: dict[str, _Said], subjects: Sequence[str], kind: str) -> dict[str, str]:
    """The code of each concept."""
    if kind == "skos":
        notations = {iri: _only(said[iri].get("notation", ())) for iri in subjects}
        if None not in notations.values() and len(set(notations.values())) == len(subjects):
            return {iri: str(code) for iri, code in notations.items()}
    ends = {iri: _end_of(iri, kind) for iri in subjects}
    often = Counter(ends.values())
    return {iri: end if end and often[end] == 1 else iri for iri, end in ends.items()}


def _only(texts: Sequence[_Text]) -> str | None:
    values = {text.value for text in texts if text.value and not re.search(r"\s", text.value)}
    return values.pop() if len(values) == 1 else None


def _end_of(iri: str, kind: str) -> str:
    end = re.split(r"[/#]", iri.rstrip("/#"))[-1]
    parts = _CURIE.fullmatch(end) if kind == "owl" else None
    return f"{parts[1]}:{parts[2]}" if parts else end


def _own_prefix(terms: Sequence[Term], codes: dict[str, str]) -> str | None:
    """The prefix that most codes have; None where they have none."""
    prefix = Counter(term.prefix for term in terms if term.active).most_common(1)
    found = prefix[0][0] if prefix else ""
    return found.lower() if any(code.startswith(f"{found}:") for code in codes.values()) and found.isalpha() else None


# -- labels -----------------------------------------------------------------------------------------------------------


def _spoken(said: dict[str, _Said], subjects: Sequence[str], wanted: list[str], report: ReadReport) -> list[str]:
    """The languages whose labels count, in order of preference."""
    there = Counter(
        _main(one.language) for iri in subjects for what in ("name", "label") for one in said[iri].get(what, ())
    )
    if any(_main(name) in there for name in wanted) or None in there or not there:
        return wanted
    most = min(there, key=lambda name: (-there[name], str(name)))
    report.leave_out(
        f"labels of other languages than {most}, as there are none in {', '.join(wanted)}", len(there) - 1 or 1
    )
    return [str(most)]


def _main(language: str | None) -> str | None:
    return language.partition("-")[0].lower() if language else None


def _best(texts: Sequence[_Text], spoken: Sequence[str]) -> list[str]:
    """Texts in the first of these languages that has any, with those that name none; each once."""
    for name in spoken:
        asked = [one for one in texts if one.language and (one.language.lower() == name.lower())]
        asked = asked or [one for one in texts if _main(one.language) == _main(name)]
        if asked:
            break
    else:
        asked = []
    plain = [one for one in texts if one.language is None and not one.iri]
    return list(dict.fromkeys(one.value for one in (*asked, *plain) if one.value))


# -- terms ------------------------------------------------------------------------------------------------------------


def _term(iri: str, said: dict[str, _Said], codes: dict[str, str], spoken: Sequence[str], kind: str) -> Term:
    about = said[iri]
    names = _best(about.get("name" if kind == "skos" else "label", ()), spoken)
    names += _best(about.get("label" if kind == "skos" else "name", ()), spoken)
    term = Term(0, codes[iri], names[0] if names else "", space=_space(iri, codes[iri], kind))
    term.active = not any(one.value.lower() in ("true", "1") for one in about.get("deprecated", ()))
    term.synonyms += [(text, "EXACT", None) for text in dict.fromkeys(names[1:])]
    for what in _SYNONYMS:
        scope = "EXACT" if what == "synonym" else what
        term.synonyms += [(text, scope, None) for text in _best(about.get(what, ()), spoken)]
    above = [one.value for one in about.get("parent", ()) if one.iri and one.value != _OWL + "Thing"]
    term.parents += [codes.get(parent) or _end_of(parent, kind) for parent in above]
    for what, ids in (("replaced_by", term.replaced_by), ("consider", term.consider), ("alt_id", term.alt_ids)):
        ids += [codes.get(one.value) or _end_of(one.value, kind) for one in about.get(what, ())]
    for what in ("xref", *_MATCHES):
        term.maps += [(what, _curie(one, codes)) for one in about.get(what, ()) if one.value]
    for what in ("definition", "comment"):
        term.notes += [(what, text) for text in _best(about.get(what, ()), spoken)]
    return term


def _space(iri: str, code: str, kind: str) -> str:
    """Where a code is from: its own prefix; in SKOS all are of one vocabulary; else what the IRI begins with."""
    if kind == "skos":
        return _SKOS
    return "" if _CURIE.fullmatch(code.replace(":", "_", 1)) and ":" in code else re.split(r"[^/#]*$", iri)[0]


def _add_narrower(terms: Sequence[Term], said: dict[str, _Said], codes: dict[str, str]) -> None:
    """``skos:narrower`` is ``skos:broader`` from the other side."""
    known = {term.id: term for term in terms}
    for iri, code in codes.items():
        for one in said[iri].get("child", ()):
            below = known.get(codes.get(one.value, ""))
            if below is not None and code not in below.parents:
                below.parents.append(code)


def _curie(one: _Text, codes: dict[str, str]) -> str:
    """A cross-reference as OBO writes it."""
    if not one.iri and not one.value.startswith(("http://", "https://")):
        return one.value
    if one.value in codes:
        return codes[one.value]
    for pattern, prefix in _PLACES:
        if parts := pattern.fullmatch(one.value):
            return f"{prefix}:{parts[1]}" if prefix else f"{parts[1].upper()}:{parts[2]}"
    if one.value.startswith(_OBO) and (parts := _CURIE.fullmatch(one.value.removeprefix(_OBO))):
        return f"{parts[1]}:{parts[2]}"
    return one.value


def _release(said: dict[str, _Said]) -> str:
    """The date in what the ontology says of its version, else that."""
    found = [one.value for iri in _heads(said) for one in said[iri].get("version", ())]
    dated = next((date[0] for text in found if (date := _DATE.search(text))), None)
    return dated or next((text for text in found if not text.startswith("http")), None) or "undated"


def _heads(said: dict[str, _Said]) -> Iterator[str]:
    ends = ("#Ontology", "#ConceptScheme")
    return (iri for iri, about in said.items() if any(one.value.endswith(ends) for one in about.get("type", ())))
