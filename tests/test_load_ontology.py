from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pytest

from conceptmap.errors import InputError, ReaderError
from conceptmap.readers import load_ontology

FIXTURES = Path(__file__).parents[1] / "ontologies" / "fixtures"
RF2 = sorted((FIXTURES / "rf2").iterdir())


@pytest.mark.parametrize(
    ("source", "system"),
    [
        (RF2[-1], "snomedct"),
        (FIXTURES / "umls", "umls"),
        (FIXTURES / "claml", "icd10"),
        (FIXTURES / "icd10cm", "icd10cm"),
        (FIXTURES / "icd10cm" / "icd10cm_order_2099.txt", "icd10cm"),
        (FIXTURES / "obo" / "invented.obo", "inv"),
    ],
)
def test_releases_are_told_apart_by_their_files(source: Path, system: str) -> None:
    assert load_ontology(source).system == system
    assert load_ontology(str(source), release="mine").release == "mine"


def test_an_edition_is_read_together_with_its_extension() -> None:
    extension, edition = RF2
    together = load_ontology(edition, extension)
    assert together.concepts.height > load_ontology(edition).concepts.height


def test_only_snomed_ct_comes_in_several_releases() -> None:
    with pytest.raises(InputError, match="only SNOMED CT releases can be read together: got obo"):
        load_ontology(FIXTURES / "obo" / "invented.obo", FIXTURES / "icd10cm")


def test_a_system_that_the_files_contradict_is_refused() -> None:
    with pytest.raises(InputError, match="got 'snomedct', expected icd10cm"):
        load_ontology(FIXTURES / "icd10cm", system="snomedct")


def test_choices_reach_the_reader_of_the_format() -> None:
    edition, umls = RF2[-1], FIXTURES / "umls"
    code = "10089999999105"
    assert load_ontology(edition, language="en-GB").name(code) != load_ontology(edition).name(code)
    assert load_ontology(edition, language=["en-GB", "en-US"]).name(code) == load_ontology(
        edition, language="en-GB"
    ).name(code)
    assert load_ontology(edition, at="20240101").release.endswith("@20240101")
    chosen = load_ontology(umls, sabs=["SNOMEDCT_US", "MSH"], hierarchy="none")
    assert (chosen.concepts.height, chosen.edges.height) == (6, 0)
    every, english = load_ontology(umls, language="all"), load_ontology(umls, language=("ENG",))
    assert every.terms.height > english.terms.height == load_ontology(umls, language="ENG").terms.height
    assert load_ontology(umls, suppress=["N", "O", "E", "Y"]).terms.height > english.terms.height
    claml = FIXTURES / "claml"
    assert load_ontology(claml, language=("en",)).concepts.equals(load_ontology(claml, language="en").concepts)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("icd10cm", {"language": "en-US"}, "language cannot be chosen .* none of these options"),
        (RF2[-1], {"sabs": ["MSH"], "hierarchy": "none"}, "sabs, hierarchy cannot be chosen .* for it: language, at"),
        (FIXTURES / "umls", {"at": "20240101"}, "at cannot be chosen .* for it: language, sabs, suppress, hierarchy"),
        (FIXTURES / "obo" / "invented.obo", {"at": "20240101"}, "got files of format obo"),
        (FIXTURES / "claml", {"language": ["en", "de"]}, "one language: got en, de"),
    ],
)
def test_a_choice_that_the_format_does_not_have_is_refused(
    source: Path | str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_ontology(source, **options)


def test_the_embedded_release_takes_another_version_name_and_no_other_system() -> None:
    assert load_ontology("icd10cm", release="mine").release == "mine"
    with pytest.raises(InputError, match="there is no release at icd10cm"):
        load_ontology("icd10cm", system="umls")


def test_a_missing_release_and_one_of_no_known_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no release at"):
        load_ontology(tmp_path / "nowhere.zip")
    with pytest.raises(ReaderError, match="holds no files"):
        load_ontology(tmp_path)
    (tmp_path / "notes.csv").write_text("note_id,text\n", encoding="utf-8")
    with pytest.raises(ReaderError, match=r"no release of a known format: got notes\.csv"):
        load_ontology(tmp_path)


def test_a_named_system_says_how_to_read_files_with_odd_names(tmp_path: Path) -> None:
    path = tmp_path / "terms.txt"
    path.write_bytes((FIXTURES / "obo" / "invented.obo").read_bytes())
    assert load_ontology(path, system="doid").system == "doid"


def test_the_examples_in_the_readme_run() -> None:
    readme = FIXTURES.parent / "README.md"
    result = doctest.testfile(str(readme), module_relative=False)
    assert result.attempted >= 5
    assert not result.failed
