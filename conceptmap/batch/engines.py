"""Engines: who codes the shards. All take the same iterator of shards and yield the same bytes, as they come."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from conceptmap.batch.coded import pack
from conceptmap.batch.work import Tick, code_shard
from conceptmap.errors import ConceptMapError, InputError

if TYPE_CHECKING:
    from conceptmap.batch.settings import Asked
    from conceptmap.batch.shards import Shard
    from conceptmap.mapper import ConceptMapper

__all__ = ["ENGINES", "Done", "Engine", "MapperSource", "cores", "default_workers", "engine_for", "run_shards"]

ENGINES = ("local", "processes", "ray")
MANY_BYTES = 4 << 20
"""Notes from which on processes read them by their words sooner than one does."""
WORKER_BYTES = 2 << 30
"""Memory that a worker with the embedded encoder and ICD-10-CM may take."""


class Done(NamedTuple):
    """A shard that has been coded: its number, its name and the bytes to keep."""

    number: int
    key: str
    content: bytes


@dataclass(frozen=True)
class MapperSource:
    """How a worker loads the mapper: the arguments of ``ConceptMapper.load``.

    Attributes:
        indexes: ``"icd10cm"`` or index folders.
        options: keyword arguments; strings, numbers and None, so that they can travel.
    """

    indexes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> ConceptMapper:
        """The mapper."""
        from conceptmap.mapper import ConceptMapper

        return ConceptMapper.load(*self.indexes, **self.options)

    @property
    def precision(self) -> dict[str, object]:
        """Where and in what the encoder computes."""
        return {name: self.options[name] for name in ("device", "dtype") if name in self.options}

    def absolute(self) -> MapperSource:
        """The same with whole paths, for workers that start elsewhere."""
        options = {name: _absolute(value) for name, value in self.options.items()}
        return MapperSource(tuple(_absolute(name) for name in self.indexes), options)


def _absolute(value: Any) -> Any:  # noqa: ANN401 - whatever an option holds
    if isinstance(value, list | tuple):
        return tuple(_absolute(one) for one in value)
    return str(Path(value).resolve()) if isinstance(value, str) and Path(value).exists() else value


@dataclass(frozen=True)
class Engine:
    """Who does the work.

    Attributes:
        name: of ``ENGINES``.
        workers: how many; 0 chooses.
        source: where workers get their mapper from; ``local`` needs none.
        address: of a Ray cluster; None starts one on this machine.
        gpus: GPUs for each Ray actor, also a part of one.

    Raises:
        InputError: there is no such engine, or it lacks what it needs.
    """

    name: str = "local"
    workers: int = 0
    source: MapperSource | None = None
    address: str | None = None
    gpus: float = 0

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise InputError("unknown engine", got=self.name, expected=", ".join(ENGINES))
        if self.workers < 0 or self.gpus < 0:
            raise InputError("how many workers?", got=min(self.workers, self.gpus), expected="0 or more")
        if self.name == "local" and self.workers > 1:
            raise InputError("the engine local is one worker", got=self.workers, then="use --engine processes")
        if self.name != "local" and self.source is None:
            raise InputError(f"the engine {self.name} needs to know where its workers get their mapper from")
        if self.name != "ray" and (self.address or self.gpus):
            raise InputError("a cluster's address and GPUs are for the engine ray", got=self.name)


def run_shards(
    engine: Engine, shards: Iterator[Shard], mapper: ConceptMapper, asked: Asked, run: str, tick: Tick
) -> Iterator[Done]:
    """Code shards with whatever engine; they are drawn one by one, as workers become free.

    Args:
        engine: who does the work.
        shards: drawn in this thread.
        mapper: used by ``local``; workers load their own.
        asked: what to find.
        run: from ``run_key``; a worker whose own differs is refused.
        tick: called as notes are done.

    Raises:
        ConceptMapError: as `code_shard` does, or workers cannot be kept alive.
    """
    if engine.name == "local":
        for shard in shards:
            yield Done(shard.number, shard.key, pack(code_shard(shard.notes, mapper, asked, tick=tick), shard.key))
        return
    assert engine.source is not None
    if engine.name == "processes":
        from conceptmap.batch.processes import run_processes

        yield from run_processes(engine, shards, asked, run, tick)
        return
    from conceptmap.batch.actors import run_actors

    yield from run_actors(engine, shards, asked, run, tick)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def engine_for(notes: str, *, workers: int, by_words_alone: bool) -> str:
    """The engine of a run that names none.

    Processes where several workers are asked for, and for notes that are read by their words alone: that keeps one core
    busy, so that enough of them pay for starting processes on the others.

    Args:
        notes: file or folder, or ``-``.
        workers: as asked for.
        by_words_alone: whether there is no encoder.
    """
    pays = by_words_alone and workers == 0 and default_workers() > 1 and _size(Path(notes)) >= MANY_BYTES
    return "processes" if workers > 1 or pays else "local"


def _size(notes: Path) -> int:
    """Bytes of a file, or of the files of a folder; 0 where nobody can say."""
    try:
        return sum(file.stat().st_size for file in notes.rglob("*")) if notes.is_dir() else notes.stat().st_size
    except OSError:
        return 0


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
