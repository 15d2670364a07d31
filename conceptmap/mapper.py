"""READ FIRST. ConceptMapper: text → tags → mentions → codes.

``annotate_many`` is the main path, top to bottom; the modules that it calls hold the details.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import polars as pl

from conceptmap.adapters import Adapter
from conceptmap.annotated.note import AnnotatedNote
from conceptmap.annotated.notes_read import notes_read, rows_of_spans
from conceptmap.annotated.results import Results
from conceptmap.annotated.views import readable
from conceptmap.coding.coding import CodedNote, check_include
from conceptmap.coding.instructions import Instructions
from conceptmap.coding.reporting.setting import check_setting
from conceptmap.encoders import Dtype, EncoderLike, TokenEmbeddings, TokenEncoder, load_encoder
from conceptmap.encoders.embeddings import Vectors
from conceptmap.errors import InputError, check_not_forked
from conceptmap.frames import ANNOTATIONS, CODES, LOOKED_UP, NEAREST, SPANS, TAGS, frame_of
from conceptmap.index.embedded import EMBEDDED, opened_index
from conceptmap.index.index import ConceptIndex
from conceptmap.learned.code_adapter import CodeAdapter
from conceptmap.learned.opened import AnyAdapter, check_include_learned, opened_adapters
from conceptmap.learning.fit_codes import fitted_codes, patients_of
from conceptmap.learning.learn_codes import CodeSettings
from conceptmap.linking.alignment import align
from conceptmap.linking.linker import Linker
from conceptmap.linking.lookup import lookup_rows
from conceptmap.linking.nearest import as_tokens, nearest_rows
from conceptmap.notes.given import Batches, NotesLike, as_given, batches, frame_given, n_given, note_pairs, spans_asked
from conceptmap.ontology.crosswalk import Crosswalk
from conceptmap.ontology.scope import Scope
from conceptmap.ontology.search import check_query
from conceptmap.progress import with_bar
from conceptmap.reading import Reading, annotation_rows, candidate_rows, code_rows, coded, tag_rows
from conceptmap.situations.situations import Situations
from conceptmap.topk import check_device, chosen_device

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrame

__all__ = ["AnnotatedNote", "ConceptMapper", "Results"]


@dataclass(frozen=True, eq=False)
class ConceptMapper:
    """Indexes and the encoder that reads notes for them. Make one with ``load``; it may be shared by threads.

    Attributes:
        indexes: one for each system.
        encoder: None where only lexical evidence is wanted.
        adapters: at most one for each system.
        scope: which concepts are wanted; None for all.
        codes_by_words: `code` leaves the encoder aside.
        code_adapters: what coded notes taught; at most one for each system.
    """

    indexes: tuple[ConceptIndex, ...]
    encoder: TokenEncoder | None
    adapters: tuple[Adapter, ...] = ()
    scope: Scope | None = None
    codes_by_words: bool = False
    code_adapters: tuple[CodeAdapter, ...] = ()

    @classmethod
    def load(
        cls,
        *indexes: str | Path | ConceptIndex,
        encoder: str | Path | EncoderLike | None = "embedded",
        adapter: AnyAdapter | Sequence[AnyAdapter] = (),
        device: str = "cpu",
        dtype: Dtype = "auto",
        scope: Scope | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> ConceptMapper:
        """Load indexes and their encoder.

        As loaded by default (the embedded encoder, ICD-10-CM, nothing else named) `code` goes by words alone: vectors
        make few of these codes more exact and take most of the time. Everything else uses them.

        Args:
            indexes: ``"icd10cm"`` (the embedded release, built on first use), index folders, or opened indexes; by
                default ``"icd10cm"``.
            encoder: ``"embedded"``, a folder, a hub name, or what `load_encoder` takes; None for words alone.
            adapter: what ``conceptmap adapt`` made for this encoder and one of the indexes; or several, one an index.
            device: where the encoder runs; with ``"cuda"``, ``"cuda:N"`` or ``"cuda:all"`` search runs there too;
                ``"auto"`` is ``"cuda"`` where there is a device.
            dtype: what its weights are computed in.
            scope: the concepts that mentions, tags and codes may name; by default all, and of systems with semantic
                types note codes are disorders, findings, procedures, situations and events.
            progress: called with the tokens done and their total while an index is built.

        Raises:
            IndexMismatchError: an index was built with another encoder, or an adapter belongs to others.
            ModelError: the encoder cannot be loaded.
            UnknownCodeError: the scope names codes that no index holds.
            InputError: a type of the scope that no index has, no CUDA device or driver, or no CuPy (the message says
                how to install it); a forked process.

        >>> mapper = ConceptMapper.load("icd10cm", encoder=None)
        >>> notes = pl.DataFrame({"note_id": ["1"], "text": ["Old man with type 2 diabetes. No fever."]})
        >>> mapper.code(notes)["code"].to_list()
        ['E11.9']
        """
        check_not_forked()
        usual = all(isinstance(one, str) and one == EMBEDDED for one in indexes) and not adapter
        usual = usual and isinstance(encoder, str) and (encoder, device, dtype) == ("embedded", "cpu", "auto")
        device = chosen_device(device)
        searched_on = device if device.startswith("cuda") else "cpu"
        check_device(searched_on)
        reader = None if encoder is None else load_encoder(encoder, device=device.removesuffix(":all"), dtype=dtype)
        found = (opened_index(source, reader, progress) for source in indexes or (EMBEDDED,))
        opened = tuple(index if searched_on == index.device else index.on(searched_on) for index in found)
        if scope:
            scope.check([index.ontology() for index in opened])
        of_mentions, of_codes = opened_adapters(adapter, opened, reader)
        return cls(opened, reader, of_mentions, scope, usual, of_codes)

    @cached_property
    def linkers(self) -> tuple[Linker, ...]:
        """One for each index."""
        adapters = {adapter.made_for.system: adapter for adapter in self.adapters}
        return tuple(Linker(index, adapters.get(index.system), self.scope) for index in self.indexes)

    @cached_property
    def _learned(self) -> dict[str, CodeAdapter]:
        return {adapter.made_for.system: adapter for adapter in self.code_adapters}

    @cached_property
    def instructions(self) -> tuple[Instructions | None, ...]:
        """The coding instructions of each index's release, where it has any."""
        return tuple(
            None if linker.index.remarks is None else Instructions(linker.index.remarks, linker.book)
            for linker in self.linkers
        )

    def __repr__(self) -> str:
        indexes = ", ".join(f"{one.system} {one.release} ({one.concepts.height:,} concepts)" for one in self.indexes)
        adapters = f", {len(self.adapters)} adapters" if self.adapters else ""
        return f"ConceptMapper({indexes}; encoder {self._encoder_name}{adapters})"

    # -- the main path --------------------------------------------------------------------------------------------

    def annotate_many(
        self,
        notes: NotesLike,
        *,
        tags: bool | int = False,
        candidates: int = 0,
        include: Iterable[str] = (),
        setting: str | None = None,
    ) -> Results:
        """Annotate and code notes.

        Args:
            notes: a dataframe with note_id and text, texts, pairs, dicts …: see `notes.given.NotesLike`.
            tags: also the concepts of every token: True for 5 each, or how many.
            candidates: also this many ranked codes for each note, accepted or not.
            include: what codes besides what is affirmed of the patient: see ``coding.INCLUDES``.
            setting: of all notes: inpatient, visit or report; by default what each note shows.

        Raises:
            InputError: these are no notes, ``include`` names what cannot be included, or there is no such setting.
        """
        check_setting(setting)
        asked, k = self.asked(include), 5 if tags is True else int(tags)
        return self._results(self._read(batches(note_pairs(notes)), for_tags=k > 0), asked, setting, k, candidates)

    def _results(
        self, readings: Iterable[Reading], asked: frozenset[str], setting: str | None, k: int, candidates: int = 0
    ) -> Results:
        """What is found in notes as frames, with k tags a token."""
        rows: dict[str, list[tuple[Any, ...]]] = {"mentions": [], "codes": [], "tags": [], "candidates": []}
        for reading in readings:
            rows["mentions"] += annotation_rows(reading, self.linkers, self._encoder_name)
            accepted = self.coded(reading, asked, setting)
            rows["codes"] += code_rows(reading, self.linkers, accepted)
            if candidates:
                rows["candidates"] += candidate_rows(reading, self.linkers, accepted, asked, candidates)
            if k:
                rows["tags"] += tag_rows(reading, self.linkers, k)
        schemas = {"mentions": ANNOTATIONS, "codes": CODES, "tags": TAGS, "candidates": CODES}
        return Results(**{name: frame_of(rows[name], schema) for name, schema in schemas.items()})

    def asked(self, include: Iterable[str]) -> frozenset[str]:
        """What is to be included.

        Raises:
            InputError: there is no such thing, or coders decided what is.
        """
        check_include_learned(include, self.code_adapters)
        return check_include(include)

    def coded(self, reading: Reading, include: frozenset[str], setting: str | None = None) -> list[CodedNote]:
        """The codes of a note that was read, for each index."""
        return coded(reading, self.linkers, self.instructions, include, setting, learned=self._learned)

    def readings(self, notes: NotesLike, *, every_token: bool = False) -> Iterator[Reading]:
        """What is found in notes, before it becomes rows; with the vectors of mentions alone, or of every token."""
        return self._read(batches(note_pairs(notes)), for_tags=every_token)

    def _read(self, given: Batches, *, for_tags: bool) -> Iterator[Reading]:
        """Everything that a note goes through before it becomes rows."""
        every_token = for_tags or (self.encoder is not None and bool(self.code_adapters))  # these look at all words
        return notes_read(given, self.linkers, self.encoder, for_tags=every_token)

    @property
    def _encoder_name(self) -> str:
        return "none" if self.encoder is None else self.encoder.name

    # -- one note after another, one table ------------------------------------------------------------------------

    def pipe(
        self,
        notes: NotesLike,
        *,
        batch_size: int = 32,
        k: int = 5,
        include: Iterable[str] = (),
        setting: str | None = None,
        progress: bool = False,
    ) -> Iterator[AnnotatedNote]:
        """Annotate notes one after another, in bounded memory; a generator is never read further than two batches.

        Args:
            notes: a dataframe with note_id and text, texts, pairs, dicts …: see `notes.given.NotesLike`.
            batch_size: most notes that are encoded together.
            k: concepts for each token; 0 for none, which is faster.
            include: see `annotate_many`.
            setting: see `annotate_many`.
            progress: show a bar on stderr.

        Raises:
            InputError: these are no notes, or as in `annotate_many`.
        """
        check_setting(setting)
        if batch_size < 1:
            raise InputError("batch_size must be at least 1", got=batch_size)
        asked, k = self.asked(include), k if self.encoder is not None else 0
        pairs = note_pairs(notes)
        pairs = with_bar(pairs, unit="note", total=n_given(notes)) if progress else pairs
        return self._annotated(pairs, batch_size, asked, setting, k)

    def _annotated(
        self, pairs: Iterable[tuple[str, str]], size: int, asked: frozenset[str], setting: str | None, k: int
    ) -> Iterator[AnnotatedNote]:
        for reading in self._read(batches(pairs, notes=size), for_tags=k > 0):
            found = self._results([reading], asked, setting, k)
            tags, mentions, codes = map(readable, (found.tags, found.mentions, found.codes))
            yield AnnotatedNote(reading.note_id, reading.page.view.original, tags, mentions, codes, self.path)

    def annotate(self, text: str, *, note_id: str | int = "note", k: int = 5) -> AnnotatedNote:
        """One note with its tags, mentions and codes."""
        return next(self.pipe([(note_id, text)], k=k))

    def tag(self, text: str, *, k: int = 5) -> pl.DataFrame:
        """The k best concepts of every token (of every word, by the dictionary alone, without an encoder).

        Returns:
            Columns of ``frames.TAGS``. The tokens of a mention have the mention's concepts: `nearest` has their own.
        """
        readings = self._read(batches(note_pairs([("note", text)])), for_tags=self.encoder is not None)
        return readable(frame_of([row for one in readings for row in tag_rows(one, self.linkers, k)], TAGS))

    def nearest(self, given: str | TokenEmbeddings | Vectors, *, k: int = 5) -> pl.DataFrame:
        """The k nearest concepts of every token by itself, wherever it stands: `tag` shows a mention's inside mentions.

        Args:
            given: a text, tokens of the encoder, or vectors. *Shape:* (n, dim).
            k: concepts for each token.

        Returns:
            Schema ``frames.NEAREST``, best first; ``score`` is the cosine.

        Raises:
            InputError: a text without an encoder, or these are no vectors.
        """
        check_not_forked()
        tokens = as_tokens(given, self.encoder)
        return frame_of(list(nearest_rows(tokens, self.linkers, k)), NEAREST)

    @overload
    def code(self, notes: pl.DataFrame, *, include: Iterable[str] = (), setting: str | None = None) -> pl.DataFrame: ...

    @overload
    def code(self, notes: NotesLike, *, include: Iterable[str] = (), setting: str | None = None) -> Any: ...  # noqa: ANN401

    def code(self, notes: NotesLike, *, include: Iterable[str] = (), setting: str | None = None) -> Any:
        """The codes of every note, schema ``frames.CODES``, in the library of the notes: see `annotate_many`.

        Of a mapper that is loaded by default they are found by words alone; those of `annotate_many` have the encoder.
        """
        return as_given(self._coder.annotate_many(notes, include=include, setting=setting).codes, notes)

    @cached_property
    def _coder(self) -> ConceptMapper:
        """What `code` uses: this mapper, or where codes go by words alone the same without its encoder."""
        if not self.codes_by_words:
            return self
        by_words = replace(self, encoder=None, codes_by_words=False)
        vars(by_words)["linkers"], vars(by_words)["instructions"] = self.linkers, self.instructions  # made once
        return by_words

    def fit(self, notes: NotesLike, codes: IntoDataFrame, settings: CodeSettings | None = None) -> ConceptMapper:
        """Learn which codes the coders of notes give; the mapper that gives such codes, its adapter in `code_adapters`.

        Args:
            notes: as in `annotate_many`; in a dataframe ``person_id`` says whose note each is.
            codes: a dataframe with note_id and code, a row per code that a coder gave; evidence, where it has that
                column, is the words of the note that the coder marked for it.
            settings: how to learn.

        Raises:
            InputError: several indexes, other adapters, too little to learn from, or no LightGBM where it is asked for.
        """
        check_not_forked()
        bare, asked = replace(self._coder, code_adapters=()), settings or CodeSettings()
        read, whose = bare.readings(notes, every_token=bare.encoder is not None), patients_of(notes)
        parts = bare.linkers, bare.instructions, codes, asked
        adapter = fitted_codes(read, *parts, encoder=bare.encoder, patients=whose)
        return replace(bare, code_adapters=(adapter,))

    def search_codes(self, query: str, *, k: int = 10) -> pl.DataFrame:
        """Codes by the words of their names and synonyms, and by vectors where there is an encoder: for people.

        Args:
            query: words in any order, or a code.
            k: most codes of each index.

        Returns:
            Schema ``frames.LOOKED_UP``, best first in each index.
        """
        check_not_forked()
        vector = None if self.encoder is None else self.encoder.terms([check_query(query)])
        rows = [row for one in self.linkers for row in lookup_rows(one, check_query(query), vector, k)]
        return frame_of(rows, LOOKED_UP)

    @cached_property
    def crosswalk(self) -> Crosswalk:
        """What the maps and cross-references of the indexes join."""
        return Crosswalk.of(index.ontology() for index in self.indexes)

    def align(self, found: IntoDataFrame) -> Any:  # noqa: ANN401 - as what was found
        """The systems side by side, a row per mention or token, and whether they agree: see `linking/alignment.py`.

        Args:
            found: mentions or tags that this mapper gave, in any library's frame, which is the answer's too.
        """
        return as_given(align(frame_given(found, {}, what="the rows"), self.crosswalk), found)

    @cached_property
    def _situations(self) -> Situations:
        return Situations.of(self.crosswalk.ontologies.values())

    def situations(self, found: IntoDataFrame, *, nearest: bool = False) -> Any:  # noqa: ANN401 - as what was found
        """Mentions with what is said of them as one concept, schema ``frames.SITUATIONS``: see `conceptmap/situations`.

        Args:
            found: mentions that this mapper gave, in any library's frame, which is the answer's too.
            nearest: also situations of concepts above, where the mention's own has none; ``of_code`` says of which.
        """
        return as_given(self._situations.rows(frame_given(found, {}, what="the rows"), nearest=nearest), found)

    def path(self, system: str, code: str) -> list[tuple[str, str]]:
        """The way from the root of the hierarchy down to a code, itself last: (code, name) each."""
        for linker in self.linkers:
            if linker.index.system == system and code in linker.book.position_of_code:
                at = linker.book.position_of_code[code]
                return [(linker.book.codes[i], linker.book.names[i]) for i in (*linker.book.path(at), at)]
        raise InputError("no such code in the loaded indexes", got=f"{system}:{code}")

    def spans(self, notes: NotesLike, spans: IntoDataFrame, *, k: int = 20) -> Any:  # noqa: ANN401 - as the notes
        """Rank concepts for given spans: schema ``frames.SPANS``, in the library of the notes.

        Args:
            notes: as in `annotate_many`.
            spans: a dataframe with note_id, start_char, end_char.
            k: candidates for each span.

        Raises:
            InputError: a span of an unknown note, or outside its note.
        """
        check_not_forked()
        known, asked = spans_asked(notes, spans)
        return as_given(frame_of(list(rows_of_spans(known, asked, self.linkers, self.encoder, k)), SPANS), notes)
