"""``conceptmap pairs``: mentions where they stand with names of their concepts, for fine-tuning an encoder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.common import add_command, add_table_output, check_out, ontology_of, say, write_out
from conceptmap.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.ontology.ontology import Ontology

__all__ = ["add", "run"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        commands, "pairs", run, summary="write mentions and names of their concepts as pairs to train an encoder on"
    )
    parser.add_argument(
        "mentions",
        nargs="*",
        metavar="MENTIONS",
        help=".jsonl (note_id, text, mentions of start, end, codes), BRAT folders, PubTator files, or a codes.xlsx in "
        "which Accept is filled in",
    )
    parser.add_argument(
        "--index", default="icd10cm", metavar="INDEX|RELEASE", help="names the concepts; icd10cm by default"
    )
    parser.add_argument("--terms", action="store_true", help="also every synonym with its concept's name")
    parser.add_argument("--synonyms", action="store_true", help="a pair with every term of a concept")
    parser.add_argument(
        "--words", type=int, default=4, metavar="N", help="words kept on either side of a mention (default 4); 0: none"
    )
    parser.add_argument(
        "--over", metavar="RELEASE", help="the mentions have the codes of this release, which refers to the index's"
    )
    add_table_output(parser, "PAIRS.jsonl|.csv|.parquet")


def run(args: argparse.Namespace) -> int:
    """Write the pairs; how many there are goes to stderr."""
    if not args.mentions and not args.terms:
        raise InputError("pairs of what?", got="no MENTIONS", then="name files of marked notes, or add --terms")
    if args.words < 0:
        raise InputError("--words is no number of words", got=args.words, expected="0 or more")
    check_out(args.output, overwrite=args.overwrite)
    pairs = _pairs(args, ontology_of(args.index))
    data = _bytes(pairs, Path(args.output).suffix.lower(), safe=args.spreadsheet_safe)
    write_out(args.output, data, overwrite=args.overwrite, group_readable=args.group_readable)
    held = "; they hold pieces of the notes" if args.mentions else ""
    say(f"{pairs.height:,} pairs of {pairs['code'].n_unique():,} concepts{held}")
    return 0


def _pairs(args: argparse.Namespace, ontology: Ontology) -> pl.DataFrame:
    import polars as pl

    from conceptmap.notes.marked import read_marked
    from conceptmap.notes.reviewed import reviewed_notes
    from conceptmap.training.codes import over_codes
    from conceptmap.training.pairs import mention_pairs, term_pairs

    is_book = {path: Path(path).suffix.lower() == ".xlsx" for path in args.mentions}
    notes = [note for path in args.mentions for note in (reviewed_notes if is_book[path] else read_marked)(path)]
    if args.over:
        notes = over_codes(notes, ontology_of(args.over), ontology.system)
    marked = mention_pairs(notes, ontology, n_words=args.words, synonyms=args.synonyms)
    if args.mentions and not marked.height:
        then = "name their release by --index, or by --over one that refers to it"
        raise InputError(f"no mention has a code of {ontology.system} {ontology.release}", then=then)
    return pl.concat((marked, term_pairs(ontology))) if args.terms else marked


def _bytes(pairs: pl.DataFrame, suffix: str, *, safe: bool) -> bytes:
    import io

    from conceptmap.export.csv import csv_bytes

    if suffix == ".csv":
        return csv_bytes(pairs, safe=safe)
    buffer = io.BytesIO()
    if suffix == ".parquet":
        pairs.write_parquet(buffer)
    else:
        pairs.write_ndjson(buffer)
    return buffer.getvalue()
