"""Adapters' parts: the map, the memory, the judge, the calibration, the folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import small_mapper
from hypothesis import given
from hypothesis import strategies as st

from conceptmap.adapters import Adapter, open_adapter, save_adapter
from conceptmap.adapters.adapter import Compatibility
from conceptmap.adapters.calibration import Calibration, expected_error, fit_calibration, reliability
from conceptmap.adapters.judge import FEATURES, Judge, best_threshold
from conceptmap.adapters.linear import Pairs, fit, unit
from conceptmap.adapters.logistic import fit_logistic, logits
from conceptmap.adapters.memory import NAMES, SEEN, Annotated, Known, Memory, extend_lexicon, remember
from conceptmap.errors import IndexMismatchError, InputError
from conceptmap.matching.content import content_words
from conceptmap.matching.matcher import TermMatcher

HERE = Compatibility("an-encoder", "1", 8, "test", "2099", 6, "0" * 64)


def rotated(width: int, *, turn: float = 9.0, dim: int = 12) -> tuple[Pairs, np.ndarray]:
    """Queries that are noisy rows seen through a rotation, and that rotation."""
    rng = np.random.default_rng(0)
    rows = unit(rng.normal(size=(40, width)).astype(np.float32))
    q, r = np.linalg.qr(np.eye(max(dim, width)) + turn * rng.normal(size=(max(dim, width), max(dim, width))))
    rotation = (q * np.sign(np.diag(r)))[:dim, :width]
    right = rng.integers(0, 40, 400)
    queries = rows[right] @ rotation.T + rng.normal(scale=0.05, size=(400, dim))
    concepts = np.arange(40)
    return Pairs(unit(queries.astype(np.float32)), rows, concepts, [frozenset([int(c)]) for c in right]), rotation


def accuracy(pairs: Pairs, matrix: np.ndarray) -> float:
    found = (unit(pairs.queries @ matrix) @ pairs.rows.T).argmax(axis=1)
    return float(np.mean([int(c) in right for c, right in zip(found, pairs.right, strict=True)]))


def test_procrustes_recovers_a_rotation() -> None:
    pairs, rotation = rotated(12)
    assert np.abs(fit("procrustes", pairs) - rotation).max() < 0.05
    assert accuracy(pairs, fit("none", pairs)) < 0.2


@pytest.mark.parametrize("method", ["procrustes", "ridge", "low-rank", "linear"])
@pytest.mark.parametrize("width", [12, 9, 16])
def test_every_method_finds_what_was_rotated(method: str, width: int) -> None:
    pairs, _ = rotated(width, turn=0.4)
    matrix = fit(method, pairs)
    assert matrix.shape == (12, width)
    assert matrix.dtype == np.float32
    assert accuracy(pairs, matrix) > 0.75
    assert width != 12 or accuracy(pairs, matrix) > accuracy(pairs, fit("none", pairs)) + 0.05


@pytest.mark.parametrize("method", ["low-rank", "linear"])
def test_a_map_moves_the_rest_of_the_index_less_when_it_is_to_stay(method: str) -> None:
    """Queries teach one half of the concepts; rows of the other half keep their neighbours."""
    pairs, _ = rotated(12, turn=0.2)
    taught = [i for i, right in enumerate(pairs.right) if max(right) < 20]
    some = replace(pairs, queries=pairs.queries[taught], right=[pairs.right[i] for i in taught])
    rest = pairs.rows[20:]
    still = (pairs.rows.T @ pairs.rows / len(pairs.rows)).astype(np.float32)
    held = fit(method, replace(some, still=still))
    free = fit(method, some)
    assert np.linalg.norm(rest @ held - rest) < 0.8 * np.linalg.norm(rest @ free - rest)
    assert accuracy(some, held) > accuracy(some, fit("none", some))


def test_fits_are_deterministic() -> None:
    pairs, _ = rotated(12)
    assert np.array_equal(fit("low-rank", pairs), fit("low-rank", pairs))


@given(st.lists(st.tuples(st.floats(-30, 30), st.booleans()), min_size=4, max_size=60))
def test_calibration_never_falls_and_stays_within_bounds(cases: list[tuple[float, bool]]) -> None:
    scores, right = np.array([s for s, _ in cases]), np.array([r for _, r in cases])
    curve = fit_calibration(scores, right)
    found = curve(np.linspace(-50, 50, 41))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_calibration_makes_probabilities_true() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=4000)
    right = rng.random(4000) < 1 / (1 + np.exp(-(0.5 * scores - 1)))
    raw, curve = 1 / (1 + np.exp(-scores)), fit_calibration(scores[:2000], right[:2000])
    assert expected_error(reliability(curve(scores[2000:]), right[2000:])) < 0.04
    assert expected_error(reliability(raw[2000:], right[2000:])) > 0.1


def test_logistic_regression_finds_the_weights_of_its_own_model() -> None:
    rng = np.random.default_rng(2)
    rows = np.column_stack([rng.normal(size=(6000, 2)), np.ones(6000)])
    right = rng.random(6000) < 1 / (1 + np.exp(-(2 * rows[:, 0] - rows[:, 1] + 0.5)))
    weights = fit_logistic(rows, right)
    assert np.abs(weights - [2, -1, 0, 0.5]).max() < 0.2, "a constant column gets no weight"
    assert logits(weights, rows).shape == (6000,)


def test_the_threshold_is_where_f1_is_best() -> None:
    probabilities, right = np.array([0.9, 0.8, 0.7, 0.2, 0.1]), np.array([True, True, False, False, True])
    assert best_threshold(probabilities, right, missed=0) in (0.8, 0.1)
    assert best_threshold(probabilities, np.array([True, True, False, False, False]), missed=3) == 0.8


# -- memory -----------------------------------------------------------------------------------------------------------

TAUGHT = [
    Annotated(("water", "sickness"), "water sickness", ("I50.9",)),
    Annotated(("water", "sickness"), "Water sickness", ("I50.9",)),
    Annotated(("water", "sickness"), "water sickness", ("R50.9",)),
    Annotated(("hypertension",), "hypertension", ("R51.9",)),
    Annotated(("tx",), "TX", ("R50.9",)),
    Annotated(("12",), "12", ("R50.9",)),
]


def test_wordings_are_remembered_with_their_codes() -> None:
    names = remember(TAUGHT)
    assert names.schema == NAMES
    assert sorted(names.select("forms", "code").rows()) == [
        ("hypertension", "R51.9"),
        ("tx", "R50.9"),
        ("water sickness", "I50.9"),
        ("water sickness", "R50.9"),
    ], "a number stands for nothing"
    assert remember(TAUGHT, least=2)["forms"].unique().to_list() == ["water sickness"]
    seen = pl.DataFrame([("water sickness", 5, 2), ("spots", 4, 0)], schema=SEEN, orient="row")
    memory = Memory(names, seen)
    assert memory.known(["water", "sickness"]) == Known(3.0, 2 / 3, 5, 2)
    assert memory.known(["spots"]) == Known(0.0, 0.0, 4, 0)
    assert memory.known(["else"]) == Known()


def test_a_remembered_wording_means_what_it_was_annotated_with() -> None:
    linker = small_mapper.mapper().linkers[0]
    lexicon = extend_lexicon(linker.matcher.lexicon, remember(TAUGHT), linker.book.position_of_code)
    matcher = TermMatcher(lexicon)

    def first_code(text: str) -> list[str]:
        return [linker.book.codes[matcher.concept[hit.entries[0]]] for hit in matcher.find(text, content_words(text))]

    assert first_code("Water sickness.") == ["I50.9"]
    assert first_code("hypertension") == ["R51.9"]
    assert first_code("TX was given") == ["R50.9"]
    assert first_code("tx was given") == [], "a short form in capitals matches as written"
    assert first_code("headache") == ["R51.9"]
    unknown = extend_lexicon(linker.matcher.lexicon, remember([Annotated(("spots",), "spots", ("Z99",))]), {})
    assert unknown.height == linker.matcher.lexicon.height


# -- the folder -------------------------------------------------------------------------------------------------------


def an_adapter() -> Adapter:
    rng = np.random.default_rng(3)
    judge = Judge(rng.normal(size=len(FEATURES) + 1), Calibration(0.8, 0.1), 0.45)
    memory = Memory(remember(TAUGHT), pl.DataFrame([("spots", 4, 0)], schema=SEEN, orient="row"))
    matrix = rng.normal(size=(8, 6)).astype(np.float32)
    inside = rng.normal(size=9).astype(np.float32)
    return Adapter(HERE, memory, matrix, inside, -0.5, judge, {"licence": "mine"})


def test_an_adapter_survives_the_folder(tmp_path: Path) -> None:
    adapter = an_adapter()
    folder = save_adapter(adapter, tmp_path / "adapter", pages={"README.md": "# Card\n"})
    again = open_adapter(folder)
    assert again.sha256 == adapter.sha256
    assert again.made_for == adapter.made_for
    assert again.card == {"licence": "mine"}
    assert (folder / "README.md").read_text() == "# Card\n"
    vectors = np.random.default_rng(4).normal(size=(5, 8)).astype(np.float32)
    assert np.array_equal(again.mapped(vectors), adapter.mapped(vectors))
    assert np.array_equal(again.outside(vectors), adapter.outside(vectors))
    bare = replace(adapter, matrix=None, inside=None, judge=None)
    other = open_adapter(save_adapter(bare, tmp_path / "adapter"))
    assert (other.matrix, other.inside, other.judge) == (None, None, None)
    assert other.sha256 != adapter.sha256
    assert not other.outside(vectors).any()


def test_damaged_and_foreign_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexMismatchError, match="is not an adapter"):
        open_adapter(tmp_path)
    with pytest.raises(IndexMismatchError, match="is not an adapter"):
        open_adapter(small_mapper.index().save(tmp_path / "index"))
    folder = save_adapter(an_adapter(), tmp_path / "adapter")
    with pytest.raises(IndexMismatchError, match="another format"):
        type(small_mapper.index()).open(folder)
    tensors = folder / "adapter.safetensors"
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(IndexMismatchError, match="is damaged"):
        open_adapter(folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="exists"):
        save_adapter(an_adapter(), tmp_path / "mine")
