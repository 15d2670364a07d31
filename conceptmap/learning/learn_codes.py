"""Learn from coded notes: which codes the coders of these notes give, and how surely.

``learned_from`` is the main path. Patients are held out throughout: what words of training notes say of a code is
counted for each note without its own fold, the model is judged on folds that it was not fitted to, and thresholds and
calibration come from these. What is written into the adapter at the end is fitted to all notes.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.logistic import fit_logistic
from conceptmap.coding.instructions import Instructions
from conceptmap.coding.reporting.setting import check_setting
from conceptmap.errors import InputError
from conceptmap.learned.code_adapter import CodeAdapter, LearnedFor
from conceptmap.learned.features import FEATURES, MARKED, Possible, possible_codes
from conceptmap.learned.likelihood import LIKELIHOOD
from conceptmap.learned.models import LogisticModel, Model, TreeModel
from conceptmap.learned.note_facts import EVERY_CONTEXT
from conceptmap.learning.count_associations import TrainingNote, count_associations, known_words, slim
from conceptmap.learning.fit_likelihood import Vectored, fit_head, held_out_column
from conceptmap.learning.gains import Gain, gain_of
from conceptmap.learning.held_out import Cases, decided
from conceptmap.learning.marked_phrases import NOTHING_MARKED, Phrases, check_marked, marked_in
from conceptmap.linking.linker import Linker
from conceptmap.ontology.codebook import CodeBook
from conceptmap.reading import Reading, coded, facts_of_reading

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["MODELS", "VECTORS", "CodeSettings", "Judged", "Learned", "learned_from", "training_notes"]

MODELS: Final = ("trees", "logistic")
VECTORS: Final = ("auto", "always", "never")
FOLDS: Final = 5
LEAST_NOTES: Final = 20
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


@dataclass(frozen=True)
class CodeSettings:
    """How to learn.

    Attributes:
        model: one of ``MODELS``.
        setting: of all notes: inpatient, visit or report; None where each shows it.
        seed: of every random choice.
        vectors: whether the model weighs what mentions' vectors say, where notes have them: one of ``VECTORS``; "auto"
            for where that gains.
    """

    model: str = "trees"
    setting: str | None = None
    seed: int = 0
    vectors: str = "auto"

    def __post_init__(self) -> None:
        check_setting(self.setting)
        if self.model not in MODELS:
            raise InputError("model is unknown", got=self.model, expected=", ".join(MODELS))
        if self.vectors not in VECTORS:
            raise InputError("vectors cannot be weighed so", got=self.vectors, expected=", ".join(VECTORS))

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
        gain: what vectors gain over words alone; None where notes were read by words alone.
    """

    adapter: CodeAdapter
    held: Judged
    gains: NDArray[np.float64]
    gain: Gain | None


def training_notes(
    readings: Iterable[Reading],
    linker: Linker,
    instructions: Instructions | None,
    given: Mapping[str, Collection[str]],
    *,
    setting: str | None = None,
    patients: Mapping[str, str] | None = None,
    phrases: Phrases | None = None,
) -> list[TrainingNote]:
    """Notes as they are learned from: everything that takes long, done once.

    Args:
        readings: of the notes, for one linker; those without codes are left out.
        linker: of the index.
        instructions: of the index.
        given: the codes of each note by id, as the index spells them.
        setting: of all notes.
        patients: whose note each is, where that is known.
        phrases: that coders marked in each note for its codes.

    Raises:
        InputError: none of the phrases stands in its note.
    """
    allowed, whose, out = known_words(linker), patients or {}, []
    for reading in readings:
        codes = frozenset(code for code in given.get(reading.note_id, ()) if code in linker.book.position_of_code)
        if codes:
            (now,) = coded(reading, [linker], [instructions], frozenset(), setting)
            (wide,) = coded(reading, [linker], [instructions], EVERY_CONTEXT, setting)
            facts = facts_of_reading(reading, linker, wide, 0)
            today = frozenset(linker.book.codes[code.concept] for code in now.accepted)
            facts, theirs = slim(facts, allowed, aside=bool(phrases)), (phrases or {}).get(reading.note_id)
            marked = marked_in(reading, theirs, facts.grams) if theirs else NOTHING_MARKED
            out.append(TrainingNote(facts, codes, whose.get(reading.note_id, reading.note_id), today, marked))
    check_marked([note.marked for note in out])
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
    cases = Cases.of(notes, parts)
    if cases.right.all() or not cases.right.any():
        got = f"{cases.right.sum()} of {len(cases.right)} possible codes are right"
        raise InputError("nothing to learn from", got=got)
    rows, parts = _stacked(parts)
    held = decided(cases, _held_out(rows, cases.right, fold[cases.note], settings))
    head = gain = None
    known = Vectored.of(notes, parts) if settings.vectors != "never" else None
    if known is not None:
        heads = [
            fit_head(known, cases.right, held.logits, fold[cases.note] != its, settings.seed) for its in range(FOLDS)
        ]
        wider = np.column_stack([rows, held_out_column(notes, parts, heads, fold)])
        beside = decided(cases, _held_out(wider, cases.right, fold[cases.note], settings))
        gain = gain_of(notes, cases, held, beside, seed=settings.seed)
        if gain.holds or settings.vectors == "always":
            head = fit_head(known, cases.right, held.logits, np.ones(len(rows), dtype=np.bool_), settings.seed)
            rows, held = wider, beside
    model = _fitted(rows, cases.right, settings)
    counts = count_associations(notes, is_marked=is_marked(notes))
    adapter = CodeAdapter(made_for, settings.setting, counts, model, *held.curves, *held.least, head=head)
    codes = [code for part in parts for code in part.codes]
    gains = np.abs(model.carried(rows[:: 1 + len(rows) // _EXPLAINED])).mean(axis=0)
    judged = Judged(cases.note, codes, cases.seen, cases.right, held.sure, held.accepted, fold)
    return Learned(adapter, judged, gains, gain)


def folds(notes: Sequence[TrainingNote], seed: int) -> NDArray[np.int64]:
    """Fold of each note; notes of one patient are in the same. *Shape:* (n_notes,)."""
    patients = sorted({note.patient for note in notes})
    random.Random(seed).shuffle(patients)  # noqa: S311 - not for secrets
    place = {patient: number % FOLDS for number, patient in enumerate(patients)}
    return np.array([place[note.patient] for note in notes], dtype=np.int64)


def is_marked(notes: Iterable[TrainingNote]) -> bool:
    """Whether coders marked anything in notes."""
    return any(note.marked.n_found for note in notes)


def _possible(notes: Sequence[TrainingNote], fold: NDArray[np.int64], book: CodeBook) -> list[Possible]:
    """The possible codes of each note, by what the other folds teach."""
    parts: list[Possible | None] = [None] * len(notes)
    for held in sorted({*fold.tolist()}):  # one after the other: what is counted for a fold is large
        others = [note for note, its in zip(notes, fold, strict=True) if its != held]
        known = count_associations(others, is_marked=is_marked(notes))
        for at in np.flatnonzero(fold == held).tolist():
            parts[at] = replace(possible_codes(notes[at].facts, known, book), items=[])
    return [part for part in parts if part is not None]


def _stacked(parts: Sequence[Possible]) -> tuple[NDArray[np.float64], list[Possible]]:
    """The rows of all notes, and the notes with theirs among them: they are large, and there once."""
    rows = np.vstack([part.rows for part in parts])
    ends = np.cumsum([len(part.codes) for part in parts]).tolist()
    return rows, [replace(part, rows=rows[end - len(part.codes) : end]) for end, part in zip(ends, parts, strict=True)]


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


def _held_out(
    rows: NDArray[np.float64], right: NDArray[np.bool_], apart: NDArray[np.int64], settings: CodeSettings
) -> NDArray[np.float64]:
    """Logits of each case by a model that was fitted to the other folds. *Shape:* (n,)."""
    logits = np.empty(len(right))
    for held in range(FOLDS):
        here = apart == held
        logits[here] = _fitted(rows[~here], right[~here], settings).logits(rows[here])
    return logits


def _fitted(rows: NDArray[np.float64], right: NDArray[np.bool_], settings: CodeSettings) -> Model:
    if settings.model == "logistic":
        return LogisticModel(fit_logistic(rows, right, penalty=PENALTY), rows.mean(axis=0))
    trees = _lightgbm()
    names = [name.replace(" ", "_") for name in _names(rows.shape[1])]
    data = trees.Dataset(rows, label=right.astype(np.float64), feature_name=names, free_raw_data=True)
    grown = trees.train({**_TREES, "seed": settings.seed + 1}, data, num_boost_round=_ROUNDS)
    return TreeModel(grown.model_to_string())


def _names(n: int) -> list[str]:
    """Names of so many columns: those of every note, of marked words, of vectors."""
    more = [part for part in ((), MARKED, LIKELIHOOD, (*MARKED, *LIKELIHOOD)) if len(part) == n - len(FEATURES)]
    return [*FEATURES, *more[0]]
