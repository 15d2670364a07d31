"""A search without the compiled loops beside torch's own blocked product and top-k, and beside a search with them.

    python benchmarks/without_loops.py [--rows 60000] [--dim 384] [--queries 1 8 64 1024] [--turns 4]

Processor seconds of one thread, the best of the turns, each way in turn.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from conceptmap.topk import prepare, topk
from conceptmap.topk.speed import made_up_vectors

K = 10


def blocked(rows: torch.Tensor, queries: torch.Tensor, block: int = 2048) -> torch.Tensor:
    """Unit rows in float16, product and top-k block by block, as one would write it. *Shape:* (n, K) int64."""
    best, where = torch.full((len(queries), K), -2.0), torch.zeros((len(queries), K), dtype=torch.int64)
    for start in range(0, len(rows), block):
        found = (queries @ rows[start : start + block].float().T).topk(K, dim=1)
        best, order = torch.cat([best, found.values], 1).topk(K, dim=1)
        where = torch.cat([where, found.indices + start], 1).gather(1, order)
    return where


def main() -> None:
    """Print a line for each number of queries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 8, 64, 1024])
    parser.add_argument("--turns", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = made_up_vectors(options.rows, options.dim, 0)
    ready = {product: prepare(rows, product=product) for product in ("float32", "bfloat16", "auto")}
    for n in options.queries:
        asked = made_up_vectors(n, options.dim, 1).astype(np.float32)
        unit = torch.nn.functional.normalize(torch.from_numpy(asked))
        ways: dict[str, Callable[[], object]] = {"blocked": partial(blocked, torch.from_numpy(rows), unit)}
        ways |= {product: partial(topk, asked, one, K) for product, one in ready.items()}
        taken: dict[str, float] = dict.fromkeys(ways, float("inf"))
        for _ in range(options.turns):
            for name, run in ways.items():
                began = time.process_time()
                run()
                taken[name] = min(taken[name], time.process_time() - began)
        said = ", ".join(f"{name} {1000 * s:.1f} ms ({s / taken['blocked']:.2f})" for name, s in taken.items())
        print(f"{options.rows} x {options.dim}, {n} queries: {said}", flush=True)


if __name__ == "__main__":
    main()
