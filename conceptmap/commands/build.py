"""``conceptmap build``: from a release as it was downloaded to an index folder."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conceptmap.commands.common import add_command, add_encoder_options, encoder_of, progress_bar, say
from conceptmap.commands.tables import read_table

if TYPE_CHECKING:
    import polars as pl

__all__ = ["add", "run"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "build", run, summary="build an index from an ontology release")
    parser.add_argument(
        "release", metavar="RELEASE", help="SNOMED CT RF2, UMLS RRF, ICD-10-CM, ClaML or OBO: a zip, folder or file"
    )
    parser.add_argument("-o", "--output", required=True, metavar="INDEX", help="folder for the index")
    parser.add_argument(
        "--system", metavar="S", help="snomedct, icd10cm, icd10, umls, doid, hp, mondo; by default what the files say"
    )
    parser.add_argument(
        "--encoder",
        default="embedded",
        metavar="NAME|PATH|none",
        help="encodes the terms: embedded (the default), a model folder, a hub name, or none: lexical evidence alone",
    )
    add_encoder_options(parser)
    parser.add_argument("--synonyms", metavar="FILE.csv", help="more terms: columns code, term")
    parser.add_argument("--centre", action="store_true", help="subtract the mean concept vector from the concepts")
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="leave malformed rows of the release out instead of stopping at the first",
    )


def run(args: argparse.Namespace) -> int:
    """Build the index."""
    from conceptmap.building import build_index
    from conceptmap.readers import load_ontology
    from conceptmap.readers.tables import ReadReport

    synonyms = _synonyms(args.synonyms) if args.synonyms else None
    report = ReadReport()
    ontology = load_ontology(args.release, system=args.system, strict=not args.lenient, report=report)
    say(f"{ontology.system} {ontology.release}: {ontology.concepts.height:,} concepts, {ontology.terms.height:,} terms")
    for bad in report.malformed[:5]:
        say(f"left out: {bad.file}, line {bad.line}: {bad.reason}")
    if report.n_malformed > 5:
        say(f"and {report.n_malformed - 5:,} more malformed rows")
    encoder = encoder_of(args)
    with progress_bar("building the index", unit="token") as progress:
        index = build_index(ontology, encoder, synonyms=synonyms, centre=args.centre, progress=progress)
    folder = index.save(args.output)
    say(f"{index.n_rows:,} rows of width {index.dim}: {folder}")
    return 0


def _synonyms(path: str) -> pl.DataFrame:
    import polars as pl

    return read_table(path, ("code", "term")).select("code", "term", kind=pl.lit("synonym"))
