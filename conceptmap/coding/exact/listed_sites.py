"""Sites that share one finding: "cellulitis of the left leg and right foot" is a cellulitis of each.

Each item of the list is read with the words that they share, as if the note named it alone; a side is kept by the items
after it that name none, and the last noun serves the adjectives before it ("right femoral and popliteal veins").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from conceptmap.coding.completion import complete
from conceptmap.coding.exact.siblings import siblings_of
from conceptmap.ontology.codebook import CodeBook

__all__ = ["listed_sites", "listed_words"]

_LINK: Final = r"\s(?:of|in|at|on|over|involving|affecting)\s(?:the\s)?"
_LIST: Final = re.compile(
    rf"{_LINK}(?P<list>[^.;:()\n]{{3,60}}?(?:,|\sand\s|\s&\s)[^.;:()\n]{{3,60}}?)(?=[.;:()\n]|\Z|\s(?:with|without|due|after"
    r"|from|who|which|that|secondary|s/p|on|was|were|is|are|status|for|by|treated|seen)\b|,\s(?:with|no|now|likely|on)\b)",
    re.IGNORECASE,
)
_LINKED: Final = re.compile(_LINK, re.IGNORECASE)
_DIVIDES: Final = re.compile(
    r"\s*,\s*(?:and\s+)?(?:the\s+)?|\s+(?:and|&)\s+(?:the\s+|of\s+the\s+|of\s+)?", re.IGNORECASE
)
_SIDE: Final = re.compile(r"\b(?:left|right|both|bilateral|L|R)\b")
_ADJECTIVE: Final = re.compile(r"\w+(?:al|ar|ic|ac|ary|eal)\Z", re.IGNORECASE)
_MOST_WORDS: Final = 6
_MOST_ITEMS: Final = 6


def listed_words(text: str, start: int, end: int) -> list[str]:
    """The items of a list of sites behind a finding, each with its side and noun; none where there is no such list.

    Args:
        text: the note.
        start: where the finding begins.
        end: where its mention ends; the first item may be a part of it.

    >>> listed_words("Cellulitis of the left leg and right foot.", 0, 10)
    ['left leg', 'right foot']
    >>> listed_words("DVT of the right femoral and popliteal veins", 0, 3)
    ['right femoral veins', 'right popliteal veins']
    """
    linked = _LINKED.search(text, start, end)
    found = _LIST.match(text, linked.start() if linked else end)
    if found is None or found.end("list") <= end:
        return []
    items = [item.strip() for item in _DIVIDES.split(found["list"])]
    if not 1 < len(items) <= _MOST_ITEMS or any(not 0 < len(item.split()) <= _MOST_WORDS for item in items):
        return []
    noun, side, out = items[-1].split()[-1], "", list[str]()
    for item in items:
        named = _SIDE.search(item)
        side = named[0] if named else side
        whole = f"{item} {noun}" if _ADJECTIVE.match(item.split()[-1]) and item != items[-1] else item
        out.append(whole if named or not side or side in ("both", "bilateral") else f"{side} {whole}")
    return out


def listed_sites(concepts: Sequence[int], text: str, span: tuple[int, int], book: CodeBook) -> list[tuple[int, str]]:
    """The code of each item of a list of sites, and the item; none where fewer than two have one of their own.

    Args:
        concepts: that the mention may stand for, best first: the finding without a site may be one of the lower.
        text: the note.
        span: of the mention.
        book: of the index.
    """
    items = listed_words(text, *span)
    if not items:
        return []
    siblings = siblings_of(book)
    linked = _LINKED.search(text, *span)
    name = text[span[0] : linked.start() if linked else span[1]]
    heads = (book.default(concept) for concept in concepts)
    head = next((concept for concept in heads if siblings.is_open(concept)), None)
    at_first = book.default(concepts[0]) if linked else None
    found: list[tuple[int, str]] = []
    for item in items:
        alone = f"{name} of the {item}."
        chosen = None if head is None else siblings.chosen(head, alone, (0, len(name)), ())
        if chosen is not None and siblings.names(chosen, " ".join(set(items[0].split()) - set(item.split()))):
            chosen = None  # still the first site's
        if chosen is None and at_first is not None:
            chosen = at_first if item is items[0] else siblings.elsewhere(at_first, items[0], alone, len(name))
        if chosen is not None:
            sided = complete(chosen, alone, (0, len(name)), (), book, trimester="")
            found += [(one.concept, item) for one in sided] or [(chosen, item)]
    return found if len({concept for concept, _ in found}) > 1 else []
