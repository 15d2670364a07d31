"""CSV, exact by default: a cell is the note's text, white space and all. On request safe to open in a spreadsheet.

Every table that conceptmap writes as CSV is written here.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import polars as pl

__all__ = ["BOM", "CsvFile", "csv_bytes", "spreadsheet_safe"]

BOM = b"\xef\xbb\xbf"
"""Before what a spreadsheet opens: without it some take UTF-8 for the system's old code page."""
# What a spreadsheet may take for a formula, the full-width forms included.
_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"


class CsvFile:
    """A table that is written piece by piece.

    Args:
        path: a new file.
        schema: its columns, which become the header.
        safe: for a spreadsheet: see ``csv_bytes``.
    """

    def __init__(self, path: Path, schema: pl.Schema, *, safe: bool) -> None:
        self._safe = safe
        self._file = path.open("xb")
        try:
            self._file.write(csv_bytes(pl.DataFrame(schema=schema), safe=safe))
        except BaseException:
            self._file.close()
            raise

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows."""
        self._file.write(csv_bytes(frame, header=False, safe=self._safe))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def csv_bytes(frame: pl.DataFrame, *, header: bool = True, safe: bool = False) -> bytes:
    """A frame as UTF-8 CSV: LF after each row, quotes where needed, nulls as nothing and empty strings as ``""``.

    Args:
        frame: any frame without nested columns.
        header: whether the column names come first.
        safe: for a spreadsheet: neutralise cells that it would run as formulas, and begin with a byte-order mark.

    >>> frame = pl.DataFrame({"text": ["-5 mmHg", "I10, known", None], "rank": [1, 2, 3]})
    >>> csv_bytes(frame).splitlines()
    [b'text,rank', b'-5 mmHg,1', b'"I10, known",2', b',3']
    >>> csv_bytes(frame, header=False, safe=True).splitlines()[0]
    b"'-5 mmHg,1"
    """
    buffer = io.BytesIO()
    (spreadsheet_safe(frame) if safe else frame).write_csv(buffer, include_header=header)
    return (BOM if safe and header else b"") + buffer.getvalue()


def spreadsheet_safe(frame: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before every string, and column name, that a spreadsheet could run as a formula.

    Source: OWASP, "CSV Injection".
    """
    text = pl.col(pl.String)
    risky_cell = text.str.contains(_FORMULA)
    frame = frame.with_columns(pl.when(risky_cell).then(pl.lit("'") + text).otherwise(text).name.keep())
    return frame.rename({name: f"'{name}" for name in frame.columns if re.match(_FORMULA, name)})
