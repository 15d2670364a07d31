"""``conceptmap rollup``: the codes of a table brought to chapters, categories or codes of one's own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conceptmap.commands.common import add_command, ontology_of, say, write_out
from conceptmap.commands.tables import read_table

if TYPE_CHECKING:
    import polars as pl

__all__ = ["add", "run"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "rollup", run, summary="roll the codes of a table up to targets above them")
    parser.add_argument(
        "codes", metavar="CODES.csv", help="column code, and system where there are several; - is stdin"
    )
    parser.add_argument(
        "--to",
        required=True,
        metavar="TARGETS",
        help="chapter, block, category, a semantic tag, depth:N, or a .txt file that lists codes",
    )
    parser.add_argument("-o", "--output", default="-", metavar="OUT.csv", help="a file, or - for stdout (default)")
    parser.add_argument(
        "--ontology",
        nargs="+",
        default=["icd10cm"],
        metavar="INDEX|RELEASE",
        help="icd10cm (default), index folders, or releases as they were downloaded",
    )


def run(args: argparse.Namespace) -> int:
    """Roll up. The columns ``rollup_code`` and ``rollup_name`` are added; several targets are joined with ``|``.

    Codes that the release has retired are rolled up as what replaced them, and stderr says which.
    """
    from conceptmap.export.csv import csv_bytes
    from conceptmap.rollups import Rollup, read_targets

    codes = read_table(args.codes, ("code",))
    rollup = Rollup.to(read_targets(args.to), [ontology_of(source) for source in args.ontology])
    write_out(args.output, csv_bytes(rollup.fill(codes)))
    _tell_old(rollup.old_codes(codes))
    return 0


def _tell_old(old: pl.DataFrame) -> None:
    import polars as pl

    known = pl.col("now").list.len() > 0
    for rows, what in ((old.filter(known), "rolled up as what replaced them"), (old.filter(~known), "not replaced")):
        if rows.height:
            pairs = rows.select("code", pl.col("now").list.join("|")).head(3).iter_rows()
            first = ", ".join(f"{code} → {now}" if now else code for code, now in pairs)
            say(f"{rows.height:,} codes are inactive, {what}: {first}{', …' if rows.height > 3 else ''}")
