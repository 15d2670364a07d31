"""How long learning from many coded notes takes, and how much memory: ``conceptmap adapt`` on made notes.

    python benchmarks/learning_size.py NOTES GOLD FOLDER --notes 20000 [--model trees]

NOTES and GOLD are coded notes as ``adapt`` takes them. A made note has half of the lines of three of them, in order,
and each of their codes with a chance of two in five; one in eight is another note of the patient before. FOLDER gets
the made notes, their codes and the adapter; the same numbers give the same notes. Prints seconds of the clock and of
the processor, and the peak of memory.
"""

from __future__ import annotations

import argparse
import random
import resource
import time
from pathlib import Path

import polars as pl

from conceptmap.cli import main as conceptmap

SOURCES = 3
SAME_PATIENT = 1 / 8
GIVEN = 0.4


def main() -> None:
    """Make, learn, print."""
    args = _arguments()
    args.folder.mkdir(parents=True, exist_ok=True)
    notes, codes = args.folder / "notes.csv", args.folder / "codes.csv"
    made, given = made_notes(args.source, args.gold, args.notes)
    made.write_csv(notes)
    given.write_csv(codes)
    began, used = time.perf_counter(), time.process_time()
    command = ["adapt", "--notes", str(notes), "--codes", str(codes), "-o", str(args.folder / "adapter"), "--overwrite"]
    status = conceptmap([*command, "--encoder", "none", "--setting", "report", "--model", args.model])
    spent = f"{time.perf_counter() - began:,.0f} s, {time.process_time() - used:,.0f} s of the processor"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{made.height:,} notes, {given.height:,} codes: {spent}, at most {peak:.2f} GiB; exit status {status}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", metavar="NOTES")
    parser.add_argument("gold", metavar="GOLD")
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--notes", type=int, default=20_000, metavar="N")
    parser.add_argument("--model", default="trees")
    return parser.parse_args()


def made_notes(source: str, gold: str, n: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Columns note_id, person_id, text; and note_id, code."""
    texts = pl.read_csv(source, infer_schema=False).select("note_id", "text")
    given = pl.read_csv(gold, infer_schema=False).group_by("note_id", maintain_order=True).agg("code")
    sources = [*texts.join(given, on="note_id", maintain_order="left").select("text", "code").iter_rows()]
    dice, notes, codes, patient = random.Random(0), [], [], 0
    for number in range(n):
        patient += dice.random() >= SAME_PATIENT
        parts, found = [], dict[str, None]()
        for text, theirs in dice.sample(sources, SOURCES):
            lines = [line for line in text.splitlines() if line.strip()]
            parts += [line for line in lines if dice.random() < 0.5]
            found |= dict.fromkeys(code for code in theirs if dice.random() < GIVEN)
        notes.append((f"m{number:06}", f"p{patient:06}", "\n".join(parts)))
        codes += [(f"m{number:06}", code) for code in found]
    return (
        pl.DataFrame(notes, schema=["note_id", "person_id", "text"], orient="row"),
        pl.DataFrame(codes, schema=["note_id", "code"], orient="row"),
    )


if __name__ == "__main__":
    main()
