"""Situations: a finding and what is said of it as one concept, by the release's definitions, else by its names."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from invented import FINDING, LUMENEL, VELMORA, VELMORA_LUMENELITIS
from situated_release import CODES, situated
from typed_ontologies import SNOMED, UMLS, typed

from conceptmap.cli import main
from conceptmap.errors import InputError
from conceptmap.frames import SITUATIONS as SCHEMA
from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers.snomed_rf2 import read_rf2


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return situated(tmp_path_factory.mktemp("situated"))


@pytest.fixture(scope="module")
def ontology(release: Path) -> Ontology:
    return read_rf2(release)


@pytest.fixture(scope="module")
def mapper(ontology: Ontology, tmp_path_factory: pytest.TempPathFactory) -> ConceptMapper:
    folder = build_index(ontology, None).save(tmp_path_factory.mktemp("index") / "snomed")
    return ConceptMapper.load(folder, encoder=None)


def found(mapper: ConceptMapper, text: str, *, nearest: bool = False) -> list[dict[str, object]]:
    mentions = mapper.annotate_many([text]).mentions
    rows = mapper.situations(mentions, nearest=nearest)
    assert rows.schema == SCHEMA
    return list(rows.iter_rows(named=True))


def situation(mapper: ConceptMapper, text: str, *, nearest: bool = False) -> tuple[object, ...]:
    """Context, name of the situation, how it was found."""
    (row,) = found(mapper, text, nearest=nearest)
    return row["context"], row["situation_name"], row["by"]


# -- what a release defines -------------------------------------------------------------------------------------------


def test_definitions_are_read_with_the_values_that_lie_below_the_listed_ones(ontology: Ontology) -> None:
    assert ontology.situations is not None
    names = {code: name for name, code in CODES.items()}
    rows = ontology.situations.with_columns(pl.col("node").replace_strict(names)).sort("node").rows()
    assert rows == [
        ("Kin free of velmora disease", VELMORA, "family negated", True, True),
        ("Velmora disease away", VELMORA, "negated", True, True),
        ("Velmora disease feared", VELMORA, "suspected", True, True),
        ("Velmora disease in the kin", VELMORA, "family", True, True),
        ("Velmora disease in the kin, in rhyme", VELMORA, "family", True, False),
        ("Velmora disease in the mother", VELMORA, "family", False, True),
        ("Velmora disease of old", VELMORA, "historical", True, True),
    ]


def test_a_situation_of_two_findings_is_the_situation_of_neither(tmp_path: Path) -> None:
    told = read_rf2(situated(tmp_path, of_two="Velmora disease away")).situations
    assert told is not None
    assert CODES["Velmora disease away"] not in told["node"]
    assert CODES["Velmora disease of old"] in told["node"]


@pytest.mark.parametrize(
    ("text", "context", "name"),
    [
        ("Family history of velmora disease.", "family", "Velmora disease in the kin"),
        ("No family history of velmora disease.", "family negated", "Kin free of velmora disease"),
        ("History of velmora disease.", "historical", "Velmora disease of old"),
        ("No velmora disease.", "negated", "Velmora disease away"),
        ("Suspected velmora disease.", "suspected", "Velmora disease feared"),
    ],
)
def test_sentences_that_differ_by_the_context_alone(mapper: ConceptMapper, text: str, context: str, name: str) -> None:
    assert situation(mapper, text) == (context, name, "definition")


@pytest.mark.parametrize(
    "text", ["Velmora disease.", "Return if velmora disease.", "Her roommate has velmora disease."]
)
def test_what_is_so_or_may_come_is_no_situation(mapper: ConceptMapper, text: str) -> None:
    assert not found(mapper, text)


def test_annotations_stay_as_they_are(mapper: ConceptMapper) -> None:
    mentions = mapper.annotate_many(["No velmora disease."]).mentions
    before = mentions.clone()
    row = mapper.situations(mentions).row(0, named=True)
    assert mentions.equals(before)
    assert (row["code"], row["of_code"], row["situation_code"]) == (VELMORA, VELMORA, CODES["Velmora disease away"])
    assert mentions.row(0, named=True)["code"] == VELMORA


# -- where nothing is defined -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "context", "name"),
    [
        ("Mother had lumenel illness.", "family", "Family history of lumenel disorder"),
        ("Former lumenel illness.", "historical", "History of lumenel disorder"),
        ("Denies lumenel illness.", "negated", "No lumenel disorder"),
        ("Possible lumenel illness.", "suspected", "Suspected lumenel disorder"),
    ],
)
def test_a_situation_without_a_definition_is_told_by_its_name(
    mapper: ConceptMapper, text: str, context: str, name: str
) -> None:
    assert situation(mapper, text) == (context, name, "name")


def test_a_mention_that_names_a_situation_is_it(mapper: ConceptMapper) -> None:
    (row,) = found(mapper, "Velmora disease feared.")
    assert (row["code"], row["situation_code"], row["by"]) == (*[CODES["Velmora disease feared"]] * 2, "itself")
    assert (row["context"], row["of_code"]) == ("suspected", VELMORA)


def test_only_a_situation_of_snomed_ct_is_one_by_its_name() -> None:
    rows = [*SNOMED, ("27", "finding", "No fever", (), "24")]
    mapper = ConceptMapper.load(build_index(typed("snomedct", rows), None), encoder=None)
    assert situation(mapper, "Denies fever.") == ("negated", None, None)
    rows[-1] = ("27", "situation", "No fever", (), "24")
    mapper = ConceptMapper.load(build_index(typed("snomedct", rows), None), encoder=None)
    assert situation(mapper, "Denies fever.") == ("negated", "No fever", "name")


def test_other_systems_have_situations_by_name() -> None:
    rows = [*UMLS, ("C0000010", "Finding", "FH: Asthma", (), None), ("C0000011", "Finding", "H/O: asthma", (), None)]
    mapper = ConceptMapper.load(build_index(typed("umls", rows), None), encoder=None)
    assert situation(mapper, "Mother had asthma.") == ("family", "FH: Asthma", "name")
    assert situation(mapper, "Former asthma.") == ("historical", "H/O: asthma", "name")


def test_icd10cm_keeps_its_own_rules() -> None:
    rows = [("J45", "-", "Asthma", (), None), ("Z82.5", "-", "Family history of asthma", (), None)]
    text = "Mother had asthma."
    classification, other = (
        ConceptMapper.load(build_index(typed(system, rows), None), encoder=None) for system in ("icd10cm", "doid")
    )
    assert not found(classification, text)
    assert situation(other, text) == ("family", "Family history of asthma", "name")


# -- the nearest ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["Family history of", "History of", "Suspected"])
def test_a_concept_above_serves_where_it_is_asked_for_and_is_named(mapper: ConceptMapper, before: str) -> None:
    text = f"{before} acute velmora fever."
    (alone,) = found(mapper, text)
    assert (alone["situation_code"], alone["by"], alone["of_code"]) == (None, None, None)
    (row,) = found(mapper, text, nearest=True)
    assert row["situation_name"] is not None
    assert (row["of_code"], row["of_name"]) == (VELMORA, "Velmora disease")
    assert row["code"] != VELMORA


@pytest.mark.parametrize("before", ["No", "No family history of"])
def test_without_the_special_the_general_may_still_be_there(mapper: ConceptMapper, before: str) -> None:
    (row,) = found(mapper, f"{before} acute velmora fever.", nearest=True)
    assert row["situation_code"] is None


def test_of_concepts_above_the_nearest_is_taken(mapper: ConceptMapper, ontology: Ontology) -> None:
    assert ontology.parents(VELMORA_LUMENELITIS) == {VELMORA, LUMENEL}
    (row,) = found(mapper, "History of velmora lumenelitis.", nearest=True)
    assert row["of_code"] == min(VELMORA, LUMENEL), "as deep as the other: the lower code"
    assert FINDING not in (row["of_code"], row["situation_code"])


# -- on the command line ----------------------------------------------------------------------------------------------


def test_a_run_writes_situations_on_request(mapper: ConceptMapper, tmp_path: Path) -> None:
    index = build_index(mapper.indexes[0].ontology(), None).save(tmp_path / "index")
    pl.DataFrame({"note_id": ["1"], "text": ["No velmora disease. Suspected acute velmora fever."]}).write_csv(
        tmp_path / "notes.csv"
    )
    given = ["code", str(tmp_path / "notes.csv"), "--ontology", str(index), "--encoder", "none"]
    assert main([*given, "-o", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out" / "situations.csv").exists()
    assert main([*given, "-o", str(tmp_path / "out"), "--situations"]) == 0
    rows = pl.read_csv(tmp_path / "out" / "situations.csv", infer_schema=False)
    assert rows["situation_name"].to_list() == ["Velmora disease away", None]
    assert main([*given, "-o", str(tmp_path / "out"), "--situations", "nearest", "--format", "parquet"]) == 0
    rows = pl.read_parquet(tmp_path / "out" / "situations.parquet")
    assert rows["situation_name"].to_list() == ["Velmora disease away", "Velmora disease feared"]
    assert not (tmp_path / "out" / "situations.csv").exists(), "a later run removes what it does not write"


def test_a_run_without_a_system_that_has_situations_is_refused(tmp_path: Path) -> None:
    from conceptmap.batch import Settings, code_notes
    from conceptmap.notes.notes import read_notes

    pl.DataFrame({"note_id": ["1"], "text": ["No asthma."]}).write_csv(tmp_path / "notes.csv")
    index = build_index(typed("icd10cm", [("J45", "-", "Asthma", (), None)]), None)
    mapper = ConceptMapper.load(index, encoder=None)
    with pytest.raises(InputError, match="no index has situations"):
        code_notes(read_notes(tmp_path / "notes.csv"), mapper, tmp_path / "out", Settings(situations="exact"))


def test_an_unknown_kind_is_refused() -> None:
    from conceptmap.batch import Settings

    with pytest.raises(InputError, match="exact or nearest"):
        Settings(situations="all")


def test_python_takes_any_frame(mapper: ConceptMapper) -> None:
    pandas = pytest.importorskip("pandas")
    mentions = mapper.annotate_many(["No velmora disease."]).mentions
    given = mapper.situations(pandas.DataFrame(mentions.to_dict(as_series=False)))
    assert isinstance(given, pandas.DataFrame)
    assert list(given["situation_name"]) == ["Velmora disease away"]


def test_an_index_of_before_has_none_but_by_name(ontology: Ontology) -> None:
    from dataclasses import replace

    mapper = ConceptMapper.load(build_index(replace(ontology, situations=None), None), encoder=None)
    assert situation(mapper, "No velmora disease.") == ("negated", None, None)
    assert situation(mapper, "Denies lumenel disorder.") == ("negated", "No lumenel disorder", "name")


def test_definitions_survive_the_index(mapper: ConceptMapper, ontology: Ontology) -> None:
    kept = mapper.indexes[0].ontology().situations
    assert kept is not None
    assert ontology.situations is not None
    assert kept.equals(ontology.situations)
