"""Worker processes on this machine: each loads the mapper once and codes the shards that it is sent.

Workers are spawned, not forked, since a fork of a process with threads may hang. Only this process writes files, so
a worker that dies takes nothing with it but the shard that it was at, which another one gets. With the device
``cuda:all`` every worker sees one of the GPUs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Any

from conceptmap.batch.coded import pack
from conceptmap.batch.engine import Done
from conceptmap.batch.work import Tick, code_shard, place_of
from conceptmap.batch.workers import (
    check_worker,
    default_workers,
    environment,
    rebuilt,
    thread_settings,
    visible_devices,
)
from conceptmap.errors import ConceptMapError, OutOfSpaceError
from conceptmap.memory import collect_seldom
from conceptmap.topk import device_count

if TYPE_CHECKING:
    from conceptmap.batch.engine import Engine, MapperSource
    from conceptmap.batch.settings import Asked
    from conceptmap.batch.shards import Shard

__all__ = ["DEATHS", "run_processes"]

DEATHS = 5
"""How often a shard may take its worker with it, or workers die before their first, until the run is given up."""
PATIENCE = 3.0
"""Seconds for a worker to end by itself."""


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    shard: Shard | None
    gpu: str | None = None
    ready: bool = False


@dataclass(eq=False)
class _Pool:
    """Workers, the shards waiting for one, and how often each has lost its worker."""

    engine: Engine
    asked: Asked
    run: str
    tick: Tick
    size: int
    gpus: list[str] = field(default_factory=list)
    workers: list[_Worker] = field(default_factory=list)
    again: deque[Shard] = field(default_factory=deque)
    deaths: Counter[int] = field(default_factory=Counter)

    def coded(self, shards: Iterator[Shard]) -> Iterator[Done]:
        """Hand out shards while there are any and yield what comes back."""
        while True:
            self._hand_out(shards)
            busy = {worker.pipe: worker for worker in self.workers if worker.shard is not None}
            if not busy:
                return
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                done = self._heard(busy[pipe])
                if done is not None:
                    yield done

    def _hand_out(self, shards: Iterator[Shard]) -> None:
        """Give every free worker a shard, and start workers while there are shards for them."""
        while (free := self._free()) is not None or len(self.workers) < self.size:
            shard = self.again.popleft() if self.again else next(shards, None)
            if shard is None:
                return
            if free is None:
                self.workers.append(self._started(shard))
            else:
                free.shard = shard
                self._send(free)

    def _free(self) -> _Worker | None:
        return next((worker for worker in self.workers if worker.ready and worker.shard is None), None)

    def _started(self, shard: Shard) -> _Worker:
        """A new worker; it gets its shard when it has loaded its mapper."""
        ours, theirs = multiprocessing.Pipe()
        assert self.engine.source is not None
        process = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(theirs, self.engine.source, self.asked), name="conceptmap worker", daemon=True
        )
        gpu = min(self.gpus, key=[worker.gpu for worker in self.workers].count, default=None)
        with environment(thread_settings(self.size), gpu=gpu):
            process.start()
        theirs.close()
        return _Worker(process, ours, shard, gpu)

    @staticmethod
    def _send(worker: _Worker) -> None:
        assert worker.shard is not None
        with contextlib.suppress(OSError):  # a worker that has just died is noticed when it is listened to
            worker.pipe.send((worker.shard.key, worker.shard.notes))

    def _heard(self, worker: _Worker) -> Done | None:
        try:
            word, *facts = worker.pipe.recv()
        except (EOFError, OSError):
            self._buried(worker)
            return None
        return self._answered(worker, word, facts)

    def _answered(self, worker: _Worker, word: str, facts: list[Any]) -> Done | None:
        if word == "ready":
            check_worker(facts[0], self.run)
            worker.ready = True
            self._send(worker)
        elif word == "tick":
            self.tick(*facts)
        elif word == "failed":
            raise rebuilt(*facts)
        else:
            shard, worker.shard = worker.shard, None
            assert shard is not None
            self.deaths.clear()
            return Done(shard.number, shard.key, facts[0])
        return None

    def _buried(self, worker: _Worker) -> None:
        """Take the shard of a dead worker back."""
        self.workers.remove(worker)
        worker.pipe.close()
        worker.process.join(PATIENCE)
        assert worker.shard is not None
        self.deaths[worker.shard.number] += 1
        if self.deaths[worker.shard.number] >= DEATHS:
            raise OutOfSpaceError(
                f"workers died {DEATHS} times in a row at the same notes",
                got=f"exit code {worker.process.exitcode}",
                then="if the system killed them for their memory, use fewer workers",
            )
        self.again.append(worker.shard)

    def close(self) -> None:
        """End all workers: those at work at once."""
        for worker in self.workers:
            worker.pipe.close()
            if worker.shard is not None or not worker.ready:
                worker.process.terminate()
        for worker in self.workers:
            worker.process.join(PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def run_processes(engine: Engine, shards: Iterator[Shard], asked: Asked, run: str, tick: Tick) -> Iterator[Done]:
    """Code shards in processes; see `run_shards`."""
    assert engine.source is not None
    device = str(engine.source.options.get("device", "cpu"))
    n_gpus = device_count(device)
    gpus = visible_devices(n_gpus) if device == "cuda:all" else []
    pool = _Pool(engine, asked, run, tick, engine.workers or n_gpus or default_workers(), gpus)
    try:
        yield from pool.coded(shards)
    finally:
        pool.close()


# -- in the worker ----------------------------------------------------------------------------------------------------


def _serve(pipe: Connection, source: MapperSource, asked: Asked) -> None:
    """Load the mapper, then code what comes until the pipe is closed."""
    collect_seldom()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent says what to do
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError):
        try:
            _code_what_comes(pipe, source, asked)
        except ConceptMapError as error:
            pipe.send(("failed", type(error).__name__, str(error)))
        except MemoryError:
            pipe.send(("failed", "OutOfSpaceError", "a worker ran out of memory; use fewer workers"))
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 - told to the parent, without its message
            pipe.send(("failed", "ConceptMapError", f"internal error in a worker: {place_of(error)}"))


def _code_what_comes(pipe: Connection, source: MapperSource, asked: Asked) -> None:
    from conceptmap.batch.shards import run_key

    mapper = source.load()
    pipe.send(("ready", run_key(mapper, asked, source.precision)))
    while True:
        key, notes = pipe.recv()
        coded = code_shard(notes, mapper, asked, tick=lambda *counts: pipe.send(("tick", *counts)))
        pipe.send(("done", pack(coded, key)))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
