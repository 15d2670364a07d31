"""Training notes: their content words, token vectors and marked mentions, each computed once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.adapters.linear import unit
from conceptmap.adapters.memory import NAMES, Annotated, forms_within, remember
from conceptmap.encoders import TokenEmbeddings
from conceptmap.encoders.embeddings import on_host
from conceptmap.linking.pooling import pool
from conceptmap.linking.ranking import spelled_out
from conceptmap.mapper import ConceptMapper
from conceptmap.matching.content import Content, content_words
from conceptmap.matching.short_forms import expander
from conceptmap.notes.marked import MarkedNote, MarkedSpan
from conceptmap.notes.notes import n_within

__all__ = ["TrainingNotes"]

MOMENT_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class TrainingNotes:
    """The training notes, with what is read from them once.

    Attributes:
        mapper: of the index, without an adapter.
        notes: with codes that the index holds, in random order.
        n_read: the first so many are read through the encoder.
        contents: content words of each note.
        embeddings: tokens of the notes that are read.
    """

    mapper: ConceptMapper
    notes: Sequence[MarkedNote]
    n_read: int
    contents: Sequence[Content]
    embeddings: Sequence[TokenEmbeddings]

    @classmethod
    def of(cls, mapper: ConceptMapper, notes: Sequence[MarkedNote], *, read_chars: int, seed: int) -> TrainingNotes:
        """Shuffle the notes and read them through the encoder, up to so many code points."""
        assert mapper.encoder is not None
        shuffled = random.Random(seed).sample(list(notes), len(notes))  # noqa: S311 - not for secrets
        n_read = n_within((note.text for note in shuffled), read_chars)
        contents = [content_words(note.text, expander(note.text)) for note in shuffled]
        embeddings = [tokens.on_host() for tokens in mapper.encoder.tokens([n.text for n in shuffled[:n_read]])]
        return cls(mapper, shuffled, n_read, contents, embeddings)

    @property
    def same_width(self) -> bool:
        """Whether tokens can be compared with rows as they are."""
        assert self.mapper.encoder is not None
        return self.mapper.encoder.dim == self.mapper.indexes[0].dim

    @cached_property
    def still(self) -> NDArray[np.float32] | None:
        """Mean outer product of the unit rows of the index, or of some of many; None where the widths differ."""
        index = self.mapper.indexes[0]
        if not self.same_width:
            return None
        some = np.random.default_rng(0).permutation(index.n_rows)[:MOMENT_ROWS]
        rows = unit(index.values(np.sort(some)))
        return np.asarray(rows.T @ rows / len(rows), dtype=np.float32)

    def concepts(self, span: MarkedSpan) -> frozenset[int]:
        """Positions of the concepts that are right for a mention."""
        return frozenset(self.mapper.linkers[0].book.position_of_code[code] for code in span.codes)

    @cached_property
    def spelled(self) -> list[list[str]]:
        """Every mention as a string, abbreviations in full."""
        return [
            spelled_out(n.text, [(m.start_char, m.end_char) for m in n.mentions], expander(n.text)) for n in self.notes
        ]

    @cached_property
    def as_strings(self) -> dict[str, NDArray[np.float32]]:
        """Vector of every different string; empty where the encoder's term vectors are of another kind."""
        encoder = self.mapper.encoder
        assert encoder is not None
        if encoder.term_dim != encoder.dim:
            return {}
        strings = sorted({string for strings in self.spelled for string in strings})
        return dict(zip(strings, unit(encoder.terms(strings)), strict=True))

    @cached_property
    def pooled(self) -> list[NDArray[np.float32]]:
        """For each note that is read the vectors of its mentions in their context."""
        return [
            unit(on_host(pool(tokens, [(m.start_char, m.end_char) for m in note.mentions])))
            for note, tokens in zip(self.notes, self.embeddings, strict=False)
        ]

    def names(self, chosen: Sequence[int], least: int) -> pl.DataFrame:
        """Wordings annotated in the chosen notes."""
        if not least:
            return pl.DataFrame(schema=NAMES)
        return remember(
            (
                Annotated(
                    forms_within(self.contents[i], m.start_char, m.end_char),
                    self.notes[i].text[m.start_char : m.end_char],
                    m.codes,
                )
                for i in chosen
                for m in self.notes[i].mentions
            ),
            least=least,
        )

    def queries(self, chosen: Sequence[int]) -> tuple[NDArray[np.float32], list[frozenset[int]]]:
        """Unit vectors to learn from, and their right concepts: each different string once, each mention in context."""
        vectors: list[NDArray[np.float32]] = []
        right: list[frozenset[int]] = []
        known: set[tuple[str, frozenset[int]]] = set()
        for i in chosen:
            for number, (mention, string) in enumerate(zip(self.notes[i].mentions, self.spelled[i], strict=True)):
                wanted = self.concepts(mention)
                if self.as_strings and (string.lower(), wanted) not in known:
                    known.add((string.lower(), wanted))
                    vectors.append(self.as_strings[string])
                    right.append(wanted)
                if i < self.n_read and self.pooled[i][number].any():
                    vectors.append(self.pooled[i][number])
                    right.append(wanted)
        return np.array(vectors, dtype=np.float32), right
