"""Notes read: everything that a note goes through before it becomes rows, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from conceptmap.encoders import Spans, TokenEmbeddings, TokenEncoder
from conceptmap.errors import InputError
from conceptmap.linking.linker import Linker
from conceptmap.linking.more_exact import with_more_exact
from conceptmap.linking.ranking import rank_spans
from conceptmap.matching.short_forms import expander
from conceptmap.notes.given import Batches, batches
from conceptmap.reading import Reading, SpottedNotes, reading_of, span_rows
from conceptmap.text.view import all_seen

__all__ = ["notes_read", "rows_of_spans"]


def notes_read(
    given: Batches, linkers: Sequence[Linker], encoder: TokenEncoder | None, *, for_tags: bool
) -> Iterator[Reading]:
    """What is found in notes, one after another.

    Args:
        given: ids and texts of notes that are encoded together.
        linkers: one for each index.
        encoder: None for words alone.
        for_tags: every token gets a vector, not those of mentions alone.
    """
    for batch, embeddings in _encoded(given, linkers, encoder, for_tags=for_tags):
        linked = []
        for linker, spotted in zip(linkers, batch.spotted, strict=True):
            found = linker.link(batch.texts, batch.contents, spotted, embeddings)
            if encoder is not None and embeddings is not None and linker.index.dim:
                beside = [one.beside for one in spotted]
                found = with_more_exact(linker, encoder, batch.texts, embeddings, found, beside)
            linked.append(found)
        for i, (note_id, page) in enumerate(zip(batch.note_ids, batch.pages, strict=True)):
            tokens = None if embeddings is None else embeddings[i]
            yield reading_of(note_id, page, batch.contents[i], tokens, linkers, [notes[i] for notes in linked])


def _encoded(
    given: Batches, linkers: Sequence[Linker], encoder: TokenEncoder | None, *, for_tags: bool
) -> Iterator[tuple[SpottedNotes, list[TokenEmbeddings] | None]]:
    """Batches with their embeddings; while one is encoded, the words of the next are gone through."""
    with ThreadPoolExecutor(1) as ahead:
        waiting: list[tuple[SpottedNotes, Future[list[TokenEmbeddings] | None]]] = []
        for note_ids, texts in given:
            batch = SpottedNotes.of(note_ids, texts, linkers)
            waiting.append((batch, ahead.submit(_embed, encoder, batch.texts, None if for_tags else batch.spans)))
            if len(waiting) == 2:
                first, embeddings = waiting.pop(0)
                yield first, embeddings.result()
        for batch, embeddings in waiting:
            yield batch, embeddings.result()


def _embed(
    encoder: TokenEncoder | None, texts: Sequence[str], spans: Sequence[Spans] | None
) -> list[TokenEmbeddings] | None:
    """Tokens of the spans; of everything, as tags need it, without any. None without an encoder.

    Raises:
        InputError: everything is asked for, and there is no encoder.
    """
    if encoder is None and spans is None:
        raise InputError("tags need token vectors", got="no encoder", expected="an encoder")
    return None if encoder is None else encoder.tokens(texts, spans=spans)


def rows_of_spans(
    known: Sequence[tuple[str, str]],
    asked: Mapping[str, Sequence[tuple[int, int]]],
    linkers: Sequence[Linker],
    encoder: TokenEncoder | None,
    k: int,
) -> Iterator[tuple[Any, ...]]:
    """Rows of ``frames.SPANS`` for given spans.

    Args:
        known: notes with spans, by id.
        asked: the spans of each.
        linkers: one for each index.
        encoder: None for words alone.
        k: concepts for each span.
    """
    for note_ids, texts in batches(known):
        given = [asked[note_id] for note_id in note_ids]
        texts, wanted = all_seen(texts, given)
        embeddings = _embed(encoder, texts, wanted)
        expands = [expander(text) for text in texts]
        for linker in linkers:
            ranked = rank_spans(linker, encoder, texts, wanted, embeddings, expands, k)
            for note_id, here, lists in zip(note_ids, given, ranked, strict=True):
                yield from span_rows(note_id, here, lists, linker)
