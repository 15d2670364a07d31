"""The finishing step: every shard checked, the outputs written from them in the order of the notes.

The files are written in a hidden folder and moved into place together at the end (see ``publishing``), ``run.json``
last: where there is a ``run.json``, the files that it lists are complete and belong together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from conceptmap.annotated.doc_bin import check_spacy
from conceptmap.batch.coded import Coded, unpack
from conceptmap.batch.folder import ShardFolder
from conceptmap.batch.mapped import CodeMap
from conceptmap.batch.outputs import Outputs
from conceptmap.batch.settings import Settings
from conceptmap.batch.shards import cut
from conceptmap.coding.code_edits import CodeEdits, read_edits
from conceptmap.errors import DamagedShardError, InputError
from conceptmap.export.fhir import check_subjects
from conceptmap.export.omop import ConceptIds
from conceptmap.export.workbook import check_workbooks
from conceptmap.files import sha256_file
from conceptmap.frames import ANNOTATIONS, CODES_ROLLED_UP
from conceptmap.notes.notes import BadNote, Notes
from conceptmap.ontology.rollup_frames import Rollup, read_targets
from conceptmap.situations.situations import LEFT_ALONE

if TYPE_CHECKING:
    from conceptmap.mapper import ConceptMapper, Results

__all__ = ["Finished", "OutputPlan", "merge", "prepare"]


@dataclass(frozen=True)
class OutputPlan:
    """What the finishing step needs beside the shards, found and checked before the first note.

    Attributes:
        rollup: targets of the roll-up.
        ids: OMOP's concept ids.
        edits: sex and age edits of codes.
        code_map: where codes are mapped to.
        digests: of the files that all of these came from.
    """

    rollup: Rollup | None
    ids: ConceptIds | None
    edits: CodeEdits | None
    code_map: CodeMap | None
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Finished:
    """What the finishing step wrote.

    Attributes:
        counts: notes, words and rows.
        failed: notes that the mapper failed on.
        notices: what somebody who uses the files should know.
    """

    counts: Mapping[str, int]
    failed: tuple[BadNote, ...]
    notices: tuple[str, ...]


def prepare(settings: Settings, notes: Notes, mapper: ConceptMapper) -> OutputPlan:
    """Refuse what cannot be had; find the targets of the roll-up and the concept ids.

    Raises:
        InputError: says what cannot be had.
        IndexMismatchError: an index is damaged.
    """
    if settings.tags and mapper.encoder is None:
        raise InputError("tags need token vectors", got="no encoder", expected="an encoder")
    if settings.situations and not {index.system for index in mapper.indexes} - LEFT_ALONE:
        got, expected = ", ".join(index.system for index in mapper.indexes), "SNOMED CT, the UMLS or another system"
        raise InputError(
            "no index has situations: their codes for histories are among the codes", got=got, expected=expected
        )
    if "spacy" in settings.formats:
        check_spacy()
    if "fhir" in settings.formats:
        check_subjects(notes.schema.names())
    if "xlsx" in settings.formats:
        check_workbooks()
    for index in mapper.indexes:
        index.verify()
    rollup = None
    if settings.rollup is not None:
        rollup = Rollup.to(read_targets(settings.rollup), [index.ontology() for index in mapper.indexes])
    ids = None if settings.athena is None else ConceptIds.read(settings.athena, mapper.indexes)
    edits = None if settings.mce is None else read_edits(settings.mce)
    code_map = None
    if settings.map_to is not None:
        code_map = CodeMap.between((index.ontology() for index in mapper.indexes), settings.map_to)
    return OutputPlan(rollup, ids, edits, code_map, tuple(_digests(settings)))


def _digests(settings: Settings) -> Iterator[str]:
    """SHA-256 of the list of targets, of Athena's files and of the list of edits."""
    athena = [] if settings.athena is None else sorted(Path(settings.athena).glob("CONCEPT*.csv"))
    for path in [Path(settings.rollup or ""), Path(settings.mce or ""), *athena]:
        if path.is_file():
            yield sha256_file(path)


def merge(
    folder: ShardFolder,
    at: Path,
    notes: Notes,
    mapper: ConceptMapper,
    settings: Settings,
    prepared: OutputPlan,
    run: str,
) -> Finished:
    """Read every shard, in order, and write the outputs into the folder ``at``.

    Raises:
        DamagedShardError: a shard is missing or not what it says; it is removed.
        OutOfSpaceError: the disk is full.
    """
    failed: list[BadNote] = []
    counts = {"notes": 0, "words": 0}
    with Outputs.open(at, notes, mapper, settings, prepared.ids, prepared.code_map) as outputs:
        for shard in cut(notes, run):
            coded = _read(folder, shard.key, shard.notes)
            failed += coded.failed
            counts["notes"] += coded.notes
            counts["words"] += coded.words
            bad = [note.note_id for note in coded.failed]
            good = shard.notes.filter(~pl.col("note_id").is_in(bad)) if bad else shard.notes
            outputs.write(good, _edited(_rolled_up(coded.results, prepared.rollup), good, prepared.edits))
        outputs.finish(mapper, (*notes.quarantined, *failed))
        counts |= outputs.rows
        notices = outputs.notices
    if counts["notes"] + len(failed) != notes.n_notes:
        got, expected = counts["notes"] + len(failed), notes.n_notes
        raise InputError("the notes changed while they were coded", got=got, expected=expected, then="run again")
    return Finished(counts, tuple(failed), notices)


def _read(folder: ShardFolder, key: str, notes: pl.DataFrame) -> Coded:
    try:
        return unpack(folder.read(key), key, notes["note_id"].to_list())
    except DamagedShardError:
        folder.drop(key)
        raise


def _rolled_up(results: Results, rollup: Rollup | None) -> Results:
    if rollup is None:
        return results
    of_codes = CODES_ROLLED_UP.names()
    codes = {name: rollup.fill(getattr(results, name)).select(of_codes) for name in ("codes", "candidates")}
    return replace(results, mentions=rollup.fill(results.mentions).select(ANNOTATIONS.names()), **codes)


def _edited(results: Results, notes: pl.DataFrame, edits: CodeEdits | None) -> Results:
    return results if edits is None else replace(results, codes=edits.added(results.codes, notes))
