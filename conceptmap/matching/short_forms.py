"""Short forms of a text, those that it defines and the reviewed ones, as the forms of what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeAlias

from conceptmap.matching.content import long_form
from conceptmap.matching.vocabulary import abbreviations
from conceptmap.text.abbreviations import Abbreviation, ShortForms
from conceptmap.text.sections import Section
from conceptmap.text.words import Words

__all__ = ["Expand", "expander"]

Expand: TypeAlias = Callable[[Words], Mapping[int, Sequence[str]]]
"""Positions of a text's short forms and the forms of what they stand for."""


@cache
def _reviewed() -> ShortForms:
    return ShortForms.of(Abbreviation(*entry) for entry in abbreviations())


def expander(text: str, parts: Sequence[Section] | None = None) -> Expand:
    """What turns the short forms of a text into the forms of their long forms; ``parts`` are its sections, if known.

    >>> from conceptmap.text.words import words
    >>> text = "Known HTN."
    >>> expander(text)(words(text))
    {1: ('hypertension',)}
    """

    def expand(found: Words) -> dict[int, Sequence[str]]:
        long = _reviewed().long_forms(text, found, parts)
        return {i: long_form(full) if full else () for i, full in long.items()}

    return expand
