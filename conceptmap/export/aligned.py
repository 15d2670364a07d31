"""Several systems side by side as a page: a row per mention, a column per system, and how far their maps agree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import polars as pl

from conceptmap.export.html import page
from conceptmap.linking.alignment import agreement_column

__all__ = ["aligned_page"]

_SIGNS = {"same": "=", "near": "≈", "differ": "≠", None: "·"}


def aligned_page(aligned: pl.DataFrame, systems: Sequence[str], *, title: str = "Systems side by side") -> str:
    """Returns a page without scripts.

    Args:
        aligned: what ``alignment.align`` gave.
        systems: in the order of the columns.
        title: of the page.
    """
    pairs = list(combinations(systems, 2))
    heads = ["note", "from", "text", *systems, *(f"{one} / {other}" for one, other in pairs)]
    rows = (_row(row, systems, pairs) for row in aligned.iter_rows(named=True))
    return "".join(page("aligned.html", title=title, heads=heads, rows=rows, signs=_SIGNS))


def _row(row: dict[str, Any], systems: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    concepts = [(row[system], row[f"{system}_name"] or "") for system in systems]
    agreements = [row[agreement_column(one, other)] for one, other in pairs]
    return {**row, "concepts": concepts, "agreements": agreements}
