"""Pairs for fine-tuning an encoder: a mention where it stands, and a name of its concept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from conceptmap.frames import frame_of
from conceptmap.notes.marked import MarkedNote
from conceptmap.ontology.ontology import Ontology
from conceptmap.text.sentences import sentences
from conceptmap.text.words import words

__all__ = ["PAIRS", "mention_pairs", "term_pairs"]

PAIRS = pl.Schema(
    {
        "anchor": pl.String,
        "positive": pl.String,
        "code": pl.String,
        "mention": pl.String,
        "start_char": pl.Int64,
        "end_char": pl.Int64,
    }
)
"""A row per pair; the anchor is the mention with words beside it, ``start_char`` and ``end_char`` its place there."""


def mention_pairs(notes: Iterable[MarkedNote], ontology: Ontology, *, n_words: int, synonyms: bool) -> pl.DataFrame:
    """Returns the different pairs of marked mentions and names of their concepts: schema ``PAIRS``.

    Args:
        notes: with codes of the ontology; other codes are left out, and of several that are right the first counts.
        ontology: names the concepts.
        n_words: words on either side of a mention that go with it, within its sentence; 0 for the mention alone.
        synonyms: a pair with each term of the concept, and not with its name alone.
    """
    names = _names(ontology, synonyms=synonyms)
    rows = [row for note in notes for row in _of_note(note, ontology, names, n_words)]
    return frame_of(rows, PAIRS).unique(["anchor", "positive"], maintain_order=True)


def term_pairs(ontology: Ontology) -> pl.DataFrame:
    """Returns each synonym with the name of its concept: pairs for which nobody has marked anything."""
    named = {node: names[0] for node, names in _names(ontology, synonyms=False).items()}
    rows: list[tuple[object, ...]] = []
    for node, code, term in ontology.terms.select("node", "code", "term").iter_rows():
        if node in named and term.lower() != named[node].lower():
            rows.append((term, named[node], code, term, 0, len(term)))
    return frame_of(rows, PAIRS).unique(["anchor", "positive"], maintain_order=True)


def _names(ontology: Ontology, *, synonyms: bool) -> dict[str, tuple[str, ...]]:
    """Of each node its name, or all its terms."""
    terms = ontology.terms if synonyms else ontology.terms.filter(pl.col("kind") == "preferred")
    ordered = terms.sort(pl.col("kind") != "preferred", maintain_order=True)
    found = ordered.group_by("node", maintain_order=True).agg(pl.col("term").unique(maintain_order=True))
    return {node: tuple(names) for node, names in found.iter_rows()}


def _of_note(
    note: MarkedNote, ontology: Ontology, names: dict[str, tuple[str, ...]], n_words: int
) -> Iterator[tuple[object, ...]]:
    bounds = sentences(note.text)
    for mention in note.mentions:
        nodes = (ontology.find(code) or ontology.find(code.partition(":")[2]) for code in mention.codes)
        node = next((node for node in nodes if node in names), None)
        if node is None:
            continue
        start, end = _window(note.text, bounds, (mention.start_char, mention.end_char), n_words)
        anchor = note.text[start:end].replace("\n", " ")
        code = ontology.concepts["code"][ontology.positions[node]]
        said = note.text[mention.start_char : mention.end_char]
        for name in names[node]:
            yield anchor, name, code, said, mention.start_char - start, mention.end_char - start


def _window(text: str, bounds: Sequence[tuple[int, int]], span: tuple[int, int], n_words: int) -> tuple[int, int]:
    """The mention with so many words on either side, within the sentences that it touches."""
    touched = [bound for bound in bounds if bound[0] < span[1] and span[0] < bound[1]]
    first, last = (touched[0][0], touched[-1][1]) if touched else span
    before, after = words(text[first : span[0]]), words(text[span[1] : last])
    n_before, n_after = len(before.form), len(after.form)
    start = first + before.start_char[-min(n_words, n_before)] if n_words and n_before else span[0]
    end = span[1] + after.end_char[min(n_words, n_after) - 1] if n_words and n_after else span[1]
    return start, end
