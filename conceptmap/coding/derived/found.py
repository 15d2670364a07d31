"""Found: a code that follows from a text, and the words that say so."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Found"]


class Found(NamedTuple):
    """A code that follows from a text, with the half-open span that says so."""

    start_char: int
    end_char: int
    code: str
