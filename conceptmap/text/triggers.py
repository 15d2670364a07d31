"""The trigger phrases of ``data/context_triggers.csv`` and how they are found in a sentence.

A phrase is written in lower-case words; ``a b|c d`` holds two. ``(a|b c)`` is one of several, ``(a|b)?`` may be
missing, ``{kin}`` is a set or a class defined in a row of that category, ``9`` any number, ``1999`` any year, ``<``
and ``>`` are round brackets, ``$`` at the end asks for the end of the sentence or a punctuation mark, ``^`` at the
beginning for the start of the sentence or a mark before it. Of two phrases at one place the longer wins.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import Final, NamedTuple

from conceptmap.data.tables import read_table
from conceptmap.errors import InputError
from conceptmap.text.remembered import Remembered

__all__ = ["Tokens", "Trigger", "TriggerHit", "find_triggers", "tokens", "triggers"]

CATEGORIES: Final = frozenset(
    {"negated", "possible", "probable", "historical", "ended", "hypothetical", "named", "family", "other", "any"}
)
DIRECTIONS: Final = frozenset({"forward", "backward", "both", "stop", "pseudo"})
REACHES: Final = frozenset({"", "list", "noun", "phrase", "next", "beside", "all", "told"})
_TOKEN: Final = re.compile(r"([^\W_]+(?:['\u2019][a-z]+)?|[^\w\s]|_+)")
_PIECE: Final = re.compile(r"\)\??|[(|]|[^\s()|]+")
_NAME: Final = re.compile(r"\{\w+\}")
_SIGNS: Final = {"<": "(", ">": ")"}
_MOST_REMEMBERED: Final = 100_000
_MARKS: Final = frozenset(".,;:!?)]-/|\u2013\u2014")


class Tokens(NamedTuple):
    """The words and marks of a sentence in lower case, with their half-open places in the note (code points)."""

    words: list[str]
    starts: list[int]
    ends: list[int]


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a phrase does: to which category, in which direction, how far.

    ``reach`` is "list" (on through commas until a clause begins), "noun" (the same, until any verb), "all" (through
    clauses too), "told" (the same, where the sentence is about talking), "phrase" (until a comma, unless an "or" list
    follows), "next" (the word beside it only) or "beside" (that word or one more, without a mark). ``words`` is the
    most tokens that it reaches. A stop that reaches "all" also ends what the section says.
    """

    category: str
    direction: str
    reach: str
    words: int


class TriggerHit(NamedTuple):
    """A trigger found at tokens ``first``..``last`` (half-open) of a sentence."""

    trigger: Trigger
    first: int
    last: int


def tokens(text: str, start: int, end: int, *, nitric_oxide: bool = False) -> Tokens:
    """The words and marks of ``text[start:end]``; ``nitric_oxide`` reads "NO" in capitals as its abbreviation."""
    pieces = _TOKEN.split(text[start:end])  # a blank, a token, a blank, … and a blank
    words = pieces[1::2]
    if nitric_oxide:
        words = ["nitric" if word == "NO" else word for word in words]
    words = " ".join(words).lower().split(" ") if words else []
    if "\u2019" in text[start:end]:
        words = [word.replace("\u2019", "'") for word in words]
    edges = list(accumulate(map(len, pieces), initial=start))
    return Tokens(words, edges[1:-1:2], edges[2::2])


def find_triggers(words: Sequence[str]) -> list[TriggerHit]:
    """All triggers in a sentence, left to right, the longest at each place, none overlapping another.

    >>> [(hit.trigger.category, hit.first, hit.last) for hit in find_triggers(["there", "is", "no", "rash"])]
    [('negated', 2, 3)]
    """
    vocabulary = triggers()
    root = vocabulary.root.steps
    words = list(map(vocabulary.levelled.__getitem__, words))
    hits: list[TriggerHit] = []
    floor, behind = 0, [*words[1:], ""]
    for place in [number for number, word in enumerate(words) if word in root]:
        node = root[words[place]]
        if place < floor or not (node.ends or behind[place] in node.steps):  # most words that may begin a phrase
            continue
        last, found = _longest(words, place, node)
        hits += [TriggerHit(trigger, place, last) for trigger in found if trigger.direction != "pseudo"]
        floor = last if found else place + 1
    return hits


def _number(word: str) -> str:
    """Years read as 1999, other numbers as 9, so that one phrase serves them all."""
    return "1999" if len(word) == 4 and word[:2] in {"19", "20"} and word.isdecimal() else "9"


@dataclass(slots=True)
class _Node:
    """A step of the phrase trie: following word → next step, with the triggers of the phrases that end here."""

    steps: dict[str, _Node] = field(default_factory=dict)
    anywhere: tuple[Trigger, ...] = ()
    at_end: tuple[Trigger, ...] = ()
    at_start: tuple[Trigger, ...] = ()
    ends: bool = False  # whether there are any of these


class Vocabulary(NamedTuple):
    """The trigger phrases as a trie, and what words read as there: ``mother`` as its class ``{kin}``, numbers as 9."""

    root: _Node
    levelled: Remembered[str]


def _longest(words: Sequence[str], first: int, node: _Node) -> tuple[int, tuple[Trigger, ...]]:
    """End of the longest phrase at ``first`` and its triggers; no triggers when none fits."""
    last, found = first, tuple[Trigger, ...]()
    place, count = first + 1, len(words)
    step: _Node | None = node
    while step is not None:
        here = step.anywhere
        if step.at_end and (place == count or words[place] in _MARKS):
            here += step.at_end
        if step.at_start and (first == 0 or words[first - 1] in _MARKS):
            here += step.at_start
        if here:
            last, found = place, here
        step = step.steps.get(words[place]) if place < count else None
        place += 1
    return last, found


@cache
def triggers() -> Vocabulary:
    """The phrases of the package's data file; read once."""
    root = _Node()
    sets: dict[str, str] = {}
    classes: dict[str, str] = {}
    for number, row in enumerate(read_table("context_triggers"), start=2):
        phrase, name = row["phrase"], row["direction"]
        if row["category"] == "set":
            sets[f"{{{name}}}"] = f"({phrase})"
        elif row["category"] == "class":
            classes.update(dict.fromkeys(phrase.split("|"), f"{{{name}}}"))
            classes.update({f"{word}'s": f"{{{name}}}'s" for word in phrase.split("|")})
        else:
            found = tuple(_triggers_of(row, number))
            for words in _expand(_NAME.sub(lambda match: sets.get(match[0], match[0]), phrase)):
                _insert(root, words, found)

    def levelled(word: str) -> str:
        return _number(word) if word[0].isdecimal() else classes.get(word, word)

    return Vocabulary(root, Remembered(levelled, most=_MOST_REMEMBERED))


def _triggers_of(row: dict[str, str], number: int) -> Iterator[Trigger]:
    """The triggers of a row, one for each of its categories (``negated+possible``)."""
    for category in row["category"].split("+"):
        for value, allowed in ((category, CATEGORIES), (row["direction"], DIRECTIONS), (row["reach"], REACHES)):
            if value not in allowed:
                what = f"context_triggers.csv line {number} holds an unknown word"
                raise InputError(what, got=value, expected=" or ".join(sorted(allowed)))
        yield Trigger(category, row["direction"], row["reach"] or "list", int(row["words"] or 40))


def _expand(phrase: str) -> list[tuple[str, ...]]:
    """All word sequences that a pattern stands for, cut as ``tokens`` cuts a sentence.

    >>> _expand("(was|is)? not seen|denied (by (him|her))?")[2:]
    [('not', 'seen'), ('denied', 'by', 'him'), ('denied', 'by', 'her'), ('denied',)]
    """
    return _alternatives(deque(_PIECE.findall(phrase)))


def _alternatives(pieces: deque[str]) -> list[tuple[str, ...]]:
    """Word sequences up to the closing bracket, which is left in place."""
    done: list[tuple[str, ...]] = []
    begun: list[tuple[str, ...]] = [()]
    while pieces and pieces[0] not in {")", ")?"}:
        piece = pieces.popleft()
        if piece == "|":
            done += begun
            begun = [()]
        elif piece == "(":
            options = _alternatives(pieces)
            options += [()] if pieces.popleft() == ")?" else []
            begun = [words + option for words in begun for option in options]
        else:
            words = _pattern_words(piece)
            begun = [before + words for before in begun]
    return done + begun


def _pattern_words(piece: str) -> tuple[str, ...]:
    """A piece of a pattern as words: class names kept, ``<`` and ``>`` for round brackets, numbers levelled."""
    if piece.startswith("{"):
        return (piece,)
    if piece in _SIGNS:
        return (_SIGNS[piece],)
    return tuple(_number(word) if word[0].isdecimal() else word for word in _TOKEN.findall(piece))


def _insert(root: _Node, phrase: tuple[str, ...], found: tuple[Trigger, ...]) -> None:
    at_end, at_start = phrase[-1] == "$", phrase[0] == "^"
    node = root
    for word in phrase[at_start : len(phrase) - at_end]:
        known = node.steps.get(word)
        if known is None:
            known = node.steps[word] = _Node()
        node = known
    node.ends = True
    if at_end:
        node.at_end += found
    elif at_start:
        node.at_start += found
    else:
        node.anywhere += found
