"""Features: the possible codes of a note as numbers, without any that says which code it is."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from math import log, log1p
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conceptmap.learned.associations import MENTIONED, Associations, CodeRecord, Spoken, category_of
from conceptmap.learned.marked_words import MARKED, MOST_MARKED, MarkedHit, marked_numbers
from conceptmap.learned.near_windows import MOST_NEAR, WINDOWS, NearConcept, near_numbers
from conceptmap.learned.note_facts import FACTS, FoundCode, NoteFacts
from conceptmap.learned.relatives import RELATIVES, related_codes, relations
from conceptmap.ontology.codebook import CodeBook

__all__ = ["FEATURES", "GROUPS", "LEARNED", "MARKED", "MARKED_GROUP", "MOST_SPOKEN", "Possible", "possible_codes"]

LEARNED: Final = {
    "given": "coders gave it to training notes",
    "best words": "training notes with such words or mentions were given it",
    "further words": "further words or mentions were",
    "all words": "all words and mentions of the note together were",
    "notes with words": "how many training notes had these words or mentions",
    "standing": "how many codes the words speak for more",
    "own mention": "training notes with a mention of it were given it",
    "right": "it was right where the rules found it",
    "times found": "the rules found it in training notes",
    "category right": "its category was right where the rules found it",
    "category found": "the rules found its category in training notes",
    "category given": "coders gave codes of its category",
    "share of category": "of the codes of its category that coders gave, how many were it",
    "named": "mentions of the note lead to it",
}
"""Name of each number that rests on training notes, and what it says."""
FEATURES: Final = {**FACTS, **LEARNED, **RELATIVES, **WINDOWS}
"""All of them, in the order of the columns."""
GROUPS: Final = {
    "how the note says it and what kind of code it is": tuple(FACTS),
    "words and mentions of training notes": tuple(LEARNED)[1:7],
    "how often it, or its category, was given and right": ("given", *tuple(LEARNED)[7:]),
    "codes beside, above and below it that the note tells of": tuple(RELATIVES),
    "vectors of the note's words": tuple(WINDOWS),
}
"""Groups of features, for the card."""
MARKED_GROUP: Final = "words that coders marked"
"""That of ``MARKED``, which are there where coders marked words."""
MOST_SPOKEN: Final = 80
"""Codes that words alone may propose in a note."""
_LEAST, _FAR = 1e-3, 500
_TRIED: Final = 3.0
_FEW: Final = 0.1


@dataclass(frozen=True, eq=False)
class Possible:
    """The possible codes of a note.

    Attributes:
        codes: each once; those that mentions lead to first.
        concepts: their positions.
        found: what mentions say of each; None for those that words of training notes, or relatives alone propose.
        seen: whether coders gave it to a training note. *Shape:* (n,) bool.
        rows: *Shape:* (n, n_features) float64.
        items: number of the item that speaks best for each, and how many of its notes were given the code; or None.
        nearest: the most probable of its relatives that mentions lead to; or None.
        near: where vectors find it near words of the note; or None.
        marked: words of the note that coders marked for it; or None.
    """

    codes: list[str]
    concepts: list[int]
    found: list[FoundCode | None]
    seen: NDArray[np.bool_]
    rows: NDArray[np.float64]
    items: list[tuple[int, int] | None]
    nearest: list[FoundCode | None]
    near: list[NearConcept | None]
    marked: list[MarkedHit | None]


def possible_codes(facts: NoteFacts, known: Associations, book: CodeBook) -> Possible:
    """The possible codes of a note: of its mentions, of its words, of marked words, relatives, and what vectors find.

    Args:
        facts: of the note.
        known: of training notes, the note itself not among them.
        book: of the index.
    """
    spoken = known.spoken(chain(facts.grams, (MENTIONED + source for source in facts.sources)))
    words = known.marked_words
    marked = {} if words is None else words.found({**facts.grams, **facts.aside}, book.words)
    named = {found.name: found for found in facts.found}
    codes = _codes(facts, spoken, marked, known, book)
    concepts = [
        *(found.concept for found in named.values()),
        *(book.position_of_code[code] for code in codes[len(named) :]),
    ]
    spoken_at = np.full(len(known.codes) + 1, -1)  # the last is of codes that training never met
    spoken_at[spoken.numbers] = np.arange(len(spoken.numbers))
    numbers = [known.code_number.get(code, -1) for code in codes]
    at = spoken_at[numbers]
    told = chain.from_iterable(found.facts for found in named.values())
    facts_told = np.fromiter(told, np.float64, len(named) * len(FACTS)).reshape(-1, len(FACTS))
    rows = np.zeros((len(codes), len(FEATURES)))
    rows[: len(named), : len(FACTS)] = facts_told
    history = np.array([_history(code, known) for code in codes], dtype=np.float64).reshape(-1, 7)
    own = np.array([_own(code, facts, known) for code in codes])
    is_named = np.arange(len(codes)) < len(named)
    related, nearest = relations(concepts, facts.found, book)
    learned = history[:, 0], _words(at, spoken, known), own, history[:, 1:], is_named, related
    rows[:, len(FACTS) :] = np.column_stack((*learned, near_numbers(concepts, facts.near)))
    if words is not None:
        rows = np.column_stack((rows, marked_numbers(numbers, marked)))
    near = {one.concept: one for one in facts.near}
    return Possible(
        codes,
        concepts,
        [*named.values(), *(None for _ in codes[len(named) :])],
        history[:, 0] > 0,
        rows,
        _items(at, spoken),
        [facts.found[place] if place >= 0 else None for place in nearest.tolist()],
        [near.get(concept) for concept in concepts],
        [marked.get(number) for number in numbers],
    )


def _codes(facts: NoteFacts, spoken: Spoken, marked: Iterable[int], known: Associations, book: CodeBook) -> list[str]:
    """The codes that are possible, each once: those that mentions lead to first."""
    named = {found.name: None for found in facts.found}
    codes = [*named, *islice(_more(spoken, known, named, book), MOST_SPOKEN)]
    codes = [*dict.fromkeys(chain(codes, related_codes(facts.found, known, book)))]
    had, by_marks = {*codes}, (known.codes[number] for number in marked)
    codes += islice((code for code in by_marks if code not in had and code in book.position_of_code), MOST_MARKED)
    had, by_vectors = {*codes}, ((book.codes[one.concept], one.concept) for one in facts.near)
    new = (code for code, at in by_vectors if code not in had and book.position_of_code[code] == at)
    return [*codes, *islice(new, MOST_NEAR)]


def _items(at: NDArray[np.int64], spoken: Spoken) -> list[tuple[int, int] | None]:
    """The item that speaks best for each code, and how many of its notes were given it."""
    if not len(spoken.item):
        return [None] * len(at)
    items = zip(spoken.item[at].tolist(), spoken.together[at].tolist(), strict=True)
    return [item if spoke else None for item, spoke in zip(items, (at >= 0).tolist(), strict=True)]


def _more(spoken: Spoken, known: Associations, named: Container[str], book: CodeBook) -> Iterator[str]:
    """The codes of the index that words speak for and no mention leads to, those first for which they speak most."""
    order = np.empty(len(spoken.rank), dtype=np.int64)
    order[spoken.rank] = spoken.numbers
    for number in order.tolist():
        code = known.codes[number]
        if code not in named and code in book.position_of_code:
            yield code


def _words(at: NDArray[np.int64], spoken: Spoken, known: Associations) -> NDArray[np.float64]:
    """What words say of codes; ``at`` is their places among those that are spoken for, or -1. *Shape:* (n, 5)."""
    words = np.tile(_UNSPOKEN, (len(at), 1))
    spoke = at >= 0
    if spoke.any():
        at = at[spoke]
        shares = np.stack((spoken.best[at], spoken.second[at]), axis=1).clip(_LEAST, 1.0 - _LEAST)
        words[spoke, :2] = np.log(shares / (1.0 - shares))
        words[spoke, 2] = spoken.lift[at]
        words[spoke, 3] = np.log1p(known.notes_with[spoken.item[at]])
        words[spoke, 4] = np.log1p(np.minimum(spoken.rank[at], _FAR))
    return words


def _own(code: str, facts: NoteFacts, known: Associations) -> float:
    """What a mention of the code itself says of it."""
    item = known.item(MENTIONED + code) if code in facts.sources else None
    return _NEVER if item is None else _logit(known.share(item, code)[0])


def _history(code: str, known: Associations) -> tuple[float, ...]:
    """What is told of a code by itself, the same in every note."""
    found = known.told.get(code)
    if found is None:
        own, shelf = known.record(code), known.categories.get(category_of(code), CodeRecord())
        usual = (shelf.right + 1.0) / (shelf.found + 2.0)
        found = known.told[code] = (
            log1p(own.given),
            _logit((own.right + _TRIED * usual) / (own.found + _TRIED)),
            log1p(own.found),
            _logit(usual),
            log1p(shelf.found),
            log1p(shelf.given),
            log((own.given + _FEW) / (shelf.given + 1.0)),
        )
    return found


def _logit(share: float) -> float:
    share = min(max(share, _LEAST), 1.0 - _LEAST)
    return log(share / (1.0 - share))


_NEVER: Final = _logit(0.0)
_UNSPOKEN: Final = (_NEVER, _NEVER, 0.0, 0.0, log1p(_FAR))
