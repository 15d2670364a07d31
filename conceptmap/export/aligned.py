"""Several systems side by side as a page: a row per mention, a column per system, and how far their maps agree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import polars as pl

from conceptmap.export.html import page
from conceptmap.export.markup import shown
from conceptmap.linking.alignment import agreement_column

__all__ = ["aligned_page"]

_SIGNS = {"same": "=", "near": "≈", "differ": "≠", None: "·"}
_KEY = "= a map joins the codes · ≈ it joins one with a code above or below the other · ≠ it leads elsewhere · · no map"


def aligned_page(aligned: pl.DataFrame, systems: Sequence[str], *, title: str = "Systems side by side") -> str:
    """Returns a page without scripts.

    Args:
        aligned: what ``alignment.align`` gave.
        systems: in the order of the columns.
        title: of the page.
    """
    pairs = list(combinations(systems, 2))
    heads = [*systems, *(f"{one} / {other}" for one, other in pairs)]
    head = "".join(f"<th>{shown(name)}</th>" for name in ("note", "from", "text", *heads))
    body = "".join(_row(row, systems, pairs) for row in aligned.iter_rows(named=True))
    table = f'<div class="index"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    return page(title, f'<header><h1>{shown(title)}</h1><p class="meta">{shown(_KEY)}</p></header>{table}')


def _row(row: dict[str, Any], systems: Sequence[str], pairs: Sequence[tuple[str, str]]) -> str:
    cells = [f"<td>{shown(row['note_id'])}</td>", f'<td class="n">{row["start_char"]}</td>']
    cells.append(f'<td dir="auto">{shown(row["text"])}</td>')
    for system in systems:
        code = row[system]
        name = f'<span class="c">{shown(code)}</span> {shown(row[f"{system}_name"] or "")}' if code else ""
        cells.append(f"<td>{name}</td>")
    for one, other in pairs:
        said = row[agreement_column(one, other)]
        cells.append(f'<td title="{said or "not assessed"}">{_SIGNS[said]}</td>')
    return f"<tr>{''.join(cells)}</tr>"
