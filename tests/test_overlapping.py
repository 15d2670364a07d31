"""Spans of a note that share a character: those of the plain comparison of all with all, in its order."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from conceptmap.frames import overlapping

SPAN = st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 300) | st.none(), st.integers(0, 150))
SCHEMA = {"note_id": pl.String, "start_char": pl.Int64, "end_char": pl.Int64}


Drawn = list[tuple[str | None, int | None, int]]


def spans_of(drawn: Drawn, name: str) -> pl.DataFrame:
    rows = [(note, start, None if start is None else start + length) for note, start, length in drawn]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").with_row_index(name)


@given(st.lists(SPAN, max_size=12), st.lists(SPAN, max_size=12))
def test_the_same_pairs_as_all_with_all(drawn: Drawn, others: Drawn) -> None:
    rows, spans = spans_of(drawn, "row"), spans_of(others, "span")
    before = (pl.col("start_char") < pl.col("end_char_right")) & (pl.col("start_char_right") < pl.col("end_char"))
    slow = rows.join(spans, on="note_id", maintain_order="left_right").filter(before)
    assert overlapping(rows, spans).equals(slow)


def test_spans_that_stand_far_from_each_other_are_never_paired() -> None:
    """A note of 40,000 words: all with all would be 1.6 billion pairs."""
    n = 40_000
    words = pl.DataFrame({"note_id": ["a"] * n, "start_char": range(0, 6 * n, 6), "end_char": range(5, 6 * n, 6)})
    assert overlapping(words, words).height == n
