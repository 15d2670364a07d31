"""Mentions: spans of a note with ranked concepts, made of lexical hits and of vector evidence.

Of overlapping lexical hits the longest wins (most content words, then the stricter match); a hit nested in the winner
is not a mention of its own: "renal failure" inside "acute renal failure" is what the longer term already says. What it
names stays at a lower rank of the winner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from conceptmap.matching.content import term_forms
from conceptmap.matching.matcher import Hit, TermMatcher
from conceptmap.matching.wordings import EXACT, LOOSE, REVIEWED, SHORTENED
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.overlaps import Claims

__all__ = [
    "Candidate",
    "Mention",
    "MoreExact",
    "by_words",
    "is_named",
    "lexical_mentions",
    "with_concepts",
    "with_vectors",
]

MOST_CANDIDATES = 10
LOOSE_PENALTY = 0.1
NEAR_COSINE = 0.53
"""Concepts further away than this are no alternatives: the neighbours of a bare abbreviation are noise."""
NEAR_ENOUGH = 0.06
"""A header gives way to its default even when that was hit by a shortened wording."""
NESTED = 0.6
"""Share of their strength that the concepts of a nested hit keep at the lower ranks of the mention that holds it."""
NEAR, FOLLOWS = "near in meaning", "follows from the text"
_MOST_REMEMBERED = 20_000
_STRENGTH = {REVIEWED: 1.0, EXACT: 1.0, SHORTENED: 0.95, LOOSE: 0.8}
_TITLE, _PART = "title found in the text", "names a part of these words"
_FOUND = {
    REVIEWED: "synonym found in the text",
    EXACT: "synonym found in the text",
    SHORTENED: "shortened name found in the text",
    LOOSE: "most of a name found in the text",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One concept of a mention.

    Attributes:
        concept: position in the index's concepts frame.
        score: cosine between the mention's pooled tokens and the concept's best term; between their bags of words
            where there is no encoder.
        strength: what ranks candidates and codes, in [0, 1]: how surely this concept is what was written.
        evidence: ``lexical``, ``vector`` or ``both``; ``stated`` for a code that the note itself gives.
        found: why it stands here, in words; empty where no name of it was found in the text.
    """

    concept: int
    score: float
    strength: float
    evidence: str
    found: str = ""


@dataclass(frozen=True, slots=True)
class MoreExact:
    """What the words beside a mention say more than its code does, by vectors.

    Attributes:
        concept: of the same category; position in the index's concepts frame.
        start_char: first code point of the words that say it, the mention's among them.
        end_char: one past the last.
    """

    concept: int
    start_char: int
    end_char: int


@dataclass(frozen=True, slots=True)
class Mention:
    """A span of the note and its concepts, best first.

    Attributes:
        start_char: first code point.
        end_char: one past the last.
        candidates: at least one.
        probability: that the first of them is right; None where no adapter judges it.
        abstains: too improbable to stand: no annotation names a concept for it, and nothing is coded.
        derived: no name says the code, it follows from the text, which has been read for it: nothing completes it.
        more_exact: what the words beside it say more, by vectors; None where they do not, or nobody asked.
    """

    start_char: int
    end_char: int
    candidates: tuple[Candidate, ...]
    probability: float | None = None
    abstains: bool = False
    derived: bool = False
    more_exact: MoreExact | None = None

    def confidence(self, rank: int) -> float:
        """What orders the candidates, in [0, 1]: a candidate's strength, and never more than that of the first.

        Args:
            rank: counted from 1.
        """
        return min(self.candidates[rank - 1].strength, self.candidates[0].strength)

    def why(self, rank: int) -> str:
        """Why a candidate stands there, in words.

        Args:
            rank: counted from 1.
        """
        candidate = self.candidates[rank - 1]
        if candidate.evidence == "vector":
            return NEAR
        said = candidate.found or ("code stated in the text" if candidate.evidence == "stated" else FOLLOWS)
        return f"{said}, {NEAR}" if candidate.evidence == "both" else said


def with_concepts(mentions: Sequence[Mention], wanted: NDArray[np.bool_], *, named: bool = False) -> list[Mention]:
    """The mentions with the wanted ones of their candidates; without those that have none.

    Args:
        mentions: of one note and index.
        wanted: whether each concept is. *Shape:* (n_concepts,) bool.
        named: only where all the words name a wanted concept, or it is what the mention most probably means: an inner
            part, or a neighbour among vectors, does not stand in for another meaning.
    """
    out = []
    for mention in mentions:
        kept = tuple(c for c in mention.candidates if wanted[c.concept])
        if not kept or (named and kept[0] is not mention.candidates[0] and not is_named(kept[0])):
            continue
        out.append(mention if len(kept) == len(mention.candidates) else replace(mention, candidates=kept))
    return out


def is_named(candidate: Candidate) -> bool:
    """Whether all the words of its mention name a concept, and not a part of them, or vectors alone."""
    return candidate.evidence != "vector" and candidate.strength > NESTED


def by_words(mention: Mention) -> list[Candidate]:
    """What words speak for, and not vectors alone: what rules of coding may choose among."""
    return [candidate for candidate in mention.candidates if candidate.evidence != "vector"]


def lexical_mentions(hits: Sequence[Hit], matcher: TermMatcher, book: CodeBook) -> list[Mention]:
    """Resolve overlapping hits into mentions, in reading order."""
    claims = Claims((hit.start_char, hit.end_char) for hit in hits)
    chosen: list[tuple[Hit, list[Hit]]] = []  # with those nested in it
    for hit in sorted(hits, key=_first_of_overlapping):
        lost_to = claims.claim(hit.start_char, hit.end_char)
        if lost_to is None:
            chosen.append((hit, []))
            continue
        winner, nested = chosen[lost_to]
        if winner.start_char <= hit.start_char and hit.end_char <= winner.end_char:
            nested.append(hit)
    return [
        Mention(hit.start_char, hit.end_char, _with_nested(hit, nested, matcher, book))
        for hit, nested in sorted(chosen, key=lambda pair: pair[0].start_char)
    ]


def _first_of_overlapping(hit: Hit) -> tuple[int, bool, bool, int, int]:
    """What an overlapping hit goes by: "variceal hemorrhage (esophageal)" is no "hemorrhage (esophageal"."""
    return -hit.n_words, hit.loose, hit.pauses, hit.start_char - hit.end_char, hit.start_char


def _with_nested(hit: Hit, nested: Sequence[Hit], matcher: TermMatcher, book: CodeBook) -> tuple[Candidate, ...]:
    own = _candidates(hit, matcher, book)
    known = {candidate.concept for candidate in own}
    below: dict[int, Candidate] = {}
    for inner in nested:
        share = inner.n_words / hit.n_words  # of the words: its root is the cosine between the bags
        for c in _candidates(inner, matcher, book)[:2]:
            lower = Candidate(c.concept, math.sqrt(share), NESTED * share * c.strength, "lexical", _PART)
            if c.concept not in known and (c.concept not in below or below[c.concept].strength < lower.strength):
                below[c.concept] = lower
    return (*own, *sorted(below.values(), key=lambda c: (-c.strength, c.concept)))[:MOST_CANDIDATES]


def _candidates(hit: Hit, matcher: TermMatcher, book: CodeBook) -> tuple[Candidate, ...]:
    """`_ranked`, worked out once for the same entries."""
    key, known = (hit.entries, hit.loose, book), matcher.remembered
    found: tuple[Candidate, ...] | None = known.get(key)
    if found is None:
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        found = known[key] = _ranked(hit, matcher, book)
    return found


def _ranked(hit: Hit, matcher: TermMatcher, book: CodeBook) -> tuple[Candidate, ...]:
    """Concepts whose wording was hit. A header gives way to the code below it that says the same.

    A manifestation ("… in Lyme disease", "in diseases classified elsewhere") says more than its wording, so that others
    go before it, unless the wording is a reviewed one.
    """
    best: dict[int, float] = {}
    found: dict[int, str] = {}
    reviewed: set[int] = set()
    for entry in hit.entries:
        quality, concept = matcher.quality[entry], matcher.concept[entry]
        strength = _STRENGTH[quality] - (LOOSE_PENALTY if hit.loose else 0.0)
        if strength > best.get(concept, 0.0):
            best[concept], found[concept] = strength, _found(entry, hit, matcher, book)
        if quality == REVIEWED:
            reviewed.add(concept)
    ranked = sorted(
        best, key=lambda c: (-best[c], c not in reviewed, book.billable[c] is not True, *book.preference(c, best), c)
    )
    for header in [concept for concept in ranked if book.billable[concept] is False]:
        below = next((c for c in ranked if c != header and book.default(c) == book.default(header)), None)
        if below is not None and best[below] >= best[header] - NEAR_ENOUGH:
            if best[header] > best[below]:
                best[below], found[below] = best[header], found[header]
            ranked.remove(header)
    if len(ranked) > 1:
        ranked.sort(key=lambda concept: (book.is_conditional(concept) and concept not in reviewed, -best[concept]))
    return tuple(Candidate(c, 1.0, best[c], "lexical", found[c]) for c in ranked[:MOST_CANDIDATES])


def _found(entry: int, hit: Hit, matcher: TermMatcher, book: CodeBook) -> str:
    """What of an entry's concept was found."""
    quality = LOOSE if hit.loose else matcher.quality[entry]
    is_title = quality in (EXACT, REVIEWED) and matcher.forms[entry] == _forms(book.names[matcher.concept[entry]])
    return _TITLE if is_title else _FOUND[quality]


@lru_cache(maxsize=1 << 15)
def _forms(name: str) -> str:
    return " ".join(term_forms(name))


def with_vectors(
    mention: Mention,
    scores: Sequence[float],
    concepts: Sequence[int],
    own: Sequence[float],
    *,
    scale: Callable[[float], float] = float,
) -> Mention:
    """Add what the vectors say of a mention found by its words. What the words say best stays first.

    Args:
        mention: the mention.
        scores: cosine of the nearest concepts, best first.
        concepts: their positions.
        own: cosine of each of the mention's own candidates.
        scale: what a cosine is worth for this encoder, as one of the embedded encoder's.
    """
    near = dict(zip(concepts, scores, strict=True))
    known = {c.concept for c in mention.candidates}
    merged = [
        replace(c, score=score, evidence="both" if c.concept in near else "lexical")
        for c, score in zip(mention.candidates, own, strict=True)
    ]
    merged += [
        Candidate(concept, score, vector_strength(scale(score)), "vector")
        for concept, score in near.items()
        if concept not in known and scale(score) >= NEAR_COSINE
    ]
    first, *rest = merged[:MOST_CANDIDATES]
    return replace(mention, candidates=(first, *sorted(rest, key=lambda c: -c.strength)))


def vector_strength(score: float) -> float:
    """Strength of a concept that only vectors speak for: a logistic curve, half just above what accepts a window."""
    return 1.0 / (1.0 + math.exp(-(score - 0.78) * 12.0))
