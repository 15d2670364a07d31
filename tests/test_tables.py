"""Release tables: every row is read as it is, or is an error that names file and line."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptmap.errors import ReaderError
from conceptmap.readers import tables
from conceptmap.readers.archive import open_archive
from conceptmap.readers.tables import MalformedRow, ReadReport, TableLayout, read_header, read_table

LAYOUT = TableLayout(
    separator="\t",
    columns=("id", "term", "count"),
    types={"count": pl.Int64},
    required=("id",),
    checks={"count is negative": lambda frame: (frame["count"].fill_null(0) >= 0).to_numpy()},
)
HEADER = b"id\tterm\tcount\n"


def read(
    folder: Path, content: bytes, *, strict: bool = True, layout: TableLayout = LAYOUT
) -> tuple[list[tuple[object, ...]], ReadReport]:
    (folder / "table.txt").write_bytes(content)
    archive, report = open_archive(folder / "table.txt"), ReadReport()
    frame = read_table(archive, archive.members[0], layout, strict=strict, report=report)
    return frame.rows(), report


def test_rows_are_read_as_they_are(tmp_path: Path) -> None:
    rows, report = read(tmp_path, HEADER + b'a\tone "two" 3\t1\nb\t12" x\t\n')
    assert rows == [("a", 'one "two" 3', 1), ("b", '12" x', None)]
    assert report == ReadReport(rows={"table.txt": 2})


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + HEADER + b"a\tb\t1\nc\td\t2\n",
        HEADER + b"a\tb\t1\r\nc\td\t2\n",
        HEADER.replace(b"\n", b"\r\n") + b"a\tb\t1\nc\td\t2\r\n",
        HEADER + b"a\tb\t1\nc\td\t2",
        HEADER + b"a\tb\t1\n\nc\td\t2\n\r\n\n",
    ],
    ids=["byte-order mark", "line ends mixed", "CRLF", "no last line end", "blank lines"],
)
def test_line_ends_and_marks_are_no_content(tmp_path: Path, content: bytes) -> None:
    rows, report = read(tmp_path, content)
    assert rows == [("a", "b", 1), ("c", "d", 2)]
    assert report.rows == {"table.txt": 2}


def test_files_without_rows_are_empty(tmp_path: Path) -> None:
    assert read(tmp_path, b"")[0] == []
    assert read(tmp_path, HEADER)[0] == []
    assert read(tmp_path, HEADER.rstrip())[0] == []
    assert read_header(open_archive(tmp_path), open_archive(tmp_path).members[0]) == ("id", "term", "count")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"x\ty", "got 2 fields, expected 3"),
        (b"x", "got 1 fields, expected 3"),
        (b"x\ty\t1\t2", "got 4 fields, expected 3"),
        (b"x\t\xff\t1", "not valid UTF-8"),
        (b"x\ty\tmany", "count is not a number"),
        (b"x\ty\t#3", "count is not a number"),
        (b"x\ty\t12345678901234567890", "count is not a number"),
        (b"\ty\t1", "id is blank"),
        (b"x\ty\t-1", "count is negative"),
    ],
)
def test_a_malformed_row_is_named_or_left_out_and_listed(tmp_path: Path, row: bytes, reason: str) -> None:
    content = HEADER + b"a\tb\t1\n" + row + b"\nc\td\t2\n"
    with pytest.raises(ReaderError, match=rf"table\.txt, line 3: {reason}"):
        read(tmp_path, content)
    rows, report = read(tmp_path, content, strict=False)
    assert rows == [("a", "b", 1), ("c", "d", 2)]
    assert report == ReadReport(rows={"table.txt": 3}, malformed=[MalformedRow("table.txt", 3, reason)], n_malformed=1)


def test_a_short_and_a_long_row_do_not_make_up_for_each_other(tmp_path: Path) -> None:
    _, report = read(tmp_path, HEADER + b"a\tb\nc\td\t1\t2\ne\tf\t3\n", strict=False)
    assert [(row.line, row.reason) for row in report.malformed] == [
        (2, "got 2 fields, expected 3"),
        (3, "got 4 fields, expected 3"),
    ]


def test_a_line_end_inside_a_field_makes_two_malformed_rows(tmp_path: Path) -> None:
    rows, report = read(tmp_path, HEADER + b"a\tone\ntwo\t1\nc\td\t2\n", strict=False)
    assert rows == [("c", "d", 2)]
    assert [row.line for row in report.malformed] == [2, 3]


def test_lines_are_counted_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 64)
    monkeypatch.setattr("conceptmap.readers.archive._CHUNK_BYTES", 16)
    good = [f"r{number}\tterm\t{number}\n".encode() for number in range(200)]
    good[150:150] = [b"bad\tx\n"]
    rows, report = read(
        tmp_path, b"\xef\xbb\xbf" + HEADER + b"\n".join([b"".join(good[:70]), b"".join(good[70:])]), strict=False
    )
    assert [count for *_, count in rows] == list(range(200))
    assert [row.line for row in report.malformed] == [153]


def test_a_report_lists_a_thousand_rows_and_counts_all(tmp_path: Path) -> None:
    _, report = read(tmp_path, HEADER + b"short\n" * 1500, strict=False)
    assert (len(report.malformed), report.n_malformed, report.rows["table.txt"]) == (1000, 1500, 1500)


def test_what_is_no_text_table_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReaderError, match="is not UTF-8: got UTF-16"):
        read(tmp_path, "id\tterm\tcount\n".encode("utf-16"))
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 1000)
    with pytest.raises(ReaderError, match=r"is not a table: got .* bytes without a line end"):
        read(tmp_path, b"0" * 100_000)


FIELD = st.text(st.characters(exclude_characters="\t\n\r", codec="utf-8"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FIELD, FIELD), max_size=30), st.sampled_from(["\n", "\r\n"]))
def test_any_text_without_separators_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], end: str
) -> None:
    layout = TableLayout(separator="\t", columns=("a", "b"))
    folder = tmp_path_factory.mktemp("any")
    content = f"a\tb{end}" + "".join(f"{a}\t{b}{end}" for a, b in rows)
    found, _ = read(folder, content.encode(), layout=layout)
    assert found == [(a or None, b or None) for a, b in rows]
