"""Count what words and mentions of training notes go with which codes, so that no text of one patient is kept."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from sys import intern
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conceptmap.coding.coding import NoteCode
from conceptmap.coding.proposed_codes import OtherCodes
from conceptmap.data.tables import read_table
from conceptmap.learned.associations import MENTIONED, Associations, CodeRecord
from conceptmap.learned.note_facts import FACTS, NoteFacts
from conceptmap.learning.marked_phrases import NOTHING_MARKED, Marked
from conceptmap.linking.linker import Linker
from conceptmap.text.words import normal_form

__all__ = ["LEAST_PATIENTS", "TrainingNote", "count_associations", "known_words", "may_be_kept", "slim"]

LEAST_PATIENTS = 5
"""An item that stands in notes of fewer patients is not kept."""
LEAST_TOGETHER = 2
"""Notes with an item that must have been given a code for the two to be kept together."""
NOWHERE = (0, 0)
_NO_LINKS: Final = OtherCodes()
_DIGIT: Final = re.compile(r"\d")
_ACCEPTED = [*FACTS].index("accepted")


@dataclass(frozen=True)
class TrainingNote:
    """A note that coders have coded.

    Attributes:
        facts: of the note.
        given: its codes, of those that the index holds.
        patient: whose note it is; the note itself where that is unknown.
        today: the codes that the rules give it.
        marked: what coders marked in it.
    """

    facts: NoteFacts
    given: frozenset[str]
    patient: str
    today: frozenset[str]
    marked: Marked = NOTHING_MARKED


def known_words(linker: Linker) -> frozenset[str]:
    """Normal forms of the words that may be kept: those of the index's terms, and of the package's own word list."""
    terms = linker.index.terms["term"].str.to_lowercase().str.extract_all(r"\pL+").explode().drop_nulls().unique()
    of_index = linker.book.lexicon["forms"].str.split(" ").explode().drop_nulls().unique()
    ours = (row["word"] for row in read_table("correct_words"))
    found = {*map(normal_form, terms.to_list()), *of_index.to_list(), *ours}
    return frozenset(word for word in found if not any(letter.isdigit() for letter in word))


def may_be_kept(gram: str, allowed: Collection[str]) -> bool:
    """Whether an n-gram has only words that may be kept, and no digit.

    >>> may_be_kept("renal failure", {"renal", "failure"}), may_be_kept("room 12", {"room", "12"})
    (True, False)
    """
    return all(word in allowed and not any(letter.isdigit() for letter in word) for word in gram.split())


def slim(facts: NoteFacts, allowed: Collection[str], *, aside: bool = False) -> NoteFacts:
    """Facts for training: without what is told to people, the places of n-grams, and those that may not be kept.

    Args:
        facts: of a note.
        allowed: words that may be kept.
        aside: put n-grams with other words aside, where marked words are looked for that are misspelt.
    """
    kept = {intern(gram): NOWHERE for gram in facts.grams if may_be_kept(gram, allowed)}
    found = [replace(its, facts=array("d", its.facts), code=_untold(its.code)) for its in facts.found]
    others = {intern(gram): NOWHERE for gram in facts.grams if aside and gram not in kept and not _DIGIT.search(gram)}
    return replace(facts, grams=kept, found=found, aside=others)


def _untold(code: NoteCode) -> NoteCode:
    """A code without what only people are told of it."""
    return NoteCode(code.concept, code.score, code.evidence, code.best, "", links=_NO_LINKS)


def count_associations(notes: Sequence[TrainingNote], *, is_marked: bool = False) -> Associations:
    """What items of notes go with which codes.

    Args:
        notes: slimmed, so that every n-gram may be kept if enough patients' notes have it.
        is_marked: count too what coders marked.
    """
    items = _items(notes)
    numbers = {item: number for number, item in enumerate(items)}
    records = _records(notes)
    codes = sorted(records)
    place = {code: number for number, code in enumerate(codes)}
    notes_with = np.zeros(len(items), dtype=np.int64)
    both, together = _pairs(notes, numbers, place, notes_with)
    marked = _marked(notes, numbers, place, both) if is_marked else None
    item, code = np.divmod(both, max(1, len(codes)))
    used = np.unique(item)
    first = np.searchsorted(item, np.append(used, len(items)))
    kept = [items[number] for number in used]
    counts = notes_with[used], first, code, together
    return Associations(len(notes), kept, *counts, codes, [records[code] for code in codes], marked)


def _pairs(
    notes: Sequence[TrainingNote],
    items: Mapping[str, int],
    codes: Mapping[str, int],
    notes_with: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of items and codes that are kept, an item's number times the codes plus the code's; and how often they are.

    There are thousands a note, so they are put one beside the other, and sorted where they are.

    Args:
        notes: to count in.
        items: number of each.
        codes: number of each.
        notes_with: notes with each item; is counted up.
    """
    here = [np.array([items[item] for item in items_of(note.facts) if item in items], np.int64) for note in notes]
    every = np.empty(sum(len(some) * len(note.given) for some, note in zip(here, notes, strict=True)), dtype=np.int64)
    first = 0
    for some, note in zip(here, notes, strict=True):
        given = np.array([codes[code] for code in note.given], dtype=np.int64)
        last = first + len(some) * len(given)
        np.add(some[:, None] * len(codes), given, out=every[first:last].reshape(len(some), len(given)))
        notes_with[some] += 1
        first = last
    del here
    every.sort()
    starts = np.flatnonzero(np.diff(every, prepend=-1))
    counts = np.diff(starts, append=len(every))
    enough = counts >= LEAST_TOGETHER
    return every[starts[enough]], counts[enough]


def _marked(
    notes: Sequence[TrainingNote], items: Mapping[str, int], codes: Mapping[str, int], pairs: NDArray[np.int64]
) -> NDArray[np.int64]:
    """In how many notes coders marked words of each pair's item for its code; 0 where fewer than two. *Shape:* (n,).

    Args:
        notes: to count in.
        items: number of each.
        codes: number of each.
        pairs: that are kept, as ``_pairs`` gives them.
    """
    counted = Counter(
        items[gram] * len(codes) + codes[code]
        for note in notes
        for code, grams in note.marked.parts.items()
        for gram in grams
        if gram in items and code in note.given
    )
    found = {pair: n for pair, n in counted.items() if n >= LEAST_TOGETHER}
    return np.array([found.get(pair, 0) for pair in pairs.tolist()], dtype=np.int64)


def items_of(facts: NoteFacts) -> list[str]:
    """The n-grams and mentioned codes of a note."""
    return [*facts.grams, *(MENTIONED + source for source in facts.sources)]


def _items(notes: Sequence[TrainingNote]) -> list[str]:
    """Items that stand in notes of enough patients, sorted."""
    patients: Counter[str] = Counter()
    for _, theirs in groupby(sorted(notes, key=attrgetter("patient")), key=attrgetter("patient")):
        patients.update({item for note in theirs for item in items_of(note.facts)})
    return sorted(item for item, seen in patients.items() if seen >= LEAST_PATIENTS)


def _records(notes: Sequence[TrainingNote]) -> dict[str, CodeRecord]:
    given = Counter(code for note in notes for code in note.given)
    found: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for note in notes:
        for code in note.facts.found:
            if code.facts[_ACCEPTED]:
                found[code.name] += 1
                right[code.name] += code.name in note.given
    return {code: CodeRecord(given[code], found[code], right[code]) for code in {*given, *found}}
