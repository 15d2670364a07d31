"""How far something is: a bar where somebody looks, on a terminal or in a notebook, as wide as there is room."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from conceptmap.errors import printable

__all__ = ["is_watched", "progress_bar", "waiting", "with_bar"]

Item = TypeVar("Item")

_MANY = 10_000
"""From so many on, counts are shown as 12.3k."""


def is_watched() -> bool:
    """Whether what is written to stderr is seen at once: on a terminal, or below a notebook's cell."""
    return sys.stderr.isatty() or "ipykernel.zmqshell" in sys.modules


@contextmanager
def progress_bar(what: str, *, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr that appears with the first call; nothing where nobody looks.

    Args:
        what: said before the bar.
        unit: what is counted, in the singular.

    Yields:
        Called with how many are done and how many there are in all.
    """
    from tqdm import tqdm

    bars: list[tqdm[None]] = []
    hidden = not is_watched()

    def progress(done: int, total: int) -> None:
        if hidden:
            return
        if not bars:
            scaled = total > _MANY
            bars.append(tqdm(desc=what, total=total, unit=unit, unit_scale=scaled, dynamic_ncols=True, file=sys.stderr))
        bars[0].update(done - bars[0].n)

    try:
        yield progress
    finally:
        for bar in bars:
            bar.close()


def with_bar(items: Iterable[Item], *, unit: str, total: int | None) -> Iterator[Item]:
    """The same items with a bar on stderr, wherever that goes: for those who ask for one.

    Args:
        items: any.
        unit: what is counted, in the singular.
        total: how many there are, where that is known.
    """
    from tqdm import tqdm

    with tqdm(items, total=total, unit=unit, file=sys.stderr, dynamic_ncols=True) as bar:
        yield from bar


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A line on a terminal, there at once, that goes away at the end."""
    if not sys.stderr.isatty():
        yield
        return
    said = printable(what)[: shutil.get_terminal_size().columns - 1]
    sys.stderr.write(f"{said}\r")
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write(f"{'':{len(said)}}\r")
        sys.stderr.flush()
