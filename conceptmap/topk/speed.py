"""What searching costs on this machine: rows and queries made up as encoders make them, timed against the product."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.topk import gpu, place, prepare, topk
from conceptmap.topk.loops.native import kernels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Speed", "backend", "made_up_vectors", "measure"]

SHAPE = (15.0, -0.9)
"""Standard deviations of principal components fall as (component * 384 / dim + 15) ** -0.9: 95 % of the variance in
the first half of them. Of ICD-10-CM's names in the embedded encoder it is 94 %, of tokens of notes 93 %."""
PER_CLUSTER = 8
ALIKE = 0.7


@dataclass(frozen=True, slots=True)
class Speed:
    """One measurement.

    Attributes:
        rows: searched.
        dim: their width.
        queries: searched for, together.
        seconds: of the search, best of the repeats.
        product_seconds: of a float32 product of the same size alone, in blocks that fit the cache.
        extra_bytes: memory that preparing and searching added at their peak; None where the system does not say.
    """

    rows: int
    dim: int
    queries: int
    seconds: float
    product_seconds: float
    extra_bytes: int | None


def made_up_vectors(n: int, dim: int, seed: int) -> NDArray[np.float16]:
    """Unit vectors in clusters of about eight (the terms of a concept) with the spectrum of encoded terms.

    Returns:
        *Shape:* (n, dim) float16.
    """
    spectrum = ((np.arange(dim) * 384 / dim + SHAPE[0]) ** SHAPE[1]).astype(np.float32)
    rows = np.empty((n, dim), dtype=np.float16)
    for start in range(0, n, 65536):
        generator, size = np.random.default_rng([seed, start]), min(65536, n - start)
        centres = generator.standard_normal((size // PER_CLUSTER + 1, dim), dtype=np.float32)
        block = centres[generator.integers(0, len(centres), size)]
        block += ALIKE * generator.standard_normal((size, dim), dtype=np.float32)
        block *= spectrum
        rows[start : start + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return rows


def backend(device: str = "cpu") -> str:
    """What first products are computed in here, and by how many threads; or the names of CUDA devices."""
    if device != "cpu":
        return ", ".join(kit.name for kit in gpu.cuda_kits(device))
    loops = kernels()
    if loops:
        kind = f"{loops.target.zero.bit_length()}-bit codes ({loops.target.name})"
    else:
        kind = str(prepare(np.eye(8, dtype=np.float32)).product)[6:]
    return f"cpu, {kind}, {torch.get_num_threads()} threads"


def measure(n_rows: int, dim: int, *, queries: int = 1024, k: int = 10, repeats: int = 2, device: str = "cpu") -> Speed:
    """Time a search, as an index would do it: rows in float16, norms known.

    Args:
        n_rows: rows to make up.
        dim: their width.
        queries: how many at once.
        k: answers for each.
        repeats: the best of so many counts.
        device: where rows are searched; queries come from the host.
    """
    rows, asked = made_up_vectors(n_rows, dim, 0), made_up_vectors(queries, dim, 1).astype(np.float32)
    ready = place(prepare(rows), device)
    with _memory() as added:
        seconds = _best(lambda: topk(asked, ready, k), repeats)
    return Speed(n_rows, dim, queries, seconds, _product(n_rows, dim, queries, repeats), added())


def _best(work: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def _product(n_rows: int, dim: int, n_queries: int, repeats: int) -> float:
    """Seconds of a float32 product of this size, of blocks of 2,048 rows: the blocks' time, as often as they occur."""
    block, queries = torch.randn(2048, dim), torch.randn(dim, n_queries)
    tile = torch.empty(2048, n_queries)
    torch.mm(block, queries, out=tile)
    return _best(lambda: torch.mm(block, queries, out=tile), 3 * repeats) * n_rows / 2048


class _memory:  # noqa: N801 - a context manager, used as one
    """Watches the process's own memory (mapped files do not count); call it afterwards for the peak's excess."""

    def __enter__(self) -> Callable[[], int | None]:
        self._done = threading.Event()
        self._before = self._peak = next(_own_memory(), 0)
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return lambda: self._peak - self._before if self._before else None

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self._peak = max(self._peak, next(_own_memory(), 0))

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join()


def _own_memory() -> Iterator[int]:
    """Bytes, where the system says."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii").splitlines()
        yield from (1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
