"""Search on a CUDA device, stage by stage, against what its tensor cores, its memory and its link to the host allow.

    python benchmarks/gpu_roofline.py                     # 2,048 tokens x 370,000 rows x 1,024: SNOMED CT
    python benchmarks/gpu_roofline.py --rows 4000000      # UMLS
    python benchmarks/gpu_roofline.py --emulate           # anywhere: numpy in CuPy's place, and its times mean nothing

Operations and bytes are counted from the sizes, not measured. The floor of a stage is the greatest of operations /
measured 16-bit product rate, bytes / measured copy rate and bytes / measured rate of the link; the share is floor /
time. Encoders are measured by `gpu_encode.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from conceptmap.topk import gpu, prepare, topk
from conceptmap.topk.gpu import DeviceRows, Kit, search
from conceptmap.topk.speed import made_up_vectors

WIDE = 1 << 16
"""Rows of the products that everything is compared with: one call of cuBLAS for each of them."""
KS = (1, 10, 64)
CHECKED = 64


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage does and how long it took.

    Attributes:
        operations: multiplications and additions.
        bytes: read and written in the device's memory.
        sent: bytes over the link.
    """

    name: str
    operations: float
    bytes: float
    sent: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Rates:
    """What the device does in a second: 16-bit operations, bytes copied within its memory, bytes from the host."""

    operations: float
    memory: float
    link: float

    def floor(self, stage: Stage) -> float:
        """The least seconds that a stage can take."""
        return max(stage.operations / self.operations, stage.bytes / self.memory, stage.sent / self.link)


def timed(kit: Kit, work: Callable[[], Any], repeats: int = 10) -> float:
    """Median seconds, by the device's events where there is one; the first run, which compiles, is left out."""
    work()
    taken = []
    for _ in range(repeats if kit.xp is not np else 1):
        if kit.xp is np:
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
            continue
        first, last = (kit.xp.cuda.Event() for _ in range(2))
        first.record(kit.xp.cuda.get_current_stream())
        work()
        last.record(kit.xp.cuda.get_current_stream())
        last.synchronize()
        taken.append(kit.xp.cuda.get_elapsed_time(first, last) / 1e3)
    return float(np.median(taken))


def rates(kit: Kit) -> Rates:
    """By a large product, a copy within the device and a copy of pinned memory to it."""
    xp, size = kit.xp, 256 if kit.xp is np else 8192
    left, right = (xp.ones((size, size), np.float16) for _ in range(2))
    tile, large = xp.empty((size, size), np.float32), xp.ones(size * size, np.float32)
    pinned = large.copy() if xp is np else _pinned(xp, large)
    product = timed(kit, lambda: kit.product(left, right, "float16", tile))
    copy = timed(kit, large.copy)
    link = timed(kit, lambda: large.fill(1) if xp is np else large.set(pinned))
    return Rates(2 * size**3 / product, 2 * large.nbytes / copy, large.nbytes / link)


def _pinned(xp: Any, like: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401 - CuPy
    memory = xp.cuda.alloc_pinned_memory(like.nbytes)
    array = np.frombuffer(memory, like.dtype, like.size)
    array[:] = 1
    return array


def stages(kit: Kit, rows: DeviceRows, queries: np.ndarray[Any, Any], k: int) -> list[Stage]:
    """Product, selection, rescoring and transfer on their own, then everything."""
    xp, n, n_rows, dim = kit.xp, len(queries), rows.n_rows, rows.dim
    on_device = kit.adopt(queries)
    norms = xp.sqrt(xp.square(on_device.astype(np.float64)).sum(axis=1))
    asked = search.asked_of(on_device, norms, rows, k, None, rows.inverse)
    tile = xp.empty((n, search.ROWS_AT_ONCE), np.float32)
    tiles = list(search.tiles(rows))
    lists = (xp.zeros(n, np.int32), xp.zeros((n, search.ROOM), np.int64), xp.zeros((n, search.ROOM), np.float32))
    high = xp.full(n, 2, np.float32)
    margin = 2 * asked.error + np.float32(search.STEP)
    full, _ = search.one_pass(asked, rows, xp.full(n, -np.inf, dtype=np.float32), margin)
    pairs = int(full[0].sum())

    def product() -> None:
        for _, _, block in tiles:
            kit.product(block, asked.factors, rows.factor_kind, tile)

    def reach() -> None:
        for start, stop, _ in tiles:
            kit.reach(tile, stop - start, start, rows.inverse, high, lists)

    def transfer() -> None:
        kit.to_host(kit.adopt(queries)[:, :k])

    operations, matrix, scores = 2 * n * n_rows * dim, n_rows * dim * 2, n * n_rows * 4
    return [
        Stage("product, tile by tile", operations, matrix, 0, timed(kit, product)),
        Stage("selection, from the cache", n * n_rows * 2, 0, 0, timed(kit, reach)),
        Stage(
            f"rescoring of {pairs:,} pairs",
            2 * pairs * dim,
            pairs * dim * 6,
            0,
            timed(kit, lambda: search.rescored(asked, rows, full)),
        ),
        Stage("transfer", 0, 0, queries.nbytes + n * k * 12, timed(kit, transfer)),
        Stage(
            "all of it, tokens there", operations, matrix, n * k * 12, timed(kit, lambda: gpu.topk(on_device, rows, k))
        ),
        Stage("the product alone, wide", operations, matrix + scores, 0, wide_product(kit, rows, asked)),
    ]


def wide_product(kit: Kit, rows: DeviceRows, asked: search.DeviceQueries) -> float:
    """Seconds of the same 16-bit product with float32 scores, in as few calls as memory allows."""
    tile = kit.xp.empty((len(asked.queries), min(WIDE, rows.n_rows)), np.float32)

    def run() -> None:
        for start in range(0, rows.n_rows, WIDE):
            kit.product(rows.factors[start : start + WIDE], asked.factors, rows.factor_kind, tile)

    return timed(kit, run)


def torch_way(kit: Kit, rows: DeviceRows, queries: np.ndarray[Any, Any], ks: tuple[int, ...]) -> list[float]:
    """Seconds, for each k, of torch's 16-bit matmul and topk over wide blocks; NaN where torch has no CUDA."""
    device = "cpu" if kit.xp is np else "cuda"
    if device == "cuda" and not torch.cuda.is_available():
        return [float("nan")] * len(ks)
    kind = rows.prepared.stored.dtype
    stored, asked = rows.prepared.stored.to(device), torch.from_numpy(queries).to(device, kind)

    def run(k: int) -> None:
        found = [(asked @ stored[i : i + WIDE].T).topk(k) for i in range(0, len(stored), WIDE)]
        torch.cat([best.values for best in found], 1).topk(k)
        if device == "cuda":
            torch.cuda.synchronize()

    def seconds(k: int) -> float:
        began = time.perf_counter()
        run(k)
        return time.perf_counter() - began

    return [min([seconds(k) for _ in range(6)][1:]) for k in ks]


def extra_bytes(kit: Kit, rows: DeviceRows, queries: np.ndarray[Any, Any], k: int) -> float:
    """Memory that a search takes besides the rows; NaN where there is no pool to ask."""
    if kit.xp is np:
        return float("nan")
    pool = kit.xp.get_default_memory_pool()
    kit.release()
    before = pool.total_bytes()
    gpu.topk(queries, rows, k)
    return float(pool.total_bytes() - before)


def check(rows: DeviceRows, queries: np.ndarray[Any, Any], k: int) -> None:
    """The first answers are the processor's, bit for bit."""
    found, expected = gpu.topk(queries[:CHECKED], rows, k), topk(queries[:CHECKED], rows.prepared, k)
    assert np.array_equal(found[1], expected.rows), "rows differ from the processor's"
    assert np.array_equal(found[0], expected.scores), "scores differ from the processor's"


def page(kit: Kit, given: argparse.Namespace) -> None:
    """Measure and print."""
    matrix = torch.from_numpy(made_up_vectors(given.rows, given.dim, 0)).to(getattr(torch, given.dtype))
    queries = made_up_vectors(given.queries, given.dim, 1).astype(np.float32)
    with kit.here():
        rate = rates(kit)
        kit.release()
        rows = gpu.place(prepare(matrix), kit, resident=True)
        found = stages(kit, rows, queries, given.k)
        extra = extra_bytes(kit, rows, queries, given.k)
        on_device = kit.adopt(queries)
        by_k = {k: timed(kit, lambda k=k: gpu.topk(on_device, rows, k)) for k in KS}  # type: ignore[misc]
        check(rows, queries, given.k)
    theirs = torch_way(kit, rows, queries, KS)
    print(f"{kit.name}: product {rate.operations / 1e12:.0f} T/s, copy {rate.memory / 1e9:.0f} GB/s, ", end="")
    print(f"link {rate.link / 1e9:.0f} GB/s")
    print(f"{given.queries:,} tokens x {given.rows:,} rows x {given.dim} {given.dtype}, k = {given.k}\n")
    print("| stage | operations | bytes | sent | floor ms | measured ms | share |\n|---|---|---|---|---|---|---|")
    for stage in found:
        counted = f"{stage.operations:.2e} | {stage.bytes:.2e} | {stage.sent:.2e}"
        floor, taken = rate.floor(stage), stage.seconds
        print(f"| {stage.name} | {counted} | {1e3 * floor:.3f} | {1e3 * taken:.3f} | {floor / taken:.2f} |")
    everything, wide = found[-2].seconds, found[-1].seconds
    print(f"\nall of it runs at {wide / everything:.2f} of the product alone; {extra / 2**30:.2f} GiB besides the rows")
    print(f"the first {min(CHECKED, given.queries)} answers equal the processor's\n")
    print("| k | ms | torch matmul + topk ms | ratio |\n|---|---|---|---|")
    for (k, seconds), their in zip(by_k.items(), theirs, strict=True):
        print(f"| {k} | {1e3 * seconds:.3f} | {1e3 * their:.3f} | {their / seconds:.2f} |")


def main() -> None:
    """Read the options, measure, print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=370_000)
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--queries", type=int, default=2048)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--dtype", choices=["float16", "bfloat16"], default="float16")
    parser.add_argument("--emulate", action="store_true", help="numpy in CuPy's place: checks the page, times nothing")
    given = parser.parse_args()
    page(gpu.numpy_kit() if given.emulate else gpu.cupy_kit(), given)


if __name__ == "__main__":
    main()
