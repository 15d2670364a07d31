"""READ FIRST. ConceptMapper: text → tags → mentions → codes.

``annotate_many`` is the main path, top to bottom; the modules that it calls hold the details.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from conceptmap.adapters import Adapter, open_adapter
from conceptmap.adapters.compatibility import check_adapter, check_encoder
from conceptmap.coding.coding import check_include
from conceptmap.coding.instructions import Instructions
from conceptmap.coding.reporting.setting import check_setting
from conceptmap.encoders import Dtype, Spans, TokenEmbeddings, TokenEncoder, load_encoder
from conceptmap.errors import InputError, check_not_forked, said_columns
from conceptmap.frames import ANNOTATIONS, CODES, SPANS, TAGS, frame_of
from conceptmap.index.embedded import EMBEDDED, embedded_index
from conceptmap.index.index import ConceptIndex
from conceptmap.linking.alignment import align
from conceptmap.linking.linker import Expand, Linker, Spotted
from conceptmap.linking.ranking import Ranked, rank_spans
from conceptmap.matching.content import Content, content_words
from conceptmap.matching.mentions import Mention
from conceptmap.matching.vocabulary import abbreviations
from conceptmap.ontology.crosswalk import Crosswalk
from conceptmap.reading import Reading, annotation_rows, by_sections, candidate_rows, code_rows, coded, tag_rows
from conceptmap.text.abbreviations import Abbreviation, ShortForms
from conceptmap.text.context import assess
from conceptmap.text.page import Page
from conceptmap.text.view import all_seen
from conceptmap.text.words import Words
from conceptmap.topk import check_device, chosen_device

__all__ = ["AnnotatedNote", "ConceptMapper", "Results"]

BATCH_CHARS = 100_000
"""Notes are encoded together up to this many characters."""


@dataclass(frozen=True)
class Results:
    """What a batch of notes gave.

    Attributes:
        mentions: schema ``frames.ANNOTATIONS``.
        codes: schema ``frames.CODES``.
        tags: schema ``frames.TAGS``; empty when not asked for.
        candidates: schema ``frames.CODES``; empty when not asked for.
    """

    mentions: pl.DataFrame
    codes: pl.DataFrame
    tags: pl.DataFrame
    candidates: pl.DataFrame


@dataclass(frozen=True, eq=False)
class AnnotatedNote:
    """One note with its tags, mentions and codes; shows itself as a page in a notebook.

    Attributes:
        note_id: as given.
        text: as given.
        tags: schema ``frames.TAGS``.
        mentions: schema ``frames.ANNOTATIONS``.
        codes: schema ``frames.CODES``.
        path: for a system and a code its path from the root, (code, name) each.
    """

    note_id: str
    text: str
    tags: pl.DataFrame
    mentions: pl.DataFrame
    codes: pl.DataFrame
    path: Callable[[str, str], list[tuple[str, str]]]

    def __repr__(self) -> str:
        found = self.mentions.filter(pl.col("rank") == 1).height
        size = f"{len(self.text):,} characters, {found} mentions, {self.codes.height} codes"
        return f"AnnotatedNote({self.note_id!r}, {size})"

    def _repr_html_(self) -> str:
        from conceptmap.export.html import note_frame
        from conceptmap.export.paths import paths_of

        return note_frame(self, path=paths_of(self.path))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Notes after the first pass: their words, and for each linker what it spotted in each."""

    note_ids: list[str]
    pages: list[Page]
    contents: list[Content]
    spotted: list[list[Spotted]]

    @property
    def texts(self) -> list[str]:
        """What is read of each note."""
        return [page.text for page in self.pages]

    @property
    def spans(self) -> list[Spans]:
        """For each note where vectors are asked for."""
        return [[span for one in note for span in one.spans] for note in zip(*self.spotted, strict=True)]


@dataclass(frozen=True, eq=False)
class ConceptMapper:
    """Indexes and the encoder that reads notes for them. Make one with ``load``; it may be shared by threads.

    Attributes:
        indexes: one for each system.
        encoder: None where only lexical evidence is wanted.
        adapters: at most one for each system.
    """

    indexes: tuple[ConceptIndex, ...]
    encoder: TokenEncoder | None
    adapters: tuple[Adapter, ...] = ()

    @classmethod
    def load(
        cls,
        *indexes: str | Path | ConceptIndex,
        encoder: str | Path | TokenEncoder | None = "embedded",
        adapter: str | Path | Adapter | Sequence[str | Path | Adapter] = (),
        device: str = "cpu",
        dtype: Dtype = "auto",
        progress: Callable[[int, int], None] | None = None,
    ) -> ConceptMapper:
        """Load indexes and their encoder.

        Args:
            indexes: ``"icd10cm"`` (the embedded release, built on first use), index folders, or opened indexes; by
                default ``"icd10cm"``.
            encoder: ``"embedded"``, a folder, a hub name or a loaded encoder; None for lexical evidence alone.
            adapter: what ``conceptmap adapt`` made for this encoder and one of the indexes; or several, one an index.
            device: where the encoder runs; with ``"cuda"``, ``"cuda:N"`` or ``"cuda:all"`` search runs there too;
                ``"auto"`` is ``"cuda"`` where there is a device.
            dtype: what its weights are computed in.
            progress: called with the tokens done and their total while an index is built.

        Raises:
            IndexMismatchError: an index was built with another encoder, or an adapter belongs to others.
            ModelError: the encoder cannot be loaded.
            InputError: no CUDA device or driver, or no CuPy (the message says how to install it); a forked process.

        >>> mapper = ConceptMapper.load("icd10cm", encoder=None)
        >>> notes = pl.DataFrame({"note_id": ["1"], "text": ["Old man with type 2 diabetes. No fever."]})
        >>> mapper.code(notes)["code"].to_list()
        ['E11.9']
        """
        check_not_forked()
        device = chosen_device(device)
        searched_on = device if device.startswith("cuda") else "cpu"
        check_device(searched_on)
        where = device.removesuffix(":all")
        reader = load_encoder(encoder, device=where, dtype=dtype) if isinstance(encoder, str | Path) else encoder
        found = (_opened(source, reader, progress) for source in indexes or (EMBEDDED,))
        opened = tuple(index if searched_on == index.device else index.on(searched_on) for index in found)
        given = [adapter] if isinstance(adapter, str | Path | Adapter) else adapter
        adapters = tuple(one if isinstance(one, Adapter) else open_adapter(one) for one in given)
        for one in adapters:
            check_adapter(one, opened, reader)
        for index in opened:
            if all(one.made_for.system != index.system for one in adapters):
                check_encoder(index, reader)
        return cls(opened, reader, adapters)

    @cached_property
    def linkers(self) -> tuple[Linker, ...]:
        """One for each index."""
        adapters = {adapter.made_for.system: adapter for adapter in self.adapters}
        return tuple(Linker(index, adapters.get(index.system)) for index in self.indexes)

    @cached_property
    def instructions(self) -> tuple[Instructions | None, ...]:
        """The coding instructions of each index's release, where it has any."""
        return tuple(
            None if linker.index.remarks is None else Instructions(linker.index.remarks, linker.book)
            for linker in self.linkers
        )

    # -- the main path --------------------------------------------------------------------------------------------

    def annotate_many(
        self,
        notes: pl.DataFrame,
        *,
        tags: bool | int = False,
        candidates: int = 0,
        include: Iterable[str] = (),
        setting: str | None = None,
    ) -> Results:
        """Annotate and code notes.

        Args:
            notes: columns note_id, text.
            tags: also the concepts of every token: True for 5 each, or how many.
            candidates: also this many ranked codes for each note, accepted or not.
            include: what codes besides what is affirmed of the patient: see ``coding.INCLUDES``.
            setting: of all notes: inpatient, visit or report; by default what each note shows.

        Raises:
            InputError: a column is missing, ``include`` names what cannot be included, or there is no such setting.
        """
        check_setting(setting)
        asked, k = check_include(include), 5 if tags is True else int(tags)
        rows: dict[str, list[tuple[Any, ...]]] = {"mentions": [], "codes": [], "tags": [], "candidates": []}
        for reading in self._read(notes, for_tags=k > 0):
            rows["mentions"] += annotation_rows(reading, self.linkers, self._encoder_name)
            accepted = coded(reading, self.linkers, self.instructions, asked, setting)
            rows["codes"] += code_rows(reading, self.linkers, accepted)
            if candidates:
                rows["candidates"] += candidate_rows(reading, self.linkers, accepted, asked, candidates)
            if k:
                rows["tags"] += tag_rows(reading, self.linkers, k)
        schemas = {"mentions": ANNOTATIONS, "codes": CODES, "tags": TAGS, "candidates": CODES}
        return Results(**{name: frame_of(rows[name], schema) for name, schema in schemas.items()})

    def _read(self, notes: pl.DataFrame, *, for_tags: bool) -> Iterator[Reading]:
        """Everything that a note goes through before it becomes rows."""
        for batch, embeddings in self._encoded(notes, for_tags=for_tags):
            pairs = zip(self.linkers, batch.spotted, strict=True)
            linked = [linker.link(batch.texts, batch.contents, spotted, embeddings) for linker, spotted in pairs]
            for i, (note_id, page) in enumerate(zip(batch.note_ids, batch.pages, strict=True)):
                tokens = None if embeddings is None else embeddings[i]
                yield self._reading(note_id, page, tokens, [found[i] for found in linked])

    def _reading(
        self, note_id: str, page: Page, tokens: TokenEmbeddings | None, linked: Sequence[Sequence[Mention]]
    ) -> Reading:
        """A note with its mentions where its sections want them, and what is said of each."""
        text, parts, lines = page.text, page.sections, page.sentences
        every = [
            by_sections(text, parts, lines, found, linker.book)
            for linker, found in zip(self.linkers, linked, strict=True)
        ]
        mentions = [[m for m in found if not m.abstains] for found in every]
        abstaining = [[m for m in found if m.abstains] for found in every]
        spans = sorted({(m.start_char, m.end_char) for found in every for m in found})
        contexts = dict(zip(spans, assess(text, spans, parts, lines, page.layout), strict=True))
        return Reading(note_id, page, tokens, mentions, abstaining, spans, contexts)

    def _encoded(self, notes: pl.DataFrame, *, for_tags: bool) -> Iterator[tuple[_Batch, list[TokenEmbeddings] | None]]:
        """Batches with their embeddings; while one is encoded, the words of the next are gone through."""
        with ThreadPoolExecutor(1) as ahead:
            waiting: list[tuple[_Batch, Future[list[TokenEmbeddings] | None]]] = []
            for note_ids, texts in _batches(notes):
                batch = self._spotted(note_ids, texts)
                waiting.append((batch, ahead.submit(self._embed, batch.texts, None if for_tags else batch.spans)))
                if len(waiting) == 2:
                    first, embeddings = waiting.pop(0)
                    yield first, embeddings.result()
            for batch, embeddings in waiting:
                yield batch, embeddings.result()

    def _spotted(self, note_ids: list[str], texts: list[str]) -> _Batch:
        pages = [Page.of(text) for text in texts]
        contents = [content_words(page.text, self.expander(page.text), page.sentences) for page in pages]
        read = [page.text for page in pages]
        return _Batch(note_ids, pages, contents, [linker.spot(read, contents) for linker in self.linkers])

    def _embed(self, texts: Sequence[str], spans: Sequence[Spans] | None) -> list[TokenEmbeddings] | None:
        """Tokens of the spans; of everything, as tags need it, without any."""
        if self.encoder is None and spans is None:
            raise InputError("tags need token vectors", got="no encoder", expected="an encoder")
        return None if self.encoder is None else self.encoder.tokens(texts, spans=spans)

    def expander(self, text: str) -> Expand:
        """What turns the abbreviations of a text into the forms of their long forms."""

        def expand(found: Words) -> dict[int, Sequence[str]]:
            long = self._short_forms.long_forms(text, found)
            forms = {full: content_words(full).form for full in set(long.values()) if full}
            return {i: forms.get(full, ()) for i, full in long.items()}

        return expand

    @cached_property
    def _short_forms(self) -> ShortForms:
        return ShortForms.of(Abbreviation(*entry) for entry in abbreviations())

    @property
    def _encoder_name(self) -> str:
        return "none" if self.encoder is None else self.encoder.name

    # -- one note, one table --------------------------------------------------------------------------------------

    def annotate(self, text: str, *, note_id: str = "note", k: int = 5) -> AnnotatedNote:
        """One note with its tags, mentions and codes."""
        notes = pl.DataFrame({"note_id": [note_id], "text": [text]})
        found = self.annotate_many(notes, tags=k if self.encoder is not None else 0)
        return AnnotatedNote(note_id, text, found.tags, found.mentions, found.codes, self.path)

    def tag(self, text: str, *, k: int = 5) -> pl.DataFrame:
        """The k best concepts of every token (of every word, by the dictionary alone, without an encoder)."""
        note = pl.DataFrame({"note_id": ["note"], "text": [text]})
        readings = self._read(note, for_tags=self.encoder is not None)
        rows = [row for reading in readings for row in tag_rows(reading, self.linkers, k)]
        return frame_of(rows, TAGS)

    def code(self, notes: pl.DataFrame, *, include: Iterable[str] = (), setting: str | None = None) -> pl.DataFrame:
        """The codes of every note: schema ``frames.CODES``; see `annotate_many`."""
        return self.annotate_many(notes, include=include, setting=setting).codes

    @cached_property
    def crosswalk(self) -> Crosswalk:
        """What the maps and cross-references of the indexes join."""
        return Crosswalk.of(index.ontology() for index in self.indexes)

    def align(self, found: pl.DataFrame) -> pl.DataFrame:
        """The systems side by side, a row per mention or token, and whether they agree: see `linking/alignment.py`.

        Args:
            found: mentions or tags that this mapper gave.
        """
        return align(found, self.crosswalk)

    def path(self, system: str, code: str) -> list[tuple[str, str]]:
        """The way from the root of the hierarchy down to a code, itself last: (code, name) each."""
        for linker in self.linkers:
            if linker.index.system == system and code in linker.book.position_of_code:
                at = linker.book.position_of_code[code]
                return [(linker.book.codes[i], linker.book.names[i]) for i in (*linker.book.path(at), at)]
        raise InputError("no such code in the loaded indexes", got=f"{system}:{code}")

    def spans(self, notes: pl.DataFrame, spans: pl.DataFrame, *, k: int = 20) -> pl.DataFrame:
        """Rank concepts for given spans: schema ``frames.SPANS``.

        Args:
            notes: columns note_id, text.
            spans: columns note_id, start_char, end_char.
            k: candidates for each span.

        Raises:
            InputError: a span of an unknown note, or outside its note.
        """
        check_not_forked()
        asked: dict[str, list[tuple[int, int]]] = {}
        for note_id, start, end in spans.select("note_id", "start_char", "end_char").iter_rows():
            asked.setdefault(note_id, []).append((start, end))
        if unknown := sorted(asked.keys() - set(notes["note_id"].to_list())):
            raise InputError("spans name unknown notes", got=f"{len(unknown):,} such notes")
        rows: list[tuple[Any, ...]] = []
        for note_ids, texts in _batches(notes.filter(pl.col("note_id").is_in(list(asked)))):
            given = [asked[note_id] for note_id in note_ids]
            texts, wanted = all_seen(texts, given)
            embeddings = self._embed(texts, wanted)
            expands = [self.expander(text) for text in texts]
            for linker in self.linkers:
                ranked = rank_spans(linker, self.encoder, texts, wanted, embeddings, expands, k)
                for note_id, here, lists in zip(note_ids, given, ranked, strict=True):
                    rows += _span_rows(note_id, here, lists, linker)
        return frame_of(rows, SPANS)


def _span_rows(
    note_id: str, spans: Sequence[tuple[int, int]], ranked: Sequence[Sequence[Ranked]], linker: Linker
) -> Iterator[tuple[Any, ...]]:
    book = linker.book
    for (start, end), best in zip(spans, ranked, strict=True):
        for rank, (c, score, sure) in enumerate(best, 1):
            yield note_id, start, end, rank, linker.index.system, book.codes[c], book.names[c], score, sure


def _opened(
    source: str | Path | ConceptIndex, encoder: TokenEncoder | None, progress: Callable[[int, int], None] | None
) -> ConceptIndex:
    if isinstance(source, ConceptIndex):
        return source
    return embedded_index(encoder, progress=progress) if source == EMBEDDED else ConceptIndex.open(source)


def _batches(notes: pl.DataFrame) -> Iterator[tuple[list[str], list[str]]]:
    """Notes in batches of bounded size."""
    check_not_forked()
    if missing := [name for name in ("note_id", "text") if name not in notes.columns]:
        raise InputError("notes lack columns", got=said_columns(notes.columns), expected=", ".join(missing))
    note_ids, texts, size = list[str](), list[str](), 0
    for note_id, text in notes.select("note_id", "text").iter_rows():
        if texts and size + len(text) > BATCH_CHARS:
            yield note_ids, texts
            note_ids, texts, size = [], [], 0
        note_ids.append(note_id)
        texts.append(text)
        size += len(text)
    if texts:
        yield note_ids, texts
