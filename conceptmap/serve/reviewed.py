"""Reviewed codes as a workbook, which ``evaluate`` and ``adapt`` read back."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import polars as pl

from conceptmap.errors import InputError
from conceptmap.export.workbook import ACCEPT, check_workbooks

__all__ = ["COLUMNS", "WORKBOOK_TYPE", "workbook_of"]

WORKBOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
COLUMNS = ("note_id", "system", "code", "name", "role", "text")


def workbook_of(rows: Sequence[Any]) -> bytes:
    """An ``.xlsx`` file with the sheet Codes.

    Args:
        rows: objects with COLUMNS and ``accept``: yes, no or nothing.

    Raises:
        InputError: a row is none.
        MissingExtraError: the writer is not installed.
    """
    check_workbooks()
    cells: list[tuple[Any, ...]] = []
    for row in rows:
        values = [row.get(name, "") for name in ("accept", *COLUMNS)] if isinstance(row, dict) else [None]
        if not all(isinstance(value, str) for value in values):
            raise InputError("a code is no row of a table", expected=f"texts under accept, {', '.join(COLUMNS)}")
        cells.append(tuple(values))
    frame = pl.DataFrame(cells, schema=dict.fromkeys((ACCEPT, *COLUMNS), pl.String), orient="row")
    out = io.BytesIO()
    frame.write_excel(out, "Codes", freeze_panes=(1, 0), autofilter=True, autofit=True)
    return out.getvalue()
