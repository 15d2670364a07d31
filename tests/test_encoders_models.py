"""Every family of encoders against the library that it comes from, on tiny random models."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, TEXTS, make
from transformers import AutoModel, AutoTokenizer

from conceptmap.encoders import TokenEncoder, load_encoder
from conceptmap.encoders.eight_bits import has_eight_bits
from conceptmap.encoders.embeddings import on_host

load = partial(load_encoder, dtype="float32")  # whatever this machine would choose

CLOSE = 1e-5
SENTENCE = [family for family in FAMILIES if family.startswith("sentence")]
PYLATE = [family for family in FAMILIES if family.startswith("pylate")]
TERMS = [
    "Type 2 diabetes mellitus",
    "COPD",
    "fever",
    "chest pain",
    "COPD",
    "family history of breast cancer, unspecified",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of each family, made once."""
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = make(tmp_path_factory.mktemp("models") / family, family)
        return made[family]

    return folder


def reference(folder: Path, texts: list[str]) -> list[tuple[np.ndarray[Any, Any], list[tuple[int, int]]]]:
    """Last hidden states and offsets of transformers itself, special tokens left out."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder).eval()
    found = []
    for text in texts:
        given = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
        offsets = [(int(a), int(b)) for a, b in given.pop("offset_mapping")[0]]
        given.pop("token_type_ids", None)
        with torch.inference_mode():
            found.append((network(**given).last_hidden_state[0, 1:-1].numpy(), offsets[1:-1]))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_token_vectors_are_the_reference_librarys(models: Callable[[str], Path], family: str) -> None:
    encoder = load(models(family))
    for text, (expected, offsets) in zip(TEXTS, reference(models(family), TEXTS), strict=True):
        (found,) = encoder.tokens([text])
        kept = [i for i, (a, b) in enumerate(offsets) if text[a:b].strip()]
        assert len(found) == len(kept) > 0
        np.testing.assert_allclose(found.vectors, expected[kept], atol=CLOSE)
        for start, end, i in zip(found.start_char, found.end_char, kept, strict=True):
            assert text[start:end].startswith(text[slice(*offsets[i])].strip())


@pytest.mark.parametrize("family", SENTENCE)
def test_term_vectors_are_sentence_transformers(models: Callable[[str], Path], family: str) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = load(models(family))
    library = SentenceTransformer(str(models(family)), device="cpu")
    terms = [*TERMS, " ".join(TERMS * 4)]  # the last one exceeds the model's sentence length
    found = encoder.terms(terms)
    assert found.shape == (len(terms), encoder.term_dim)
    np.testing.assert_allclose(found, library.encode(terms), atol=CLOSE)


@pytest.mark.parametrize("family", PYLATE)
def test_late_interaction_folders_load_without_their_projection(models: Callable[[str], Path], family: str) -> None:
    from sentence_transformers import MultiVectorEncoder

    encoder = load(models(family))
    library = MultiVectorEncoder(str(models(family)), device="cpu")
    (found,) = encoder.tokens(TEXTS[:1])
    given = library.tokenizer(TEXTS[0], return_tensors="pt")
    with torch.inference_mode():
        expected = library[0](dict(given))["token_embeddings"][0, 1:-1].numpy()
    assert encoder.dim == encoder.term_dim == 32
    assert library.encode_document(TEXTS[0]).shape[1] == 16
    kept = [i for i, (a, b) in enumerate(_offsets(library.tokenizer, TEXTS[0])) if TEXTS[0][a:b].strip()]
    np.testing.assert_allclose(found.vectors, expected[kept], atol=CLOSE)


def _offsets(tokenizer: Any, text: str) -> list[tuple[int, int]]:
    return list(tokenizer(text, return_offsets_mapping=True)["offset_mapping"][1:-1])


@pytest.mark.parametrize("family", ["pylate-bert", "plain-modernbert", "plain-xlm-roberta"])
def test_a_term_without_own_pooling_is_the_mean_of_its_tokens(models: Callable[[str], Path], family: str) -> None:
    encoder = load(models(family))
    found = encoder.terms(["metformin", ""])
    (tokens,) = encoder.tokens(["metformin"])
    assert len(tokens) > 1
    np.testing.assert_allclose(found[0], on_host(tokens.vectors).mean(axis=0), atol=CLOSE)
    assert np.isfinite(found[1]).all()
    assert np.abs(found[1]).sum() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_batches_and_padding_change_nothing(models: Callable[[str], Path], family: str) -> None:
    encoder = load(models(family))
    together = encoder.tokens([*TEXTS, " ".join(TEXTS)])
    for text, found in zip([*TEXTS, " ".join(TEXTS)], together, strict=True):
        (alone,) = encoder.tokens([text])
        np.testing.assert_array_equal(alone.start_char, found.start_char)
        np.testing.assert_allclose(alone.vectors, found.vectors, atol=CLOSE)
    many, one = encoder.terms(TERMS), np.concatenate([encoder.terms([term]) for term in TERMS])
    np.testing.assert_allclose(many, one, atol=CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_some_rows_are_those_of_all(models: Callable[[str], Path], family: str) -> None:
    encoder = load(models(family))
    model = encoder.model
    inputs = [model.tokeniser.wrap(model.tokeniser.backend_ids(text)) for text in (*TERMS, TERMS[0])]
    every = on_host(model.forward(inputs))
    rows = np.random.default_rng(1).permutation(len(every))[: len(every) // 2]
    np.testing.assert_allclose(on_host(model.forward(inputs, rows)), every[rows], atol=CLOSE)
    spans = [[(0, 1)] if number % 2 else [] for number, _ in enumerate(TEXTS)]
    for whole, found, asked in zip(encoder.tokens(TEXTS), encoder.tokens(TEXTS, spans=spans), spans, strict=True):
        place = np.flatnonzero(whole.start_char < (1 if asked else 0))
        np.testing.assert_allclose(on_host(found.vectors), on_host(whole.vectors)[place], atol=CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_call_gives_the_same_bytes(models: Callable[[str], Path], family: str) -> None:
    encoder = load(models(family))
    first, second = encoder.tokens(TEXTS * 5), encoder.tokens(TEXTS * 5)
    assert all(np.array_equal(a.vectors, b.vectors) for a, b in zip(first, second, strict=True))
    assert encoder.terms(TERMS).tobytes() == encoder.terms(TERMS).tobytes()


@pytest.mark.parametrize(("dtype", "close"), [("bfloat16", 0.15), ("float16", 0.02)])
@pytest.mark.parametrize("family", ["plain-modernbert", "sentence-bert-mean"])
def test_half_precision_stays_near(models: Callable[[str], Path], family: str, dtype: Any, close: float) -> None:
    full, half = (load_encoder(models(family), dtype=kind).tokens(TEXTS)[0].vectors for kind in ("float32", dtype))
    assert half.dtype == np.float32
    assert 0 < np.abs(full - half).max() < close * np.abs(full).max()


@pytest.mark.skipif(not has_eight_bits(), reason="the loops need AVX2")
@pytest.mark.parametrize("family", FAMILIES)
def test_eight_bits_point_the_same_way(models: Callable[[str], Path], family: str) -> None:
    full, other = (load_encoder(models(family), dtype=kind) for kind in ("float32", "int8"))
    for text in TEXTS:
        exact, found = on_host(full.tokens([text])[0].vectors), on_host(other.tokens([text])[0].vectors)
        cosines = (exact * found).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(found, axis=1)
        assert 0.95 < cosines.min() < 0.99999
    assert np.abs(full.terms(TERMS) - other.terms(TERMS)).max() < 0.2 * np.abs(full.terms(TERMS)).max()


def test_the_window_is_what_the_network_has_positions_for(models: Callable[[str], Path]) -> None:
    assert load(models("sentence-bert-cls")).window == 128
    xlm = load(models("plain-xlm-roberta"))
    assert xlm.window == 128  # 130 positions, of which RoBERTa's kind never uses two
    (found,) = xlm.tokens(["pain " * 500])
    assert len(found) >= 500


def test_loading_from_a_folder_touches_no_network(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a connection was opened")

    folders = [models(family) for family in FAMILIES]
    monkeypatch.setattr(socket.socket, "connect", refuse)
    for folder in folders:
        assert isinstance(load(folder), TokenEncoder)


def test_loading_writes_nothing(models: Callable[[str], Path], capfd: pytest.CaptureFixture[str]) -> None:
    folder = models("sentence-mpnet")
    capfd.readouterr()
    load(folder).tokens(TEXTS)
    assert capfd.readouterr() == ("", "")
