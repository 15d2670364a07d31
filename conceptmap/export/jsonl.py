"""JSON Lines: an object a row, nulls as ``null``."""

from __future__ import annotations

import io

import polars as pl

__all__ = ["jsonl_bytes"]


def jsonl_bytes(frame: pl.DataFrame) -> bytes:
    r"""A frame as UTF-8 JSON Lines, LF after each row.

    >>> jsonl_bytes(pl.DataFrame({"code": ["I10"], "billable": [True], "notes": [None]}))
    b'{"code":"I10","billable":true,"notes":null}\n'
    """
    buffer = io.BytesIO()
    frame.write_ndjson(buffer)
    return buffer.getvalue()
