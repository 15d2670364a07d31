"""Pieces of a note for people: the words around a span, and wordings with how often they stand there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

__all__ = ["SNIPPET", "counted", "snippet"]

SNIPPET: Final = 60
"""Most characters of a snippet."""
_WORDINGS: Final = 5
_LOOKED_AT: Final = 3
"""How many times the room for them is looked through for words."""
_MORE: Final = "…"


def snippet(text: str, start: int, end: int, *, within: tuple[int, int], most: int = SNIPPET) -> str:
    r"""The words around a span, on one line and cut between words; ``…`` stands for what is left out.

    Args:
        text: the note.
        start: of the span.
        end: one past its last character.
        within: the stretch to stay in, such as the sentence.
        most: characters of the snippet.

    >>> said = "Known paroxysmal atrial\n fibrillation (on apixaban), no palpitations at present."
    >>> snippet(said, 17, 37, within=(0, len(said)))
    'Known paroxysmal atrial fibrillation (on apixaban), no…'
    >>> snippet(said, 17, 37, within=(0, len(said)), most=30)
    '…atrial fibrillation (on…'
    """
    middle = _flat(text[start:end]).strip()
    if len(middle) >= most:
        return middle if len(middle) == most else middle[: most - 1].rstrip() + _MORE
    room = most - len(middle)
    before, after = _before(text, within[0], start, room), _after(text, end, within[1], room)
    left = min(len(before), max(room // 2, room - len(after)))
    right = min(len(after), room - left)
    return (_last_words(before, left) + middle + _first_words(after, right)).strip()


def _flat(text: str) -> str:
    """White space as single blanks, those at the edges too."""
    return " ".join(f".{text}.".split())[1:-1]


def _before(text: str, first: int, last: int, room: int) -> str:
    """What stands before a span on one line; of a long text its end alone, and more than there is room for."""
    near = _flat(text[max(first, last - _LOOKED_AT * room) : last]).lstrip()
    return near if len(near) > room else _flat(text[first:last]).lstrip()


def _after(text: str, first: int, last: int, room: int) -> str:
    """What stands behind a span on one line; of a long text its beginning alone, and more than there is room for."""
    near = _flat(text[first : min(last, first + _LOOKED_AT * room)]).rstrip()
    return near if len(near) > room else _flat(text[first:last]).rstrip()


def _last_words(text: str, room: int) -> str:
    if room >= len(text):
        return text
    kept = text[len(text) - max(room - 1, 0) :]
    whole = text[len(text) - len(kept) - 1] == " "
    return _MORE + (kept if whole else kept[kept.find(" ") + 1 :] if " " in kept else "")


def _first_words(text: str, room: int) -> str:
    if room >= len(text):
        return text
    kept = text[: max(room - 1, 0)]
    whole = text[len(kept)] == " "
    return (kept if whole else kept[: kept.rfind(" ")] if " " in kept else "") + _MORE


def counted(wordings: Iterable[str]) -> str:
    r"""Wordings with how often they stand there, the most frequent first, then in the order given.

    >>> counted(["AF", "atrial fibrillation", "Atrial\nfibrillation"])
    'atrial fibrillation ×2; AF'
    """
    flat = [" ".join(wording.split()) for wording in wordings]
    if len(flat) == 1:
        return flat[0]
    counts = Counter(wording.casefold() for wording in flat)
    written = {wording.casefold(): wording for wording in reversed(flat)}
    shown = [written[key] + (f" ×{n}" if n > 1 else "") for key, n in counts.most_common()]
    return "; ".join([*shown[:_WORDINGS], *([_MORE] if len(shown) > _WORDINGS else [])])
