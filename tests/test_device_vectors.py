"""Vectors that stay on the device that computed them: on a processor, torch's tensors and numpy in CuPy's place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from conceptmap.encoders import resident
from conceptmap.encoders.device import LEAST_TOKENS, MOST_TOKENS, Memory, Meter
from conceptmap.encoders.embeddings import TokenEmbeddings, filled, joined, mixed, on_host


def _random(n: int, dim: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)


@pytest.fixture(params=["numpy", "tensor", pytest.param("cuda", marks=pytest.mark.gpu)])
def stored(request: pytest.FixtureRequest) -> Callable[[NDArray[Any]], Any]:
    """Where vectors lie."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    places: dict[str, Callable[[NDArray[Any]], Any]] = {
        "numpy": lambda array: array,
        "tensor": torch.from_numpy,
        "cuda": lambda array: torch.from_numpy(array).cuda(),
    }
    return places[request.param]


def test_weighted_sums(stored: Callable[[NDArray[Any]], Any]) -> None:
    """Sums of none, of one and of many, also at both ends."""
    vectors, generator = _random(40, 7, 1), np.random.default_rng(2)
    counts = np.array([0, 3, 0, 0, 1, 6, 2, 0])
    rows, weights = generator.integers(0, 40, 12), generator.random(12).astype(np.float32)
    starts = np.cumsum(counts) - counts
    parts = np.split(np.arange(12), starts[1:])
    expected = [(vectors[rows[part]] * weights[part, None]).sum(axis=0) for part in parts]
    found = mixed(stored(vectors), rows, weights, starts)
    assert type(found) is type(stored(vectors))
    np.testing.assert_allclose(on_host(found), np.array(expected), atol=1e-6)
    nothing = mixed(stored(vectors), rows[:0], weights[:0], np.zeros(3, np.int64))
    assert on_host(nothing).tolist() == np.zeros((3, 7)).tolist()


def test_joining_and_zero_rows(stored: Callable[[NDArray[Any]], Any]) -> None:
    first, second = _random(3, 5, 3), np.zeros((2, 5), np.float32)
    whole = joined([stored(first), stored(second), stored(first[:0])])
    assert type(whole) is type(stored(first))
    np.testing.assert_array_equal(on_host(whole), np.concatenate([first, second]))
    assert filled(whole).tolist() == [0, 1, 2]
    tokens = TokenEmbeddings(stored(first), np.arange(3), np.arange(3) + 1)
    np.testing.assert_array_equal(tokens.on_host().vectors, first)


def test_unit_vectors_keep_zero_rows() -> None:
    vectors = np.concatenate([_random(3, 5, 4), np.zeros((1, 5), np.float32)])
    lengths = torch.linalg.vector_norm(resident.unit(torch.from_numpy(vectors)), dim=1)
    np.testing.assert_allclose(lengths.numpy(), [1, 1, 1, 0], atol=1e-6)


class Pretended:
    """A device of so much memory, of which a forward takes so much for each token and for each pair of a sequence."""

    def __init__(self, size: int, token: int, pair: int) -> None:
        self.size, self.token, self.pair, self.top = size, token, pair, 0
        self.batches: list[int] = []
        self.memory = Memory(
            used=lambda: 1000,
            peak=lambda: 1000 + self.top,
            restart=self.restart,
            free=lambda: size,
            release=lambda: None,
        )

    def restart(self) -> None:
        self.top = 0

    def forward(self, inputs: list[NDArray[Any]]) -> None:
        longest = max(map(len, inputs))
        self.batches.append(len(inputs))
        needed = len(inputs) * longest * (self.token + self.pair * longest)
        if needed > self.size:
            raise torch.OutOfMemoryError
        self.top = max(self.top, needed)


def _ids(*lengths: int) -> list[NDArray[np.int64]]:
    return [np.zeros(length, np.int64) for length in lengths]


def test_batches_are_sized_by_what_a_few_inputs_take() -> None:
    pretended = Pretended(10_000_000, token=1000, pair=0)
    meter = Meter(pretended.memory)
    assert meter.batch_tokens(pretended.forward, _ids(10, 700, *[900] * 20)) == 5000
    assert pretended.batches == [4]  # 4,096 tokens of the longest
    assert meter.batch_tokens(pretended.forward, _ids(*[899] * 20)) == 5000
    assert pretended.batches == [4]  # nothing longer: not measured again
    assert meter.batch_tokens(pretended.forward, []) == 5000


def test_longer_inputs_are_measured_again() -> None:
    pretended = Pretended(1 << 30, token=1000, pair=100)
    meter = Meter(pretended.memory)
    short, long = (meter.batch_tokens(pretended.forward, _ids(*[length] * 20)) for length in (100, 1000))
    assert short == (1 << 29) // 11_000
    assert long == (1 << 29) // 101_000


@pytest.mark.parametrize(("size", "token", "expected"), [(1 << 20, 1 << 9, LEAST_TOKENS), (1 << 40, 1, MOST_TOKENS)])
def test_batches_have_a_least_and_a_most(size: int, token: int, expected: int) -> None:
    pretended = Pretended(size, token, pair=0)
    assert Meter(pretended.memory).batch_tokens(pretended.forward, _ids(512)) == expected


def test_a_sample_that_does_not_fit_is_halved() -> None:
    pretended = Pretended(1_000_000, token=1000, pair=0)
    assert Meter(pretended.memory).batch_tokens(pretended.forward, _ids(*[400] * 20)) == LEAST_TOKENS
    assert pretended.batches[:3] == [10, 5, 3]
    with pytest.raises(torch.OutOfMemoryError):
        Meter(pretended.memory).batch_tokens(pretended.forward, _ids(1500))
