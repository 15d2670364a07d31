"""Several systems side by side: one table of what each says of a mention or a token, and whether they agree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import polars as pl

from conceptmap.errors import InputError, said_columns
from conceptmap.frames import overlapping
from conceptmap.ontology.crosswalk import Crosswalk

__all__ = ["agreement_column", "align"]

_NOTES_AT_ONCE = 500


def agreement_column(system: str, other: str) -> str:
    """Name of the column that says whether two systems agree.

    >>> agreement_column("icd10cm", "snomedct")
    'agreement_icd10cm_snomedct'
    """
    return f"agreement_{system}_{other}"


def align(found: pl.DataFrame, crosswalk: Crosswalk, systems: Sequence[str] | None = None) -> pl.DataFrame:
    """Returns a row per mention, or per token, with the best concept of each system beside the others'.

    A system that has no mention of just that span gives the one that overlaps it most, so that "type 2 diabetes" stands
    beside "diabetes"; the column ``<system>_mention_id`` says which.

    Args:
        found: a mention × rank a row (``frames.ANNOTATIONS``), or a token × rank a row (``frames.TAGS``).
        crosswalk: of the releases whose maps count.
        systems: in the order of the columns; by default those of the crosswalk.

    Returns:
        ``note_id``, ``mention_id`` or ``token_index``, ``start_char, end_char, text``, for each system ``<system>``
        (the code), ``<system>_name, <system>_score`` and, of mentions, ``<system>_mention_id``; then for each pair of
        systems ``agreement_<system>_<system>``: one of ``AGREEMENT``, null where it is not assessed.

    Raises:
        InputError: it is neither table, or a system is not in the crosswalk.
    """
    key = next((name for name in ("token_index", "mention_id") if name in found.columns), None)
    needed = ["note_id", "start_char", "end_char", "text", "rank", "system", "code", "name", "score"]
    if key is None or set(needed) - set(found.columns):
        raise InputError("a table to align lacks columns", got=said_columns(found.columns), expected=", ".join(needed))
    chosen = list(crosswalk.ontologies) if systems is None else list(systems)
    if unknown := [system for system in chosen if system not in crosswalk.ontologies]:
        got, expected = ", ".join(unknown), ", ".join(crosswalk.ontologies)
        raise InputError("systems to align that are not loaded", got=got, expected=expected)
    head = ["note_id", key, "start_char", "end_char", "text"]
    rows = found.select(head).unique(["note_id", key], maintain_order=True)
    order = ["note_id", "start_char", "end_char"]
    rows = rows.with_columns(pl.col("note_id").rle_id().alias("_note")).sort("_note", *order[1:], maintain_order=True)
    for system in chosen:
        best = found.filter((pl.col("system") == system) & (pl.col("rank") == 1) & pl.col("code").is_not_null())
        rows = _beside(rows, best, key, system)
    pairs = [
        crosswalk.agreement(rows, one, two).alias(agreement_column(one, two)) for one, two in combinations(chosen, 2)
    ]
    return rows.drop("_note").with_columns(pairs)


def _beside(rows: pl.DataFrame, best: pl.DataFrame, key: str, system: str) -> pl.DataFrame:
    """The rows with the best concept of one system."""
    columns = {"code": system, "name": f"{system}_name", "score": f"{system}_score"}
    if key == "token_index":
        cells = best.select("note_id", key, *columns).unique(["note_id", key], keep="first").rename(columns)
        return rows.join(cells, on=["note_id", key], how="left", maintain_order="left")
    cells = best.select("note_id", "start_char", "end_char", *columns, _id="mention_id")
    named = {**columns, "_id": f"{system}_mention_id"}
    notes = rows.with_columns(_part=pl.col("_note") // _NOTES_AT_ONCE).partition_by("_part", maintain_order=True)
    wanted = (
        pl.concat([_most_shared(part, cells) for part in notes or [rows]])
        .select("note_id", "mention_id", *named)
        .rename(named)
    )
    return rows.join(wanted, on=["note_id", "mention_id"], how="left", maintain_order="left")


def _most_shared(rows: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """For each row the cell that shares most characters with it, and of these the one with fewest others."""
    near = overlapping(rows.select("note_id", "mention_id", "start_char", "end_char"), cells)
    start, end, its_start, its_end = map(pl.col, ("start_char", "end_char", "start_char_right", "end_char_right"))
    shared = pl.min_horizontal(end, its_end) - pl.max_horizontal(start, its_start)
    near = near.with_columns(shared=shared, rest=(end - start) + (its_end - its_start) - 2 * shared)
    near = near.sort("shared", "rest", "start_char_right", descending=[True, False, False], maintain_order=True)
    return near.unique(["note_id", "mention_id"], keep="first", maintain_order=True)
