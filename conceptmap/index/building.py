"""From a release to an index that the mapper can use: our vocabulary added, rows encoded, wordings listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.encoders import TokenEncoder, load_encoder
from conceptmap.encoders.resume import resumable_terms
from conceptmap.encoders.tuned.names import EMBEDDED_NAMES
from conceptmap.errors import IndexMismatchError, ModelError
from conceptmap.index.cosine_scale import SEPARATION_FACT, measured
from conceptmap.index.given_vectors import GivenVectors
from conceptmap.index.index import ConceptIndex
from conceptmap.matching.lexicon import Silent, lexicon_of
from conceptmap.matching.vocabulary import clinical_synonyms
from conceptmap.ontology.ontology import Ontology
from conceptmap.ontology.scope import Scope

__all__ = ["SILENT_FACT", "build_index", "index_of_vectors"]

Progress = Callable[[int, int], None]

SILENT_FACT = "silent terms"
"""In the manifest: terms that no text can find."""


def build_index(
    ontology: Ontology,
    encoder: TokenEncoder | None,
    *,
    synonyms: pl.DataFrame | None = None,
    centre: bool = False,
    dtype: str = "float16",
    facts: Mapping[str, str] | None = None,
    scope: Scope | None = None,
    parts: Path | None = None,
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
        scope: only its concepts get terms and rows; the others stay in the hierarchy.
        parts: a folder where encoded terms are kept until the index is saved, so that an interrupted build goes on.
        progress: called with the terms encoded and their total.
    """
    if synonyms is not None and synonyms.height:
        ontology = ontology.with_terms(synonyms)
    ontology, narrowed = _narrowed(ontology, scope)
    encode = None if encoder is None else _encode_terms(encoder, parts)
    computed = {} if encoder is None else {"dtype": encoder.index_dtype}
    index = ConceptIndex.build(
        ontology,
        encode,
        encoder_name="" if encoder is None else encoder.name,
        revision="" if encoder is None else encoder.revision,
        dtype=dtype,
        centre=centre,
        facts={**computed, **narrowed, **(facts or {})},
        progress=progress,
    )
    if encoder is not None:
        from conceptmap.encoders.embedded import is_embedded  # loads torch, as the encoder did

        index = measured(index, encoder, reference=is_embedded(encoder))
    return _with_wordings(index, ontology, scope)


def _encode_terms(encoder: TokenEncoder, parts: Path | None) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    return encoder.index_terms if parts is None else resumable_terms(encoder, parts, index=True)


def _narrowed(ontology: Ontology, scope: Scope | None) -> tuple[Ontology, dict[str, str]]:
    """The ontology with terms of the concepts in scope, and what its manifest says of that."""
    return (scope.narrowed(ontology), {"scope": str(scope)}) if scope else (ontology, {})


def index_of_vectors(
    ontology: Ontology,
    given: GivenVectors,
    encoder: str | Path | None = None,
    *,
    synonyms: pl.DataFrame | None = None,
    scope: Scope | None = None,
) -> ConceptIndex:
    """Build an index of vectors that others made: they answer for the tokens, the release's terms for the words.

    Args:
        ontology: the release that they were read for.
        given: the vectors.
        encoder: the token encoder that they go with, recorded so that no other is taken: a hub name, which may carry
            its revision, or a model folder, which is looked into for its name and digest. Unless given, any encoder of
            their width is taken. One that lies on this machine also puts their cosines on the scale; of others the
            manifest says that they are not.
        synonyms: as in `build_index`; they get no rows.
        scope: as in `build_index`.
    """
    if synonyms is not None and synonyms.height:
        ontology = ontology.with_terms(synonyms)
    ontology, narrowed = _narrowed(ontology, scope)
    given = given if not scope else given.of_rows(_with_terms(ontology, given.codes))
    name, revision = ("given", "") if encoder is None else _named_encoder(encoder)
    _check_width(given.vectors.shape[1], encoder, name)
    index = ConceptIndex.from_vectors(
        given.codes,
        given.vectors,
        ontology,
        terms=given.terms,
        encoder_name=name,
        revision=revision,
        dtype=given.dtype,
        facts={"vectors": given.source, "licence": given.licence, **narrowed},
    )
    return _with_wordings(_on_the_scale(index, encoder), ontology, scope)


def _on_the_scale(index: ConceptIndex, encoder: str | Path | None) -> ConceptIndex:
    """The index of given vectors with its cosine scale, or with the reason why it has none.

    A threshold means for them what it means for the vectors of an encoder only once unrelated words were compared with
    them, and those have to be encoded.
    """
    reason = None
    if encoder is None:
        reason = "no encoder was named: cosines count as they are; build with --encoder to put them on the scale"
    elif not _at_hand(encoder):
        reason = (
            f"{encoder} is not on this machine: cosines count as they are; give its folder to put them on the scale"
        )
    else:
        try:
            return measured(index, load_encoder(encoder))
        except ModelError:
            reason = "the encoder cannot be loaded: cosines count as they are; build again with all its files there"
    facts = {**index.manifest.facts, SEPARATION_FACT: f"not measured, as {reason}"}
    return replace(index, manifest=replace(index.manifest, facts=facts))


def _at_hand(encoder: str | Path) -> bool:
    return encoder in EMBEDDED_NAMES or Path(encoder).is_dir()


def _with_terms(ontology: Ontology, codes: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each concept has terms. *Shape:* (n_codes,) bool."""
    nodes = pl.Series(codes, dtype=pl.String)
    return nodes.is_in(ontology.terms["node"].unique().implode()).to_numpy()


def _check_width(width: int, encoder: str | Path | None, name: str) -> None:
    """Refuse vectors that an encoder at hand cannot be compared with.

    Raises:
        IndexMismatchError: its tokens have another width.
    """
    if encoder is None or not _at_hand(encoder):
        return
    from conceptmap.encoders.folder import hidden_size

    theirs = load_encoder(encoder).dim if encoder in EMBEDDED_NAMES else hidden_size(Path(encoder))
    if theirs not in (None, width):
        then = "give the encoder that the vectors are for, or vectors of this one's"
        raise IndexMismatchError(
            f"the tokens of {name} have another width than the vectors", got=theirs, expected=width, then=then
        )


def _named_encoder(encoder: str | Path) -> tuple[str, str]:
    """Name and revision, without loading it."""
    if encoder in EMBEDDED_NAMES:
        embedded = load_encoder(encoder)
        return embedded.name, embedded.revision
    if Path(encoder).is_dir():
        from conceptmap.encoders.folder import identity

        return identity(Path(encoder))
    name, _, revision = str(encoder).partition("@")
    return name, revision


def _with_wordings(index: ConceptIndex, ontology: Ontology, scope: Scope | None) -> ConceptIndex:
    """Our own synonyms as terms without rows, found in texts where the release's stand for the concept; all listed."""
    terms, own = index.terms, clinical_synonyms(ontology.system)
    if own is not None:
        own = own.join(ontology.concepts, on="code", how="semi", maintain_order="left")  # releases differ in some codes
        if scope:
            own = own.join(ontology.terms, on="code", how="semi", maintain_order="left")
        added = ontology.with_terms(own).terms[ontology.terms.height :].with_columns(row=pl.lit(None, dtype=pl.Int64))
        terms = pl.concat([terms, added.select(terms.columns)], how="vertical_relaxed")
    silent: list[Silent] = []
    lexicon = lexicon_of(index.system, index.concepts, terms, silent=silent)
    facts = {**index.manifest.facts, **({SILENT_FACT: _said(silent)} if silent else {})}
    return replace(index, manifest=replace(index.manifest, facts=facts), terms=terms, lexicon=lexicon)


def _said(silent: Sequence[Silent]) -> str:
    """How many terms no text can find, and why."""
    reasons = Counter(term.reason for term in silent).most_common()
    return f"{len(silent):,} terms" + "".join(f"{', ' if i else ': '}{n:,} {why}" for i, (why, n) in enumerate(reasons))
