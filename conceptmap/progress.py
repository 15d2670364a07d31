"""How far something is: a bar where somebody looks, on a terminal or in a notebook, as wide as there is room."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from conceptmap.errors import printable

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["is_watched", "progress_bar", "waiting", "watched_bar", "with_bar"]

Item = TypeVar("Item")

_MANY = 10_000
"""From so many on, counts are shown as 12.3k."""


def is_watched() -> bool:
    """Whether what is written to stderr is seen at once: on a terminal, or below a notebook's cell."""
    return sys.stderr.isatty() or "ipykernel.zmqshell" in sys.modules


@contextmanager
def watched_bar(**look: Any) -> Iterator[Callable[[int], tqdm[None] | None]]:  # noqa: ANN401
    """A bar on stderr that is closed at the end.

    Args:
        look: more of what ``tqdm`` takes.

    Yields:
        Called with how many there are in all: the bar, which appears with the first call; None where nobody looks.
    """
    from tqdm import tqdm

    bars: list[tqdm[None]] = []
    hidden = not is_watched()

    def bar_of(total: int) -> tqdm[None] | None:
        if not bars and not hidden:
            bars.append(tqdm(total=total, unit_scale=total > _MANY, dynamic_ncols=True, file=sys.stderr, **look))
        return bars[0] if bars else None

    try:
        yield bar_of
    finally:
        for bar in bars:
            bar.close()


@contextmanager
def progress_bar(what: str, *, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr that appears with the first call; nothing where nobody looks.

    Args:
        what: said before the bar.
        unit: what is counted, in the singular.

    Yields:
        Called with how many are done and how many there are in all.
    """
    with watched_bar(desc=what, unit=unit) as bar_of:

        def progress(done: int, total: int) -> None:
            if (bar := bar_of(total)) is not None:
                bar.update(done - bar.n)

        yield progress


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
