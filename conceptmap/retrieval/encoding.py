"""How notes and queries become vectors that are compared: a row for each token, or one for each passage.

Three kinds. ``projected``: the token vectors of a late-interaction folder, with its own projection, prefixes and skip
list. ``tokens``: the encoder's own token vectors, those with a letter or a digit. ``passages``: one vector for each
passage, by the encoder's own sentence pooling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders import Dtype, EncoderLike, TokenEncoder, load_encoder
from conceptmap.encoders.embeddings import on_host
from conceptmap.encoders.late.late_interaction import LateInteraction, LateTokens, late_interaction_folder
from conceptmap.errors import InputError
from conceptmap.retrieval.passages import PASSAGE_TOKENS, Passages, cut

__all__ = ["KINDS", "Kind", "NoteEncoder", "QueryTokens", "note_encoder"]

Kind: TypeAlias = Literal["auto", "projected", "tokens", "passages"]
KINDS = ("auto", "projected", "tokens", "passages")


@dataclass(frozen=True, slots=True)
class QueryTokens:
    """What of a query is compared, in reading order.

    Attributes:
        vectors: *Shape:* (n_tokens, dim) float32.
        texts: what each stands for: its place in the query, or how the vocabulary spells it.
        start_char: first code point in the query, -1 of one that stands nowhere in it. *Shape:* (n_tokens,) int64.
        end_char: one past its last. *Shape:* (n_tokens,) int64.
    """

    vectors: NDArray[np.float32]
    texts: tuple[str, ...]
    start_char: NDArray[np.int64]
    end_char: NDArray[np.int64]


@dataclass(frozen=True)
class NoteEncoder:
    """A loaded encoder of notes and queries; make one with `note_encoder`.

    Attributes:
        name: of the model, as recorded in indexes.
        revision: its version.
        licence: as its model card names it.
        kind: ``projected``, ``tokens`` or ``passages``.
        dim: width of a vector.
        passage_tokens: most tokens of a passage.
    """

    name: str
    revision: str
    licence: str
    non_commercial: bool
    kind: str
    dim: int
    passage_tokens: int
    _notes: Callable[[Sequence[str]], list[Passages]] = field(repr=False)
    _query: Callable[[str], QueryTokens] = field(repr=False)

    def notes(self, texts: Sequence[str]) -> list[Passages]:
        """The passages of each note; none of a note without a token."""
        return self._notes(texts)

    def query(self, text: str) -> QueryTokens:
        """The tokens of a query.

        Raises:
            InputError: it has none.
        """
        found = self._query(text)
        if not len(found.vectors):
            raise InputError("there is nothing to look for", got="no letter and no digit", expected="words or a code")
        return found


def note_encoder(
    encoder: str | Path | EncoderLike | NoteEncoder = "embedded",
    kind: Kind = "auto",
    *,
    device: str = "cpu",
    dtype: Dtype = "auto",
    passage_tokens: int | None = None,
) -> NoteEncoder:
    """Load what encodes notes and queries.

    Args:
        encoder: as `conceptmap.encoders.load_encoder` takes it; a late-interaction folder or hub name too.
        kind: ``auto`` is ``projected`` for a late-interaction folder, else ``tokens``.
        device: where it runs.
        dtype: what its weights are computed in; late-interaction folders take their own.
        passage_tokens: most tokens of a passage; 128 by default, or what the model reads at once.

    Raises:
        ModelError: it cannot be loaded.
        InputError: an unknown kind, or ``projected`` of an encoder that has no projection.
    """
    if isinstance(encoder, NoteEncoder):
        return encoder
    if kind not in KINDS:
        raise InputError("no such kind of vectors", got=repr(kind), expected=", ".join(KINDS))
    if passage_tokens is not None and passage_tokens < 1:
        raise InputError("a passage has at least one token", got=passage_tokens)
    named = isinstance(encoder, str | Path)
    folder = late_interaction_folder(encoder) if named and kind in ("auto", "projected") else None  # type: ignore[arg-type]
    if folder is not None:
        from conceptmap.encoders.late.late_interaction import load_late_interaction

        return _projected(load_late_interaction(folder, device=device), passage_tokens)
    if kind == "projected":
        raise InputError(
            "this encoder has no projection of its token vectors",
            expected="a late-interaction folder (ColBERT, PyLate)",
            then="take --vectors tokens or passages",
        )
    loaded = load_encoder(encoder, device=device, dtype=dtype)
    return _of_passages(loaded, passage_tokens) if kind == "passages" else _of_tokens(loaded, passage_tokens)


def _of_tokens(encoder: TokenEncoder, asked: int | None) -> NoteEncoder:
    most = asked or PASSAGE_TOKENS

    def notes(texts: Sequence[str]) -> list[Passages]:
        return [
            _cut_rows(text, on_host(found.vectors), found.start_char, found.end_char, most)
            for text, found in zip(texts, encoder.tokens(texts), strict=True)
        ]

    def query(text: str) -> QueryTokens:
        (found,) = encoder.tokens([text])
        start, end = found.start_char, found.end_char
        kept = _with_letters(text, start, end)
        spelled = tuple(text[a:b] for a, b in zip(start[kept], end[kept], strict=True))
        return QueryTokens(on_host(found.vectors)[kept], spelled, start[kept], end[kept])

    facts = (encoder.name, encoder.revision, encoder.licence, encoder.non_commercial, "tokens", encoder.dim)
    return NoteEncoder(*facts, most, notes, query)


def _cut_rows(
    text: str, vectors: NDArray[np.float32], start: NDArray[np.int64], end: NDArray[np.int64], most: int
) -> Passages:
    """Passages over a note's token vectors; tokens without a letter or a digit have no row."""
    kept = _with_letters(text, start, end)
    rows_before = np.concatenate([[0], np.cumsum(kept)])
    cuts = [(a, b) for a, b in cut(text, start, most) if rows_before[b] > rows_before[a]]
    edges = np.array([0, *(rows_before[b] for _, b in cuts)], dtype=np.int64)
    spans = np.array([(start[a], end[b - 1]) for a, b in cuts], dtype=np.int64).reshape(-1, 2)
    return Passages(vectors[kept], start[kept], end[kept], edges, spans)


def _with_letters(text: str, start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.bool_]:
    spans = zip(start.tolist(), end.tolist(), strict=True)
    return np.array([any(map(str.isalnum, text[a:b])) for a, b in spans], dtype=np.bool_)


def _of_passages(encoder: TokenEncoder, asked: int | None) -> NoteEncoder:
    most = asked or PASSAGE_TOKENS

    def notes(texts: Sequence[str]) -> list[Passages]:
        pieces = encoder.model.tokeniser.pieces(texts)
        inked = [(piece.start[piece.end > piece.start], piece.end[piece.end > piece.start]) for piece in pieces]
        spans = [
            [(int(start[a]), int(end[b - 1])) for a, b in cut(text, start, most)]
            for text, (start, end) in zip(texts, inked, strict=True)
        ]
        strings = [text[a:b] for text, cuts in zip(texts, spans, strict=True) for a, b in cuts]
        vectors = encoder.terms(strings) if strings else np.empty((0, encoder.term_dim), np.float32)
        edges = np.cumsum([0, *map(len, spans)])
        return [
            _single(vectors[first : first + len(cuts)], cuts) for cuts, first in zip(spans, edges[:-1], strict=True)
        ]

    def query(text: str) -> QueryTokens:
        found = encoder.terms([text]) if text.strip() else np.empty((0, encoder.term_dim), np.float32)
        return QueryTokens(found, (text,), np.array([0]), np.array([len(text)]))

    facts = (encoder.name, encoder.revision, encoder.licence, encoder.non_commercial, "passages", encoder.term_dim)
    return NoteEncoder(*facts, most, notes, query)


def _single(vectors: NDArray[np.float32], spans: Sequence[tuple[int, int]]) -> Passages:
    """A row for each passage."""
    bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
    return Passages(vectors, bounds[:, 0], bounds[:, 1], np.arange(len(spans) + 1), bounds)


def _projected(model: LateInteraction, asked: int | None) -> NoteEncoder:
    most = min(asked or PASSAGE_TOKENS, model.room)

    def notes(texts: Sequence[str]) -> list[Passages]:
        spans = [_fitting(model, text, most) for text in texts]
        found = model.documents([text[a:b] for text, cuts in zip(texts, spans, strict=True) for a, b in cuts])
        edges = np.cumsum([0, *map(len, spans)])
        return [
            _moved(found[first : first + len(cuts)], cuts, model.dim)
            for cuts, first in zip(spans, edges[:-1], strict=True)
        ]

    def query(text: str) -> QueryTokens:
        found = model.query(text)
        places = zip(found.start_char.tolist(), found.end_char.tolist(), found.pieces, strict=True)
        spelled = tuple(text[a:b] if a >= 0 else piece for a, b, piece in places)
        anything = text.strip()
        kept = slice(None) if anything else slice(0)
        return QueryTokens(found.vectors[kept], spelled[kept], found.start_char[kept], found.end_char[kept])

    facts = (model.name, model.revision, model.licence, model.non_commercial, "projected", model.dim)
    return NoteEncoder(*facts, most, notes, query)


def _fitting(model: LateInteraction, text: str, most: int) -> list[tuple[int, int]]:
    """Spans of passages, none of which loses its end; where a passage alone has more pieces than within its note, it
    is halved.
    """
    start, end = model.pieces(text)
    waiting = list(reversed(cut(text, start, most)))
    found: list[tuple[int, int]] = []
    while waiting:
        first, stop = waiting.pop()
        span = (int(start[first]), int(end[stop - 1]))
        if stop - first == 1 or model.fits(text[slice(*span)]):
            found.append(span)
            continue
        middle = (first + stop) // 2
        waiting += [(middle, stop), (first, middle)]
    return found


def _moved(found: Sequence[LateTokens], spans: Sequence[tuple[int, int]], dim: int) -> Passages:
    """Encoded passages as those of their note."""
    none = np.empty(0, dtype=np.int64)
    start, end = (
        np.concatenate([none, *(np.where(own >= 0, own + a, own) for own, (a, _) in zip(side, spans, strict=True))])
        for side in ([one.start_char for one in found], [one.end_char for one in found])
    )
    edges = np.cumsum([0, *(len(one.vectors) for one in found)])
    vectors = np.concatenate([np.empty((0, dim), np.float32), *(one.vectors for one in found)])
    return Passages(vectors, start, end, edges, np.array(spans, dtype=np.int64).reshape(-1, 2))
