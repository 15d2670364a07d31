"""Exact top-k on this CPU, side by side: ours, FAISS IndexFlatIP, torch, numpy, usearch, and the bare product.

    python benchmarks/topk_cpu.py --rows 98000 --dim 384
    python benchmarks/topk_cpu.py --rows 98000 --dim 384 --spectrum flat        # the worst case
    python benchmarks/topk_cpu.py --index INDEX --tokens TOKENS.npy
    python benchmarks/topk_cpu.py --growth --dim 384                            # ours over rows and queries

Rows are stored in float16 (ours searches them so; the others get them as normalised float32, prepared outside the
clock). The methods take turns, and the best of all turns counts: other work on the machine hits them alike.
FAISS and usearch are used where they are installed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.index.index import ConceptIndex
from conceptmap.topk import prepare, topk
from conceptmap.topk.rows import Prepared
from conceptmap.topk.speed import backend, made_up_vectors

Search = Callable[[], NDArray[np.int64] | None]


def methods(
    rows: NDArray[Any], queries: NDArray[np.float32], k: int, groups: NDArray[np.int64] | None
) -> dict[str, Search]:
    """Every way to search, ready to run."""
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    ready, plain = prepare(rows, norms=norms), prepare(rows, norms=norms, product="float32")
    unit = rows.astype(np.float32)
    unit /= norms[:, None].astype(np.float32)
    asked = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    ways: dict[str, Search] = {
        "ours": lambda: topk(queries, ready, k).rows,
        "ours, float32 products only": lambda: topk(queries, plain, k).rows,
        "bare float32 product, blocks of 2,048 rows": lambda: _bare_product(unit, asked),
        "torch matmul + topk": lambda: _torch(unit, asked, k),
        "numpy matmul + argpartition": lambda: _numpy(unit, asked, k),
    }
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():  # noqa: SLF001 (no public name)
        ways["bare bfloat16 product, blocks of 8,192 rows"] = lambda: _bare_bfloat16(unit, asked)
    if groups is not None:
        ways["ours, best row of each concept"] = lambda: topk(queries, ready, k, groups=groups).rows
    return {**ways, **_installed(unit, asked, k)}


def _installed(unit: NDArray[np.float32], asked: NDArray[np.float32], k: int) -> dict[str, Search]:
    ways: dict[str, Search] = {}
    try:
        import faiss  # type: ignore[import-not-found, unused-ignore]

        faiss.omp_set_num_threads(torch.get_num_threads())
        flat = faiss.IndexFlatIP(unit.shape[1])
        flat.add(unit)
        ways["FAISS IndexFlatIP"] = lambda: flat.search(asked, k)[1]
    except ImportError:
        pass
    try:
        from usearch.index import search  # type: ignore[import-not-found, unused-ignore]

        ways["usearch exact"] = lambda: search(unit, asked, k, "ip", exact=True, threads=torch.get_num_threads()).keys
    except ImportError:
        pass
    return ways


def _bare_product(unit: NDArray[np.float32], asked: NDArray[np.float32]) -> None:
    left, rows = torch.from_numpy(asked).T.contiguous(), torch.from_numpy(unit)
    tile = torch.empty((2048, len(asked)))
    for start in range(0, len(rows), 2048):
        block = rows[start : start + 2048]
        torch.mm(block, left, out=tile[: len(block)])


def _bare_bfloat16(unit: NDArray[np.float32], asked: NDArray[np.float32]) -> None:
    left, block = torch.from_numpy(asked).T.contiguous().bfloat16(), torch.from_numpy(unit[:8192]).bfloat16()
    tile = torch.empty((len(block), len(asked)), dtype=torch.bfloat16)
    for start in range(0, len(unit), 8192):
        size = min(len(block), len(unit) - start)
        torch.mm(block[:size], left, out=tile[:size])


def _torch(unit: NDArray[np.float32], asked: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Blocks of 65,536 rows, as one would write it; the whole product would not fit for large matrices."""
    left, rows = torch.from_numpy(asked), torch.from_numpy(unit)
    found = []
    for start in range(0, len(rows), 65536):
        best = (left @ rows[start : start + 65536].T).topk(k)
        found.append((best.values, best.indices + start))
    order = torch.cat([values for values, _ in found], 1).topk(k).indices
    return torch.cat([indices for _, indices in found], 1).gather(1, order).numpy()


def _numpy(unit: NDArray[np.float32], asked: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    found, scores = [], []
    for start in range(0, len(unit), 65536):
        product = asked @ unit[start : start + 65536].T
        best = np.argpartition(product, -k, axis=1)[:, -k:]
        scores.append(np.take_along_axis(product, best, 1))
        found.append(best + start)
    order = np.argsort(-np.concatenate(scores, 1), axis=1)[:, :k]
    return np.take_along_axis(np.concatenate(found, 1), order, 1)


def memory_of_own(rows: NDArray[Any], queries: NDArray[np.float32], k: int) -> str:
    """What a fresh process, with the rows memory-mapped, needs for one search."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "rows.npy", rows)
        np.save(Path(folder) / "queries.npy", queries)
        command = [sys.executable, __file__, "--measure-memory", folder, "--k", str(k)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def measure_memory(folder: Path, k: int) -> float:
    """MiB of memory of its own that preparing and searching add at their peak (the mapped rows do not count)."""
    rows, queries = np.load(folder / "rows.npy", mmap_mode="r"), np.load(folder / "queries.npy")
    status, before, peak, done = Path("/proc/self/status"), 0, 0, threading.Event()

    def now() -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("RssAnon"))

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, now())

    before = now()
    watcher = threading.Thread(target=watch)
    watcher.start()
    topk(queries, prepare(rows), k)
    done.set()
    watcher.join()
    return (peak - before) / 1024


def compare(ways: dict[str, Search], repeats: int) -> list[tuple[str, float, float, float]]:
    """Name, best wall seconds, best processor seconds, share of rows that ours answers too."""
    wall, used = dict.fromkeys(ways, np.inf), dict.fromkeys(ways, np.inf)
    answers: dict[str, NDArray[np.int64] | None] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            started, processor = time.perf_counter(), time.process_time()
            answers[name] = way()
            used[name] = min(used[name], time.process_time() - processor)
            wall[name] = min(wall[name], time.perf_counter() - started)
    ours = answers["ours"]
    assert ours is not None
    same = {name: np.nan if found is None else float((found == ours).mean()) for name, found in answers.items()}
    return [(name, wall[name], used[name], same[name]) for name in ways]


def flat(n: int, dim: int, seed: int) -> NDArray[np.float16]:
    """Directions without any structure: nothing that a bound could use."""
    return np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32).astype(np.float16)


def _ours(queries: NDArray[np.float32], ready: Prepared, k: int) -> NDArray[np.int64]:
    return topk(queries, ready, k).rows


def growth(dim: int, k: int, repeats: int) -> list[dict[str, float | str]]:
    """Nanoseconds of a processor's time for each row and query, over rows and over queries."""
    points = [(rows, n) for n in (256, 1024) for rows in (10_000, 30_000, 100_000, 300_000)]
    points += [(100_000, n) for n in (16, 64)]
    told: list[dict[str, float | str]] = []
    matrix, asked = made_up_vectors(300_000, dim, 0), made_up_vectors(1024, dim, 1).astype(np.float32)
    for rows, n in points:
        ready, some = prepare(matrix[:rows]), asked[:n]
        used = compare({"ours": partial(_ours, some, ready, k)}, repeats)[0][2]
        told.append({"method": "ours", "rows": rows, "queries": n, "ns": used / rows / n * 1e9})
        print(f"ours: {rows:,} rows, {n:,} queries: {told[-1]['ns']:.2f} ns", flush=True)
    return told


def machine() -> str:
    """Processor, threads and commit, for the record."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    capability = torch.backends.cpu.get_cpu_capability()
    load = os.getloadavg()[0]
    return f"{model}, {backend()}, {capability}, load {load:.1f}, commit {commit.strip()}"


def keep(file: Path | None, facts: dict[str, object]) -> None:
    """For the plot."""
    if file is not None:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(facts) + "\n")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=98_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, default=1024)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--index", help="rows of this index instead of synthetic ones")
    parser.add_argument("--tokens", help="queries from this .npy file instead of synthetic ones")
    parser.add_argument("--without", nargs="*", default=[], help="leave out the methods whose name holds one of these")
    parser.add_argument("--spectrum", choices=["realistic", "flat"], default="realistic")
    parser.add_argument("--growth", action="store_true", help="over rows and queries instead")
    parser.add_argument("--json", type=Path, help="append what was measured to this file, a line each")
    parser.add_argument("--measure-memory", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.measure_memory:
        print(f"{measure_memory(given.measure_memory, given.k):.0f}")
        return
    if given.growth:
        keep(given.json, {"machine": machine(), "growth": growth(given.dim, given.k, given.repeats)})
        return
    made = made_up_vectors if given.spectrum == "realistic" else flat
    index = ConceptIndex.open(given.index) if given.index else None
    rows = made(given.rows, given.dim, 0) if index is None or index.vectors is None else index.vectors
    groups = np.arange(len(rows)) // 2 if index is None else index.row_concept
    asked = np.load(given.tokens)[: given.queries] if given.tokens else made(given.queries, rows.shape[1], 1)
    queries = asked.astype(np.float32)
    ways = methods(rows, queries, given.k, groups)
    ways = {name: way for name, way in ways.items() if not any(word in name for word in given.without)}
    table = compare(ways, given.repeats)
    print(f"{len(queries):,} queries x {len(rows):,} rows x {rows.shape[1]}, k = {given.k}; {machine()}")
    print(
        "\n| method | wall s | processor s | ms per query | ours is faster by | same rows |\n|---|---|---|---|---|---|"
    )
    base = table[0]
    for name, wall, used, same in table:
        ratio = f"{wall / base[1]:.2f} (processor {used / base[2]:.2f})"
        print(f"| {name} | {wall:.3f} | {used:.3f} | {1e3 * wall / len(queries):.3f} | {ratio} | {same:.4f} |")
    what = "term vectors of ICD-10-CM" if index else f"made up, {given.spectrum} spectrum"
    sizes = {"rows": len(rows), "dim": rows.shape[1], "queries": len(queries), "data": what}
    keep(given.json, {"machine": machine(), **sizes, "table": [list(line) for line in table]})
    print(f"\nPeak extra memory of ours, preparing included: {memory_of_own(rows, queries, given.k)} MiB")


if __name__ == "__main__":
    main()
