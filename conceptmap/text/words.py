"""Words of a text with their offsets and a normal form in which spelling variants of one word are equal.

The normal form only has to merge variants on *both* sides (terms and notes), so it may look odd ("toe" becomes "te");
it is never shown to anyone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from conceptmap.text.remembered import Remembered

__all__ = ["AS_WRITTEN", "CONJUNCTIONS", "FUNCTION_WORDS", "SUBJECTS", "Words", "normal_form", "words", "written_words"]

FUNCTION_WORDS = frozenset(
    """a an the of in on at to by for from into and or nor with due as is are was were be been being has have had this
    that     these those his her their its our your my he she it they we who which whom whose patient patients
    there also both w
    either some any such than then so very quite rather about approximately associated caused causing""".split()
)
"""Words that carry no meaning of their own inside a term; "no", "not" and "without" are not among them."""

CONJUNCTIONS = frozenset({"and", "or", "nor"})
"""Function words that set two things side by side."""

SUBJECTS = frozenset({"he", "she", "they", "we", "it", "who", "which"})
"""Function words with which another statement begins."""

_TITLES = frozenset({"Mr", "Mrs", "Ms", "Miss", "Dr", "Drs", "Prof", "Professor", "Doctor"})
_PERSON = "someone"
AS_WRITTEN = _TITLES | {"A"}
"""Words that are told from their like by how they are written."""

_WORD = re.compile(r"([^\W_]+(?:['’][^\W_]+)*)")
_PLAIN_WORD = re.compile(r"([A-Za-z0-9]+(?:'[A-Za-z0-9]+)*)")  # the same in a text of ASCII, in two thirds of the time
_HARD_GAP = re.compile(r"[.;:!?•|]|\n\s*\n|\n\s*[-*–—]|\n\s*\d+[.)]|\s[-–—]\s")
_SOFT_GAP = re.compile(r"[,/()\[\]\n]")

_IRREGULAR = {
    "diverticula": "diverticulum",
    "calculi": "calculus",
    "fungi": "fungus",
    "foci": "focus",
    "nevi": "nevus",
    "naevi": "nevus",
    "thrombi": "thrombus",
    "emboli": "embolus",
    "bronchi": "bronchus",
    "bacilli": "bacillus",
    "villi": "villus",
    "nuclei": "nucleus",
    "uteri": "uterus",
    "bacteria": "bacterium",
    "ganglia": "ganglion",
    "septa": "septum",
    "teeth": "tooth",
    "feet": "foot",
    "children": "child",
    "women": "woman",
    "men": "man",
    "lice": "louse",
    "phalanges": "phalanx",
    "pharynges": "pharynx",
    "meninges": "meninges",
    "vertices": "vertex",
    "cortices": "cortex",
    "apices": "apex",
    "appendices": "appendix",
    "indices": "index",
    "injections": "injections",  # what is given; the redness of an eye is one injection
    "fibre": "fiber",
    "fibres": "fiber",
    "centre": "center",
    "caliber": "calibre",
    "metre": "meter",
    "ageing": "aging",
    "haemorrhoids": "hemorrhoid",
    "iii": "3",
    "ii": "2",
}
_ENDS_IN_SE = frozenset(
    "disease case nose dose phase increase decrease release base crease hose relapse prolapse exercise bruise".split()
)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one text; four lists of equal length.

    Attributes:
        start_char: first code point of each word.
        end_char: one past its last code point.
        form: its normal form.
        gap: what stands between it and the word before: 0 a blank or a hyphen, 1 a comma, slash, bracket or line end,
            2 the end of a clause or list item.
        written: each word as it is written.
    """

    start_char: list[int]
    end_char: list[int]
    form: list[str]
    gap: list[int]
    written: list[str]


def words(text: str) -> Words:
    """Split ``text`` into words.

    >>> words("Haemorrhagic strokes, 2").form
    ['hemorrhagic', 'stroke', '2']
    """
    pieces = (_PLAIN_WORD if text.isascii() else _WORD).split(text)  # a blank, a word, a blank, … and a blank
    written, between = pieces[1::2], pieces[2:-1:2]
    ends = list(accumulate(map(len, pieces)))
    form, gap = list(map(_FORMS.__getitem__, written)), [2, *map(_GAPS.__getitem__, between)][: len(written)]
    for i in (*_places(between, ". "), *_places(between, ".")):
        if len(form[i]) == 1 and form[i].isalpha():
            gap[i + 1] = 0  # an initial, as in "E. coli"
    if not AS_WRITTEN.isdisjoint(written):
        for i, word in enumerate(written):
            if word == "A" and gap[i] == 0:
                form[i] = "type a"
            elif word in _TITLES:
                _hide_names(i, written, between, form)
    return Words(ends[:-1:2], ends[1::2], form, gap, written)


def _places(listed: Sequence[str], wanted: str) -> Iterator[int]:
    """Where a list holds something."""
    place = -1
    with suppress(ValueError):
        while True:
            place = listed.index(wanted, place + 1)
            yield place


def written_words(text: str) -> list[str]:
    """The words of ``text`` as they are written.

    >>> written_words("Haemorrhagic strokes, 2")
    ['Haemorrhagic', 'strokes', '2']
    """
    return _WORD.findall(text)


def _hide_names(title: int, written: list[str], between: list[str], form: list[str]) -> None:
    """Up to two capitalised words after a form of address are a name: Dr. Betty Graves has no Graves disease."""
    for i in range(title + 1, min(title + 3, len(written))):
        if between[i - 1] not in (" ", ". ") or not written[i][0].isupper():
            return
        form[i] = _PERSON


def normal_form(word: str) -> str:
    """Fold case, accents, British spelling and the plural of one word.

    >>> normal_form("Anaemias"), normal_form("metastases"), normal_form("Ménière's"), normal_form("tumour")
    ('anemia', 'metastasis', 'meniere', 'tumor')
    """
    return _FORMS[word]


def _gap(between: str) -> int:
    if between in (" ", "-"):
        return 0
    if _HARD_GAP.search(between):
        return 2
    return 1 if _SOFT_GAP.search(between) else 0


def _normal_form(word: str) -> str:
    form = word.lower() if word.isascii() else _without_accents(word)
    form = form.removesuffix("'s").removesuffix("s'").replace("'", "")
    if form in _IRREGULAR:
        return _IRREGULAR[form]
    if len(form) <= 3 or not form.isalpha():
        return form
    return _british(_singular(form))


_FORMS: Final = Remembered(_normal_form, most=200_000)
_GAPS: Final = Remembered(_gap, most=4096)


def _without_accents(word: str) -> str:
    form = unicodedata.normalize("NFKD", word).casefold()
    return "".join(c for c in form if not unicodedata.combining(c)).replace("’", "'")


def _british(form: str) -> str:
    form = form.replace("ae", "e").replace("oe", "e")
    if len(form) > 5 and form.endswith("our"):
        form = form[:-3] + "or"
    return form.replace("isation", "ization").replace("ising", "izing").replace("sulph", "sulf")


def _singular(form: str) -> str:
    if form.endswith(("ases", "oses", "eses", "yses", "ises")):
        return form[:-1] if form[:-1] in _ENDS_IN_SE else form[:-2] + "is"
    if form.endswith("ies") and len(form) > 4:
        return form[:-3] + "y"
    if form.endswith(("sses", "xes", "ches", "shes")):
        return form[:-2]
    if form.endswith("ae"):
        return form[:-1]
    if form.endswith("s") and not form.endswith(("ss", "us", "is")):
        return form[:-1]
    return form
