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
from numpy.typing import NDArray

from conceptmap.encoders import Dtype, EncoderLike
from conceptmap.encoders.tuned.names import encoder_named
from conceptmap.errors import InputError
from conceptmap.notes.given import NotesLike, note_pairs
from conceptmap.retrieval.allowed import EVERYTHING, Allowed, allowed_in, mentions_of
from conceptmap.retrieval.collection import Collection, open_collection
from conceptmap.retrieval.encoding import Kind, NoteEncoder, note_encoder
from conceptmap.retrieval.found_notes import Answer, FoundNotes
from conceptmap.retrieval.indexing import index_notes, remove_notes
from conceptmap.retrieval.muvera import Muvera
from conceptmap.retrieval.why import ConceptReader, Concepts, why
from conceptmap.retrieval.words import WordIndex, fused
from conceptmap.topk.maxsim import maxsim, products, rescored

__all__ = ["NoteSearch"]


WAYS, STAGES = ("vectors", "words", "both"), ("auto", "exact", "muvera")
LARGE_ROWS = 2_000_000
"""Rows above which candidates are chosen by one vector a passage."""
CANDIDATES = 800
"""Passages whose tokens are looked at then, at least."""
POOL = 100
"""Notes that each way proposes where two are fused."""


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

    def search(
        self,
        query: str = "",
        k: int = 10,
        *,
        codes: Iterable[str] = (),
        concepts: Iterable[str] = (),
        affirmed: bool = False,
        by: str = "vectors",
        stage: str = "auto",
    ) -> FoundNotes:
        """The k notes whose best passage answers the query best.

        Args:
            query: words, a sentence or a whole note.
            k: at least 1.
            codes: also codes, ``system:code`` or as a loaded index holds them: their wordings come before the query.
            concepts: notes must mention each of these codes, or a concept below it.
            affirmed: denied mentions do not count for ``concepts``, and their tokens take no part in the score.
            by: ``vectors``; ``words`` (BM25 of passages); or ``both``, ranks fused (`words.fused`).
            stage: how candidates are chosen: ``exact`` looks at every token, ``muvera`` at one vector a passage and
                then at the tokens of the best 800; ``auto`` is the latter in indexes of over two million rows.

        Raises:
            InputError: the query has no word and no code, k is below 1, an unknown way or stage, or codes or concepts
                without a `mapper`.
            UnknownCodeError: no index holds a code.
            MissingExtraError: words without the extra ``retrieval``.
        """
        if k < 1:
            raise InputError("k must be at least 1", got=k)
        if by not in WAYS or stage not in STAGES:
            raise InputError("no such way to search", got=f"{by!r}, {stage!r}", expected=", ".join((*WAYS, *STAGES)))
        query, asked = self._worded(query, codes)
        tokens = self.encoder.query(query)
        allowed = self._allowed(tuple(concepts), affirmed=affirmed)
        many = max(k, POOL) if by == "both" else k
        near = [] if by == "words" else self._by_vectors(tokens.vectors, many, allowed, stage)
        worded = [] if by == "vectors" else self._by_words(query, tokens.vectors, many, allowed)
        if by != "both":
            return FoundNotes(query, tokens, tuple((near or worded)[:k]), asked)
        held = {one.note_id: one for one in [*worded, *near]}
        scored = {one.note_id: one.words for one in worded}
        ranks = fused([[one.note_id for one in ranking] for ranking in (near, worded)])
        both = [replace(held[one], words=scored.get(one), fused=score) for one, score in list(ranks.items())[:k]]
        return FoundNotes(query, tokens, tuple(both), asked)

    def _by_vectors(self, tokens: NDArray[np.float32], k: int, allowed: Sequence[Allowed], stage: str) -> list[Answer]:
        """The k best notes by MaxSim."""
        own = self.collection
        large = stage == "muvera" or (stage == "auto" and own.n_rows > LARGE_ROWS)
        staged = _candidates(own, tokens, max(CANDIDATES, 20 * k), allowed) if large else None
        answers = list[Answer]()
        for at, (segment, here) in enumerate(zip(own.segments, allowed, strict=True)):
            passages = here.passages if staged is None else staged[at]
            if passages is not None and not passages.any():
                continue
            groups = segment.note_of
            best = maxsim(tokens, segment.prepared, segment.edges, k, mask=here.rows, passages=passages, groups=groups)
            answers += Answer.each(own, at, best)
        return sorted(answers)[:k]

    def _by_words(self, query: str, tokens: NDArray[np.float32], k: int, allowed: Sequence[Allowed]) -> list[Answer]:
        """The k best notes by BM25 of their best passage, with its MaxSim."""
        own, scores = self.collection, self.words.scores(query)
        best: dict[str, tuple[int, int, float]] = {}
        places = np.repeat(np.arange(len(own.segments)), [segment.n_passages for segment in own.segments])
        firsts = np.cumsum([0, *(segment.n_passages for segment in own.segments)])
        for place in np.argsort(-scores, kind="stable"):
            if scores[place] <= 0 or len(best) == k:
                break
            at, passage = int(places[place]), int(place - firsts[places[place]])
            here = allowed[at].passages
            if here is None or here[passage]:
                note_id = own.segments[at].notes["note_id"][int(own.segments[at].note_of[passage])]
                best.setdefault(note_id, (at, passage, float(scores[place])))
        answers = list[Answer]()
        for at, passage, score in best.values():
            segment = own.segments[at]
            chosen = np.array([passage])
            scored = rescored(tokens, segment.prepared, segment.edges, chosen, mask=allowed[at].rows)
            answers += [replace(one, words=score) for one in Answer.each(own, at, scored)]
        return answers

    def _allowed(self, concepts: Sequence[str], *, affirmed: bool) -> list[Allowed]:
        """What of each segment may answer."""
        if not concepts and not affirmed:
            return [EVERYTHING] * len(self.collection.segments)
        return allowed_in(self.collection, self._mentions, self.concepts, codes=concepts, affirmed=affirmed)

    @cached_property
    def _mentions(self) -> list[pl.DataFrame]:
        return mentions_of(self.collection, self.concepts)

    @cached_property
    def words(self) -> WordIndex:
        """BM25 over the passages, made when it is first asked."""
        passages = (
            text[start:end]
            for segment in self.collection.segments
            for text, (start, end) in zip(segment.texts.gather(segment.note_of), segment.spans.tolist(), strict=True)
        )
        return WordIndex(passages)

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


def _candidates(
    collection: Collection, tokens: NDArray[np.float32], n: int, allowed: Sequence[Allowed]
) -> list[NDArray[np.bool_]] | None:
    """Of each segment the passages whose encodings are among the n nearest to the query's; None without encodings."""
    encodings = [segment.encodings for segment in collection.segments]
    known = [one for one in encodings if one is not None]
    if len(known) < len(encodings) or not known:
        return None
    query = Muvera(collection.facts.dim).query(tokens)
    scores = [products(query, one) for one in known]
    for found, here in zip(scores, allowed, strict=True):
        if here.passages is not None:
            found[~here.passages] = -np.inf
    together = np.concatenate(scores)
    level = np.partition(together, len(together) - n)[len(together) - n] if len(together) > n else -np.inf
    return [(found >= level) & (found > -np.inf) for found in scores]
