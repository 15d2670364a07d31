"""The trigger phrases of ``data/context_triggers.csv`` and how they are found in a sentence.

A phrase is written in lower-case words; ``a b|c d`` holds two. ``(a|b c)`` is one of several, ``(a|b)?`` may be
missing, ``{kin}`` is a set defined in a row of category ``set``, ``$`` at the end asks for the end of the sentence or a
punctuation mark, ``^`` at the beginning for the start of the sentence or a mark before it. Of two phrases at one place
the longer wins.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from itertools import product
from typing import Final, NamedTuple

from conceptmap.errors import InputError

__all__ = ["Hit", "Token", "Trigger", "find_triggers", "tokens", "triggers"]

CATEGORIES: Final = frozenset({"negated", "possible", "historical", "hypothetical", "family", "other", "any"})
DIRECTIONS: Final = frozenset({"forward", "backward", "both", "stop", "pseudo"})
REACHES: Final = frozenset({"", "list", "phrase", "next"})
_TOKEN: Final = re.compile(r"[^\W_]+(?:['\u2019][a-z]+)?|[^\w\s]|_+")
_PIECE: Final = re.compile(r"\(([^()]*)\)(\?)?|\{(\w+)\}(\?)?|(\S+)")
_ALTERNATIVES: Final = re.compile(r"\|(?![^()]*\))")
_MARKS: Final = frozenset(".,;:!?)]-/|\u2013\u2014")


class Token(NamedTuple):
    """A word or a mark of a sentence, in lower case, with its half-open place in the note (code points)."""

    word: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a phrase does: to which category, in which direction, how far.

    ``reach`` is "list" (on through commas until a clause begins), "phrase" (until a comma, unless an "or" list follows)
    or "next" (the words beside it only). ``words`` is the most tokens that it reaches.
    """

    category: str
    direction: str
    reach: str
    words: int


class Hit(NamedTuple):
    """A trigger found at tokens ``first``..``last`` (half-open) of a sentence."""

    trigger: Trigger
    first: int
    last: int


def tokens(text: str, start: int, end: int) -> list[Token]:
    """The words and marks of ``text[start:end]``."""
    return [
        Token(match[0].lower().replace("\u2019", "'"), match.start(), match.end())
        for match in _TOKEN.finditer(text, start, end)
    ]


def find_triggers(words: Sequence[str]) -> list[Hit]:
    """All triggers in a sentence, left to right, the longest at each place, none overlapping another.

    >>> [(hit.trigger.category, hit.first, hit.last) for hit in find_triggers(["there", "is", "no", "rash"])]
    [('negated', 2, 3)]
    """
    root = triggers().steps
    hits: list[Hit] = []
    place, count = 0, len(words)
    while place < count:
        node = root.get(words[place])
        if node is None:
            place += 1
            continue
        last, found = _longest(words, place, node)
        if found:
            hits += [Hit(trigger, place, last) for trigger in found if trigger.direction != "pseudo"]
            place = last
        else:
            place += 1
    return hits


@dataclass(slots=True)
class _Node:
    """A step of the phrase trie: following word → next step, with the triggers of the phrases that end here."""

    steps: dict[str, _Node] = field(default_factory=dict)
    anywhere: tuple[Trigger, ...] = ()
    at_end: tuple[Trigger, ...] = ()
    at_start: tuple[Trigger, ...] = ()


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
def triggers() -> _Node:
    """The phrases of the package's data file, as a trie; read once."""
    source = resources.files("conceptmap").joinpath("data/context_triggers.csv")
    root = _Node()
    sets: dict[str, str] = {}
    for number, row in enumerate(csv.DictReader(source.read_text(encoding="utf-8").splitlines()), start=2):
        if row["category"] == "set":
            sets[row["direction"]] = row["phrase"]
            continue
        found = tuple(_triggers_of(row, number))
        for phrase in _expand(row["phrase"], sets):
            _insert(root, phrase, found)
    return root


def _triggers_of(row: dict[str, str], number: int) -> Iterator[Trigger]:
    """The triggers of a row, one for each of its categories (``negated+possible``)."""
    for category in row["category"].split("+"):
        for value, allowed in ((category, CATEGORIES), (row["direction"], DIRECTIONS), (row["reach"], REACHES)):
            if value not in allowed:
                what = f"context_triggers.csv line {number} holds an unknown word"
                raise InputError(what, got=value, expected=" or ".join(sorted(allowed)))
        yield Trigger(category, row["direction"], row["reach"] or "list", int(row["words"] or 40))


def _expand(phrase: str, sets: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """All word sequences that a phrase stands for.

    >>> list(_expand("(was)? {neg} seen", {"neg": "not|never"}))
    [('was', 'not', 'seen'), ('was', 'never', 'seen'), ('not', 'seen'), ('never', 'seen')]
    """
    for alternative in _ALTERNATIVES.split(phrase):
        choices: list[list[str]] = []
        for group, missing, name, name_missing, word in _PIECE.findall(alternative):
            options = sets[name].split("|") if name else group.split("|") if group else [word]
            choices.append([*options, ""] if missing or name_missing else options)
        for choice in product(*choices):
            yield tuple(_TOKEN.findall(" ".join(choice)))


def _insert(root: _Node, phrase: tuple[str, ...], found: tuple[Trigger, ...]) -> None:
    at_end, at_start = phrase[-1] == "$", phrase[0] == "^"
    node = root
    for word in phrase[at_start : len(phrase) - at_end]:
        node = node.steps.setdefault(word, _Node())
    if at_end:
        node.at_end += found
    elif at_start:
        node.at_start += found
    else:
        node.anywhere += found
