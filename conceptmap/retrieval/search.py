"""READ FIRST in this folder. NoteSearch: notes → kept passages → exact MaxSim → notes, each with its best passage."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from conceptmap.encoders import Dtype, EncoderLike
from conceptmap.errors import InputError
from conceptmap.notes.given import NotesLike, note_pairs
from conceptmap.retrieval.collection import Collection, open_collection
from conceptmap.retrieval.encoding import Kind, NoteEncoder, encoder_named, note_encoder
from conceptmap.retrieval.found_notes import Answer, FoundNotes
from conceptmap.retrieval.indexing import index_notes, remove_notes
from conceptmap.retrieval.why import ConceptReader, Concepts, why
from conceptmap.topk.maxsim import maxsim, rescored

__all__ = ["NoteSearch"]


class _Temporary:
    """A folder for its owner's eyes that goes when nobody uses it any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="conceptmap-notes-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class NoteSearch:
    """A note index and the encoder that made it. Make one with `index` or `open`.

    >>> notes = {"a": "Fever since Monday. No cough.", "b": "Fracture of the left femur after a fall."}
    >>> search = NoteSearch.index(notes)
    >>> found = search.search("broken thigh bone", k=1)
    >>> found.hits["note_id"].to_list(), found.hits["passage"].to_list()
    (['b'], ['Fracture of the left femur after a fall.'])

    Attributes:
        collection: the opened index.
        encoder: what reads queries.
        mapper: what finds concepts in them and in notes, a `ConceptMapper`; None where nobody asks for these.
    """

    collection: Collection
    encoder: NoteEncoder
    mapper: ConceptReader | None = field(default=None, repr=False)
    _kept: object = field(default=None, repr=False)

    def __repr__(self) -> str:
        own = self.collection
        what = f"{own.n_notes:,} notes, {own.n_passages:,} passages, {own.n_rows:,} rows x {own.facts.dim}"
        return f"NoteSearch({what}; {own.facts.kind} of {own.facts.encoder})"

    @classmethod
    def index(
        cls,
        notes: NotesLike,
        folder: str | Path | None = None,
        *,
        encoder: str | Path | EncoderLike | NoteEncoder = "embedded",
        vectors: Kind = "auto",
        passage_tokens: int | None = None,
        device: str = "cpu",
        dtype: Dtype = "auto",
        mapper: ConceptReader | None = None,
        keep_others: bool = False,
        overwrite: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> NoteSearch:
        """Index notes, or bring an index up to date: what it holds already is not encoded again.

        A process that is killed has kept all but the last half minute of its work; type the same again.

        Args:
            notes: a dataframe with note_id and text, texts, pairs, dicts …: see `notes.given.NotesLike`. A note without
                a word is left out.
            folder: where the index is kept, with the notes' texts, for its owner's eyes; None for one that goes when
                nobody uses it any more.
            encoder: as `load_encoder` takes it, or a late-interaction folder (ColBERT, PyLate).
            vectors: ``projected`` (a late-interaction folder's own), ``tokens`` (the encoder's token vectors) or
                ``passages`` (one sentence vector for each passage); ``auto`` is the first that there is.
            passage_tokens: most tokens of a passage; 128 by default, or what the model reads at once.
            device: where the encoder runs.
            dtype: what its weights are computed in.
            mapper: finds the concepts of queries and notes, for codes as queries and for `why`.
            keep_others: keep notes of the index that are not among these.
            overwrite: give up an index of another encoder, or a damaged one.
            progress: called with the notes gone through.

        Raises:
            InputError: these are no notes, two have one id, or the folder holds something else.
            IndexMismatchError: an index that is damaged or of another encoder.
            ModelError: the encoder cannot be loaded.
            OutOfSpaceError: the disk is full.
        """
        pairs = note_pairs(notes)
        reader = note_encoder(encoder, vectors, device=device, dtype=dtype, passage_tokens=passage_tokens)
        kept = _Temporary() if folder is None else None
        target = Path(folder) if folder is not None else kept.path if kept else Path()
        made = index_notes(pairs, target, reader, keep_others=keep_others, overwrite=overwrite, progress=progress)
        return cls(made, reader, mapper, kept)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        encoder: str | Path | EncoderLike | NoteEncoder | None = None,
        device: str = "cpu",
        dtype: Dtype = "auto",
        mapper: ConceptReader | None = None,
    ) -> NoteSearch:
        """Open a note index; its rows stay on disk, memory-mapped.

        Args:
            folder: where it is.
            encoder: that of the index; None loads it by the name that the index wrote down.
            device: where queries are encoded.
            dtype: what the encoder's weights are computed in.
            mapper: as in `index`.

        Raises:
            IndexMismatchError: no index, a damaged one, or one of another encoder.
            ModelError: the encoder cannot be loaded.
        """
        own = open_collection(Path(folder))
        reader = note_encoder(
            encoder_named(own.facts.encoder) if encoder is None else encoder,
            own.facts.kind,  # type: ignore[arg-type]
            device=device,
            dtype=dtype,
            passage_tokens=own.facts.passage_tokens,
        )
        own.check_encoder(reader)
        return cls(own, reader, mapper)

    def search(self, query: str = "", k: int = 10, *, codes: Iterable[str] = ()) -> FoundNotes:
        """The k notes whose best passage answers the query best.

        Args:
            query: words, a sentence or a whole note.
            k: at least 1.
            codes: also codes, ``system:code`` or as a loaded index holds them: their wordings come before the query.

        Raises:
            InputError: the query has no word and no code, k is below 1, or codes without a `mapper`.
            UnknownCodeError: no index holds a code.
        """
        if k < 1:
            raise InputError("k must be at least 1", got=k)
        query, asked = self._worded(query, codes)
        tokens = self.encoder.query(query)
        answers = list[Answer]()
        for at, segment in enumerate(self.collection.segments):
            best = maxsim(tokens.vectors, segment.prepared, segment.edges, k, groups=segment.note_of)
            answers += Answer.each(self.collection, at, best)
        return FoundNotes(query, tokens, tuple(sorted(answers)[:k]), asked)

    def rerank(
        self, query: str, note_ids: Iterable[str], k: int | None = None, *, codes: Iterable[str] = ()
    ) -> FoundNotes:
        """The given notes in the order of MaxSim, the best k of them.

        Args:
            query: as in `search`.
            note_ids: candidates, of another search say; in any order.
            k: all of them by default.
            codes: as in `search`.

        Raises:
            InputError: the index does not hold one of them, or as `search`.
        """
        query, asked = self._worded(query, codes)
        tokens = self.encoder.query(query)
        answers = list[Answer]()
        for at, notes in self._places(note_ids).items():
            segment = self.collection.segments[at]
            bounds = np.searchsorted(segment.note_of, np.array([notes, [note + 1 for note in notes]]))
            chosen = np.concatenate([np.arange(first, stop) for first, stop in bounds.T.tolist()])
            scored = rescored(tokens.vectors, segment.prepared, segment.edges, chosen)
            firsts = np.unique(segment.note_of[scored.passages], return_index=True)[1]
            answers += Answer.each(self.collection, at, scored.at(firsts))
        return FoundNotes(query, tokens, tuple(sorted(answers)[:k]), asked)

    def why(self, found: FoundNotes, rank: int | None = None) -> pl.DataFrame:
        """Why notes were found: for each token of the query the note's best token, and the concepts of both.

        Args:
            found: what `search` or `rerank` gave.
            rank: of one note, from 1; None for all.

        Returns:
            Schema ``retrieval.why.WHY``; the scores of a note add up to its score.

        Raises:
            InputError: there is no `mapper`, or no such rank.
        """
        return why(found, self.concepts, rank=rank)

    @cached_property
    def concepts(self) -> Concepts:
        """The concepts of texts.

        Raises:
            InputError: there is no `mapper`.
        """
        if self.mapper is None:
            raise InputError("there is no mapper to find concepts with", then="give mapper=ConceptMapper.load()")
        return Concepts(self.mapper)

    def remove(self, note_ids: Iterable[str]) -> NoteSearch:
        """The index without these notes and all that it held of them; it is changed on disk.

        Raises:
            InputError: the index does not hold one of them.
        """
        return replace(self, collection=remove_notes(note_ids, self.collection.folder, self.collection.facts))

    def _worded(self, query: str, codes: Iterable[str]) -> tuple[str, tuple[tuple[tuple[int, int], str], ...]]:
        """The query with the wordings of codes before it, and where these stand."""
        worded, asked = "", []
        for code in codes:
            wording = self.concepts.wording(code)
            asked.append(((len(worded), len(worded) + len(wording)), ":".join(self.concepts.resolved(code))))
            worded += f"{wording}, "
        return (worded + query if query.strip() else worded.removesuffix(", ")), tuple(asked)

    def _places(self, note_ids: Iterable[str]) -> dict[int, Sequence[int]]:
        """Places of notes in each segment.

        Raises:
            InputError: one is not there.
        """
        wanted = sorted(set(note_ids))
        known = self.collection.places
        if unknown := [note_id for note_id in wanted if note_id not in known]:
            raise InputError(f"{len(unknown):,} of these notes are not in the index", then="index them first")
        found: dict[int, list[int]] = {}
        for at, place in sorted(known[note_id] for note_id in wanted):
            found.setdefault(at, []).append(place)
        return dict(found)
