"""Codes of ICD-10-CM go by words alone where nothing else was asked for; everything else uses the vectors."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from coded_mapper import embedded, small_ontology

from conceptmap import mapper as mappers
from conceptmap.annotated import notes_read
from conceptmap.cli import main
from conceptmap.commands.options.vectors import BY_WORDS, settle_encoder
from conceptmap.index.building import build_index
from conceptmap.index.index import ConceptIndex
from conceptmap.mapper import ConceptMapper

NOTE = pl.DataFrame({"note_id": ["n"], "text": ["He has heart failure and a fever."]})
PLAIN: dict[str, Any] = {
    "encoder": None,
    "device": None,
    "dtype": None,
    "tags": False,
    "format": ("csv",),
    "adapter": (),
    "ontology": ["icd10cm"],
}


def test_code_goes_by_words_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "n.txt").write_text("Gout.")
    notes, out = str(tmp_path / "n.txt"), str(tmp_path / "out")
    assert main(["code", notes, "-o", out]) == 0
    assert BY_WORDS in capsys.readouterr().err
    assert json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))["encoder"] is None
    for named in (["--fast"], ["--encoder", "none"]):
        assert main(["code", notes, "-o", out, *named, "--no-resume"]) == 0
        assert BY_WORDS not in capsys.readouterr().err


@pytest.mark.parametrize(
    "asked",
    [
        {"tags": True},
        {"format": ("csv", "html")},
        {"adapter": ["embedded"]},
        {"ontology": ["icd10cm", "my-snomedct"]},
        {"ontology": ["my-icd10cm"]},
        {"device": "cpu"},
        {"dtype": "int8"},
        {"encoder": "embedded"},
    ],
)
def test_what_has_to_do_with_vectors_uses_them(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    args = argparse.Namespace(**{**PLAIN, **asked})
    settle_encoder(args)
    assert args.encoder == "embedded"
    assert capsys.readouterr().err == ""


def test_a_named_encoder_stays() -> None:
    args = argparse.Namespace(**{**PLAIN, "encoder": "./folder", "tags": True})
    settle_encoder(args)
    assert (args.encoder, args.device, args.dtype) == ("./folder", "cpu", "auto")


def test_from_python_code_goes_by_words_of_what_is_loaded_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    index = build_index(small_ontology(), embedded())
    monkeypatch.setattr(
        mappers, "opened_index", lambda source, *_: source if isinstance(source, ConceptIndex) else index
    )
    monkeypatch.setattr(mappers, "load_encoder", lambda *_, **__: embedded())
    usual = [ConceptMapper.load(), ConceptMapper.load("icd10cm", encoder="embedded")]
    assert [mapper.codes_by_words for mapper in usual] == [True, True]
    named = [
        ConceptMapper.load(index),
        ConceptMapper.load("icd10cm", encoder=embedded()),
        ConceptMapper.load("icd10cm", dtype="float32"),
        ConceptMapper.load("icd10cm", "icd10cm", index),
    ]
    assert [mapper.codes_by_words for mapper in named] == [False] * 4


def test_a_mapper_that_codes_by_words_encodes_for_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    index, encoder = build_index(small_ontology(), embedded()), embedded()
    encoded: list[bool] = []
    whole = notes_read._embed

    def told(encoder: Any, *given: Any) -> Any:
        encoded.append(encoder is not None)
        return whole(encoder, *given)

    monkeypatch.setattr(notes_read, "_embed", told)
    by_words, by_both = ConceptMapper((index,), encoder, codes_by_words=True), ConceptMapper((index,), encoder)
    assert by_words.code(NOTE)["code"].to_list() == ["I50.9", "R50.9"]
    assert encoded == [False]
    assert by_words.annotate_many(NOTE).codes.equals(by_both.code(NOTE))
    assert by_words.tag(NOTE["text"][0]).height > 0
    assert encoded == [False, True, True, True]
