"""The sides that a note names beside a mention: in words, letters, and the short forms of eyes, ears and limbs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

__all__ = ["EARS", "EYES", "sides"]

EYES: Final = "eye"
EARS: Final = "ear"
_ORGANS: Final = {EYES: "|OD|OS|OU", EARS: "|AD|AS|AU", "": ""}
_LIMBS: Final = "[LR][LU]E|[LR][LUM]L|BLE|BUE"
_COMPARED: Final = r"(?:\s*(?:and|or|&|/|>{1,3}|<{1,3}|=|,?\s*(?:greater|less|more|worse) than)\s*)"


def _words(organ: str) -> str:
    return rf"left|right|bilateral|bilaterally|bilat|b/l|both|lt|rt|(?-i:{_LIMBS}{_ORGANS[organ]})"


_SIDE: Final = {organ: re.compile(rf"\b({_words(organ)})\b", re.IGNORECASE) for organ in _ORGANS}
_FILLERS: Final = (
    r"(?:(?:of|in|on|at|to|from|over|involving|affecting|the|his|her|my|a|an|lower|upper|is|are|was|were|seen|noted|present"
    r"|found|worse|mainly|predominantly|mostly)\s+){0,5}"
)
_AFTER: Final = {
    organ: re.compile(rf"[\s,(\-]*{_FILLERS}({_words(organ)})\b({_COMPARED}(?:left|right)\b)?", re.IGNORECASE)
    for organ in _ORGANS
}
_LETTER: Final = re.compile(r"(?<!\d)(?<!\d\s)\b([LR])\s+\Z")
_LETTER_IN: Final = re.compile(r"(?<![\w/])([LR])(?= )")
_PAIR: Final = re.compile(
    r"\b(?:ankles|breasts|ears|elbows|eyes|feet|hands|hips|knees|legs|lungs|shoulders|thumbs|wrists)\b", re.IGNORECASE
)
_LETTER_AFTER: Final = re.compile(
    r"[ ,(]+([LR])(?=[.,;:)\n]|\Z| (?:shoulder|elbow|wrist|hand|arm|leg|knee|hip|ankle|foot|eye|ear|breast|lung|kidney"
    r"|thumb|heel|toe|thigh|calf|groin|flank)\b)"
)
_BOTH: Final = re.compile(rf"\b(?:left|right){_COMPARED}(?:left|right)\b", re.IGNORECASE)
_BOTH_LETTERS: Final = re.compile(r"[\s,(]{0,2}\b([LR])\s?(?:>{1,3}|<{1,3}|=|/|&|\+)\s?(?!\1)[LR]\b")
_CLAUSE_END: Final = re.compile(r"[.;:!?\n]|\b(?:and|but|with|without)\b|,")
_NAMES: Final = {"l": "left", "lt": "left", "r": "right", "rt": "right", "od": "right", "os": "left", "ad": "right"} | {
    "as": "left",
    **dict.fromkeys(("both", "bilaterally", "bilat", "b/l", "ou", "au", "ble", "bue"), "bilateral"),
}
_WORDS_BEFORE: Final = 3
_REACH: Final = 60


def sides(
    text: str, span: tuple[int, int], others: Sequence[tuple[int, int]] = (), *, organ: str = ""
) -> tuple[str, ...]:
    """The sides that the text names for a mention: none, one, or "bilateral".

    Args:
        text: the note.
        span: of the mention.
        others: spans of the mentions before and after it; words beyond them are theirs.
        organ: ``EYES`` or ``EARS`` where the mention is of one: OD, OS and OU are eyes, AD, AS and AU ears.

    >>> sides("Fracture of the left radius", (0, 8))
    ('left',)
    >>> sides("right hip pain and knee pain", (19, 28), [(6, 14)])
    ()
    >>> sides("L hip fx", (2, 8)), sides("2 L hip fx", (4, 10)), sides("DVT in the LLE", (0, 3))
    (('left',), (), ('left',))
    >>> sides("Knee pain, left > right", (0, 9)), sides("Cataract OD", (0, 8), organ=EYES)
    (('bilateral',), ('right',))
    """
    start, end = span
    words = (*_SIDE[organ].finditer(text, start, end), *_LETTER_IN.finditer(text, start, end))
    inside = {_side(match[1]) for match in words}
    if inside:
        return _one(inside)
    floor = max([start - _REACH, 0, *(last for _, last in others if last <= start)])
    ceiling = min([end + _REACH, len(text), *(first for first, _ in others if first >= end)])
    before = _CLAUSE_END.split(_BOTH.sub("bilateral", text[floor:start]))[-1].split()[-_WORDS_BEFORE:]
    found = {_side(word) for word in _SIDE[organ].findall(" ".join(before))}
    if _BOTH_LETTERS.match(text, end, ceiling) or _BOTH_LETTERS.search(text, max(floor, start - 8), start):
        return ("bilateral",)
    after = _AFTER[organ].match(text, end, ceiling)
    if after is not None and after[2] and not found:
        return ("bilateral",)
    beside = _LETTER.search(text, floor, start) or after or _LETTER_AFTER.match(text, end, ceiling)
    found = found or ({_side(beside[1])} if beside else set())
    return _one(found or ({"bilateral"} if _PAIR.search(text, start, end) else set()))


def _side(word: str) -> str:
    lower = word.lower()
    if lower not in _NAMES and len(lower) == 3:  # a limb or a lobe: its first letter
        return _NAMES.get(lower[0], lower)
    return _NAMES.get(lower, lower)


def _one(found: set[str]) -> tuple[str, ...]:
    if found >= {"left", "right"}:
        return ("bilateral",)
    return tuple(found) if len(found) == 1 else ()
