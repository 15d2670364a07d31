"""Learning curve: how good the codes of notes are that more and more notes of other patients taught."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.evaluation.codes import measure_codes
from conceptmap.evaluation.sampled import Measured
from conceptmap.learned.code_adapter import LearnedFor
from conceptmap.learning.count_associations import TrainingNote
from conceptmap.learning.learn_codes import LEAST_NOTES, CodeSettings, folds, learned_from
from conceptmap.ontology.codebook import CodeBook

__all__ = ["code_curve", "code_sizes", "held_out_codes", "most_notes"]

_CODES = pl.Schema({"note_id": pl.String, "code": pl.String})
_RANKED = pl.Schema({"note_id": pl.String, "code": pl.String, "score": pl.Float64})


def most_notes(notes: Sequence[TrainingNote], seed: int) -> int:
    """Notes that can be learned from whichever part is measured on."""
    fold = folds(notes, seed)
    return len(notes) - int(np.bincount(fold).max(initial=0))


def code_sizes(n_notes: int) -> list[int]:
    """An eighth of the notes, a quarter, half, all; those that are enough to learn from.

    >>> code_sizes(400), code_sizes(90)
    ([50, 100, 200, 400], [22, 45, 90])
    """
    return [size for size in (n_notes // 8, n_notes // 4, n_notes // 2, n_notes) if size >= LEAST_NOTES]


def code_curve(
    notes: Sequence[TrainingNote], made_for: LearnedFor, book: CodeBook, settings: CodeSettings, *, sizes: Sequence[int]
) -> Iterator[tuple[int, Measured]]:
    """Measure the codes of all notes by the rules alone (0 notes), and by what some of the other notes taught.

    The notes are in five parts, a patient's in one of them. Each part is coded by what notes of the other four taught;
    a smaller number of them is a part of every larger.

    Args:
        notes: with the codes that coders gave.
        made_for: what they were read with.
        book: of the index.
        settings: how to learn; its seed makes the parts, and the order of their notes.
        sizes: numbers of notes.

    Yields:
        A number of notes and the figures of `measure_codes`; ``ranked`` is of all possible codes.

    Raises:
        InputError: as `learned_from`.
    """
    ids = [note.facts.note_id for note in notes]
    given = [(of, code) for of, note in zip(ids, notes, strict=True) for code in sorted(note.given)]
    rules = [(of, code) for of, note in zip(ids, notes, strict=True) for code in sorted(note.today)]
    gold, by_rules = (pl.DataFrame(rows, schema=_CODES, orient="row") for rows in (given, rules))
    yield 0, measure_codes(gold, by_rules)
    for size in sizes:
        accepted, ranked = held_out_codes(notes, made_for, book, settings, size=size)
        found, by_rank = measure_codes(gold, accepted), measure_codes(gold, ranked)
        more = {key: figure for key, figure in by_rank.figures.items() if key[0] == "ranked"}
        yield size, Measured(found.notes, found.figures | more, found.counts)


def held_out_codes(
    notes: Sequence[TrainingNote],
    made_for: LearnedFor,
    book: CodeBook,
    settings: CodeSettings,
    *,
    size: int | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The codes of all notes, each part by what notes of the other four taught.

    Args:
        notes: with the codes that coders gave.
        made_for: what they were read with.
        book: of the index.
        settings: how to learn.
        size: so many of the other notes; all by default.

    Returns:
        ``note_id, code`` of what is given, and ``note_id, code, score`` of all possible codes by probability.

    Raises:
        InputError: as `learned_from`.
    """
    fold = folds(notes, settings.seed)
    accepted: list[tuple[str, str]] = []
    ranked: list[tuple[str, str, float]] = []
    for held in sorted({*fold.tolist()}):
        some = _others(notes, fold, held, settings.seed)[:size]
        adapter = learned_from(some, made_for, book, settings).adapter
        for at in np.flatnonzero(fold == held).tolist():
            note_id = notes[at].facts.note_id
            possible, sure, chosen = adapter.judged(notes[at].facts, book)
            ranked += zip([note_id] * len(sure), possible.codes, sure.tolist(), strict=True)
            accepted += [(note_id, code) for code, its in zip(possible.codes, chosen.tolist(), strict=True) if its]
    return pl.DataFrame(accepted, schema=_CODES, orient="row"), pl.DataFrame(ranked, schema=_RANKED, orient="row")


def _others(notes: Sequence[TrainingNote], fold: NDArray[np.int64], held: int, seed: int) -> list[TrainingNote]:
    """The notes of the other parts, in an order of chance that is the same for every size."""
    some = [note for note, its in zip(notes, fold.tolist(), strict=True) if its != held]
    return random.Random(seed).sample(some, len(some))  # noqa: S311 - not for secrets
