"""``conceptmap cohort``: coded notes that satisfy an expression of codes, counted by branch of the hierarchy."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.common import add_command, add_table_output, check_out, ontology_of, say, write_out
from conceptmap.commands.options.notes import NOTES_HELP, add_note_options, notes_of
from conceptmap.commands.options.parser import Repeated
from conceptmap.commands.options.tables import aligned, read_table, terminal_width
from conceptmap.errors import InputError, counted

if TYPE_CHECKING:
    import polars as pl

__all__ = ["add", "run"]

_SHOWN = 12
"""Branches that are told; --counts writes all."""
_CONTEXT = ("negated", "subject", "temporality", "certainty")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "cohort", run, summary="find coded notes by codes, AND, OR, NOT and context")
    parser.add_argument("coded", metavar="RUN", help="the folder that conceptmap code wrote, or its codes.csv")
    parser.add_argument(
        "expression",
        metavar="EXPRESSION",
        help="codes, each with all below it, AND, OR, NOT, parentheses; in brackets negated, family, historical, "
        "hypothetical, uncertain, affirmed, mentioned, principal, exact: 'I50 AND NOT (N18 OR E11[negated])'",
    )
    parser.add_argument("--notes", metavar="NOTES", help=f"all notes, for NOT: also those without a code; {NOTES_HELP}")
    parser.add_argument("--counts", metavar="COUNTS.csv", help="also write the notes by term and branch")
    parser.add_argument(
        "--ontology",
        action=Repeated,
        default=["icd10cm"],
        metavar="RELEASE",
        help="of the codes: icd10cm (comes along; the default), an index folder or a release; may be repeated",
    )
    add_table_output(parser, "NOTES.csv")
    add_note_options(parser)


def run(args: argparse.Namespace) -> int:
    """Find. Counts go to stderr."""
    import polars as pl

    from conceptmap.export.csv import csv_bytes
    from conceptmap.retrieval.cohort import cohort
    from conceptmap.retrieval.expressions import parsed

    if not Path(args.coded).exists():
        expected = "the folder that conceptmap code wrote, then the expression"
        raise InputError("there is no such run", got=args.coded, expected=expected)
    parsed(args.expression)  # before anything is read
    for path in (args.output, args.counts or "-"):
        check_out(path, overwrite=args.overwrite)
    codes, mentions = _tables(Path(args.coded))
    note_ids = None
    if args.notes:
        note_ids = [note_id for chunk in notes_of(args.notes, args).chunks() for note_id in chunk["note_id"].to_list()]
    found = cohort(
        args.expression, codes, [ontology_of(one) for one in args.ontology], mentions=mentions, note_ids=note_ids
    )
    options = {"overwrite": args.overwrite, "group_readable": args.group_readable}
    write_out(args.output, csv_bytes(found.members, safe=args.spreadsheet_safe), **options)
    if args.counts:
        write_out(args.counts, csv_bytes(found.branches, safe=args.spreadsheet_safe), **options)
    among = "" if args.notes else " that have a code or a mention; --notes adds the others"
    say(f"{len(found):,} of {counted(found.n_notes, 'note')}{among}")
    shown = found.branches.head(_SHOWN).select(pl.col("term", "code", "notes", "name").cast(pl.String))
    if shown.height:
        for line in aligned([("term", "branch", "notes", "name"), *shown.rows()], terminal_width()):
            say(line)
    return 0


def _tables(run: Path) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Codes and mentions of a run; the latter None where only codes are given."""
    import polars as pl

    if run.is_file():
        return read_table(str(run), ("note_id", "code")), None
    paths = {name: _there(run, name) for name in ("codes", "annotations")}
    if (codes := paths["codes"]) is None:
        raise InputError(f"{run} holds no codes", expected="codes.csv or codes.parquet", then="code the notes first")
    if (annotations := paths["annotations"]) is None:
        return read_table(str(codes), ("note_id", "code")), None
    mentions = read_table(str(annotations), ("note_id", "code", "rank", *_CONTEXT), integers=("rank",))
    return read_table(str(codes), ("note_id", "code")), mentions.with_columns(pl.col("negated") == "true")


def _there(run: Path, name: str) -> Path | None:
    found = [run / f"{name}{suffix}" for suffix in (".parquet", ".csv")]
    return next((path for path in found if path.is_file()), None)
