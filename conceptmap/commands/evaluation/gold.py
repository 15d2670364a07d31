"""The gold standard that ``evaluate`` is given, and how predictions are measured by it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.common import say, tell_unknown
from conceptmap.commands.options.tables import read_table
from conceptmap.errors import InputError, said_codes

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.evaluation.mentions import GoldMentions
    from conceptmap.evaluation.sampled import Measured
    from conceptmap.notes.marked import MarkedNote
    from conceptmap.ontology.ontology import Ontology

__all__ = ["Task", "task_of"]

MARKED = (".jsonl", ".ndjson", ".pubtator", ".txt")
"""Files of notes with marked mentions; so are folders."""
SPANS = ("note_id", "start_char", "end_char", "code")
FLOATS = ("score", "probability")
CHALLENGE = {"start": "start_char", "end": "end_char", "concept_id": "code"}
"""Columns of the SNOMED CT entity linking challenge."""


@dataclass(frozen=True)
class Task:
    """What is measured, and how.

    Attributes:
        read: the predictions in a file.
        measure: takes them.
        errors: takes them; None where there is no list of errors.
    """

    read: Callable[[str], pl.DataFrame]
    measure: Callable[[pl.DataFrame], Measured]
    errors: Callable[[pl.DataFrame], pl.DataFrame] | None


def task_of(args: argparse.Namespace, ontology: Ontology | None) -> Task:
    """What the gold standard asks for: mentions, spans, tokens or codes."""
    marked = Path(args.gold).is_dir() or Path(args.gold).suffix.lower() in MARKED
    if marked:
        from conceptmap.notes.marked import read_marked

        return _mentions(args, ontology, notes=read_marked(args.gold)[: args.notes])
    table = read_table(args.gold, (), integers=(*SPANS[1:3], "start", "end"))
    table = table.rename({name: ours for name, ours in CHALLENGE.items() if name in table.columns}, strict=False)
    if missing := [name for name in ("note_id", "code") if name not in table.columns]:
        read_table(args.gold, missing)  # says what is there
    if "end_char" in table.columns and "start_char" in table.columns:
        return _mentions(args, ontology, table=table)
    if Path(args.gold).suffix.lower() == ".xlsx" and _has_spans(args.predicted):
        from conceptmap.notes.reviewed import reviewed_notes

        return _mentions(args, ontology, notes=reviewed_notes(args.gold)[: args.notes])
    return _codes(args, ontology, table)


def _has_spans(path: str) -> bool:
    """Whether a table of predictions is of mentions: codes have no end."""
    return path != "-" and Path(path).suffix.lower() != ".xlsx" and "end_char" in read_table(path, ()).columns


# -- codes ------------------------------------------------------------------------------------------------------------


def _codes(args: argparse.Namespace, ontology: Ontology | None, gold: pl.DataFrame) -> Task:
    from conceptmap.evaluation.codes import measure_codes
    from conceptmap.evaluation.errors import code_errors
    from conceptmap.notes.reviewed import accepted_codes, is_reviewed

    if args.gold_spans or args.tokens:
        raise InputError("--gold-spans and --tokens are about marked mentions", got=f"codes in {args.gold}")
    notes: list[str] | None = None
    left: pl.DataFrame | None = None
    if is_reviewed(gold):
        gold, left, notes = accepted_codes(gold, args.gold)
        if left.height:
            say(f"{left.height:,} codes of the notes reviewed have no mark in {args.gold}: they are left out")
    if ontology is not None:
        _tell(args.gold, gold, ontology)
    seen = _seen(args.seen)
    counted = sorted(set(notes if notes is not None else gold["note_id"].drop_nulls()))

    def read(path: str) -> pl.DataFrame:
        predicted = read_table(path, ("note_id", "code"), floats=FLOATS)
        if left is not None:
            if is_reviewed(predicted) and "rank" in predicted.columns:
                predicted = predicted.filter(predicted["rank"].is_not_null())  # a row that was added is no prediction
            predicted = predicted.join(left, on=["note_id", "code"], how="anti")
        if ontology is not None:
            _tell(path, predicted, ontology)
        return predicted

    return Task(
        read,
        lambda predicted: measure_codes(gold, predicted, ontology=ontology, notes=notes, seen=seen),
        lambda predicted: code_errors(gold, predicted, notes=counted, ontology=ontology),
    )


def _tell(table: str, frame: pl.DataFrame, ontology: Ontology) -> None:
    """Which codes of a table the ontology does not hold, or has retired."""
    from conceptmap.ontology.rollup_frames import old_codes, spelled

    codes, unknown = spelled(frame.select("code"), [ontology])
    tell_unknown(unknown["code"], f"in {table}: each counts as itself alone")
    if (old := old_codes(codes, [ontology])).height:
        say(f"{table} has {old.height:,} inactive codes, scored above as what replaced them: {said_codes(old['code'])}")


def _seen(paths: Iterable[str]) -> frozenset[str] | None:
    """The codes of training notes, as they are spelled there; None where none are named."""
    from conceptmap.notes.marked import read_marked

    codes: set[str] = set()
    for path in paths:
        if Path(path).is_dir() or Path(path).suffix.lower() in MARKED:
            codes |= {code for note in read_marked(path) for span in note.mentions for code in span.codes}
        else:
            codes |= set(read_table(path, ("code",))["code"].drop_nulls())
    return frozenset(codes) if paths else None


# -- mentions ---------------------------------------------------------------------------------------------------------


def _mentions(
    args: argparse.Namespace,
    ontology: Ontology | None,
    *,
    notes: list[MarkedNote] | None = None,
    table: pl.DataFrame | None = None,
) -> Task:
    from conceptmap.evaluation.errors import mention_errors
    from conceptmap.evaluation.mentions import GoldMentions, measure_mentions, measure_spans, measure_tokens

    seen, texts = _seen(args.seen), {note.note_id: note.text for note in notes or ()}

    def read(path: str) -> pl.DataFrame:
        return read_table(path, SPANS, integers=("start_char", "end_char", "rank"), floats=FLOATS)

    def gold_for(predicted: pl.DataFrame) -> GoldMentions:
        systems = predicted["system"].drop_nulls().unique() if "system" in predicted.columns else ()
        return GoldMentions.of(notes or (), systems) if table is None else GoldMentions.of_table(table, systems)

    def measure(predicted: pl.DataFrame) -> Measured:
        gold = gold_for(predicted)
        if args.gold_spans:
            return measure_spans(gold, predicted, seen=seen)
        if args.tokens:
            return measure_tokens(gold, predicted)
        return measure_mentions(gold, predicted, ontology=ontology, seen=seen)

    def errors(predicted: pl.DataFrame) -> pl.DataFrame:
        return mention_errors(gold_for(predicted), predicted, ontology=ontology, texts=texts)

    return Task(read, measure, None if args.gold_spans or args.tokens else errors)
