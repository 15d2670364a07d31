"""Engines: who codes the shards. All take the same iterator of shards and yield the same bytes, as they come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.batch.coded import pack
from conceptmap.batch.engine import Done, Engine
from conceptmap.batch.work import Tick, code_shard
from conceptmap.batch.workers import default_workers

if TYPE_CHECKING:
    from conceptmap.batch.settings import Asked
    from conceptmap.batch.shards import Shard
    from conceptmap.mapper import ConceptMapper

__all__ = ["engine_for", "run_shards"]

MANY_BYTES = 4 << 20
"""Notes from which on processes read them by their words sooner than one does."""


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
