"""Misspelt words: "hypertenson", "pneumonai", "apendicitis".

A word that the index does not know is read as the one known word from which it differs by a letter too many, a letter
missing, or two neighbours swapped (three of the four slips of F. Damerau, 1964), if there is exactly one. Another
letter in the place of one is no slip here: it tells "hemithorax" from "hemothorax". Short words, first letters and
endings are left alone, and so are the everyday words of ``data/correct_words.csv``, which are right as they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Final

from conceptmap.data.tables import read_table
from conceptmap.matching.content import Content
from conceptmap.text.words import normal_form

__all__ = ["Speller", "correct_words"]

SHORTEST: Final = 6
"""Letters of a word that is corrected; the known word has as many at least."""
LONGEST: Final = 100
"""Letters of the longest word that is corrected to: what an index holds beyond is a formula or a sequence, no word."""
_ENDING: Final = 2
_MOST_REMEMBERED: Final = 200_000


@dataclass(frozen=True, eq=False)
class Speller:
    """The known words, by themselves and with one letter taken out; worked out when a word is first in doubt.

    Attributes:
        forms: normal forms that are spelt right.
        written: gives more words that are, as written.
    """

    forms: frozenset[str]
    written: Callable[[], Sequence[str]] = tuple
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
    def _shorter(self) -> Mapping[str, list[str]]:
        shorter: dict[str, list[str]] = defaultdict(list)
        for word in sorted(self.known):
            if SHORTEST <= len(word) <= LONGEST and word.isalpha():
                for less in _deletions(word):
                    shorter[less].append(word)
        return dict(shorter)

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
        near = set(self._shorter.get(form, ()))
        for less in _deletions(form):
            if less in self.known:
                near.add(less)
            near.update(word for word in self._shorter.get(less, ()) if _swapped(form, word))
        near = {word for word in near if len(word) >= SHORTEST and _is_slip(form, word)}
        return near.pop() if len(near) == 1 else None

    def corrected(self, content: Content) -> Content:
        """Content words with the misspelt ones put right; the same object where there are none."""
        doubtful = [form for form in set(content.form) - self.forms if len(form) >= SHORTEST]
        slips = {form: right for form in doubtful if (right := self.correct(form)) is not None}
        if not slips:
            return content
        return replace(content, form=[slips.get(form, form) for form in content.form])


@cache
def correct_words() -> frozenset[str]:
    """Normal forms of everyday words that are one edit away from a clinical one, and right as they are."""
    return frozenset(row["word"] for row in read_table("correct_words"))


def _deletions(word: str) -> set[str]:
    return {word[:i] + word[i + 1 :] for i in range(1, len(word))}


def _swapped(form: str, word: str) -> bool:
    """Whether two words are the same but for two neighbouring letters that are swapped."""
    places = [i for i, (a, b) in enumerate(zip(form, word, strict=False)) if a != b]
    if len(form) != len(word) or len(places) != 2 or places[1] != places[0] + 1:
        return False
    i = places[0]
    return form[i] == word[i + 1] and form[i + 1] == word[i]


def _is_slip(form: str, word: str) -> bool:
    """Whether the difference is no inflection: the first letter is the same, and so is the end, or it is swapped."""
    if form[0] != word[0]:
        return False
    if form[-_ENDING:] == word[-_ENDING:]:
        return True
    return len(form) == len(word) and sorted(form[-3:]) == sorted(word[-3:])
