"""Associations: how often coders gave a code to training notes with some words, or with a mention of some code.

Counted and nothing else, so that every number can be told: "given in 7 of 9 notes with these words". What is counted
stands in notes of several patients (``training.count_associations`` sees to that), and a code goes with it only where
coders gave it at least twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conceptmap.learned.marked_words import MarkedWords

__all__ = ["MENTIONED", "Associations", "CodeRecord", "Spoken", "category_of"]

MENTIONED: Final = "@"
"""Before an item that is no n-gram but a code that mentions name, or negate: "@E11.9", "@no E11.9"."""
_PULL: Final = 2.0
"""Notes by which a share is drawn towards the share of all notes."""
_TOP: Final = 5
_SLIGHT: Final = 1e-3


class CodeRecord(NamedTuple):
    """What training notes tell of a code, or of all codes of a category.

    Attributes:
        given: notes that coders gave it.
        found: notes in which the rules find it.
        right: those of them that coders gave it.
    """

    given: int = 0
    found: int = 0
    right: int = 0


class Spoken(NamedTuple):
    """What the items of a note say of codes, a row per code that any of them goes with.

    Attributes:
        numbers: of the codes, rising.
        best: the largest share of notes that were given the code, among notes with one item.
        second: that of the next item.
        lift: logits by which the best items raise the code's share, summed.
        item: number of the best item.
        rank: how many codes have more spoken for them.
        together: notes with the best item that were given the code.
    """

    numbers: NDArray[np.int64]
    best: NDArray[np.float64]
    second: NDArray[np.float64]
    lift: NDArray[np.float64]
    item: NDArray[np.int64]
    rank: NDArray[np.int64]
    together: NDArray[np.int64]


class _Ordered(NamedTuple):
    """All pairs of items and codes by code, the largest share first; *shape* of each: (n_pairs,).

    Attributes:
        number: of the code.
        item: number of the item.
        share: of the item's notes that were given the code, drawn towards that of all.
        raised: logits by which the item raises the code's share, 0 where it lowers it.
        together: notes with the item that were given the code.
        places: where each pair as it was counted stands in this order.
    """

    number: NDArray[np.int64]
    item: NDArray[np.int64]
    share: NDArray[np.float64]
    raised: NDArray[np.float64]
    together: NDArray[np.int64]
    places: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Associations:
    """Counts over training notes.

    Attributes:
        n_notes: how many there were.
        items: n-grams, and codes of mentions behind ``MENTIONED``, sorted.
        notes_with: notes with each item. *Shape:* (n_items,) int64.
        first: where the pairs of each item start; one more at the end. *Shape:* (n_items + 1,) int64.
        number: of each pair's code. *Shape:* (n_pairs,) int64.
        together: notes with the item that were given the code. *Shape:* (n_pairs,) int64.
        codes: that coders gave or the rules found, sorted.
        records: of each code.
        marked: notes in which coders marked words of each pair's item for its code; None where they marked nothing.
            *Shape:* (n_pairs,) int64.
        told: what is made of the records, kept by who makes it, by code.
        of_shelf: the codes that coders gave, kept likewise, by the position of their category.
    """

    n_notes: int
    items: list[str]
    notes_with: NDArray[np.int64]
    first: NDArray[np.int64]
    number: NDArray[np.int64]
    together: NDArray[np.int64]
    codes: list[str]
    records: list[CodeRecord]
    marked: NDArray[np.int64] | None = None
    told: dict[str, tuple[float, ...]] = field(default_factory=dict, repr=False)
    of_shelf: dict[int, list[str]] = field(default_factory=dict, repr=False)

    @cached_property
    def _item_number(self) -> dict[str, int]:
        return {item: number for number, item in enumerate(self.items)}

    @cached_property
    def code_number(self) -> dict[str, int]:
        """Number of each code."""
        return {code: number for number, code in enumerate(self.codes)}

    @cached_property
    def _share(self) -> NDArray[np.float64]:
        """Share of all notes that were given each code."""
        return np.array([record.given for record in self.records], dtype=np.float64) / max(1, self.n_notes)

    @cached_property
    def marked_words(self) -> MarkedWords | None:
        """The items whose words coders marked."""
        if self.marked is None:
            return None
        item = np.repeat(np.arange(len(self.items)), np.diff(self.first))
        return MarkedWords.of(self.items, self.notes_with, item, self.number, self.together, self.marked)

    @cached_property
    def categories(self) -> dict[str, CodeRecord]:
        """The records of each category's codes, added up."""
        sums: dict[str, CodeRecord] = {}
        for code, record in zip(self.codes, self.records, strict=True):
            category, before = category_of(code), sums.get(category_of(code), CodeRecord())
            sums[category] = CodeRecord(*(a + b for a, b in zip(before, record, strict=True)))
        return sums

    def record(self, code: str) -> CodeRecord:
        """Of a code; zeros for one that training never met."""
        number = self.code_number.get(code)
        return CodeRecord() if number is None else self.records[number]

    def is_seen(self, code: str) -> bool:
        """Whether coders gave a code to any training note."""
        return self.record(code).given > 0

    def item(self, name: str) -> int | None:
        """Number of an item; None where it was not counted."""
        return self._item_number.get(name)

    def share(self, item: int, code: str) -> tuple[float, int]:
        """Share of an item's notes that were given a code, drawn towards that of all; and how many those are."""
        number = self.code_number.get(code)
        if number is None:
            return 0.0, 0
        here = slice(self.first[item], self.first[item + 1])
        at = np.flatnonzero(self.number[here] == number)
        if not len(at):
            return 0.0, 0
        together = int(self.together[here][at[0]])
        return float((together + _PULL * self._share[number]) / (self.notes_with[item] + _PULL)), together

    @cached_property
    def _ordered(self) -> _Ordered:
        """The pairs in the order that every note wants, so that a note only picks its own."""
        item = np.repeat(np.arange(len(self.items)), np.diff(self.first))
        usual = self._share[self.number]
        share = (self.together + _PULL * usual) / (self.notes_with[item] + _PULL)
        raised = np.log((share + _SLIGHT) / (usual + _SLIGHT)).clip(0.0)
        order = np.argsort(self.number - share, kind="stable")  # by code, then the larger share: a share is below 1
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        ordered = self.number[order], item[order], share[order], raised[order], self.together[order]
        return _Ordered(*ordered, places)

    def spoken(self, present: Iterable[str]) -> Spoken:
        """What the items of a note say of codes.

        Args:
            present: its n-grams and mentioned codes; those that were not counted say nothing.
        """
        known, every = self._item_number, self._ordered
        items = np.array([*{known[name] for name in present if name in known}], dtype=np.int64)
        n_pairs = self.first[items + 1] - self.first[items]
        ends = n_pairs.cumsum()
        is_here = np.zeros(len(self.number), dtype=np.bool_)
        is_here[every.places[np.arange(n_pairs.sum()) + np.repeat(self.first[items] - ends + n_pairs, n_pairs)]] = True
        at = np.flatnonzero(is_here)
        if not len(at):
            none, zero = np.empty(0, dtype=np.int64), np.empty(0)
            return Spoken(none, zero, zero, zero, none, none, none)
        code = every.number[at]
        head = np.append(0, np.flatnonzero(code[1:] != code[:-1]) + 1)
        counts = np.diff(head, append=len(code))
        top = head[:, None] + np.minimum(np.arange(_TOP), counts[:, None] - 1)  # a code's last item where it has fewer
        lift = np.where(np.arange(_TOP) < counts[:, None], every.raised[at[top]], 0.0).sum(axis=1)
        first, next_one = at[head], at[top[:, 1]]
        codes, best, second = code[head], every.share[first], np.where(counts > 1, every.share[next_one], 0.0)
        rank = np.empty(len(codes), dtype=np.int64)
        rank[np.lexsort((codes, -lift, -best))] = np.arange(len(codes))
        return Spoken(codes, best, second, lift, every.item[first], rank, every.together[first])


def category_of(code: str) -> str:
    """What a code's category is taken for: its first three characters, as in ICD-10."""
    return code[:3]
