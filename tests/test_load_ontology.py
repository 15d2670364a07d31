from __future__ import annotations

import doctest
from pathlib import Path

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
    with pytest.raises(InputError, match="several releases at once: got obo"):
        load_ontology(FIXTURES / "obo" / "invented.obo", FIXTURES / "icd10cm")


def test_a_system_that_the_files_contradict_is_refused() -> None:
    with pytest.raises(InputError, match="got 'snomedct', expected icd10cm"):
        load_ontology(FIXTURES / "icd10cm", system="snomedct")


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
