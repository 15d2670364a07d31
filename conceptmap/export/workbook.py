"""``codes.xlsx``: a workbook to review codes in, with the sheets Codes, Mentions and Notes.

Rows are written as they come, so that no more than one is held. `notes.reviewed` reads the column Accept back.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from conceptmap.errors import MissingExtraError
from conceptmap.export.tables import parts_folder
from conceptmap.export.wide import wide_rows

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

__all__ = ["ACCEPT", "WORKBOOK", "WorkbookFile", "check_workbooks"]

WORKBOOK: Final = "codes.xlsx"
ACCEPT: Final = "Accept"
MOST_ROWS: Final = 1_048_576
"""Rows of a sheet, the header's included: Excel's limit."""
CELL: Final = 16_000
"""Characters that are put into one cell; Excel's limit are 32,767 UTF-16 units."""
_NEVER: Final = dt.datetime(1980, 1, 1)
"""When a workbook says that it was made: at no moment, so that the bytes are the same whenever it is written."""
_NO_CHARACTERS: Final = re.compile("[\ufffe\uffff]")
_CODES: Final = (
    "note_id rank role code name text snippet section probability score poa billable excludes code_first use_additional"
    " combined_from rests_on weighed rollup_code rollup_name"
).split()
_CODES_LAST: Final = ["notes", "evidence", "system"]
_MENTIONS: Final = (
    "note_id text code name confidence why context section snippet supports rollup_code rollup_name start_char end_char"
    " mention_id system"
).split()
_WIDTHS: Final = {
    ACCEPT: 8, "note_id": 14, "rank": 6, "role": 10, "code": 10, "name": 44, "text": 34, "snippet": 58, "section": 24,
    "poa": 5, "why": 40, "context": 16, "notes": 70, "codes": 60, "evidence": 16, "rollup_name": 30, "score": 7,
    "billable": 8, "confidence": 10, "combined_from": 22, "rests_on": 40, "weighed": 40, "use_additional": 14,
}  # fmt: skip
_WIDTH: Final = 12
_WRAPPED: Final = ("name", "text", "notes", "rollup_name")
"""Columns whose cells take as many lines as they need; a note's own text takes one."""
_LINE: Final = 15
"""Points of a line."""
_MOST_LINES: Final = 8


def check_workbooks() -> None:
    """Refuse the format where its writer is not installed.

    Raises:
        MissingExtraError: it is not.
    """
    try:
        import xlsxwriter  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("xlsxwriter", extra="excel", purpose="writing .xlsx files") from error


@dataclass(eq=False)
class _Sheet:
    """A sheet while it is written, a row below the other.

    Attributes:
        columns: its header.
        looks: of its columns.
        wrapped: which of them wrap their cells.
        rows: written so far, the header not counted.
        left_out: rows for which there was no room.
    """

    sheet: Worksheet
    columns: Sequence[str]
    looks: Sequence[Format]
    wrapped: frozenset[int] = frozenset()
    rows: int = 0
    left_out: int = field(default=0)

    def begin(self, header: Format, *, frozen: int) -> None:
        """Write the header, which stays in sight, as the first columns do."""
        for at, name in enumerate(self.columns):
            self.sheet.set_column(at, at, _WIDTHS.get(name, _WIDTH))
            self.sheet.write_string(0, at, _cell(name), header)
        self.sheet.freeze_panes(1, frozen)
        self.sheet.set_landscape()
        self.sheet.fit_to_pages(1, 0)
        self.sheet.repeat_rows(0)

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Append rows; a value beyond the header's columns goes on to the right."""
        for row in rows:
            if self.rows + 1 >= MOST_ROWS:
                self.left_out += 1
                continue
            self.rows += 1
            if (lines := self._lines(row)) > 1:  # not every program finds the height by itself
                self.sheet.set_row(self.rows, _LINE * lines)
            for at, value in enumerate(row):
                look = self.looks[min(at, len(self.looks) - 1)]
                if isinstance(value, bool):
                    self.sheet.write_boolean(self.rows, at, value, look)
                elif isinstance(value, float):
                    self.sheet.write_number(self.rows, at, round(value, 6), look)
                elif isinstance(value, int):
                    self.sheet.write_number(self.rows, at, value, look)
                elif value is not None:
                    self.sheet.write_string(self.rows, at, _cell(str(value)), look)

    def _lines(self, row: Sequence[Any]) -> int:
        """About how many lines the longest of the wrapped cells takes."""
        sizes = ((len(str(row[at] or "")), _WIDTHS.get(self.columns[at], _WIDTH)) for at in self.wrapped)
        return min(max((-(-size // width) for size, width in sizes), default=1), _MOST_LINES)

    def end(self) -> None:
        """Give it its filters, and the choices of the column Accept, also for rows that are added below."""
        self.sheet.autofilter(0, 0, self.rows, len(self.columns) - 1)
        if self.columns[0] == ACCEPT:
            choices = {"validate": "list", "source": ["yes", "no"], "ignore_blank": True, "error_type": "warning"}
            self.sheet.data_validation(1, 0, min(self.rows + 1_000, MOST_ROWS - 1), 0, choices)


class WorkbookFile:
    """``codes.xlsx``.

    Attributes:
        counts: rows of its sheets, without those that Excel has no room for.
    """

    def __init__(self, folder: Path, *, codes: Sequence[str], mentions: Sequence[str], carried: Sequence[str]) -> None:
        import xlsxwriter

        self._parts = parts_folder(folder, "xlsx")
        fixed = {"constant_memory": True, "tmpdir": str(self._parts)}
        as_text = dict.fromkeys(("strings_to_formulas", "strings_to_urls", "strings_to_numbers"), False)
        self._book: Workbook = xlsxwriter.Workbook(str(folder / WORKBOOK), fixed | as_text)
        self._book.use_zip64()
        self._book.set_properties({"created": _NEVER})
        self._header = self._book.add_format({"bold": True, "bottom": 1, "bg_color": "#EDF1F5"})
        first = [name for name in _CODES if name in codes]
        self._plain = self._book.add_format({"valign": "top"})
        self._wrapped = self._book.add_format({"valign": "top", "text_wrap": True})
        self._share = self._book.add_format({"valign": "top", "num_format": "0.00"})
        self._codes = self._sheet("Codes", [ACCEPT, *first, *carried, *_CODES_LAST], frozen=5)
        self._mentions = self._sheet("Mentions", [ACCEPT, *(name for name in _MENTIONS if name in mentions)], frozen=3)
        self._notes = self._sheet("Notes", ["note_id", "principal", "codes", "n_codes", *carried, "text"], frozen=1)

    def _sheet(self, name: str, columns: Sequence[str], *, frozen: int) -> _Sheet:
        looks = [self._look(column) if name != "Notes" else self._plain for column in columns]
        wrapped = frozenset(at for at, look in enumerate(looks) if look is self._wrapped)
        sheet = _Sheet(self._book.add_worksheet(name), columns, looks, wrapped)
        sheet.begin(self._header, frozen=frozen)
        return sheet

    def _look(self, column: str) -> Format:
        if column in ("score", "confidence", "probability"):
            return self._share
        return self._wrapped if column in _WRAPPED else self._plain

    def __enter__(self) -> WorkbookFile:
        return self

    def write(self, notes: pl.DataFrame, mentions: pl.DataFrame, codes: pl.DataFrame) -> None:
        """Append notes.

        Args:
            notes: note_id, text and the columns to carry along.
            mentions: schema ``frames.MENTIONS``.
            codes: schema ``frames.CODES``, with the carried columns.

        Where mentions or codes have a column Accept, that is written; else it is left to be filled in.
        """
        for sheet, frame in ((self._codes, codes), (self._mentions, mentions)):
            marks = frame[ACCEPT] if ACCEPT in frame.columns else [None] * frame.height
            rows = frame.select(sheet.columns[1:]).iter_rows()
            sheet.write((mark, *row) for mark, row in zip(marks, rows, strict=True))
        wide = wide_rows(notes, codes).select(self._notes.columns)
        self._notes.write((*row[:-1], *_cells(row[-1])) for row in wide.iter_rows())

    @property
    def counts(self) -> Mapping[str, int]:
        """Rows of the sheets."""
        return {f"xlsx_{name}": sheet.rows for name, sheet in self._sheets().items()}

    @property
    def notices(self) -> tuple[str, ...]:
        """Rows for which Excel has no room."""
        return tuple(
            f"{WORKBOOK} lacks the last {sheet.left_out:,} {name}, for which a sheet has no rows; CSV has all"
            for name, sheet in self._sheets().items()
            if sheet.left_out
        )

    def _sheets(self) -> dict[str, _Sheet]:
        return {"codes": self._codes, "mentions": self._mentions, "notes": self._notes}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from xlsxwriter.exceptions import FileCreateError

        try:
            if kind is None:
                for sheet in self._sheets().values():
                    sheet.end()
                self._book.close()
                shutil.rmtree(self._parts)
        except FileCreateError as failed:
            raise failed.args[0] if isinstance(failed.args[0], OSError) else failed from None
        finally:
            for sheet in self._sheets().values():
                sheet.sheet.row_data_fh.close()


def _cell(text: str) -> str:
    """A text that one cell can hold."""
    return _NO_CHARACTERS.sub("\ufffd", text if len(text) <= CELL else text[: CELL - 1] + "…")


def _cells(text: str) -> list[str]:
    """A text in as many cells as it takes."""
    return [text[at : at + CELL] for at in range(0, len(text), CELL)]
