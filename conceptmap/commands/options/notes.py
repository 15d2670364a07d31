"""The options that say how a table of notes is read, for the commands that read one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conceptmap.notes.notes import Notes

__all__ = ["NOTES_HELP", "add_note_options", "notes_of"]

NOTES_HELP = (
    ".csv, .tsv, .jsonl, .parquet or .xlsx (note_id, text), .txt, also .gz or .zst; a folder or 'pattern*' of them; "
    "or - for stdin, a table or one note"
)


def add_note_options(parser: argparse.ArgumentParser) -> None:
    """Which columns hold what, and in which encoding."""
    parser.add_argument(
        "--id-column",
        metavar="C",
        help="column of the ids; default: note_id, in any case; rows without such a column are numbered",
    )
    parser.add_argument("--text-column", metavar="C", help="column of the texts; default: text, in any case")
    parser.add_argument(
        "--encoding", default="utf-8", metavar="E", help="of CSV, JSONL and .txt, such as cp1252; default: utf-8"
    )


def notes_of(path: str, args: argparse.Namespace) -> Notes:
    """The notes that the options describe."""
    from conceptmap.notes.notes import read_notes

    return read_notes(path, id_column=args.id_column, text_column=args.text_column, encoding=args.encoding)
