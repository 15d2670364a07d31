"""Linear layers in eight bits: exact where nothing is rounded, near elsewhere, never wrapped around."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from math import sqrt

import pytest
import torch
from torch import Tensor

from conceptmap.encoders import eight_bits as module
from conceptmap.encoders.eight_bits import LONGEST, LONGEST_WEIGHT, eight_bits, has_eight_bits, in_eight_bits
from conceptmap.encoders.precision import index_dtype, torch_dtype
from conceptmap.errors import InputError

needs_loops = pytest.mark.skipif(not has_eight_bits(), reason="the loops need AVX2")


def whole(n: int, groups: int, *, widest: int, longest: float, seed: int) -> Tensor:
    """Whole numbers that are their own codes: in each group one is the widest, the others are small."""
    made = torch.randint(-9, 10, (n, groups, 64), generator=torch.Generator().manual_seed(seed)).double()
    made[:, :, 0] = widest
    assert made.view(n, groups, 16, 2, 2).square().sum((2, 4)).max().sqrt() < longest
    return made.view(n, -1)


@needs_loops
@pytest.mark.parametrize(("n", "groups", "outputs"), [(1, 1, 16), (6, 2, 32), (7, 6, 48), (13, 1, 5), (20, 3, 17)])
def test_whole_numbers_are_multiplied_exactly(n: int, groups: int, outputs: int) -> None:
    rows = whole(n, groups, widest=127, longest=LONGEST, seed=n)
    weights = whole(outputs, groups, widest=63, longest=LONGEST_WEIGHT, seed=outputs)
    bias = torch.arange(outputs, dtype=torch.float64)
    by_group = 2.0 ** torch.arange(groups).repeat_interleave(64)  # a scale of its own for each group
    found = eight_bits((weights / by_group).float(), bias.float())((rows * by_group * 0.5).float())
    assert torch.equal(found.double(), 0.5 * rows @ weights.T + bias)


@needs_loops
@pytest.mark.parametrize("signs", ["alike", "by halves", "alternating"])
@pytest.mark.parametrize("spread", [1, 2, 16])
def test_no_sum_wraps_around(signs: str, spread: int) -> None:
    """As large as codes can be: equal numbers in all, or in every 2nd or 16th pair of a half."""
    place = torch.arange(64)
    sign = {"alike": place * 0 + 1, "by halves": 1 - 2 * (place // 2 % 2), "alternating": 1 - 2 * (place % 2)}[signs]
    row = torch.where(place // 4 % spread == 0, sign, 0).float()
    weights = torch.stack([row, -row, row.abs(), -row.abs()] * 4)
    found = eight_bits(weights)(torch.stack([row, -row]))
    expected = torch.stack([row, -row]) @ weights.T
    assert torch.allclose(found, expected, atol=0.03 * 64 / spread)


@needs_loops
@pytest.mark.parametrize(("inputs", "outputs"), [(384, 1536), (1536, 384), (100, 17), (7, 1), (64, 16)])
def test_numbers_of_any_size_stay_near(inputs: int, outputs: int) -> None:
    random = torch.Generator().manual_seed(inputs)
    weight, bias = torch.randn(outputs, inputs, generator=random), torch.randn(outputs, generator=random)
    rows = torch.randn(50, inputs, generator=random) * 10.0 ** torch.linspace(-6, 9, 50)[:, None]
    layer = eight_bits(weight, bias)
    for row, found in zip(rows, layer(rows), strict=True):
        product = weight.double() @ row.double()
        moved = (found.double() - bias.double() - product).norm()
        assert moved < 0.03 * row.double().norm() * sqrt(outputs) + 1e-6
    assert torch.equal(layer(rows[:1]), layer(rows)[:1])  # a row's codes are its own


@needs_loops
def test_nothing_and_zeros() -> None:
    layer = eight_bits(torch.ones(16, 64), torch.arange(16.0))
    assert layer(torch.zeros(0, 64)).shape == (0, 16)
    assert torch.equal(layer(torch.zeros(2, 3, 64)), torch.arange(16.0).expand(2, 3, 16))


@needs_loops
def test_threads_do_not_meet() -> None:
    layer = eight_bits(torch.randn(64, 128, generator=torch.Generator().manual_seed(1)))
    rows = torch.randn(40, 300, 128, generator=torch.Generator().manual_seed(2))
    expected = [layer(part) for part in rows]
    with ThreadPoolExecutor(4) as pool:
        assert all(map(torch.equal, pool.map(layer, rows), expected))


@needs_loops
def test_a_networks_layers_are_exchanged() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.GELU(), torch.nn.Linear(32, 8, bias=False))
    rows = torch.randn(5, 64)
    expected = network(rows)
    in_eight_bits(network)
    found = network(rows)
    assert not list(network.parameters())
    assert 0 < (found - expected).norm() < 0.05 * expected.norm()


def test_where_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conceptmap.encoders.precision._native_bfloat16", lambda device: False)
    monkeypatch.setattr("conceptmap.encoders.precision.has_eight_bits", lambda: True)
    assert (index_dtype("auto", "cpu"), torch_dtype("auto", "cpu")) == (torch.int8, torch.float32)
    assert index_dtype("float32", "cpu") == torch.float32
    assert index_dtype("auto", "meta") == torch.float32
    monkeypatch.setattr("conceptmap.encoders.precision._native_bfloat16", lambda device: True)
    assert index_dtype("auto", "cpu") == torch.bfloat16


def test_a_processor_without_the_loops_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "features", lambda: frozenset({"sse2"}))
    monkeypatch.setattr("conceptmap.encoders.precision._native_bfloat16", lambda device: False)
    assert not has_eight_bits()
    assert index_dtype("auto", "cpu") == torch.float32
    with pytest.raises(InputError, match="no eight-bit linear layers here"):
        torch_dtype("int8", "cpu")


@needs_loops
def test_a_product_that_errs_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    module._multiplies_rightly.cache_clear()
    monkeypatch.setattr(module.EightBits, "__call__", lambda self, x: torch.zeros(len(x), self.outputs))
    assert not has_eight_bits()
    module._multiplies_rightly.cache_clear()
