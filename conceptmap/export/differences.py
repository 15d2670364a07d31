"""What a new release changes as a page without scripts: counts, the first rows of every kind, and one's own notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from conceptmap.export.html import page
from conceptmap.linking.note_changes import NOTE_CHANGES
from conceptmap.ontology.changes import KINDS

__all__ = ["difference_page"]

SHOWN = 500
"""Rows of a kind of change on the page."""
_NOTES = {
    "another code": "mentions that mean something else now",
    "mention lost": "mentions that are found no more",
    "mention gained": "mentions that are found now",
    "code lost": "codes of notes that are gone",
    "code gained": "codes of notes that are new",
}


def difference_page(changed: pl.DataFrame, notes: pl.DataFrame | None, *, title: str, facts: Sequence[str]) -> str:
    """Returns the page.

    Args:
        changed: schema ``ontology.changes.CHANGES``.
        notes: schema ``linking.note_changes.NOTE_CHANGES``, or None where there are none.
        title: of the page.
        facts: shown below it.
    """
    kinds = list(_kinds(changed, KINDS, ["code", "name", "old", "new", "reason"]))
    if notes is not None:
        kinds += _kinds(notes, _NOTES, [name for name in NOTE_CHANGES if name not in ("change", "end_char")])
    return "".join(page("diff.html", title=title, facts=facts, kinds=kinds))


def _kinds(frame: pl.DataFrame, meanings: dict[str, str], columns: list[str]) -> Iterator[dict[str, object]]:
    for kind, meaning in meanings.items():
        rows = frame.filter(pl.col("change") == kind).select(columns)
        used = [name for name in columns if rows[name].null_count() < rows.height] or columns
        cells = rows.head(SHOWN).select(pl.col(used).cast(pl.String).fill_null(""))
        yield {
            "name": kind,
            "anchor": kind.replace(" ", "-"),
            "meaning": meaning,
            "n": f"{rows.height:,}",
            "more": f"{rows.height - SHOWN:,}" if rows.height > SHOWN else "",
            "heads": [name.replace("_", " ") for name in used],
            "rows": cells.rows(),
        }
