"""How far a run is: a bar where somebody looks, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from conceptmap.progress import is_watched, watched_bar

__all__ = ["Progress", "State", "progress_line", "run_bar", "run_lines"]

EVERY = 30.0
"""Seconds between two lines in a log."""
_BAR = "coding: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} notes, {remaining} left{postfix}"


@dataclass(frozen=True, slots=True)
class State:
    """How far a run is.

    Attributes:
        done: notes that are finished, ``reused`` ones included.
        total: notes of this call.
        quarantined: notes left out so far.
        reused: notes that an earlier call had finished.
    """

    done: int
    total: int
    quarantined: int
    reused: int


Progress = Callable[[State], None]


@contextmanager
def run_bar() -> Iterator[Progress]:
    """A bar on stderr for the states that it is called with; nothing where nobody looks."""
    with watched_bar(bar_format=_BAR) as bar_of:

        def progress(state: State) -> None:
            if (bar := bar_of(state.total)) is None:
                return
            bar.initial = state.reused  # found done, so no measure of the speed
            if state.quarantined:
                bar.set_postfix_str(f"{state.quarantined:,} quarantined", refresh=False)
            bar.update(state.done - bar.n)

        yield progress


@contextmanager
def run_lines(say: Callable[[str], None]) -> Iterator[Progress]:
    """`run_bar`, or (in a log) a line every half minute.

    Args:
        say: takes a line.
    """
    if is_watched():
        with run_bar() as bar:
            yield bar
        return
    began = last = time.monotonic()

    def progress(state: State) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= EVERY:
            last = now
            say(progress_line(state, now - began))

    yield progress


def progress_line(state: State, seconds: float) -> str:
    """What is said of a run after some seconds.

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
