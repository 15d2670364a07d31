"""Notes that were found for a query as a page without scripts: each passage with its matched tokens marked, and a
table of them: token of the query, token of the note, score, what both stand for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import polars as pl

from conceptmap.export.html import page

__all__ = ["found_page"]


def found_page(hits: pl.DataFrame, matches: pl.DataFrame, *, title: str, facts: Sequence[str]) -> str:
    """Returns the page.

    Args:
        hits: columns ``rank, note_id, score, mean, start_char, end_char, passage``.
        matches: a row per rank and token of the query: ``rank, query_token, note_token, start_char, end_char, score``,
            and, where concepts are known, ``shared, ancestor, ancestor_name, negated``.
        title: of the page: the query.
        facts: shown below it.
    """
    notes = [_note(hit, matches.filter(pl.col("rank") == hit["rank"])) for hit in hits.iter_rows(named=True)]
    return "".join(page("found.html", title=title, facts=facts, notes=notes, explained="ancestor" in matches.columns))


def _note(hit: dict[str, object], matches: pl.DataFrame) -> dict[str, object]:
    rows = [
        {
            "query": row["query_token"],
            "note": row["note_token"] or "–",
            "score": f"{row['score']:.3f}",
            "both": _both(row),
            "negated": bool(row.get("negated")),
        }
        for row in matches.iter_rows(named=True)
    ]
    score, mean, start, end = (hit[name] for name in ("score", "mean", "start_char", "end_char"))
    return {
        "rank": hit["rank"],
        "note_id": hit["note_id"],
        "meta": [f"score {score:.3f}", f"mean cosine {mean:.3f}", f"characters {start:,} to {end:,}"],
        "parts": list(_parts(str(hit["passage"]), int(str(start)), matches)),
        "rows": rows,
        "total": f"{score:.3f}",
    }


def _both(row: dict[str, object]) -> str:
    """The concept that both sides stand for, or the lowest one above them."""
    ancestor = row.get("ancestor")
    if not ancestor:
        return ""
    shared = str(row.get("shared") or "").split("; ")
    return f"{'' if ancestor in shared else 'both under '}{ancestor} {row['ancestor_name']}"


def _parts(passage: str, start: int, matches: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """The passage in pieces, each with what matched it, empty for what did not."""
    said: dict[tuple[int, int], list[str]] = {}
    inside = matches.filter(pl.col("start_char").is_not_null())
    for token, begin, end, score in inside.select("query_token", "start_char", "end_char", "score").iter_rows():
        said.setdefault((begin - start, end - start), []).append(f"{token} {score:.3f}")
    edges = sorted({0, len(passage), *(edge for span in said for edge in span if 0 <= edge <= len(passage))})
    for begin, end in pairwise(edges):
        over = [text for (first, last), texts in said.items() if first < end and begin < last for text in texts]
        yield passage[begin:end], ", ".join(over)
