"""Collection: a note index on disk. Segments that never change, and a manifest that says which of them count.

A change writes whole segments first and the manifest last, so that a process that is killed at any time leaves the
index as it was after its last whole segment; what it left beside is cleared away by the next change. Notes are known
by their id and the sha256 of their text: what is there already is not encoded again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from conceptmap.encoders.tuned.names import encoder_named
from conceptmap.errors import IndexMismatchError, InputError
from conceptmap.files import PRIVATE, Owned, atomic_text, is_manifest, make_folder, remove_known, sha256_of, writing
from conceptmap.index import files as indexfiles
from conceptmap.retrieval import segments as parts
from conceptmap.retrieval.encoding import NoteEncoder
from conceptmap.retrieval.segments import Segment, open_segment

__all__ = ["Collection", "IndexFacts", "changing", "is_note_index", "open_collection"]

FORMAT, WHAT = 1, "conceptmap note index"
LOCK = ".lock"
_SEGMENT = re.compile(r"segment-(\d{6,9})")
_LEFT = re.compile(r"\.segment-\d{6,9}\.(?:partial|former)-[0-9a-f]{12}")
_LEFT_FILE = re.compile(r"\.manifest\.json\.[0-9a-f]{12}\.tmp")
_MOST = 1 << 40
_AGAIN = "index the notes again with --overwrite"


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """What the rows of an index are made with.

    Attributes:
        encoder, revision, licence, non_commercial: the model.
        kind: ``projected``, ``tokens`` or ``passages``.
        dim: width of a row.
        passage_tokens: most tokens of a passage.
    """

    encoder: str
    revision: str
    licence: str
    non_commercial: bool
    kind: str
    dim: int
    passage_tokens: int

    @classmethod
    def of(cls, encoder: NoteEncoder) -> IndexFacts:
        """Those of a loaded encoder."""
        return cls(
            encoder.name,
            encoder.revision,
            encoder.licence,
            encoder.non_commercial,
            encoder.kind,
            encoder.dim,
            encoder.passage_tokens,
        )


@dataclass(frozen=True, eq=False)
class Collection:
    """An opened note index.

    Attributes:
        folder: where it is.
        facts: what its rows are made with.
        segments: those that count, in the order in which their notes came.
    """

    folder: Path
    facts: IndexFacts
    segments: tuple[Segment, ...]

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """Segment of each note, and its place in the segment's notes.

        Raises:
            IndexMismatchError: a note is there twice.
        """
        found: dict[str, tuple[int, int]] = {}
        for at, segment in enumerate(self.segments):
            found.update({note_id: (at, place) for place, note_id in enumerate(segment.notes["note_id"])})
        if len(found) != self.n_notes:
            raise IndexMismatchError(f"{self.folder} is damaged", got="a note twice", then=_AGAIN)
        return found

    @property
    def n_notes(self) -> int:
        """Notes that can be found."""
        return sum(segment.notes.height for segment in self.segments)

    @property
    def n_passages(self) -> int:
        """Their passages."""
        return sum(segment.n_passages for segment in self.segments)

    @property
    def n_rows(self) -> int:
        """Rows of these."""
        return sum(segment.n_rows for segment in self.segments)

    def check_encoder(self, encoder: NoteEncoder) -> None:
        """Refuse queries of another encoder.

        Raises:
            IndexMismatchError: the index was made with another.
        """
        own, given = self.facts, IndexFacts.of(encoder)
        if (own.encoder, own.revision, own.kind, own.dim) != (given.encoder, given.revision, given.kind, given.dim):
            raise IndexMismatchError(
                f"{self.folder} was made with another encoder",
                got=f"{given.encoder} ({given.kind}, {given.revision[:16]})",
                expected=f"{own.encoder} ({own.kind}, {own.revision[:16]})",
                then=f"name {encoder_named(own.encoder)} as the encoder, or index the notes again with --overwrite",
            )


def is_note_index(folder: Path) -> bool:
    """Whether a folder holds a note index, as this program wrote it and nobody has changed since."""
    try:
        value = indexfiles.read_json(folder / indexfiles.MANIFEST)
    except IndexMismatchError:
        return False
    return value.get("what") == WHAT and is_manifest(value)


def open_collection(folder: Path) -> Collection:
    """Open a note index.

    Raises:
        IndexMismatchError: none there, another format version, or a damaged file; the message names it.
    """
    path = folder / indexfiles.MANIFEST
    if not path.is_file():
        raise IndexMismatchError(f"{folder} is not a note index", expected="a folder that conceptmap search made")
    value = indexfiles.read_json(path)
    if value.get("what") != WHAT or value.get("format") != FORMAT:
        got = f"{str(value.get('what'))[:40]!r}, format {str(value.get('format'))[:10]}"
        raise IndexMismatchError(f"{folder} is not a note index", got=got, expected=f"{WHAT!r}, format {FORMAT}")
    if not is_manifest(value):
        raise IndexMismatchError(f"{path} is damaged", got="another checksum than its own", then=_AGAIN)
    facts, listed = _facts_in(path, value)
    found = tuple(open_segment(folder / name, sha256, dim=facts.dim) for name, sha256 in listed.items())
    return Collection(folder, facts, found)


def _facts_in(path: Path, value: Mapping[str, Any]) -> tuple[IndexFacts, dict[str, str]]:
    try:
        facts, listed = IndexFacts(**value["facts"]), dict(value["segments"])
        texts = tuple(value["facts"][name] for name in ("encoder", "revision", "licence", "kind"))
        numbers = tuple(value["facts"][name] for name in ("dim", "passage_tokens"))
        sound = all(isinstance(text, str) and text.isprintable() for text in texts)
        sound &= all(type(number) is int and 0 < number < _MOST for number in numbers)
        sound &= all(_SEGMENT.fullmatch(name) and isinstance(sha256, str) for name, sha256 in listed.items())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IndexMismatchError(f"{path} is damaged", got=type(error).__name__, then=_AGAIN) from error
    if not sound:
        raise IndexMismatchError(f"{path} is damaged", got="values of another kind", then=_AGAIN)
    return facts, listed


@contextmanager
def changing(folder: Path, facts: IndexFacts, *, overwrite: bool = False) -> Iterator[Change]:
    """A note index to change, made where there is none; one process at a time.

    Args:
        folder: free, empty, or a note index of the same encoder.
        facts: of the encoder.
        overwrite: give up an index of another encoder, or a damaged one, and begin anew.

    Raises:
        InputError: the folder holds something else, or cannot be written.
        IndexMismatchError: an index that is damaged or of another encoder.
    """
    with writing(folder):
        _check_target(folder, overwrite=overwrite)
        make_folder(folder, PRIVATE)
        with FileLock(folder / LOCK, mode=PRIVATE.file):
            _clear(folder)
            yield _begun(folder, facts, overwrite=overwrite)


def _check_target(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds anything else, or a damaged index that is not to be given up."""
    if not folder.exists() or is_note_index(folder):
        return
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else [""]
    if all(name == LOCK or _LEFT_FILE.fullmatch(name) for name in names):
        return
    own = (LOCK, indexfiles.MANIFEST)
    if not all(name in own or any(form.fullmatch(name) for form in (_SEGMENT, _LEFT, _LEFT_FILE)) for name in names):
        raise InputError(f"{folder} exists and is no note index", then="choose another folder")
    if not overwrite:
        open_collection(folder)  # says what is wrong with it


def _begun(folder: Path, facts: IndexFacts, *, overwrite: bool) -> Change:
    """What is there, if it can be added to; else nothing."""
    collection = Collection(folder, facts, ())
    if (folder / indexfiles.MANIFEST).is_file():
        try:
            found = open_collection(folder)
            if found.facts != facts:
                own, given = found.facts, facts
                raise IndexMismatchError(
                    f"{folder} was made otherwise",
                    got=f"{own.encoder}, {own.kind}, passages of {own.passage_tokens} tokens",
                    expected=f"{given.encoder}, {given.kind}, passages of {given.passage_tokens} tokens",
                    then="choose another folder, or type --overwrite to index the notes anew",
                )
            collection = found
        except IndexMismatchError:
            if not overwrite:
                raise
    change = Change(collection)
    if not collection.segments:
        change.commit(())
    return change


def _clear(folder: Path) -> None:
    """Remove what killed processes left: segments that do not count, and unfinished files. Others' files stay."""
    listed: set[str] = set()
    if (folder / indexfiles.MANIFEST).is_file() and is_note_index(folder):
        listed = set(indexfiles.read_json(folder / indexfiles.MANIFEST)["segments"])
    for entry in folder.iterdir():
        if _LEFT_FILE.fullmatch(entry.name):
            entry.unlink(missing_ok=True)
        elif _LEFT.fullmatch(entry.name) or (_SEGMENT.fullmatch(entry.name) and entry.name not in listed):
            remove_segment(entry)


def remove_segment(folder: Path) -> None:
    """Remove a segment whose files this program wrote; others stay."""
    owned = Owned(folder, parts.LAYOUT.record(folder))
    unfinished = _LEFT.fullmatch(folder.name) is not None
    own = {name for name in parts.LAYOUT.names if unfinished or owned.holds(name)}
    remove_known(folder, own.__contains__)


class Change:
    """A note index that is being changed. What is committed stays, whatever happens next."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection

    def free_name(self) -> Path:
        """The folder of the next segment."""
        taken = [int(found[1]) for entry in self.collection.folder.iterdir() if (found := _SEGMENT.match(entry.name))]
        return self.collection.folder / f"segment-{max(taken, default=0) + 1:06d}"

    def written(self, pairs: Sequence[tuple[str, str]], digests: Sequence[str], passages: Sequence[Any]) -> Segment:
        """A new segment, which does not count before it is committed."""
        folder = self.free_name()
        sha256 = parts.write_segment(folder, pairs, digests, passages)
        return open_segment(folder, sha256, dim=self.collection.facts.dim)

    def without(self, segment: Segment, keep: NDArray[np.bool_]) -> list[Segment]:
        """A segment written anew with some of its notes; none where none is kept."""
        if not keep.any():
            return []
        pairs, passages = segment.passages(keep)
        return [self.written(pairs, segment.notes["sha256"].filter(keep).to_list(), passages)]

    def commit(self, segments: Sequence[Segment]) -> None:
        """Let these segments count, and no others; the latter are removed."""
        folder = self.collection.folder
        listed = {segment.folder.name: segment.sha256 for segment in segments}
        facts = asdict(self.collection.facts)
        value = {"format": FORMAT, "what": WHAT, "facts": facts, "segments": listed}
        text = json.dumps({**value, "sha256": sha256_of(value)}, indent=2, ensure_ascii=False) + "\n"
        atomic_text(folder / indexfiles.MANIFEST, text)
        self.collection = replace(self.collection, segments=tuple(segments))
        for entry in folder.iterdir():
            if _SEGMENT.fullmatch(entry.name) and entry.name not in listed:
                remove_segment(entry)
