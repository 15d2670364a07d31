"""Batches side by side, one thread each.

Two threads that each run their own batch finish sooner than two threads that share every matrix product: no barrier
after each operation, and no collapse when something else takes a core for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

import torch

__all__ = ["each", "side_by_side"]

Job = TypeVar("Job")
MOST = 16


def side_by_side(threads: int = 0) -> int:
    """How many jobs to run at a time: what was asked for, or (0) one on each of torch's threads, at most 16."""
    return threads or min(torch.get_num_threads(), MOST)


def each(work: Callable[[Job], int], jobs: Sequence[Job], *, threads: int) -> Iterator[int]:
    """Do `work` on every job and yield its results as they come.

    A single job, or ``threads=1``, runs in the calling thread with all of torch's threads. Otherwise the jobs share
    torch's threads evenly; the setting of the calling thread stays as it was.

    Args:
        work: called once for each job.
        jobs: longest first, so that the threads end together.
        threads: jobs at a time.
    """
    threads = min(threads, len(jobs))
    if threads <= 1:
        yield from map(work, jobs)
        return
    available = torch.get_num_threads()
    share = max(1, available // threads)
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(share,))
    try:
        for done in as_completed([pool.submit(work, job) for job in jobs]):
            yield done.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(available)  # the setting for threads still to come
