"""``conceptmap code``: notes in, a folder of annotations and codes out."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.coding.reporting.setting import SETTINGS
from conceptmap.commands.common import (
    add_command,
    add_keeping,
    add_mapper_options,
    add_spreadsheet_safe,
    listed,
    load_mapper,
    mapper_options,
    report_quarantine,
    say,
    show,
)
from conceptmap.commands.options.notes import NOTES_HELP, add_note_options, notes_of
from conceptmap.commands.options.vectors import settle_encoder
from conceptmap.errors import InputError, counted

if TYPE_CHECKING:
    from conceptmap.batch import Engine, Run

__all__ = ["add", "run"]

UNFINISHED = "what is finished is kept: the same command goes on from there"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "code", run, summary="code notes into a folder: annotations, codes and run.json")
    parser.add_argument(
        "notes",
        metavar="NOTES",
        help=NOTES_HELP,
    )
    parser.add_argument("-o", "--output", metavar="OUT", help="folder for the results")
    parser.add_argument(
        "--explain",
        metavar="NOTE",
        help="code this note alone and print its codes with every step that made or dropped them; no folder is written",
    )
    add_keeping(parser, "replace files of the same names that no run wrote, or that were changed since")
    add_note_options(parser)
    add_mapper_options(
        parser,
        encoder="embedded (tuned all-MiniLM-L6-v2), a model folder, a hub name, or none: words alone; default: none: "
        "codes of icd10cm rest on words, and embedded with --tags, --format html, --adapter, --device, --dtype or "
        "another index",
    )
    parser.set_defaults(encoder=None, device=None, dtype=None)  # see vectors.py
    _add_results(parser)
    _add_engine(parser)


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--include",
        type=listed,
        default=(),
        metavar="WHAT,…",
        help="also code what is negated, family, hypothetical, possible; default: only what is affirmed of the patient",
    )
    parser.add_argument(
        "--setting",
        choices=SETTINGS,
        help="of all notes: inpatient (guideline II), visit (IV) or report (a narrative, symptoms and all); default: "
        "what each note shows",
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
        "--format",
        type=listed,
        default=("csv",),
        metavar="FORMAT,…",
        help="csv (the default), parquet, jsonl, xlsx (to review codes in), wide (a row a note, and a matrix), "
        "omop (NOTE_NLP, CONDITION_OCCURRENCE), fhir (R4 Conditions), brat, pubtator, bioc, cas (UIMA, as cTAKES), "
        "spacy (DocBin), html",
    )
    _add_files(parser)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rollup",
        metavar="TARGETS",
        help="fill rollup_code and rollup_name: chapter, block, category, depth:N, or a .txt file that lists codes",
    )
    parser.add_argument(
        "--athena", metavar="FOLDER", help="Athena's CONCEPT.csv and CONCEPT_RELATIONSHIP.csv, for OMOP's concept ids"
    )
    parser.add_argument(
        "--mce",
        metavar="FILE",
        help="Medicare Code Editor list (CMS's text, or a CSV file of code, edit): sex and age edits go into notes",
    )
    parser.add_argument(
        "--map",
        dest="map_to",
        metavar="SYSTEM",
        help="also write mapped: the codes in another system by the maps of the indexes, rules tried on the patient",
    )
    parser.add_argument(
        "--situations",
        nargs="?",
        const="exact",
        choices=["exact", "nearest"],
        help="also write situations: what is negated, historical, suspected or the family's as one concept, such as "
        "SNOMED CT's situations with explicit context; nearest: else of a concept above, and says of which",
    )
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="nlp_date of OMOP; today by default")
    add_spreadsheet_safe(parser)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=["local", "processes", "ray"],
        help="local: this process (the default, but for much text by words alone); processes: several on this "
        "machine; ray: a cluster",
    )
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="how many; by default as many as cores and memory allow"
    )
    parser.add_argument("--ray-address", metavar="ADDRESS", help="of a running Ray cluster, such as auto")
    parser.add_argument(
        "--gpus-per-worker", type=float, default=0, metavar="N", help="GPUs for each Ray actor, also a part of one"
    )
    parser.add_argument(
        "--shards",
        metavar="I/N",
        help="do the I-th of N parts, for array jobs that share OUT; the last to end writes the results",
    )
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on where an earlier run with the same settings ended (the default)",
    )


def run(args: argparse.Namespace) -> int:
    """Code the notes."""
    from conceptmap.batch import Part, Settings, check_folder, code_notes
    from conceptmap.batch.progress import run_lines

    settle_encoder(args)
    if args.explain is not None:
        return _explain(args)
    if args.output is None:
        raise InputError("where shall the results go?", expected="-o OUT, or --explain NOTE to print one note")
    settings = Settings(
        include=tuple(sorted(args.include)),
        tags=args.tags,
        candidates=args.candidates,
        setting=args.setting,
        formats=args.format,
        rollup=args.rollup,
        spreadsheet_safe=args.spreadsheet_safe,
        athena=args.athena,
        mce=args.mce,
        date=args.date,
        map_to=args.map_to,
        situations=args.situations,
    )
    part, engine = None if args.shards is None else Part.read(args.shards), _engine(args)
    check_folder(Path(args.output), settings, overwrite=args.overwrite)
    notes = notes_of(args.notes, args)
    mapper, seconds = load_mapper(args)
    try:
        with run_lines(say) as progress:
            done = code_notes(
                notes,
                mapper,
                args.output,
                settings,
                engine=engine,
                part=part,
                resume=args.resume,
                overwrite=args.overwrite,
                group_readable=args.group_readable,
                loading_seconds=seconds,
                progress=progress,
            )
    except BaseException as error:
        error.add_note(UNFINISHED)
        raise
    return _told(done, seconds)


def _explain(args: argparse.Namespace) -> int:
    """Print how one note is coded."""
    from conceptmap.coding.coding import check_include
    from conceptmap.commands.explain import explained, note_of

    include = check_include(args.include)
    note = note_of(notes_of(args.notes, args).chunks(), args.explain)
    mapper, _ = load_mapper(args)
    show(explained(note, mapper, include=include, setting=args.setting))
    return 0


def _engine(args: argparse.Namespace) -> Engine:
    from conceptmap.batch import Engine, MapperSource, engine_for

    name = args.engine or engine_for(args.notes, workers=args.workers, by_words_alone=args.encoder == "none")
    source = MapperSource(*mapper_options(args))
    return Engine(name, args.workers, source, address=args.ray_address, gpus=args.gpus_per_worker)


def _told(done: Run, seconds: float) -> int:
    """Say what came of it; the exit code."""
    if done.missing:
        say(
            f"{done.facts['shards']['coded_now']} shards coded, {done.missing} of {done.facts['shards']['all']} are "
            f"still with other jobs; whoever ends last writes the results: {done.folder}"
        )
        return report_quarantine(done.quarantined)
    counts, took = done.facts["counts"], done.facts["seconds"]
    found = ", ".join(counted(counts[f"{name}s"], name) for name in ("note", "annotation", "code"))
    if done.already:
        when = datetime.fromtimestamp((done.folder / "run.json").stat().st_mtime).astimezone()
        say(f"already done on {when:%Y-%m-%d at %H:%M}: {found}: {done.folder}; --no-resume does it again")
    else:
        speed = f"in {took['coding']:.1f} s ({done.facts['words_per_second']:,} words/s)"
        say(f"{found} {speed} after {seconds:.1f} s of loading: {done.folder}")
    for notice in done.facts["notices"]:
        say(notice)
    return report_quarantine(done.quarantined, where=str(done.folder / "run.json"))
