"""``conceptmap adapt``: learn from notes in which mentions are marked, or from coded notes."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.adapt_codes import add_code_options, run_codes
from conceptmap.commands.common import (
    add_command,
    add_encoder_options,
    add_keeping,
    encoder_of,
    ontology_of,
    say,
)
from conceptmap.commands.options.notes import add_note_options, notes_of
from conceptmap.commands.options.tables import read_table
from conceptmap.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conceptmap.encoders import TokenEncoder
    from conceptmap.index.index import ConceptIndex
    from conceptmap.notes.marked import MarkedNote

__all__ = ["add", "run"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "adapt", run, summary="learn from notes that are marked or coded")
    parser.add_argument(
        "mentions",
        nargs="*",
        metavar="MENTIONS",
        help=".jsonl (note_id, text, mentions of start, end, codes), BRAT folders, PubTator files, a "
        "codes.xlsx in which Accept is filled in, or, with --notes, the .csv that the report and serve give",
    )
    parser.add_argument(
        "--notes",
        metavar="NOTES",
        help="the notes of a reviewed .csv; without MENTIONS plain notes, as for code: with --codes their codes are "
        "learned from, without it what the dictionary finds in them teaches the linear map alone",
    )
    add_note_options(parser)
    parser.add_argument("-o", "--output", required=True, metavar="ADAPTER", help="folder for the adapter")
    add_keeping(parser, "replace an adapter that was changed since it was written")
    parser.add_argument(
        "--index",
        default="icd10cm",
        metavar="INDEX",
        help="icd10cm (the default) or an index folder of conceptmap build",
    )
    parser.add_argument(
        "--encoder",
        metavar="NAME|PATH",
        help="embedded (the default), a model folder, a hub name; with --codes also none, which is then the default",
    )
    add_encoder_options(parser)
    _add_training_options(parser)
    add_code_options(parser)


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        default="auto",
        metavar="METHOD",
        help="auto (the default: the best on held-out notes), none, procrustes, ridge, low-rank or linear",
    )
    parser.add_argument(
        "--memorise",
        type=int,
        default=1,
        metavar="N",
        help="remember wordings annotated at least N times (default 1); 0 keeps no piece of the notes in the adapter",
    )
    parser.add_argument(
        "--read",
        type=int,
        default=400_000,
        metavar="CHARS",
        help="read at most so many characters of notes through the encoder (default 400,000)",
    )
    parser.add_argument(
        "--over",
        metavar="RELEASE",
        help="the mentions have the codes of this release, or of an index of it (an OBO file, say), whose "
        "cross-references lead to the index",
    )
    parser.add_argument(
        "--partly",
        action="store_true",
        help="only some kind of mentions is marked, such as diseases: the rest is no counter-example, nothing abstains",
    )
    parser.add_argument(
        "--no-probabilities",
        action="store_true",
        help="with --partly: the column probability stays empty, for an adapter that reads other kinds of notes",
    )
    parser.add_argument("--data", metavar="TEXT", help="what the notes are, for the card")
    parser.add_argument("--licence", metavar="TEXT", help="under which licence they may be used, for the card")


def run(args: argparse.Namespace) -> int:
    """Train, save, say what came of it."""
    reviewed = [path for path in args.mentions if Path(path).suffix.lower() == ".csv"]
    _check_given(args, reviewed)
    args.encoder = args.encoder or ("none" if args.codes else "embedded")
    if args.codes:
        return run_codes(args)
    _check_marked(args, reviewed)
    from conceptmap.adapters.store import LAYOUT, save_adapter
    from conceptmap.files import GROUP, PRIVATE
    from conceptmap.index.files import check_target
    from conceptmap.training.cards import card_pages, with_facts
    from conceptmap.training.train import TrainingSettings, train

    check_target(Path(args.output), LAYOUT, overwrite=args.overwrite)
    pseudo = bool(args.notes and not reviewed)
    settings = TrainingSettings(
        method=args.method,
        memorise=args.memorise,
        read_chars=args.read,
        pseudo=pseudo,
        partly=args.partly,
        probabilities=not args.no_probabilities,
    )
    encoder = encoder_of(args)
    assert encoder is not None
    index = _index(args.index, encoder)
    began = time.perf_counter()
    notes = _notes(args, index)
    adapter = with_facts(
        train(index, encoder, notes, settings),
        data=args.data or "not stated",
        licence=args.licence or "not stated",
        encoder_licence=encoder.licence,
    )
    access = GROUP if args.group_readable else PRIVATE
    folder = save_adapter(adapter, args.output, pages=card_pages(adapter), overwrite=args.overwrite, access=access)
    counts = adapter.card["counts"]
    if counts["left out"]:
        say(f"{counts['left out']:,} mentions were left out: none of their codes is in the index")
    seconds = time.perf_counter() - began
    say(f"learned from {counts['mentions']:,} mentions in {seconds:.1f} s: {folder}; figures in {folder / 'README.md'}")
    return 0


def _check_given(args: argparse.Namespace, reviewed: Sequence[str]) -> None:
    """Refuse notes without what is learned of them, or two kinds of it."""
    if bool(reviewed) != bool(args.mentions and args.notes) or not (args.mentions or args.notes):
        got = "both" if args.mentions and args.notes else "a .csv alone" if reviewed else "neither"
        raise InputError("give MENTIONS or --notes, and both for a reviewed .csv", got=got)
    if args.codes and (args.mentions or not args.notes):
        got = "MENTIONS" if args.mentions else "no --notes"
        raise InputError("--codes are those of --notes", got=got, expected="adapt --notes NOTES --codes GOLD")


def _check_marked(args: argparse.Namespace, reviewed: Sequence[str]) -> None:
    """Refuse what is about another way of learning than from mentions."""
    if args.model or args.setting or args.vectors or args.keep_note_ids:
        asked = "--model, --setting, --vectors and --keep-note-ids"
        raise InputError(f"{asked} are about coded notes", expected="--codes GOLD")
    if args.notes and not reviewed and (args.over or args.partly):
        raise InputError("--over and --partly are about marked mentions", got="--notes", expected="MENTIONS")
    if args.encoder == "none":
        raise InputError("an adapter belongs to an encoder", got="--encoder none", expected="an encoder")


def _index(name: str, encoder: TokenEncoder) -> ConceptIndex:
    """The index to adapt to; another encoder may have made its vectors.

    Raises:
        InputError: it is neither a folder nor the embedded one.
    """
    from conceptmap.index.embedded import EMBEDDED, embedded_index
    from conceptmap.index.index import ConceptIndex

    if name == EMBEDDED:
        return embedded_index(encoder)
    if not Path(name).is_dir():
        then = "build it first: conceptmap build RELEASE -o INDEX --system S"
        raise InputError("--index names no index", got=name, expected="icd10cm or an index folder", then=then)
    return ConceptIndex.open(name)


def _notes(args: argparse.Namespace, index: ConceptIndex) -> Sequence[MarkedNote]:
    from conceptmap.mapper import ConceptMapper
    from conceptmap.notes.marked import read_marked
    from conceptmap.notes.reviewed import reviewed_notes, reviewed_spans
    from conceptmap.training.codes import over_codes
    from conceptmap.training.train import pseudo_marked

    if args.notes and not args.mentions:
        mapper = ConceptMapper((index,), None)
        return pseudo_marked(mapper, notes_of(args.notes, args).frame())
    texts = dict(notes_of(args.notes, args).frame().select("note_id", "text").iter_rows()) if args.notes else {}

    def csv_notes(path: str) -> list[MarkedNote]:
        return reviewed_spans(read_table(path, ("note_id", "code")), texts, path)

    readers: dict[str, Callable[[str], Sequence[MarkedNote]]] = {".xlsx": reviewed_notes, ".csv": csv_notes}
    notes = [note for path in args.mentions for note in readers.get(Path(path).suffix.lower(), read_marked)(path)]
    return over_codes(notes, ontology_of(args.over), index.system) if args.over else notes
