"""``conceptmap rollup``: the codes of a table brought to chapters, categories or codes of one's own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conceptmap.commands.common import (
    add_command,
    add_table_output,
    check_out,
    listed,
    ontology_of,
    say,
    tell_unknown,
    write_out,
)
from conceptmap.commands.options.parser import Repeated
from conceptmap.commands.options.releases import add_history_options, with_history
from conceptmap.commands.options.tables import read_table
from conceptmap.errors import InputError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["add", "run"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "rollup", run, summary="roll the codes of a table up to targets above them")
    parser.add_argument(
        "codes", metavar="CODES.csv", help="column code, and system where there are several; - is stdin"
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--to", metavar="TARGETS", help="chapter, block, category, a semantic tag, depth:N, or a .txt that lists codes"
    )
    where.add_argument(
        "--cut",
        type=float,
        metavar="SUPPORT",
        help="the most specific concepts whose summed scores reach this, each piece of evidence counted once",
    )
    parser.add_argument(
        "--scores",
        choices=["max", "sum"],
        help="a row per target with its score: the best below it, or the sum over distinct evidence (needs a column "
        "score and, where rows share evidence, evidence)",
    )
    parser.add_argument(
        "--by", type=listed, metavar="COLUMN,…", help="keep scores apart by these; default: note_id, if there is one"
    )
    add_table_output(parser, "OUT.csv")
    parser.add_argument(
        "--ontology",
        action=Repeated,
        default=["icd10cm"],
        metavar="INDEX|RELEASE",
        help="icd10cm (default), an index folder, or a release as it was downloaded; may be repeated",
    )
    add_history_options(parser)


def run(args: argparse.Namespace) -> int:
    """Roll up. The columns ``rollup_code`` and ``rollup_name`` are added; several targets are joined with ``|``.

    Codes may come with or without their point. Those that the release has retired are rolled up as what replaced them,
    those that it does not hold are not rolled up, and stderr says which.
    """
    from conceptmap.export.csv import csv_bytes
    from conceptmap.ontology.rollup_frames import Rollup, cut, old_codes, read_targets, spelled

    check_out(args.output, overwrite=args.overwrite)
    scored = args.cut is not None or args.scores is not None
    codes = read_table(args.codes, ("code", "score") if scored else ("code",), floats=("score",) if scored else ())
    by = _columns(args.by, codes, scored=scored)
    ontologies = with_history([ontology_of(source) for source in args.ontology], args)
    written = codes["code"]
    codes, unknown = spelled(codes, ontologies)
    if args.cut is not None:
        rolled = cut(codes, ontologies, threshold=args.cut, how=args.scores or "sum", by=by)
    else:
        rollup = Rollup.to(read_targets(args.to), ontologies)
        rolled = (
            rollup.scores(codes, how=args.scores, by=by) if scored else rollup.fill(codes).with_columns(code=written)
        )
    table = csv_bytes(rolled, safe=args.spreadsheet_safe)
    write_out(args.output, table, overwrite=args.overwrite, group_readable=args.group_readable)
    _tell_old(old_codes(codes, ontologies))
    tell_unknown(unknown["code"], "not rolled up")
    return 0


def _columns(asked: tuple[str, ...] | None, codes: pl.DataFrame, *, scored: bool) -> tuple[str, ...]:
    if asked and not scored:
        raise InputError("--by needs scores", got=", ".join(asked), then="add --scores or --cut, or leave it out")
    if missing := [name for name in asked or () if name not in codes.columns]:
        raise InputError("no such column", got=", ".join(missing), expected="a column of the table")
    chosen = asked if asked is not None else ("note_id",) if "note_id" in codes.columns else ()
    return tuple(name for name in chosen if name != "system")  # systems are always apart


def _tell_old(old: pl.DataFrame) -> None:
    import polars as pl

    known = pl.col("now").list.len() > 0
    for rows, what in ((old.filter(known), "rolled up as what replaced them"), (old.filter(~known), "not replaced")):
        if rows.height:
            pairs = rows.select("code", pl.col("now").list.join("|"), "reason").head(3).iter_rows()
            first = ", ".join(f"{code} → {now} ({why})" if now else f"{code} ({why})" for code, now, why in pairs)
            say(f"{rows.height:,} codes are inactive, {what}: {first}{', …' if rows.height > 3 else ''}")
