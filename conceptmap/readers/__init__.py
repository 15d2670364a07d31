"""Readers: release files into an :class:`~conceptmap.ontology.Ontology`; ``load_ontology`` picks the right one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from conceptmap.errors import InputError, ReaderError

if TYPE_CHECKING:
    from conceptmap.ontology import Ontology
    from conceptmap.readers.archive import Archive
    from conceptmap.readers.tables import ReadReport

__all__ = ["load_ontology"]

Format = Literal["rf2", "rrf", "icd10cm", "claml", "obo"]

_FORMATS: dict[str, Format] = {
    "snomedct": "rf2",
    "umls": "rrf",
    "icd10cm": "icd10cm",
    "icd10": "claml",
    "doid": "obo",
    "hp": "obo",
    "mondo": "obo",
}
"""The format that a system's releases come in."""

_HEAD_BYTES = 4096


def load_ontology(
    source: str | Path,
    *more: str | Path,
    system: str | None = None,
    release: str | None = None,
    strict: bool = True,
    report: ReadReport | None = None,
) -> Ontology:
    """Returns the ontology in a release as it was downloaded: a zip, a folder or a file.

    SNOMED CT RF2, UMLS RRF, ICD-10-CM (tabular XML, order file, alphabetic index), ICD-10 in ClaML and OBO are told
    apart by their files. For a choice of languages, dates or sources call the format's own reader in
    ``conceptmap.readers``.

    Args:
        source: the release, or ``"icd10cm"`` for the embedded one.
        more: SNOMED CT extensions to read together with their edition.
        system: prefix of the system, where it is not what the files say: for an OBO or ClaML file of your own.
        release: version to carry instead of the one that the files name.
        strict: a malformed row is an error; otherwise it is left out, counted and listed.
        report: receives what was read and what was left out.

    Raises:
        InputError: no such file or system.
        ReaderError: the files are missing, malformed or unsafe, or hold no release of a known format.
    """
    if source == "icd10cm" and not more and system in (None, "icd10cm"):
        from conceptmap.readers.icd10cm import read_embedded

        return read_embedded(release=release)
    from conceptmap.readers.archive import open_archive

    archives = [open_archive(part) for part in (source, *more)]
    found = _format_of(archives[0], system)
    if system is not None and found not in ("obo", "claml") and _FORMATS.get(system) != found:
        fitting = " or ".join(name for name, format_ in _FORMATS.items() if format_ == found)
        raise InputError(f"{archives[0].source.name} is of another system", got=repr(system), expected=fitting)
    if more and found != "rf2":
        raise InputError("several releases at once", got=found, expected="SNOMED CT editions and extensions")
    return _read(found, archives, system, release, strict, report)


def _format_of(archive: Archive, system: str | None) -> Format:
    names = [member.name.lower() for member in archive.members]
    if any(name.startswith(("sct2_", "xsct2_", "der2_")) for name in names):
        return "rf2"
    if any(name.startswith("mrconso") for name in names):
        return "rrf"
    if any(name.endswith(".obo") for name in names):
        return "obo"
    from conceptmap.readers.icd10cm import FILES

    if any(pattern.search(name) for pattern in FILES.values() for name in names):
        return "icd10cm"
    if (by_content := _format_of_xml(archive)) is not None:
        return by_content
    if system in _FORMATS:
        return _FORMATS[system]
    got = ", ".join(names[:5])
    expected = "files of SNOMED CT RF2, UMLS RRF, ICD-10-CM, ClaML or OBO"
    raise ReaderError(f"{archive.source.name} holds no release of a known format", got=got, expected=expected)


def _format_of_xml(archive: Archive) -> Format | None:
    from conceptmap.readers.archive import stream

    for member in archive.members:
        if member.name.lower().endswith(".xml"):
            head = next(stream(archive, member, chunk_bytes=_HEAD_BYTES), b"")
            if b"<ICD10CM.tabular" in head:
                return "icd10cm"
            if b"<ClaML" in head:
                return "claml"
    return None


def _read(
    found: Format,
    archives: list[Archive],
    system: str | None,
    release: str | None,
    strict: bool,
    report: ReadReport | None,
) -> Ontology:
    archive = archives[0]
    if found == "rf2":
        from conceptmap.readers.snomed_rf2 import read_rf2

        return read_rf2(*archives, release=release, strict=strict, report=report)
    if found == "rrf":
        from conceptmap.readers.umls_rrf import read_rrf

        return read_rrf(archive, release=release, strict=strict, report=report)
    if found == "icd10cm":
        from conceptmap.readers.icd10cm import read_icd10cm

        return read_icd10cm(archive, release=release, report=report)
    if found == "claml":
        from conceptmap.readers.icd10_claml import read_claml

        return read_claml(archive, system=system or "icd10", release=release, strict=strict, report=report)
    from conceptmap.readers.obo import read_obo

    return read_obo(archive, system=system, release=release, strict=strict, report=report)
