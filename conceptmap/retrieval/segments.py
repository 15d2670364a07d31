"""Segments: some notes of a collection with the rows of their passages, in a folder of files that never change.

A folder appears whole or not at all, for its owner's eyes, with the checksums of all its files; rows are memory-mapped
and checked as those of a concept index are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.errors import IndexMismatchError
from conceptmap.files import PRIVATE, is_manifest
from conceptmap.index import files as indexfiles
from conceptmap.index.checks import CheckedRows
from conceptmap.index.files import CheckedFile
from conceptmap.index.manifest import digests_in, write_manifest
from conceptmap.index.rows import store_given, to_bfloat16
from conceptmap.retrieval.muvera import Muvera
from conceptmap.retrieval.passages import Passages
from conceptmap.topk import prepare

if TYPE_CHECKING:
    from conceptmap.topk.rows import Prepared

__all__ = ["LAYOUT", "Segment", "open_segment", "write_segment"]

FORMAT = 1
DTYPE = "float16"
"""Rows are stored at unit length, so that half precision moves a cosine by less than 0.001."""
ROWS, NOTES, TEXTS = "rows.safetensors", "notes.parquet", "texts.parquet"
ENCODINGS = "encodings.safetensors"
VERIFY_AT_OPENING = 1 << 30
"""Bytes: rows of at least this size are checked block by block as they are first read."""
NOTES_SCHEMA = pl.Schema({"note_id": pl.String, "sha256": pl.String})
TEXTS_SCHEMA = pl.Schema({"text": pl.String})
LAYOUT = indexfiles.FolderLayout(
    "a segment of a note index",
    frozenset({indexfiles.MANIFEST, ROWS, NOTES, TEXTS, ENCODINGS}),
    lambda folder: indexfiles.recorded(folder, is_manifest),
)
_AGAIN = "index the notes again"


@dataclass(frozen=True, eq=False)
class Segment:
    """Some notes and the rows of their passages.

    Attributes:
        folder: where it is.
        sha256: of its manifest, which holds those of its files.
        notes: ``note_id, sha256``, the latter of the text.
        vectors: memory-mapped, of unit length. *Shape:* (n_rows, dim) float16.
        norms: *Shape:* (n_rows,) float64.
        start_char, end_char: what each row stands for in its note; -1 for nothing in it. *Shape:* (n_rows,) int32.
        edges: first row of each passage, and the number of rows. *Shape:* (n_passages + 1,) int64.
        spans: of each passage in its note. *Shape:* (n_passages, 2) int32.
        note_of: place in ``notes`` of each passage's note, ascending. *Shape:* (n_passages,) int64.
        checked: the vectors with their file.
    """

    folder: Path
    sha256: str
    notes: pl.DataFrame
    vectors: NDArray[Any] = field(repr=False)
    norms: NDArray[np.float64] = field(repr=False)
    start_char: NDArray[np.int32] = field(repr=False)
    end_char: NDArray[np.int32] = field(repr=False)
    edges: NDArray[np.int64] = field(repr=False)
    spans: NDArray[np.int32] = field(repr=False)
    note_of: NDArray[np.int64] = field(repr=False)
    checked: CheckedRows = field(repr=False)

    @property
    def n_passages(self) -> int:
        """Passages of all its notes."""
        return len(self.note_of)

    @property
    def n_rows(self) -> int:
        """Rows of all its passages."""
        return len(self.vectors)

    @cached_property
    def texts(self) -> pl.Series:
        """The notes as they were indexed, checked when they are first asked for.

        Raises:
            IndexMismatchError: the file is damaged.
        """
        digests = _manifest_of(self.folder, self.sha256)
        frame = indexfiles.read_frame(self.folder / TEXTS, digests[TEXTS])
        if frame.schema != TEXTS_SCHEMA or frame.height != self.notes.height or frame["text"].null_count():
            raise _damaged(self.folder / TEXTS, "other columns or rows")
        return frame["text"]

    @cached_property
    def encodings(self) -> NDArray[np.uint16] | None:
        """One vector for each passage (`muvera.Muvera`), memory-mapped; None where a passage has one row.

        *Shape:* (n_passages, width), bit patterns of bfloat16.

        Raises:
            IndexMismatchError: the file is damaged.
        """
        digests = _manifest_of(self.folder, self.sha256)
        if ENCODINGS not in digests:
            return None
        path = self.folder / ENCODINGS
        CheckedFile(path, digests[ENCODINGS]).verify()
        kind, found, _ = indexfiles.read_tensors(path).get("encodings", ("", np.empty(0), 0))
        if (kind, found.shape) != ("BF16", (self.n_passages, Muvera(self.vectors.shape[1]).width)):
            raise _damaged(path, "other tensors")
        return found

    @cached_property
    def prepared(self) -> Prepared:
        """The rows as `conceptmap.topk` searches them."""
        return prepare(self.vectors, norms=self.norms, dtype=DTYPE, product="float32", verify=self.checked.verify)

    @cached_property
    def row_note(self) -> NDArray[np.int64]:
        """Place in ``notes`` of each row's note. *Shape:* (n_rows,) int64."""
        return np.repeat(self.note_of, np.diff(self.edges))

    def passages(self, keep: NDArray[np.bool_]) -> tuple[list[tuple[str, str]], list[Passages]]:
        """The notes that are kept, as (note_id, text), and their passages.

        Args:
            keep: a flag for each note. *Shape:* (n_notes,) bool.
        """
        self.checked.verify()
        pairs, found = [], []
        bounds = np.searchsorted(self.note_of, np.arange(self.notes.height + 1))
        for note in np.flatnonzero(keep).tolist():
            first, stop = int(bounds[note]), int(bounds[note + 1])
            rows = slice(int(self.edges[first]), int(self.edges[stop]))
            start, end = (array[rows].astype(np.int64) for array in (self.start_char, self.end_char))
            edges = self.edges[first : stop + 1] - self.edges[first]
            spans = self.spans[first:stop].astype(np.int64)
            found.append(Passages(self.vectors[rows].astype(np.float32), start, end, edges, spans))
            pairs.append((self.notes["note_id"][note], self.texts[note]))
        return pairs, found


def write_segment(
    folder: Path, pairs: Sequence[tuple[str, str]], digests: Sequence[str], passages: Sequence[Passages]
) -> str:
    """Write a segment, which appears whole or not at all.

    Args:
        folder: its name, which is free.
        pairs: the notes, (note_id, text).
        digests: sha256 of each text.
        passages: of each note; at least one of all has a passage.

    Returns:
        The sha256 of its manifest.

    Raises:
        InputError: a vector is zero, NaN or infinite; or the folder cannot be written.
        OutOfSpaceError: the disk is full.
    """
    vectors, norms = store_given(np.concatenate([one.vectors for one in passages]), DTYPE)
    sizes = [len(one.vectors) for one in passages]
    before = np.cumsum(sizes) - sizes
    edges = [one.edges[1:] + first for one, first in zip(passages, before, strict=True)]
    arrays: dict[str, NDArray[Any]] = {
        "norms": norms,
        "edges": np.concatenate([np.zeros(1, np.int64), *edges]),
        "note_of": np.repeat(np.arange(len(passages)), [len(one.spans) for one in passages]),
        "vectors": vectors,
        "spans": np.concatenate([one.spans for one in passages]).astype(np.int32),
        "start_char": np.concatenate([one.start_char for one in passages]).astype(np.int32),
        "end_char": np.concatenate([one.end_char for one in passages]).astype(np.int32),
    }
    tensors = {name: (_KINDS[name], array) for name, array in arrays.items()}
    notes = pl.DataFrame([[note_id for note_id, _ in pairs], list(digests)], schema=NOTES_SCHEMA)
    texts = pl.DataFrame([[text for _, text in pairs]], schema=TEXTS_SCHEMA)
    with indexfiles.new_folder(folder, LAYOUT, n_bytes=vectors.nbytes, access=PRIVATE) as partial:
        indexfiles.write_frame(partial / NOTES, notes)
        indexfiles.write_frame(partial / TEXTS, texts)
        indexfiles.write_tensors(partial / ROWS, tensors)
        if len(vectors) > len(arrays["note_of"]):  # one row a passage is its own encoding
            encodings = Muvera(vectors.shape[1]).passages(vectors, arrays["edges"])
            indexfiles.write_tensors(partial / ENCODINGS, {"encodings": ("BF16", to_bfloat16(encodings))})
        return write_manifest(partial, {"format": FORMAT})


def open_segment(folder: Path, sha256: str, *, dim: int) -> Segment:
    """Open a segment; its rows stay on disk, memory-mapped, and its texts are read when they are asked for.

    Args:
        folder: where it is.
        sha256: of its manifest, as the index wrote it down.
        dim: width of its rows.

    Raises:
        IndexMismatchError: missing, damaged, or not what a segment holds; the message names the file.
    """
    digests = _manifest_of(folder, sha256)
    notes = indexfiles.read_frame(folder / NOTES, digests[NOTES])
    if notes.schema != NOTES_SCHEMA or any(notes[name].null_count() for name in notes.columns):
        raise _damaged(folder / NOTES, "other columns")
    path = folder / ROWS
    file = CheckedFile(path, digests[ROWS])
    small = file.digest.bytes < VERIFY_AT_OPENING
    file.verify(0, None if small else indexfiles.BLOCK_BYTES)
    tensors = indexfiles.read_tensors(path)
    arrays = _arrays(path, file, tensors, notes.height, dim)
    rows = CheckedRows(file, tensors["vectors"][2], arrays["vectors"], arrays["norms"], DTYPE)
    if small:
        rows.verify()
    return Segment(folder, sha256, notes, **arrays, checked=rows)


_KINDS = {
    "norms": "F64",
    "edges": "I64",
    "note_of": "I64",
    "spans": "I32",
    "start_char": "I32",
    "end_char": "I32",
    "vectors": "F16",
}


def _arrays(
    path: Path, file: CheckedFile, tensors: Mapping[str, tuple[str, NDArray[Any], int]], n_notes: int, dim: int
) -> dict[str, NDArray[Any]]:
    """The tensors of a segment, checked: those beside the vectors by their bytes too."""
    if {name: kind for name, (kind, _, _) in tensors.items()} != _KINDS:
        raise _damaged(path, "other tensors")
    for name, (_, array, first) in tensors.items():
        if name != "vectors":
            file.verify(first, first + array.nbytes)
    found = {name: array for name, (_, array, _) in tensors.items()}
    n_rows, n_passages = len(found["norms"]), len(found["note_of"])
    shapes = {name: array.shape for name, array in found.items()}
    expected = {
        **dict.fromkeys(("norms", "start_char", "end_char"), (n_rows,)),
        "edges": (n_passages + 1,),
        "note_of": (n_passages,),
        "spans": (n_passages, 2),
        "vectors": (n_rows, dim),
    }
    edges, note_of = found["edges"], found["note_of"]
    if shapes != expected or not n_rows or edges[0] != 0 or edges[-1] != n_rows or int(np.diff(edges).min()) < 1:
        raise _damaged(path, "shapes that do not fit")
    if int(note_of[0]) < 0 or int(note_of[-1]) >= n_notes or (n_passages > 1 and int(np.diff(note_of).min()) < 0):
        raise _damaged(path, "a passage without its note")
    if not (np.isfinite(found["norms"]) & (found["norms"] > 0)).all():
        raise _damaged(path, "rows without a cosine")
    return found


def _manifest_of(folder: Path, sha256: str) -> dict[str, indexfiles.FileDigest]:
    """The digests that a segment's manifest holds."""
    path = folder / indexfiles.MANIFEST
    value = indexfiles.read_json(path)
    if value.get("format") != FORMAT or value.get("sha256") != sha256 or not is_manifest(value):
        raise _damaged(path, "another manifest than the index wrote down")
    try:
        digests = digests_in(value)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise _damaged(path, type(error).__name__) from error
    if missing := {ROWS, NOTES, TEXTS} - set(digests):
        raise _damaged(path, f"no {min(missing)}")
    return digests


def _damaged(path: Path, got: str) -> IndexMismatchError:
    return IndexMismatchError(f"{path} is damaged", got=got, then=_AGAIN)
