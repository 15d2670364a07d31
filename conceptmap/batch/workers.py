"""What a worker may take of the machine, and whether it computes what this process would."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from conceptmap.errors import ConceptMapError

__all__ = ["check_worker", "cores", "default_workers", "environment", "rebuilt", "thread_settings", "visible_devices"]

WORKER_BYTES = 2 << 30
"""Memory that a worker with the embedded encoder and ICD-10-CM may take."""


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def default_workers() -> int:
    """One for each core, as far as the memory reaches."""
    return max(1, min(cores(), int(_memory_there() // WORKER_BYTES)))


def _memory_there() -> float:
    """Bytes of memory that are free to use; infinity where nobody says."""
    found = [float("inf")]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found += [float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
        limit = Path("/sys/fs/cgroup/memory.max")
        found += [float(limit.read_text(encoding="ascii"))] if limit.is_file() else []
    except (OSError, ValueError):  # another system, or a limit of "max"
        pass
    return min(found)


def thread_settings(workers: int) -> dict[str, str]:
    """Environment of a worker: its share of the cores for each library that starts threads."""
    share = str(max(1, cores() // workers))
    names = "OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS POLARS_MAX_THREADS RAYON_NUM_THREADS".split()
    return {**dict.fromkeys(names, share), "TOKENIZERS_PARALLELISM": "false"}


def visible_devices(n: int) -> list[str]:
    """The names of the first n CUDA devices, as a process may be told which of them to see."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return given.split(",")[:n] if given else [str(number) for number in range(n)]


@contextlib.contextmanager
def environment(settings: Mapping[str, str], *, gpu: str | None = None) -> Iterator[None]:
    """These variables, where the user has not set them, for processes started inside; and the one GPU that they see."""
    changed = {name: value for name, value in settings.items() if name not in os.environ}
    changed |= {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def rebuilt(kind: str, message: str) -> ConceptMapError:
    """An error that a worker told of, as it was there."""
    from conceptmap import errors

    known = {name: getattr(errors, name) for name in errors.__all__ if name != "MissingExtraError"}
    error: ConceptMapError = known.get(kind, ConceptMapError)(message)
    return error


def check_worker(theirs: str, ours: str) -> None:
    """Refuse a worker that would give other results.

    Raises:
        IndexMismatchError: its program, packages, indexes or encoder differ from ours.
    """
    from conceptmap.errors import IndexMismatchError

    if theirs != ours:
        then = "install the same versions and indexes on every machine"
        raise IndexMismatchError("a worker differs from this process", got=theirs[:12], expected=ours[:12], then=then)
