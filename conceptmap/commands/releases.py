"""The options that say how a release is read, and what its reading has to tell."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from conceptmap.commands.common import listed, say

if TYPE_CHECKING:
    from conceptmap.ontology.ontology import Ontology
    from conceptmap.readers.tables import ReadReport

__all__ = ["add_release_options", "load_release"]


def add_release_options(parser: argparse.ArgumentParser) -> None:
    """The choices that releases leave open."""
    group = parser.add_argument_group("how the release is read (an option that its format does not have is refused)")
    group.add_argument(
        "--language",
        type=listed,
        metavar="L,…",
        help="SNOMED CT: en-US (default), en-GB or ids of language reference sets, best first; UMLS: ENG (default), "
        "SPA, … or all; ClaML: of labels",
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
