"""The device's search, with numpy in CuPy's place and on a device where there is one: the processor's answers."""

from __future__ import annotations

import importlib.util
import sys
from argparse import Namespace
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from compiled_kernels import compiled_kit, compiler
from numpy.typing import NDArray
from oracles import topk_oracle
from pretended_cupy import Stream, declarations

from conceptmap.cli import main
from conceptmap.errors import ConceptMapError, InputError, MissingExtraError
from conceptmap.index.index import ConceptIndex
from conceptmap.ontology.ontology import Ontology
from conceptmap.topk import check_device, chosen_device, cosines, gpu, place, prepare, topk
from conceptmap.topk.gpu import Kit, cupy_kit, numpy_kit, search
from conceptmap.topk.gpu import kit as kit_module

STORED = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def _device() -> bool:
    try:
        return importlib.util.find_spec("cupy") is not None and cupy_kit() is not None
    except InputError:
        return False


@pytest.fixture(params=["numpy", "compiled", pytest.param("cuda", marks=pytest.mark.gpu)])
def kit(request: pytest.FixtureRequest) -> Kit:
    """Numpy in the kernels' place; the kernels on the processor; a device."""
    if request.param == "compiled":
        if compiler() is None:
            pytest.skip("no C++ compiler for kernels.cu")
        return compiled_kit()
    if request.param == "cuda" and not _device():
        pytest.skip("no CUDA device, or no CuPy")
    return numpy_kit() if request.param == "numpy" else cupy_kit()


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tiles, many batches."""
    monkeypatch.setattr(search, "ROWS_AT_ONCE", 512)
    monkeypatch.setattr(search, "STREAMED_AT_ONCE", 1200)
    monkeypatch.setattr(search, "FIRST_ROWS", 64)
    monkeypatch.setattr(search, "QUERIES_AT_ONCE", 13)


def _random(n: int, dim: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)


def _array(values: Any) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)


def _agree(kit: Kit, queries: NDArray[Any], matrix: Any, k: int, *, resident: bool = True, **options: Any) -> None:
    """The device answers what the processor and the oracle answer, bit for bit."""
    ready = prepare(matrix)
    values = matrix.to(torch.float64).numpy() if isinstance(matrix, torch.Tensor) else matrix
    expected = topk_oracle(queries, values, k, **options)
    scores, rows = gpu.topk(queries, gpu.place(ready, kit, resident=resident), k, **options)
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_array_equal(scores, expected[0])
    on_processor = topk(queries, ready, k, **options)
    np.testing.assert_array_equal(rows, on_processor.rows)
    np.testing.assert_array_equal(scores, on_processor.scores)
    assert (str(scores.dtype), str(rows.dtype)) == ("float32", "int64")


@pytest.mark.parametrize("resident", [True, False], ids=["resident", "streamed"])
@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize(
    ("n", "n_rows", "dim", "k"), [(1, 1, 1, 1), (3, 5, 2, 8), (30, 5000, 40, 10), (5, 900, 384, 64)]
)
def test_answers_are_the_oracles(kit: Kit, n: int, n_rows: int, dim: int, k: int, stored: str, resident: bool) -> None:
    matrix = torch.from_numpy(_random(n_rows, dim, 1)).to(STORED[stored])
    _agree(kit, _random(n, dim, 2), matrix, k, resident=resident)


@pytest.mark.parametrize("grouped", [False, True])
def test_every_k_up_to_64(kit: Kit, grouped: bool) -> None:
    matrix, queries = np.round(_random(400, 6, 36)).astype(np.float16), _random(4, 6, 37)
    matrix[~matrix.any(axis=1)] = 1
    rows, groups = gpu.place(prepare(matrix), kit), np.arange(400) // 5 if grouped else None
    expected = topk_oracle(queries, matrix, 64, groups=groups)
    for k in range(1, 65):
        scores, found = gpu.topk(queries, rows, k, groups=groups)
        np.testing.assert_array_equal(found, expected[1][:, :k])
        np.testing.assert_array_equal(scores, expected[0][:, :k])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("n_groups", [0, 1, 4, 400])
def test_masks_and_groups(kit: Kit, masked: bool, n_groups: int) -> None:
    generator = np.random.default_rng(3)
    matrix, queries = _random(1700, 24, 4).astype(np.float16), _random(15, 24, 5)
    options: dict[str, Any] = {}
    if masked:
        options["mask"] = generator.random(1700) < 0.3
    if n_groups:
        options["groups"] = generator.integers(0, n_groups, 1700)
    _agree(kit, queries, matrix, 12, **options)


@pytest.mark.parametrize("shards", [1, 3])
def test_a_least_score_leaves_out_what_is_below(kit: Kit, shards: int) -> None:
    """What scores exactly that much stays, also where products are inexact; below all scores nothing changes."""
    matrix, queries = _random(600, 24, 38), _random(7, 24, 39)
    parts, groups = gpu.shards(prepare(matrix), [kit] * shards), np.arange(600) // 3
    scores, rows = topk_oracle(queries, matrix, 12, groups=groups)
    for least in (-2.0, float(scores[3, 4]), float(np.median(scores)), 0.99):
        kept = scores >= np.float32(least)
        found = gpu.topk(queries, parts, 12, groups=groups, min_score=least)
        np.testing.assert_array_equal(found[1], np.where(kept, rows, -1))
        np.testing.assert_array_equal(found[0], np.where(kept, scores, -np.inf))


def test_near_ties_duplicates_and_extreme_norms(kit: Kit) -> None:
    generator = np.random.default_rng(6)
    centre = generator.standard_normal(48)
    cluster = (centre + 1e-4 * generator.standard_normal((900, 48))).astype(np.float32)
    queries = (centre + 0.1 * generator.standard_normal((6, 48))).astype(np.float32)
    _agree(kit, queries, cluster, 10)
    _agree(kit, queries, np.repeat(cluster[:60], 9, axis=0), 12)
    scales = np.repeat(_array([1e-38, 1e-20, 1, 1e20, 1e37]), 180)[:, None]
    _agree(kit, queries, (cluster * scales).astype(np.float32), 7)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts readings of the rows, and queries that the processor settled; lists are short."""
    seen = {"passes": 0, "by processor": 0}
    genuine_pass, genuine_processor = search.one_pass, search._by_processor

    def counted_pass(*arguments: Any) -> Any:
        seen["passes"] += 1
        return genuine_pass(*arguments)

    def counted_processor(queries: Any, *rest: Any) -> Any:
        seen["by processor"] += len(queries)
        return genuine_processor(queries, *rest)

    monkeypatch.setattr(search, "ROOM", 40)
    monkeypatch.setattr(search, "FIRST_ROWS", 16)
    monkeypatch.setattr(search, "one_pass", counted_pass)
    monkeypatch.setattr(search, "_by_processor", counted_processor)
    return seen


def test_lists_that_run_over_are_read_again_from_a_better_threshold(kit: Kit, settled: dict[str, int]) -> None:
    _agree(kit, _random(10, 32, 20), _random(4000, 32, 21).astype(np.float16), 10)
    assert settled == {"passes": 2, "by processor": 0}


def test_lists_that_run_over_again_are_settled_by_the_processor(kit: Kit, settled: dict[str, int]) -> None:
    """Rising rows leave every list with the worst of the last tile, and equal rows cannot be told apart."""
    angles = np.linspace(np.pi / 2, 0.01, 3000)
    rising = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    _agree(kit, _array([[1, -0.5], [1, -0.6]]), rising, 10)
    assert settled == {"passes": 2, "by processor": 2}
    equal = np.repeat(_random(4, 16, 7), 500, axis=0)
    _agree(kit, equal[[0, 700, 1999]], equal, 5, groups=np.arange(2000) % 7)
    assert settled == {"passes": 4, "by processor": 5}


@pytest.mark.parametrize("grouped", [False, True])
def test_shards_answer_as_the_whole(kit: Kit, grouped: bool) -> None:
    matrix, queries = np.repeat(_random(700, 16, 8), 3, axis=0).astype(np.float16), _random(20, 16, 9)
    generator = np.random.default_rng(10)
    options: dict[str, Any] = {"mask": generator.random(2100) < 0.8}
    if grouped:
        options["groups"] = generator.integers(0, 300, 2100)
    parts = gpu.shards(prepare(matrix), [kit, kit, kit])
    assert [part.n_rows for part in parts] == [700, 700, 700]
    expected = topk_oracle(queries, matrix, 9, **options)
    found = topk(queries, parts, 9, **options)
    np.testing.assert_array_equal(found.rows, expected[1])
    np.testing.assert_array_equal(found.scores, expected[0])


def test_batches_are_halved_until_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    kit = numpy_kit()

    def product(block: Any, queries: Any, kind: str, tile: Any) -> None:
        sizes.append(len(queries))
        if len(queries) > 4:
            raise MemoryError
        kit.product(block, queries, kind, tile)

    monkeypatch.setattr(search, "QUERIES_AT_ONCE", 16)
    _agree(replace(kit, product=product), _random(18, 8, 11), _random(300, 8, 12), 3)
    assert sizes[:3] == [16, 8, 4]
    assert max(sizes[3:]) == 4


def test_fewer_queries_are_taken_where_little_memory_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    kit = numpy_kit()

    def product(block: Any, queries: Any, kind: str, tile: Any) -> None:
        sizes.append(len(queries))
        kit.product(block, queries, kind, tile)

    monkeypatch.setattr(search, "QUERIES_AT_ONCE", 2048)
    tight = replace(kit, product=product, free_bytes=lambda: 800_000)
    _agree(tight, _random(18, 8, 11), _random(300, 8, 12), 3, resident=True)
    assert 1 < max(sizes) < 18
    sizes.clear()
    _agree(replace(tight, free_bytes=lambda: 0), _random(3, 8, 11), _random(300, 8, 12), 3, resident=True)
    assert set(sizes) == {1}


def test_one_query_that_does_not_fit_is_an_error() -> None:
    def product(*_: Any) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        gpu.topk(_random(3, 8, 1), gpu.place(prepare(_random(9, 8, 2)), replace(numpy_kit(), product=product)), 1)


def test_a_hopeless_bound_is_noticed() -> None:
    kit = numpy_kit()

    def product(block: Any, queries: Any, kind: str, tile: Any) -> None:
        kit.product(block, queries, kind, tile)
        tile[:, : len(block)] *= np.float32(1.02)

    with pytest.raises(ConceptMapError, match="errs by more than its proved bound"):
        gpu.topk(_random(3, 16, 1), gpu.place(prepare(_random(200, 16, 2)), replace(kit, product=product)), 5)


def test_vectors_are_adopted_without_a_copy(kit: Kit) -> None:
    """By DLPack, whether a whole tensor or a part of one; other types become float32."""
    tensor = torch.from_numpy(_random(9, 16, 24))
    tensor = tensor.cuda() if kit.name.startswith("cuda") and torch.cuda.is_available() else tensor
    with kit.here():
        part = tensor[2:7]
        adopted = kit.adopt(part)
        np.testing.assert_array_equal(kit.to_host(adopted), part.cpu().numpy())
        part += 1
        np.testing.assert_array_equal(kit.to_host(adopted), part.cpu().numpy())
        as_half = kit.adopt(tensor.half())
        assert as_half.dtype == np.float32
        np.testing.assert_array_equal(kit.to_host(as_half), tensor.half().float().cpu().numpy())


@pytest.mark.parametrize("resident", [True, False], ids=["resident", "streamed"])
@pytest.mark.parametrize("stored", STORED)
def test_cosines_of_pairs_are_the_processors(kit: Kit, stored: str, resident: bool) -> None:
    generator = np.random.default_rng(25)
    ready = prepare(torch.from_numpy(_random(70, 33, 26)).to(STORED[stored]))
    queries, pairs = _random(6, 33, 27), (generator.integers(0, 6, 200), generator.integers(0, 70, 200))
    exact = topk_oracle(queries, ready.stored.to(torch.float64).numpy(), 70)
    score_of = [dict(zip(rows, scores, strict=True)) for scores, rows in zip(*exact, strict=True)]
    expected = np.array([score_of[query][row] for query, row in zip(*pairs, strict=True)], dtype=np.float32)
    np.testing.assert_array_equal(cosines(queries, ready, *pairs), expected)
    whole = (gpu.place(ready, kit, resident=resident),)
    np.testing.assert_array_equal(cosines(torch.from_numpy(queries), whole, *pairs), expected)
    np.testing.assert_array_equal(cosines(queries, gpu.shards(ready, [kit, kit, kit]), *pairs), expected)


def test_the_groups_of_an_index_are_sent_once(kit: Kit) -> None:
    """And again when they are others, or the same array after a change."""
    matrix, queries = _random(40, 8, 28), _random(3, 8, 29)
    rows = gpu.place(prepare(matrix), kit)
    first, second = np.arange(40) // 2, np.arange(40) // 5
    first.flags.writeable = second.flags.writeable = False
    for groups in (first, second, first, first):
        before = rows.sent.last
        found = gpu.topk(queries, rows, 4, groups=groups)
        np.testing.assert_array_equal(found[1], topk_oracle(queries, matrix, 4, groups=groups)[1])
        assert (rows.sent.last is before) == (before is not None and before[0] is groups)
    changing = np.arange(40)
    for divisor in (2, 5):
        changing[:] = np.arange(40) // divisor
        found = gpu.topk(queries, rows, 4, groups=changing)
        np.testing.assert_array_equal(found[1], topk_oracle(queries, matrix, 4, groups=changing)[1])


def test_torch_tensors_are_taken_as_they_are(kit: Kit) -> None:
    matrix, queries = _random(500, 16, 13), _random(6, 16, 14)
    rows = gpu.place(prepare(matrix), kit)
    tensor = torch.from_numpy(queries)
    given = tensor.cuda() if kit.name.startswith("cuda") and torch.cuda.is_available() else tensor
    if kit.name.startswith("cuda") and given is tensor:
        pytest.skip("this torch has no CUDA")
    np.testing.assert_array_equal(gpu.topk(given, rows, 4)[1], topk_oracle(queries, matrix, 4)[1])


def test_what_does_not_fit_is_refused(kit: Kit) -> None:
    rows = gpu.place(prepare(_random(5, 6, 15)), kit)
    with pytest.raises(InputError, match=r"got shape \(2, 7\)"):
        gpu.topk(np.ones((2, 7), np.float32), rows, 1)
    with pytest.raises(InputError, match="k must be at least 1"):
        gpu.topk(np.ones((2, 6), np.float32), rows, 0)
    with pytest.raises(InputError, match="mask does not fit"):
        gpu.topk(np.ones((2, 6), np.float32), rows, 1, mask=np.ones(4, dtype=bool))
    for value, fault in ((0.0, "row 1 is a zero vector"), (np.nan, "row 1 holds NaN")):
        queries = _random(3, 6, 16)
        queries[1] = value
        with pytest.raises(InputError, match=fault):
            gpu.topk(queries, rows, 1)


def test_a_missing_device_is_refused_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    check_device("cpu")
    with pytest.raises(InputError, match="'cuda:all'"):
        check_device("gpu")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    cupy_kit.cache_clear()
    with pytest.raises(MissingExtraError, match=r"pip install 'conceptmap\[gpu\]'"):
        place(prepare(np.eye(3, dtype=np.float32)), "cuda")


def test_what_cupy_itself_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "cupy", None)
    cupy_kit.cache_clear()
    with pytest.raises(InputError, match=r"(?s)CUDA's libraries.*pip install 'conceptmap\[gpu\]'.*conceptmap\[gpu13\]"):
        check_device("cuda")


def test_a_device_is_found_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen_device("cuda:3") == "cuda:3"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    for fault, expected in ((None, "cuda"), (InputError("no driver"), "cpu")):

        def found(device: int = 0, fault: InputError | None = fault) -> Kit:
            if fault is not None:
                raise fault
            return numpy_kit()

        monkeypatch.setattr(kit_module, "cupy_kit", found)
        assert chosen_device("auto") == expected
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen_device("auto") == "cpu"


def test_kernels_do_as_their_emulation(kit: Kit) -> None:
    """`reach` and `tighten` on lists that run over, tie, and hold few groups; `dots` of every stored type."""
    xp, slow = kit.xp, numpy_kit()
    generator = np.random.default_rng(17)
    tile = generator.integers(-20, 20, (9, 64)).astype(np.float32)
    inverse = np.where(generator.random(300) < 0.2, np.nan, 0.5).astype(np.float32)
    groups = generator.integers(0, 12, 300)
    results = []
    for tools in (slow, kit):
        to = tools.xp.asarray
        lists = tuple(to(a) for a in (np.zeros(9, "i4"), np.zeros((9, 40), "i8"), np.zeros((9, 40), "f4")))
        threshold, spilled = to(np.linspace(-12, 9.5, 9, dtype=np.float32)), to(np.zeros(9, "i4"))
        tools.reach(to(tile), 60, 200, to(inverse), threshold, lists)
        counted = tools.to_host(lists[0]).copy()
        tools.tighten(lists, threshold, to(np.full(9, 0.25, np.float32)), to(groups), 4, spilled)
        count = tools.to_host(lists[0])
        rows = [sorted(tools.to_host(lists[1])[q, : count[q]].tolist()) for q in range(9) if counted[q] <= 40]
        results.append((counted, tools.to_host(spilled), rows, tools.to_host(threshold)[counted <= 40]))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(np.asarray(one, dtype=object), np.asarray(other, dtype=object))
    assert results[0][1].any()
    assert not results[0][1].all()
    queries, pairs = _random(5, 33, 18), (generator.integers(0, 5, 50), generator.integers(0, 20, 50))
    for kind, dtype in STORED.items():
        stored = torch.from_numpy(_random(20, 33, 19)).to(dtype)
        plain = stored.view(torch.uint16).numpy() if kind == "bfloat16" else stored.numpy()
        found = kit.to_host(kit.dots(xp.asarray(queries), xp.asarray(plain), kind, *map(xp.asarray, pairs)))
        exact = (queries.astype(np.float64)[pairs[0]] * stored.to(torch.float64).numpy()[pairs[1]]).sum(axis=1)
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-12)


def test_work_runs_on_the_stream_that_torch_has_in_this_thread(pretended: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device", lambda number: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda number: SimpleNamespace(cuda_stream=77 + number))
    Stream.taken.clear()
    matrix, queries = _random(300, 8, 34), _random(3, 8, 35)
    rows = gpu.place(prepare(matrix), pretended)
    assert Stream.taken == [77, -77]
    np.testing.assert_array_equal(gpu.topk(queries, rows, 4)[1], topk_oracle(queries, matrix, 4)[1])
    assert Stream.taken == [77, -77] * 2


def test_declarations_are_read_as_they_stand() -> None:
    code = (Path(kit_module.__file__).parent / "kernels.cu").read_text(encoding="utf-8")
    found = declarations(code)
    assert sorted(found) == ["dots_bfloat16", "dots_float16", "dots_float32", "reach", "tighten"]
    assert found["reach"][:4] == ["float*", "long long", "int", "long long"]
    assert found["dots_float32"] == ["float*", "void*", "int", "long long", "long long*", "long long*", "double*"]


@pytest.mark.parametrize("resident", [True, False], ids=["resident", "streamed"])
@pytest.mark.parametrize("stored", STORED)
def test_every_call_to_the_device_is_as_its_kernel_wants_it(pretended: Kit, stored: str, resident: bool) -> None:
    """Types, order and shapes of all arguments, cuBLAS's leading dimensions, and the answers that come of them."""
    matrix = torch.from_numpy(_random(3000, 40, 30)).to(STORED[stored])
    _agree(pretended, _random(30, 40, 31), matrix, 10, resident=resident)
    generator = np.random.default_rng(32)
    options = {"mask": generator.random(3000) < 0.7, "groups": generator.integers(0, 700, 3000)}
    _agree(pretended, _random(5, 40, 33), matrix, 7, resident=resident, **options)
    pairs = generator.integers(0, 5, 60), generator.integers(0, 3000, 60)
    queries, ready = _random(5, 40, 33), prepare(matrix)
    found = cosines(torch.from_numpy(queries), (gpu.place(ready, pretended, resident=resident),), *pairs)
    np.testing.assert_array_equal(found, cosines(queries, ready, *pairs))


def test_an_index_moves_to_a_device_and_answers_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the public seam, with numpy in CuPy's place."""
    monkeypatch.setattr(gpu, "cuda_kits", lambda device: (numpy_kit(),) * (2 if device == "cuda:all" else 1))
    terms = [f"term {i}" for i in range(40)]
    concepts = pl.DataFrame(
        {"node": terms, "code": terms, "kind": "code", "name": terms, "active": True, "billable": None}
    )
    names = pl.DataFrame({"node": terms, "code": terms, "term": terms, "kind": "preferred"})
    edges = pl.DataFrame(schema={"parent": pl.String, "child": pl.String})
    ontology = Ontology("hp", "invented", concepts, names, edges)
    index = ConceptIndex.from_vectors(terms, _random(40, 12, 22), ontology, dtype="bfloat16")
    queries = _random(7, 12, 23)
    expected = index.search(queries, 5)
    for device in ("cuda", "cuda:all"):
        found = index.on(device).search(queries, 5)
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_the_command_line_refuses_a_missing_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    cupy_kit.cache_clear()
    assert main(["tag", "fever", "--device", "cuda"]) == 2
    assert "pip install 'conceptmap[gpu]'" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_roofline_page_adds_up(kit: Kit, dtype: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every stage runs with small sizes, and the page's own comparison with the processor holds."""
    place = Path(__file__).parents[1] / "benchmarks" / "gpu_roofline.py"
    spec = importlib.util.spec_from_file_location("gpu_roofline", place)
    assert spec is not None
    assert spec.loader is not None
    roofline = sys.modules["gpu_roofline"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(roofline)
    roofline.page(kit, Namespace(rows=1500, dim=16, queries=20, k=3, dtype=dtype))
    page = capsys.readouterr().out
    names = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    assert names[1:3] == ["product, tile by tile", "selection, from the cache"]
    assert names[-3:] == ["1", "10", "64"]
    assert "the first 20 answers equal the processor's" in page
