"""Readers: release files into an :class:`~conceptmap.ontology.Ontology`; ``load_ontology`` picks the right one."""

from __future__ import annotations

from pathlib import Path

from conceptmap.errors import ReaderError
from conceptmap.ontology import Ontology

__all__ = ["load_ontology"]


def load_ontology(source: str | Path, *, system: str | None = None, release: str | None = None) -> Ontology:
    """Returns the ontology in a release.

    Args:
        source: ``"icd10cm"`` for the embedded release, or the path of a release file.
        system: says what the release is where its files do not.
        release: version to carry instead of the one found in the files.
    """
    if source == "icd10cm":
        from conceptmap.readers.icd10cm import read_embedded

        return read_embedded()
    path = Path(source)
    if not path.exists():
        raise ReaderError("no such release", got=str(source), expected='a file, a folder or "icd10cm"')
    if path.suffix == ".obo":
        from conceptmap.readers.obo import read_obo

        return read_obo(path, system=system, release=release)
    if path.suffix == ".xml":
        from conceptmap.readers.icd10cm import read_tabular

        return read_tabular(path, release=release)
    raise ReaderError("no reader for this release", got=path.name, expected="OBO or ICD-10-CM tabular XML")
