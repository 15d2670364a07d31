"""The drugs that a note names, with their class and the codes of the class.

``data/drugs_<system>.csv`` has ingredients and brands with their pharmacological class. For each class
``drug_classes_<system>.csv`` has the code of taking it for long and the category of its harm, both by the titles of the
classification itself (ICD-10-CM Z79 and T36-T50). What is given to the eye, the ear or the skin is of the class for
these (``drug_forms_<system>.csv``): timolol eye drops are no beta blocker (Table of Drugs, "topical action drug NEC").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from conceptmap.data.tables import read_rows

__all__ = ["Drug", "DrugClass", "as_given", "drugs_in", "harm", "specific"]

_TOKEN: Final = re.compile(r"[A-Za-z0-9]+")
_SMALL_TOKEN: Final = re.compile(r"[a-z0-9]+")
_NO_TOKENS: Final = {0x130: "\u0131", 0x212A: "\u0131"}
"""Characters that have ASCII ones as small letters: they are of no token."""
_LONGEST_GAP: Final = 2
_DIURETICS: Final = frozenset({"loop diuretic", "other diuretic", "mineralocorticoid or antagonist"})
_GROUPS: Final[Mapping[str, frozenset[str]]] = {
    "diuretic": _DIURETICS,
    "antihypertensive": frozenset(
        {"ACE inhibitor", "other antihypertensive", "calcium-channel blocker", "beta antagonist"}
    ),
}
_LENGTH: Final = len("T38.0X5")
_BESIDE: Final = 40


@dataclass(frozen=True, slots=True)
class DrugClass:
    """A pharmacological class.

    Attributes:
        name: as in the table.
        long_term: code of taking it for long, or "".
        harm: category of poisoning by it, its adverse effects and underdosing, without the character that tells which.
    """

    name: str
    long_term: str
    harm: str


@dataclass(frozen=True, slots=True)
class Drug:
    """A drug where a note names it: its half-open span, its ingredient and its class."""

    start_char: int
    end_char: int
    ingredient: str
    of: DrugClass


@dataclass(frozen=True, slots=True)
class _Name:
    words: tuple[str, ...]
    as_written: bool
    ingredient: str
    of: DrugClass


def drugs_in(text: str, system: str) -> list[Drug]:
    """The drugs that a text names, in reading order; the longest name at each place.

    >>> [(drug.ingredient, drug.of.name) for drug in drugs_in("on Lasix and insulin glargine", "icd10cm")]
    [('furosemide', 'loop diuretic'), ('insulin glargine', 'insulin')]
    """
    names = _names(system)
    if not names:
        return []
    folded = (text if text.isascii() else text.translate(_NO_TOKENS)).lower()
    started = names.keys() & set(_SMALL_TOKEN.findall(folded))
    out: list[Drug] = []
    floor = 0
    for start, first in sorted((start, token) for token in started for start in _standing(folded, token)):
        if start < floor:
            continue
        for name in names[first]:
            end = _end(text, start, name)
            if end:
                out.append(Drug(start, end, name.ingredient, name.of))
                floor = end
                break
    return out


def _standing(folded: str, token: str) -> Iterator[int]:
    """Where a token stands in a text in small letters."""
    start = folded.find(token)
    while start >= 0:
        end = start + len(token)
        if not (_is_of_token(folded[start - 1 : start]) or _is_of_token(folded[end : end + 1])):
            yield start
        start = folded.find(token, end)


def _is_of_token(character: str) -> bool:
    return character.isascii() and character.isalnum()


def specific(found: Sequence[Drug]) -> list[Drug]:
    """The drugs of a note, where words for a group ("her diuretic") take the class of the one drug that they mean.

    Where the note names drugs of several such classes, the word for the group says nothing and is left out.
    """
    out: list[Drug] = []
    named = dict.fromkeys(other.of for other in found if other.ingredient not in _GROUPS)
    for drug in found:
        members = _GROUPS.get(drug.ingredient)
        if members is None:
            out.append(drug)
            continue
        meant = {of for of in named if of.name in members}
        if len(meant) < 2:
            out.append(replace(drug, of=meant.pop()) if meant else drug)
    return out


def as_given(text: str, found: Sequence[Drug], system: str) -> list[Drug]:
    """The drugs of a note, those that it gives to the eye, the ear or the skin with the class for that.

    Args:
        text: the note.
        found: its drugs, in reading order.
        system: of the codes.

    >>> text = "timolol 0.5% eye drops; timolol"
    >>> [drug.of.name for drug in as_given(text, drugs_in(text, "icd10cm"), "icd10cm")]
    ['ophthalmological', 'beta antagonist']
    """
    forms = [form for form in _forms(system) if form.named.search(text)] if found else []
    if not forms:
        return list(found)
    out: list[Drug] = []
    for number, drug in enumerate(found):
        floor = found[number - 1].end_char if number else 0
        stop = found[number + 1].start_char if number + 1 < len(found) else len(text)
        before, after = text[max(floor, drug.start_char - _BESIDE) : drug.start_char], text[drug.end_char : stop]
        fits = (form for form in forms if not form.classes or drug.of.name in form.classes)
        form = next((f for f in fits if f.behind.match(after) or f.before.search(before)), None)
        out.append(replace(drug, of=form.of) if form else drug)
    return out


def harm(of: DrugClass, kind: str) -> str:
    """The code of a harm by a drug of a class.

    Args:
        of: the class.
        kind: "1" to "4" for poisoning (accidental, self-harm, assault, undetermined), "5" for an adverse effect,"
        " "6" for
            underdosing.

    >>> harm(DrugClass("anticoagulant", "Z79.01", "T45.51"), "5"), harm(DrugClass("anaesthetic", "", "T41.4"), "5")
    ('T45.515A', 'T41.45XA')
    """
    return f"{of.harm}{kind}".ljust(_LENGTH, "X") + "A"


def _end(text: str, start: int, name: _Name) -> int:
    """Where a name that may begin at a place ends, or 0."""
    at = start
    for i, word in enumerate(name.words):
        token = _TOKEN.search(text, at)
        if token is None or (i and token.start() - at > _LONGEST_GAP) or "\n" in text[at : token.start()]:
            return 0
        if (token[0] if name.as_written else token[0].lower()) != word:
            return 0
        at = token.end()
    return at


@dataclass(frozen=True, slots=True)
class _Form:
    named: re.Pattern[str]
    behind: re.Pattern[str]
    before: re.Pattern[str]
    classes: frozenset[str]
    of: DrugClass


@cache
def _forms(system: str) -> tuple[_Form, ...]:
    """What a drug may be given as: the words, right behind it or before it, and the class that it then is of."""
    return tuple(
        _Form(
            re.compile(rf"\b(?:{row['words']})\b", re.IGNORECASE),
            re.compile(rf"(?:[^,;.\n]|(?<=\d)\.(?=\d)){{0,25}}?\b(?:{row['words']})\b", re.IGNORECASE),
            re.compile(rf"\b(?:{row['words']}) (?:of |with )?[(]?\Z", re.IGNORECASE),
            frozenset(filter(None, row["classes"].split(";"))),
            _classes(system)[row["gives"]],
        )
        for row in read_rows("drug_forms", system)
    )


@cache
def _classes(system: str) -> Mapping[str, DrugClass]:
    return {
        row["class"]: DrugClass(row["class"], row["long_term"], row["harm"])
        for row in read_rows("drug_classes", system)
    }


@cache
def _names(system: str) -> Mapping[str, tuple[_Name, ...]]:
    """Names by their first word, the longest first; names that the table has in capitals are told by them."""
    classes = _classes(system)
    out: dict[str, list[_Name]] = {}
    for row in read_rows("drugs", system):
        for name in (row["ingredient"], *filter(None, row["also"].split(";"))):
            parts = tuple(_TOKEN.findall(name))
            out.setdefault(parts[0].lower(), []).append(
                _Name(parts, name.isupper(), row["ingredient"], classes[row["class"]])
            )
    return {first: tuple(sorted(found, key=lambda n: -len(n.words))) for first, found in out.items()}
