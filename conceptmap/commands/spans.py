"""``conceptmap spans``: ranked concepts for spans that are given."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conceptmap.commands.common import (
    add_command,
    add_mapper_options,
    add_table_output,
    check_out,
    load_mapper,
    report_quarantine,
    write_out,
)
from conceptmap.commands.options.notes import add_note_options, notes_of
from conceptmap.commands.options.tables import read_table
from conceptmap.errors import InputError, said_id
from conceptmap.progress import progress_bar

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.notes.notes import Notes

__all__ = ["add", "run"]

_COLUMNS = ("note_id", "start_char", "end_char")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "spans", run, summary="rank concepts for given spans of notes")
    parser.add_argument("notes", metavar="NOTES", help="as for code")
    parser.add_argument("spans", metavar="SPANS.csv", help="columns note_id, start_char, end_char")
    add_table_output(parser, "CANDIDATES.csv")
    parser.add_argument("-k", type=int, default=20, metavar="K", help="concepts for each span (default 20)")
    add_note_options(parser)
    add_mapper_options(parser)


def run(args: argparse.Namespace) -> int:
    """Rank the concepts."""
    import polars as pl

    from conceptmap.export.csv import csv_bytes

    if args.k < 1:
        raise InputError("-k must be at least 1", got=args.k)
    check_out(args.output, overwrite=args.overwrite)
    notes = notes_of(args.notes, args)
    spans = read_table(args.spans, _COLUMNS, integers=_COLUMNS[1:]).select(_COLUMNS)
    spans = _checked(spans, notes)
    mapper, _ = load_mapper(args)
    found = []
    with progress_bar("ranking", unit="note") as progress:
        done = 0
        for chunk in notes.chunks():
            here = spans.filter(pl.col("note_id").is_in(chunk["note_id"].to_list()))
            found.append(mapper.spans(chunk, here, k=args.k))
            done += chunk.height
            progress(done, notes.n_notes)
    table = csv_bytes(pl.concat(found), safe=args.spreadsheet_safe) if found else b""
    write_out(args.output, table, overwrite=args.overwrite, group_readable=args.group_readable)
    return report_quarantine(notes.quarantined)


def _said(note_id: str | None) -> str:
    shown = said_id(note_id)
    return f"note {shown}" if shown else "a note whose id is long or has white space"


def _checked(spans: pl.DataFrame, notes: Notes) -> pl.DataFrame:
    """The spans of good notes.

    Raises:
        InputError: a span of a note that is not there, or one that does not fit its note.
    """
    import polars as pl

    parts = [chunk.select("note_id", length=pl.col("text").str.len_chars()) for chunk in notes.chunks()]
    lengths = pl.concat([pl.DataFrame(schema={"note_id": pl.String, "length": pl.UInt32}), *parts])
    quarantined = [bad.note_id for bad in notes.quarantined if bad.note_id is not None]
    joined = spans.with_row_index("row", offset=1).join(lengths, on="note_id", how="left", maintain_order="left")
    unknown = joined.filter(pl.col("length").is_null() & ~pl.col("note_id").is_in(quarantined))
    if unknown.height:
        got = f"row {unknown['row'][0]}, {_said(unknown['note_id'][0])}"
        raise InputError("spans name unknown notes", got=got, expected="a note_id of the notes")
    good = joined.filter(pl.col("length").is_not_null())
    fits = (
        (pl.col("start_char") >= 0)
        & (pl.col("start_char") < pl.col("end_char"))
        & (pl.col("end_char") <= pl.col("length"))
    )
    bad = good.filter(~fits.fill_null(value=False))
    if bad.height:
        row, note_id, start, end, length = bad.row(0)
        got = f"row {row}: {start} to {end} in {_said(note_id)}"
        raise InputError("a span does not fit its note", got=got, expected=f"0 ≤ start_char < end_char ≤ {length}")
    return good.select(_COLUMNS)
