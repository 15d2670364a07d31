"""Quality and speed of sections, sentences and context.

    python benchmarks/context_quality.py            precision, recall and F1 on the tuning half
    python benchmarks/context_quality.py --unseen   the same on both halves
    python benchmarks/context_quality.py --speed    words per second of processor time on made-up notes
    python benchmarks/context_quality.py --misses   every wrong answer of the tuning half

The sentences are in tests/data; the unseen half was written before the triggers and is not tuned on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from conceptmap.text.context import Context, assess
from conceptmap.text.sections import sections
from conceptmap.text.sentences import sentences

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
FIELDS = ("negated", "certainty", "temporality", "subject")
CLASSES = (
    ("negated", "negated", True),
    ("possible or probable", "certainty", None),
    ("historical", "temporality", "historical"),
    ("hypothetical", "temporality", "hypothetical"),
    ("other subject", "subject", None),
)


def rows(half: str) -> list[dict[str, Any]]:
    """The test sentences of a half."""
    lines = (DATA / f"context_sentences_{half}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def answers(row: dict[str, Any]) -> list[tuple[dict[str, Any], Context]]:
    """Gold mention and its assessed context, for each mention of a row."""
    text = row["text"]
    spans = [(mention["start"], mention["end"]) for mention in row["mentions"]]
    return list(zip(row["mentions"], assess(text, spans, sections(text)), strict=True))


def scores(half: str) -> dict[str, tuple[float, float, float, int]]:
    """Class → precision, recall, F1, gold mentions. Temporality is scored on the patient's own mentions."""
    counts: dict[str, list[int]] = {name: [0, 0, 0] for name, _, _ in CLASSES}
    for row in rows(half):
        for gold, found in answers(row):
            for name, field, value in CLASSES:
                if field == "temporality" and gold["subject"] != "patient":
                    continue
                said, true = getattr(found, field), gold[field]
                usual = "patient" if field == "subject" else "certain"
                told = said == value if value is not None else said not in {usual, None}
                meant = true == value if value is not None else true != usual
                counts[name][0] += told and meant and said == true
                counts[name][1] += told
                counts[name][2] += meant
    return {name: _prf(*count) for name, count in counts.items()}


def _prf(right: int, told: int, meant: int) -> tuple[float, float, float, int]:
    precision, recall = right / max(told, 1), right / max(meant, 1)
    return precision, recall, 2 * right / max(told + meant, 1), meant


def misses(half: str) -> None:
    """Print every mention with a wrong field, by phenomenon."""
    for row in rows(half):
        for gold, found in answers(row):
            wrong = [f"{field}={getattr(found, field)}" for field in FIELDS if getattr(found, field) != gold[field]]
            if wrong:
                mention = row["text"][gold["start"] : gold["end"]]
                print(f"{row['phenomenon']}: {row['text']!r} [{mention}] {', '.join(wrong)}")


def accuracy(half: str) -> dict[str, float]:
    """Phenomenon → share of mentions with all four fields right."""
    right: dict[str, list[bool]] = defaultdict(list)
    for row in rows(half):
        for gold, found in answers(row):
            right[row["phenomenon"]].append(all(getattr(found, field) == gold[field] for field in FIELDS))
    return {name: sum(hits) / len(hits) for name, hits in right.items()}


def speed(n_notes: int = 200) -> None:
    """Words per second over made-up notes of the tuning half's sentences, with a mention in every 12 words or so."""
    parts = rows("tuning")
    notes: list[tuple[str, list[tuple[int, int]]]] = []
    for number in range(n_notes):
        text, spans = "HISTORY OF PRESENT ILLNESS:\n", []
        for row in parts[number % 7 :: 2]:
            spans += [(len(text) + mention["start"], len(text) + mention["end"]) for mention in row["mentions"]]
            text += row["text"] + " The patient was seen in the clinic and went home in the afternoon with his son.\n"
        notes.append((text, spans))
    n_words = sum(len(text.split()) for text, _ in notes)
    n_spans = sum(len(spans) for _, spans in notes)
    assess(*notes[0], sections(notes[0][0]))
    start = time.process_time()
    for text, _ in notes:
        sections(text)
        sentences(text)
    split = time.process_time() - start
    start = time.process_time()
    for text, spans in notes:
        assess(text, spans, sections(text))
    whole = time.process_time() - start
    print(f"{n_notes} notes, {n_words} words, {n_spans} mentions")
    print(f"sections + sentences  {n_words / split:12,.0f} words/s")
    print(
        f"with context          {n_words / whole:12,.0f} words/s  ({1e6 * (whole - split) / n_spans:.1f} µs a mention)"
    )


def main() -> None:
    """Print what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unseen", action="store_true")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--misses", action="store_true")
    arguments = parser.parse_args()
    if arguments.speed:
        speed()
        return
    if arguments.misses:
        misses("tuning")
    for half in ("tuning", "unseen") if arguments.unseen else ("tuning",):
        n_sentences = len(rows(half))
        print(f"{half}: {n_sentences} rows")
        for name, (precision, recall, f1, gold) in scores(half).items():
            print(f"  {name:14} P {precision:.3f}  R {recall:.3f}  F1 {f1:.3f}  ({gold} gold)")
        print("  " + ", ".join(f"{name} {share:.2f}" for name, share in accuracy(half).items()))


if __name__ == "__main__":
    main()
