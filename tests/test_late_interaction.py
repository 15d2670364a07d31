"""Late-interaction folders: the vectors of sentence-transformers' own encoder, each where it stands in the text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import TEXTS, make

from conceptmap.encoders.late.late_interaction import late_interaction_folder, load_late_interaction
from conceptmap.errors import ModelError

PASSAGE = "Pt is a 67yo F w/ T2DM, CKD."


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def get(family: str) -> Path:
        if family not in made:
            made[family] = make(tmp_path_factory.mktemp(family), family)
        return made[family]

    return get


@pytest.mark.parametrize("family", ["pylate-bert", "pylate-modernbert"])
def test_vectors_are_the_librarys_with_prefixes_lengths_and_skip_list(models: Any, family: str) -> None:
    from sentence_transformers import MultiVectorEncoder

    ours, library = load_late_interaction(models(family)), MultiVectorEncoder(str(models(family)), device="cpu")
    texts = [PASSAGE, TEXTS[5], "épanchement 🌡 ½ dose"]
    for text, found, expected in zip(
        texts, ours.documents(texts), library.encode_document(texts, convert_to_numpy=True), strict=True
    ):
        np.testing.assert_allclose(found.vectors, expected, atol=2e-5)
        spans = zip(found.start_char.tolist(), found.end_char.tolist(), strict=True)
        shown = [text[a:b] if a >= 0 else None for a, b in spans]
        assert shown[0] is None, "the classification token stands nowhere"
        assert shown[-1] is None
        assert "," not in shown, "the skip list is left out"
        assert all(piece.strip() == piece for piece in shown if piece)
    assert "67" in "".join(p or "" for p in [PASSAGE[a:b] for a, b in _spans(ours.documents([PASSAGE])[0])])
    query = ours.query("chest pain, SOB.")
    np.testing.assert_allclose(
        query.vectors, library.encode_query("chest pain, SOB.", convert_to_numpy=True), atol=2e-5
    )
    assert len(query.vectors) == 32, "a query is expanded to its length"
    assert query.pieces[-1] == "[MASK]"
    assert (query.start_char[-3:] == -1).all()


def _spans(found: Any) -> list[tuple[int, int]]:
    return [(a, b) for a, b in zip(found.start_char.tolist(), found.end_char.tolist(), strict=True) if a >= 0]


def test_a_document_that_would_lose_its_end_is_refused(models: Any) -> None:
    ours = load_late_interaction(models("pylate-bert"))
    long = " ".join([PASSAGE] * 9)
    assert not ours.fits(long)
    assert ours.fits(PASSAGE)
    with pytest.raises(ModelError, match="fewer pieces"):
        ours.documents([long])
    assert len(ours.query(long).vectors) == 32


def test_pieces_of_any_length_stand_where_the_text_says(models: Any) -> None:
    start, end = load_late_interaction(models("pylate-modernbert")).pieces("  Old\tpt. ")
    assert "".join("  Old\tpt. "[a:b] for a, b in zip(start, end, strict=True)) == "Oldpt."


def test_folders_are_told_apart(models: Any, tmp_path: Path) -> None:
    assert late_interaction_folder(models("pylate-bert")) == models("pylate-bert")
    assert late_interaction_folder("embedded") is None
    for family in ("sentence-mpnet", "sentence-dense", "plain-modernbert"):
        assert late_interaction_folder(models(family)) is None


def test_pickled_projections_are_refused(tmp_path: Path) -> None:
    folder = make(tmp_path, "pylate-bert")
    (folder / "1_Dense" / "model.safetensors").rename(folder / "1_Dense" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="not safe to read"):
        late_interaction_folder(folder)
