"""SCTIDs in bulk against the check of one id, which follows the specification digit by digit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptmap.ontology.concepts import is_sctid
from conceptmap.readers.sctid import Kind, valid_sctids, with_check_digits

PARTITIONS: dict[Kind, str] = {"concept": "0", "description": "1", "relationship": "2"}


def slow(number: int, kind: Kind) -> bool:
    text = str(number)
    return is_sctid(text) and text[-3] in "01" and text[-2] == PARTITIONS[kind]


@given(st.lists(st.integers(0, 10**18 - 1), min_size=1), st.sampled_from(sorted(PARTITIONS)))
def test_any_number_is_judged_as_the_slow_check_does(numbers: list[int], kind: Kind) -> None:
    assert valid_sctids(np.array(numbers), kind).tolist() == [slow(number, kind) for number in numbers]


@given(st.integers(1, 10**14), st.sampled_from(sorted(PARTITIONS)), st.sampled_from([0, 10]))
def test_a_check_digit_makes_an_id_and_no_other_digit_does(item: int, kind: Kind, form: int) -> None:
    stem = item * 100 + form + int(PARTITIONS[kind])
    (made,) = with_check_digits(np.array([stem])).tolist()
    others = np.array([stem * 10 + digit for digit in range(10)])
    assert others[valid_sctids(others, kind)].tolist() == ([made] if made >= 10**5 else [])


def test_what_is_no_id() -> None:
    numbers = np.array([0, -1, 99999, 10**18, 116680003])
    assert valid_sctids(numbers, "concept").tolist() == [False, False, False, False, True]
    assert not valid_sctids(np.array([], dtype=np.int64), "concept").size


@pytest.mark.parametrize("kind", PARTITIONS)
def test_the_partition_has_to_be_of_the_kind(kind: Kind) -> None:
    (made,) = with_check_digits(np.array([123456 * 100 + int(PARTITIONS[kind])])).tolist()
    assert [other for other in PARTITIONS if valid_sctids(np.array([made]), other)[0]] == [kind]
