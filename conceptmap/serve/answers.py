"""What the API answers, as plain values that JSON can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conceptmap.errors import InputError
from conceptmap.export.html import note_article, text_alone, view_of
from conceptmap.export.report.views import word_parts
from conceptmap.export.tagged_words import TaggedWord, WordConcept, tagged_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conceptmap.annotated.note import AnnotatedNote
    from conceptmap.export.paths import PathOf
    from conceptmap.mapper import ConceptMapper

__all__ = ["annotated", "concept", "described", "drawn_tokens", "nearest", "searched"]


MOST_TERMS = 50
"""Terms of a concept that are shown."""


def described(mapper: ConceptMapper) -> dict[str, Any]:
    """The systems that are loaded and the encoder, without which there are no vectors."""
    systems = [
        {"system": index.system, "release": index.release, "concepts": index.manifest.concepts}
        for index in mapper.indexes
    ]
    return {"status": "ready", "systems": systems, "encoder": None if mapper.encoder is None else mapper.encoder.name}


def annotated(
    mapper: ConceptMapper, text: str, *, above: PathOf, note_id: str, k: int, drawn: bool = False
) -> dict[str, Any]:
    """A note with every word explained: words, mentions and codes with what stands above them.

    Args:
        mapper: that reads it.
        text: the note.
        above: gives a concept's way to the top.
        note_id: its id.
        k: concepts of a word.
        drawn: also as HTML, by the templates of the report.
    """
    note = mapper.annotate(text, note_id=note_id, k=k)
    found = note.to_dict()
    html = {"html": note_article(view_of(note), path=above, number=1).drawn} if drawn else {}
    return {
        **html,
        "note_id": note_id,
        "text": text,
        "words": _words(note),
        "mentions": [_mention(mention) for mention in found["mentions"]],
        "codes": [_code(code, above(code["system"], code["code"])) for code in found["codes"]],
    }


def nearest(mapper: ConceptMapper, text: str, *, k: int) -> list[dict[str, Any]]:
    """Every token with the concepts nearest to its own vector.

    Raises:
        InputError: there is no encoder.
    """
    tokens: dict[int, dict[str, Any]] = {}
    for row in mapper.nearest(text, k=k).iter_rows(named=True):
        place = {"start": row["start_char"], "end": row["end_char"], "text": row["text"]}
        concepts = tokens.setdefault(row["token_index"], {**place, "concepts": []})["concepts"]
        concepts.append(
            {"system": row["system"], "code": row["code"], "name": row["name"], "cosine": _rounded(row["score"])}
        )
    return list(tokens.values())


def drawn_tokens(text: str, tokens: list[dict[str, Any]], *, above: PathOf) -> str:
    """A text in which every token shows the concepts nearest to its own vector, as HTML."""
    words = [
        TaggedWord(
            token["start"],
            token["end"],
            token["text"],
            tuple(
                WordConcept(one["system"], one["code"], one["name"], one["cosine"], max(one["cosine"], 0.0), "")
                for one in token["concepts"]
            ),
        )
        for token in tokens
    ]
    return text_alone(word_parts(text, words, path=above, says="this token’s own vector, wherever it stands"))


def concept(mapper: ConceptMapper, system: str, code: str) -> dict[str, Any]:
    """A concept with its path from the root, its terms and what stands below it.

    Raises:
        InputError: no loaded index holds it.
    """
    index = next((index for index in mapper.indexes if index.system == system), None)
    if index is None:
        loaded = ", ".join(one.system for one in mapper.indexes)
        raise InputError("no such system is loaded", got=system, expected=loaded)
    path = mapper.path(system, code)
    terms = index.terms.filter(index.terms["code"] == code)["term"].unique(maintain_order=True).head(MOST_TERMS)
    name = path[-1][1]
    return {"system": system, "code": code, "name": name, "path": path[:-1], "terms": [t for t in terms if t != name]}


def searched(mapper: ConceptMapper, query: str, *, system: str | None, k: int) -> list[dict[str, Any]]:
    """Concepts by name, synonym or code, the best first."""
    found = mapper.search_codes(query, k=k)
    if system is not None:
        found = found.filter(found["system"] == system)
    return [
        {
            **{name: row[name] for name in ("system", "code", "name", "term")},
            "confidence": _rounded(row["confidence"]),
            "cosine": _rounded(row["score"]),
        }
        for row in found.iter_rows(named=True)
    ]


def _words(note: AnnotatedNote) -> list[dict[str, Any]]:
    """The words that are tagged; one without a concept is left out."""
    return [
        {
            "start": word.start_char,
            "end": word.end_char,
            "concepts": [
                {
                    "system": one.system,
                    "code": one.code,
                    "name": one.name,
                    "confidence": _rounded(one.confidence),
                    "cosine": _rounded(one.score),
                    "why": one.why,
                }
                for one in word.concepts
            ],
        }
        for word in tagged_words(note.text, note.tags)
        if word.concepts
    ]


def _mention(mention: dict[str, Any]) -> dict[str, Any]:
    of_concept = ("system", "code", "name", "evidence", "why")
    concepts = [
        {
            **{name: one.get(name) for name in of_concept},
            "confidence": _rounded(one.get("confidence")),
            "cosine": _rounded(one.get("score")),
        }
        for one in mention["concepts"]
    ]
    said = {name: mention[name] for name in ("section", "negated", "subject", "temporality", "certainty")}
    place = {"id": mention["mention_id"], "start": mention["start_char"], "end": mention["end_char"]}
    return {**place, "text": mention["text"], **said, "concepts": concepts}


def _code(code: dict[str, Any], above: Sequence[tuple[str, str]]) -> dict[str, Any]:
    kept = ("system", "code", "name", "role", "billable", "poa", "text", "section", "snippet", "notes", "rank")
    out = {name: code.get(name) for name in kept}
    figures = {name: _rounded(code.get(name)) for name in ("probability", "score")}
    return {**out, **figures, "evidence": (code["evidence"] or "").split(), "path": above}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
