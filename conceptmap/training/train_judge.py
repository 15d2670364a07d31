"""Train an adapter's judge: each fold of notes is read with what the others taught, its mentions are right or wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.adapters.adapter import Adapter, compatibility_of
from conceptmap.adapters.calibration import expected_error, fit_calibration, reliability
from conceptmap.adapters.judge import Judge, best_threshold, feature_rows
from conceptmap.adapters.linear import unit
from conceptmap.adapters.logistic import fit_logistic, logits
from conceptmap.adapters.memory import SEEN, Memory, forms_within
from conceptmap.encoders.word_vectors import smoothed_words
from conceptmap.evaluation.figures import auc, precision_recall
from conceptmap.linking.linker import Linker
from conceptmap.matching.mentions import Mention
from conceptmap.notes.marked import MarkedNote
from conceptmap.text.words import words
from conceptmap.training.training_notes import TrainingNotes

__all__ = ["learn_inside", "learn_judge", "learn_memory"]

FOLDS = 3
LEAST_CASES = 60
MOST_WORDS = 24_000
INSIDE_PENALTY = 300.0
MOST_ERROR = 0.05
"""Expected calibration error above which there is no judge that would give nothing but probabilities."""
RIGHT, WRONG, UNJUDGED = 1, 0, -1


@dataclass(frozen=True)
class _Cases:
    """Mentions found in notes that took no part in what they were read with.

    Attributes:
        rows: their features. *Shape:* (n, n_features).
        right: whether each is right. *Shape:* (n,).
        fold: *Shape:* (n,).
        note: number of the note of each, and ``gold`` the numbers of the marked mentions that it is right for.
    """

    rows: NDArray[np.float64]
    right: NDArray[np.bool_]
    fold: NDArray[np.int64]
    note: list[int]
    gold: list[tuple[int, ...]]


def learn_judge(training: TrainingNotes, memorise: int, *, partly: bool = False) -> tuple[Judge | None, dict[str, Any]]:
    """The judge, and figures over the notes that are read, each read with what the others taught.

    Args:
        training: the notes.
        memorise: as in ``TrainingSettings``.
        partly: mentions that touch no marked one are ignored in these notes; nothing abstains, and there is no judge
            where its probabilities are not true.
    """
    cases = _cases(training, memorise)
    figures = _baselines(training, cases)
    if len(cases.right) < LEAST_CASES or cases.right.all() or not cases.right.any():
        return None, figures
    z = np.empty(len(cases.right))
    for fold in range(FOLDS):
        here = cases.fold == fold
        z[here] = logits(fit_logistic(cases.rows[~here], cases.right[~here]), cases.rows[here])
    calibrated = np.empty_like(z)
    for fold in range(FOLDS):
        here = cases.fold == fold
        calibrated[here] = fit_calibration(z[~here], cases.right[~here])(z[here])
    found = {(note, number) for note, numbers in zip(cases.note, cases.gold, strict=True) for number in numbers}
    n_gold = sum(len(note.mentions) for note in training.notes[: training.n_read])
    threshold = 0.0 if partly else best_threshold(calibrated, cases.right, n_gold - len(found))
    bins = reliability(calibrated, cases.right)
    figures |= {
        "with adapter": _score(cases, calibrated >= threshold, n_gold),
        "threshold": round(threshold, 4),
        "expected calibration error": round(expected_error(bins), 4),
        "reliability": [[b.n, round(b.probability, 4), round(b.right, 4)] for b in bins],
    }
    if partly and expected_error(bins) > MOST_ERROR:
        return None, figures
    return Judge(fit_logistic(cases.rows, cases.right), fit_calibration(z, cases.right), threshold), figures


def _baselines(training: TrainingNotes, cases: _Cases) -> dict[str, Any]:
    """Precision, recall and F1 of the dictionary alone, and of the dictionary with the remembered wordings."""
    read = range(training.n_read)
    n_gold = sum(len(training.notes[i].mentions) for i in read)
    linker = training.mapper.linkers[0]
    plain = _found(training, linker, read)
    none = _collect(training, linker, read, plain, Memory(pl.DataFrame(), pl.DataFrame(schema=SEEN)), 0, rows=False)
    everything = np.ones(len(cases.right), dtype=np.bool_)
    return {
        "notes": training.n_read,
        "dictionary alone": _score(none, np.ones(len(none.right), dtype=np.bool_), n_gold),
        "with remembered wordings": _score(cases, everything, n_gold),
    }


def _score(cases: _Cases, kept: NDArray[np.bool_], n_gold: int) -> dict[str, float]:
    pairs = {(cases.note[i], number) for i in np.flatnonzero(kept) for number in cases.gold[i]}
    figures = precision_recall(int(cases.right[kept].sum()), int(kept.sum()), len(pairs), n_gold)
    return {name: round(value, 4) for name, value in figures.items()}


def _cases(training: TrainingNotes, memorise: int) -> _Cases:
    parts = []
    linker = training.mapper.linkers[0]
    blank = compatibility_of(training.mapper.indexes[0], encoder="", revision="", dim=0)
    for fold in range(FOLDS):
        others = [i for i in range(len(training.notes)) if i % FOLDS != fold]
        memory = learn_memory(training, others, memorise)
        taught = replace(linker, adapter=Adapter(blank, memory))
        here = range(fold, training.n_read, FOLDS)
        parts.append(_collect(training, taught, here, _found(training, taught, here), memory, fold))
    return _Cases(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.fold for part in parts]),
        [note for part in parts for note in part.note],
        [gold for part in parts for gold in part.gold],
    )


def _found(training: TrainingNotes, linker: Linker, chosen: Sequence[int]) -> list[list[Mention]]:
    """Mentions of notes that are read, as ``code`` would find them."""
    texts, contents = [training.notes[i].text for i in chosen], [training.contents[i] for i in chosen]
    if not training.same_width:  # without a map the vectors cannot be compared
        return linker.lexical(texts, contents)
    return linker.link(texts, contents, linker.spot(texts, contents), [training.embeddings[i] for i in chosen])


def _collect(
    training: TrainingNotes,
    linker: Linker,
    chosen: Sequence[int],
    found: Sequence[Sequence[Mention]],
    memory: Memory,
    fold: int,
    *,
    rows: bool = True,
) -> _Cases:
    """Features and truth of the mentions found; those that touch nothing but an ignored span are left out."""
    kept_rows, right, notes, gold = [], [], [], []
    for i, mentions in zip(chosen, found, strict=True):
        verdicts = [_verdict(training.notes[i], m, linker) for m in mentions]
        if rows and mentions:
            cosines = linker.plain_cosines(training.embeddings[i], mentions)
            every = feature_rows(training.notes[i].text, training.contents[i], mentions, memory, cosines)
            kept_rows.append(every[[verdict != UNJUDGED for verdict, _ in verdicts]])
        for verdict, numbers in verdicts:
            if verdict != UNJUDGED:
                right.append(verdict == RIGHT)
                notes.append(i)
                gold.append(numbers)
    features = np.concatenate(kept_rows) if kept_rows else np.empty((0, 0))
    return _Cases(features, np.array(right, dtype=np.bool_), np.full(len(right), fold), notes, gold)


def _verdict(note: MarkedNote, mention: Mention, linker: Linker) -> tuple[int, tuple[int, ...]]:
    """Whether a mention is right, and the numbers of the marked mentions that it is right for."""
    code = linker.book.codes[mention.candidates[0].concept]
    start, end = mention.start_char, mention.end_char
    touched = [n for n, m in enumerate(note.mentions) if start < m.end_char and m.start_char < end]
    numbers = tuple(n for n in touched if code in note.mentions[n].codes)
    if numbers:
        return RIGHT, numbers
    skipped = not touched and any(start < last and first < end for first, last in note.ignored)
    return (UNJUDGED if skipped else WRONG), ()


def learn_memory(training: TrainingNotes, chosen: Sequence[int], memorise: int) -> Memory:
    """What the chosen notes teach of wordings; nothing when none are to be memorised."""
    names = training.names(chosen, memorise)
    return Memory(names, _seen_counts(training, chosen, names) if memorise else pl.DataFrame(schema=SEEN))


def _seen_counts(training: TrainingNotes, chosen: Sequence[int], names: pl.DataFrame) -> pl.DataFrame:
    """How often each wording is found in the chosen notes, and how often rightly: schema ``SEEN``."""
    blank = compatibility_of(training.mapper.indexes[0], encoder="", revision="", dim=0)
    linker = replace(training.mapper.linkers[0], adapter=Adapter(blank, Memory(names, pl.DataFrame(schema=SEEN))))
    contents = [training.contents[i] for i in chosen]
    seen: Counter[str] = Counter()
    right: Counter[str] = Counter()
    found = linker.lexical([training.notes[i].text for i in chosen], contents)
    for i, content, mentions in zip(chosen, contents, found, strict=True):
        for mention in mentions:
            verdict, _ = _verdict(training.notes[i], mention, linker)
            if verdict != UNJUDGED:
                forms = " ".join(forms_within(content, mention.start_char, mention.end_char))
                seen[forms] += 1
                right[forms] += verdict
    return pl.DataFrame([(forms, n, right[forms]) for forms, n in sorted(seen.items())], schema=SEEN, orient="row")


def learn_inside(training: TrainingNotes, seed: int) -> tuple[NDArray[np.float32] | None, float, float]:
    """Weights that tell words of mentions from others, the sum from which a word may be one, and the held-out AUC."""
    vectors, inside = [], []
    for note, tokens in zip(training.notes, training.embeddings, strict=False):
        found, (_, rows) = words(note.text), smoothed_words(note.text, tokens)
        starts, ends = np.array(found.start_char, dtype=np.int64), np.array(found.end_char, dtype=np.int64)
        marked = [(m.start_char, m.end_char) for m in note.mentions]
        skipped = _touch(starts, ends, note.ignored)
        vectors.append(rows[~skipped])
        inside.append(_touch(starts, ends, marked)[~skipped])
    x, y = unit(np.concatenate(vectors)).astype(np.float64), np.concatenate(inside)
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(x.any(axis=1)))[: MOST_WORDS + MOST_WORDS // 4]
    test, fit = chosen[: len(chosen) // 5], chosen[len(chosen) // 5 :]
    if not (y[test].any() and y[fit].any()) or y[fit].all() or y[test].all():
        return None, 0.0, 0.0
    weights = fit_logistic(x[fit], y[fit], penalty=INSIDE_PENALTY)
    sums = logits(weights, x[test])
    area = auc(pl.Series(sums), pl.Series(y[test]))
    return weights.astype(np.float32), best_threshold(sums, y[test], 0), round(area, 4)


def _touch(starts: NDArray[np.int64], ends: NDArray[np.int64], spans: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Whether each word shares a character with a span. *Shape:* (n_words,)."""
    out = np.zeros(len(starts), dtype=np.bool_)
    for first, last in spans:
        out |= (starts < last) & (ends > first)
    return out
