"""Memory: work done in halves where it does not fit at once, and no garbage collection while very much is made."""

from __future__ import annotations

import gc
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["collect_seldom", "halved", "is_out_of_memory", "let_go", "no_collection"]

Done = TypeVar("Done")

SAID = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""What errors without a class of their own say of it: torch's allocator for the processor, CUDA's runtime, cuBLAS."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the machine or of its GPU was exhausted: torch's, CuPy's and Python's errors.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    (True, True)
    >>> is_out_of_memory(ValueError("a bad value"))
    False
    """
    named = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
    return named or isinstance(error, MemoryError) or any(words in str(error) for words in SAID)


def halved(
    work: Callable[[slice], Done], n: int, *, at_once: int, release: Callable[[], None] = lambda: None
) -> Iterator[tuple[slice, Done]]:
    """Do work on consecutive parts of n things; where memory is out, on parts half as large from then on.

    Args:
        work: done on one part. What it held is free before the next attempt.
        n: how many things there are.
        at_once: most of them in a part.
        release: called before a smaller attempt: hands back what allocators keep.

    Raises:
        Exception: whatever `work` raises, out of memory with a single thing included.

    >>> [part for part, _ in halved(lambda part: None, 5, at_once=2)]
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    start, step = 0, max(1, min(at_once, n))
    while start < n:
        part = slice(start, min(start + step, n))
        try:
            done = work(part)
        except Exception as error:
            if part.stop - start == 1 or not is_out_of_memory(error):
                raise
            step = (part.stop - start + 1) // 2
        else:
            yield part, done
            start = part.stop
            continue
        release()


@contextmanager
def no_collection() -> Iterator[None]:
    """Collect no garbage inside: looking through growing data again and again takes up to half of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def collect_seldom() -> None:
    """From now on collect garbage seldom: what is loaded stays, and looking through it again and again finds nothing.

    For a process that is the program's own: its commands and workers.
    """
    gc.set_threshold(500_000, 50, 100)


def let_go(array: NDArray[Any]) -> None:
    """Let the pages of a mapped file leave this process's memory; they come back as they are read. Others stay.

    >>> import numpy as np
    >>> array = np.ones(3)
    >>> let_go(array)
    >>> float(array.sum())
    3.0
    """
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
