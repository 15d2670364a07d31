"""The component of spaCy pipelines: entities with codes and context, tokens with concepts, displaCy."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import spacy
from coded_mapper import full_mapper, lexical_mapper
from spacy import displacy

from conceptmap.pipelines.spacy import CodesMentions, component

TEXT = "Pneumonia. No fever. Mother had heart failure. History of hypertension. Possible chest pain."
ROOT = Path(__file__).parents[1]


@pytest.fixture
def nlp(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A pipeline whose component has the small classification."""
    loaded = full_mapper()
    monkeypatch.setattr("conceptmap.mapper.ConceptMapper.load", lambda *_, **__: loaded)
    language = spacy.blank("en")
    language.add_pipe("conceptmap")
    return language


def test_entities_have_codes_and_contexts_as_medspacy_names_them(nlp: Any) -> None:
    doc = nlp(TEXT)
    assert [(ent.text, ent._.codes[0], ent.kb_id_, ent.label_) for ent in doc.ents] == [
        ("Pneumonia", "J18.9", "J18.9", "ICD10"),
        ("fever", "R50.9", "R50.9", "ICD10"),
        ("heart failure", "I50.9", "I50.9", "ICD10"),
        ("hypertension", "I10", "I10", "ICD10"),
        ("chest pain", "R07.9", "R07.9", "ICD10"),
    ]
    flags = ("is_negated", "is_family", "is_historical", "is_uncertain", "is_hypothetical")
    said = [[flag for flag in flags if ent._.get(flag)] for ent in doc.ents]
    assert said == [[], ["is_negated"], ["is_family"], ["is_historical"], ["is_uncertain"]]
    assert doc.ents[0]._.concepts[0]["name"] == "Pneumonia, unspecified organism"
    assert {code["code"] for code in doc._.codes} >= {"J18.9"}
    assert "R50.9" not in {code["code"] for code in doc._.codes}


def test_tokens_have_their_concepts(nlp: Any) -> None:
    doc = nlp(TEXT)
    best = {token.text: token._.concepts[0]["code"] for token in doc if token._.concepts}
    assert best["heart"] == best["failure"] == "I50.9"
    assert not doc[1]._.concepts, "a full stop has none"


def test_a_stream_of_documents_keeps_its_order(nlp: Any) -> None:
    docs = list(nlp.pipe(["Fever.", "", "Pneumonia."], batch_size=2))
    assert [[ent._.codes[0] for ent in doc.ents] for doc in docs] == [["R50.9"], [], ["J18.9"]]


def test_a_pipeline_is_saved_and_loaded_with_its_settings(nlp: Any, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path / "saved")
    again = spacy.load(tmp_path / "saved")
    assert again.pipe_names == ["conceptmap"]
    assert [ent._.codes[0] for ent in again("Fever.").ents] == ["R50.9"]


def test_displacy_shows_codes(nlp: Any) -> None:
    shown = displacy.render(nlp("Fever & cough."), style="ent", jupyter=False)
    assert "R50.9" in shown
    assert "ICD10" in shown


def test_entities_of_others_stay_where_ours_do_not_overlap() -> None:
    nlp = spacy.blank("en")
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "DRUG", "pattern": "metformin"}, {"label": "X", "pattern": "fever"}])
    doc = CodesMentions(lexical_mapper())(nlp("Fever, fever and metformin."))
    assert [(ent.text, ent.label_) for ent in doc.ents] == [
        ("Fever", "ICD10"),
        ("fever", "ICD10"),
        ("metformin", "DRUG"),
    ]


def test_a_note_gives_its_document() -> None:
    note = lexical_mapper().annotate(TEXT)
    doc = note.doc()
    assert doc.text == TEXT
    assert [ent.text for ent in doc.ents] == note.best["text"].to_list()
    assert not doc[0]._.concepts


def test_spacy_finds_the_component_by_its_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["spacy_factories"]["conceptmap"].partition(":")
    assert getattr(import_module(module), name) is component
