"""Short forms that a text defines, where the long form says more than a name: "heparin-induced thrombocytopenia".

A short form whose long form is a name is read as that already. Here the long form lacks a word that adds little ("von
Hippel-Lindau (VHL) disease"), or its last words are the name, or the short form is of several words ("A-T").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from conceptmap.matching.content import content_words
from conceptmap.matching.matcher import Hit, TermMatcher
from conceptmap.text.abbreviations import definitions

__all__ = ["defined_short_forms"]

_ADDS_LITTLE: Final = ("disease", "syndrome", "disorder")
_CAUSED: Final = frozenset({"induced", "related", "acquired", "mediated", "dependent", "onset"})
"""What stands before a head that may stand for the whole: "deleted in colorectal cancer" (DCC) is no cancer."""


def defined_short_forms(texts: Sequence[str], hits: Sequence[Sequence[Hit]], matcher: TermMatcher) -> list[list[Hit]]:
    """Further hits of each text: the short forms that it defines, wherever they stand.

    Args:
        texts: the notes.
        hits: found so far; a short form that is one stays as it is.
        matcher: of the index.
    """
    out: list[list[Hit]] = []
    for text, found in zip(texts, hits, strict=True):
        known = {(hit.start_char, hit.end_char) for hit in found}
        out.append([hit for hit in _hits(text, matcher) if (hit.start_char, hit.end_char) not in known])
    return out


def _hits(text: str, matcher: TermMatcher) -> Iterator[Hit]:
    for short, long in definitions(text).items() if "(" in text else ():
        entries, n_words = _meant(long, matcher)
        for place in re.finditer(rf"(?<![\w-]){re.escape(short)}(?![\w-])", text) if entries else ():
            yield Hit(*place.span(), n_words, entries, loose=False)


def _meant(long: str, matcher: TermMatcher) -> tuple[tuple[int, ...], int]:
    """Entries of the lexicon that a long form stands for, and how many of its words they name."""
    forms = content_words(long).form
    bags = [tuple(forms)]
    if long[1:] != long[1:].lower():  # a person's name; "gastrointestinal (GI)" is no disease
        bags += [(*forms, word) for word in _ADDS_LITTLE]
    bags += [tuple(forms[i:]) for i in range(1, len(forms)) if forms[i - 1] in _CAUSED]
    for bag, entries in zip(bags, matcher.wordings(bags), strict=True):
        if entries:
            return tuple(entries), min(len(bag), len(forms))
    return (), 0
