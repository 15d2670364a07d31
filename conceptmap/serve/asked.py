"""What a request asks for: bodies of JSON, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from conceptmap.errors import InputError
from conceptmap.files import json_of

__all__ = ["MOST_CONCEPTS", "MOST_NOTES", "AskedText", "Sought", "list_of", "object_of", "whole"]

MOST_CONCEPTS = 50
MOST_CHARS = 1_000_000
"""Characters of one note."""
MOST_NOTES = 2_000
"""Notes of a file that are taken into the page."""
MOST_FOUND = 50
"""Notes that a query finds, and codes that it asks for."""
MOST_QUERY_CHARS = 10_000


@dataclass(frozen=True, slots=True)
class AskedText:
    """A request for one text, or for several notes; ``drawn`` where the answer is wanted as HTML, too."""

    text: str
    k: int
    notes: list[tuple[str, str]] | None = None
    note_id: str = "note"
    drawn: bool = False

    @classmethod
    def of(cls, body: bytes) -> AskedText:
        """Read the body.

        Raises:
            InputError: it is no such request.
        """
        given = object_of(body)
        k = whole(given.get("k", 5), "k", MOST_CONCEPTS)
        if "notes" in given:
            return cls("", k, [_note(one) for one in list_of(given["notes"], most=MOST_NOTES)])
        note_id = given.get("note_id", "note")
        if not isinstance(note_id, str):
            raise InputError("note_id is no string", got=type(note_id).__name__, expected="the note's id")
        return cls(_text(given.get("text")), k, note_id=note_id, drawn=given.get("html") is True)


@dataclass(frozen=True, slots=True)
class Sought:
    """A request for notes: words, codes, or both; which notes may answer, and how they are looked for."""

    query: str
    codes: tuple[str, ...]
    k: int
    concepts: tuple[str, ...] = ()
    affirmed: bool = False
    by: str = "vectors"

    @classmethod
    def of(cls, body: bytes) -> Sought:
        """Read the body.

        Raises:
            InputError: it is no such request.
        """
        given = object_of(body)
        k = whole(given.get("k", 10), "k", MOST_FOUND, of="notes")
        codes, concepts = _codes(given.get("codes", [])), _codes(given.get("concepts", []))
        query, by = given.get("query", ""), given.get("by", "vectors")
        if by not in ("vectors", "words", "both"):
            raise InputError("by is no way to search", expected="vectors, words or both")
        query = "" if codes and query == "" else _text(query, "query", MOST_QUERY_CHARS)
        return cls(query, codes, k, concepts, given.get("affirmed") is True, by)


def object_of(body: bytes) -> dict[str, Any]:
    """The object that a body holds.

    Raises:
        InputError: it is no object, or no JSON in UTF-8.
    """
    try:
        given: Any = json_of(body.decode("utf-8"))
    except ValueError:
        raise InputError("the body is no JSON in UTF-8", expected='an object such as {"text": "…"}') from None
    if not isinstance(given, dict):
        raise InputError("the body is no object", got=type(given).__name__, expected='{"text": "…"}')
    return given


def list_of(value: object, *, most: int) -> list[Any]:
    """A list of at most so many entries.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, list) or len(value) > most:
        raise InputError("there is no list, or a too long one", expected=f"at most {most:,} entries")
    return value


def _codes(value: object) -> tuple[str, ...]:
    return tuple(_text(code, "a code", 100) for code in list_of(value, most=MOST_FOUND))


def _note(value: object) -> tuple[str, str]:
    if not isinstance(value, dict) or not isinstance(value.get("note_id"), str):
        raise InputError("a note is no note", expected='{"note_id": "…", "text": "…"}')
    return value["note_id"], _text(value.get("text"))


def _text(value: object, name: str = "text", most: int = MOST_CHARS) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name} is no string", got=type(value).__name__, expected="words, such as a note")
    if len(value) > most:
        raise InputError(f"{name} is too long", got=f"{len(value):,} characters", expected=f"at most {most:,}")
    if not value.strip():
        raise InputError("the text is empty", expected="words to explain")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError("the text holds half a character", expected="whole characters") from None
    return value


def whole(value: object, name: str, most: int, *, of: str = "concepts") -> int:
    """A whole number from 1 to ``most``, also as digits.

    Raises:
        InputError: it is none.
    """
    number = isinstance(value, int) and not isinstance(value, bool)
    whole = int(value) if number or (isinstance(value, str) and value.isdecimal()) else 0  # type: ignore[call-overload]
    if not 1 <= whole <= most:
        raise InputError(f"{name} is no number of {of}", expected=f"1 to {most}")
    return whole
