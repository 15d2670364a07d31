"""The course of a run: which shards are missing, who codes them, and the finishing step once all are there."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conceptmap.batch.engine import Engine
from conceptmap.batch.engines import run_shards
from conceptmap.batch.folder import ShardFolder
from conceptmap.batch.merge import Finished, merge, prepare
from conceptmap.batch.owned import check_folder
from conceptmap.batch.progress import Progress, State, run_bar
from conceptmap.batch.publishing import Place, earlier_run, file_digests, names_of, remove_stale, retire, staging
from conceptmap.batch.runfile import mapper_facts, read_run, versions
from conceptmap.batch.settings import Part, Settings
from conceptmap.batch.shards import Shard, cut, run_key
from conceptmap.errors import DamagedShardError
from conceptmap.files import GROUP, PRIVATE
from conceptmap.notes.notes import BadNote, Notes

if TYPE_CHECKING:
    from conceptmap.batch.merge import OutputPlan
    from conceptmap.batch.settings import Asked
    from conceptmap.mapper import ConceptMapper

__all__ = ["Run", "code_notes"]

MENDINGS = 3
"""How often shards that turn out to be damaged are coded again."""
_SETTINGS, _ENGINE = Settings(), Engine()
_KEPT = "of an earlier run was changed since and is left as it is"
LOOK_AGAIN = 0.2
"""Seconds between two looks at what another run is at."""


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Attributes:
        folder: where its files are.
        files: their names, ``run.json`` last; none while other jobs are still at their shards.
        facts: what ``run.json`` says, or would say so far.
        quarantined: the notes that were not coded.
        missing: shards that other jobs have still to code.
        already: whether an earlier call had done all of it.
    """

    folder: Path
    files: tuple[str, ...]
    facts: Mapping[str, Any]
    quarantined: tuple[BadNote, ...]
    missing: int = 0
    already: bool = False


def code_notes(
    notes: Notes,
    mapper: ConceptMapper,
    folder: str | Path,
    settings: Settings = _SETTINGS,
    *,
    engine: Engine = _ENGINE,
    part: Part | None = None,
    resume: bool = True,
    overwrite: bool = False,
    group_readable: bool = False,
    loading_seconds: float | None = None,
    progress: Progress | None = None,
) -> Run:
    """Code notes and write ``annotations``, ``codes`` and whatever else is asked for into a folder.

    The notes are coded in shards, each kept in a hidden folder as soon as it is done; when all are there, the outputs
    are written from them. A call that is interrupted, or killed, loses the shards that it was at and nothing else:
    the same call goes on. A note that the mapper fails on is quarantined and the others are coded. The same notes,
    mapper and settings give the same bytes, whoever coded the shards, except for the times in ``run.json``.

    Args:
        notes: from ``read_notes``.
        mapper: loaded; it codes, or checks what its workers' mappers are.
        folder: made if it is not there. Files of an earlier run in it are replaced, or removed if not written now,
            unless they were changed since.
        settings: what to write.
        engine: who does the work.
        part: the shards of this job, where several jobs share the folder; the last one writes the outputs.
        resume: False forgets what earlier calls have finished.
        overwrite: replace files of the same names although no run wrote them, or somebody has changed them.
        group_readable: let the group read the outputs; otherwise the owner alone can.
        loading_seconds: how long loading took, for ``run.json``.
        progress: called as notes are done; by default a bar, on a terminal or in a notebook.

    Raises:
        InputError: the settings ask for what cannot be had, or the folder cannot be written to, or something would be
            lost in it.
        IndexMismatchError: an index is damaged, or a worker has another one.
        OutOfSpaceError: the disk or the memory is full. Nothing unfinished is left behind.
    """
    target = Path(folder)
    check_folder(target, settings, overwrite=overwrite)
    mapper.asked(settings.include)
    prepared = prepare(settings, notes, mapper)
    asked = settings.asked(with_encoder=mapper.encoder is not None)
    run = run_key(mapper, asked, {} if engine.source is None else engine.source.precision)
    access = GROUP if group_readable else PRIVATE
    place = Place(target, ShardFolder.of(target, run, access), access, overwrite)
    with run_bar() if progress is None else nullcontext(progress) as shown:
        course = _Course(notes, mapper, place, settings, engine, part, prepared, asked, run, shown)
        return course.run(resume=resume, loading_seconds=loading_seconds)


@dataclass(eq=False)
class _Counts:
    done: int = 0
    quarantined: int = 0
    reused: int = 0
    shards: int = 0
    shards_coded: int = 0
    keys: list[str] = field(default_factory=list)


@dataclass(eq=False)
class _Course:
    """One call of ``code_notes``."""

    notes: Notes
    mapper: ConceptMapper
    place: Place
    settings: Settings
    engine: Engine
    part: Part | None
    prepared: OutputPlan
    asked: Asked
    run_key: str
    progress: Progress
    counts: _Counts = field(default_factory=_Counts)
    began: float = field(default_factory=time.perf_counter)

    def run(self, *, resume: bool, loading_seconds: float | None) -> Run:
        """Code what is missing, then finish."""
        self.counts.keys = [shard.key for shard in cut(self.notes, self.run_key)]
        shards = self.place.shards
        if resume and (found := self._finished()) is not None:
            shards.remove_all()  # where a call was stopped between its last two steps
            return found
        with shards.opened():
            if self._key_there():  # its files are not as it left them, or not wanted
                retire(self.place.target, shards)
            if not resume:
                self._forget(shards)
            for mending in range(MENDINGS):
                if (missing := self._code_all(shards)) is None:
                    break
                if missing:
                    return self._unfinished(missing)
                try:
                    return self._finish(shards, loading_seconds)
                except DamagedShardError:
                    if mending == MENDINGS - 1:
                        raise
        found = self._finished()
        assert found is not None
        return found

    # -- coding ---------------------------------------------------------------------------------------------------

    def _code_all(self, shards: ShardFolder) -> int | None:
        """Code this job's shards until all are there; returns how many of others' are missing.

        None says that another run with the same key has finished everything meanwhile.
        """
        self.counts.done = self.counts.quarantined = 0
        counted: set[int] = set()
        while True:
            waiting = [n for n in self._own() if not shards.holds(self.counts.keys[n])]
            if waiting and self._key_there():
                return None
            wanted = self._wanted(shards, counted)
            for done in run_shards(self.engine, wanted, self.mapper, self.asked, self.run_key, self._tick):
                shards.write(done.key, done.content)
                shards.release(done.number)
                self.counts.shards_coded += 1
            if not (waiting := [n for n in self._own() if not shards.holds(self.counts.keys[n])]):
                break
            if self._key_there():
                return None
            self._wait_for(shards, waiting)
        return sum(not shards.holds(key) for key in self.counts.keys)

    def _own(self) -> list[int]:
        return [n for n in range(len(self.counts.keys)) if self.part is None or self.part.holds(n)]

    def _wanted(self, shards: ShardFolder, counted: set[int]) -> Iterator[Shard]:
        """The shards to code, claimed; the others are counted as done, or left to whoever is at work on them."""
        for shard in cut(self.notes, self.run_key):
            if self.part is not None and not self.part.holds(shard.number):
                continue
            if not shards.holds(shard.key):
                if self._key_there() or not shards.claim(shard.number):
                    continue
                if not shards.holds(shard.key):  # it may have been finished just before it was let go
                    counted.add(shard.number)
                    yield shard
                    continue
                shards.release(shard.number)
            if shard.number not in counted:
                counted.add(shard.number)
                self.counts.reused += shard.notes.height
                self._tick(shard.notes.height, 0)

    def _key_there(self) -> bool:
        """Whether another run has finished meanwhile, so that shards are missing because they were cleared away."""
        return read_run(self.place.target).get("key") == self._key()

    def _wait_for(self, shards: ShardFolder, numbers: list[int]) -> None:
        """Wait until another run has finished one of these shards, or let go of it."""
        while not any(shards.holds(self.counts.keys[n]) for n in numbers):
            for n in numbers:
                if shards.claim(n):
                    shards.release(n)
                    return
            time.sleep(LOOK_AGAIN)

    def _tick(self, notes: int, failed: int) -> None:
        self.counts.done += notes
        self.counts.quarantined += failed
        bad = len(self.notes.quarantined) + self.counts.quarantined
        total = self.notes.n_notes if self.part is None else self._part_notes()
        self.progress(State(min(self.counts.done, total), total, bad, self.counts.reused))

    def _part_notes(self) -> int:
        """About how many notes are this job's."""
        return -(-self.notes.n_notes * len(self._own()) // max(1, len(self.counts.keys)))

    # -- finishing ------------------------------------------------------------------------------------------------

    def _key(self) -> str:
        """What the outputs depend on: the shards, and what is made of them."""
        facts = [self.counts.keys, asdict(self.settings), [asdict(bad) for bad in self.notes.quarantined]]
        facts.append(self.prepared.digests)
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _forget(self, shards: ShardFolder) -> None:
        for n in self._own():
            shards.drop(self.counts.keys[n])

    def _finished(self) -> Run | None:
        """The run of an earlier call that has done all of this already."""
        facts = earlier_run(self.place.target, self._key())
        if facts is None:
            return None
        bad = tuple(BadNote(**note) for note in facts["quarantined"])
        self._tick(self.notes.n_notes, 0)
        return Run(self.place.target, names_of(facts["files"]), facts, bad, already=True)

    def _unfinished(self, missing: int) -> Run:
        facts = {"shards": {"all": len(self.counts.keys), "missing": missing, "coded_now": self.counts.shards_coded}}
        return Run(self.place.target, (), facts, self.notes.quarantined, missing)

    def _finish(self, shards: ShardFolder, loading_seconds: float | None) -> Run:
        """Check the shards, write the outputs, clear away."""
        with shards.finishing() as alone:
            if (found := self._finished()) is not None:
                return found  # another run was faster
            if alone:
                remove_stale(self.place.target)
            with staging(self.place.target) as at:
                finished = merge(shards, at, self.notes, self.mapper, self.settings, self.prepared, self.run_key)
                facts = self._facts(finished, loading_seconds) | {"files": file_digests(at)}
                facts["notices"] += [f"{name} {_KEPT}" for name in self.place.kept(at, facts["files"])]
                names = self.place.publish(at, facts)
            shards.remove_all(self.counts.keys)
        return Run(self.place.target, names, facts, (*self.notes.quarantined, *finished.failed))

    def _facts(self, finished: Finished, loading_seconds: float | None) -> dict[str, Any]:
        seconds = time.perf_counter() - self.began
        coded = 1 - self.counts.reused / max(1, self.notes.n_notes)
        quarantined = (*self.notes.quarantined, *finished.failed)
        return {
            "key": self._key(),
            "versions": versions(),
            **mapper_facts(self.mapper),
            "settings": asdict(self.settings),
            "source": {"name": self.notes.source, "notes": self.notes.n_notes, "code_points": self.notes.n_chars},
            "columns_left_out": list(self.notes.left_out),
            "counts": {**finished.counts, "quarantined": len(quarantined)},
            "notices": list(finished.notices),
            "quarantined": [asdict(bad) for bad in quarantined],
            "engine": {"name": self.engine.name, "workers": self.engine.workers},
            "shards": {"all": len(self.counts.keys), "coded_now": self.counts.shards_coded},
            "seconds": {"loading": _rounded(loading_seconds), "coding": _rounded(seconds)},
            "words_per_second": round(finished.counts["words"] * coded / max(seconds, 1e-9)),
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
