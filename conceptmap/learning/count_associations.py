"""Count what words and mentions of training notes go with which codes, so that no text of one patient is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from sys import intern

import numpy as np

from conceptmap.data.tables import read_table
from conceptmap.learned.associations import MENTIONED, Associations, CodeRecord
from conceptmap.learned.note_facts import FACTS, NoteFacts
from conceptmap.linking.linker import Linker
from conceptmap.text.words import normal_form

__all__ = ["LEAST_PATIENTS", "TrainingNote", "count_associations", "known_words", "may_be_kept", "slim"]

LEAST_PATIENTS = 5
"""An item that stands in notes of fewer patients is not kept."""
LEAST_TOGETHER = 2
"""Notes with an item that must have been given a code for the two to be kept together."""
NOWHERE = (0, 0)
_ACCEPTED = [*FACTS].index("accepted")


@dataclass(frozen=True)
class TrainingNote:
    """A note that coders have coded.

    Attributes:
        facts: of the note.
        given: its codes, of those that the index holds.
        patient: whose note it is; the note itself where that is unknown.
        today: the codes that the rules give it.
    """

    facts: NoteFacts
    given: frozenset[str]
    patient: str
    today: frozenset[str]


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


def slim(facts: NoteFacts, allowed: Collection[str]) -> NoteFacts:
    """Facts for training, without the places of n-grams and without those that may not be kept."""
    kept = {intern(gram): NOWHERE for gram in facts.grams if may_be_kept(gram, allowed)}
    return replace(facts, grams=kept)


def count_associations(notes: Sequence[TrainingNote]) -> Associations:
    """What items of notes go with which codes.

    Args:
        notes: slimmed, so that every n-gram may be kept if enough patients' notes have it.
    """
    items = _items(notes)
    numbers = {item: number for number, item in enumerate(items)}
    records = _records(notes)
    codes = sorted(records)
    place = {code: number for number, code in enumerate(codes)}
    notes_with = np.zeros(len(items), dtype=np.int64)
    pairs = []
    for note in notes:
        here = np.array([numbers[item] for item in items_of(note.facts) if item in numbers], dtype=np.int64)
        given = np.array([place[code] for code in note.given], dtype=np.int64)
        notes_with[here] += 1
        pairs.append((here[:, None] * len(codes) + given[None, :]).ravel())
    both, together = np.unique(np.concatenate(pairs), return_counts=True)
    both, together = both[together >= LEAST_TOGETHER], together[together >= LEAST_TOGETHER]
    item, code = np.divmod(both, max(1, len(codes)))
    used = np.unique(item)
    first = np.searchsorted(item, np.append(used, len(items)))
    kept = [items[number] for number in used]
    return Associations(
        len(notes), kept, notes_with[used], first, code, together, codes, [records[code] for code in codes]
    )


def items_of(facts: NoteFacts) -> list[str]:
    """The n-grams and mentioned codes of a note."""
    return [*facts.grams, *(MENTIONED + source for source in facts.sources)]


def _items(notes: Sequence[TrainingNote]) -> list[str]:
    """Items that stand in notes of enough patients, sorted."""
    patients: dict[str, set[str]] = {}
    for note in notes:
        for item in items_of(note.facts):
            seen = patients.setdefault(item, set())
            if len(seen) < LEAST_PATIENTS:
                seen.add(note.patient)
    return sorted(item for item, seen in patients.items() if len(seen) >= LEAST_PATIENTS)


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
