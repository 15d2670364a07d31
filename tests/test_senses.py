"""Which concept of several with the same name a mention means: by type, section and neighbours; ties are told."""

from __future__ import annotations

import polars as pl
import pytest
from typed_ontologies import snomed, typed, umls

from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper, Results
from conceptmap.ontology.ontology import Ontology


def read(text: str, ontology: Ontology) -> Results:
    notes = pl.DataFrame({"note_id": ["1"], "text": [text]})
    return ConceptMapper.load(build_index(ontology, None), encoder=None).annotate_many(notes)


def first(text: str, word: str, ontology: Ontology | None = None) -> str:
    """Code of the best concept of the mention that is this word."""
    found = read(text, ontology or snomed()).mentions.filter(rank=1)
    (code,) = found.filter(pl.col("text").str.to_lowercase() == word)["code"]
    return str(code)


@pytest.mark.parametrize(
    ("text", "word", "code"),
    [
        ("A lumenel infarct was seen.", "lumenel infarct", "11"),  # the disorder, not the morphology
        ("Drinks glucose.", "glucose", "18"),
        ("Glucose 120 mg/dL.", "glucose", "17"),
        ("Glucose 25 g given.", "glucose", "18"),
        ("RESULTS:\nGlucose high.", "glucose", "17"),
        ("MEDICATIONS:\nGlucose daily.", "glucose", "18"),
        ("ALLERGIES:\nAspirin.", "aspirin", "16"),
        ("MEDICATIONS:\nAspirin.", "aspirin", "15"),
        ("Takes aspirin 81 mg daily.", "aspirin", "15"),
    ],
)
def test_place_and_type_choose_the_meaning(text: str, word: str, code: str) -> None:
    assert first(text, word) == code


def test_the_umls_is_read_in_the_same_way() -> None:
    rows = [
        ("C0000001", "Laboratory Procedure", "Glucose measurement", ("glucose",), None),
        ("C0000002", "Organic Chemical", "Glucose", (), None),
    ]
    ontology = typed("umls", rows)
    assert first("Glucose 120.", "glucose", ontology) == "C0000001"
    assert first("DISCHARGE MEDICATIONS:\nGlucose tablets.", "glucose", ontology) == "C0000002"
    assert first("Aspirin 81 mg.", "aspirin", umls()) == "C0000001"


def test_of_two_concepts_of_a_type_the_one_above_goes_first_and_the_other_is_told() -> None:
    rows = [
        ("1", "disorder", "Special lorvanitis", ("lorvanitis",), "2"),
        ("2", "disorder", "Lorvanitis", (), None),
        ("3", "morphologic abnormality", "Lorvanitis", (), None),
    ]
    ontology = typed("snomedct", rows)
    found = read("Lorvanitis.", ontology)
    assert found.mentions["code"].to_list() == ["2", "1", "3"]
    assert found.codes.select("code", "notes").rows() == [("2", "the same words name 1 (Special lorvanitis)")]


def test_the_longest_meaning_goes_before_its_parts() -> None:
    found = read("Family history of fever. Liver biopsy.", snomed())
    assert found.mentions.filter(rank=1)["code"].to_list() == ["23", "22"]
    assert "13" in found.mentions["code"].to_list(), "the liver stays at a lower rank"
