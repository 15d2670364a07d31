"""The description of the API, in OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from conceptmap import __version__
from conceptmap.serve.reviewed import WORKBOOK_TYPE

__all__ = ["described_api"]

_CONCEPT = {
    "system": {"type": "string"},
    "code": {"type": "string"},
    "name": {"type": "string"},
    "confidence": {"type": ["number", "null"], "description": "orders the concepts, in [0, 1]"},
    "cosine": {"type": ["number", "null"]},
    "why": {"type": ["string", "null"], "description": "why it stands here, in words"},
}
_SPAN = {
    "start": {"type": "integer", "description": "first code point"},
    "end": {"type": "integer", "description": "one past the last code point"},
}
_STRING = {"type": "string"}
_BINARY = {"type": "string", "contentEncoding": "binary"}
_MENTION = {"$ref": "#/components/schemas/Mention"}
_TEXT = {"text": {"type": "string"}, "k": {"type": "integer", "minimum": 1, "maximum": 50, "default": 5}}
_HEALTH = {
    "status": {"const": "ready"},
    "systems": {"type": "array"},
    "encoder": {},
    "note_search": {"type": "boolean", "description": "whether there is a note index"},
}
_SOUGHT = {
    "query": {"type": "string", "maxLength": 10_000, "description": "may be left out where there are codes"},
    "codes": {"type": "array", "items": _STRING, "maxItems": 50, "description": "such as icd10cm:I50.9"},
    "k": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10},
    "concepts": {
        "type": "array",
        "items": _STRING,
        "maxItems": 50,
        "description": "notes must mention each of these codes, or a concept below it",
    },
    "affirmed": {
        "type": "boolean",
        "default": False,
        "description": "denied mentions do not count, and their words take no part in the score",
    },
    "by": {
        "enum": ["vectors", "words", "both"],
        "default": "vectors",
        "description": "words: BM25; both: the two rankings fused by reciprocal rank",
    },
}
_HIT = {
    "rank": {"type": "integer"},
    "note_id": _STRING,
    "score": {"type": "number", "description": "the sum of the parts' scores"},
    "passage": {"type": "string", "description": "the best of the note, from start to end"},
    "words": {"type": ["number", "null"], "description": "BM25, where words were searched"},
    "fused": {"type": ["number", "null"], "description": "of both ranks, where both were"},
    **_SPAN,
    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
}
_PART = {
    "query_token": _STRING,
    "note_token": {"type": ["string", "null"], "description": "the token that answers it best"},
    "start": {"type": ["integer", "null"], "description": "of the note's token in the note, in code points"},
    "end": {"type": ["integer", "null"]},
    "score": {"type": "number", "description": "their cosine"},
    "shared": {"type": "array", "items": _STRING, "description": "concepts that both stand for, system:code"},
    "ancestor": {"type": ["string", "null"], "description": "the lowest concept at or above one of either"},
    "ancestor_name": {"type": ["string", "null"]},
    "negated": {"type": ["boolean", "null"], "description": "whether the note's mention is"},
}
_DRAWN = {"html": {"type": "boolean", "description": "also as the HTML of the report"}, "note_id": _STRING}


def described_api() -> dict[str, Any]:
    """The document that ``/api/openapi.json`` holds."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "conceptmap", "version": __version__, "description": "Notes in, concepts of every word out."},
        "paths": {
            "/api/health": {"get": _get("Whether notes can be read, and what with", [], {"$ref": _ref("Health")})},
            "/api/annotate": {
                "post": _post(
                    "A note with every word explained, or several, a line of JSON each as soon as it is done",
                    {"oneOf": [{"$ref": _ref("Text")}, {"$ref": _ref("Notes")}]},
                    {"$ref": _ref("AnnotatedNote")},
                )
            },
            "/api/tag": {"post": _post("The concepts of every word", {"$ref": _ref("Text")}, _listed("words", "Word"))},
            "/api/nearest": {
                "post": _post(
                    "The concepts nearest to every token's own vector",
                    {"$ref": _ref("Text")},
                    _listed("tokens", "Token"),
                )
            },
            "/api/notes": {"post": _file()},
            "/api/search-notes": {
                "post": _post(
                    "The notes of the note index that answer a query best, and why",
                    {"$ref": _ref("Sought")},
                    {"$ref": _ref("FoundNotes")},
                )
            },
            "/api/indexed-note": {
                "post": _post("A note of the note index", _object({"note_id": _STRING}), {"$ref": _ref("Note")})
            },
            "/api/csv": {"post": _reviewed("The codes of reviewed notes as a table", {"type": "string"}, "text/csv")},
            "/api/workbook": {"post": _reviewed("Reviewed notes as a workbook", _BINARY, WORKBOOK_TYPE)},
            "/api/search": {
                "get": _get(
                    "Concepts by name, synonym or code",
                    [_query("q"), _query("system", required=False), _query("k", required=False)],
                    _listed("concepts", "Concept"),
                )
            },
            "/api/concepts/{system}/{code}": {
                "get": _get("A concept with its path and its terms", [_in_path("system"), _in_path("code")], _concept())
            },
        },
        "components": {"schemas": _schemas(), "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _schemas() -> dict[str, Any]:
    concepts = {"concepts": {"type": "array", "items": {"$ref": _ref("Concept")}}}
    word = _object({**_SPAN, **concepts})
    context = ("section", "negated", "subject", "temporality", "certainty")
    mention = {
        **_SPAN,
        "id": {"type": "string"},
        "text": {"type": "string"},
        **concepts,
        **{name: {} for name in context},
    }
    code = {
        **{name: {"type": ["string", "null"]} for name in ("system", "code", "name", "role", "poa", "text", "section")},
        "evidence": {"type": "array", "items": {"type": "string"}, "description": "ids of mentions"},
        "path": {"type": "array", "description": "codes and names from the root down to the parent"},
        "probability": {"type": ["number", "null"]},
        "score": {"type": ["number", "null"]},
    }
    note = {"note_id": {"type": "string"}, "text": {"type": "string"}}
    return {
        "Concept": _object(_CONCEPT),
        "Word": word,
        "Token": _object({**_SPAN, "text": {"type": "string"}, **concepts}),
        "Mention": _object(mention),
        "Code": _object(code),
        "AnnotatedNote": _object(
            {
                **note,
                **{
                    name: {"type": "array", "items": {"$ref": _ref(kind)}}
                    for name, kind in (("words", "Word"), ("mentions", "Mention"), ("codes", "Code"))
                },
            }
        ),
        "Health": _object(_HEALTH),
        "Note": _object(note),
        "Sought": _object(_SOUGHT),
        "FoundNotes": _object({"query": _STRING, "hits": {"type": "array", "items": {"$ref": _ref("Hit")}}}),
        "Hit": _object(_HIT),
        "Part": _object(_PART),
        "Text": {**_object({**_TEXT, **_DRAWN}), "required": ["text"]},
        "Notes": _object({"notes": {"type": "array", "items": _object(note)}, "k": _TEXT["k"]}),
        "Error": _object({"error": {"type": "string"}}),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _listed(name: str, kind: str) -> dict[str, Any]:
    return _object({name: {"type": "array", "items": {"$ref": _ref(kind)}}})


def _concept() -> dict[str, Any]:
    listed = {"path": {"type": "array"}, "terms": {"type": "array", "items": {"type": "string"}}}
    return _object({**{name: {"type": "string"} for name in ("system", "code", "name")}, **listed})


def _ref(name: str) -> str:
    return f"#/components/schemas/{name}"


def _query(name: str, *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": {"type": "string"}}


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _responses(schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    error = {"description": "what was got, what was expected", "content": _content({"$ref": _ref("Error")})}
    return {"200": {"description": "the answer", "content": _content(schema, kind)}, "default": error}


def _content(schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {kind: {"schema": schema}}


def _get(summary: str, parameters: list[dict[str, Any]], schema: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "parameters": parameters, "responses": _responses(schema)}


def _post(summary: str, body: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": _content(body)},
        "responses": _responses(schema),
    }


def _file() -> dict[str, Any]:
    body = {"required": True, "content": _content({"type": "string"}, "application/octet-stream")}
    note = _object({"note_id": {"type": "string"}, "text": {"type": "string"}})
    return {
        "summary": "The notes in a file, a line of JSON each",
        "parameters": [_query("name", required=False)],
        "requestBody": body,
        "responses": _responses(note, "application/x-ndjson"),
    }


def _reviewed(summary: str, schema: dict[str, Any], kind: str) -> dict[str, Any]:
    code = {"allOf": [{"$ref": _ref("Code")}, _object({"accept": {"enum": ["yes", "no", ""]}, "spans": _STRING})]}
    listed = {name: {"type": "array", "items": item} for name, item in (("mentions", _MENTION), ("codes", code))}
    note = _object({"note_id": _STRING, "text": _STRING, **listed})
    body = {"required": True, "content": _content(_object({"notes": {"type": "array", "items": note}}))}
    return {"summary": summary, "requestBody": body, "responses": _responses(schema, kind)}
