"""Exact top-k on this CPU, side by side: ours, FAISS IndexFlatIP, torch, numpy, and the bare product as the limit.

    python benchmarks/topk_cpu.py --rows 98000 --dim 384
    python benchmarks/topk_cpu.py --index INDEX --tokens TOKENS.npy

Rows are stored in float16 (ours searches them so; the others get them as normalised float32, prepared outside the
clock). The methods take turns, and the best of all turns counts: other work on the machine hits them alike.
FAISS and usearch are used where they are installed.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.index import ConceptIndex
from conceptmap.topk import prepare, topk

Search = Callable[[], NDArray[np.int64] | None]


def synthetic(n: int, dim: int, seed: int) -> NDArray[np.float16]:
    """Unit vectors in clusters of about eight (the terms of a concept), with a spectrum like that of encoded terms."""
    spectrum = (np.arange(dim) * 384 / dim + 15.0) ** -0.9
    rows = np.empty((n, dim), dtype=np.float16)
    for start in range(0, n, 65536):
        generator = np.random.default_rng([seed, start])
        size = min(65536, n - start)
        centres = generator.standard_normal((size // 8 + 1, dim), dtype=np.float32)
        block = centres[generator.integers(0, len(centres), size)]
        block += 0.7 * generator.standard_normal((size, dim), dtype=np.float32)
        block *= spectrum.astype(np.float32)
        rows[start : start + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return rows


def methods(
    rows: NDArray[Any], queries: NDArray[np.float32], k: int, groups: NDArray[np.int64] | None
) -> dict[str, Search]:
    """Every way to search, ready to run."""
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    ready = prepare(rows, norms=norms)
    unit = rows.astype(np.float32)
    unit /= norms[:, None].astype(np.float32)
    asked = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    ways: dict[str, Search] = {
        "ours": lambda: topk(queries, ready, k).rows,
        "bare float32 product, blocks of 2,048 rows": lambda: _bare_product(unit, asked),
        "torch matmul + topk": lambda: _torch(unit, asked, k),
        "numpy matmul + argpartition": lambda: _numpy(unit, asked, k),
    }
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


def machine() -> str:
    """Processor, threads and commit, for the record."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    capability = torch.backends.cpu.get_cpu_capability()
    load = os.getloadavg()[0]
    return f"{model}, {torch.get_num_threads()} threads, {capability}, load {load:.1f}, commit {commit.strip()}"


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
    parser.add_argument("--measure-memory", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.measure_memory:
        print(f"{measure_memory(given.measure_memory, given.k):.0f}")
        return
    index = ConceptIndex.open(given.index) if given.index else None
    rows = synthetic(given.rows, given.dim, 0) if index is None or index.vectors is None else index.vectors
    groups = np.arange(len(rows)) // 2 if index is None else index.row_concept
    asked = np.load(given.tokens)[: given.queries] if given.tokens else synthetic(given.queries, rows.shape[1], 1)
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
    print(f"\nPeak extra memory of ours, preparing included: {memory_of_own(rows, queries, given.k)} MiB")


if __name__ == "__main__":
    main()
