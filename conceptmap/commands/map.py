"""``conceptmap map``: the codes of a table as codes of another system, map rules tried on the patient."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conceptmap.commands.common import (
    add_command,
    add_table_output,
    check_out,
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

    from conceptmap.ontology.ontology import Ontology

__all__ = ["add", "read_findings", "run"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "map", run, summary="map the codes of a table to another system, rules evaluated")
    parser.add_argument(
        "codes",
        metavar="CODES.csv",
        help="column code, and system where there are several; also note_id, sex, age_years or birth_date and "
        "note_date, onset_age_years, where they are known; - is stdin",
    )
    parser.add_argument("--to", required=True, metavar="SYSTEM", help="icd10cm, icd10, umls, … or the id of a map set")
    parser.add_argument(
        "--ontology",
        action=Repeated,
        required=True,
        metavar="INDEX|RELEASE",
        help="an index folder or a release whose maps and cross-references lead there; may be repeated",
    )
    parser.add_argument(
        "--notes", metavar="NOTES.csv", help="note_id and the patient's sex, age_years or birth_date and note_date"
    )
    parser.add_argument(
        "--findings",
        metavar="ANNOTATIONS.csv",
        help="what the notes say: note_id, code and negated; by default the codes of the same note_id",
    )
    parser.add_argument(
        "--names", metavar="INDEX|RELEASE", help="the system mapped to, for names (icd10cm: the one that comes along)"
    )
    parser.add_argument(
        "--trace", metavar="TRACE.csv", help="also write every map row that was tried, and why it holds"
    )
    add_table_output(parser, "OUT.csv")
    add_history_options(parser)


def run(args: argparse.Namespace) -> int:
    """Map. A row per code and target is written, and none is left out; stderr counts what has no target and why."""
    from conceptmap.export.csv import csv_bytes
    from conceptmap.maps.mapping import map_codes, trace_maps

    for path in (args.output, args.trace or "-"):
        check_out(path, overwrite=args.overwrite)
    codes = read_table(args.codes, ("code",))
    ontologies = with_history([ontology_of(source) for source in args.ontology], args)
    given = {
        "patients": read_table(args.notes, ("note_id",)) if args.notes else None,
        "findings": read_findings(args.findings) if args.findings else None,
    }
    mapped = map_codes(codes, ontologies, to=args.to, targets=_targets(args), **given)
    options = {"overwrite": args.overwrite, "group_readable": args.group_readable}
    write_out(args.output, csv_bytes(mapped, safe=args.spreadsheet_safe), **options)
    if args.trace:
        trace = trace_maps(codes, ontologies, to=args.to, **given)
        write_out(args.trace, csv_bytes(trace, safe=args.spreadsheet_safe), **options)
    _tell(mapped)
    return 0


def _targets(args: argparse.Namespace) -> Ontology | None:
    if args.names is None and args.to != "icd10cm":
        return None
    return ontology_of(args.names or "icd10cm")


def read_findings(path: str) -> pl.DataFrame:
    """What annotations say of the patient: the first rank, save what is another's, hypothetical or only possible.

    Raises:
        InputError: the file cannot be read, lacks note_id or code, or ``negated`` holds something else.
    """
    import polars as pl

    found = read_table(path, ("note_id", "code"))
    for column, kept in (("rank", "1"), ("subject", "patient"), ("certainty", "certain")):
        if column in found.columns:
            found = found.filter(pl.col(column).fill_null(kept) == kept)
    if "temporality" in found.columns:
        found = found.filter(pl.col("temporality").fill_null("") != "hypothetical")
    if "negated" not in found.columns:
        return found
    said = pl.col("negated").str.to_lowercase()
    if strange := found.filter(~said.is_in(["true", "false", "1", "0"]) & (said != "")).height:
        raise InputError(f"{path} has {strange:,} rows with another value of negated", expected="true or false")
    return found.with_columns(negated=said.is_in(["true", "1"]))


def _tell(mapped: pl.DataFrame) -> None:
    import polars as pl

    counts = mapped["map_status"].drop_nulls().value_counts(sort=True, name="n").iter_rows()
    say(", ".join(f"{n:,} {status}" for status, n in counts) or "no codes")
    retired = mapped.filter(pl.col("now_reason").is_not_null() & pl.col("now_code").is_not_null())
    if retired.height:
        say(f"{retired['code'].n_unique():,} retired codes were mapped as what replaced them; now_reason says how")
    tell_unknown(
        mapped.filter(pl.col("map_status") == "unknown code")["code"].unique(maintain_order=True), "not mapped"
    )
