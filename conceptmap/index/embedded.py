"""Embedded index: that of the ICD-10-CM release which comes with the installation, kept in the user's cache folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import polars as pl

from conceptmap.encoders import TokenEncoder
from conceptmap.index.building import build_index
from conceptmap.index.cache import cached_index
from conceptmap.index.checks import FRAMES
from conceptmap.index.cosine_scale import measured
from conceptmap.index.index import ConceptIndex
from conceptmap.index.sources import source_digest
from conceptmap.ontology.ontology import Ontology
from conceptmap.progress import progress_bar

__all__ = ["EMBEDDED", "embedded_index", "opened_index"]

EMBEDDED = "icd10cm"
"""The system whose release comes with the installation."""

_APART = ("conceptmap.encoders", "conceptmap.progress", "conceptmap.topk")
"""Modules that make and search vectors or show how far that is, on which the words of an index do not depend."""

Progress = Callable[[int, int], None]


def embedded_index(encoder: TokenEncoder | None, *, progress: Progress | None = None) -> ConceptIndex:
    """The index of the embedded ICD-10-CM release, from the cache or built now; a bar shows how far it is by default.

    Words and vectors are kept apart, so that a new vocabulary does not cost a new encoding of the release's terms.
    """
    release = f"simple-icd-10-cm {metadata.version('simple-icd-10-cm')}"
    facts = {"system": EMBEDDED, "release": release, "sources": source_digest(__name__, apart=_APART)}
    words = cached_index(facts, lambda: build_index(_release(), None), name=f"{EMBEDDED}-words")
    if encoder is None:
        return words
    terms = words.terms.filter(pl.col("row").is_not_null())["term"]
    from conceptmap.encoders.embedded import is_embedded  # loads torch, as the encoder did

    reference = is_embedded(encoder)
    facts = {
        "system": EMBEDDED,
        "release": release,
        "encoder": f"{encoder.name} {encoder.revision}",
        "dtype": encoder.index_dtype,
        "terms": hashlib.sha256("\n".join(terms).encode()).hexdigest(),
    }
    if not reference:
        facts["cosines"] = "measured"

    def made() -> ConceptIndex:
        rows = _rows_only(words, encoder, progress)
        return rows if reference else measured(rows, encoder)

    vectors = cached_index(facts, made, name=f"{EMBEDDED}-vectors")
    frames = {name: getattr(words, name) for name in FRAMES}  # the same terms have rows; all else may be newer
    return replace(vectors, **frames)


def opened_index(
    source: str | Path | ConceptIndex, encoder: TokenEncoder | None, progress: Callable[[int, int], None] | None
) -> ConceptIndex:
    """An index as it is, from its folder, or the embedded one by its name."""
    if isinstance(source, ConceptIndex):
        return source
    return embedded_index(encoder, progress=progress) if source == EMBEDDED else ConceptIndex.open(source)


def _release() -> Ontology:
    from conceptmap.readers.icd10cm import read_embedded

    return read_embedded()


def _rows_only(words: ConceptIndex, encoder: TokenEncoder, progress: Progress | None) -> ConceptIndex:
    """The release's own terms encoded, without our wordings."""
    with_rows = words.terms.filter(pl.col("row").is_not_null()).drop("row")
    ontology = replace(words.ontology(), terms=with_rows)
    bar = progress_bar("building the index, once", unit="term") if progress is None else nullcontext(progress)
    with bar as shown:
        return ConceptIndex.build(
            ontology,
            encoder.index_terms,
            encoder_name=encoder.name,
            revision=encoder.revision,
            progress=shown,
        )
