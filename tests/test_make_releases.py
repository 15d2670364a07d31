"""The synthetic releases that the benchmarks use have the exact formats: read strictly, every row counts."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from conceptmap.ontology.concepts import is_sctid
from conceptmap.readers.snomed_rf2 import read_rf2
from conceptmap.readers.tables import ReadReport
from conceptmap.readers.umls_rrf import read_rrf


@pytest.fixture(scope="module")
def releases() -> ModuleType:
    path = Path(__file__).parent.parent / "benchmarks" / "make_releases.py"
    spec = importlib.util.spec_from_file_location("make_releases", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["make_releases"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rf2_of_any_size_is_read_strictly(releases: ModuleType, tmp_path: Path) -> None:
    report = ReadReport()
    ontology = read_rf2(releases.make_rf2(tmp_path, scale=0.001), report=report)
    rows = {Path(path).name.split("Snapshot")[0]: count for path, count in report.rows.items()}
    inactive = ontology.concepts.filter(~pl.col("active"))
    assert rows == {
        "sct2_Concept_": 520,
        "sct2_Description_": 1600,
        "sct2_Relationship_": 3300,
        "der2_cRefset_Language": 3200,
        "der2_cRefset_Association": inactive.height,
        "der2_iisssccRefset_ExtendedMap": 300,
    }
    assert ontology.concepts.height == 520
    assert all(is_sctid(code) for code in ontology.concepts["code"])
    assert ontology.terms["term"].str.contains('"').any()
    resolved = inactive.filter((pl.col("replaced_by").list.len() + pl.col("consider").list.len()) > 0)
    assert resolved.height > 0.9 * inactive.height
    assert not report.left_out


def test_some_concepts_are_called_what_notes_hold(releases: ModuleType, tmp_path: Path) -> None:
    heard = set(releases.heard_names(100_000))
    plain = read_rf2(releases.make_rf2(tmp_path, scale=0.001))
    named = read_rf2(releases.make_rf2(tmp_path, scale=0.001, heard=True))
    assert named.concepts["name"].is_in(heard).sum() > 0.1 * named.concepts.height > 10
    assert not plain.concepts["name"].is_in(heard).any()
    assert named.edges.equals(plain.edges), "nothing else is other"
    umls = read_rrf(releases.make_umls(tmp_path, scale=0.001, heard=True))
    assert umls.terms["term"].is_in(heard).sum() > 300


def test_umls_of_any_size_is_read_strictly(releases: ModuleType, tmp_path: Path) -> None:
    report = ReadReport()
    ontology = read_rrf(releases.make_umls(tmp_path, scale=0.001), report=report)
    assert {Path(path).stem: count for path, count in report.rows.items() if "CONSO" in path} == {"MRCONSO": 10_000}
    assert ontology.release == "2025AA"
    assert 2500 < ontology.concepts.height < 3300
    assert ontology.edges.height > 2000
    again = read_rrf(releases.make_umls(tmp_path / "again", scale=0.001))
    assert again.terms.equals(ontology.terms)
