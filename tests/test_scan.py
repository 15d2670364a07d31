"""The first pass in whole numbers: its codes, its bound, its sums in 16 bits, and where it gives way."""

from __future__ import annotations

import ctypes
import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from oracles import topk_oracle

from conceptmap.topk import prepare, rows, topk
from conceptmap.topk.loops import native, scan
from conceptmap.topk.loops.kernels import AVX2, AVX_VNNI, PLAIN, VNNI, Target, source
from conceptmap.topk.loops.native import Kernels, compiled, kernels
from conceptmap.topk.loops.quantised import Chunks, QuantisedRows, address, quantise_queries

STORED = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def _runnable() -> list[Target]:
    """This processor's own, and the shapes of AVX-512 VNNI and AVX-VNNI with the instruction written out."""
    here = kernels()
    written_out = [PLAIN, replace(PLAIN, rows=AVX_VNNI.rows, tiles=AVX_VNNI.tiles, queries=AVX_VNNI.queries)]
    return written_out if here is None else [*written_out, here.target]


@pytest.fixture(params=_runnable(), ids=lambda target: f"{target.name}x{target.rows}")
def loops(request: pytest.FixtureRequest) -> Kernels:
    if importlib.util.find_spec("llvmlite") is None:
        pytest.skip("llvmlite has no wheel for this machine")
    return compiled(request.param)


def _unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    unit: NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit


def _quantised(loops: Kernels, unit: NDArray[np.float64], stored: str = "float32") -> QuantisedRows:
    """Unit rows, stored with other norms, as codes."""
    n, dim = unit.shape
    chunks, into = Chunks.of(dim), QuantisedRows.room_for(n, Chunks.of(dim).width)
    values = torch.zeros((n, dim + -dim % 8), dtype=STORED[stored])
    values[:, :dim] = torch.from_numpy(unit * 8)
    inverse, row = np.full(n, 1 / 8, np.float32), np.zeros(chunks.width, np.float32)
    rows_at = (values.data_ptr(), n, values.shape[1], address(inverse), address(row))
    loops.code[values.dtype](*rows_at, *loops.sizes(chunks, into))
    return into


def _bits(
    loops: Kernels, unit: NDArray[np.float64], asked: NDArray[np.float64], threshold: NDArray[Any]
) -> NDArray[np.bool_]:
    """Which pairs ``scan`` lets through. *Shape:* (n_rows, n)."""
    chunks, codes = Chunks.of(unit.shape[1]), _quantised(loops, unit)
    quantised = quantise_queries(asked, chunks, loops.target)
    level = quantised.level(threshold.astype(np.float32))
    tiles, groups = len(codes.done), len(quantised.codes)
    found = np.zeros((tiles, groups * loops.target.queries), np.uint16)
    of_query = (address(quantised.codes), address(quantised.starts), groups)
    of_row = (address(codes.scale), address(codes.lost), address(quantised.lift), address(level), address(found))
    loops.scan(address(codes.codes), tiles, *chunks.summed(loops.target), *of_query, *of_row)
    bits = np.unpackbits(found.view(np.uint8).reshape(tiles, -1, 2), axis=-1, bitorder="little")
    return bits.transpose(0, 2, 1).reshape(tiles * 16, -1)[: len(unit), : len(asked)].astype(bool)


def _families(dim: int) -> dict[str, NDArray[np.float64]]:
    """Rows that are hard to code: one number alone, few equal ones in one half of a chunk, many scales, clusters."""
    generator = np.random.default_rng(dim)
    sparse = np.zeros((120, dim))
    for i, row in enumerate(sparse):
        lanes = np.arange(i % 2 * 2, dim, 4)
        row[lanes[: 1 + i % 16]] = generator.choice([-1.0, 1.0]) * (1 + 1e-3 * generator.standard_normal())
    scales = generator.standard_normal((100, dim)) * 10.0 ** generator.uniform(-6, 0, (100, dim))
    cluster = generator.standard_normal(dim) + 1e-4 * generator.standard_normal((90, dim))
    return {
        "normal": generator.standard_normal((130, dim)),
        "sparse": sparse,
        "scales": scales,
        "cluster": cluster,
        "constant": np.where(generator.random((70, dim)) < 0.5, -1.0, 1.0),
    }


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("dim", [8, 100, 384, 1024])
def test_codes_lose_no_more_than_they_say(loops: Kernels, dim: int, stored: str) -> None:
    chunks = Chunks.of(dim)
    for vectors in _families(dim).values():
        unit = _unit(torch.from_numpy(_unit(vectors)).to(STORED[stored]).to(torch.float64).numpy())
        into = _quantised(loops, unit)
        tiles = into.codes.reshape(-1, chunks.width // 4, 16, 4).transpose(0, 2, 1, 3).reshape(-1, chunks.width)
        whole = tiles[: len(unit)].astype(np.float64) - loops.target.zero
        assert np.abs(whole).max() <= loops.target.zero - 1
        if not loops.target.narrow:
            assert (np.abs(whole).max(axis=1) == 127).all()
        else:
            halves = whole.reshape(len(unit), chunks.chunks, -1, 2, 2)
            assert np.sqrt(np.square(halves).sum(axis=(2, 4))).max() <= 152
        residual = np.linalg.norm(unit - into.scale[: len(unit), None] * whole[:, :dim], axis=1)
        assert (residual <= into.lost[: len(unit)]).all()
        assert not whole[:, dim:].any()


@pytest.mark.parametrize("dim", [8, 100, 384, 1024])
def test_no_pair_above_its_threshold_is_lost(loops: Kernels, dim: int) -> None:
    """Thresholds just below a true score of every query; and what lies far below is indeed ruled out."""
    families = {name: _unit(vectors) for name, vectors in _families(dim).items()}
    asked = np.concatenate([unit[::9] for unit in families.values()])
    for unit in families.values():
        true = unit @ asked.T
        for rank in (0, 3, 20):
            threshold = np.nextafter(np.sort(true, axis=0)[-1 - rank].astype(np.float32), np.float32(-2))
            bits = _bits(loops, unit, asked, threshold)
            assert bits[true >= threshold].all()
            assert not bits[true < threshold - 0.25].any()


@pytest.mark.parametrize("dim", [8, 100, 384, 1000])
def test_queries_are_coded_as_numpy_does_it(loops: Kernels, dim: int) -> None:
    chunks = Chunks.of(dim)
    for vectors in _families(dim).values():
        queries = (vectors[:50] * 5).astype(np.float32)
        norms = np.linalg.norm(queries.astype(np.float64), axis=1)
        expected = quantise_queries(queries / norms[:, None], chunks, loops.target)
        quantised, unit = loops.asked(queries, norms, chunks)
        np.testing.assert_allclose(unit[:, :dim], queries / norms[:, None], rtol=2.0**-23, atol=0)
        assert not unit[:, dim:].any()
        np.testing.assert_array_equal(quantised.codes, expected.codes)
        np.testing.assert_array_equal(quantised.starts, expected.starts)
        for name in ("step", "drop", "lift"):
            np.testing.assert_allclose(getattr(quantised, name), getattr(expected, name), rtol=2.0**-23, atol=0)
        assert (quantised.drop >= expected.drop - 2.0**-40).all()


def test_sums_reach_the_limit_of_16_bits_and_no_further(loops: Kernels) -> None:
    """Equal rows and queries of 1 to 64 equal numbers in one half of a chunk: products as large as they can be."""
    unit = _unit(np.stack([np.where(np.arange(128) % 4 // 2 == 0, np.arange(128) < 2 * n, 0) for n in range(1, 65)]))
    for sign in (1.0, -1.0):
        bits = _bits(loops, unit, sign * unit, np.full(64, 0.999 * sign))
        true = unit @ (sign * unit).T
        assert bits[true >= 0.999 * sign].all()
        assert not bits[true < 0.999 * sign - 0.1].any()


@pytest.mark.parametrize("dim", [8, 100, 384, 1024])
def test_bits_are_those_of_products_of_whole_numbers(loops: Kernels, dim: int) -> None:
    """Exactly, ties included, for codes as large as they can be; an odd number of tiles, a group that is not full."""
    generator, chunks, tiles = np.random.default_rng(dim), Chunks.of(dim), 5
    widest = 19 if loops.target.narrow else 127  # 8 * 19 is the greatest norm over half a chunk
    rows = generator.integers(-widest, widest + 1, (16 * tiles, chunks.width))
    rows[::7], rows[1::7], rows[2::7] = widest, -widest, widest * generator.choice([-1, 1], chunks.width)
    into = QuantisedRows.room_for(len(rows), chunks.width)
    bytes_of = (rows + loops.target.zero).astype(np.uint8)
    into.codes[:] = bytes_of.reshape(tiles, 16, -1, 4).transpose(0, 2, 1, 3).reshape(-1)
    into.scale[:] = 1
    signs = generator.choice([-1.0, 1.0], (3, dim))
    quantised = quantise_queries(
        _unit(np.concatenate([np.ones((1, dim)), -np.ones((1, dim)), signs])), chunks, loops.target
    )
    quads = quantised.codes.reshape(len(quantised.codes), -1, loops.target.queries)
    whole = np.ascontiguousarray(quads.transpose(0, 2, 1)).view(np.int8).reshape(-1, chunks.width).astype(np.int64)
    sums = rows @ whole.T
    level = np.sort(sums, axis=0)[len(rows) // 2].astype(np.float32)
    found, lift = np.zeros((tiles, sums.shape[1]), np.uint16), np.zeros_like(level)
    of_query = (address(quantised.codes), address(quantised.starts), len(quantised.codes))
    of_row = (address(into.scale), address(into.lost), address(lift), address(level), address(found))
    loops.scan(address(into.codes), tiles, *chunks.summed(loops.target), *of_query, *of_row)
    expected = (sums >= level).reshape(tiles, 16, -1)
    np.testing.assert_array_equal(found, (expected << np.arange(16)[:, None]).sum(axis=1))


def _searched(monkeypatch: pytest.MonkeyPatch, loops: Kernels) -> list[int]:
    """Use these loops, and count what ``settle`` keeps (-1: too many) at each call."""
    kept: list[int] = []

    def counted_settle(genuine: Any) -> Any:
        def settle(*arguments: Any) -> int:
            kept.append(genuine(*arguments))
            return kept[-1]

        return settle

    counted = replace(loops, settle={dtype: counted_settle(settle) for dtype, settle in loops.settle.items()})
    monkeypatch.setattr(scan, "kernels", lambda: counted)
    monkeypatch.setattr("conceptmap.topk.cpu.SCANNED_AT_ONCE", 512)
    return kept


@pytest.mark.parametrize("grouped", [False, True])
def test_answers_are_the_oracles_and_most_rows_are_ruled_out(
    loops: Kernels, grouped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = _searched(monkeypatch, loops)
    generator = np.random.default_rng(1)
    matrix = generator.standard_normal((6000, 200)).astype(np.float16)
    queries = generator.standard_normal((40, 200), dtype=np.float32)
    options: dict[str, Any] = {"mask": generator.random(6000) < 0.9}
    if grouped:
        options["groups"] = generator.integers(0, 900, 6000)
    expected = topk_oracle(queries, matrix, 10, **options)
    found = topk(queries, prepare(matrix, product="int8"), 10, **options)
    np.testing.assert_array_equal(found.rows, expected[1])
    np.testing.assert_array_equal(found.scores, expected[0])
    assert 0 < sum(kept) < 6000 * 40 // 10
    assert min(kept) >= 0


@pytest.mark.parametrize("most", [rows.KEPT_BYTES, 0])
def test_rows_are_coded_once_where_codes_are_kept(loops: Kernels, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    quantised: list[int] = []
    genuine = loops.code[torch.float16]

    def code(*arguments: Any) -> None:
        quantised.append(arguments[1])
        genuine(*arguments)

    monkeypatch.setattr(scan, "kernels", lambda: replace(loops, code={torch.float16: code}))
    monkeypatch.setattr(rows, "KEPT_BYTES", most)
    generator = np.random.default_rng(4)
    matrix = generator.standard_normal((3000, 72)).astype(np.float16)
    ready = prepare(matrix, product="int8")
    for turn in range(3):
        queries = generator.standard_normal((1 + 40 * turn, 72), dtype=np.float32)
        expected = topk_oracle(queries, matrix, 5)
        found = topk(queries, ready, 5)
        np.testing.assert_array_equal(found.rows, expected[1])
        np.testing.assert_array_equal(found.scores, expected[0])
    assert sum(quantised) == (3000 if most else 9000)


@pytest.mark.parametrize("grouped", [False, True])
def test_lists_raise_thresholds(loops: Kernels, grouped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows ascend to the query, so that thresholds must rise as rows are read for most of them to be ruled out."""
    kept = _searched(monkeypatch, loops)
    monkeypatch.setattr(scan, "FIRST_PAIRS", 1)
    monkeypatch.setattr("conceptmap.topk.cpu.FIRST_ROWS", 32)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # each thread has its own lists
    generator = np.random.default_rng(5)
    queries = generator.standard_normal((20, 64), dtype=np.float32)
    towards = np.linspace(0, 0.4, 8000)[:, None] * queries[generator.integers(0, 20, 8000)]
    matrix = (generator.standard_normal((8000, 64)) + towards).astype(np.float32)
    options: dict[str, Any] = {"groups": np.arange(8000) // 3} if grouped else {}
    expected, counts = topk_oracle(queries, matrix, 10, **options), []
    for longest in (scan.LONGEST_LIST, 0):
        monkeypatch.setattr(scan, "LONGEST_LIST", longest)
        kept.clear()
        found = topk(queries, prepare(matrix, product="int8"), 10, **options)
        np.testing.assert_array_equal(found.rows, expected[1])
        np.testing.assert_array_equal(found.scores, expected[0])
        assert min(kept) >= 0
        counts.append(sum(kept))
    assert counts[0] < 0.9 * counts[1]


def test_blocks_that_cannot_be_ruled_out_are_multiplied_whole(loops: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one tight cluster no bound tells rows apart: it is tried ever less often, and answers stay exact."""
    kept = _searched(monkeypatch, loops)
    generator = np.random.default_rng(2)
    matrix = (generator.standard_normal(64) + 1e-3 * generator.standard_normal((9000, 64))).astype(np.float32)
    queries = (matrix[:40] + 0.3 * generator.standard_normal((40, 64))).astype(np.float32)
    expected = topk_oracle(queries, matrix, 5)
    found = topk(queries, prepare(matrix, product="int8"), 5)
    np.testing.assert_array_equal(found.rows, expected[1])
    np.testing.assert_array_equal(found.scores, expected[0])
    assert 0 < kept.count(-1) // torch.get_num_threads() <= 6 < 9000 // 512


def test_without_these_loops_products_are_taken_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "kernels", lambda: None)
    monkeypatch.setattr(rows, "kernels", lambda: None)
    generator = np.random.default_rng(3)
    matrix, queries = generator.standard_normal((3000, 40)), generator.standard_normal((50, 40))
    assert not prepare(matrix).scan
    expected = topk_oracle(queries.astype(np.float32), matrix.astype(np.float32), 5)
    np.testing.assert_array_equal(topk(queries, prepare(matrix, product="int8"), 5).rows, expected[1])


def test_a_processor_that_multiplies_wrongly_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    here = kernels()
    if here is None:
        pytest.skip("no loops for this processor")

    def wrong(*arguments: Any) -> None:
        here.scan(*arguments)
        ctypes.c_uint16.from_address(arguments[-1]).value ^= 4

    broken = replace(here, scan=wrong)
    monkeypatch.setattr(native, "compiled", lambda target: broken)
    assert native._kernels.__wrapped__() is None


def test_every_target_is_sound_code_and_uses_its_instruction() -> None:
    llvm = pytest.importorskip("llvmlite.binding")
    for target in (AVX2, AVX_VNNI, VNNI, PLAIN):
        module = llvm.parse_assembly(source(target))
        module.verify()
    assert source(VNNI).count("call <16 x i32> @llvm.x86.avx512.vpdpbusd.512") == 2 * VNNI.queries
    assert source(AVX_VNNI).count("call <8 x i32> @llvm.x86.avx512.vpdpbusd.256") == 2 * AVX_VNNI.queries
    assert source(AVX2).count("call <16 x i16> @llvm.x86.avx2.pmadd.ub.sw") == 2 * AVX2.queries
