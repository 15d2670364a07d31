"""Notes of a note index that a query finds, with what made each score, as plain values that JSON can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conceptmap.errors import InputError

if TYPE_CHECKING:
    from conceptmap.retrieval.search import NoteSearch
    from conceptmap.serve.asked import Sought

__all__ = ["found_notes", "indexed_note"]


def found_notes(search: NoteSearch, asked: Sought) -> dict[str, Any]:
    """The notes that answer a query best, each with its parts, whose scores add up to its score.

    Args:
        search: with a mapper.
        asked: what is looked for, as `NoteSearch.search` takes it.

    Raises:
        InputError: there is nothing to look for.
        UnknownCodeError: no index holds a code.
        MissingExtraError: words without the extra ``retrieval``.
    """
    which = {"codes": asked.codes, "concepts": asked.concepts, "affirmed": asked.affirmed, "by": asked.by}
    found = search.search(asked.query, asked.k, **which)  # type: ignore[arg-type]
    parts: dict[int, list[dict[str, Any]]] = {}
    for row in search.why(found).iter_rows(named=True):
        parts.setdefault(row["rank"], []).append(_part(row))
    hits = [
        {
            **{name: hit[name] for name in ("rank", "note_id", "score", "passage", "words", "fused")},
            "start": hit["start_char"],
            "end": hit["end_char"],
            "parts": parts[hit["rank"]],
        }
        for hit in found.hits.iter_rows(named=True)
    ]
    return {"query": found.query, "hits": hits}


def indexed_note(search: NoteSearch, note_id: str) -> dict[str, str]:
    """A note as it was indexed.

    Raises:
        InputError: the index does not hold it.
    """
    place = search.collection.places.get(note_id)
    if place is None:
        raise InputError("the index holds no such note", expected="a note_id of a hit")
    segment, at = place
    return {"note_id": note_id, "text": str(search.collection.segments[segment].texts[at])}


def _part(row: dict[str, Any]) -> dict[str, Any]:
    kept = ("query_token", "note_token", "score", "ancestor", "ancestor_name", "negated")
    place = {"start": row["start_char"], "end": row["end_char"]}
    shared = row["shared"].split("; ") if row["shared"] else []
    return {name: row[name] for name in kept} | place | {"shared": shared}
