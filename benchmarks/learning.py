"""What learning from coded notes gives: folds of notes, each coded by what the others taught.

    python benchmarks/learning.py NOTES GOLD [--setting report] [--model trees] [--train N] [--encoder embedded]

Every fold goes the whole way of ``conceptmap adapt`` and ``code``: thresholds and calibration come from the training
notes alone. With ``--train N`` only so many of the other notes are learned from. Prints how many codes the model
judges and how many of the given are among them, F1 of codes and categories, mAP and P@5 by probability, precision and
recall of codes that no training note was given, and the calibration error; an interval in brackets is 95 %, notes
drawn anew a thousand times. With an encoder each fold learns twice, by words alone and with what vectors of mentions
tell (``--vectors always``, or ``auto``: where the training notes gain), and what they add is told.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from conceptmap.adapters.calibration import expected_error, reliability
from conceptmap.evaluation.intervals import DRAWS, compared
from conceptmap.evaluation.sampled import Measured, mean_of
from conceptmap.learned.associations import category_of
from conceptmap.learned.code_adapter import NO_ENCODER, LearnedFor
from conceptmap.learning.code_figures import LEAST_SURE
from conceptmap.learning.count_associations import TrainingNote
from conceptmap.learning.fit_codes import coded_notes, read_with
from conceptmap.learning.learn_codes import MODELS, CodeSettings, learned_from
from conceptmap.mapper import ConceptMapper
from conceptmap.notes.notes import read_notes
from conceptmap.ontology.codebook import CodeBook

FOLDS = 5


@dataclass(frozen=True)
class Told:
    """A note that was coded: its codes by probability, those accepted, those given, and what training gave."""

    ranked: list[tuple[str, float]]
    accepted: frozenset[str]
    given: frozenset[str]
    taught: frozenset[str]
    today: frozenset[str]


def main() -> None:
    """Print the figures."""
    args = _arguments()
    mapper = ConceptMapper.load("icd10cm", encoder=None if args.encoder == NO_ENCODER else args.encoder)
    mapper = replace(mapper, codes_by_words=False)
    (linker,) = mapper.linkers
    codes = pl.read_csv(args.gold, infer_schema=False).select("note_id", "code")
    frame = read_notes(args.notes).frame()
    settings = CodeSettings(model=args.model, setting=args.setting)
    readings = mapper.readings(frame, every_token=args.encoder != NO_ENCODER)
    notes, _ = coded_notes(readings, linker, mapper.instructions[0], codes, setting=args.setting)
    random.Random(0).shuffle(notes)
    made_for = read_with(linker, None)
    found = {}
    for vectors in ("never",) if args.encoder == NO_ENCODER else ("never", args.vectors):
        began = time.process_time()
        told, kept = _folds(notes, linker.book, made_for, replace(settings, vectors=vectors), args.train)
        seconds = (time.process_time() - began) / FOLDS
        print(f"{len(notes)} notes, {args.model}, vectors {vectors} ({kept} folds): {seconds:.0f} s of CPU a fold")
        _tell(told, notes)
        found[vectors] = told
    if len(found) == 2:
        _compare(*found.values())


def _folds(
    notes: Sequence[TrainingNote], book: CodeBook, made_for: LearnedFor, settings: CodeSettings, train: int
) -> tuple[list[Told], int]:
    """Every note coded by what the other folds taught, and how many folds weigh vectors."""
    told, kept = [], 0
    for fold in range(FOLDS):
        others = [note for at, note in enumerate(notes) if at % FOLDS != fold][: train or None]
        adapter = learned_from(others, made_for, book, settings).adapter
        kept += adapter.head is not None
        taught = frozenset(code for note in others for code in note.given)
        for note in notes[fold::FOLDS]:
            possible, sure, chosen = adapter.judged(note.facts, book)
            accepted = frozenset(code for code, its in zip(possible.codes, chosen, strict=True) if its)
            ranked = sorted(zip(possible.codes, sure.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
            told.append(Told(ranked, accepted, note.given, taught, note.today))
    return told, kept


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes")
    parser.add_argument("gold")
    parser.add_argument("--setting")
    parser.add_argument("--model", choices=MODELS, default="trees")
    parser.add_argument("--train", type=int, default=0, metavar="N")
    parser.add_argument("--encoder", default=NO_ENCODER, help="embedded, or a folder")
    parser.add_argument("--vectors", choices=("always", "auto"), default="always")
    return parser.parse_args()


def _tell(told: Sequence[Told], notes: Sequence[TrainingNote]) -> None:
    assert len(told) == len(notes)
    reached = sum(code in one.given for one in told for code, _ in one.ranked)
    every = sum(len(one.given) for one in told)
    print(f"possible codes: {np.mean([len(one.ranked) for one in told]):.0f} a note, R {reached / every:.3f}")
    rules = [(len(one.today & one.given), len(one.today), len(one.given)) for one in told]
    codes = [(len(one.accepted & one.given), len(one.accepted), len(one.given)) for one in told]
    above = [tuple(frozenset(map(category_of, some)) for some in (one.accepted, one.given)) for one in told]
    categories = [(len(a & b), len(a), len(b)) for a, b in above]
    for name, counts in (("rules alone", rules), ("codes", codes), ("categories", categories)):
        right, accepted, given = np.array(counts).sum(axis=0)
        low, high = _interval(counts)
        f1 = 2 * right / (accepted + given)
        print(f"{name}: F1 {f1:.3f} ({low:.3f}-{high:.3f}) P {right / accepted:.3f} R {right / given:.3f}")
    print(f"mAP {np.mean([_average(one) for one in told]):.3f}", end=" ")
    print(f"P@5 {np.mean([sum(code in one.given for code, _ in one.ranked[:5]) / 5 for one in told]):.3f}")
    new = [(one.accepted - one.taught, one.given - one.taught) for one in told]
    right = sum(len(a & b) for a, b in new)
    accepted, given = sum(len(a) for a, _ in new), sum(len(b) for _, b in new)
    print(f"codes of no training note: P {right / max(accepted, 1):.3f} R {right / given:.3f} of {given}")
    pairs = [(sure, code in one.given) for one in told for code, sure in one.ranked if sure >= LEAST_SURE]
    sure, hits = (np.array(column) for column in zip(*pairs, strict=True))
    print(f"expected calibration error {expected_error(reliability(sure, hits)):.3f}")


def _compare(words: Sequence[Told], vectors: Sequence[Told]) -> None:
    """What vectors add, on the same notes, with intervals by notes."""
    for (_, name), its in compared(_measured(vectors), _measured(words)).items():
        print(f"vectors add: {name} {its.difference:+.4f} ({its.low:+.4f} to {its.high:+.4f})")


def _measured(told: Sequence[Told]) -> Measured:
    columns = [
        ("F1", [(2 * len(one.accepted & one.given), len(one.accepted) + len(one.given)) for one in told]),
        ("mAP", [(_average(one), 1) for one in told]),
        ("fall of log loss a note", [(-_loss(one), 1) for one in told]),
    ]
    figures = {("codes", name): mean_of(*np.array(rows, dtype=np.float64).T) for name, rows in columns}
    return Measured([str(at) for at in range(len(told))], {**figures}, {"notes": float(len(told))})


def _loss(one: Told) -> float:
    sure = np.clip([sure for _, sure in one.ranked], 1e-9, 1 - 1e-9)
    right = np.array([code in one.given for code, _ in one.ranked])
    return -float(np.log(np.where(right, sure, 1 - sure)).sum())


def _average(one: Told) -> float:
    hits = np.array([code in one.given for code, _ in one.ranked], dtype=np.float64)
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1) * hits).sum()) / len(one.given)


def _interval(counts: Sequence[tuple[int, ...]]) -> tuple[float, float]:
    rows, dice = np.array(counts), np.random.default_rng(0)
    sums = np.array([rows[dice.integers(0, len(rows), len(rows))].sum(axis=0) for _ in range(DRAWS)])
    low, high = np.quantile(2 * sums[:, 0] / (sums[:, 1] + sums[:, 2]), (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()
