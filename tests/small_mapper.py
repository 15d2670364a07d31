"""A mapper over an invented hierarchy of a dozen codes, by lexical evidence alone."""

from __future__ import annotations

from functools import cache

import polars as pl

from conceptmap.encoders import TokenEncoder
from conceptmap.index.building import build_index
from conceptmap.index.index import ConceptIndex
from conceptmap.mapper import ConceptMapper
from conceptmap.ontology.ontology import Ontology

CONCEPTS = [
    ("4", "chapter", "Metabolic diseases <E00-E89>", None, ()),
    ("9", "chapter", "Diseases of the heart & vessels", None, ()),
    ("18", "chapter", "Symptoms", None, ()),
    ("E11", "category", "Type 2 diabetes mellitus", "4", ()),
    ("I50", "category", "Heart failure", "9", ()),
    ("R50", "category", "Fever of other and unknown origin", "18", ()),
    ("E11.9", "code", "Type 2 diabetes mellitus without complications", "E11", ("type 2 diabetes",)),
    ("E11.22", "code", "Type 2 diabetes mellitus with diabetic chronic kidney disease", "E11", ()),
    ("I10", "code", "Essential hypertension", "9", ("hypertension", "high blood pressure")),
    ("I50.9", "code", "Heart failure, unspecified", "I50", ("cardiac failure",)),
    ("R50.9", "code", "Fever, unspecified", "R50", ("fever", "naïve fever")),
    ("R51.9", "code", "Headache <script>alert(1)</script>", "18", ("headache",)),
]
PHRASES = [term for *_, terms in CONCEPTS for term in terms]


@cache
def ontology() -> Ontology:
    """Chapters, categories and codes; one name tries to be markup."""
    columns = ["node", "code", "kind", "name", "active", "billable"]
    rows = [(code, code, kind, name, True, kind == "code") for code, kind, name, _, _ in CONCEPTS]
    concepts = pl.DataFrame(rows, schema=columns, orient="row")
    named = [(code, code, name, "preferred") for code, _, name, _, _ in CONCEPTS]
    named += [(code, code, term, "synonym") for code, *_, terms in CONCEPTS for term in terms]
    terms = pl.DataFrame(named, schema=["node", "code", "term", "kind"], orient="row")
    links = [(above, code) for code, _, _, above, _ in CONCEPTS if above]
    edges = pl.DataFrame(links, schema=["parent", "child"], orient="row")
    return Ontology("test", "2099", concepts, terms, edges)


@cache
def index(encoder: TokenEncoder | None = None) -> ConceptIndex:
    """Its index, by default without vectors."""
    return build_index(ontology(), encoder)


@cache
def mapper() -> ConceptMapper:
    """Lexical evidence alone."""
    return ConceptMapper.load(index(), encoder=None)
