"""Operations: how many bytecodes of the package some work takes. Unlike seconds they are the same every time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import conceptmap

HOME = str(Path(conceptmap.__file__).parent)


def operations(work: Callable[[], object]) -> int:
    """Bytecodes that the package's own code runs in this thread while it does some work."""
    count = 0

    def inside(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "opcode"
        return inside

    def entered(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(HOME):
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return inside

    before = sys.gettrace()
    sys.settrace(entered)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def growth(work: Callable[[int], Callable[[], object]], n: int) -> float:
    """By what the work grows when its size grows fourfold: 4 in a straight line, 16 with the square.

    What it takes whatever the size is left out, by looking at the differences between three sizes.

    Args:
        work: for a size, the work to count.
        n: the middle size.
    """
    small, large, larger = (operations(work(size)) for size in (n // 4, n, 4 * n))
    return (larger - large) / (large - small) if large > small else 1.0
