"""Exact top-k: every backend, type and block size against the float64 oracle, and attacks on the certificate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import topk_oracle

from conceptmap.errors import ConceptMapError, InputError
from conceptmap.topk import cpu, exact, gpu, prepare, topk

PRODUCTS = ["float32", "bfloat16", "int8"]
STORED = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def _random(n: int, dim: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)


def _float32(values: Any) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)


def _agree(queries: NDArray[Any], matrix: Any, k: int, product: str = "float32", **options: Any) -> None:
    """The search answers what the oracle answers, bit for bit."""
    values = matrix.to(torch.float64).numpy() if isinstance(matrix, torch.Tensor) else matrix
    expected = topk_oracle(queries, values, k, **options)
    found = topk(queries, prepare(matrix, product=product), k, **options)
    np.testing.assert_array_equal(found.rows, expected[1])
    np.testing.assert_array_equal(found.scores, expected[0])
    assert (str(found.scores.dtype), str(found.rows.dtype)) == ("float32", "int64")


@pytest.fixture(params=PRODUCTS)
def product(request: pytest.FixtureRequest) -> str:
    """What first products are computed in."""
    return str(request.param)


@pytest.fixture(params=[None, 64], ids=["large blocks", "small blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut rows, queries and rescoring into many blocks."""
    if request.param:
        monkeypatch.setattr(cpu, "ROWS_AT_ONCE", request.param)
        monkeypatch.setattr(cpu, "SCANNED_AT_ONCE", 4 * request.param)
        monkeypatch.setattr(cpu, "QUERIES_AT_ONCE", 7)
        monkeypatch.setattr(exact, "GATHER_ELEMENTS", 100)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize(
    ("n", "n_rows", "dim", "k"), [(1, 1, 1, 1), (3, 5, 2, 8), (20, 777, 33, 10), (9, 3000, 384, 64)]
)
def test_answers_are_the_oracles(n: int, n_rows: int, dim: int, k: int, stored: str, product: str) -> None:
    matrix = torch.from_numpy(_random(n_rows, dim, 1)).to(STORED[stored])
    _agree(_random(n, dim, 2), matrix, k, product)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("n_groups", [0, 1, 4, 400])
def test_masks_and_groups(masked: bool, n_groups: int, product: str) -> None:
    generator = np.random.default_rng(3)
    matrix, queries = _random(700, 24, 4).astype(np.float16), _random(15, 24, 5)
    options: dict[str, Any] = {}
    if masked:
        options["mask"] = generator.random(700) < 0.3
    if n_groups:
        options["groups"] = generator.integers(0, n_groups, 700)
    _agree(queries, matrix, 12, product, **options)


def _above(found: tuple[Any, Any], min_score: float) -> tuple[Any, Any]:
    """The oracle's answers without those that score less."""
    low = found[0] < np.float32(min_score)
    return np.where(low, -np.inf, found[0]), np.where(low, -1, found[1])


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("min_score", [-2.0, 0.2, 0.5, math.inf])
def test_answers_below_what_the_caller_wants_are_left_out(min_score: float, grouped: bool, product: str) -> None:
    matrix, queries = _random(900, 40, 31).astype(np.float16), _random(12, 40, 32)
    options: dict[str, Any] = {"groups": np.arange(900) % 200} if grouped else {}
    expected = _above(topk_oracle(queries, matrix, 12, **options), min_score)
    found = topk(queries, prepare(matrix, product=product), 12, min_score=min_score, **options)
    np.testing.assert_array_equal(found.rows, expected[1])
    np.testing.assert_array_equal(found.scores, expected[0])
    on_device = (gpu.place(prepare(matrix), gpu.numpy_kit()),)
    np.testing.assert_array_equal(topk(queries, on_device, 12, min_score=min_score, **options).rows, expected[1])


def test_a_score_that_is_exactly_wanted_answers(product: str) -> None:
    matrix, queries = _random(2000, 48, 33), _random(9, 48, 34)
    scores = topk_oracle(queries, matrix, 5)[0]
    for query, wanted in zip(queries, scores[:, 2], strict=True):
        found = topk(query[None], prepare(matrix, product=product), 5, min_score=float(wanted))
        assert np.isfinite(found.scores).sum() == 3
        higher = float(np.nextafter(wanted, np.float32(2)))
        assert (topk(query[None], prepare(matrix, product=product), 5, min_score=higher).rows >= 0).sum() == 2
    with pytest.raises(InputError, match="min_score must be a number"):
        topk(queries, matrix, 5, min_score=math.nan)


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_fewer_rows_than_k_are_padded(allowed: int, product: str) -> None:
    mask = np.zeros(50, dtype=np.bool_)
    mask[:allowed] = True
    matrix, queries = _random(50, 8, 6), _random(4, 8, 7)
    _agree(queries, matrix, 5, product, mask=mask)
    found = topk(queries, prepare(matrix, product=product), 5, mask=mask)
    assert (found.rows[:, allowed:] == -1).all()
    assert np.isneginf(found.scores[:, allowed:]).all()


def test_equal_scores_by_lower_row(product: str) -> None:
    matrix = np.repeat(_random(5, 16, 8), 40, axis=0)
    matrix *= np.repeat(_float32([1, 2, 4, 8]), 50)[:, None]  # powers of two keep every cosine
    queries = _random(6, 16, 9)
    _agree(queries, matrix, 70, product)
    _agree(queries, matrix, 70, product, groups=np.arange(200) % 80)
    found = topk(matrix[:1], prepare(matrix, product=product), 40)
    assert found.rows.tolist() == [list(range(40))]
    assert (found.scores == 1).all()


@pytest.mark.parametrize("spread", [1e-7, 1e-5, 1e-3, 1e-2])
def test_near_ties_in_a_cluster(spread: float, product: str) -> None:
    generator = np.random.default_rng(10)
    centre = generator.standard_normal(96)
    matrix = _float32(centre + spread * generator.standard_normal((3000, 96)))
    queries = _float32(centre + 0.1 * generator.standard_normal((8, 96)))
    _agree(queries, matrix, 10, product)
    _agree(queries, matrix, 10, product, groups=np.arange(3000) // 3)


@pytest.mark.parametrize("scale", [1e-42, 1e-38, 1e-20, 1e20, 1e38])
def test_extreme_norms(scale: float, product: str) -> None:
    matrix, queries = _random(400, 20, 11), _random(5, 20, 12)
    matrix[::2] = _float32(np.clip(matrix[::2], -3, 3).astype(np.float64) * scale)
    matrix = matrix[(matrix != 0).any(axis=1)]
    _agree(queries, matrix, 10, product)
    _agree(_float32(queries * min(scale, 1e37)), matrix, 10, product)


def test_rows_that_differ_in_scale_from_element_to_element(product: str) -> None:
    matrix = _float32(_random(500, 32, 13) * 10.0 ** np.random.default_rng(14).uniform(-18, 18, (500, 32)))
    _agree(_random(6, 32, 15), matrix, 20, product)


def test_orthogonal_and_opposite_rows(product: str) -> None:
    matrix = np.concatenate([np.eye(40), -np.eye(40), np.eye(40)]).astype(np.float32)
    _agree(matrix[:50], matrix, 45, product)


def test_ascending_rows_make_every_block_better_than_the_last(product: str) -> None:
    angles = np.linspace(math.pi / 2, 0.01, 4000)
    matrix = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    _agree(_float32([[1, 0], [1, 0.02]]), matrix, 10, product)


@pytest.mark.parametrize("groups", [None, 1, 7, 2000])
def test_equal_rows_by_the_thousand_stay_in_bounds(
    groups: int | None, product: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that no bound can tell apart are settled by their final scores before more are read."""
    sizes: list[int] = []
    genuine = exact.cosines

    def counted(*args: Any, pairs: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        sizes.append(len(pairs[0]))
        return genuine(*args, pairs=pairs)

    monkeypatch.setattr("conceptmap.topk.cpu.cosines", counted)
    monkeypatch.setattr(cpu, "PAIRS_KEPT", 500)
    monkeypatch.setattr(cpu, "ROWS_AT_ONCE", 128)
    monkeypatch.setattr(cpu, "SCANNED_AT_ONCE", 128)
    matrix = np.repeat(_random(4, 16, 26), 1000, axis=0)
    options = {} if groups is None else {"groups": np.arange(4000) % groups}
    _agree(matrix[[0, 1000, 3999]], matrix, 5, product, **options)
    assert max(sizes) < 500 + 2 * 3 * 5 + 3 * 128 * 3


def test_groups_may_have_any_numbers() -> None:
    matrix, queries = _random(300, 8, 27), _random(5, 8, 28)
    few = np.random.default_rng(29).integers(0, 20, 300)
    np.testing.assert_array_equal(
        topk(queries, matrix, 30, groups=few * 2**55).rows, topk(queries, matrix, 30, groups=few).rows
    )
    _agree(queries, matrix, 30, groups=few * 2**55)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 6), st.integers(1, 12), st.booleans())
def test_small_whole_numbers_are_full_of_ties(seed: int, n_rows: int, dim: int, k: int, grouped: bool) -> None:
    generator = np.random.default_rng(seed)
    matrix = generator.integers(-2, 3, (n_rows, dim)).astype(np.float32)
    matrix[~matrix.any(axis=1), 0] = 1
    queries = generator.integers(-2, 3, (4, dim)).astype(np.float32)
    queries[~queries.any(axis=1), 0] = 1
    options = {"groups": generator.integers(0, 9, n_rows)} if grouped else {}
    for product in PRODUCTS:
        _agree_up_to_float64(queries, matrix, k, product, **options)


def _agree_up_to_float64(queries: NDArray[Any], matrix: NDArray[Any], k: int, product: str, **options: Any) -> None:
    """As `_agree`, where rounding of float64 may tell scores apart that are equal: the scores decide."""
    expected = topk_oracle(queries, matrix, k, **options)
    found = topk(queries, prepare(matrix, product=product), k, **options)
    np.testing.assert_allclose(found.scores, expected[0], rtol=0, atol=2.0**-23)
    for scores, rows in zip(found.scores, found.rows, strict=True):
        kept = rows >= 0
        assert sorted(zip(-scores[kept], rows[kept], strict=True)) == list(zip(-scores[kept], rows[kept], strict=True))


def test_a_hopeless_bound_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that errs by more than was proved must not answer."""
    genuine = torch.mm

    def broken(left: torch.Tensor, right: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
        return genuine(left, right, out=out).mul_(1.01)

    monkeypatch.setattr(torch, "mm", broken)
    with pytest.raises(ConceptMapError, match="errs by more than its proved bound"):
        topk(_random(3, 16, 1), prepare(_random(200, 16, 2), product="float32"), 5)


def test_scores_do_not_depend_on_the_order_of_summation() -> None:
    """Permuting the elements of all vectors changes float64 sums in their last bits, and no score."""
    matrix, queries = _random(3000, 256, 16), _random(50, 256, 17)
    order = np.random.default_rng(18).permutation(256)
    once, again = topk(queries, matrix, 30), topk(queries[:, order], matrix[:, order].copy(), 30)
    np.testing.assert_array_equal(once.rows, again.rows)
    np.testing.assert_array_equal(once.scores, again.scores)


def test_scores_on_the_edge_of_rounding_are_summed_exactly() -> None:
    """cos = 1/2 + 2**-26 lies half-way between two float32 values up to what float64 cannot tell."""
    dim = 64
    query, row = np.zeros((1, dim), np.float32), np.ones((1, dim), np.float32)
    query[0, :17] = 1
    pairs = (torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))
    tensors = torch.from_numpy(query), torch.from_numpy(row)
    norms = [tensor.to(torch.float64).norm(dim=1) for tensor in tensors]
    score = exact.cosines(tensors[0], norms[0], tensors[1], norms[1], pairs=pairs)
    assert score.item() == np.float32(17 / (math.sqrt(17) * 8))


def test_a_matrix_may_be_given_unprepared_read_only_or_strided() -> None:
    matrix, queries = _random(60, 10, 19), _random(3, 5, 20)
    matrix.flags.writeable = False
    _agree(queries, matrix[:, ::2], 4)
    np.testing.assert_array_equal(topk(queries, matrix[:, ::2], 4).rows, topk(queries, matrix[:, ::2].copy(), 4).rows)


def test_rows_are_announced_before_they_are_read() -> None:
    seen: list[tuple[int, int]] = []
    matrix = _random(5000, 4, 21)
    norms = np.linalg.norm(matrix.astype(np.float64), axis=1)
    ready = prepare(matrix, norms=norms, verify=lambda start, stop: seen.append((start, stop)))
    assert not seen
    topk(matrix[:2], ready, 3)
    assert {row for start, stop in seen for row in range(start, stop)} == set(range(5000))
    seen.clear()
    mask = np.zeros(5000, dtype=np.bool_)
    mask[4000:4010] = True
    topk(matrix[:2], ready, 3, mask=mask)
    assert seen == [(4000, 4010)]


@pytest.mark.parametrize(
    ("value", "fault"),
    [(0.0, "row 2 is a zero vector"), (np.nan, "row 2 holds NaN"), (-np.inf, "row 2 holds NaN or inf")],
)
def test_vectors_without_a_cosine_are_named(value: float, fault: str) -> None:
    bad = _random(4, 6, 22)
    bad[2] = value
    with pytest.raises(InputError, match=f"matrix {fault}"):
        prepare(bad)
    with pytest.raises(InputError, match=f"query {fault}"):
        topk(bad, _random(5, 6, 23), 2)


@pytest.mark.parametrize(
    ("queries", "k", "options", "fault"),
    [
        (np.ones((2, 7)), 1, {}, r"got shape \(2, 7\), expected \(n, 6\)"),
        (np.ones(6), 1, {}, "queries do not fit"),
        (np.ones((2, 6)), 0, {}, "k must be at least 1"),
        (np.ones((2, 6)), 1, {"mask": np.ones(4, dtype=np.bool_)}, "mask does not fit"),
        (np.ones((2, 6)), 1, {"mask": np.ones(5)}, "mask does not fit"),
        (np.ones((2, 6)), 1, {"groups": np.ones(5)}, "groups does not fit"),
        (np.ones((2, 6)), 1, {"groups": np.full(5, -1)}, "groups must not be negative"),
    ],
)
def test_what_does_not_fit_is_refused(queries: NDArray[Any], k: int, options: Any, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        topk(queries, _random(5, 6, 24), k, **options)


def test_a_matrix_must_have_two_axes_and_fitting_norms() -> None:
    with pytest.raises(InputError, match="two axes"):
        prepare(np.ones(3, np.float32))
    with pytest.raises(InputError, match="norms do not fit"):
        prepare(np.ones((3, 2), np.float32), norms=np.ones(2))
    with pytest.raises(InputError, match="product is unknown"):
        prepare(np.ones((3, 2), np.float32), product="float8")


def test_no_queries_no_answers() -> None:
    found = topk(np.empty((0, 6), np.float32), _random(5, 6, 25), 3)
    assert found.scores.shape == found.rows.shape == (0, 3)
