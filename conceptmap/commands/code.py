"""``conceptmap code``: notes in, a folder of annotations and codes out."""

from __future__ import annotations

import argparse

from conceptmap.commands.common import (
    add_command,
    add_mapper_options,
    listed,
    load_mapper,
    progress_bar,
    report_quarantine,
    say,
)

__all__ = ["add", "run"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "code", run, summary="code notes into a folder: annotations, codes and run.json")
    parser.add_argument(
        "notes", metavar="NOTES", help=".csv, .jsonl, .parquet (note_id, text), a folder of .txt, or - for stdin"
    )
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="folder for the results")
    add_mapper_options(parser)
    parser.add_argument(
        "--include",
        type=listed,
        default=(),
        metavar="WHAT,…",
        help="also code what is negated, family, hypothetical, possible; default: only what is affirmed of the patient",
    )
    parser.add_argument("--tags", action="store_true", help="also write tags: the concepts of every token")
    parser.add_argument(
        "--candidates",
        type=int,
        default=0,
        metavar="N",
        help="also write the N best codes of each note, accepted or not",
    )
    parser.add_argument(
        "--format", type=listed, default=("csv",), metavar="FORMAT,…", help="csv (the default), parquet, jsonl, html"
    )
    parser.add_argument(
        "--rollup",
        metavar="TARGETS",
        help="fill rollup_code and rollup_name: chapter, block, category, depth:N, or a .txt file that lists codes",
    )
    parser.add_argument(
        "--spreadsheet-safe", action="store_true", help="put an apostrophe before CSV cells that look like formulas"
    )


def run(args: argparse.Namespace) -> int:
    """Code the notes."""
    from conceptmap.batch import Settings, code_notes
    from conceptmap.notes import read_notes

    settings = Settings(
        include=tuple(sorted(args.include)),
        tags=args.tags,
        candidates=args.candidates,
        formats=args.format,
        rollup=args.rollup,
        spreadsheet_safe=args.spreadsheet_safe,
    )
    notes = read_notes(args.notes)
    mapper, seconds = load_mapper(args)
    with progress_bar("coding", unit="note") as progress:
        done = code_notes(notes, mapper, args.output, settings, loading_seconds=seconds, progress=progress)
    counts = done.facts["counts"]
    say(
        f"{counts['notes']:,} notes, {counts['annotations']:,} annotations, {counts['codes']:,} codes "
        f"in {done.facts['seconds']['coding']:.1f} s ({done.facts['words_per_second']:,} words/s) "
        f"after {seconds:.1f} s of loading: {done.folder}"
    )
    return report_quarantine(done.quarantined, where=str(done.folder / "run.json"))
