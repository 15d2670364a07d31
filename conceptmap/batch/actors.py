"""Ray actors over shards, on this machine or a cluster: each loads the mapper once, and only the driver writes files.

No shared file system is needed for the results; the indexes and models have to be on every machine.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conceptmap.batch.coded import pack
from conceptmap.batch.engine import Done
from conceptmap.batch.processes import DEATHS
from conceptmap.batch.work import Tick, code_shard, place_of
from conceptmap.batch.workers import check_worker, default_workers, environment, rebuilt, thread_settings
from conceptmap.errors import ConceptMapError, InputError, MissingExtraError, OutOfSpaceError
from conceptmap.memory import collect_seldom

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.batch.engine import Engine, MapperSource
    from conceptmap.batch.settings import Asked
    from conceptmap.batch.shards import Shard

__all__ = ["run_actors"]


class Coder:
    """What an actor does; answers hold errors as their kind and message, so that Ray does not print their traces."""

    def __init__(self, source: MapperSource, asked: Asked) -> None:
        self._asked = asked
        self._source = source
        self._mapper: Any = None

    def ready(self) -> tuple[str, ...]:
        """Load the mapper; says which one it is."""
        from conceptmap.batch.shards import run_key

        collect_seldom()
        try:
            self._mapper = self._source.load()
            return "ready", run_key(self._mapper, self._asked, self._source.precision)
        except ConceptMapError as error:
            return "failed", type(error).__name__, str(error)

    def code(self, key: str, notes: pl.DataFrame) -> tuple[Any, ...]:
        """Code a shard."""
        try:
            coded = code_shard(notes, self._mapper, self._asked)
        except ConceptMapError as error:
            return "failed", type(error).__name__, str(error)
        except Exception as error:  # noqa: BLE001 - its message may hold note text
            return "failed", "ConceptMapError", f"internal error in a worker: {place_of(error)}"
        return "done", pack(coded, key), coded.notes, len(coded.failed)


@dataclass(eq=False)
class _Cluster:
    """Actors, what each was asked for, and the shards that have lost theirs."""

    ray: Any
    actor: Any
    tick: Tick
    run: str
    size: int
    asked: dict[Any, tuple[Any, Shard, str]] = field(default_factory=dict)
    idle: list[Any] = field(default_factory=list)
    again: deque[Shard] = field(default_factory=deque)
    deaths: Counter[int] = field(default_factory=Counter)

    def coded(self, shards: Iterator[Shard]) -> Iterator[Done]:
        """Hand out shards while there are any and yield what comes back."""
        while True:
            while self.idle or len(self.asked) < self.size:
                shard = self.again.popleft() if self.again else next(shards, None)
                if shard is None:
                    break
                if self.idle:
                    self._ask_for(self.idle.pop(), shard)
                else:
                    actor = self.actor.remote()
                    self.asked[actor.ready.remote()] = actor, shard, "ready"
            if not self.asked:
                return
            for future in self.ray.wait(list(self.asked), num_returns=1)[0]:
                if (done := self._heard(future)) is not None:
                    yield done

    def _ask_for(self, actor: Any, shard: Shard) -> None:  # noqa: ANN401 - Ray's handle
        self.asked[actor.code.remote(shard.key, shard.notes)] = actor, shard, "done"

    def _heard(self, future: Any) -> Done | None:  # noqa: ANN401 - Ray's reference
        actor, shard, _ = self.asked.pop(future)
        try:
            word, *facts = self.ray.get(future)
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.WorkerCrashedError):
            self._lost(shard)
            return None
        except self.ray.exceptions.OutOfMemoryError:
            self._lost(shard)
            return None
        if word == "failed":
            raise rebuilt(*facts)
        if word == "ready":
            check_worker(facts[0], self.run)
            self._ask_for(actor, shard)
            return None
        self.deaths.clear()
        self.idle.append(actor)
        self.tick(facts[1] + facts[2], facts[2])
        return Done(shard.number, shard.key, facts[0])

    def _lost(self, shard: Shard) -> None:
        self.deaths[shard.number] += 1
        if self.deaths[shard.number] >= DEATHS:
            then = "if the system killed them for their memory, use fewer workers"
            raise OutOfSpaceError(f"actors died {DEATHS} times in a row at the same notes", then=then)
        self.again.append(shard)


def run_actors(engine: Engine, shards: Iterator[Shard], asked: Asked, run: str, tick: Tick) -> Iterator[Done]:
    """Code shards with Ray; see `run_shards`."""
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        _connect(ray, engine)
    try:
        size = engine.workers or _actors_there(ray, engine.gpus)
        assert engine.source is not None
        remote = ray.remote(Coder).options(num_cpus=1, num_gpus=engine.gpus or None, max_restarts=0)
        actor = _Bound(remote, engine.source.absolute(), asked)
        yield from _Cluster(ray, actor, tick, run, size).coded(shards)
    finally:
        if started:
            with contextlib.suppress(Exception):
                ray.shutdown()


@dataclass(frozen=True)
class _Bound:
    """An actor class with its arguments."""

    remote_class: Any
    source: MapperSource
    asked: Asked

    def remote(self) -> Any:  # noqa: ANN401 - Ray's handle
        """Start one."""
        return self.remote_class.remote(self.source, self.asked)


def _ray() -> Any:  # noqa: ANN401 - the module
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # notes are nobody else's business, nor is their number
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", extra="ray", purpose="the engine ray") from error
    return ray


def _connect(ray: Any, engine: Engine) -> None:  # noqa: ANN401
    """Join the cluster, or start one on this machine whose actors share the cores."""
    workers = engine.workers or default_workers()
    options = {} if engine.address else {"include_dashboard": False, "num_cpus": workers}
    with environment({} if engine.address else thread_settings(workers)):
        try:
            ray.init(address=engine.address, log_to_driver=False, logging_level="error", **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            then = "start one, or leave the address out"
            raise InputError("no Ray cluster answers", got=engine.address, then=then) from error


def _actors_there(ray: Any, gpus: float) -> int:  # noqa: ANN401
    """One actor for each core, or for each share of a GPU."""
    there = ray.cluster_resources()
    return max(1, int(there.get("GPU", 0) / gpus if gpus else there.get("CPU", 1)))
