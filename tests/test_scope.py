"""Scope: no mention, tag or code outside of what was asked for, at build and at code, by type, place or list."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import small_mapper
from typed_ontologies import snomed, umls

import conceptmap as cm
from conceptmap.cli import main
from conceptmap.errors import ConceptMapError
from conceptmap.index.building import build_index, index_of_vectors
from conceptmap.index.given_vectors import GivenVectors
from conceptmap.index.index import ConceptIndex
from conceptmap.mapper import ConceptMapper, Results
from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.scope import Scope
from conceptmap.ontology.semantic_types import semantic_types
from conceptmap.ontology.value_sets import ValueSet, read_value_set

TEXT = "Infarction of the lumenel, fever and vomiting. Takes aspirin. Liver biopsy after a fall. Ruled out: negative."


def notes(text: str) -> pl.DataFrame:
    return pl.DataFrame({"note_id": ["1"], "text": [text]})


def results(ontology: Ontology, scope: Scope | None = None, text: str = TEXT) -> Results:
    mapper = ConceptMapper.load(build_index(ontology, None), encoder=None, scope=scope)
    return with_tags(mapper, text)


def with_tags(mapper: ConceptMapper, text: str) -> Results:
    return replace(mapper.annotate_many(notes(text), candidates=50), tags=mapper.tag(text))


def codes_in(found: Results) -> set[str]:
    frames = (found.mentions, found.codes, found.tags, found.candidates)
    return {code for frame in frames for code in frame["code"].drop_nulls()}


SCOPES = {
    "a tag": (Scope.of(only="disorder"), {"10", "11"}),
    "two tags": (Scope.of(only="disorder,finding"), {"10", "11", "16", "24", "26"}),
    "below": (Scope.of(below="10"), {"10", "11", "16", "24", "26"}),
    "below, and of a type": (Scope.of(below="10", only="finding"), {"16", "24", "26"}),
    "a list": (Scope(listed=("14", "24")), {"14", "24"}),
    "not a type": (Scope.of(below="10", exclude="finding"), {"10", "11"}),
    "not a code": (Scope.of(only="finding", exclude="24"), {"16", "26"}),
}


@pytest.mark.parametrize("name", SCOPES)
def test_nothing_outside_of_the_scope_is_found(name: str) -> None:
    scope, wanted = SCOPES[name]
    found = codes_in(results(snomed(), scope))
    assert found
    assert found <= wanted
    assert codes_in(results(snomed())) - wanted, "without a scope there is more"
    narrow = build_index(snomed(), None, scope=scope)
    built = with_tags(ConceptMapper.load(narrow, encoder=None), TEXT)
    assert codes_in(built) <= wanted
    assert built.mentions["code"].to_list() == results(snomed(), scope).mentions["code"].to_list()
    assert narrow.concepts.height == snomed().concepts.height, "the hierarchy stays"


@pytest.mark.parametrize("name", ["T047", "dsyn", "DISO", "disorders", "Disease or Syndrome"])
def test_umls_types_go_by_name_identifier_abbreviation_or_group(name: str) -> None:
    found = results(umls(), Scope.of(only=[name]), "Asthma. Liver. Contact.")
    whole_group = {"C0000006"} if name.lower().startswith("diso") else set()
    assert set(found.mentions["code"]) == {"C0000002", *whole_group}


def test_codes_of_a_note_are_findings_disorders_procedures_and_events_by_default() -> None:
    found = results(snomed())
    assert set(found.codes["code"]) == {"11", "22", "24", "25", "26"}
    assert {"14", "15"} & set(found.mentions["code"]), "aspirin is a mention all the same"
    assert set(results(snomed(), Scope.of(exclude="finding")).codes["code"]) == {"11", "22", "25"}
    assert set(results(snomed(), Scope.of(only="product")).codes["code"]) == {"15"}


def test_a_part_of_a_name_is_no_code_where_the_whole_is_another_thing() -> None:
    rows = [("1", "substance", "Fever powder"), ("2", "finding", "Fever")]
    from typed_ontologies import typed

    ontology = typed("snomedct", [(code, tag, name, (), None) for code, tag, name in rows])
    assert results(ontology, text="Takes fever powder.").codes.height == 0
    assert results(ontology, text="Fever. Powder.").codes["code"].to_list() == ["2"]


def test_a_scope_narrows_the_systems_that_know_its_names() -> None:
    mapper = ConceptMapper.load(
        build_index(snomed(), None), small_mapper.index(), encoder=None, scope=Scope.of(only="procedure")
    )
    found = mapper.annotate_many(notes("Fever. Liver biopsy.")).mentions
    assert set(found.select("system", "code").iter_rows()) == {("snomedct", "22"), ("test", "R50.9")}


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        (Scope.of(only="disorder,desease"), "no such semantic type: got desease, expected SNOMED RT"),
        (Scope.of(below="999"), "codes to look below are in no loaded ontology: got 999"),
        (Scope(listed=("998", "999")), "not one code of the list"),
        (Scope.of(exclude="999"), "no such semantic type: got 999"),
    ],
)
def test_names_that_nothing_has_are_refused(scope: Scope, message: str) -> None:
    with pytest.raises(ConceptMapError, match=message):
        results(snomed(), scope)
    with pytest.raises(ConceptMapError, match=message):
        build_index(snomed(), None, scope=scope)


def test_vectors_are_searched_within_the_scope() -> None:
    rows = np.eye(3, 4, dtype=np.float32)
    given = GivenVectors(["11", "14", "24"], rows, ["a", "b", "c"], (), pl.DataFrame())
    index = index_of_vectors(snomed(), given)
    from conceptmap.linking.linker import Linker

    _, concepts = Linker(index, scope=Scope.of(only="finding")).near(rows, 3)
    assert {index.concepts["code"][int(at)] for at in concepts.ravel() if at >= 0} == {"24"}
    narrow = index_of_vectors(snomed(), given, scope=Scope.of(only="finding"))
    assert narrow.terms.filter(pl.col("row").is_not_null()).select("code", "term").rows() == [("24", "c")]


_OF = '{"resourceType": "ValueSet", "compose": {"include": [%s]}}'
VALUE_SETS: dict[str, tuple[str | dict[str, object], ValueSet]] = {
    "codes.txt": ("24 # fever\n\n26\n", ValueSet(("24", "26"))),
    "codes.csv": ("Display,Code\nfever,24\nvomiting,26\n", ValueSet(("24", "26"))),
    "one.csv": ("24\n26\n", ValueSet(("24", "26"))),
    "codes.tsv": ("sctid\tterm\n24\tfever\n", ValueSet(("24",))),
    "expanded.json": (
        {"expansion": {"contains": [{"code": "0", "abstract": True, "contains": [{"code": "24"}]}, {"code": "26"}]}},
        ValueSet(("24", "26")),
    ),
    "composed.json": (
        {
            "compose": {
                "include": [
                    {"concept": [{"code": "14"}]},
                    {"filter": [{"property": "concept", "op": "descendent-of", "value": "10"}]},
                ],
                "exclude": [{"concept": [{"code": "26"}]}],
            }
        },
        ValueSet(("14",), ("10",), ("26", "10")),
    ),
}


@pytest.mark.parametrize("name", VALUE_SETS)
def test_value_sets_are_read(name: str, tmp_path: Path) -> None:
    content, expected = VALUE_SETS[name]
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps({"resourceType": "ValueSet", **content}))
    assert read_value_set(path) == expected
    if name == "composed.json":
        assert set(results(snomed(), Scope.of(only_list=path)).codes["code"]) == {"11", "14", "24"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", "# nothing\n", "lists no code"),
        ("wide.csv", "a,b\n1,2\n", "has no column of codes: got 2 columns"),
        ("other.json", '{"resourceType": "Bundle"}', "is no FHIR ValueSet: got Bundle"),
        ("not.json", "{", "cannot read codes from"),
        ("filter.json", _OF % '{"filter": [{"op": "regex", "value": "x"}]}', "has another filter: got regex"),
        ("sets.json", _OF % '{"valueSet": ["u"]}', "of other sets"),
        ("broken.json", _OF % "3", "is no whole ValueSet"),
        ("missing.csv", None, "cannot read codes from"),
    ],
)
def test_what_is_no_value_set_is_told(name: str, content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ConceptMapError, match=message):
        read_value_set(tmp_path / name)


def test_the_command_line_narrows_and_a_run_knows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    build_index(snomed(), None).save("index")
    notes(TEXT).write_csv("notes.csv")
    (tmp_path / "list.csv").write_text("code\n24\n11\n")
    command = ["code", "notes.csv", "-o", "out", "--ontology", "index", "--fast"]
    assert (
        main([*command, "--only", "finding", "--only", "disorder", "--exclude", "26", "--only-list", "list.csv"]) == 0
    )
    assert set(pl.read_csv("out/codes.csv")["code"]) == {11, 24}
    assert set(pl.read_csv("out/annotations.csv")["code"]) == {11, 24}
    assert json.loads(Path("out/run.json").read_text())["scope"]["only"] == ["finding", "disorder"]
    assert main([*command, "--below", "22", "--engine", "processes", "--workers", "1"]) == 0
    assert set(pl.read_csv("out/codes.csv")["code"]) == {22}
    assert main([*command, "--only", "nothing"]) == 2


def test_info_says_the_scope_of_an_index(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    index = build_index(snomed(), None, scope=Scope.of(only="finding", exclude="24"))
    index.save(tmp_path / "index")
    assert ConceptIndex.open(tmp_path / "index").manifest.facts["scope"] == "only finding; without 24"
    assert main(["info", str(tmp_path / "index")]) == 0
    assert "only finding; without 24" in capfd.readouterr().out


def test_scope_is_public() -> None:
    assert cm.Scope is Scope
    assert not Scope()
    assert not Scope.of(exclude="x").chooses


def test_types_of_the_umls_are_told_apart_by_every_name() -> None:
    types = semantic_types("umls")
    assert len(types) == 127 + 9, "today's, and retired ones"
    for names in ([one.name for one in types], [one.tui for one in types], [one.abbreviation for one in types]):
        assert len(set(names)) == len(names)
    assert len({one.group for one in types}) == len({one.group_name for one in types}) == 15
