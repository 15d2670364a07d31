"""``conceptmap bench`` measures a search and reckons larger ontologies in proportion."""

from __future__ import annotations

import json

import numpy as np
import pytest

from conceptmap.cli import main
from conceptmap.topk import gpu
from conceptmap.topk.speed import made_up_vectors, measure


def test_json_says_what_was_measured_and_reckons_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--rows", "3000", "--dim", "32", "--queries", "40", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows measured"], told["dim"]) == (3000, 32)
    icd, snomed, umls = told["ontologies"]
    assert [line["rows"] for line in told["ontologies"]] == [98_000, 1_300_000, 9_000_000]
    assert snomed["ms_per_token"] / icd["ms_per_token"] == pytest.approx(1_300_000 / 98_000, rel=0.1)
    assert umls["index_mib"] == round(9_000_000 * (2 * 32 + 8) / 2**20)
    assert told["seconds"] > 0


def test_the_table_has_a_line_for_each_ontology(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--rows", "2000", "--dim", "16", "--queries", "8"]) == 0
    out = capsys.readouterr().out
    assert [name for name in ("ICD-10-CM", "SNOMED CT", "UMLS") if name in out] == ["ICD-10-CM", "SNOMED CT", "UMLS"]
    assert "share of the float32 product's speed" in out


def test_sizes_must_be_positive(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--rows", "0"]) == 2
    assert "--rows must be at least 1: got 0" in capsys.readouterr().err


def test_made_up_vectors_are_unit_repeatable_and_concentrated_like_encoded_terms() -> None:
    rows = made_up_vectors(4000, 96, 5).astype(np.float64)
    np.testing.assert_array_equal(rows, made_up_vectors(4000, 96, 5))
    assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-3
    variance = np.linalg.eigvalsh(rows.T @ rows)[::-1]
    assert 0.92 < variance[:48].sum() / variance.sum() < 0.97
    assert measure(500, 16, queries=4, repeats=1).rows == 500


def test_a_device_is_measured_by_its_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With numpy in CuPy's place."""
    asked: list[str] = []

    def kits(device: str) -> tuple[gpu.Kit, ...]:
        asked.append(device)
        return (gpu.numpy_kit(),)

    monkeypatch.setattr(gpu, "cuda_kits", kits)
    assert main(["bench", "--rows", "500", "--dim", "16", "--queries", "4", "--json", "--device", "cuda:1"]) == 0
    assert set(asked) == {"cuda:1"}
    assert json.loads(capsys.readouterr().out)["backend"] == "numpy in CuPy's place"
