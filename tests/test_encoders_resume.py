"""An interrupted build of term vectors goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conceptmap.encoders import TokenEncoder, load_encoder
from conceptmap.encoders.resume import resumable_terms

TERMS = [f"term {i}" for i in range(10)]


@pytest.fixture
def asked() -> list[list[str]]:
    return []


@pytest.fixture
def encoder(asked: list[list[str]]) -> TokenEncoder:
    """The embedded encoder's face with vectors that say which string they are of."""

    def encode(terms: Sequence[str], progress: object) -> np.ndarray[Any, Any]:
        asked.append(list(terms))
        if "interrupt" in terms:
            raise KeyboardInterrupt
        return np.array([[float(term.split()[-1])] * 4 for term in terms], dtype=np.float32)

    return replace(load_encoder(), encode_terms=encode, term_dim=4)


def test_finished_chunks_are_not_encoded_again(encoder: TokenEncoder, asked: list[list[str]], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    encode = resumable_terms(encoder, tmp_path / "parts", chunk=4, progress=lambda *step: seen.append(step))
    with pytest.raises(KeyboardInterrupt):
        encode([*TERMS[:8], "interrupt"])
    assert [len(part) for part in asked] == [4, 4, 1]
    asked.clear()
    assert encode(TERMS)[:, 0].tolist() == list(range(10))
    assert asked == [TERMS[8:]]
    assert seen[-3:] == [(4, 10), (8, 10), (10, 10)]


def test_another_encoder_shares_nothing(encoder: TokenEncoder, asked: list[list[str]], tmp_path: Path) -> None:
    resumable_terms(encoder, tmp_path)(TERMS)
    resumable_terms(replace(encoder, revision="other"), tmp_path)(TERMS)
    assert len(asked) == 2


def test_a_damaged_chunk_is_encoded_again(encoder: TokenEncoder, asked: list[list[str]], tmp_path: Path) -> None:
    encode = resumable_terms(encoder, tmp_path)
    first = encode(TERMS)
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    for damaged in (bytes(data), bytes(data[:50]), b""):
        path.write_bytes(damaged)
        assert encode(TERMS).tobytes() == first.tobytes()
    assert len(asked) == 4
