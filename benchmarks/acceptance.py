"""Fit and judge the acceptance model (docs/acceptance.md).

    python benchmarks/acceptance.py NOTES GOLD            figures
    python benchmarks/acceptance.py NOTES GOLD --write    and the shipped numbers and their card

NOTES has note_id and text; GOLD has note_id, coder and code: two coders, each code that either has is right. Hands are
the first letters of note ids. The model is fitted to those of --fit and judged on all: each hand of --fit by a model of
the others, those of --familiar, with which the rules were written, by cross-validation over notes among themselves.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from conceptmap.adapters.calibration import expected_error, reliability
from conceptmap.coding.acceptance.acceptance import Acceptance
from conceptmap.coding.acceptance.known import FEATURES
from conceptmap.mapper import ConceptMapper
from conceptmap.reading import Reading
from conceptmap.training.acceptance import (
    PENALTY,
    Example,
    JudgedCode,
    coded_with,
    examples,
    fit_acceptance,
    references,
)

PACKAGE = Path(__file__).resolve().parent.parent
NUMBERS = PACKAGE / "conceptmap" / "data" / "acceptance_icd10cm.json"
CARD = PACKAGE / "docs" / "acceptance.md"
FOLDS = 10
DRAWS = 1000

Gold = Mapping[str, Mapping[str, set[str]]]
Codes = dict[str, list[JudgedCode]]


@dataclass(frozen=True)
class Task:
    """The notes as read, what is known of their codes, and the reference codes."""

    mapper: ConceptMapper
    readings: list[Reading]
    examples: list[Example]
    gold: Gold
    fit: str
    familiar: str

    def hand(self, hands: str) -> list[str]:
        """Ids of the notes of some hands."""
        return [reading.note_id for reading in self.readings if reading.note_id[0] in hands]

    def fitted(self, notes: Iterable[str]) -> Acceptance:
        """The model of some notes."""
        wanted = set(notes)
        familiar = set(self.hand(self.familiar))
        return fit_acceptance([e for e in self.examples if e.note_id in wanted], familiar=familiar)

    def coded(self, notes: Iterable[str], model: Acceptance) -> Codes:
        """The codes of some notes by a model."""
        wanted = set(notes)
        return dict(coded_with(self.mapper, [r for r in self.readings if r.note_id in wanted], model))


def f1(found: Mapping[str, set[str]], gold: Gold, notes: Iterable[str]) -> tuple[float, float, float]:
    """Micro F1, the mean over the coders; precision by either, recall of what all have."""
    notes = list(notes)
    n_found = sum(len(found.get(n, ())) for n in notes)
    coders = sorted({coder for n in notes for coder in gold[n]})
    means = []
    for coder in coders:
        right = sum(len(found.get(n, set()) & gold[n].get(coder, set())) for n in notes)
        means.append(2 * right / max(1, n_found + sum(len(gold[n].get(coder, ())) for n in notes)))
    right = sum(len(found.get(n, set()) & set().union(*gold[n].values())) for n in notes)
    both = {n: set.intersection(*(gold[n].get(coder, set()) for coder in coders)) for n in notes}
    hit = sum(len(found.get(n, set()) & both[n]) for n in notes)
    return sum(means) / len(means), right / max(1, n_found), hit / max(1, sum(map(len, both.values())))


def auc(sure: np.ndarray, right: np.ndarray) -> float:
    """Chance that a right code is surer than a wrong one."""
    wrong, ours = sure[~right], sure[right]
    above = (ours[:, None] > wrong[None, :]).mean() + 0.5 * (ours[:, None] == wrong[None, :]).mean()
    return float(above)


def judged(codes: Codes, gold: Gold) -> tuple[np.ndarray, np.ndarray]:
    """Probability of every code that has one, and whether a coder gave it."""
    rows = [
        (code.probability, any(code.code in theirs for theirs in gold[note].values()))
        for note, found in codes.items()
        for code in found
        if code.probability is not None
    ]
    return np.array([p for p, _ in rows]), np.array([right for _, right in rows], dtype=np.bool_)


def unjudged(codes: Codes, name: str, task: Task, plain: Codes) -> str:
    """A line of figures: calibration and order of what is given, and F1 with and without leaving codes out."""
    sure, right = judged(codes, task.gold)
    notes = [*codes]
    kept = {note: {code.code for code in found} for note, found in codes.items()}
    before = {note: {code.code for code in plain[note]} for note in notes}
    now, was = f1(kept, task.gold, notes), f1(before, task.gold, notes)
    gone = sum(len(before[n] - kept[n]) for n in notes)
    lost = sum(len((before[n] - kept[n]) & set().union(*task.gold[n].values())) for n in notes)
    bins = reliability(sure, right)
    shown = [name, f"{len(sure):,}", f"{right.mean():.3f}", f"{expected_error(bins):.3f}", f"{auc(sure, right):.3f}"]
    shown += [" / ".join(f"{x:.3f}" for x in was), " / ".join(f"{x:.3f}" for x in now), f"{gone}, {lost} of them right"]
    return "| " + " | ".join(shown) + " |"


HEAD = (
    "| judged on | codes | right | ECE | AUC | F1 / precision / recall by rules alone | with it | left out |\n"
    "|---|---|---|---|---|---|---|---|"
)


def crossed(task: Task) -> dict[str, Codes]:
    """Codes of each part by a model that has not seen its notes."""
    own = task.hand(task.familiar)
    random.Random(0).shuffle(own)
    out: dict[str, Codes] = {task.familiar: {}}
    for fold in range(FOLDS):
        held = own[fold::FOLDS]
        others = [note for note in task.hand(task.fit) if note not in held]
        out[task.familiar] |= task.coded(held, task.fitted(others))
    for hand in sorted({note[0] for note in task.hand(_ANY)} - set(task.familiar)):
        others = [note for note in task.hand(task.fit) if note[0] != hand]
        out[hand] = task.coded(task.hand(hand), task.fitted(others))
    return out


_ANY = "".join(chr(i) for i in range(33, 127))


def figures(task: Task) -> list[str]:
    """The table of figures."""
    plain = task.coded(task.hand(_ANY), _rules_alone())
    parts = crossed(task)
    lines = [HEAD]
    lines += [unjudged(codes, _spelled(hands), task, plain) for hands, codes in parts.items()]
    unread = [hand for hand in parts if hand in task.fit and hand not in task.familiar]
    others = [hand for hand in parts if hand not in task.familiar]
    for some in (unread, others):
        together = {note: found for hand in some for note, found in parts[hand].items()}
        lines.append(unjudged(together, _spelled("".join(some)), task, plain))
    strict = task.fitted(task.hand(task.familiar))
    for some in (unread, others):
        notes = [note for hand in some for note in task.hand(hand)]
        name = f"{_spelled(''.join(some))}, fitted to {_spelled(task.familiar)} alone"
        lines.append(unjudged(task.coded(notes, strict), name, task, plain))
    return lines


def _spelled(hands: str) -> str:
    return ", ".join(hands)


def _rules_alone() -> Acceptance:
    return Acceptance((0.0,) * len(FEATURES), 0.0, 0.0)


def card(model: Acceptance, lines: list[str], task: Task) -> str:
    """The page that tells what the numbers are."""
    used = [e for e in task.examples if e.note_id[0] in task.fit]
    n_notes = len({e.note_id for e in used})
    rows = [f"| {name} | {says} | {w:+.3f} |" for (name, says), w in zip(FEATURES.items(), model.weights, strict=True)]
    return CARD_TEXT.format(
        numbers=len(model.numbers()),
        notes=n_notes,
        examples=len(used),
        accepted=sum(e.accepted for e in used),
        hands=_spelled(task.fit),
        familiar=_spelled(task.familiar),
        penalty=PENALTY,
        figures="\n".join(lines),
        rows="\n".join(rows),
        intercept=model.intercept,
        threshold=model.threshold,
        folds=FOLDS,
    )


CARD_TEXT = """# Acceptance of ICD-10-CM codes

`probability` in `codes.csv` and `candidates.csv`: that a coder would report the code. A logistic regression of
{numbers} numbers, `conceptmap/data/acceptance_icd10cm.json`, over what is known of a code in its note. It orders the
codes of a role, and a code below {threshold:.2f} is left out, unless it is the principal diagnosis, listed among the
diagnoses, the only injury beside an external cause, or the organism of an infection; `candidates.csv` keeps it with the
reason, `--explain NOTE` tells the strongest reasons of each code.

**Where it holds.** ICD-10-CM, notes of hospital stays and visits, mentions found by the index's own words, with an
encoder or without. In other systems, in reports (which code what they tell one by one), with an adapter, and for codes
that only `--include` lets in, `probability` is empty and nothing is left out.

**What it saw.** {examples:,} codes, {accepted:,} of them accepted by the rules, in {notes} English discharge summaries
written for this project (hands {hands}), with two sets of machine-made reference codes; a code that either set has is
right. No certified coder took part, and no visit: those it is only judged on. It holds no words of the notes.

**How.** Ridge penalty {penalty:g} on standardised columns, weights rounded to three decimals: the same notes give the
same bytes. The rules were written with the notes {familiar} and are righter there than on others; two columns of the
fit (notes {familiar}; derived codes of these) take that up and are left out afterwards: probabilities are those of
unread notes, and too low for {familiar}.

## Figures

No note is judged by a model that has seen it: {familiar} by cross-validation in {folds} parts, every other hand by a
model of the other hands, the visits D by all four. F1 is the mean over both sets, precision counts what either has,
recall what both have. A perfectly calibrated model has an ECE of about .03 on 1,000 codes and .08 on 100.

{figures}

## What it weighs

| number | what it says | weight |
|---|---|---|
{rows}
| intercept | | {intercept:+.3f} |
| threshold | probability below which a code is left out | {threshold:.2f} |

Everything is 0 or 1 but mentions (doublings of one, at most 2), share (of its line that the mention takes, 0 to 1) and
rivals (at most 2). Made again by `python benchmarks/acceptance.py NOTES GOLD --write`.
"""


def main(argv: list[str] | None = None, *, tell: Callable[[str], None] = print) -> None:
    """Figures, and on request the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes")
    parser.add_argument("gold")
    parser.add_argument("--fit", default="mset", help="hands of the notes that the shipped model is fitted to")
    parser.add_argument("--familiar", default="ms", help="those of them that the rules were written with")
    parser.add_argument("--write", action="store_true", help="write the shipped numbers and their card")
    args = parser.parse_args(argv)
    notes = pl.read_csv(args.notes, infer_schema=False).select("note_id", "text")
    gold = references(pl.read_csv(args.gold, infer_schema=False))
    mapper = ConceptMapper.load("icd10cm", encoder=None)
    readings = list(mapper.readings(notes))
    task = Task(mapper, readings, examples(mapper, readings, gold), gold, args.fit, args.familiar)
    lines, model = figures(task), task.fitted(task.hand(task.fit))
    tell("\n".join(lines))
    if args.write:
        NUMBERS.write_text(json.dumps(model.numbers(), indent=1) + "\n", encoding="utf-8")
        CARD.write_text(card(model, lines, task), encoding="utf-8")


if __name__ == "__main__":
    main()
