"""Features: the possible codes of a note as numbers, without any that says which code it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, log1p
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conceptmap.learned.associations import MENTIONED, Associations, CodeRecord, Spoken, category_of
from conceptmap.learned.note_facts import FACTS, FoundCode, NoteFacts
from conceptmap.ontology.codebook import CodeBook

__all__ = ["FEATURES", "GROUPS", "LEARNED", "MOST_SPOKEN", "Possible", "possible_codes"]

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
    "named": "mentions of the note lead to it",
}
"""Name of each number that rests on training notes, and what it says."""
FEATURES: Final = {**FACTS, **LEARNED}
"""All of them, in the order of the columns."""
GROUPS: Final = {
    "how the note says it and what kind of code it is": tuple(FACTS),
    "words and mentions of training notes": tuple(LEARNED)[1:7],
    "how often it, or its category, was given and right": ("given", *tuple(LEARNED)[7:]),
}
"""Groups of features, for the card."""
MOST_SPOKEN: Final = 80
"""Codes that words alone may propose in a note."""
_LEAST, _FAR = 1e-3, 500
_TRIED: Final = 3.0
_NO_FACTS: Final = (0.0,) * len(FACTS)


@dataclass(frozen=True, eq=False)
class Possible:
    """The possible codes of a note.

    Attributes:
        codes: each once; those that mentions lead to first.
        concepts: their positions.
        found: what mentions say of each; None for those that words of training notes alone propose.
        seen: whether coders gave it to a training note. *Shape:* (n,) bool.
        rows: *Shape:* (n, n_features) float64.
        items: number of the item that speaks best for each, and how many of its notes were given the code; or None.
    """

    codes: list[str]
    concepts: list[int]
    found: list[FoundCode | None]
    seen: NDArray[np.bool_]
    rows: NDArray[np.float64]
    items: list[tuple[int, int] | None]


def possible_codes(facts: NoteFacts, known: Associations, book: CodeBook) -> Possible:
    """The possible codes of a note: those of its mentions, and those that go with its words and mentions.

    Args:
        facts: of the note.
        known: of training notes, the note itself not among them.
        book: of the index.
    """
    spoken = known.spoken({**facts.grams, **{MENTIONED + source: None for source in facts.sources}})
    place = {known.codes[number]: at for at, number in enumerate(spoken.numbers)}
    named = {found.name: found for found in facts.found}
    order = np.argsort(spoken.rank, kind="stable").tolist()
    more = [code for at in order if (code := known.codes[spoken.numbers[at]]) not in named]
    more = [code for code in more if code in book.position_of_code][:MOST_SPOKEN]
    codes = [*named, *more]
    rows = []
    for code in codes:
        its = named[code].facts if code in named else _NO_FACTS
        rows.append((*its, *_learned(code, code in named, facts, known, spoken, place)))
    return Possible(
        codes,
        [named[code].concept if code in named else book.position_of_code[code] for code in codes],
        [named.get(code) for code in codes],
        np.array([known.is_seen(code) for code in codes], dtype=np.bool_),
        np.array(rows, dtype=np.float64).reshape(len(codes), len(FEATURES)),
        [_item(place.get(code), spoken) for code in codes],
    )


def _item(at: int | None, spoken: Spoken) -> tuple[int, int] | None:
    return None if at is None else (int(spoken.item[at]), int(spoken.together[at]))


def _learned(
    code: str, named: bool, facts: NoteFacts, known: Associations, spoken: Spoken, place: dict[str, int]
) -> Sequence[float]:
    given, *history = _history(code, known)
    at = place.get(code)
    words = _UNSPOKEN
    if at is not None:
        words = (
            _logit(float(spoken.best[at])),
            _logit(float(spoken.second[at])),
            float(spoken.lift[at]),
            log1p(float(known.notes_with[spoken.item[at]])),
            log1p(min(int(spoken.rank[at]), _FAR)),
        )
    own_item = known.item(MENTIONED + code) if code in facts.sources else None
    share = _NEVER if own_item is None else _logit(known.share(own_item, code)[0])
    return (given, *words, share, *history, float(named))


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
        )
    return found


def _logit(share: float) -> float:
    share = min(max(share, _LEAST), 1.0 - _LEAST)
    return log(share / (1.0 - share))


_NEVER: Final = _logit(0.0)
_UNSPOKEN: Final = (_NEVER, _NEVER, 0.0, 0.0, log1p(_FAR))
