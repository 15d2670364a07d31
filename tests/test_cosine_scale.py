"""An encoder's cosines are put on a scale by what unrelated words score: one that cannot tell does not flood."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from coded_mapper import embedded, small_ontology
from tiny_models import make

from conceptmap.cli import main
from conceptmap.encoders import TokenEmbeddings, TokenEncoder, load_encoder
from conceptmap.encoders.embedded import is_embedded
from conceptmap.index import embedded as embedded_release
from conceptmap.index.building import build_index, index_of_vectors
from conceptmap.index.cosine_scale import OWN, UNRELATED, CosineScale, measured
from conceptmap.index.given_vectors import GivenVectors
from conceptmap.index.index import ConceptIndex
from conceptmap.mapper import ConceptMapper

TEXT = "The bus was late again, so she walked home and painted the garden fence. Heart is failing; sugar disease known."


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("models") / "tiny", "sentence-bert-mean")


@cache
def published() -> TokenEncoder:
    """The embedded encoder before it was tuned."""
    return load_encoder("embedded-plain")


def annotated(index: ConceptIndex, encoder: TokenEncoder) -> tuple[pl.DataFrame, pl.DataFrame]:
    notes = pl.DataFrame({"note_id": ["1"], "text": [TEXT]})
    found = ConceptMapper.load(index, encoder=encoder).annotate_many(notes, tags=3)
    return found.mentions, found.tags


def unscaled(index: ConceptIndex) -> ConceptIndex:
    facts = {name: value for name, value in index.manifest.facts.items() if name != "cosine scale"}
    return replace(index, manifest=replace(index.manifest, facts=facts))


def test_random_weights_make_no_mentions_where_they_flooded(random_model: Path) -> None:
    encoder = load_encoder(random_model)
    index = build_index(small_ontology(), encoder)
    tagged = annotated(unscaled(index), encoder)[1]["code"].drop_nulls()
    assert len(tagged) > 20, "every word is near to something"
    mentions, tags = annotated(index, encoder)
    assert tags["code"].drop_nulls().len() == 0
    assert mentions.filter(pl.col("evidence") == "vector").height == 0
    assert not CosineScale.of(index).separates
    assert index.manifest.facts["separation"].endswith("vectors make no mentions of their own")


def test_the_embedded_release_is_on_the_scale_too(
    random_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever encoder is named beside it, its own apart."""
    monkeypatch.setenv("CONCEPTMAP_CACHE", str(tmp_path))
    monkeypatch.setattr(embedded_release, "_release", lambda: replace(small_ontology(), system="icd10cm"))
    index = embedded_release.embedded_index(load_encoder(random_model))
    assert not CosineScale.of(index).separates
    assert CosineScale.of(embedded_release.embedded_index(published())) == CosineScale()


def test_the_embedded_encoder_as_published_is_the_scale() -> None:
    plain = published()
    assert is_embedded(plain)
    assert not is_embedded(embedded()), "tuned, it has a scale of its own"
    index = build_index(small_ontology(), plain)
    assert "cosine scale" not in index.manifest.facts
    assert CosineScale.of(index) == CosineScale()
    assert "nearest to their own concept" in index.manifest.facts["separation"]


def test_an_encoder_with_other_cosines_gives_the_same_mentions() -> None:
    """The embedded encoder with a constant added to all its vectors: every cosine is higher, none says more."""
    shifted: Any = Shifted(published())
    index = build_index(small_ontology(), shifted)
    raw = index.search(shifted.terms(["bus"]), 1).scores[0, 0]
    assert raw > 0.5 > CosineScale.of(index)(float(raw))
    plain = build_index(small_ontology(), published())
    tagged, there, flooded = (
        annotated(one, encoder)[1]["code"].drop_nulls().len()
        for one, encoder in ((index, shifted), (plain, published()), (unscaled(index), shifted))
    )
    assert abs(tagged - there) <= 4
    assert flooded > there + 12
    measured_again = measured(index, shifted)
    assert measured_again.manifest.facts["cosine scale"] == index.manifest.facts["cosine scale"]


class Shifted:
    """An encoder whose vectors all hold the same one beside their own."""

    revision = "shifted"

    def __init__(self, encoder: TokenEncoder) -> None:
        self.encoder = encoder

    def __getattr__(self, name: str) -> Any:
        return getattr(self.encoder, name)

    @staticmethod
    def moved(vectors: Any) -> Any:
        rows = np.asarray(vectors, dtype=np.float32)
        unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        return (unit + 1.2 / np.sqrt(rows.shape[1])).astype(np.float32)

    def tokens(self, *args: Any, **kwargs: Any) -> list[TokenEmbeddings]:
        found = self.encoder.tokens(*args, **kwargs)
        return [replace(note, vectors=self.moved(note.vectors)) for note in found]

    def terms(self, *args: Any, **kwargs: Any) -> Any:
        return self.moved(self.encoder.terms(*args, **kwargs))

    def index_terms(self, *args: Any, **kwargs: Any) -> Any:
        return self.moved(self.encoder.index_terms(*args, **kwargs))


def test_given_vectors_are_on_the_scale_of_the_encoder_that_is_at_hand() -> None:
    ontology = small_ontology()
    plain = build_index(ontology, published())
    rows = plain.terms.filter(pl.col("row").is_not_null()).sort("row")
    nodes, terms = rows["node"].to_list(), rows["term"].to_list()
    given = GivenVectors(nodes, plain.values(slice(None)), terms, (), pl.DataFrame())
    index = index_of_vectors(ontology, given, "embedded-plain")
    scale = CosineScale.of(index)
    assert scale(scale.unrelated) == pytest.approx(UNRELATED)
    assert scale(scale.own) == pytest.approx(OWN)
    assert "nearest to their own concept" in index.manifest.facts["separation"]
    blurred = replace(given, vectors=(given.vectors + given.vectors.mean(axis=0)).astype(np.float32))
    farther = CosineScale.of(index_of_vectors(ontology, blurred, "embedded-plain"))
    assert farther.own < scale.own - 0.02, "what all vectors share takes names from their concepts"
    assert farther(farther.own) == pytest.approx(OWN), "and on the scale they are as near as before"


@pytest.mark.parametrize(
    ("encoder", "said"), [(None, "no encoder was named"), ("maker/model@c0ffee", "not on this machine")]
)
def test_given_vectors_without_an_encoder_at_hand_say_that_they_are_not(encoder: str | None, said: str) -> None:
    ontology = small_ontology()
    nodes = ontology.concepts["node"].to_list()
    vectors = np.random.default_rng(0).standard_normal((len(nodes), 8)).astype(np.float32)
    index = index_of_vectors(ontology, GivenVectors(nodes, vectors, None, (), pl.DataFrame()), encoder)
    assert CosineScale.of(index) == CosineScale()
    assert index.manifest.facts["separation"].startswith("not measured, as ")
    assert said in index.manifest.facts["separation"]


def test_build_and_info_say_how_well_the_encoder_separates(
    random_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    obo = tmp_path / "small.obo"
    terms = "".join(f"\n[Term]\nid: HP:000000{n}\nname: {name}\n" for n, name in enumerate(["Fever", "Dry cough"]))
    obo.write_text(f"format-version: 1.2\n{terms}")
    assert main(["build", str(obo), "-o", str(tmp_path / "index"), "--encoder", str(random_model)]) == 0
    assert "separation: 99 % of unrelated words score below" in capfd.readouterr().err
    assert main(["info", str(tmp_path / "index")]) == 0
    assert "separation" in capfd.readouterr().out


@pytest.mark.parametrize("said", ["", "0.5", "a b c"])
def test_a_scale_that_cannot_be_read_changes_nothing(said: str) -> None:
    index = build_index(small_ontology(), None)
    odd = replace(index, manifest=replace(index.manifest, facts={"cosine scale": said}))
    assert CosineScale.of(odd) == CosineScale()
