"""``conceptmap align``: what several systems say of the same mentions or tokens, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.common import add_command, add_table_output, check_out, ontology_of, say, write_out
from conceptmap.commands.options.parser import Repeated
from conceptmap.commands.options.tables import read_table

if TYPE_CHECKING:
    import polars as pl

__all__ = ["add", "run"]

_NEEDED = ("note_id", "start_char", "end_char", "text", "rank", "system", "code", "name", "score")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "align", run, summary="put what several ontologies say of a mention side by side")
    parser.add_argument(
        "found", metavar="OUT|TABLE", help="the folder that conceptmap code wrote, or its annotations or tags table"
    )
    parser.add_argument("--tokens", action="store_true", help="a row per token, out of the folder's tags")
    parser.add_argument("--html", action="store_true", help="write a page instead of CSV")
    add_table_output(parser, "OUT.csv")
    parser.add_argument(
        "--ontology",
        action=Repeated,
        required=True,
        metavar="INDEX|RELEASE",
        help="repeated for each ontology, in the order of the columns; their maps and cross-references say what agrees",
    )


def run(args: argparse.Namespace) -> int:
    """Align. Counts of agreement go to stderr."""
    from conceptmap.export.aligned import aligned_page
    from conceptmap.export.csv import csv_bytes
    from conceptmap.linking.alignment import align
    from conceptmap.ontology.crosswalk import Crosswalk

    check_out(args.output, overwrite=args.overwrite)
    path = _table(args.found, "tags" if args.tokens else "annotations")
    found = read_table(path, _NEEDED, integers=("start_char", "end_char", "rank", "token_index"), floats=("score",))
    ontologies = [ontology_of(source) for source in args.ontology]
    aligned = align(found, Crosswalk.of(ontologies))
    systems = [ontology.system for ontology in ontologies]
    table = csv_bytes(aligned, safe=args.spreadsheet_safe)
    data = aligned_page(aligned, systems).encode() if args.html else table
    write_out(args.output, data, overwrite=args.overwrite, group_readable=args.group_readable)
    _tell(aligned)
    return 0


def _table(found: str, name: str) -> str:
    if not Path(found).is_dir():
        return found
    kinds = [Path(found, f"{name}.{suffix}") for suffix in ("parquet", "csv")]
    return str(next((path for path in kinds if path.is_file()), kinds[-1]))


def _tell(aligned: pl.DataFrame) -> None:
    from conceptmap.ontology.crosswalk import AGREEMENT

    for column in (name for name in aligned.columns if name.startswith("agreement_")):
        counts = {word: aligned[column].eq(word).sum() for word in AGREEMENT}
        said = ", ".join(f"{count:,} {word}" for word, count in counts.items())
        say(f"{column}: {said}, {aligned[column].null_count():,} not assessed")
