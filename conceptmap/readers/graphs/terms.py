"""Terms of ontologies that are published as graphs, OBO and RDF: synonyms, parents, cross-references; their frames."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

import numpy as np
import polars as pl

from conceptmap.frames import frame_of
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.cycles import edges_without_cycles
from conceptmap.readers.tables import ReadReport

__all__ = ["Refuse", "Term", "cut_cycles", "ontology_of", "split_xref"]

Refuse: TypeAlias = Callable[[int, str, str], None]

_OUR_NAMES = (
    (re.compile(r"snomed.*|sctid"), "snomedct"),
    (re.compile(r"umls.*"), "umls"),
    (re.compile(r"msh|mesh.*"), "mesh"),
    (re.compile(r"icd-?10-?cm.*"), "icd10cm"),
    (re.compile(r"icd-?10(?:who)?"), "icd10"),
    (re.compile(r"icd-?9-?cm.*"), "icd9cm"),
    (re.compile(r"icd-?9"), "icd9"),
    (re.compile(r"icd-?o"), "icdo"),
    (re.compile(r"mim|omim.*"), "omim"),
    (re.compile(r"orpha(?:net)?"), "orphanet"),
    (re.compile(r"ncit?"), "ncit"),
)
_FULL_CURIES = {"doid", "hp", "mondo"}


def _strings(*names: str) -> pl.Schema:
    return pl.Schema([(name, pl.String()) for name in names])


_LISTED = ("alt_ids", "replaced_by", "consider")
_CONCEPTS = pl.Schema(
    {**_strings("node", "code", "kind", "name"), "active": pl.Boolean(), "billable": pl.Boolean(), **_strings(*_LISTED)}
)
_TERMS = _strings("node", "code", "term", "kind", "scope", "type")
_EDGES = _strings("parent", "child")
_MAPS = _strings("code", "target_system", "target_code", "relation")
_NOTES = _strings("node", "code", "kind", "text")


@cache
def split_xref(xref: str) -> tuple[str, str]:
    """Returns system and code of a cross-reference; the code is as in the file.

    >>> split_xref("SNOMEDCT_US_2016_03_01:44054006"), split_xref("ICD10CM:E11.9"), split_xref("HP:0001250")
    (('snomedct', '44054006'), ('icd10cm', 'E11.9'), ('hp', 'HP:0001250'))
    >>> split_xref("ICD-10:G40"), split_xref("MIM:143100")
    (('icd10', 'G40'), ('omim', '143100'))
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
class Term:
    """A term as a file describes it.

    Attributes:
        line: where it begins; 0 where the file has no order.
        id: its code.
        name: empty where it has none.
        active: False for an obsolete one.
        parents: ids.
        synonyms: text, scope and type of each.
        alt_ids: other ids of the same term.
        replaced_by: ids.
        consider: ids.
        maps: relation and target (a CURIE or an IRI) of each.
        notes: kind and text of each.
        space: where the id is from, where the part before its colon does not say.
    """

    line: int
    id: str = ""
    name: str = ""
    active: bool = True
    parents: list[str] = field(default_factory=list)
    synonyms: list[tuple[str, str, str | None]] = field(default_factory=list)
    alt_ids: list[str] = field(default_factory=list)
    replaced_by: list[str] = field(default_factory=list)
    consider: list[str] = field(default_factory=list)
    maps: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    space: str = ""

    @property
    def prefix(self) -> str:
        """Where the id is from."""
        return self.space or self.id.partition(":")[0]


def cut_cycles(terms: list[Term], refuse: Refuse) -> None:
    """Refuses the is_a lines that make a term its own ancestor, the fewest by a rule: see `edges_without_cycles`.

    Args:
        terms: lose what closes a cycle.
        refuse: raises, or counts: called with the line, what is wrong and what is expected.
    """
    number = {term.id: at for at, term in enumerate(terms)}
    edges = [(number[parent], at) for at, term in enumerate(terms) for parent in term.parents if parent in number]
    if not edges:
        return
    parents, children = np.array(edges, dtype=np.int64).T
    for place in np.flatnonzero(~edges_without_cycles(len(terms), parents, children)).tolist():
        parent, child = (terms[at] for at in edges[place])
        ring = " → ".join(terms[at].id for at in _way(edges, edges[place][1], edges[place][0]))
        refuse(
            child.line,
            f"{child.id} is_a {parent.id} closes the cycle {ring} → {child.id}",
            "no term above itself; --lenient leaves that is_a out",
        )
        child.parents = [name for name in child.parents if name != parent.id]


def _way(edges: list[tuple[int, int]], start: int, end: int) -> list[int]:
    """A shortest way down from one term to another."""
    below: dict[int, list[int]] = {}
    for parent, child in edges:
        below.setdefault(parent, []).append(child)
    above, waiting = {start: start}, [start]
    for here in waiting:
        if here == end:
            break
        for child in below.get(here, ()):
            if child not in above:
                above[child] = here
                waiting.append(child)
    way = [end]
    while way[-1] != start and way[-1] in above:
        way.append(above[way[-1]])
    return way[::-1]


def ontology_of(terms: list[Term], system: str | None, release: str, report: ReadReport) -> Ontology:
    """The ontology of some terms.

    Args:
        terms: those from elsewhere than most are of kind ``imported`` and get no rows in ``terms``.
        system: prefix; the ids' own in lower case unless given.
        release: version to carry.
        report: counts parents that are none of the terms.
    """
    prefixes = Counter(term.prefix for term in terms if term.active) or Counter([terms[0].prefix])
    prefix = prefixes.most_common(1)[0][0]
    known = {term.id for term in terms}
    edges = dict.fromkeys((parent, term.id) for term in terms for parent in term.parents)
    kept = [edge for edge in edges if edge[0] in known]
    report.leave_out("is_a lines with a parent that the file does not hold", len(edges) - len(kept))
    concepts = [
        (
            term.id,
            term.id,
            "concept" if term.prefix == prefix else "imported",
            term.name or term.id,
            term.active,
            None,
            *(" ".join(ids) for ids in (term.alt_ids, term.replaced_by, term.consider)),
        )
        for term in terms
    ]
    texts = [row for term in terms if term.active and term.name and term.prefix == prefix for row in _texts(term)]
    maps = [(term.id, *split_xref(target), relation) for term in terms for relation, target in term.maps]
    notes = [(term.id, term.id, kind, text) for term in terms for kind, text in term.notes]
    return Ontology(
        system=system or prefix.lower(),
        release=release,
        concepts=frame_of(concepts, _CONCEPTS).with_columns(pl.col(_LISTED).str.extract_all(r"\S+")),
        terms=frame_of(texts, _TERMS).unique(["node", "term"], keep="first", maintain_order=True),
        edges=frame_of(kept, _EDGES),
        maps=frame_of(maps, _MAPS).unique(maintain_order=True),
        remarks=frame_of(notes, _NOTES),
    )


def _texts(term: Term) -> Iterator[tuple[str, str, str, str, str | None, str | None]]:
    yield term.id, term.id, term.name, "preferred", None, None
    for text, scope, kind in term.synonyms:
        yield term.id, term.id, text, "synonym", scope, kind
