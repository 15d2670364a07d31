"""Misspelt words: "hypertenson", "pneumonai", "apendicitis".

A word that the index does not know is read as the one known word from which it differs by a letter too many, a letter
missing, or two neighbours swapped (three of the four slips of F. Damerau, 1964), if there is exactly one. Another
letter in the place of one is no slip here: it tells "hemithorax" from "hemothorax". Short words, first letters and
endings are left alone, and so are the everyday words of ``data/correct_words.csv``, which are right as they are. In
systems whose everyday neighbours nobody has gone through, English words (``data/english_words.csv``) and words of the
reviewed vocabulary are right as they are too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Final

import polars as pl

from conceptmap.data.tables import read_table
from conceptmap.matching.content import Content, refolded
from conceptmap.text.words import normal_form

__all__ = ["Speller", "correct_words", "english_words", "speller_of"]

SHORTEST: Final = 6
"""Letters of a word that is corrected; the known word has as many at least."""
LONGEST: Final = 100
"""Letters of the longest word that is corrected to: what an index holds beyond is a formula or a sequence, no word."""
_ENDING: Final = 2
_MOST_REMEMBERED: Final = 200_000
_ENGLISH: Final = r"(?i)\b(?:of|and|the|with|by|due|without)\b"
_LEAST_ENGLISH: Final = 0.01
_LOOKED_AT: Final = 20_000


@dataclass(frozen=True, eq=False)
class Speller:
    """The known words, by themselves and with one letter taken out; worked out when a word is first in doubt.

    Attributes:
        forms: normal forms that are spelt right.
        written: gives more words that are, as written.
        everyday: gives normal forms that are right though they are near to one of these; asked where one is.
    """

    forms: frozenset[str]
    written: Callable[[], Sequence[str]] = tuple
    everyday: Callable[[], AbstractSet[str]] = frozenset
    _answers: dict[str, str | None] = field(default_factory=dict, repr=False)

    @cached_property
    def known(self) -> frozenset[str]:
        """All normal forms that are spelt right."""
        return self.forms.union(map(normal_form, self.written()))

    @cached_property
    def _longest(self) -> int:
        """Letters of the longest word that may be a slip: one more than the longest known word has."""
        return 1 + max((len(word) for word in self.known if len(word) <= LONGEST), default=0)

    @cached_property
    def _alike(self) -> Mapping[tuple[str, str, int], list[str]]:
        """The known words by their first letter, their ending and their length."""
        alike: dict[tuple[str, str, int], list[str]] = defaultdict(list)
        for word in self.known:
            if SHORTEST <= len(word) <= LONGEST and word.isalpha():
                alike[word[0], word[-_ENDING:], len(word)].append(word)
        return dict(alike)

    def correct(self, form: str) -> str | None:
        """The known word that is meant, or None where the form is known, or no or several words could be.

        >>> speller = Speller(frozenset(["hypertension", "pneumonia", "edema"]))
        >>> speller.correct("hypertenson"), speller.correct("pneumonai"), speller.correct("pneumonic")
        ('hypertension', 'pneumonia', None)
        """
        if len(form) > self._longest:
            return None
        if form not in self._answers:
            if len(self._answers) > _MOST_REMEMBERED:
                self._answers.clear()
            self._answers[form] = self._look_up(form)
        return self._answers[form]

    def _look_up(self, form: str) -> str | None:
        if len(form) < SHORTEST or not form.isalpha() or form in self.known or form in correct_words():
            return None
        if form.endswith("tomy"):  # a cut, where "-stomy" is an opening
            return None
        near = {word for word in self._with_same_end(form) if _lacks_one(form, word) or _swapped(form, word)}
        swapped = (form[:-2] + form[-1] + form[-2], form[:-3] + form[-2] + form[-3] + form[-1])
        near.update(word for word in self.known.intersection(swapped) if len(word) <= LONGEST)
        return near.pop() if len(near) == 1 and form not in self.everyday() else None

    def _with_same_end(self, form: str) -> Iterator[str]:
        """Known words that may differ from a form by a letter or two, but not in their first letter and ending."""
        for length in range(len(form) - 1, len(form) + 2):
            yield from self._alike.get((form[0], form[-_ENDING:], length), ())

    def corrected(self, content: Content) -> Content:
        """Content words with the misspelt ones put right; the same object where there are none."""
        doubtful = [form for form in set(content.form) - self.forms if len(form) >= SHORTEST]
        slips = {form: right for form in doubtful if (right := self.correct(form)) is not None}
        if not slips:
            return content
        return refolded(content, {i: slips[form] for i, form in enumerate(content.form) if form in slips})


@cache
def correct_words() -> frozenset[str]:
    """Normal forms of everyday words that are one edit away from a clinical one, and right as they are."""
    return frozenset(row["word"] for row in read_table("correct_words"))


@cache
def english_words() -> frozenset[str]:
    """Normal forms of English words of six letters and more, and of words of the reviewed clinical vocabulary."""
    listed = (row["word"] for row in read_table("english_words"))
    terms = " ".join(row["term"] for row in read_table("synonyms_icd10cm"))
    return frozenset([*listed, *map(normal_form, set(re.findall(r"[^\W\d_]{6,}", terms)))])


def speller_of(wordings: pl.Series, terms: pl.Series, *, reviewed: bool) -> Speller | None:
    """Knows the words of an index.

    Args:
        wordings: normal forms of its wordings, a string each.
        terms: as written.
        reviewed: whether ``data/correct_words.csv`` has the everyday words that are near to its own.

    Returns:
        None for an index that nobody has gone through and that is not English: its everyday words are not known.
    """
    if not reviewed and not _is_english(terms):
        return None
    forms = frozenset(wordings.str.split(" ").explode().drop_nulls().unique().to_list())
    if not reviewed:  # a million terms are not gone through twice
        return Speller(forms, _classed_words, english_words)
    return Speller(
        forms, lambda: terms.str.to_lowercase().str.extract_all(r"\pL+").explode().drop_nulls().unique().to_list()
    )


def _is_english(terms: pl.Series) -> bool:
    """Whether English function words stand in enough of an index's terms."""
    found = terms.head(_LOOKED_AT).str.contains(_ENGLISH)
    return found.sum() > _LEAST_ENGLISH * len(found)


def _classed_words() -> list[str]:
    """Words that wordings do not have as they are written, but as another of their class."""
    return [word for row in read_table("word_classes") for word in row["variant"].split()]


def _lacks_one(one: str, other: str) -> bool:
    """Whether the shorter of two words is the longer without one letter."""
    shorter, longer = (one, other) if len(one) < len(other) else (other, one)
    place = 0
    while place < len(shorter) and shorter[place] == longer[place]:
        place += 1
    return len(shorter) < len(longer) and shorter[place:] == longer[place + 1 :]


def _swapped(form: str, word: str) -> bool:
    """Whether two words are the same but for two neighbouring letters that are swapped."""
    places = [i for i, (a, b) in enumerate(zip(form, word, strict=False)) if a != b]
    if len(form) != len(word) or len(places) != 2 or places[1] != places[0] + 1:
        return False
    i = places[0]
    return form[i] == word[i + 1] and form[i + 1] == word[i]
