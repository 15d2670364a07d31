"""Marked words: what coders marked as the reason for a code, found again in a note, as it was or nearly so."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import log, log1p
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conceptmap.matching.spelling import correct_words, english_words

__all__ = ["MARKED", "MOST_MARKED", "MarkedHit", "MarkedPair", "MarkedWords", "marked_numbers"]

MARKED: Final = {
    "marked": "coders marked such words for it",
    "marked given": "training notes with words that were marked for it were given it",
    "times marked": "in how many training notes such words were marked for it",
    "alike": "how alike the note's words are to those that were marked",
    "marked together": "all words of the note that were marked for it together",
    "marked standing": "for how many codes words of the note were marked more often",
}
"""Name of each number that rests on marked words, and what it says: columns behind those of ``features.FEATURES``."""
MOST_MARKED: Final = 30
"""Codes of a note that marked words alone may propose."""
_PULL: Final = 2.0
"""Notes by which a share is drawn towards none."""
_LEAST_SHARE: Final = 0.05
"""Of the notes with some words: marked for a code in fewer, they say nothing of it."""
_LEAST_ALIKE: Final = 0.6
_SHORTEST: Final = 4
_MOST_REMEMBERED: Final = 200_000
_LEAST, _FAR = 1e-3, 500


class MarkedPair(NamedTuple):
    """An item whose words coders marked for a code.

    Attributes:
        number: of the code.
        item: number of the item.
        marked: training notes in which they did.
        together: notes with the item that were given the code.
        notes: notes with the item.
    """

    number: int
    item: int
    marked: int
    together: int
    notes: int


class MarkedHit(NamedTuple):
    """Words of a note that speak most for a code, of those that coders marked for it.

    Attributes:
        words: n-gram of the note.
        pair: what was counted.
        alike: of the words to those marked, in (0, 1]; 1 where they are the same.
        share: of the notes with them in which they were marked for the code, less where the words are not the same.
        together: probability that any words of the note would be marked for it, each taken by itself.
    """

    words: str
    pair: MarkedPair
    alike: float
    share: float
    together: float


@dataclass(frozen=True, eq=False)
class MarkedWords:
    """Words that coders marked for codes.

    Attributes:
        pairs: of each item, by its words.
    """

    pairs: Mapping[str, Sequence[MarkedPair]]
    _answers: dict[str, tuple[str, float] | None] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        items: Sequence[str],
        notes_with: NDArray[np.int64],
        item: NDArray[np.int64],
        number: NDArray[np.int64],
        together: NDArray[np.int64],
        marked: NDArray[np.int64],
    ) -> MarkedWords:
        """Of all pairs those that say something.

        Args:
            items: n-grams.
            notes_with: notes with each. *Shape:* (n_items,).
            item: number of each pair's item. *Shape:* (n_pairs,).
            number: of its code, likewise.
            together: notes with both, likewise.
            marked: notes in which the words were marked for the code, likewise.
        """
        pairs: dict[str, list[MarkedPair]] = {}
        enough = (marked > 0) & (marked >= _LEAST_SHARE * notes_with[item])
        columns = (number, item, marked, together, notes_with[item])
        for row in zip(*(column[enough].tolist() for column in columns), strict=True):
            pair = MarkedPair(*row)
            pairs.setdefault(items[pair.item], []).append(pair)
        return cls(pairs)

    def found(self, grams: Collection[str], right: Container[str]) -> dict[int, MarkedHit]:
        """What the words of a note say of codes, by their numbers, the code with the largest share first.

        Args:
            grams: n-grams of the note.
            right: words of the index: none of them is taken for another, nor is an English word.
        """
        places = {gram: (gram, 1.0) for gram in grams if gram in self.pairs}
        for item, (gram, alike) in self._nearly(grams, right).items():
            places.setdefault(item, (gram, alike))
        best: dict[int, MarkedHit] = {}
        none: dict[int, float] = defaultdict(lambda: 1.0)
        for item, (gram, alike) in sorted(places.items()):
            for pair in self.pairs[item]:
                share = alike * pair.marked / (pair.notes + _PULL)
                none[pair.number] *= 1.0 - share
                if pair.number not in best or share > best[pair.number].share:
                    best[pair.number] = MarkedHit(gram, pair, alike, share, 0.0)
        order = sorted(best, key=lambda number: (-best[number].share, number))
        return {number: best[number]._replace(together=1.0 - none[number]) for number in order}

    def _nearly(self, grams: Collection[str], right: Container[str]) -> dict[str, tuple[str, float]]:
        """Items that n-grams of a note would be but for words that nobody knows, and how alike these are."""
        single = (gram for gram in grams if " " not in gram and gram not in self._known and gram not in right)
        meant = {word: its for word in single if (its := self._meant(word)) is not None}
        found: dict[str, tuple[str, float]] = {}
        for gram in grams if meant else ():
            words = gram.split(" ")
            if meant.keys().isdisjoint(words):
                continue
            item = " ".join(meant[word][0] if word in meant else word for word in words)
            alike = min(meant[word][1] for word in words if word in meant)
            if item in self.pairs and alike > found.get(item, ("", 0.0))[1]:
                found[item] = gram, alike
        return found

    @cached_property
    def _words(self) -> list[str]:
        return sorted({word for item in self.pairs for word in item.split(" ")})

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self._words)

    @cached_property
    def _with_part(self) -> dict[str, list[int]]:
        """Numbers of the words with each trigram."""
        found: dict[str, list[int]] = {}
        for number, word in enumerate(self._words):
            for part in _trigrams(word):
                found.setdefault(part, []).append(number)
        return found

    @cached_property
    def _sizes(self) -> list[int]:
        """How many trigrams each word has."""
        return [len(_trigrams(word)) for word in self._words]

    def _meant(self, word: str) -> tuple[str, float] | None:
        """The marked word that is most alike to a word, and how alike it is."""
        if word not in self._answers:
            if len(self._answers) > _MOST_REMEMBERED:
                self._answers.clear()
            is_right = len(word) < _SHORTEST or not word.isalpha() or word in correct_words() or word in english_words()
            self._answers[word] = None if is_right else self._look_up(word)
        return self._answers[word]

    def _look_up(self, word: str) -> tuple[str, float] | None:
        own, sizes = _trigrams(word), self._sizes
        shared = Counter(number for part in own for number in self._with_part.get(part, ()))
        alike = ((2 * n / (len(own) + sizes[number]), -number) for number, n in shared.items())
        share, number = max(alike, default=(0.0, 0))
        return (self._words[-number], share) if share >= _LEAST_ALIKE else None


def _trigrams(word: str) -> frozenset[str]:
    """Three letters each, the edges of the word among them.

    >>> sorted(_trigrams("gout"))
    [' go', 'gou', 'out', 'ut ']
    """
    padded = f" {word} "
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


def marked_numbers(numbers: Sequence[int], found: Mapping[int, MarkedHit]) -> NDArray[np.float64]:
    """A number for each of ``MARKED``. *Shape:* (n, 6).

    Args:
        numbers: of the codes; that of a code which training never met stands nowhere in ``found``.
        found: what marked words say, the code with the largest share first.
    """
    rows = np.tile(_UNMARKED, (len(numbers), 1))
    standing = {number: place for place, number in enumerate(found)}
    for row, number in enumerate(numbers):
        hit = found.get(number)
        if hit is not None:
            given = hit.pair.together / (hit.pair.notes + _PULL)
            times, alone, all_ = log1p(hit.pair.marked), _logit(hit.share), _logit(hit.together)
            rows[row] = alone, _logit(given), times, hit.alike, all_, log1p(min(standing[number], _FAR))
    return rows


def _logit(share: float) -> float:
    share = min(max(share, _LEAST), 1.0 - _LEAST)
    return log(share / (1.0 - share))


_UNMARKED: Final = (_logit(0.0), _logit(0.0), 0.0, 0.0, _logit(0.0), log1p(_FAR))
