"""Code any number of notes into a folder of files: in chunks, with bounded memory, every file whole or not there.

The files are written in a hidden folder and moved into place together at the end, ``run.json`` last: where there is a
``run.json``, the files that it lists are complete and belong together.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import polars as pl

from conceptmap.coding import check_include
from conceptmap.errors import IndexMismatchError, InputError, ModelError, OutOfSpaceError
from conceptmap.export.markup import NoteView
from conceptmap.export.pages import ReportFiles
from conceptmap.export.paths import paths_of
from conceptmap.export.tables import TABLE_FORMATS, TableFiles
from conceptmap.files import atomic_text, publish, sha256_file, writing
from conceptmap.frames import ANNOTATIONS, CODES, TAGS
from conceptmap.notes import BadNote, Notes
from conceptmap.rollups import Rollup, read_targets
from conceptmap.runfile import encoder_facts, index_facts, read_run, run_text, versions

if TYPE_CHECKING:
    from conceptmap.mapper import ConceptMapper, Results

__all__ = ["FORMATS", "Run", "Settings", "code_notes"]

FORMATS = (*TABLE_FORMATS, "html")
CHUNK_NOTES = 128
CHUNK_CHARS = 400_000
TAGS_ASKED = 5
TAGS_SHOWN = 3
"""Concepts of a word outside mentions in the report."""

Progress = Callable[[int, int], None]
"""Called with the notes done and their total."""


@dataclass(frozen=True)
class Settings:
    """What a run is asked for.

    Attributes:
        include: see ``coding.INCLUDES``.
        tags: also write the concepts of every token.
        candidates: also write this many ranked codes a note, accepted or not.
        formats: of ``FORMATS``.
        rollup: what the columns ``rollup_code`` and ``rollup_name`` of the annotations hold: see ``rollup.roll_up``;
            or the path of a text file that lists codes.
        spreadsheet_safe: neutralise cells of the CSV files that a spreadsheet would take for a formula.

    Raises:
        InputError: something that there is not.
    """

    include: tuple[str, ...] = ()
    tags: bool = False
    candidates: int = 0
    formats: tuple[str, ...] = ("csv",)
    rollup: str | None = None
    spreadsheet_safe: bool = False

    def __post_init__(self) -> None:
        check_include(self.include)
        if unknown := [name for name in self.formats if name not in FORMATS]:
            raise InputError("unknown format", got=", ".join(unknown), expected=", ".join(FORMATS))
        if self.candidates < 0:
            raise InputError("how many candidates?", got=self.candidates, expected="0 or more")


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Attributes:
        folder: where its files are.
        files: their names, ``run.json`` last.
        facts: what ``run.json`` says.
        quarantined: the notes that were not coded.
    """

    folder: Path
    files: tuple[str, ...]
    facts: Mapping[str, Any]
    quarantined: tuple[BadNote, ...]


@dataclass(frozen=True)
class _Piece:
    """A chunk of notes, what was found in them, and those that failed."""

    notes: pl.DataFrame
    results: Results | None
    failed: tuple[BadNote, ...] = ()


def code_notes(
    notes: Notes,
    mapper: ConceptMapper,
    folder: str | Path,
    settings: Settings = Settings(),
    *,
    loading_seconds: float | None = None,
    progress: Progress | None = None,
) -> Run:
    """Code notes and write ``annotations``, ``codes`` and whatever else is asked for into a folder.

    A note that the mapper fails on is quarantined and the others are coded. The same notes, mapper and settings give
    the same bytes, except for the times in ``run.json``.

    Args:
        notes: from ``read_notes``.
        mapper: loaded.
        folder: made if it is not there. Files of an earlier run in it are replaced, or removed if not written now.
        settings: what to write.
        loading_seconds: how long loading took, for ``run.json``.
        progress: called after each chunk.

    Raises:
        InputError: the settings ask for what cannot be had, or the folder cannot be written to.
        OutOfSpaceError: the disk or the memory is full. Nothing is left behind.
    """
    target = Path(folder)
    rollup = _checked(settings, mapper)
    began = time.perf_counter()
    failed: list[BadNote] = []
    counts = {"notes": 0, "words": 0}
    with _staging(target) as staging:
        with _Files.open(staging, notes, mapper, settings) as files:
            for piece in _pieces(notes, mapper, settings):
                failed += piece.failed
                counts["notes"] += piece.notes.height
                counts["words"] += int(piece.notes["text"].str.count_matches(r"\S+").sum())
                if piece.results is not None:
                    files.write(piece.notes, _rolled_up(piece.results, rollup))
                if progress is not None:
                    progress(counts["notes"] + len(failed), notes.n_notes)
            quarantined = (*notes.quarantined, *failed)
            files.finish(mapper, quarantined)
            counts |= files.rows
        seconds = time.perf_counter() - began
        facts = {
            "versions": versions(),
            "encoder": encoder_facts(mapper.encoder),
            "indexes": index_facts(mapper.indexes),
            "settings": asdict(settings),
            "source": {"name": notes.source, "notes": notes.n_notes, "code_points": notes.n_chars},
            "columns_left_out": list(notes.left_out),
            "counts": {**counts, "quarantined": len(quarantined)},
            "quarantined": [asdict(bad) for bad in quarantined],
            "seconds": {"loading": _rounded(loading_seconds), "coding": _rounded(seconds)},
            "words_per_second": round(counts["words"] / max(seconds, 1e-9)),
            "files": {path.name: sha256_file(path) for path in sorted(staging.iterdir())},
        }
        names = _publish_all(staging, target, facts)
    return Run(target, names, facts, quarantined)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _checked(settings: Settings, mapper: ConceptMapper) -> Rollup | None:
    """Refuse what this mapper cannot do; find the targets of the roll-up."""
    if settings.tags and mapper.encoder is None:
        raise InputError("tags need token vectors", got="no encoder", expected="an encoder")
    if settings.rollup is None:
        return None
    return Rollup.to(read_targets(settings.rollup), [index.ontology() for index in mapper.indexes])


def _rolled_up(results: Results, rollup: Rollup | None) -> Results:
    if rollup is None:
        return results
    return replace(results, mentions=rollup.fill(results.mentions).select(ANNOTATIONS.names()))


# -- reading ----------------------------------------------------------------------------------------------------------


def _pieces(notes: Notes, mapper: ConceptMapper, settings: Settings) -> Iterator[_Piece]:
    """Chunks of notes with their results; where one fails, its notes one by one."""
    shown = "html" in settings.formats and mapper.encoder is not None
    asked = {
        "tags": TAGS_ASKED if settings.tags else TAGS_SHOWN if shown else 0,
        "candidates": settings.candidates,
        "include": settings.include,
    }
    for chunk in notes.chunks(notes=CHUNK_NOTES, chars=CHUNK_CHARS):
        whole = _piece(chunk, mapper, asked)
        if whole.results is not None or chunk.height == 1:
            yield whole
            continue
        for at in range(chunk.height):
            yield _piece(chunk[at : at + 1], mapper, asked)


def _piece(chunk: pl.DataFrame, mapper: ConceptMapper, asked: Mapping[str, Any]) -> _Piece:
    try:
        return _Piece(chunk, mapper.annotate_many(chunk, **asked))
    except (IndexMismatchError, ModelError, OutOfSpaceError):
        raise  # no note's fault
    except MemoryError as error:
        if chunk.height > 1:
            return _Piece(chunk.clear(), None)
        raise OutOfSpaceError("a note does not fit into memory", then="close other programs or split it") from error
    except Exception as error:  # noqa: BLE001 - one bad note must not stop a million good ones
        reason = f"the mapper failed: {_place_of(error)}"
        failed = tuple(BadNote("mapper", note_id, reason) for note_id in chunk["note_id"])
        return _Piece(chunk.clear(), None, failed)


def _place_of(error: Exception) -> str:
    """Kind and place of an error. Its message may hold note text, so it is not repeated."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "conceptmap" in Path(frame.filename).parts] or frames
    return f"{type(error).__name__} in {Path(ours[-1].filename).name}, line {ours[-1].lineno}"


# -- writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Files:
    """The files that are being written."""

    tables: Mapping[str, TableFiles]
    report: ReportFiles | None
    stack: ExitStack

    @classmethod
    def open(cls, staging: Path, notes: Notes, mapper: ConceptMapper, settings: Settings) -> _Files:
        schemas = {"annotations": ANNOTATIONS, "codes": CODES}
        schemas |= {"tags": TAGS} if settings.tags else {}
        schemas |= {"candidates": CODES} if settings.candidates else {}
        with ExitStack() as stack:
            tables = {
                name: stack.enter_context(
                    TableFiles(
                        staging, name, schema, formats=settings.formats, spreadsheet_safe=settings.spreadsheet_safe
                    )
                )
                for name, schema in schemas.items()
            }
            report = None
            if "html" in settings.formats:
                path = paths_of(mapper.path, mapper.indexes)
                report = ReportFiles(staging, n_notes=notes.n_notes, path=path, title=f"{notes.source}, coded")
                stack.callback(report.close)
            return cls(tables, report, stack.pop_all())

    def __enter__(self) -> _Files:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.__exit__(kind, error, trace)

    @property
    def rows(self) -> dict[str, int]:
        return {name: table.rows for name, table in self.tables.items()}

    def write(self, notes: pl.DataFrame, results: Results) -> None:
        frames = {
            "annotations": results.mentions,
            **{name: getattr(results, name) for name in ("codes", "tags", "candidates")},
        }
        for name, table in self.tables.items():
            table.write(frames[name])
        if self.report is not None:
            self.report.write(_views(notes, results))

    def finish(self, mapper: ConceptMapper, quarantined: tuple[BadNote, ...]) -> None:
        if self.report is None:
            return
        facts = [f"{index.system} {index.release}" for index in mapper.indexes]
        facts.append(f"encoder {mapper.encoder.name}" if mapper.encoder is not None else "lexical evidence alone")
        self.report.finish(facts=facts, quarantined=[asdict(bad) for bad in quarantined])


def _views(notes: pl.DataFrame, results: Results) -> Iterator[NoteView]:
    """The notes of a chunk, each with its own rows."""
    frames = (results.mentions, results.codes, results.tags)
    parts = [frame.partition_by("note_id", as_dict=True) for frame in frames]
    for note in notes.iter_rows(named=True):
        mentions, codes, tags = (
            part.get((note["note_id"],), frame.clear()) for part, frame in zip(parts, frames, strict=True)
        )
        yield NoteView(note["note_id"], note["text"], mentions, codes, tags, _said_of(note))


def _said_of(note: Mapping[str, object]) -> tuple[str, ...]:
    """What the report shows of a note beside its id."""
    known = {"note_date": "{}", "sex": "sex {}", "age_years": "age {}"}
    return tuple(form.format(note[name]) for name, form in known.items() if note.get(name) not in (None, ""))


@contextlib.contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """A hidden folder inside the target that is gone afterwards."""
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        staging = target / f".partial-{secrets.token_hex(6)}"
        staging.mkdir()
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _publish_all(staging: Path, target: Path, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Move the files into place; what an earlier run wrote and this one did not goes."""
    names = sorted(path.name for path in staging.iterdir())
    earlier = read_run(target).get("files", {})
    (target / "run.json").unlink(missing_ok=True)
    for name in names:
        publish(staging / name, target / name)
    for name in earlier if isinstance(earlier, dict) else ():
        if name not in names and Path(name).name == name:
            (target / name).unlink(missing_ok=True)
    atomic_text(target / "run.json", run_text(facts))
    return (*names, "run.json")
