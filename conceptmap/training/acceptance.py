"""Fit the acceptance model: which of the codes found in notes are among those that coders gave them.

    python benchmarks/acceptance.py NOTES GOLD            figures
    python benchmarks/acceptance.py NOTES GOLD --write    and the shipped numbers and their card

A logistic regression with a ridge penalty. Rules are righter on the notes that they were written with than on others,
those that derive codes most of all. Two columns take that up in fitting and are left out afterwards, so that
probabilities are those of unread notes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from conceptmap.adapters.logistic import fit_logistic
from conceptmap.coding.acceptance.acceptance import Acceptance
from conceptmap.coding.acceptance.known import FEATURES, Known
from conceptmap.coding.coding import CodedNote, note_candidates
from conceptmap.errors import InputError
from conceptmap.mapper import ConceptMapper
from conceptmap.reading import Reading, coded

__all__ = ["PENALTY", "THRESHOLD", "Example", "JudgedCode", "coded_with", "examples", "fit_acceptance", "references"]

PENALTY = 40.0
"""Of half the squared weights, on standardised columns."""
THRESHOLD = 0.25
"""A little below half the F1 that is reached, where leaving a code out begins to pay."""
_DECIMALS = 3
_DERIVED = [*FEATURES].index("derived")
_NOTHING_KNOWN = Acceptance((0.0,) * len(FEATURES), 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Example:
    """A code that was found in a note.

    Attributes:
        note_id: of the note.
        accepted: whether the rules accept it.
        known: see ``known.FEATURES``.
        right: whether a coder gave it.
    """

    note_id: str
    accepted: bool
    known: Known
    right: bool


@dataclass(frozen=True, slots=True)
class JudgedCode:
    """An accepted code with its probability (None where it was not judged), and whether it is the principal one."""

    code: str
    probability: float | None
    principal: bool


def references(gold: pl.DataFrame) -> dict[str, dict[str, set[str]]]:
    """The codes of each coder by note.

    Args:
        gold: columns note_id, coder, code.

    >>> frame = pl.DataFrame({"note_id": ["1", "1"], "coder": ["a", "b"], "code": ["I10", "E11.9"]})
    >>> references(frame)
    {'1': {'a': {'I10'}, 'b': {'E11.9'}}}
    """
    found: dict[str, dict[str, set[str]]] = {}
    for note_id, coder, code in gold.select("note_id", "coder", "code").iter_rows():
        found.setdefault(note_id, {}).setdefault(coder, set()).add(code)
    return found


def examples(
    mapper: ConceptMapper, readings: Iterable[Reading], gold: Mapping[str, Mapping[str, Collection[str]]]
) -> list[Example]:
    """What is known of every code that was found in notes, accepted or not, beside whether a coder gave it.

    Args:
        mapper: of one index.
        readings: of the notes; those of a setting that is not judged give none.
        gold: as ``references`` gives them.
    """
    (linker,) = mapper.linkers
    found = []
    for reading in readings:
        theirs = {code for codes in gold.get(reading.note_id, {}).values() for code in codes}
        note = _coded(mapper, reading, _NOTHING_KNOWN)
        accepted = {code.concept for code in note.accepted}
        (mentions,) = reading.coding
        contexts = [reading.contexts[m.start_char, m.end_char] for m in mentions]
        for code in note_candidates(mentions, contexts, linker.book, note):
            if code.known:
                right = linker.book.codes[code.concept] in theirs
                found.append(Example(reading.note_id, code.concept in accepted, code.known, right))
    return found


def fit_acceptance(found: Sequence[Example], *, familiar: Collection[str] = ()) -> Acceptance:
    """The model that fits examples; the same examples give the same numbers.

    Args:
        found: of notes with reference codes.
        familiar: notes that the rules were written with.

    Raises:
        InputError: no example, or all of them right, or none.
    """
    right = np.array([example.right for example in found], dtype=np.bool_)
    if right.all() or not right.any():
        raise InputError("nothing to learn acceptance from", got=f"{right.sum()} of {len(right)} codes right")
    known = np.array([example.known for example in found], dtype=np.float64)
    read = np.array([example.note_id in familiar for example in found], dtype=np.float64)
    apart = np.column_stack([read, read * known[:, _DERIVED]])
    fitted = fit_logistic(np.hstack([known, apart]), right, penalty=PENALTY).round(_DECIMALS).tolist()
    return Acceptance(tuple(fitted[: len(FEATURES)]), fitted[-1], THRESHOLD)


def coded_with(
    mapper: ConceptMapper, readings: Iterable[Reading], model: Acceptance
) -> Iterator[tuple[str, list[JudgedCode]]]:
    """The codes of notes by a model: note id and codes."""
    (linker,) = mapper.linkers
    for reading in readings:
        note = _coded(mapper, reading, model)
        yield (
            reading.note_id,
            [JudgedCode(linker.book.codes[c.concept], c.probability, c.role == "principal") for c in note.accepted],
        )


def _coded(mapper: ConceptMapper, reading: Reading, model: Acceptance) -> CodedNote:
    (note,) = coded(reading, mapper.linkers, mapper.instructions, frozenset(), accepting=lambda _: model)
    return note
