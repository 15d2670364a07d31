"""From a release to an index that the mapper can use: our vocabulary added, rows encoded, wordings listed.

The embedded ICD-10-CM is built on first use and kept in the user's cache folder; everything else is built by
``conceptmap build`` into a folder of the user's choosing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import metadata, resources
from pathlib import Path

import polars as pl

from conceptmap.encoders import TokenEncoder, load_encoder
from conceptmap.index.cache import cached_index
from conceptmap.index.given_vectors import GivenVectors
from conceptmap.index.index import ConceptIndex
from conceptmap.matching.lexicon import lexicon_of
from conceptmap.matching.vocabulary import clinical_synonyms
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers import load_ontology

__all__ = ["EMBEDDED", "build_index", "embedded_index", "index_of_vectors"]

EMBEDDED = "icd10cm"
"""The system whose release comes with the installation."""

Progress = Callable[[int, int], None]

_SOURCES = (
    "index/building.py",
    "matching/content.py",
    "matching/lexicon.py",
    "matching/wordings.py",
    "text/words.py",
    "ontology/ontology.py",
    "readers/icd10cm.py",
    "readers/icd10cm_index.py",
    "readers/icd10cm_lists.py",
    "readers/xml.py",
)


def build_index(
    ontology: Ontology,
    encoder: TokenEncoder | None,
    *,
    synonyms: pl.DataFrame | None = None,
    centre: bool = False,
    dtype: str = "float16",
    facts: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> ConceptIndex:
    """Build the index of an ontology.

    Args:
        ontology: any release.
        encoder: encodes the terms; None for lexical evidence alone.
        synonyms: more terms: code, term, kind; they get rows. Our own for the system are always added, without rows.
        centre: subtract the mean concept vector from the concept side.
        dtype: type of the stored rows.
        facts: recorded in the manifest.
        progress: called with the terms encoded and their total.
    """
    if synonyms is not None and synonyms.height:
        ontology = ontology.with_terms(synonyms)
    encode = None if encoder is None else encoder.index_terms
    computed = {} if encoder is None else {"dtype": encoder.index_dtype}
    index = ConceptIndex.build(
        ontology,
        encode,
        encoder_name="" if encoder is None else encoder.name,
        revision="" if encoder is None else encoder.revision,
        dtype=dtype,
        centre=centre,
        facts={**computed, **(facts or {})},
        progress=progress,
    )
    return _with_wordings(index, ontology)


def index_of_vectors(
    ontology: Ontology, given: GivenVectors, encoder: str | Path | None = None, *, synonyms: pl.DataFrame | None = None
) -> ConceptIndex:
    """Build an index of vectors that others made: they answer for the tokens, the release's terms for the words.

    Args:
        ontology: the release that they were read for.
        given: the vectors.
        encoder: the token encoder that they go with, recorded so that no other is taken: a hub name, which may carry
            its revision, or a model folder, which is looked into for its name and digest. Unless given, any encoder of
            their width is taken.
        synonyms: as in `build_index`; they get no rows.
    """
    if synonyms is not None and synonyms.height:
        ontology = ontology.with_terms(synonyms)
    name, revision = ("given", "") if encoder is None else _named_encoder(encoder)
    index = ConceptIndex.from_vectors(
        given.codes,
        given.vectors,
        ontology,
        terms=given.terms,
        encoder_name=name,
        revision=revision,
        dtype=given.dtype,
        facts={"vectors": given.source, "licence": given.licence},
    )
    return _with_wordings(index, ontology)


def _named_encoder(encoder: str | Path) -> tuple[str, str]:
    """Name and revision, without loading it."""
    if encoder == "embedded":
        embedded = load_encoder("embedded")
        return embedded.name, embedded.revision
    if Path(encoder).is_dir():
        from conceptmap.encoders.folder import identity

        return identity(Path(encoder))
    name, _, revision = str(encoder).partition("@")
    return name, revision


def _with_wordings(index: ConceptIndex, ontology: Ontology) -> ConceptIndex:
    """Our own synonyms as terms without rows, found in texts where the release's stand for the concept; all listed."""
    terms, own = index.terms, clinical_synonyms(ontology.system)
    if own is not None:
        own = own.join(ontology.concepts, on="code", how="semi", maintain_order="left")  # releases differ in some codes
        added = ontology.with_terms(own).terms[ontology.terms.height :].with_columns(row=pl.lit(None, dtype=pl.Int64))
        terms = pl.concat([terms, added.select(terms.columns)], how="vertical_relaxed")
    return replace(index, terms=terms, lexicon=lexicon_of(index.system, index.concepts, terms))


def embedded_index(encoder: TokenEncoder | None, *, progress: Progress | None = None) -> ConceptIndex:
    """The index of the embedded ICD-10-CM release, from the cache or built now.

    Words and vectors are kept apart, so that a new vocabulary does not cost a new encoding of the release's terms.
    """
    release = f"simple-icd-10-cm {metadata.version('simple-icd-10-cm')}"
    facts = {"system": EMBEDDED, "release": release, "vocabulary": _digest()}
    words = cached_index(facts, lambda: build_index(load_ontology(EMBEDDED), None), name=f"{EMBEDDED}-words")
    if encoder is None:
        return words
    terms = words.terms.filter(pl.col("row").is_not_null())["term"]
    facts = {
        "system": EMBEDDED,
        "release": release,
        "encoder": f"{encoder.name} {encoder.revision}",
        "dtype": encoder.index_dtype,
        "terms": hashlib.sha256("\n".join(terms).encode()).hexdigest(),
    }
    vectors = cached_index(facts, lambda: _rows_only(words, encoder, progress), name=f"{EMBEDDED}-vectors")
    return replace(vectors, terms=words.terms, lexicon=words.lexicon)


def _rows_only(words: ConceptIndex, encoder: TokenEncoder, progress: Progress | None) -> ConceptIndex:
    """The release's own terms encoded, without our wordings."""
    with_rows = words.terms.filter(pl.col("row").is_not_null()).drop("row")
    ontology = replace(words.ontology(), terms=with_rows)
    return ConceptIndex.build(
        ontology,
        encoder.index_terms,
        encoder_name=encoder.name,
        revision=encoder.revision,
        progress=progress,
    )


def _digest() -> str:
    """Digest of the vocabulary and of the code that turns terms into wordings."""
    package = resources.files("conceptmap")
    digest = hashlib.sha256()
    data = sorted((entry.name, entry) for entry in package.joinpath("data").iterdir() if entry.name.endswith(".csv"))
    for name, entry in [*data, *((name, package.joinpath(name)) for name in _SOURCES)]:
        digest.update(name.encode() + b"\0" + entry.read_bytes())
    return digest.hexdigest()
