"""``conceptmap evaluate``: predictions against a gold standard."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.common import add_command, ontology_of, say, show, tell_unknown
from conceptmap.commands.options.releases import add_history_options, with_history
from conceptmap.commands.options.tables import read_table
from conceptmap.errors import InputError, said_codes

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.ontology.ontology import Ontology

__all__ = ["add", "run"]

MARKED = (".jsonl", ".ndjson", ".pubtator", ".txt")
"""Files of notes with marked mentions; so are folders."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "evaluate", run, summary="score predictions against a gold standard")
    parser.add_argument(
        "gold",
        metavar="GOLD",
        help="codes: a .csv with note_id, code, or a codes.xlsx in which Accept is filled in; "
        "mentions: a .jsonl with note_id, text, mentions, or a BRAT folder, or "
        "a PubTator .txt",
    )
    parser.add_argument(
        "predicted", metavar="PREDICTED", help="codes.csv, annotations.csv, candidates of spans, or tags.csv"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--gold-spans", action="store_true", help="PREDICTED ranks concepts for exactly the gold spans")
    how.add_argument("--tokens", action="store_true", help="PREDICTED holds the tags of tokens")
    parser.add_argument("--notes", type=int, metavar="N", help="only the first N notes with marked mentions")
    parser.add_argument(
        "--ontology",
        metavar="INDEX|RELEASE",
        help="adds figures that give credit for what gold and prediction share above",
    )
    add_history_options(parser)
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(args: argparse.Namespace) -> int:
    """Score and print."""
    from conceptmap.evaluation.figures import as_text

    if (args.earlier or args.conversions) and not args.ontology:
        raise InputError("codes of earlier years need a release of today", then="add --ontology")
    ontology = with_history([ontology_of(args.ontology)], args)[0] if args.ontology else None
    marked = Path(args.gold).is_dir() or Path(args.gold).suffix.lower() in MARKED
    scores = _mentions(args, ontology) if marked else _codes(args, ontology)
    show(json.dumps(scores, indent=2) if args.json else as_text(scores))
    return 0


def _codes(args: argparse.Namespace, ontology: Ontology | None) -> dict[str, dict[str, float]]:
    from conceptmap.evaluation.codes import score_codes
    from conceptmap.notes.reviewed import is_reviewed

    gold = read_table(args.gold, ("note_id", "code"))
    predicted = read_table(args.predicted, ("note_id", "code"), floats=("score",))
    notes = None
    if is_reviewed(gold):
        gold, predicted, notes = _reviewed(args, gold, predicted)
    if ontology is not None:
        _tell(args.gold, gold, ontology)
        _tell(args.predicted, predicted, ontology)
    return score_codes(gold, predicted, ontology=ontology, notes=notes)


def _reviewed(
    args: argparse.Namespace, gold: pl.DataFrame, predicted: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """Accepted codes, predicted ones but for those that nobody has marked, and the notes with a mark.

    Raises:
        InputError: nothing is marked, or not with yes or no.
    """
    import polars as pl

    from conceptmap.notes.reviewed import is_reviewed, with_marks

    gold = with_marks(gold.drop_nulls(["note_id", "code"]), args.gold)
    marked = gold.filter(pl.col("accepted").is_not_null())
    if not marked.height:
        raise InputError(f"nothing is marked in {args.gold}", then="type yes or no under Accept, beside the codes")
    left = gold.filter(pl.col("accepted").is_null() & pl.col("note_id").is_in(marked["note_id"].implode()))
    if left.height:
        say(f"{left.height:,} codes of the notes reviewed have no mark in {args.gold}: they are left out")
    if is_reviewed(predicted) and "rank" in predicted.columns:
        predicted = predicted.filter(pl.col("rank").is_not_null())  # a row that was added is no prediction
    predicted = predicted.join(left, on=["note_id", "code"], how="anti")
    return marked.filter("accepted"), predicted, marked["note_id"].unique(maintain_order=True).to_list()


def _tell(table: str, frame: pl.DataFrame, ontology: Ontology) -> None:
    """Which codes of a table the ontology does not hold, or has retired."""
    from conceptmap.ontology.rollup_frames import old_codes, spelled

    codes, unknown = spelled(frame.select("code"), [ontology])
    tell_unknown(unknown["code"], f"in {table}: each counts as itself alone")
    if (old := old_codes(codes, [ontology])).height:
        say(f"{table} has {old.height:,} inactive codes, scored above as what replaced them: {said_codes(old['code'])}")


def _mentions(args: argparse.Namespace, ontology: Ontology | None) -> dict[str, dict[str, float]]:
    from conceptmap.evaluation.mentions import GoldMentions, score_mentions, score_spans, score_tokens
    from conceptmap.notes.marked import read_marked

    columns = ("note_id", "start_char", "end_char", "code")
    integers = ("start_char", "end_char", "rank")
    predicted = read_table(args.predicted, columns, integers=integers, floats=("score",))
    systems = predicted["system"].drop_nulls().unique() if "system" in predicted.columns else ()
    gold = GoldMentions.of(read_marked(args.gold)[: args.notes], systems)
    if args.gold_spans:
        return score_spans(gold, predicted)
    if args.tokens:
        return score_tokens(gold, predicted)
    return score_mentions(gold, predicted, ontology=ontology)
