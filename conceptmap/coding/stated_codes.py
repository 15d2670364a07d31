"""Codes that a note states itself: "Dx: 1. J18.9 2. I10", "gout (M10.9)". They are evidence of their own, marked so.

A code with its point counts wherever it is one of the release; a category without a point ("I10", but also a vertebra
or a vitamin) counts beside others with a point, or where its line speaks of codes or diagnoses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from conceptmap.matching.mentions import Candidate, Mention
from conceptmap.ontology.codebook import CodeBook

__all__ = ["STATED", "with_stated_codes"]

STATED: Final = "stated"
"""Evidence of a mention that is a code."""

_CODE: Final = re.compile(r"(?<![A-Za-z0-9./#-])[A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?(?![A-Za-z0-9-]|\.\d)")
_LISTS_CODES: Final = re.compile(r"\b(?:ICD|dx|diagnos[ei]s|codes?|coded|billing)\b", re.IGNORECASE)
_BEFORE: Final = 200


def with_stated_codes(text: str, known: Sequence[Mention], book: CodeBook) -> list[Mention]:
    """The mentions of a note and the codes that it states, in reading order.

    Args:
        text: the note.
        known: its mentions so far.
        book: of the index; only ICD-10-CM codes are looked for.
    """
    if book.system != "icd10cm":
        return list(known)
    found = list(known)
    for match in _CODE.finditer(text):
        concept = book.position_of_code.get(match[0])
        start, end = match.span()
        if concept is None or ("." not in match[0] and not _among_codes(text, start, end, book)):
            continue
        if all(end <= m.start_char or m.end_char <= start for m in known):
            found.append(Mention(start, end, (Candidate(concept, 1.0, 1.0, STATED),)))
    return sorted(found, key=lambda m: (m.start_char, m.end_char))


def _among_codes(text: str, start: int, end: int, book: CodeBook) -> bool:
    """Whether a category stands in a line of codes."""
    first, stop = text.rfind("\n", max(0, start - _BEFORE), start) + 1, text.find("\n", end, end + _BEFORE)
    first, stop = max(first, start - _BEFORE), stop if stop >= 0 else min(len(text), end + _BEFORE)
    listed = _LISTS_CODES.search(text, first, start) is not None
    return listed or any("." in m[0] and m[0] in book.position_of_code for m in _CODE.finditer(text, first, stop))
