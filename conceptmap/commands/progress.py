"""How far a run is: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from conceptmap.commands.common import say

if TYPE_CHECKING:
    from conceptmap.batch import State

__all__ = ["progress_line", "run_progress"]

EVERY = 30.0
"""Seconds between two lines in a log."""
AGAIN = 0.2
"""Seconds between two looks of the bar."""


@contextmanager
def run_progress() -> Iterator[Callable[[State], None]]:
    """Shows the states that it is called with on stderr."""
    terminal = sys.stderr.isatty()
    began = last = time.monotonic()
    shown = False

    def progress(state: State) -> None:
        nonlocal last, shown
        now = time.monotonic()
        if now - last < (AGAIN if terminal else EVERY):
            return
        last, shown = now, True
        line = progress_line(state, now - began)
        if terminal:
            sys.stderr.write(f"\r{line[:100]:<100}")
            sys.stderr.flush()
        else:
            say(line)

    try:
        yield progress
    finally:
        if terminal and shown:
            sys.stderr.write("\n")


def progress_line(state: State, seconds: float) -> str:
    """What is said of a run after some seconds.

    >>> from conceptmap.batch import State
    >>> progress_line(State(done=1_500, total=10_000, quarantined=2, reused=500), 20)
    '1,500 of 10,000 notes, 50.0 notes/s, 2 min 50 s left, 2 quarantined'
    """
    rate = (state.done - state.reused) / max(seconds, 1e-9)
    left = f", {_duration((state.total - state.done) / rate)} left" if rate else ""
    quarantined = f", {state.quarantined:,} quarantined" if state.quarantined else ""
    return f"{state.done:,} of {state.total:,} notes, {rate:,.1f} notes/s{left}{quarantined}"


def _duration(seconds: float) -> str:
    """Seconds in the two units that matter.

    >>> _duration(59.2), _duration(3725), _duration(200_000)
    ('59 s', '1 h 2 min', '2 d 7 h')
    """
    whole = round(seconds)
    for unit, size, smaller, step in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // step} {smaller}"
    return f"{whole} s"
