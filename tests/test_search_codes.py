"""Codes are looked up by words and by vectors, in Python and from the shell; an ontology contains its codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from coded_mapper import full_mapper, lexical_mapper, small_ontology

from conceptmap.cli import main
from conceptmap.errors import InputError, UnknownCodeError
from conceptmap.frames import LOOKED_UP
from conceptmap.ontology.search import Concept, found_by_words


def best(query: str) -> str | None:
    found = small_ontology().search(query, k=1)["code"]
    return found.item() if len(found) else None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("chest pain", "R07.9"),
        ("pain, chest", "R07.9"),
        ("CHEST PAINS", "R07.9"),
        ("pneum", "J18"),
        ("lung infection", "J18.9"),
        ("fracture of the femur", "S72"),
        ("i509", "I50.9"),
        ("S72.9XXD", "S72.9XXD"),
        ("xyzzy", None),
        ("", None),
        ("  ", None),
    ],
)
def test_words_find_names_synonyms_and_codes(query: str, code: str | None) -> None:
    assert best(query) == code


def test_the_whole_name_goes_before_a_longer_one() -> None:
    found = small_ontology().search("heart failure")
    assert found.columns == ["code", "name", "term", "confidence", "kind", "billable", "path"]
    assert found["code"].to_list()[:3] == ["I50", "I50.9", "I50.2"]
    assert found["confidence"].is_sorted(descending=True)
    assert found["confidence"][0] == 1.0
    assert (
        found.row(by_predicate=pl.col("code") == "I50.9", named=True)["path"]
        == "A Invented chapter › I50 Heart failure"
    )
    assert small_ontology().search("heart failure", k=1).height == 1


def test_rare_words_count_more() -> None:
    terms = pl.DataFrame(
        {"node": list("abcde"), "term": ["left arm", "left leg", "left ear", "left eye", "sore throat"]}
    )
    assert found_by_words(terms, "left throat")["node"].to_list()[0] == "e"


def test_an_ontology_is_a_container_of_its_codes() -> None:
    small = small_ontology()
    assert len(small) == small.concepts.height
    assert list(small) == list(small.nodes)
    assert "I50.9" in small
    assert "i509" in small
    assert "Z99" not in small
    assert 7 not in small
    concept = small["e1122"]
    assert isinstance(concept, Concept)
    assert (concept.code, concept.kind, concept.billable, concept.active) == ("E11.22", "code", True, True)
    assert (
        [code for code, _ in concept.path]
        == [code for code, _ in small.path("E11.22")]
        == ["A", "E11", "E11.2", "E11.22"]
    )
    assert small["I10"].terms == ("Essential (primary) hypertension", "high blood pressure", "hypertension")
    with pytest.raises(UnknownCodeError, match="did you mean"):
        small["E11.23"]


def test_vectors_find_what_words_do_not() -> None:
    words, both = lexical_mapper().search_codes("febrile illness"), full_mapper().search_codes("febrile illness", k=3)
    assert both.schema == LOOKED_UP
    assert "R50.9" not in words["code"].to_list()
    assert both["code"][0] == "R50.9"
    assert both["evidence"][0] == "vector"
    assert both["score"].is_between(-1, 1).all()
    assert words["score"].is_null().all()
    named = full_mapper().search_codes("lung infection").row(0, named=True)
    assert (named["code"], named["term"], named["evidence"]) == ("J18.9", "lung infection", "both")
    assert named["confidence"] == pytest.approx(1.0, abs=1e-3)
    assert named["path"] == "A Invented chapter › J18 Pneumonia, unspecified organism"


@pytest.mark.parametrize("wrong", [7, None, ["fever"], b"fever"])
def test_what_is_no_text_is_refused_in_words(wrong: Any) -> None:
    for search in (small_ontology().search, lexical_mapper().search_codes, full_mapper().search_codes):
        with pytest.raises(InputError, match="this is nothing to look up: got"):
            search(wrong)


@pytest.mark.parametrize("wrong", [7, None, b"fever", ["fever"]])
def test_a_note_that_is_no_text_is_refused_in_words(wrong: Any) -> None:
    for use in (lexical_mapper().annotate, lexical_mapper().tag):
        with pytest.raises(InputError, match="the text of note 1 is no text: got"):
            use(wrong)


def test_short_forms_and_folded_words_are_understood() -> None:
    assert lexical_mapper().search_codes("HTN")["code"][0] == "I10"


@pytest.fixture
def index(tmp_path: Path) -> str:
    return str(lexical_mapper().indexes[0].save(tmp_path / "index"))


def test_the_command_shows_codes_with_what_stands_above(index: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["search-codes", "lung infection", "--ontology", index, "--encoder", "none"]
    assert main(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["code", "confidence", "name", "under"]
    assert lines[1].startswith("J18.9  1.00 ")
    assert "Pneumonia, unspecified organism (lung infection)" in lines[1]
    assert lines[1].endswith("J18 Pneumonia, unspecified organism")
    assert main([*asked, "--json", "-k", "1"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["code"], row["system"]) == ("J18.9", "icd10")


def test_the_command_says_when_nothing_is_found(index: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search-codes", "xyzzy", "--ontology", index, "--encoder", "none"]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "nothing found" in shown.err
    for wrong in (["search-codes", " "], ["search-codes", "fever", "-k", "0"]):
        assert main([*wrong, "--ontology", index, "--encoder", "none"]) == 2
