"""Token tags gathered into the words that people read, for the terminal table and the HTML report."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

import polars as pl

__all__ = ["TaggedWord", "WordConcept", "tagged_words"]

_WORD = re.compile(r"\d+(?:[.,:/]\d+)+|[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_+")


@dataclass(frozen=True, slots=True)
class WordConcept:
    """A concept that some token of a word is tagged with, as the token that is surest of it has it.

    Attributes:
        score: cosine.
        confidence: what orders the concepts.
        why: why it stands there, in words.
    """

    system: str
    code: str
    name: str
    score: float
    confidence: float
    why: str
    rank: int = 1


@dataclass(frozen=True, slots=True)
class TaggedWord:
    """A word or punctuation mark of the note and its concepts, best first; none where the tagger abstains."""

    start_char: int
    end_char: int
    text: str
    concepts: tuple[WordConcept, ...]


def tagged_words(text: str, tags: pl.DataFrame) -> list[TaggedWord]:
    """Every word of the text with the concepts of its tokens.

    Args:
        text: the note.
        tags: rows of ``frames.TAGS`` for this note.

    >>> from conceptmap.frames import TAGS
    >>> tag = {"note_id": "n", "token_index": 1, "start_char": 2, "end_char": 4, "text": "dy", "rank": 1,
    ...        "system": "icd10cm", "code": "R06.00", "name": "Dyspnea, unspecified", "score": 0.8, "confidence": 0.6}
    >>> rows = [tag, {**tag, "token_index": 2, "start_char": 4, "end_char": 9, "text": "spnea", "confidence": 0.9}]
    >>> [(word.text, [(c.code, round(c.confidence, 2)) for c in word.concepts]) for word in
    ...  tagged_words("a dyspnea.", pl.DataFrame(rows, schema=TAGS))]
    [('a', []), ('dyspnea', [('R06.00', 0.9)]), ('.', [])]
    """
    spans = [match.span() for match in _WORD.finditer(text)]
    starts = [start for start, _ in spans]
    found: list[dict[tuple[str, str], WordConcept]] = [{} for _ in spans]
    columns = ("start_char", "end_char", "system", "code", "name", "score", "confidence", "why", "rank")
    for start, end, *given in zip(*(tags[name].to_list() for name in columns), strict=True):
        if given[1] is None:
            continue
        concept = WordConcept(*given)
        first = max(bisect_right(starts, start) - 1, 0)
        for at in range(first, len(spans)):
            if spans[at][0] >= end:
                break
            best = found[at].get((concept.system, concept.code))
            if spans[at][1] > start and (best is None or _best_first(concept) < _best_first(best)):
                found[at][concept.system, concept.code] = concept
    return [
        TaggedWord(start, end, text[start:end], tuple(sorted(concepts.values(), key=_best_first)))
        for (start, end), concepts in zip(spans, found, strict=True)
    ]


def _best_first(concept: WordConcept) -> tuple[float, int, str, str]:
    return -concept.confidence, concept.rank, concept.system, concept.code
