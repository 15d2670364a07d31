"""Search on a CUDA device, stage by stage, against what its tensor cores and its memory allow.

    python benchmarks/gpu_roofline.py                                   # 2,048 tokens x 370,000 x 1,024
    python benchmarks/gpu_roofline.py --rows 4000000 --encoder          # and a 394 M parameter encoder

Operations and bytes are counted from the sizes, not measured. The floor of a stage is the greater of operations /
measured 16-bit product rate and bytes / measured copy rate; the share is floor / time. `--emulate` runs the same code
with numpy in CuPy's place and small sizes: it checks the page, and its times mean nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from conceptmap.topk import gpu, prepare, topk
from conceptmap.topk.gpu import Kit, search
from conceptmap.topk.speed import made_up_vectors

ENCODER = {"layers": 28, "width": 1024, "inner": 2624, "parameters": 394e6, "tokens_per_note": 800}
"""The shape of a clinical encoder of 394 M parameters, weights random: only its time is measured."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage does and how long it took."""

    name: str
    operations: float
    bytes: float
    seconds: float


def timed(kit: Kit, work: Callable[[], Any], repeats: int = 10) -> float:
    """Median seconds, by the device's events where there is one; the first run, which compiles, is left out."""
    work()
    taken = []
    for _ in range(repeats):
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


def rates(kit: Kit) -> tuple[float, float]:
    """Operations a second of a large 16-bit product, and bytes a second of a copy within the device's memory."""
    size = 256 if kit.xp is np else 8192
    left, right = (kit.xp.ones((size, size), np.float16) for _ in range(2))
    tile, large = kit.xp.empty((size, size), np.float32), kit.xp.ones(size * size * 2, np.float32)
    product = timed(kit, lambda: kit.product(left, right, "float16", tile))
    copy = timed(kit, large.copy)
    return 2 * size**3 / product, 2 * large.nbytes / copy


def stages(kit: Kit, n_rows: int, dim: int, n: int, k: int) -> tuple[list[Stage], float]:
    """Product, selection, rescoring and transfer on their own, then everything; and seconds of torch's way, if any."""
    matrix, queries = made_up_vectors(n_rows, dim, 0), made_up_vectors(n, dim, 1).astype(np.float32)
    with kit.here():
        rows = gpu.place(prepare(matrix), kit, resident=True)
        on_device = kit.xp.asarray(queries)
        norms = kit.xp.sqrt(kit.xp.square(on_device.astype(np.float64)).sum(axis=1))
        asked = search.asked_of(on_device, norms, rows, k, None, rows.inverse)
        tile = kit.xp.empty((n, search.ROWS_AT_ONCE), np.float32)
        tiles = list(search.tiles(rows))

        def product() -> None:
            for _, _, block in tiles:
                kit.product(block, asked.factors, rows.factor_kind, tile)

        lists = (
            kit.xp.zeros(n, np.int32),
            kit.xp.zeros((n, search.ROOM), np.int64),
            kit.xp.zeros((n, search.ROOM), "f4"),
        )
        high = kit.xp.full(n, 2, np.float32)

        def reach() -> None:
            for start, stop, _ in tiles:
                kit.reach(tile, stop - start, start, rows.inverse, high, lists)

        def rescore() -> None:
            search.rescored(asked, rows, full)

        def transfer() -> None:
            kit.to_host(kit.xp.asarray(queries)[:, :k])

        margin = 2 * asked.error + np.float32(search.STEP)
        full, _ = search.one_pass(asked, rows, kit.xp.full(n, -np.inf, dtype=np.float32), margin)
        pairs = int(full[0].sum())
        everything = (2 * n * n_rows * dim, n_rows * dim * 2 + n * n_rows * 4)
        done = [
            Stage("product, tile by tile", *everything, timed(kit, product)),
            Stage("selection", n * n_rows * 2, n * n_rows * 4, timed(kit, reach)),
            Stage(f"rescoring {pairs:,} pairs", 2 * pairs * dim, pairs * dim * 6, timed(kit, rescore)),
            Stage("transfer", 0, queries.nbytes + n * k * 12, timed(kit, transfer)),
            Stage("all of it", *everything, timed(kit, lambda: gpu.topk(on_device, rows, k))),
        ]
        some = slice(0, 64)
        same = gpu.topk(queries[some], rows, k)
        processor = topk(queries[some], prepare(matrix), k)
        assert np.array_equal(same[1], processor.rows), "rows differ from the processor's"
        assert np.array_equal(same[0], processor.scores), "scores differ from the processor's"
        return done, _torch(matrix, queries, k)


def _torch(matrix: np.ndarray[Any, Any], queries: np.ndarray[Any, Any], k: int) -> float:
    """Seconds of torch's 16-bit matmul and topk, in blocks that fit; NaN where torch has no CUDA."""
    import torch

    if not torch.cuda.is_available():
        return float("nan")
    rows, asked = torch.from_numpy(matrix).cuda(), torch.from_numpy(queries).half().cuda()

    def run() -> None:
        found = [(asked @ rows[i : i + 65536].T).topk(k) for i in range(0, len(rows), 65536)]
        torch.cat([best.values for best in found], 1).topk(k)

    taken = []
    for _ in range(6):
        torch.cuda.synchronize()
        began = time.perf_counter()
        run()
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return min(taken)


def encoder_stage(n_tokens: int) -> Stage | None:
    """An encoder of that shape on a batch of notes, bfloat16; None where torch has no CUDA."""
    import torch

    if not torch.cuda.is_available():
        return None
    length, width = int(ENCODER["tokens_per_note"]), int(ENCODER["width"])
    layer = torch.nn.TransformerEncoderLayer(
        width, 16, int(1.5 * ENCODER["inner"]), batch_first=True, activation="gelu"
    )
    model = torch.nn.TransformerEncoder(layer, int(ENCODER["layers"]), enable_nested_tensor=False)
    model = model.to("cuda", torch.bfloat16).eval()
    notes = torch.randn(max(1, n_tokens // length), length, width, device="cuda", dtype=torch.bfloat16)
    taken = []
    with torch.inference_mode():
        for _ in range(6):
            torch.cuda.synchronize()
            began = time.perf_counter()
            model(notes)
            torch.cuda.synchronize()
            taken.append(time.perf_counter() - began)
    parameters = sum(p.numel() for p in model.parameters())
    tokens = notes.shape[0] * length
    attention = 4 * tokens * length * width * int(ENCODER["layers"])
    return Stage(f"encoding {tokens:,} tokens", 2 * parameters * tokens + attention, 2 * parameters, min(taken))


def main() -> None:
    """Measure and print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=370_000)
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--queries", type=int, default=2048)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--encoder", action="store_true", help="also time an encoder of 394 M parameters")
    parser.add_argument("--emulate", action="store_true", help="numpy in CuPy's place: checks the page, times nothing")
    given = parser.parse_args()
    kit = gpu.numpy_kit() if given.emulate else gpu.cupy_kit()
    with kit.here():
        operations, memory = rates(kit)
    found, torch_seconds = stages(kit, given.rows, given.dim, given.queries, given.k)
    if given.encoder and (encoding := encoder_stage(given.queries)) is not None:
        found.append(encoding)
    print(f"{kit.name}: product {operations / 1e12:.0f} T/s, copy {memory / 1e9:.0f} GB/s")
    print(f"{given.queries:,} tokens x {given.rows:,} rows x {given.dim}, k = {given.k}\n")
    print("| stage | operations | bytes | floor ms | measured ms | share |\n|---|---|---|---|---|---|")
    for stage in found:
        floor = max(stage.operations / operations, stage.bytes / memory)
        print(
            f"| {stage.name} | {stage.operations:.2e} | {stage.bytes:.2e} | {1e3 * floor:.3f} "
            f"| {1e3 * stage.seconds:.3f} | {floor / stage.seconds:.2f} |"
        )
    print(
        f"\ntorch matmul + topk in float16: {1e3 * torch_seconds:.3f} ms; the first 64 answers equal the processor's."
    )


if __name__ == "__main__":
    main()
