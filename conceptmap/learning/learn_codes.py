"""Learn from coded notes: which codes the coders of these notes give, and how surely.

``learned_from`` is the main path. Patients are held out throughout: what words of training notes say of a code is
counted for each note without its own fold, the model is judged on folds that it was not fitted to, and thresholds and
calibration come from these. What is written into the adapter at the end is fitted to all notes.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.calibration import Calibration, fit_calibration
from conceptmap.adapters.judge import best_threshold
from conceptmap.adapters.logistic import fit_logistic
from conceptmap.coding.instructions import Instructions
from conceptmap.coding.reporting.setting import check_setting
from conceptmap.errors import InputError
from conceptmap.learned.associations import Associations
from conceptmap.learned.code_adapter import CodeAdapter, LearnedFor
from conceptmap.learned.features import FEATURES, Possible, possible_codes
from conceptmap.learned.models import LogisticModel, Model, TreeModel
from conceptmap.learned.note_facts import EVERY_CONTEXT
from conceptmap.learning.count_associations import TrainingNote, count_associations, known_words, slim
from conceptmap.linking.linker import Linker
from conceptmap.ontology.codebook import CodeBook
from conceptmap.reading import Reading, coded, facts_of_reading

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["MODELS", "CodeSettings", "Judged", "Learned", "learned_from", "training_notes"]

MODELS: Final = ("trees", "logistic")
FOLDS: Final = 5
LEAST_NOTES: Final = 20
LEAST_PRECISION: Final = 0.52
"""A code that no training note was given is accepted where at least so many of its like are right: a little more than
half, for thresholds are chosen on the notes that they are told of."""
PENALTY: Final = 20.0
_ROUNDS: Final = 120
_TREES: Final[Mapping[str, object]] = {
    "objective": "binary",
    "learning_rate": 0.08,
    "num_leaves": 15,
    "max_depth": 5,  # what each feature carried is told in half the time of deep trees
    "min_data_in_leaf": 40,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
_EXPLAINED: Final = 5000
"""Codes, at most, that tell what is weighed."""
_NEVER: Final = 2.0
"""More than any probability."""


@dataclass(frozen=True)
class CodeSettings:
    """How to learn.

    Attributes:
        model: one of ``MODELS``.
        setting: of all notes: inpatient, visit or report; None where each shows it.
        seed: of every random choice.
    """

    model: str = "trees"
    setting: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_setting(self.setting)
        if self.model not in MODELS:
            raise InputError("model is unknown", got=self.model, expected=", ".join(MODELS))

    def check(self) -> None:
        """Refuse what is not installed.

        Raises:
            InputError: LightGBM is asked for and not there.
        """
        if self.model == "trees":
            _lightgbm()


@dataclass(frozen=True, eq=False)
class Judged:
    """The possible codes of notes, each judged by what other patients' notes taught.

    Attributes:
        note: place of each code's note. *Shape:* (n,).
        codes: the codes.
        seen: whether coders gave them to other notes. *Shape:* (n,).
        right: whether coders gave them to theirs. *Shape:* (n,).
        sure: probability of each. *Shape:* (n,).
        accepted: whether it is given. *Shape:* (n,).
        fold: of each note. *Shape:* (n_notes,).
    """

    note: NDArray[np.int64]
    codes: list[str]
    seen: NDArray[np.bool_]
    right: NDArray[np.bool_]
    sure: NDArray[np.float64]
    accepted: NDArray[np.bool_]
    fold: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Learned:
    """What learning gave.

    Attributes:
        adapter: fitted to all notes, its card empty.
        held: every note, judged by the others.
        gains: mean logits that each feature moved the held codes by.
    """

    adapter: CodeAdapter
    held: Judged
    gains: NDArray[np.float64]


def training_notes(
    readings: Iterable[Reading],
    linker: Linker,
    instructions: Instructions | None,
    given: Mapping[str, Collection[str]],
    *,
    setting: str | None = None,
    patients: Mapping[str, str] | None = None,
) -> list[TrainingNote]:
    """Notes as they are learned from: everything that takes long, done once.

    Args:
        readings: of the notes, for one linker; those without codes are left out.
        linker: of the index.
        instructions: of the index.
        given: the codes of each note by id, as the index spells them.
        setting: of all notes.
        patients: whose note each is, where that is known.
    """
    allowed, whose, out = known_words(linker), patients or {}, []
    for reading in readings:
        codes = frozenset(code for code in given.get(reading.note_id, ()) if code in linker.book.position_of_code)
        if codes:
            (now,) = coded(reading, [linker], [instructions], frozenset(), setting)
            (wide,) = coded(reading, [linker], [instructions], EVERY_CONTEXT, setting)
            facts = facts_of_reading(reading, linker, wide, 0)
            today = frozenset(linker.book.codes[code.concept] for code in now.accepted)
            out.append(TrainingNote(slim(facts, allowed), codes, whose.get(reading.note_id, reading.note_id), today))
    return out


def learned_from(
    notes: Sequence[TrainingNote], made_for: LearnedFor, book: CodeBook, settings: CodeSettings
) -> Learned:
    """Learn from notes and the codes that coders gave them.

    Args:
        notes: as ``training_notes`` reads them.
        made_for: what they were read with.
        book: of the index.
        settings: how to learn.

    Raises:
        InputError: fewer than 20 notes, or nothing to tell apart in them, or LightGBM is asked for and not installed.
    """
    if len(notes) < LEAST_NOTES:
        expected = f"{LEAST_NOTES} notes with codes that the index holds, better hundreds"
        raise InputError("too little to learn from", got=f"{len(notes)} notes", expected=expected)
    fold = folds(notes, settings.seed)
    parts = _possible(notes, fold, book)
    rows = np.vstack([part.rows for part in parts])
    of_note = np.repeat(np.arange(len(notes)), [len(part.codes) for part in parts])
    seen = np.concatenate([part.seen for part in parts])
    right = np.array([code in note.given for note, part in zip(notes, parts, strict=True) for code in part.codes])
    if right.all() or not right.any():
        raise InputError("nothing to learn from", got=f"{right.sum()} of {len(right)} possible codes are right")
    apart = fold[of_note]
    logits = np.empty(len(right))
    for held in range(FOLDS):
        here = apart == held
        logits[here] = _fitted(rows[~here], right[~here], settings).logits(rows[here])
    curves = [_calibrated(logits, right, kind) for kind in (seen, ~seen)]
    sure = np.where(seen, curves[0](logits), curves[1](logits))
    missed = sum(len(note.given) for note in notes) - int(right.sum())
    least = _least_seen(sure[seen], right[seen], missed), _least_unseen(sure[~seen], right[~seen])
    model = _fitted(rows, right, settings)
    adapter = CodeAdapter(made_for, settings.setting, count_associations(notes), model, curves[0], curves[1], *least)
    accepted = sure >= np.where(seen, *least)
    codes = [code for part in parts for code in part.codes]
    gains = np.abs(model.carried(rows[:: 1 + len(rows) // _EXPLAINED])).mean(axis=0)
    return Learned(adapter, Judged(of_note, codes, seen, right, sure, accepted, fold), gains)


def folds(notes: Sequence[TrainingNote], seed: int) -> NDArray[np.int64]:
    """Fold of each note; notes of one patient are in the same. *Shape:* (n_notes,)."""
    patients = sorted({note.patient for note in notes})
    random.Random(seed).shuffle(patients)  # noqa: S311 - not for secrets
    place = {patient: number % FOLDS for number, patient in enumerate(patients)}
    return np.array([place[note.patient] for note in notes], dtype=np.int64)


def _possible(notes: Sequence[TrainingNote], fold: NDArray[np.int64], book: CodeBook) -> list[Possible]:
    """The possible codes of each note, by what the other folds teach."""
    known: dict[int, Associations] = {
        held: count_associations([note for note, its in zip(notes, fold, strict=True) if its != held])
        for held in range(FOLDS)
    }
    return [possible_codes(note.facts, known[its], book) for note, its in zip(notes, fold.tolist(), strict=True)]


def _lightgbm() -> ModuleType:
    """The package that grows trees.

    Raises:
        InputError: it is not installed.
    """
    try:
        import lightgbm as found
    except ImportError as error:
        raise InputError(
            "trees need LightGBM", got="no lightgbm", then="pip install 'conceptmap[learn]', or adapt --model logistic"
        ) from error
    return found


def _fitted(rows: NDArray[np.float64], right: NDArray[np.bool_], settings: CodeSettings) -> Model:
    if settings.model == "logistic":
        return LogisticModel(fit_logistic(rows, right, penalty=PENALTY), rows.mean(axis=0))
    trees = _lightgbm()
    names = [name.replace(" ", "_") for name in FEATURES]
    data = trees.Dataset(rows, label=right.astype(np.float64), feature_name=names, free_raw_data=True)
    grown = trees.train({**_TREES, "seed": settings.seed + 1}, data, num_boost_round=_ROUNDS)
    return TreeModel(grown.model_to_string())


def _calibrated(logits: NDArray[np.float64], right: NDArray[np.bool_], kind: NDArray[np.bool_]) -> Calibration:
    """The curve of one kind of codes; that of all where there are too few."""
    enough = 0 < right[kind].sum() < kind.sum()
    return fit_calibration(logits[kind], right[kind]) if enough else fit_calibration(logits, right)


def _least_seen(sure: NDArray[np.float64], right: NDArray[np.bool_], missed: int) -> float:
    return best_threshold(sure, right, missed) if len(sure) else _NEVER


def _least_unseen(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The lowest probability from which enough are right."""
    order = np.argsort(-sure, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(share >= LEAST_PRECISION)
    return float(sure[order[enough[-1]]]) if len(enough) else _NEVER
