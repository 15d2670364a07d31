"""The adapter that comes along: it fits the embedded encoder and ICD-10-CM, and holds no text of its notes."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import small_mapper

from conceptmap.adapters import open_adapter
from conceptmap.adapters.adapter import Compatibility, compatibility_of
from conceptmap.encoders import load_encoder
from conceptmap.errors import IndexMismatchError
from conceptmap.mapper import ConceptMapper
from conceptmap.readers import load_ontology


@cache
def fit_here() -> Compatibility:
    """What an adapter for the embedded index belongs to: a row for each term of the release, in its order."""
    release = load_ontology("icd10cm")
    rows = release.terms.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64))
    index = SimpleNamespace(terms=rows, system=release.system, release=release.release, dim=384)
    encoder = load_encoder("embedded")
    return compatibility_of(index, encoder=encoder.name, revision=encoder.revision, dim=encoder.dim)  # type: ignore[arg-type]


def test_it_belongs_to_what_comes_along() -> None:
    assert open_adapter("embedded").made_for == fit_here()


def test_it_is_a_map_and_nothing_else() -> None:
    """It remembers no wording of the notes, and nothing abstains."""
    adapter = open_adapter("embedded")
    assert (adapter.memory.names.height, adapter.memory.seen.height) == (0, 0)
    assert (adapter.inside, adapter.judge) == (None, None)
    assert adapter.matrix is not None
    assert adapter.matrix.shape == (384, 384)
    assert np.isfinite(adapter.matrix).all()


def test_its_card_says_what_it_is_made_of() -> None:
    card = open_adapter("embedded").card
    assert "NCBI Disease" in card["data"]
    assert "public domain" in card["licence"]
    assert card["marked"] == "in part"
    spans = card["spans"]
    for which in ("all", "unseen"):
        assert spans["with adapter"][which][0] >= spans["without adapter"][which][0]


def test_it_is_refused_elsewhere() -> None:
    encoder = load_encoder("embedded")
    with pytest.raises(IndexMismatchError, match="trained for another index"):
        ConceptMapper.load(small_mapper.index(encoder), encoder=encoder, adapter="embedded")
