"""Other wordings of a concept: its synonyms, capitals, short forms, slips of the pen. The same seed, the same ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from typing import NamedTuple

from conceptmap.matching.vocabulary import abbreviations

__all__ = ["WORDINGS", "Wording", "chance", "in_a_sentence", "wordings"]

WORDINGS = ("name", "synonym", "capitals", "abbreviated", "defined short form", "misspelt")
SHORTEST = 7
"""Letters of a word that is misspelt."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Wording(NamedTuple):
    """How a concept is said.

    Attributes:
        kind: one of `WORDINGS`.
        term: what stands in the text.
        of: the term of the ontology that it words.
        before: what has to stand before it in the text, such as the definition of a short form.
    """

    kind: str
    term: str
    of: str
    before: str = ""


def chance(*parts: object) -> int:
    """A number that the parts decide, on every machine.

    >>> chance(0, "I10") == chance(0, "I10"), chance(0, "I10") == chance(1, "I10")
    (True, False)
    """
    return int.from_bytes(sha256("\0".join(map(str, parts)).encode()).digest()[:8], "big")


def wordings(name: str, synonyms: Sequence[str], *, seed: int) -> Iterator[Wording]:
    """The wordings of a concept, as many kinds as it has.

    >>> for kind, term, *_ in wordings("Myocardial infarction", ["Heart attack"], seed=0):
    ...     print(kind, "|", term)
    name | myocardial infarction
    synonym | heart attack
    capitals | MYOCARDIAL INFARCTION
    abbreviated | MI
    defined short form | MI
    misspelt | myocardal infarction
    """
    said = in_a_sentence(name)
    yield Wording("name", said, name)
    if others := sorted({term for term in synonyms if term.lower() != name.lower()}):
        other = others[chance(seed, name, "synonym") % len(others)]
        yield Wording("synonym", in_a_sentence(other), other)
    if name.upper() != said:
        yield Wording("capitals", name.upper(), name)
    shortened = ((_abbreviated(term), term) for term in (name, *sorted(synonyms)))
    if found := next(((short, term) for short, term in shortened if short), None):
        yield Wording("abbreviated", in_a_sentence(found[0]), found[1])
    if short := _initials(name):
        yield Wording("defined short form", short, name, f"We spoke about {said} ({short}). ")
    if slip := _misspelt(said, seed):
        yield Wording("misspelt", slip, name)


def in_a_sentence(term: str) -> str:
    """A term as it stands within a sentence: a capital that only begins it is none.

    >>> in_a_sentence("Heart attack"), in_a_sentence("COVID-19"), in_a_sentence("B-cell lymphoma")
    ('heart attack', 'COVID-19', 'B-cell lymphoma')
    """
    first = re.match(r"[^\W\d_]+", term)
    word = first[0] if first else ""
    return word.lower() + term[len(word) :] if len(word) > 1 and word[1:].islower() else term


@cache
def _reviewed() -> Mapping[str, str]:
    """Long forms with the short forms that mean them in every text."""
    found: dict[str, str] = {}
    counts: dict[str, int] = {}
    for short, *_ in abbreviations():
        counts[short] = counts.get(short, 0) + 1
    for short, long, beside, _ in abbreviations():
        if counts[short] == 1 and not beside and " " in long:
            found.setdefault(long.lower(), short)
    return found


def _abbreviated(term: str) -> str | None:
    """The term with the longest of its phrases that has a reviewed short form shortened."""
    words = term.split()
    for size in range(len(words), 1, -1):
        for start in range(len(words) - size + 1):
            if short := _reviewed().get(" ".join(words[start : start + size]).lower()):
                return " ".join((*words[:start], short, *words[start + size :]))
    return None


def _initials(name: str) -> str | None:
    """The initials of a name of two to five plain words."""
    words = name.split()
    if not 2 <= len(words) <= 5 or not all(re.fullmatch(r"[A-Za-z][a-z]+", word) for word in words):
        return None
    return "".join(word[0] for word in words).upper()


def _misspelt(term: str, seed: int) -> str | None:
    """The term with a slip inside its longest word: a letter left out, doubled, swapped, or another (Damerau, 1964)."""
    words = re.findall(r"[a-z]+", term)
    word = max(words, key=len, default="")
    if len(word) < SHORTEST:
        return None
    slips: Sequence[Callable[[int], str]] = (
        lambda at: word[:at] + word[at + 1 :],
        lambda at: word[:at] + word[at] + word[at:],
        lambda at: word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        lambda at: word[:at] + _LETTERS[chance(seed, word, "letter") % 26] + word[at + 1 :],
    )
    slip = slips[chance(seed, term, "slip") % len(slips)]
    first = chance(seed, term, "place") % (len(word) - 3)
    places = [1 + (first + step) % (len(word) - 3) for step in range(len(word) - 3)]
    found = next((made for at in places if (made := slip(at)) != word), None)
    return None if found is None else term.replace(word, found, 1)
