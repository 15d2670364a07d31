"""Hubs are measured with background text, and moved away from it on request."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import small_mapper

from conceptmap.cli import main
from conceptmap.encoders import TokenEmbeddings
from conceptmap.errors import InputError
from conceptmap.index.index import ConceptIndex
from conceptmap.linking.hubs import background_words, with_hubs, without_hubs

CODES = ["I50.9", "E11.9", "I10"]
COMMON = np.array([3.0, 0.0, 0.0, 1.0], dtype=np.float32)
"""Where every word of the background lies, and the first row too."""
ROWS = np.array([[1, 0, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0]], dtype=np.float32)


def index() -> ConceptIndex:
    return ConceptIndex.from_vectors(CODES, ROWS, small_mapper.ontology())


def words(n: int = 40) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    noise = np.random.default_rng(2).normal(scale=0.1, size=(n, 4))
    return (COMMON + noise).astype(np.float32)


def test_the_commonest_concept_is_named_with_its_share() -> None:
    measured = with_hubs(index(), words())
    name = small_mapper.ontology().name("I50.9")
    said = f"100.0 % of 40 background words are nearest to I50.9 ({name}), 100.0 % to 10 concepts"
    assert measured.manifest.facts["hubs"] == said
    np.testing.assert_array_equal(measured.vectors, ROWS)


def test_rows_move_away_from_the_words_that_they_attract() -> None:
    moved = without_hubs(index(), words())
    assert moved.manifest.centring == "background"
    units = words() / np.linalg.norm(words(), axis=1, keepdims=True)
    for row, found in zip(ROWS, moved.values(slice(None)), strict=True):
        nearest = units[np.argsort(-(units @ row))[:10]]
        np.testing.assert_allclose(found, row - 0.25 * nearest.mean(axis=0), atol=1e-6)
    few = without_hubs(index(), words(3))
    np.testing.assert_allclose(few.values(slice(None)), ROWS - 0.25 * units[:3].mean(axis=0), atol=1e-6)
    before, after = index().search(words(), 3, per="row"), moved.search(words(), 3, per="row")
    assert (after.scores[before.rows == 0] < before.scores[before.rows == 0]).all()
    assert (moved.search(ROWS, 1).rows[:, 0] == [0, 1, 2]).all()


def test_words_are_those_of_the_text_and_no_commas() -> None:
    def tokens(texts: list[str]) -> list[TokenEmbeddings]:
        text = texts[0]
        starts = np.array([0, 5, 7], dtype=np.int64)
        assert text == "Fever, and"
        return [TokenEmbeddings(np.eye(3, 4, dtype=np.float32), starts, np.array([5, 6, 10], dtype=np.int64))]

    found = background_words(SimpleNamespace(dim=4, tokens=tokens), ["Fever, and"])  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, [[1, 0, 0, 0]])
    with pytest.raises(InputError, match="holds no word"):
        background_words(SimpleNamespace(dim=4, tokens=lambda texts: []), [])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--correct-hubs"], "--correct-hubs needs --background and no --centre: got no notes"),
        (["--correct-hubs", "--centre", "--background", "notes.csv"], "got --centre"),
        (["--background", "notes.csv", "--encoder", "none"], "got --encoder none"),
        (["--background", "notes.csv", "--vectors", "v.npy"], "got --vectors"),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", "release.obo", "-o", str(tmp_path / "index"), *options]) == 2
    assert message in capsys.readouterr().err
