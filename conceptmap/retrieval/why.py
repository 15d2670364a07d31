"""Why a note was found: token by token, with the concepts that both sides stand for and what these have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeVar

import polars as pl

from conceptmap.errors import InputError
from conceptmap.frames import frame_of
from conceptmap.matching.wordings import EXACT, variants
from conceptmap.retrieval.found_notes import MATCHES, FoundNotes

if TYPE_CHECKING:
    from conceptmap.annotated.results import Results
    from conceptmap.index.index import ConceptIndex
    from conceptmap.ontology.ontology import Ontology

__all__ = ["WHY", "ConceptReader", "Concepts", "why"]

WHY = pl.Schema(
    {
        **MATCHES,
        "query_concepts": pl.String(),
        "note_concepts": pl.String(),
        "shared": pl.String(),
        "ancestor": pl.String(),
        "ancestor_name": pl.String(),
        "negated": pl.Boolean(),
    }
)
"""As ``MATCHES``, with the concepts of the mentions that hold each token (``system:code``, semicolons between, best
first), those that both have, and the lowest concept at or above one of either side. ``negated``: whether the note's
mention is."""

MOST_RANKS = 3
"""Concepts of a mention that are compared."""
Span = tuple[int, int]
Held = TypeVar("Held")


class ConceptReader(Protocol):
    """What finds concepts in texts: `conceptmap.ConceptMapper`, say."""

    @property
    def indexes(self) -> Sequence[ConceptIndex]:
        """The ontologies."""

    def annotate_many(self, notes: Iterable[tuple[str, str]], /) -> Results:
        """The mentions of (note_id, text) pairs."""


class Concepts:
    """The concepts of texts, and the hierarchies that they stand in."""

    def __init__(self, reader: ConceptReader) -> None:
        self.reader = reader
        self._ontologies: dict[str, Ontology] = {}
        self.common = cache(self._common)

    def ontology(self, system: str) -> Ontology:
        """The ontology of a system.

        Raises:
            InputError: no loaded index is of this system.
        """
        if system not in self._ontologies:
            found = next((one for one in self.reader.indexes if one.system == system), None)
            if found is None:
                expected = ", ".join(one.system for one in self.reader.indexes)
                raise InputError("no index of this system is loaded", got=system[:40], expected=expected)
            self._ontologies[system] = found.ontology()
        return self._ontologies[system]

    def resolved(self, code: str) -> tuple[str, str]:
        """System and node of ``system:code``, or of a code that a loaded index holds.

        Raises:
            UnknownCodeError: no index holds it.
            InputError: no loaded index is of its system.
        """
        system, colon, rest = code.partition(":")
        systems = [one.system for one in self.reader.indexes]
        if colon and system in systems:
            return system, self.ontology(system).node(rest)
        for one in systems:
            if (node := self.ontology(one).find(code)) is not None:
                return one, node
        if colon and system.isidentifier():
            self.ontology(system)
        return systems[0], self.ontology(systems[0]).node(code)

    def wording(self, code: str) -> str:
        """What a clinician would write for a code: its name without words that add nothing."""
        system, node = self.resolved(code)
        worded = variants(self.ontology(system).name(node))
        shortened = [wording for wording, quality in worded.items() if quality < EXACT]
        return shortened[0] if shortened else next(iter(worded))

    def mentions(self, texts: Mapping[str, str]) -> dict[str, pl.DataFrame]:
        """The mentions of texts by their names, each with its ranked concepts."""
        found = self.reader.annotate_many(list(texts.items())).mentions
        kept = found.filter(pl.col("rank").is_between(1, MOST_RANKS)).sort("note_id", "start_char", "rank")
        return {name: kept.filter(pl.col("note_id") == name) for name in texts}

    def _common(self, ours: str, theirs: str) -> tuple[int, str] | None:
        """Depth and node (with its system) of the lowest concept at or above both; None where there is none."""
        system = ours.partition(":")[0]
        if system != theirs.partition(":")[0]:
            return None
        ontology = self.ontology(system)
        pair = [ontology.find(one.partition(":")[2]) for one in (ours, theirs)]
        if None in pair:
            return None
        nodes = ontology.lowest_common_ancestors(*(node for node in pair if node is not None))
        root = ontology.dag.root
        named = [node for node in nodes if root is None or ontology.positions[node] != root]
        return max(((ontology.depth(node), f"{system}:{node}") for node in named), default=None)


def why(found: FoundNotes, concepts: Concepts, *, rank: int | None = None) -> pl.DataFrame:
    """Explain notes that were found.

    Args:
        found: what a search gave.
        concepts: of the loaded indexes.
        rank: of one note, from 1; None for all.

    Returns:
        Schema ``WHY``.

    Raises:
        InputError: no note has this rank.
    """
    ranks = range(1, len(found) + 1) if rank is None else [rank]
    answers = {str(place): found.answer(place) for place in ranks}
    read = concepts.mentions({"query": found.query, **{place: one.text for place, one in answers.items()}})
    given = [(span, [code]) for span, code in found.codes]
    asked = [*given, *_by_mention(read["query"])]
    rows: list[tuple[object, ...]] = []
    for place in answers:
        theirs, denied = _by_mention(read[place]), _denied(read[place])
        for row in found.matches.filter(pl.col("rank") == int(place)).iter_rows(named=True):
            ours_here = _within(asked, row["query_start"], row["query_end"])
            theirs_here = _within(theirs, row["start_char"], row["end_char"])
            shared = [code for code in ours_here if code in theirs_here]
            ancestor = _lowest(concepts, ours_here, theirs_here)
            name = concepts.ontology(ancestor.partition(":")[0]).name(ancestor.partition(":")[2]) if ancestor else None
            said = ("; ".join(codes) or None for codes in (ours_here, theirs_here, shared))
            negated = _overlapping(denied, row["start_char"], row["end_char"])
            rows.append((*row.values(), *said, ancestor, name, negated[0] if negated else None))
    return frame_of(rows, WHY)


def _by_mention(mentions: pl.DataFrame) -> list[tuple[Span, list[str]]]:
    """Where each mention stands, and its concepts, best first."""
    grouped: dict[Span, list[str]] = {}
    for start, end, system, code in mentions.select("start_char", "end_char", "system", "code").iter_rows():
        grouped.setdefault((start, end), []).append(f"{system}:{code}")
    return list(grouped.items())


def _denied(mentions: pl.DataFrame) -> list[tuple[Span, bool]]:
    columns = mentions.filter(pl.col("rank") == 1).select("start_char", "end_char", "negated")
    return [((start, end), negated) for start, end, negated in columns.iter_rows() if negated is not None]


def _within(spans: Sequence[tuple[Span, list[str]]], start: int | None, end: int | None) -> list[str]:
    """The concepts of all mentions that share a character with a token, each once."""
    return list(dict.fromkeys(code for codes in _overlapping(spans, start, end) for code in codes))


def _overlapping(spans: Sequence[tuple[Span, Held]], start: int | None, end: int | None) -> list[Held]:
    if start is None or end is None:
        return []
    return [held for (begin, stop), held in spans if begin < end and start < stop]


def _lowest(concepts: Concepts, ours: Sequence[str], theirs: Sequence[str]) -> str | None:
    """The deepest of the concepts at or above one of either side."""
    found = [common for one in ours for other in theirs if (common := concepts.common(one, other)) is not None]
    return max(found, key=lambda one: one[0])[1] if found else None
