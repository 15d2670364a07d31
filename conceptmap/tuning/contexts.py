"""Sentences of plain notes as a model reads them, with the tokens of mentions and of words that mean no concept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from conceptmap.encoders.embeddings import covered
from conceptmap.encoders.encoder import TokenModel
from conceptmap.encoders.windows import Window
from conceptmap.errors import InputError
from conceptmap.index.index import ConceptIndex
from conceptmap.linking.linker import Linker
from conceptmap.matching.content import content_words
from conceptmap.matching.short_forms import expander
from conceptmap.notes.marked import MarkedNote
from conceptmap.text.words import words
from conceptmap.tuning.concepts import NamedConcepts, is_held, name_key

__all__ = ["Placed", "ReadSentence", "certain_mentions", "contexts_of", "marked_mentions"]

CERTAIN = 0.9
"""Strength of a wording from which words are taken at their word."""
_FEWEST = 4
"""Tokens of a sentence that says something."""

Placed = tuple[int, int, int]
"""First code point of a mention, one past its last, and its concept."""


@dataclass(frozen=True, slots=True)
class ReadSentence:
    """What a model reads at once.

    Attributes:
        ids: special tokens included. *Shape:* (n_tokens,) int64.
        mentions: of each the first row of ``ids``, one past the last, and its concept.
        background: of each word that no concept has in its names, the first row and one past the last.
        held: the note is held back.
    """

    ids: NDArray[np.int64]
    mentions: tuple[Placed, ...]
    background: tuple[tuple[int, int], ...]
    held: bool


def certain_mentions(index: ConceptIndex, texts: Sequence[str], *, first: int) -> list[list[Placed]]:
    """The mentions of plain notes whose words name one concept for certain.

    Args:
        index: whose terms are looked for.
        texts: the notes.
        first: number of its first concept.
    """
    linker = Linker(index)
    found = linker.lexical(texts, [content_words(text, expander(text)) for text in texts])
    out: list[list[Placed]] = []
    for mentions in found:
        sure = []
        for mention in mentions:
            best = mention.candidates[0]
            rivals = [c for c in mention.candidates[1:] if c.strength >= best.strength - 1e-6]
            if best.strength >= CERTAIN and not rivals:
                sure.append((mention.start_char, mention.end_char, best.concept + first))
        out.append(sure)
    return out


def marked_mentions(index: ConceptIndex, notes: Iterable[MarkedNote], *, first: int) -> list[list[Placed]]:
    """The mentions that people marked with a code of an index; those with other codes are left out.

    Args:
        index: whose codes count, with or without its system in front.
        notes: the notes.
        first: number of its first concept.
    """
    ontology = index.ontology()

    def concept(codes: Sequence[str]) -> int | None:
        nodes = (ontology.find(code) or ontology.find(code.partition(":")[2] or code) for code in codes)
        return next((ontology.positions[node] + first for node in nodes if node), None)

    return [
        [(m.start_char, m.end_char, number) for m in note.mentions if (number := concept(m.codes)) is not None]
        for note in notes
    ]


def contexts_of(
    model: TokenModel,
    concepts: NamedConcepts,
    texts: Sequence[str],
    placed: Sequence[Sequence[Placed]],
    *,
    longest: int,
) -> list[ReadSentence]:
    """The sentences of notes, each once; longer windows for models that read those.

    Args:
        model: cuts them, as it does when it is used.
        concepts: whose names say which words are background.
        texts: the notes.
        placed: the mentions of each.
        longest: most tokens at once, special ones included.

    Raises:
        InputError: no note has a sentence.
    """
    cutter = replace(model, window=min(model.window, longest))
    named = {word for names in concepts.own for name in names for word in name_key(name).split()}
    found: dict[bytes, ReadSentence] = {}
    for text, mentions in zip(texts, placed, strict=True):
        for context in _of_note(cutter, text, mentions, named):
            found.setdefault(context.ids.tobytes(), context)
    if not found:
        raise InputError("the notes have no sentences", then="give plain notes of the kind that is to be read")
    return list(found.values())


def _of_note(model: TokenModel, text: str, mentions: Sequence[Placed], named: set[str]) -> Iterator[ReadSentence]:
    (pieces,) = model.tokeniser.pieces([text])
    if not len(pieces.ids):
        return
    said = words(text)
    plain = [
        (a, b)
        for a, b in zip(said.start_char, said.end_char, strict=True)
        if text[a:b].isalpha() and name_key(text[a:b]) not in named
    ]
    spans = _rows(pieces.start, pieces.end, [(a, b) for a, b, _ in mentions])
    other = _rows(pieces.start, pieces.end, plain)
    taken = np.zeros(len(pieces.ids), dtype=np.bool_)
    for a, b in spans:
        taken[a:b] = True
    held, before = is_held(text), len(model.tokeniser.prefix)
    for window in model.windows(text, pieces):
        if window.stop - window.start < _FEWEST:
            continue
        move = before - window.start
        inside = [(a + move, b + move, m[2]) for (a, b), m in zip(spans, mentions, strict=True) if _is_in(a, b, window)]
        rest = [(a + move, b + move) for a, b in other if _is_in(a, b, window) and not taken[a:b].any()]
        ids = model.tokeniser.wrap(pieces.ids[window.start : window.stop])
        yield ReadSentence(ids, tuple(inside), tuple(rest), held)


def _rows(start: NDArray[np.int64], end: NDArray[np.int64], spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return list(zip(*(side.tolist() for side in covered(start, end, spans)), strict=True))


def _is_in(first: int, stop: int, window: Window) -> bool:
    """Whether tokens are read in a window, which owns the first of them."""
    return first < stop <= window.stop and window.own_start <= first < window.own_stop
