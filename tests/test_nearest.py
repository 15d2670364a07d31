"""The raw token view: every token's own nearest concepts, token vectors as a frame, encoders that others loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from coded_mapper import embedded, full_mapper, lexical_mapper, small_ontology
from tiny_models import make

from conceptmap.encoders import load_encoder
from conceptmap.errors import InputError
from conceptmap.frames import NEAREST
from conceptmap.index.building import build_index
from conceptmap.mapper import ConceptMapper

TEXT = "No fever, but systolic heart failure."
TEXTS = [TEXT, "", "Pneumonia 🤒 and pneumonia."]


def test_every_token_has_its_own_nearest_concepts() -> None:
    found = full_mapper().nearest(TEXT, k=3)
    assert found.schema == NEAREST
    (tokens,) = embedded().tokens([TEXT])
    assert found.filter(pl.col("rank") == 1).height == len(tokens), "nobody abstains, a full stop neither"
    assert found.group_by("token_index").len()["len"].to_list() == [3] * len(tokens)
    assert all(TEXT[row["start_char"] : row["end_char"]] == row["text"] for row in found.to_dicts())
    index = full_mapper().indexes[0]
    scores, rows = index.search(tokens, 3)
    assert found["score"].to_list() == scores.ravel().tolist()
    assert found["code"].to_list() == index.concepts["code"].gather(index.row_concept[rows.ravel()]).to_list()


def test_tags_are_those_of_mentions_where_the_nearest_are_the_tokens_own() -> None:
    tags, ranked = full_mapper().tag(TEXT, k=1), full_mapper().nearest(TEXT, k=19)
    inside = pl.col("start_char").is_between(TEXT.index("systolic"), TEXT.index(".") - 1)
    assert set(tags.filter(inside)["code"]) == {"I50.2"}, "every token of a mention has the mention's"
    assert len({tuple(rows["score"]) for _, rows in ranked.filter(inside).group_by("token_index")}) > 2


@pytest.mark.parametrize("kind", ["tokens", "float32", "float64", "lists", "tensor"])
def test_vectors_are_taken_as_they_come(kind: str) -> None:
    (tokens,) = embedded().tokens([TEXT])
    vectors: Any = tokens.vectors
    given = {
        "tokens": tokens,
        "float32": vectors,
        "float64": vectors.astype(np.float64),
        "lists": vectors.tolist(),
        "tensor": torch.from_numpy(vectors),
    }[kind]
    found, expected = full_mapper().nearest(given, k=2), full_mapper().nearest(TEXT, k=2)
    assert found["code"].to_list() == expected["code"].to_list()
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-6)
    assert found["text"].is_null().all() == (kind != "tokens")
    lexical = ConceptMapper(full_mapper().indexes, None)
    assert lexical.nearest(given, k=2)["code"].to_list() == found["code"].to_list(), "vectors need no encoder"


@pytest.mark.parametrize("wrong", [np.zeros(384, np.float32), 7, None, [["a"]], {"a": 1}])
def test_what_are_no_vectors_is_refused_in_words(wrong: Any) -> None:
    with pytest.raises(InputError, match=r"these are no vectors|cannot be read as numbers"):
        full_mapper().nearest(wrong)


def test_a_text_needs_an_encoder() -> None:
    with pytest.raises(InputError, match="tokens have no vectors: got no encoder"):
        lexical_mapper().nearest("fever")


def test_tokens_become_a_frame() -> None:
    found = embedded().tokens(TEXTS)
    frame = found[2].to_polars()
    assert frame.columns == ["text", "start_char", "end_char", "vector"]
    assert frame.schema["vector"] == pl.Array(pl.Float32, 384)
    assert all(TEXTS[2][row["start_char"] : row["end_char"]] == row["text"] for row in frame.to_dicts())
    np.testing.assert_array_equal(frame["vector"].to_numpy(), found[2].vectors)
    assert found[1].to_polars().height == 0
    assert repr(found[0]) == f"TokenEmbeddings({len(found[0])} tokens, 384 numbers each, on cpu)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with mean pooling, as sentence-transformers saves it."""
    return make(tmp_path_factory.mktemp("models") / "tiny-mpnet", "sentence-mpnet")


def test_a_sentence_transformer_is_taken(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    ours = load_encoder(folder, dtype="float32")
    library = SentenceTransformer(str(folder))
    before = library.encode([TEXT])
    theirs = load_encoder(library)
    assert theirs.name == "tiny-mpnet"
    short = ["Fever 🤒.", "", "No fever."]  # longer ones are cut where the library would cut them
    for one, other in zip(ours.tokens(short), theirs.tokens(short), strict=True):
        np.testing.assert_array_equal(one.start_char, other.start_char)
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-5)
    np.testing.assert_allclose(ours.terms(TEXTS[::2] * 2), theirs.terms(TEXTS[::2] * 2), atol=1e-5)
    np.testing.assert_array_equal(library.encode([TEXT]), before, "what is given is left as it was")
    mapper = ConceptMapper.load(build_index(small_ontology(), theirs), encoder=library)
    assert mapper.nearest("fever", k=1).height


def test_a_model_with_its_tokenizer_is_taken(folder: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    ours = load_encoder(folder, dtype="float32")
    network, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    theirs = load_encoder((network, tokenizer))
    for one, other in zip(ours.tokens(TEXTS), theirs.tokens(TEXTS), strict=True):
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-5)
    again = load_encoder((AutoModel.from_pretrained(folder), tokenizer))
    assert again.revision == theirs.revision
    with torch.no_grad():
        network.get_input_embeddings().weight[0] += 1
    assert load_encoder((network, tokenizer)).revision != theirs.revision, "other weights are another revision"
    with pytest.raises(InputError, match=r"give its tokenizer too: encoder=\(model, tokenizer\)"):
        load_encoder(network)


def test_a_function_reads_words_one_by_one_and_each_once() -> None:
    asked: list[str] = []

    def encode(texts: list[str]) -> Any:
        asked.extend(texts)
        return embedded().terms(texts)

    encoder = load_encoder(encode)
    assert (encoder.name, encoder.dim) == ("encode", 384)
    mapper = ConceptMapper.load(build_index(small_ontology(), encoder), encoder=encode)
    fresh = load_encoder(encode)
    asked.clear()
    (tokens,) = fresh.tokens(["fever and Fever, fever"])
    assert tokens.to_polars()["text"].to_list() == ["fever", "and", "Fever", "fever"]
    np.testing.assert_array_equal(tokens.vectors[0], tokens.vectors[3])
    assert sorted(asked) == ["Fever", "and", "fever"]
    assert mapper.nearest("hypertension", k=1)["code"].to_list() == ["I10"]
    assert mapper.annotate("Seen for pneumonia.").codes["code"].to_list() == ["J18.9"]
    with pytest.raises(InputError, match=r"no vector a string: got shape \(3,\)"):
        load_encoder(lambda texts: np.zeros(len(texts)))
    with pytest.raises(InputError, match="NaN"):
        load_encoder(lambda texts: np.full((len(texts), 2), np.nan))


@pytest.mark.parametrize("wrong", [7, object(), ("a", "b"), ["a"]])
def test_what_is_no_encoder_is_refused_in_words(wrong: Any) -> None:
    with pytest.raises(InputError, match="this is no encoder: got"):
        ConceptMapper.load(lexical_mapper().indexes[0], encoder=wrong)
