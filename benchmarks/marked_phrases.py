"""What phrases that coders marked add to learning from codes: five parts, each coded by what the others taught.

    python benchmarks/marked_phrases.py NOTES GOLD [--only PATTERN]     gold with a column evidence
    python benchmarks/marked_phrases.py MENTIONS.jsonl --release RELEASE     marked mentions with the codes of a release
    python benchmarks/marked_phrases.py --made 600 --codes 400     made notes (``made_phrases.py``)

Every part goes the whole way of ``conceptmap adapt`` and ``code``, once with the phrases and once without. Prints how
many phrases there are and how many are kept, how many of the given codes are possible ones, F1, mean average precision
and P@5, and the difference that the phrases make, 95 % interval by notes.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import polars as pl
from made_phrases import made_notes

from conceptmap import load_ontology
from conceptmap.evaluation.codes import measure_codes
from conceptmap.evaluation.intervals import compared
from conceptmap.evaluation.sampled import Measured
from conceptmap.index.building import build_index
from conceptmap.learned.code_adapter import LearnedFor
from conceptmap.learning.code_curve import held_out_codes
from conceptmap.learning.count_associations import TrainingNote, count_associations
from conceptmap.learning.fit_codes import coded_notes, read_with
from conceptmap.learning.learn_codes import MODELS, CodeSettings
from conceptmap.learning.marked_phrases import NOTHING_MARKED, marked_counts
from conceptmap.mapper import ConceptMapper
from conceptmap.notes.marked import read_marked
from conceptmap.notes.notes import read_notes
from conceptmap.ontology.codebook import CodeBook

SHOWN = {
    ("possible", "recall"): "given codes that are possible",
    ("full code", "f1"): "F1",
    ("full code", "precision"): "precision",
    ("full code", "recall"): "recall",
    ("ranked", "map"): "mAP",
    ("ranked", "p@5"): "P@5",
}


def main() -> None:
    """Read, learn twice, compare."""
    args = _arguments()
    index = "icd10cm" if args.release is None else build_index(load_ontology(args.release), None)
    mapper = ConceptMapper.load(index, encoder=None)
    (linker,) = mapper.linkers
    notes, codes = _given(args, linker.book)
    marked, _ = coded_notes(mapper.readings(notes), linker, mapper.instructions[0], codes, setting=args.setting)
    marked = marked[: args.notes]
    told = marked_counts([note.marked for note in marked], count_associations(marked, is_marked=True))
    print(f"{len(marked)} notes, {sum(len(note.given) for note in marked)} codes,", told)
    without = [_unmarked(note) for note in marked]
    settings, made_for = CodeSettings(model=args.model, setting=args.setting), read_with(linker, None)
    ids = [note.facts.note_id for note in marked]
    gold, rules = (_table(ids, [sorted(getattr(note, of)) for note in marked]) for of in ("given", "today"))
    scores = measure_codes(gold, rules).scores()["full code"]
    print(f"rules alone: F1 {scores['f1']:.3f}, precision {scores['precision']:.3f}, recall {scores['recall']:.3f}")
    one, two = (_measured(some, gold, made_for, linker.book, settings) for some in (marked, without))
    for key, its in compared(one, two).items():
        if key in SHOWN:
            gain = f"{its.difference:+.4f} ({its.low:+.4f} to {its.high:+.4f})"
            print(f"{SHOWN[key]}: {its.two:.3f} without, {its.one:.3f} with them, {gain}")


def _measured(
    notes: Sequence[TrainingNote], gold: pl.DataFrame, made_for: LearnedFor, book: CodeBook, settings: CodeSettings
) -> Measured:
    began = time.process_time()
    accepted, ranked = held_out_codes(notes, made_for, book, settings)
    seconds = time.process_time() - began
    print(f"{ranked.height / len(notes):.0f} possible codes a note, {seconds:.0f} s of the processor")
    found, by_rank = measure_codes(gold, accepted), measure_codes(gold, ranked)
    more = {key: figure for key, figure in by_rank.figures.items() if key[0] == "ranked"}
    more["possible", "recall"] = by_rank.figures["full code", "recall"]
    return Measured(found.notes, found.figures | more, found.counts)


def _unmarked(note: TrainingNote) -> TrainingNote:
    return replace(note, marked=NOTHING_MARKED, facts=replace(note.facts, aside={}))


def _table(ids: Sequence[str], codes: Sequence[Sequence[str]]) -> pl.DataFrame:
    rows = [(note_id, code) for note_id, theirs in zip(ids, codes, strict=True) for code in theirs]
    return pl.DataFrame(rows, schema=["note_id", "code"], orient="row")


def _given(args: argparse.Namespace, book: CodeBook) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Notes and codes, with evidence."""
    if args.made:
        may = [at for at, billable in enumerate(book.billable) if billable and len(book.codes[at]) < 7]
        chosen = random.Random(1).sample(may, args.codes)
        return made_notes(args.made, {book.codes[at]: book.names[at] for at in chosen})
    if args.release is not None:
        read = read_marked(args.source[0])
        texts = [(note.note_id, note.text) for note in read]
        marks = [
            (note.note_id, code, note.text[said.start_char : said.end_char])
            for note in read
            for said in note.mentions
            for code in said.codes
        ]
        table = pl.DataFrame(marks, schema=["note_id", "code", "evidence"], orient="row")
        return pl.DataFrame(texts, schema=["note_id", "text"], orient="row"), table
    wanted = pl.col("note_id").str.contains(args.only)
    notes, codes = read_notes(args.source[0]).frame(), pl.read_csv(args.source[1], infer_schema=False)
    return notes.filter(wanted), codes.filter(wanted)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="*", metavar="NOTES GOLD | MENTIONS")
    parser.add_argument("--release", metavar="RELEASE")
    parser.add_argument("--made", type=int, metavar="N")
    parser.add_argument("--codes", type=int, default=400, metavar="N", help="of made notes beside the fifty")
    parser.add_argument("--only", default="", metavar="PATTERN", help="notes whose id matches, such as ^[msD]")
    parser.add_argument("--notes", type=int, metavar="N", help="the first N notes alone")
    parser.add_argument("--setting")
    parser.add_argument("--model", choices=MODELS, default="trees")
    return parser.parse_args()


if __name__ == "__main__":
    main()
