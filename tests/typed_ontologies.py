"""Small ontologies whose concepts have semantic types: in the way of SNOMED CT, and of the UMLS."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import polars as pl

from conceptmap.ontology.ontology import Ontology

SNOMED = [
    # code, semantic tag, name, synonyms, parent
    ("1", "SNOMED RT+CTV3", "Invented root", (), None),
    ("10", "disorder", "Lumenel disorder", (), "1"),
    ("11", "disorder", "Infarction of the lumenel", ("lumenel infarct",), "10"),
    ("12", "morphologic abnormality", "Infarction of lumenel", ("lumenel infarct",), "1"),
    ("13", "body structure", "Liver", (), "1"),
    ("14", "substance", "Aspirin", ("acetylsalicylic acid",), "1"),
    ("15", "product", "Aspirin-containing product", ("aspirin",), "1"),
    ("16", "finding", "Allergy to aspirin", ("aspirin allergy",), "10"),
    ("17", "observable entity", "Glucose measurement", ("glucose",), "1"),
    ("18", "substance", "Glucose", (), "1"),
    ("19", "qualifier value", "Negative", (), "1"),
    ("20", "qualifier value", "Water", (), "1"),
    ("21", "substance", "Water", (), "1"),
    ("22", "procedure", "Biopsy of liver", ("liver biopsy",), "1"),
    ("23", "situation", "Family history of fever", (), "1"),
    ("24", "finding", "Fever", (), "10"),
    ("25", "event", "Fall", (), "1"),
    ("26", "finding", "Vomiting", (), "10"),
]
UMLS = [
    ("C0000001", "Pharmacologic Substance; Organic Chemical", "Aspirin", (), None),
    ("C0000002", "Disease or Syndrome", "Asthma", (), None),
    ("C0000003", "Body Part, Organ, or Organ Component", "Liver", (), None),
    ("C0000004", "Diagnostic Procedure", "Biopsy", (), None),
    ("C0000005", "Qualitative Concept", "Contact", (), None),
    ("C0000006", "Finding", "Contact", (), None),
    ("C0000007", "Idea or Concept", "History", (), None),
    ("C0000008", "Diagnostic Procedure", "CT", (), None),
    ("C0000009", "Hormone", "Insulin", (), None),
]


def typed(system: str, rows: Sequence[tuple[str, str, str, Sequence[str], str | None]]) -> Ontology:
    """An ontology with these concepts; the first term of each is its name."""
    concepts = pl.DataFrame(
        {
            "node": [code for code, *_ in rows],
            "code": [code for code, *_ in rows],
            "kind": "concept",
            "name": [name for _, _, name, _, _ in rows],
            "active": True,
            "billable": None,
            "semantic_tag": [tag for _, tag, *_ in rows],
        },
        schema_overrides={"billable": pl.Boolean},
    )
    named = [(code, code, name, "preferred") for code, _, name, _, _ in rows]
    named += [(code, code, term, "synonym") for code, _, _, terms, _ in rows for term in terms]
    terms = pl.DataFrame(named, schema=["node", "code", "term", "kind"], orient="row")
    edges = [(parent, code) for code, _, _, _, parent in rows if parent is not None]
    frame = pl.DataFrame(edges, schema={"parent": pl.String, "child": pl.String}, orient="row")
    return Ontology(system, "2099", concepts, terms, frame)


@cache
def snomed() -> Ontology:
    """In the way of SNOMED CT."""
    return typed("snomedct", SNOMED)


@cache
def umls() -> Ontology:
    """In the way of the UMLS."""
    return typed("umls", UMLS)
