"""``conceptmap build``: from a release as it was downloaded, or from vectors that others made, to an index folder."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from conceptmap.commands.common import (
    add_command,
    add_encoder_options,
    add_overwrite,
    add_scope_options,
    check_out,
    encoder_of,
    say,
    scope_of,
    write_out,
)
from conceptmap.commands.options.parser import Repeated
from conceptmap.commands.options.releases import add_history_options, add_release_options, load_release, with_history
from conceptmap.commands.options.tables import read_table
from conceptmap.errors import InputError, counted, said_codes
from conceptmap.progress import progress_bar

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.index.index import ConceptIndex
    from conceptmap.ontology.ontology import Ontology

__all__ = ["add", "run"]

_TABLES = (".csv", ".parquet")
_ABOUT_VECTORS = ("code_column", "term_column", "vector_column", "codes_file", "left_out")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(commands, "build", run, summary="build an index from an ontology release")
    parser.add_argument(
        "release",
        nargs="+",
        metavar="RELEASE",
        help="SNOMED CT RF2 (with its extensions, if any), UMLS or RxNorm RRF, ICD-10-CM, ClaML, OBO, or a list of "
        "code and term (.csv, .tsv, .parquet): a zip, folder or file; or icd10cm, which comes along",
    )
    parser.add_argument("-o", "--output", required=True, metavar="INDEX", help="folder for the index")
    add_overwrite(parser, "replace an index that was changed since it was built, or the file of --left-out")
    parser.add_argument(
        "--system",
        metavar="S",
        help="snomedct, icd10cm, icd10, umls, rxnorm, doid, hp, mondo; default: what the files say; a list: any word",
    )
    parser.add_argument(
        "--encoder",
        metavar="NAME|PATH|none",
        help="encodes the terms: embedded (the default), a model folder, a hub name, or none: lexical evidence alone; "
        "with --vectors: the encoder whose tokens they are for",
    )
    add_encoder_options(parser)
    parser.add_argument(
        "--synonyms",
        action=Repeated,
        default=[],
        metavar="FILE",
        help="more terms: a .csv or .parquet with columns code, term; or a release (OBO, UMLS) whose cross-references "
        "lead to the system: it lends its terms; may be repeated",
    )
    parser.add_argument("--centre", action="store_true", help="subtract the mean concept vector from the concepts")
    parser.add_argument(
        "--background",
        metavar="NOTES",
        help="plain notes, to measure hubs with: concepts that attract words which mean something else",
    )
    parser.add_argument(
        "--correct-hubs",
        action="store_true",
        help="move concepts away from the words of --background that they attract",
    )
    add_scope_options(parser)
    _add_vector_options(parser)
    add_release_options(parser)
    add_history_options(parser)


def _add_vector_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("given vectors (what is not said is found out, and told)")
    group.add_argument(
        "--vectors",
        metavar="FILE",
        help="vectors instead of an encoder: .parquet, .arrow, .csv, .safetensors, .npy, a folder of them, or a data "
        "set of the hub with its revision, OWNER/NAME@COMMIT",
    )
    group.add_argument("--code-column", metavar="NAME", help="the column of the codes")
    group.add_argument("--term-column", metavar="NAME", help="the column of what the vectors stand for")
    group.add_argument(
        "--vector-column", metavar="NAME", help="the column or tensor of the vectors, or the prefix of one a dimension"
    )
    group.add_argument("--codes-file", metavar="FILE", help="codes for .safetensors or .npy: a row per vector")
    group.add_argument("--left-out", metavar="FILE.csv", help="write the rows whose codes are unknown or inactive")


def run(args: argparse.Namespace) -> int:
    """Build the index."""
    from conceptmap.encoders.resume import forget_parts
    from conceptmap.index.building import SILENT_FACT

    _check(args)
    _check_outputs(args)
    read, facts = load_release(args)
    (ontology,) = with_history([read], args)
    synonyms = _synonyms(args.synonyms, ontology)
    index = _of_vectors(args, ontology, synonyms) if args.vectors else _of_terms(args, ontology, synonyms)
    for fact in ("hubs", "separation"):
        if fact in index.manifest.facts:
            say(f"{fact}: {index.manifest.facts[fact]}")
    index = replace(index, manifest=replace(index.manifest, facts={**index.manifest.facts, **facts}))
    if SILENT_FACT in index.manifest.facts:
        say(f"no text can find {index.manifest.facts[SILENT_FACT]} (info INDEX --silent lists concepts without a name)")
    folder = index.save(args.output, overwrite=args.overwrite)
    forget_parts(_parts(args))
    say(f"{index.n_rows:,} rows of width {index.dim}: {folder}")
    return 0


def _check(args: argparse.Namespace) -> None:
    given = [f"--{name.replace('_', '-')}" for name in _ABOUT_VECTORS if getattr(args, name) is not None]
    if given and not args.vectors:
        raise InputError(f"{', '.join(given)} without --vectors", then="give the vectors, or leave it out")
    if args.vectors and (args.centre or args.encoder == "none"):
        got = "--centre" if args.centre else "--encoder none"
        raise InputError("--vectors excludes this option", got=got, then="leave it out")
    if args.background and (args.vectors or args.encoder == "none"):
        got = "--vectors" if args.vectors else "--encoder none"
        raise InputError("background words are compared with rows of their own encoder", got=got)
    if args.correct_hubs and (args.centre or not args.background):
        got = "--centre" if args.centre else "no notes"
        raise InputError("--correct-hubs needs --background and no --centre", got=got)


def _check_outputs(args: argparse.Namespace) -> None:
    """Refuse what would be replaced, before anything is read."""
    from conceptmap.index.files import check_target
    from conceptmap.index.opening import LAYOUT

    check_target(Path(args.output), LAYOUT, overwrite=args.overwrite)
    if args.left_out:
        check_out(args.left_out, overwrite=args.overwrite)


def _parts(args: argparse.Namespace) -> Path:
    """Where encoded terms are kept until the index is saved."""
    output = Path(args.output).absolute()
    return output.with_name(f"{output.name}.parts")


def _of_terms(args: argparse.Namespace, ontology: Ontology, synonyms: pl.DataFrame | None) -> ConceptIndex:
    from conceptmap.encoders.resume import kept_parts
    from conceptmap.index.building import build_index

    args.encoder = args.encoder or "embedded"
    encoder, parts = encoder_of(args), _parts(args)
    if kept := kept_parts(parts):
        say(f"an earlier build left {counted(kept, 'part')} in {parts}: what they hold is not encoded again")
    with progress_bar("building the index", unit="term") as progress:
        index = build_index(
            ontology,
            encoder,
            synonyms=synonyms,
            centre=args.centre,
            scope=scope_of(args),
            parts=parts if encoder else None,
            progress=progress,
        )
    if not args.background or encoder is None:
        return index
    from conceptmap.encoders.embedded import is_embedded
    from conceptmap.index.cosine_scale import measured
    from conceptmap.linking.hubs import background_words, with_hubs, without_hubs
    from conceptmap.notes.notes import read_notes

    words = background_words(encoder, read_notes(args.background).frame()["text"].to_list())
    if not args.correct_hubs:
        return with_hubs(index, words)
    return with_hubs(measured(without_hubs(index, words), encoder, reference=is_embedded(encoder)), words)


def _of_vectors(args: argparse.Namespace, ontology: Ontology, synonyms: pl.DataFrame | None) -> ConceptIndex:
    from conceptmap.export.csv import csv_bytes
    from conceptmap.index.building import index_of_vectors
    from conceptmap.index.given_vectors import read_vectors

    options = {name: getattr(args, name) for name in _ABOUT_VECTORS if name != "left_out"}
    given = read_vectors(args.vectors, ontology, **options)
    for line in given.about:
        say(f"vectors: {line}")
    _tell_changed(given.changed)
    if args.left_out:
        write_out(args.left_out, csv_bytes(given.changed), overwrite=args.overwrite)
    return index_of_vectors(ontology, given, args.encoder, synonyms=synonyms, scope=scope_of(args))


def _tell_changed(changed: pl.DataFrame) -> None:
    words = {
        "unknown": "are not in the release and were left out",
        "inactive": "are inactive, without one replacement, and were left out",
        "replaced": "are inactive and were taken as what replaced them",
    }
    for reason, what in words.items():
        rows = changed.filter(reason=reason)
        if rows.height:
            codes = rows["code"].drop_nulls().unique(maintain_order=True)
            say(f"vectors: {rows.height:,} rows have codes that {what}: {said_codes(codes)}")


def _synonyms(paths: list[str], ontology: Ontology) -> pl.DataFrame | None:
    """The terms of all files, each said with the number that it adds; ``code, term, kind``."""
    import polars as pl

    frames = [_of_table(path) if path.lower().endswith(_TABLES) else _lent(path, ontology) for path in paths]
    return pl.concat(frames).unique(["code", "term"], keep="first", maintain_order=True) if frames else None


def _of_table(path: str) -> pl.DataFrame:
    import polars as pl

    return read_table(path, ("code", "term")).select("code", "term", kind=pl.lit("synonym"))


def _lent(path: str, ontology: Ontology) -> pl.DataFrame:
    from conceptmap.index.lent_terms import lend_terms
    from conceptmap.readers import load_ontology

    lender = load_ontology(path)
    lent = lend_terms(lender, ontology)
    say(f"{lender.system} {lender.release} lends {lent.terms.height:,} terms, from {lent.concepts:,} of its concepts")
    for reason, count in lent.left_out.items():
        if count:
            say(f"not lent: {count:,} {reason}")
    return lent.terms.select("code", "term", "kind")
