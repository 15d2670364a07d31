"""A small classification with headers, defaults and 7th characters, and mappers over it."""

from __future__ import annotations

from functools import cache

import polars as pl

from conceptmap.encoders import TokenEncoder, load_encoder
from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper
from conceptmap.ontology.ontology import Ontology

CONCEPTS = [
    # node, kind, name, billable, parent
    ("A", "chapter", "Invented chapter", False, None),
    ("E11", "category", "Type 2 diabetes mellitus", False, "A"),
    ("E11.2", "subcategory", "Type 2 diabetes mellitus with kidney complications", False, "E11"),
    ("E11.22", "code", "Type 2 diabetes mellitus with diabetic chronic kidney disease", True, "E11.2"),
    ("E11.9", "code", "Type 2 diabetes mellitus without complications", True, "E11"),
    ("I10", "category", "Essential (primary) hypertension", True, "A"),
    ("I50", "category", "Heart failure", False, "A"),
    ("I50.2", "code", "Systolic heart failure", True, "I50"),
    ("I50.9", "code", "Heart failure, unspecified", True, "I50"),
    ("J18", "category", "Pneumonia, unspecified organism", False, "A"),
    ("J18.9", "code", "Pneumonia, unspecified organism", True, "J18"),
    ("R07", "category", "Pain in throat and chest", False, "A"),
    ("R07.9", "code", "Chest pain, unspecified", True, "R07"),
    ("R50.9", "category", "Fever, unspecified", True, "A"),
    ("S72", "category", "Fracture of femur", False, "A"),
    ("S72.9", "subcategory", "Unspecified fracture of femur", False, "S72"),
    ("S72.9XXA", "code", "Unspecified fracture of femur, initial encounter", True, "S72.9"),
    ("S72.9XXD", "code", "Unspecified fracture of femur, subsequent encounter", True, "S72.9"),
    ("S72.9XXS", "code", "Unspecified fracture of femur, sequela", True, "S72.9"),
]
SYNONYMS = [
    ("I10", "high blood pressure"),
    ("J18.9", "lung infection"),
    ("R07.9", "chest pain"),
    ("I10", "hypertension"),
]


@cache
def small_ontology() -> Ontology:
    """The classification above."""
    nodes = [node for node, *_ in CONCEPTS]
    expanded = [len(node) == 8 for node in nodes]
    concepts = pl.DataFrame(
        {
            "node": nodes,
            "code": nodes,
            "kind": [kind for _, kind, *_ in CONCEPTS],
            "name": [name for _, _, name, *_ in CONCEPTS],
            "active": [True] * len(nodes),
            "billable": [billable for *_, billable, _ in CONCEPTS],
            "expanded": expanded,
        }
    )
    named = [
        (node, node, name, "preferred")
        for (node, _, name, *_), late in zip(CONCEPTS, expanded, strict=True)
        if not late
    ]
    named += [(code, code, term, "synonym") for code, term in SYNONYMS]
    terms = pl.DataFrame(named, schema=["node", "code", "term", "kind"], orient="row")
    edges = [(parent, node) for node, *_, parent in CONCEPTS if parent is not None]
    return Ontology("icd10", "2099", concepts, terms, pl.DataFrame(edges, schema=["parent", "child"], orient="row"))


@cache
def embedded() -> TokenEncoder:
    """The embedded encoder, loaded once."""
    return load_encoder("embedded")


@cache
def lexical_mapper() -> ConceptMapper:
    """Lexical evidence alone."""
    return ConceptMapper.load(build_index(small_ontology(), None), encoder=None)


@cache
def full_mapper() -> ConceptMapper:
    """Both kinds of evidence."""
    return ConceptMapper.load(build_index(small_ontology(), embedded()), encoder=embedded())
