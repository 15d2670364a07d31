"""Which terms a text can find: stop terms by system, everyday words by type, short forms inside names."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from small_ontologies import ontology_of
from typed_ontologies import snomed, typed, umls

from conceptmap.cli import main
from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper
from conceptmap.matching.lexicon import unreachable
from conceptmap.ontology.ontology import Ontology


def named_in(text: str, ontology: Ontology) -> set[str]:
    notes = pl.DataFrame({"note_id": ["1"], "text": [text]})
    found = ConceptMapper.load(build_index(ontology, None), encoder=None).annotate_many(notes).mentions
    return set(found.filter(rank=1)["code"])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Patient takes aspirin daily.", "C0000001"),
        ("A biopsy was done.", "C0000004"),
        ("CT showed nothing.", "C0000008"),
        ("The liver is smooth.", "C0000003"),
        ("On insulin.", "C0000009"),
    ],
)
def test_what_icd10cm_silences_other_systems_hear(text: str, code: str) -> None:
    assert code in named_in(text, umls())
    assert named_in(text, typed("icd10", [(code, "-", umls().name(code), (), None)])) == set()


def test_a_word_of_everyday_speech_stands_for_concepts_of_clinical_types_alone() -> None:
    assert named_in("Contact with nobody.", umls()) == {"C0000006"}
    assert named_in("Drinks water.", snomed()) == {"21"}
    assert named_in("No history given.", umls()) == set()


def test_names_of_other_ontologies_are_heard() -> None:
    terms = ("Rigidity", "Amelia", "Falls", "Contracture", "Disease")
    nodes = ontology_of([], extra=terms)
    ontology = Ontology("hp", "2099", nodes.concepts, nodes.terms, nodes.edges)
    assert named_in("Rigidity, contracture and amelia; he often falls; disease.", ontology) == set(terms) - {"Disease"}


def test_a_loose_word_stands_only_for_a_concept_of_that_name() -> None:
    rows = [("1", "-", "Disease of proliferation", ("neoplasm",), None), ("2", "-", "Kidney neoplasm", (), "1")]
    assert named_in("A tumor. A kidney tumor.", typed("doid", rows)) == {"2"}
    named = [("3", "-", "Neoplasm", ("new growth of tissue",), None)]
    assert named_in("A tumor was seen.", typed("hp", named)) == {"3"}


def test_short_forms_inside_a_name_are_read_as_in_texts() -> None:
    ontology = ontology_of([], extra=("Raised CSF lorvanin", "CSF"))
    assert named_in("Raised CSF lorvanin was seen.", ontology) == {"Raised CSF lorvanin"}
    assert named_in("Raised cerebrospinal fluid lorvanin was seen.", ontology) == {"Raised CSF lorvanin"}
    assert named_in("The cerebrospinal fluid was clear.", ontology) == set(), (
        "a short form alone may mean another thing"
    )


def test_a_name_of_many_words_is_found() -> None:
    name = " ".join(f"word{letter}x" for letter in "abcdefghijklmnopqrst")
    assert named_in(f"The note mentions {name} today.", ontology_of([], extra=(name,))) == {name}


def test_info_counts_what_no_text_can_find_and_lists_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    index = build_index(umls(), None)
    assert index.manifest.facts["silent terms"] == "2 terms: 2 everyday words"
    assert index.lexicon is not None
    lost = unreachable("umls", index.concepts, index.terms, index.lexicon)
    assert lost.rows() == [("C0000005", "Contact", "everyday words"), ("C0000007", "History", "everyday words")]
    folder = str(index.save(tmp_path / "index"))
    assert main(["info", folder]) == 0
    said = dict(line.split("  ", 1) for line in capfd.readouterr().out.splitlines())
    facts = {name: value.strip() for name, value in said.items()}
    assert facts["concepts without a reachable name"] == "2"
    assert facts["silent terms"] == "2 terms: 2 everyday words"
    assert facts["inactive concepts"] == facts["edges"] == "0"
    assert main(["info", folder, "--silent"]) == 0
    assert capfd.readouterr().out.splitlines()[1] == "C0000005,Contact,everyday words"
    assert main(["info", "--silent"]) == 2
