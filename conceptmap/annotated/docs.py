"""spaCy documents of annotated notes: entities with their codes and context, tokens with their concepts.

Context flags have the names that medspaCy gives them, so that what was written for medspaCy's entities reads these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl

from conceptmap.annotated.extras import needed

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Span

__all__ = ["SPANS", "blank", "fill", "register"]

SPANS = "conceptmap"
"""Key of all mentions in ``doc.spans``; ``doc.ents`` holds those that do not overlap, the longer first."""

_FLAGS = {
    "is_negated": pl.col("negated"),
    "is_historical": pl.col("temporality") == "historical",
    "is_hypothetical": pl.col("temporality") == "hypothetical",
    "is_family": pl.col("subject") == "family",
    "is_uncertain": pl.col("certainty") != "certain",
}
"""medspaCy's attributes of an entity."""
_OF_CONCEPT = ("system", "code", "name", "confidence", "score")


def register() -> None:
    """Make the attributes known to spaCy; those of the same name that medspaCy made stay as they are.

    - ``ent._.codes``: codes of the mention, best first; ``ent._.concepts``: the same as dicts with name and score.
    - ``ent._.is_negated, is_historical, is_hypothetical, is_family, is_uncertain, section``.
    - ``token._.concepts``: the concepts of the token as dicts; none without an encoder.
    - ``doc._.codes``: the codes of the note, as dicts.
    """
    tokens = needed("spacy.tokens", extra="spacy", purpose="a spaCy document")
    for name in ("codes", "concepts"):
        tokens.Span.set_extension(name, default=[], force=True)
    for name, default in (*dict.fromkeys(_FLAGS, False).items(), ("section", None)):
        if not tokens.Span.has_extension(name):
            tokens.Span.set_extension(name, default=default)
    tokens.Token.set_extension("concepts", default=[], force=True)
    tokens.Doc.set_extension("codes", default=[], force=True)


@cache
def blank() -> Language:
    """English without a model: its tokenizer alone.

    Raises:
        MissingExtraError: spaCy is not installed.
    """
    language: Language = needed("spacy", extra="spacy", purpose="a spaCy document").blank("en")
    return language


def fill(doc: Doc, *, mentions: pl.DataFrame, tags: pl.DataFrame, codes: pl.DataFrame) -> Doc:
    """Write what was found in a note into a document of the same text; returns the document."""
    register()
    spans = list(_spans(doc, mentions))
    doc.spans[SPANS] = spans
    util = needed("spacy.util", extra="spacy", purpose="a spaCy document")
    doc.set_ents(util.filter_spans([*spans, *doc.ents]))
    for token, concepts in _of_tokens(doc, tags):
        doc[token]._.concepts = concepts
    doc._.codes = codes.select("system", "code", "name", "score", "billable", "rank").to_dicts()
    return doc


def _spans(doc: Doc, mentions: pl.DataFrame) -> Iterator[Span]:
    """Each mention in each system, labelled with the system, its best code the id in the knowledge base."""
    standing = mentions.filter(pl.col("rank") > 0).with_columns(
        expr.fill_null(value=False).alias(name) for name, expr in _FLAGS.items()
    )
    for (system, *_), rows in standing.group_by("system", "start_char", "end_char", maintain_order=True):
        ranked = rows.sort("rank").to_dicts()
        best = ranked[0]
        label, where = str(system).upper(), (best["start_char"], best["end_char"])
        span = doc.char_span(*where, label=label, kb_id=best["code"] or "", alignment_mode="expand")
        if span is None:
            continue
        span._.codes = [row["code"] for row in ranked]
        span._.concepts = _concepts(ranked)
        for name in (*_FLAGS, "section"):
            span._.set(name, best[name])
        yield span


def _of_tokens(doc: Doc, tags: pl.DataFrame) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Tokens of spaCy with the concepts of the first of our tokens that begins in each."""
    starts = {int(at): number for number, token in enumerate(doc) for at in range(token.idx, token.idx + len(token))}
    seen: set[tuple[int, str]] = set()
    found: dict[int, list[dict[str, Any]]] = {}
    known = tags.filter(pl.col("code").is_not_null())
    for (system, _, start), rows in known.group_by("system", "token_index", "start_char", maintain_order=True):
        token = starts.get(int(str(start)))
        if token is not None and (token, str(system)) not in seen:
            seen.add((token, str(system)))
            found.setdefault(token, []).extend(_concepts(rows.sort("rank").to_dicts()))
    yield from found.items()


def _concepts(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in _OF_CONCEPT if name in row} for row in rows]
