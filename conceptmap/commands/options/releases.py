"""The options that say how a release is read, and what its reading has to tell."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from conceptmap.commands.common import listed, ontology_of, say
from conceptmap.commands.options.parser import Repeated
from conceptmap.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from conceptmap.ontology.ontology import Ontology
    from conceptmap.readers.tables import ReadReport

__all__ = ["add_history_options", "add_release_options", "load_release", "with_history"]


def add_release_options(parser: argparse.ArgumentParser) -> None:
    """The choices that releases leave open."""
    group = parser.add_argument_group("how the release is read (an option that its format does not have is refused)")
    group.add_argument(
        "--language",
        type=listed,
        metavar="L,…",
        help="SNOMED CT: en-US (default), en-GB or ids of language reference sets, best first; UMLS: ENG (default), "
        "SPA, … or all; ClaML, OWL, SKOS: of labels",
    )
    group.add_argument(
        "--at", metavar="YYYYMMDD", help="SNOMED CT: the content as it was then; needs the release's Full files"
    )
    group.add_argument("--sabs", type=listed, metavar="SAB,…", help="UMLS: sources to keep, such as SNOMEDCT_US,MSH")
    group.add_argument(
        "--suppress", type=listed, metavar="FLAG,…", help="UMLS: values of SUPPRESS to keep: N (default), O, E, Y"
    )
    group.add_argument(
        "--hierarchy",
        choices=["auto", "MRREL", "MRHIER", "none"],
        help="UMLS: the file of the hierarchy; auto: MRREL, or MRHIER where there is none",
    )
    group.add_argument(
        "--release",
        dest="version",
        metavar="VERSION",
        help="version to carry, where the files do not name it or another is wanted, such as 2025AA",
    )
    group.add_argument(
        "--lenient",
        action="store_true",
        help="leave malformed rows of the release out instead of stopping at the first",
    )


def add_history_options(parser: argparse.ArgumentParser) -> None:
    """What says what became of codes that today's release no longer has."""
    group = parser.add_argument_group("codes of earlier years")
    group.add_argument(
        "--earlier",
        action=Repeated,
        default=(),
        metavar="INDEX|RELEASE",
        help="an earlier release of the same system: its codes lead to those of today; may be repeated",
    )
    group.add_argument(
        "--conversions",
        action=Repeated,
        default=(),
        metavar="FILE",
        help="conversion table of ICD-10-CM (CMS's .xlsx or .txt, or columns current, previous); may be repeated",
    )


def with_history(ontologies: Sequence[Ontology], args: argparse.Namespace) -> list[Ontology]:
    """The ontologies with the retired codes that the options tell of; says how many there are.

    Raises:
        InputError: an earlier release is of another system.
    """
    if not args.earlier and not args.conversions:
        return list(ontologies)
    import polars as pl

    from conceptmap.ontology.earlier import retired_by_table, retired_since
    from conceptmap.ontology.history import with_retired
    from conceptmap.readers.conversions import read_conversions

    tables = [read_conversions(path) for path in args.conversions]
    pairs = pl.concat(tables).unique(maintain_order=True) if tables else None
    found = {ontology.system: ontology for ontology in ontologies}
    for source in args.earlier:
        old = ontology_of(source)
        if old.system not in found:
            raise InputError("--earlier names another system", got=old.system, expected=" or ".join(found))
        today = found[old.system]
        table = pairs if old.system == "icd10cm" else None
        retired = retired_since(old, today, table)
        found[old.system] = with_retired(today, retired)
        _tell_retired(f"{old.system} {old.release}", retired)
    if pairs is not None and "icd10cm" in found:
        retired = retired_by_table(pairs, found["icd10cm"])
        found["icd10cm"] = with_retired(found["icd10cm"], retired)
        if retired.height:
            _tell_retired("the conversion tables", retired)
    return list(found.values())


def _tell_retired(what: str, retired: pl.DataFrame) -> None:
    replaced = retired.filter(retired["replaced_by"].list.len() > 0).height
    say(f"{what}: {retired.height:,} codes are no longer in use, {replaced:,} of them replaced")


def load_release(args: argparse.Namespace) -> tuple[Ontology, dict[str, str]]:
    """The ontology that RELEASE and the options name, and facts for the manifest; says what was left out."""
    from conceptmap.readers import load_ontology
    from conceptmap.readers.tables import ReadReport

    report = ReadReport()
    ontology = load_ontology(
        *args.release,
        system=args.system,
        release=args.version,
        language=args.language,
        at=args.at,
        sabs=args.sabs,
        suppress=args.suppress,
        hierarchy=args.hierarchy,
        strict=not args.lenient,
        report=report,
    )
    say(f"{ontology.system} {ontology.release}: {ontology.concepts.height:,} concepts, {ontology.terms.height:,} terms")
    for bad in report.malformed[:5]:
        say(f"left out: {bad.file}, line {bad.line}: {bad.reason}")
    if report.n_malformed > 5:
        say(f"and {report.n_malformed - 5:,} more malformed rows")
    for rule, count in report.left_out.items():
        say(f"left out: {count:,} {rule}")
    return ontology, {"left out": left_out} if (left_out := _left_out(report)) else {}


def _left_out(report: ReadReport) -> str:
    """What was left out, in one line."""
    malformed = [f"{report.n_malformed:,} malformed rows"] if report.n_malformed else []
    return "; ".join([*malformed, *(f"{count:,} {rule}" for rule, count in report.left_out.items())])
