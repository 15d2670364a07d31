"""Readers: release files into an `Ontology`; ``load_ontology`` picks the right one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from conceptmap.errors import InputError, ReaderError

if TYPE_CHECKING:
    from conceptmap.ontology.ontology import Ontology
    from conceptmap.readers.archive import Archive
    from conceptmap.readers.tables import ReadReport

__all__ = ["is_release", "load_ontology"]

Format = Literal["rf2", "rrf", "rxnorm", "icd10cm", "claml", "obo", "rdf", "list"]

_FORMATS: dict[str, Format] = {
    "snomedct": "rf2",
    "umls": "rrf",
    "rxnorm": "rxnorm",
    "icd10cm": "icd10cm",
    "icd10": "claml",
    "doid": "obo",
    "hp": "obo",
    "mondo": "obo",
}
"""The format that a system's releases come in."""

_OPTIONS: dict[Format, dict[str, str]] = {
    "rf2": {"language": "language", "at": "at"},
    "rrf": {"language": "languages", "sabs": "sabs", "suppress": "suppress", "hierarchy": "hierarchy"},
    "claml": {"language": "language"},
    "rxnorm": {"sabs": "sabs", "suppress": "suppress"},
    "icd10cm": {},
    "obo": {},
    "rdf": {"language": "language"},
    "list": {},
}
"""Choices that a format's releases leave open, and what the format's reader calls them."""

_OF_ANY_SYSTEM = ("obo", "claml", "rdf", "list")
_HEAD_BYTES = 4096


def load_ontology(
    source: str | Path,
    *more: str | Path,
    system: str | None = None,
    release: str | None = None,
    language: str | Sequence[str] | None = None,
    at: str | int | None = None,
    sabs: Sequence[str] | None = None,
    suppress: Sequence[str] | None = None,
    hierarchy: str | None = None,
    strict: bool = True,
    report: ReadReport | None = None,
) -> Ontology:
    """Returns the ontology in a release as it was downloaded: a zip, a folder or a file.

    SNOMED CT RF2, UMLS RRF, RxNorm RRF, ICD-10-CM (tabular XML, order file, alphabetic index), ICD-10 in ClaML, OBO,
    OWL and SKOS in RDF (extra ``rdf``) and lists of codes and terms (CSV, TSV, Parquet) are told apart by their files.

    Args:
        source: the release, or ``"icd10cm"`` for the embedded one.
        more: SNOMED CT extensions to read together with their edition.
        system: prefix of the system, where it is not what the files say: for an OBO, OWL or ClaML file of your own;
            for a list and for SKOS, which cannot say it.
        release: version to carry instead of the one that the files name.
        language: SNOMED CT: ``en-US`` (the default), ``en-GB`` or the id of a language reference set, several in order
            of preference. UMLS: values of LAT (``ENG`` by default), or ``all``. ClaML, OWL, SKOS: of labels, ``en``.
        at: SNOMED CT: date ``YYYYMMDD``, the content as it was then, out of the Full files.
        sabs: UMLS: sources to keep, such as ``SNOMEDCT_US``; all by default.
        suppress: UMLS: values of SUPPRESS to keep; ``N`` by default.
        hierarchy: UMLS: ``MRREL``, ``MRHIER``, ``none`` or ``auto`` (the default).
        strict: a malformed row is an error; otherwise it is left out, and a warning counts these and lists the first.
        report: receives what was read and what was left out; then there is no warning.

    Raises:
        InputError: no such file or system, or a choice that the format does not have.
        ReaderError: the files are missing, malformed or unsafe, or hold no release of a known format.
    """
    given = {"language": language, "at": at, "sabs": sabs, "suppress": suppress, "hierarchy": hierarchy}
    choices = {name: value for name, value in given.items() if value is not None}
    if source == "icd10cm" and not more and system in (None, "icd10cm"):
        _check_choices(choices, "icd10cm")
        from conceptmap.readers.icd10cm import read_embedded

        return read_embedded(release=release)
    from conceptmap.readers.archive import open_archive

    archives = [open_archive(part) for part in (source, *more)]
    found = _format_of(archives[0], system)
    if system is not None and found not in _OF_ANY_SYSTEM and _FORMATS.get(system) != found:
        fitting = " or ".join(name for name, format_ in _FORMATS.items() if format_ == found)
        raise InputError(f"{archives[0].source.name} is of another system", got=repr(system), expected=fitting)
    if more and found != "rf2":
        raise InputError("only SNOMED CT releases can be read together", got=found)
    _check_choices(choices, found)
    from conceptmap.readers.tables import ReadReport

    seen = ReadReport() if report is None else report
    common = {"release": release, "strict": strict, "report": seen}
    ontology = _read(found, archives, system, common | _as_the_reader_says(choices, found))
    if report is None and found != "obo" and (said := seen.said()):  # the reader of OBO warns by itself
        warnings.warn(f"{archives[0].source.name}: {said}", stacklevel=2)
    return ontology


def is_release(path: str | Path) -> bool:
    """Whether a file or folder holds a release that `load_ontology` knows."""
    from conceptmap.readers.archive import open_archive

    try:
        _format_of(open_archive(path), None)
    except (ReaderError, InputError, OSError):
        return False
    return True


def _check_choices(choices: Mapping[str, object], found: Format) -> None:
    if unfit := [name for name in choices if name not in _OPTIONS[found]]:
        expected = ", ".join(_OPTIONS[found]) or "none of these options"
        what = f"{', '.join(unfit)} cannot be chosen in this release"
        raise InputError(what, got=f"files of format {found}", expected=f"for it: {expected}")


def _as_the_reader_says(choices: Mapping[str, Any], found: Format) -> dict[str, Any]:
    """The choices as arguments of the format's reader."""
    chosen = {_OPTIONS[found][name]: value for name, value in choices.items()}
    if "languages" in chosen:  # of the UMLS: several, or all
        several = (chosen["languages"],) if isinstance(chosen["languages"], str) else tuple(chosen["languages"])
        chosen["languages"] = None if several == ("all",) else several
    if found == "claml" and not isinstance(chosen.get("language", ""), str):
        (chosen["language"],) = _one(chosen["language"])
    return chosen


def _one(languages: Sequence[str]) -> Sequence[str]:
    if len(languages) != 1:
        raise InputError("ClaML labels are read in one language", got=", ".join(languages), expected="one, such as en")
    return languages


def _format_of(archive: Archive, system: str | None) -> Format:
    names = [member.name.lower() for member in archive.members]
    if any(name.startswith(("sct2_", "xsct2_", "der2_")) for name in names):
        return "rf2"
    if any(name.startswith("mrconso") for name in names):
        return "rrf"
    if any(name == "rxnconso.rrf" for name in names):
        return "rxnorm"
    if any(name.endswith(".obo") for name in names):
        return "obo"
    from conceptmap.readers.graphs.rdf import SUFFIXES

    if any(name.endswith(SUFFIXES) for name in names):
        return "rdf"
    from conceptmap.readers.icd10cm import FILES

    if any(pattern.search(name) for pattern in FILES.values() for name in names):
        return "icd10cm"
    if (by_content := _format_of_xml(archive)) is not None:
        return by_content
    if _is_list(archive, system):
        return "list"
    if system in _FORMATS:
        return _FORMATS[system]
    got = ", ".join(names[:5])
    expected = (
        "files of SNOMED CT RF2, UMLS or RxNorm RRF, ICD-10-CM, ClaML, OBO, OWL or SKOS, or a .csv of code and term"
    )
    raise ReaderError(f"{archive.source.name} holds no release of a known format", got=got, expected=expected)


def _is_list(archive: Archive, system: str | None) -> bool:
    """Whether a file is a table of concepts: it has their columns, or its codes are said to be of one's own system."""
    from conceptmap.readers.lists import SUFFIXES, has_concepts

    if len(archive.members) != 1 or not archive.members[0].name.lower().endswith(SUFFIXES):
        return False
    return (system is not None and system not in _FORMATS) or has_concepts(archive, archive.members[0])


def _format_of_xml(archive: Archive) -> Format | None:
    from conceptmap.readers.archive import stream
    from conceptmap.readers.graphs.triples import is_rdf

    for member in archive.members:
        if member.name.lower().endswith(".xml"):
            head = next(stream(archive, member, chunk_bytes=_HEAD_BYTES), b"")
            if b"<ICD10CM.tabular" in head:
                return "icd10cm"
            if b"<ClaML" in head:
                return "claml"
            if is_rdf(head):
                return "rdf"
    return None


def _read(found: Format, archives: list[Archive], system: str | None, arguments: dict[str, Any]) -> Ontology:
    archive = archives[0]
    if found == "rf2":
        from conceptmap.readers.snomed_rf2 import read_rf2

        return read_rf2(*archives, **arguments)
    if found == "rrf":
        from conceptmap.readers.umls_rrf import read_rrf

        return read_rrf(archive, **arguments)
    if found == "rxnorm":
        from conceptmap.readers.rrf.rxnorm import read_rxnorm

        return read_rxnorm(archive, **arguments)
    if found == "rdf":
        from conceptmap.readers.graphs.rdf import read_rdf

        return read_rdf(archive, system=system, **arguments)
    if found == "list":
        from conceptmap.readers.lists import read_list

        return read_list(archive, system=system, **arguments)
    if found == "icd10cm":
        from conceptmap.readers.icd10cm import read_icd10cm

        return read_icd10cm(archive, **arguments)
    if found == "claml":
        from conceptmap.readers.icd10_claml import read_claml

        return read_claml(archive, system=system or "icd10", **arguments)
    from conceptmap.readers.obo import read_obo

    return read_obo(archive, system=system, **arguments)
