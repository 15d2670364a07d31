"""Work in halves where memory does not hold it."""

from __future__ import annotations

import sys
import weakref

import pytest
import torch

from conceptmap.memory import halved, is_out_of_memory


class OutOfMemoryError(MemoryError):
    """As CuPy's is: cupy.cuda.memory.OutOfMemoryError, which is a MemoryError."""


class Large:
    """What an attempt holds."""


FAILURES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    OutOfMemoryError("Out of memory allocating 512 bytes"),
    MemoryError(),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: f"{type(error).__name__} {error}"[:40])
def test_parts_are_halved_and_what_they_held_is_free(error: Exception) -> None:
    tried: list[int] = []
    released: list[int] = []
    held: list[weakref.ref[Large]] = []

    def work(part: slice) -> list[int]:
        assert sys.exc_info()[0] is None
        assert all(large() is None for large in held)
        large = Large()
        held.append(weakref.ref(large))
        tried.append(part.stop - part.start)
        if tried[-1] > 3:
            raise type(error)(*error.args)
        return list(range(part.start, part.stop))

    found = list(halved(work, 11, at_once=8, release=lambda: released.append(tried[-1])))
    assert [number for _, numbers in found for number in numbers] == list(range(11))
    assert tried == [8, 4, 2, 2, 2, 2, 2, 1]
    assert released == [8, 4]


def test_one_thing_that_does_not_fit_is_an_error() -> None:
    def work(part: slice) -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        list(halved(work, 5, at_once=4))


def test_other_errors_are_not_tried_again() -> None:
    tried: list[slice] = []

    def work(part: slice) -> None:
        tried.append(part)
        raise ValueError("another error")

    with pytest.raises(ValueError, match="another"):
        list(halved(work, 5, at_once=4))
    assert tried == [slice(0, 4)]
    assert not is_out_of_memory(ValueError("memory"))


@pytest.mark.parametrize(("n", "at_once"), [(0, 4), (1, 1), (5, 0), (7, 100)])
def test_everything_is_done_once_in_order(n: int, at_once: int) -> None:
    parts = [part for part, _ in halved(lambda part: None, n, at_once=at_once)]
    assert [i for part in parts for i in range(n)[part]] == list(range(n))
