"""An interrupted build of term vectors goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conceptmap.cli import main
from conceptmap.encoders import TokenEncoder, load_encoder
from conceptmap.encoders.resume import resumable_terms
from conceptmap.index.index import ConceptIndex

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


def test_an_interrupted_build_goes_on_and_leaves_nothing_but_the_index(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release, output = tmp_path / "list.csv", tmp_path / "index"
    release.write_text("code,term\n" + "".join(f"C{n},ailment number {n}\n" for n in range(12)))
    asked: list[list[str]] = []
    plain = TokenEncoder.index_terms

    def encode(self: TokenEncoder, terms: Sequence[str], progress: Any = None) -> np.ndarray[Any, Any]:
        asked.append(list(terms))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return plain(self, terms, progress)

    monkeypatch.setattr(TokenEncoder, "index_terms", encode)
    monkeypatch.setattr("conceptmap.index.rows.STRINGS_AT_ONCE", 4)
    command = ["build", str(release), "--system", "own", "-o", str(output)]
    assert main(command) == 130
    parts = tmp_path / "index.parts"
    (parts / "mine.txt").write_text("a file of somebody else")
    assert not output.exists()
    capsys.readouterr()
    assert main(command) == 0
    assert f"an earlier build left 1 part in {parts}" in capsys.readouterr().err
    assert [len(part) for part in asked] == [4, 4, 4, 4], "the first four strings were encoded once"
    assert [path.name for path in parts.iterdir()] == ["mine.txt"]
    assert ConceptIndex.open(output).n_rows == 12
