from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from conceptmap.ontology.number_index import NumberedRows

ODD = ["", "7", "007", "+7", "-7", " 7", "C7", "C0000007", "C+000007", "c0000007", "7.0", "x", "99999999999999999999"]


@given(st.sampled_from(["", "C"]), st.lists(st.integers(0, 10**17), unique=True, min_size=1), st.data())
def test_rows_are_those_of_a_dictionary(prefix: str, numbers: list[int], data: st.DataObject) -> None:
    codes = [f"{prefix}{number}" for number in numbers]
    asked = data.draw(st.lists(st.sampled_from([*codes, *ODD])))
    table = NumberedRows.of(pl.Series(codes))
    assert table is not None
    place = {code: row for row, code in enumerate(codes)}
    assert table.rows_of(pl.Series(asked, dtype=pl.String)).tolist() == [place.get(code, -1) for code in asked]


def test_many_numbers_share_the_table() -> None:
    codes = pl.Series([f"C{number:07}" for number in range(0, 400_000, 7)])
    table = NumberedRows.of(codes)
    assert table is not None
    assert table.rows_of(codes.reverse()).tolist() == list(range(len(codes)))[::-1]
    assert table.rows_of(pl.Series(["C0000001", "C7", None])).tolist() == [-1, -1, -1]


def test_what_is_no_number_or_stands_twice_has_no_table() -> None:
    for codes in (["7", "A01"], ["7", "7"], ["7", "07"], ["HP:7", "HP:8"], [""], ["7", "99999999999999999999"]):
        assert NumberedRows.of(pl.Series(codes)) is None
    assert NumberedRows.of(pl.Series([], dtype=pl.String)) is None
