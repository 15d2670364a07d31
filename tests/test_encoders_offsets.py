"""Offsets and windows hold on any text: emoji, combining marks, CRLF, NBSP, right-to-left, control characters."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import TOKENIZERS

from conceptmap.encoders.embedded import load_embedded
from conceptmap.encoders.tokenise import Tokeniser, WordTokeniser, tokeniser
from conceptmap.encoders.windows import batches, cut, cut_at

BITS = [
    "pain",
    "Patient has T2DM",
    "e\u0301le\u0300ve",
    "n\u0303",
    "ﬁbrosis",
    "½",
    "µg",
    "😀",
    "👨‍👩‍👧",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "👍🏽",
    "✔️",
    "שלום",
    "مرحبا \u200f\u202bכאב\u202c",
    "हृदय",
    "心臓病",
    "한국어",
    "\r\n",
    "\n\n",
    "\t",
    " ",
    "   ",
    "\u00a0",
    "\u3000",
    "\u200b",
    "\ufeff",
    "\x00",
    "\x1c",
    "\ud83d",
    "\ufffd",
    "[SEP]",
    "[MASK]",
    "</s>",
    "##ing",
    "▁",
    "Ġ",
    "-5 mmHg",
    "o" * 120,
    "S42.251A,",
]
NOTES = st.lists(st.one_of(st.sampled_from(BITS), st.text(max_size=6)), max_size=25).map("".join)


@pytest.fixture(scope="module", params=[*TOKENIZERS, "embedded"])
def cutter(request: pytest.FixtureRequest) -> Tokeniser | WordTokeniser:
    if request.param == "embedded":
        return load_embedded().model.tokeniser
    return tokeniser(TOKENIZERS[request.param]())


@settings(max_examples=500)
@given(note=NOTES)
def test_every_span_is_text_without_white_space_at_its_edges_and_no_letter_is_lost(
    cutter: Tokeniser, note: str
) -> None:
    (pieces,) = cutter.pieces([note])
    shown = pieces.end > pieces.start
    covered = np.zeros(len(note), dtype=bool)
    for start, end in zip(pieces.start[shown].tolist(), pieces.end[shown].tolist(), strict=True):
        span = note[start:end]
        assert span
        assert span == span.strip()
        covered[start:end] = True
    lost = [char for char, found in zip(note, covered, strict=True) if not found]
    assert not [char for char in lost if char.isalnum() and unicodedata.category(char)[0] in "LN"]
    assert (np.diff(pieces.start[shown]) >= 0).all()
    assert len(pieces.ids) == len(pieces.start) == len(pieces.end) == len(pieces.breaks)


def test_byte_tokens_of_one_emoji_share_its_span() -> None:
    (pieces,) = tokeniser(TOKENIZERS["byte_bpe"]()).pieces(["a 😀b"])
    spans = list(zip(pieces.start.tolist(), pieces.end.tolist(), strict=True))
    assert spans.count((2, 3)) >= 4
    assert spans[-1] == (3, 4)


def test_the_space_before_a_byte_token_is_not_part_of_it() -> None:
    text = "no  pain\u00a0here"
    (pieces,) = tokeniser(TOKENIZERS["byte_bpe"]()).pieces([text])
    shown = pieces.end > pieces.start
    words = [text[a:b] for a, b in zip(pieces.start[shown], pieces.end[shown], strict=True)]
    assert "".join(words) == "nopainhere"
    assert not shown.all()  # a run of spaces is a token to the model, and none to the reader


def test_combining_marks_belong_to_their_letter() -> None:
    text = "cafe\u0301 Sjo\u0308gren"
    (pieces,) = load_embedded().model.tokeniser.pieces([text])
    assert text[: pieces.end[0]] == "cafe\u0301"
    covered = {i for a, b in zip(pieces.start, pieces.end, strict=True) for i in range(a, b)}
    assert covered == set(range(len(text))) - {5}


def test_special_tokens_in_a_note_are_text() -> None:
    cutter = load_embedded().model.tokeniser
    (pieces,) = cutter.pieces(["see [SEP] and [PAD]"])
    assert not set(pieces.ids.tolist()) & {*cutter.prefix, *cutter.suffix, 0}
    assert cutter.prefix == (101,)
    assert cutter.suffix == (102,)


def test_line_breaks_and_sentence_ends_are_places_to_cut() -> None:
    text = "No fever. No pain\nPlan: rest"
    (pieces,) = load_embedded().model.tokeniser.pieces([text])
    words = {text[a:b]: int(value) for a, b, value in zip(pieces.start, pieces.end, pieces.breaks, strict=True)}
    assert (words["Plan"], words["No"], words["fever"], words["rest"]) == (2, 1, 0, 0)


@given(
    breaks=st.lists(st.sampled_from([0, 0, 0, 1, 2]), max_size=300).map(
        lambda values: np.array(values, dtype=np.uint8)
    ),
    width=st.integers(min_value=1, max_value=64),
)
def test_windows_cover_every_piece_once(breaks: np.ndarray, width: int) -> None:
    windows = cut(breaks, width)
    owned = [i for window in windows for i in range(window.own_start, window.own_stop)]
    assert owned == list(range(len(breaks)))
    for window in windows:
        assert window.start <= window.own_start < window.own_stop <= window.stop
        assert window.stop - window.start <= width


@given(
    starts=st.lists(st.integers(min_value=0, max_value=90), max_size=12).map(sorted),
    size=st.integers(min_value=0, max_value=80),
    width=st.integers(min_value=1, max_value=20),
)
def test_sentences_have_windows_of_their_own(starts: list[int], size: int, width: int) -> None:
    windows = cut_at(np.array(starts, np.int64), np.zeros(size, np.uint8), width)
    assert [i for window in windows for i in range(window.own_start, window.own_stop)] == list(range(size))
    for window in windows:
        assert window.stop - window.start <= width
        assert not any(window.start < start < window.stop for start in starts)


def test_a_window_starts_where_a_line_does() -> None:
    breaks = np.zeros(100, dtype=np.uint8)
    breaks[[57, 59]] = [2, 1]
    assert [window.start for window in cut(breaks, 64)][1] == 57


@given(
    lengths=st.lists(st.integers(min_value=1, max_value=500), max_size=60).map(
        lambda values: np.array(values, np.int64)
    ),
    budget=st.integers(min_value=1, max_value=2000),
)
def test_batches_hold_every_input_once_within_the_budget(lengths: np.ndarray, budget: int) -> None:
    found = list(batches(lengths, budget))
    assert sorted(int(i) for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or int(lengths[batch].max()) * len(batch) <= budget
    longest = [int(lengths[batch].max()) for batch in found]
    assert longest == sorted(longest, reverse=True)
