"""Indexing: notes in, what is new of them encoded and kept, segment by segment."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from conceptmap.errors import InputError, said_id
from conceptmap.notes.given import batches
from conceptmap.retrieval.collection import Change, Collection, IndexFacts, changing
from conceptmap.retrieval.encoding import NoteEncoder
from conceptmap.retrieval.passages import Passages
from conceptmap.retrieval.segments import Segment

__all__ = ["index_notes", "remove_notes"]

SEGMENT_ROWS = 1 << 16
"""Rows after which a segment is written: 48 MiB of the embedded encoder's."""
SEGMENT_SECONDS = 30.0
"""Seconds after which one is written, so that a process that is killed loses no more than these."""
MANY, SMALL = 8, SEGMENT_ROWS // 4
"""More segments than this are joined where they are smaller than that."""

Progress = Callable[[int], None]


@dataclass
class _Pending:
    """Notes that are encoded and not yet written."""

    pairs: list[tuple[str, str]] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    passages: list[Passages] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    n_rows: int = 0
    since: float = field(default_factory=time.monotonic)

    @property
    def due(self) -> bool:
        return self.n_rows >= SEGMENT_ROWS or time.monotonic() - self.since > SEGMENT_SECONDS


def index_notes(
    pairs: Iterable[tuple[str, str]],
    folder: Path,
    encoder: NoteEncoder,
    *,
    keep_others: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Collection:
    """Bring a note index up to date: new notes and changed ones are encoded, the rest stays as it is.

    Args:
        pairs: the notes, (note_id, text). A note without a word has nothing to be found by and is left out.
        folder: where the index is, or will be.
        encoder: that of the index.
        keep_others: keep notes of the index that are not among these.
        overwrite: give up an index of another encoder, or a damaged one.
        progress: called with the notes gone through.

    Raises:
        InputError: two notes have one id, or the folder holds something else.
        IndexMismatchError: an index that is damaged or of another encoder.
        OutOfSpaceError: the disk is full.
    """
    seen: set[str] = set()
    with changing(folder, IndexFacts.of(encoder), overwrite=overwrite) as change:
        known = {
            note_id: digest
            for segment in change.collection.segments
            for note_id, digest in segment.notes.select("note_id", "sha256").iter_rows()
        }
        pending = _Pending()
        for note_ids, texts in batches(pairs):
            fresh = list[tuple[str, str, str]]()
            for note_id, text in zip(note_ids, texts, strict=True):
                _check_new(note_id, seen)
                digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
                if known.get(note_id) != digest:
                    fresh.append((note_id, text, digest))
            _encode(fresh, known, encoder, pending)
            if pending.due:
                pending = _flush(change, pending)
            if progress is not None:
                progress(len(seen))
        gone = set() if keep_others else known.keys() - seen
        pending.replaced += sorted(gone)
        _flush(change, pending)
        _join_small(change)
        return change.collection


def remove_notes(note_ids: Iterable[str], folder: Path, facts: IndexFacts) -> Collection:
    """Remove notes from an index, with all that it holds of them.

    Raises:
        InputError: the index does not hold one of them.
    """
    with changing(folder, facts) as change:
        wanted = set(note_ids)
        if unknown := wanted - change.collection.places.keys():
            raise InputError(f"{len(unknown):,} of these notes are not in the index", then="index them first")
        _flush(change, _Pending(replaced=sorted(wanted)))
        return change.collection


def _check_new(note_id: str, seen: set[str]) -> None:
    if note_id in seen:
        got = said_id(note_id) or "one that is long or has white space"
        raise InputError("two notes have the same id", got=got, expected="an id for each note")
    seen.add(note_id)


def _encode(fresh: list[tuple[str, str, str]], known: dict[str, str], encoder: NoteEncoder, pending: _Pending) -> None:
    """Encode notes and put them with those that wait to be written."""
    if not fresh:
        return
    for (note_id, text, digest), passages in zip(fresh, encoder.notes([text for _, text, _ in fresh]), strict=True):
        if note_id in known:
            pending.replaced.append(note_id)
        if len(passages.spans):
            pending.pairs.append((note_id, text))
            pending.digests.append(digest)
            pending.passages.append(passages)
            pending.n_rows += len(passages.vectors)


def _flush(change: Change, pending: _Pending) -> _Pending:
    """Write what waits, without the former versions of its notes, and let it count."""
    segments = list(change.collection.segments)
    leaving: defaultdict[int, list[int]] = defaultdict(list)
    for note_id in pending.replaced:
        at, place = change.collection.places[note_id]
        leaving[at].append(place)
    found = list[Segment]()
    for at, segment in enumerate(segments):
        if at not in leaving:
            found.append(segment)
            continue
        keep = np.ones(segment.notes.height, dtype=np.bool_)
        keep[leaving[at]] = False
        found += change.without(segment, keep)
    if pending.pairs:
        found.append(change.written(pending.pairs, pending.digests, pending.passages))
    if found != segments:
        change.commit(found)
    return _Pending()


def _join_small(change: Change) -> None:
    """Write neighbouring small segments as one, where there are many."""
    segments = list(change.collection.segments)
    if len(segments) <= MANY:
        return
    runs: list[list[Segment]] = [[]]
    for segment in segments:
        if segment.n_rows >= SMALL or sum(one.n_rows for one in runs[-1]) + segment.n_rows > SEGMENT_ROWS:
            runs.append([])
        runs[-1].append(segment)
        if segment.n_rows >= SMALL:
            runs.append([])
    found = [run[0] if len(run) == 1 else _joined(change, run) for run in runs if run]
    if found != segments:
        change.commit(found)


def _joined(change: Change, run: list[Segment]) -> Segment:
    pairs, passages, digests = list[tuple[str, str]](), list[Passages](), list[str]()
    for segment in run:
        own, rows = segment.passages(np.ones(segment.notes.height, dtype=np.bool_))
        pairs += own
        passages += rows
        digests += segment.notes["sha256"].to_list()
    return change.written(pairs, digests, passages)
