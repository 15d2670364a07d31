"""``conceptmap diff``: what a new release changes, in the ontology and in one's own notes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.common import (
    add_command,
    add_table_output,
    check_out,
    encoder_of,
    ontology_of,
    say,
    write_out,
)
from conceptmap.commands.options.parser import Repeated
from conceptmap.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.ontology.ontology import Ontology

__all__ = ["add", "run"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "diff", run, summary="show what a new release changes, also in one's own notes")
    for name, what in (("old", "earlier"), ("new", "later")):
        parser.add_argument(
            name,
            metavar=name.upper(),
            help=f"the {what} release: icd10cm (comes along), an index folder, or a release as it was downloaded",
        )
    parser.add_argument("--notes", metavar="NOTES", help="also say which mentions and codes of these notes change, why")
    parser.add_argument(
        "--notes-table", metavar="OUT.csv", help="where the changes in the notes go; on stdout after the others if not"
    )
    parser.add_argument("--html", metavar="PAGE.html", help="also write a page")
    parser.add_argument(
        "--conversions",
        action=Repeated,
        default=(),
        metavar="FILE",
        help="conversion table of ICD-10-CM (CMS's .xlsx or .txt, or columns current, previous); may be repeated",
    )
    parser.add_argument(
        "--encoder",
        default="none",
        metavar="NAME|PATH|none",
        help="reads the notes with vectors too; none (default): by the terms alone, which is what releases change",
    )
    parser.set_defaults(device="cpu", dtype="auto")
    add_table_output(parser, "OUT.csv")


def run(args: argparse.Namespace) -> int:
    """Compare. Counts go to stderr."""
    from conceptmap.export.csv import csv_bytes
    from conceptmap.export.differences import difference_page
    from conceptmap.ontology.changes import changes

    if args.notes_table and not args.notes:
        raise InputError("--notes-table without --notes", then="add the notes, or leave it out")
    for path in (args.output, args.notes_table or "-", args.html or "-"):
        check_out(path, overwrite=args.overwrite)
    old, new = ontology_of(args.old), ontology_of(args.new)
    changed = changes(old, new, conversions=_conversions(args.conversions))
    options = {"overwrite": args.overwrite, "group_readable": args.group_readable}
    notes = _in_notes(args, changed, old, new) if args.notes else None
    write_out(args.output, csv_bytes(changed, safe=args.spreadsheet_safe), **options)
    if notes is not None:
        write_out(args.notes_table or "-", csv_bytes(notes, safe=args.spreadsheet_safe), **options)
    if args.html:
        facts = [f"{old.system} {old.release} → {new.release}", f"{changed.height:,} changes"]
        facts += [f"{notes.height:,} in the notes"] if notes is not None else []
        title = f"What {new.system} {new.release} changes"
        write_out(args.html, difference_page(changed, notes, title=title, facts=facts).encode(), **options)
    _tell(changed)
    if notes is not None:
        _tell(notes)
    return 0


def _conversions(paths: list[str]) -> pl.DataFrame | None:
    if not paths:
        return None
    import polars as pl

    from conceptmap.readers.conversions import read_conversions

    return pl.concat([read_conversions(path) for path in paths]).unique(maintain_order=True)


def _in_notes(args: argparse.Namespace, changed: pl.DataFrame, old: Ontology, new: Ontology) -> pl.DataFrame:
    """The notes read with the one release, then with the other: one index at a time is in memory."""
    from conceptmap.linking.note_changes import note_changes
    from conceptmap.notes.notes import read_notes

    notes = read_notes(args.notes).frame()
    before, after = (_read(args, source, release, notes) for source, release in ((args.old, old), (args.new, new)))
    return note_changes(before, after, changed, old, new)


def _read(
    args: argparse.Namespace, source: str, ontology: Ontology, notes: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Mentions and codes of the notes with one release."""
    from conceptmap.index.building import build_index
    from conceptmap.index.index import ConceptIndex
    from conceptmap.mapper import ConceptMapper

    encoder = encoder_of(args)
    if source == "icd10cm":
        index: ConceptIndex | str = source
    elif (Path(source) / "manifest.json").is_file():
        index = ConceptIndex.open(source)
    else:
        index = build_index(ontology, encoder)
    found = ConceptMapper.load(index, encoder=encoder).annotate_many(notes)
    return found.mentions, found.codes


def _tell(changed: pl.DataFrame) -> None:
    counts = changed["change"].value_counts(sort=True, name="n").iter_rows()
    say(", ".join(f"{n:,} {kind}" for kind, n in counts) or "nothing changed")
