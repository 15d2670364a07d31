"""Figures of learning from coded notes: how good its codes are on notes of patients that it had not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.calibration import expected_error, reliability
from conceptmap.evaluation.figures import precision_recall
from conceptmap.learned.associations import category_of
from conceptmap.learned.code_adapter import LearnedFor
from conceptmap.learned.features import GROUPS, MARKED, MARKED_GROUP
from conceptmap.learned.likelihood import LIKELIHOOD
from conceptmap.learning.count_associations import LEAST_PATIENTS, TrainingNote
from conceptmap.learning.learn_codes import LEAST_NOTES, CodeSettings, Judged, Learned, learned_from
from conceptmap.learning.marked_phrases import marked_counts
from conceptmap.ontology.codebook import CodeBook

__all__ = ["LEAST_SURE", "card_of", "figures_of"]

LEAST_SURE: Final = 0.05
"""Codes below say nothing of calibration: nearly all of a note's possible codes are, and they are as improbable."""
LIKELIHOOD_GROUP: Final = "vectors of mentions, and how such mentions were coded"
_CURVE: Final = (0.25, 0.5)
_MOST: Final = 2000
"""Notes of the largest part that the learning curve is drawn from."""


def figures_of(held: Judged, notes: Sequence[TrainingNote]) -> dict[str, dict[str, float]]:
    """Scores of held-out notes: what the rules give them, what learning gives them, and the latter's ranks."""
    theirs: list[set[str]] = [set() for _ in notes]
    for at in np.flatnonzero(held.accepted):
        theirs[held.note[at]].add(held.codes[at])
    given = [note.given for note in notes]
    kinds = {"all": np.ones(len(held.seen), dtype=np.bool_), "seen": held.seen, "unseen": ~held.seen}
    new = _unseen_given(held, notes)
    missing = {"all": 0, "seen": 0, "unseen": 0}
    out = {
        "rules": _flat([set(note.today) for note in notes], given),
        "learned": _flat(theirs, given),
        "ranks": _ranks(held, given),
    }
    total = sum(map(len, given))
    missing["unseen"], missing["seen"] = new, total - new
    for kind in ("seen", "unseen"):
        chosen = held.accepted & kinds[kind]
        out[kind] = _shares(int(held.right[chosen].sum()), int(chosen.sum()), missing[kind])
    return out


def _shares(right: int, accepted: int, given: int) -> dict[str, float]:
    return {name: round(value, 4) for name, value in precision_recall(right, accepted, right, given).items()}


def _flat(theirs: Sequence[set[str]], given: Sequence[frozenset[str]]) -> dict[str, float]:
    """Precision, recall and F1 of codes, and F1 of categories."""
    above = [[set(map(category_of, codes)) for codes in lists] for lists in (theirs, given)]
    pairs = [(theirs, given), above]
    codes, categories = (
        _shares(sum(len(a & b) for a, b in zip(some, others, strict=True)), sum(map(len, some)), sum(map(len, others)))
        for some, others in pairs
    )
    return {**codes, "category f1": categories["f1"]}


def _unseen_given(held: Judged, notes: Sequence[TrainingNote]) -> int:
    """How many given codes no note of another fold was given: those that are not possible are unseen too."""
    where: dict[str, set[int]] = {}
    for number, note in enumerate(notes):
        for code in note.given:
            where.setdefault(code, set()).add(number)
    fold = held.fold
    return sum(
        all(fold[other] == fold[number] for other in where[code])
        for number, note in enumerate(notes)
        for code in note.given
    )


def _ranks(held: Judged, given: Sequence[frozenset[str]]) -> dict[str, float]:
    """Mean average precision and precision among the first five, codes ranked by probability."""
    order = np.lexsort((-held.sure, held.note))
    right, of_note = held.right[order], held.note[order]
    average, five = 0.0, 0.0
    for number, codes in enumerate(given):
        first, last = np.searchsorted(of_note, (number, number + 1))
        hits = right[first:last]
        share = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        average += float((share * hits).sum()) / len(codes)
        five += float(hits[:5].sum()) / 5
    return {"map": round(average / len(given), 4), "p@5": round(five / len(given), 4)}


def card_of(
    learned: Learned,
    notes: Sequence[TrainingNote],
    made_for: LearnedFor,
    book: CodeBook,
    settings: CodeSettings,
    *,
    lost: int,
) -> dict[str, Any]:
    """What an adapter's card says: counts and figures, no text.

    Args:
        learned: from all notes.
        notes: that it learned from.
        made_for: what they were read with.
        book: of the index.
        settings: as learned with.
        lost: codes that the index does not hold.
    """
    held, adapter = learned.held, learned.adapter
    bins = reliability(held.sure[held.sure >= LEAST_SURE], held.right[held.sure >= LEAST_SURE])
    share = learned.gains / max(learned.gains.sum(), 1e-9)
    columns = dict(zip(adapter.features, share.tolist(), strict=True))
    of_marks = {} if adapter.associations.marked is None else {MARKED_GROUP: tuple(MARKED)}
    groups = {**GROUPS, **of_marks, **({LIKELIHOOD_GROUP: tuple(LIKELIHOOD)} if adapter.head else {})}
    counts = {
        "notes": len(notes),
        "patients": len({note.patient for note in notes}),
        "codes": sum(len(note.given) for note in notes),
        "different codes": len({code for note in notes for code in note.given}),
        "codes not in the index": lost,
        "words kept": len(adapter.associations.items),
        "least patients": LEAST_PATIENTS,
        **marked_counts([note.marked for note in notes], adapter.associations),
    }
    return {
        "counts": counts,
        "vectors": _of_vectors(learned),
        "model": settings.model,
        "figures": figures_of(held, notes),
        "thresholds": {"seen": round(adapter.least_seen, 4), "unseen": round(adapter.least_unseen, 4)},
        "learning curve": _curve(notes, made_for, book, settings),
        "expected calibration error": round(expected_error(bins), 4),
        "reliability": [[b.n, round(b.probability, 4), round(b.right, 4)] for b in bins],
        "groups": {group: round(sum(columns[name] for name in names), 4) for group, names in groups.items()},
    }


def _of_vectors(learned: Learned) -> dict[str, Any] | None:
    """What the head on vectors gains over words alone, and whether the adapter has it; None without an encoder."""
    if learned.gain is None:
        return None
    figures = {
        name: [round(value, 4) for value in (found.one, found.two, found.low, found.high)]
        for name, found in (("log loss", learned.gain.loss), ("f1", learned.gain.f1))
    }
    return {"kept": learned.adapter.head is not None, "gains": learned.gain.holds, **figures}


def _curve(
    notes: Sequence[TrainingNote], made_for: LearnedFor, book: CodeBook, settings: CodeSettings
) -> list[list[float]]:
    """Notes, F1 of the rules and F1 learned, for parts of the notes."""
    order: NDArray[np.int64] = np.random.default_rng(settings.seed).permutation(len(notes))
    out = []
    for size in sorted({min(int(part * len(notes)), _MOST) for part in _CURVE}):
        some = [notes[at] for at in order[:size]]
        if size >= LEAST_NOTES:
            figures = figures_of(learned_from(some, made_for, book, settings).held, some)
            out.append([size, figures["rules"]["f1"], figures["learned"]["f1"]])
    return out
