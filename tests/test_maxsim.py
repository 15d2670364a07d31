"""MaxSim: equal to the float64 oracle, whatever the blocks, the filters and the ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import maxsim_oracle

from conceptmap.errors import InputError
from conceptmap.topk import maxsim as module
from conceptmap.topk import prepare
from conceptmap.topk.maxsim import maxsim, rescored


def _collection(
    seed: int, n_passages: int = 60, dim: int = 16, dtype: Any = np.float16
) -> tuple[np.random.Generator, NDArray[Any], NDArray[np.int64]]:
    draw = np.random.default_rng(seed)
    sizes = draw.integers(1, 9, n_passages)
    edges = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    tokens = draw.normal(size=(int(edges[-1]), dim)).astype(dtype)
    tokens[edges[5] : edges[6]] = np.resize(tokens[edges[2] : edges[3]], (sizes[5], dim))  # ties
    return draw, tokens, edges


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("block", [1, 200, 1 << 21])
@pytest.mark.parametrize("k", [1, 7, 1000])
def test_equals_the_oracle(monkeypatch: pytest.MonkeyPatch, dtype: type, block: int, k: int) -> None:
    monkeypatch.setattr(module, "BLOCK_ELEMENTS", block)
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", block)
    draw, tokens, edges = _collection(k, dtype=dtype)
    query = draw.normal(size=(5, 16)).astype(np.float32)
    found = maxsim(query, prepare(tokens), edges, k)
    scores, passages, rows = maxsim_oracle(query, tokens, edges)
    assert found.passages.tolist() == passages[:k].tolist()
    assert found.scores.tolist() == scores[:k].tolist()
    assert found.rows.tolist() == rows[:k].tolist()
    assert found.parts.astype(np.float64).sum(axis=1) == pytest.approx(found.scores, abs=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 12), st.booleans(), st.booleans(), st.booleans())
def test_equals_the_oracle_under_filters(seed: int, k: int, masked: bool, some: bool, grouped: bool) -> None:
    draw, tokens, edges = _collection(seed)
    n = len(edges) - 1
    mask = draw.random(len(tokens)) < 0.6 if masked else None
    passages = draw.random(n) < draw.random() if some else None
    groups = np.sort(draw.integers(0, 12, n)) if grouped else None
    query = draw.normal(size=(3, 16)).astype(np.float32)
    found = maxsim(query, prepare(tokens), edges, k, mask=mask, passages=passages, groups=groups)
    scores, best, rows = maxsim_oracle(query, tokens, edges, mask=mask, passages=passages, groups=groups)
    assert found.passages.tolist() == best[:k].tolist()
    assert found.scores.tolist() == scores[:k].tolist()
    assert found.rows.tolist() == rows[:k].tolist()


def test_candidates_are_ranked_in_any_order_and_once() -> None:
    draw, tokens, edges = _collection(3)
    query = draw.normal(size=(4, 16)).astype(np.float32)
    scores, best, _ = maxsim_oracle(query, tokens, edges)
    wanted = [int(passage) for passage in best if passage in (9, 4, 30)]
    found = rescored(query, prepare(tokens), edges, np.array([30, 4, 9, 4]))
    assert found.passages.tolist() == wanted
    assert found.scores.tolist() == [scores[best.tolist().index(passage)] for passage in wanted]
    assert len(rescored(query, prepare(tokens), edges, np.array([], dtype=np.int64)).scores) == 0


def test_rows_are_verified_before_they_are_read() -> None:
    draw, tokens, edges = _collection(4)
    read: set[int] = set()
    ready = prepare(tokens, verify=lambda start, stop: read.update(range(start, stop)))
    maxsim(draw.normal(size=(2, 16)).astype(np.float32), ready, edges, 3)
    assert read == set(range(len(tokens)))


@pytest.mark.parametrize(
    ("query", "edges", "k", "said"),
    [
        (np.zeros((1, 16)), None, 1, "query row 0 is a zero vector"),
        (np.ones((1, 8)), None, 1, "query does not fit"),
        (np.ones((0, 16)), None, 1, "query does not fit"),
        (np.ones((1, 16)), np.array([0, 0, 3]), 1, "edges do not fit"),
        (np.ones((1, 16)), None, 0, "k must be"),
    ],
)
def test_what_does_not_fit_is_refused(query: np.ndarray, edges: np.ndarray | None, k: int, said: str) -> None:
    _, tokens, good = _collection(5)
    with pytest.raises(InputError, match=said):
        maxsim(query, prepare(tokens), good if edges is None else edges, k)
