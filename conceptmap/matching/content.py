"""Content words of a text: function words left out, word classes folded, abbreviations expanded."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

from conceptmap.data.tables import read_table
from conceptmap.text.words import (
    AS_WRITTEN,
    CONJUNCTIONS,
    FUNCTION_WORDS,
    SUBJECTS,
    Words,
    normal_form,
    words,
    written_words,
)

__all__ = ["Content", "content_words", "long_form", "loose_class", "organs", "refolded", "term_forms"]

_NUMERAL_AFTER = frozenset("type stage grade class degree factor".split())
_NUMERALS = {"i": "1", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8"}
_PAUSES = {word: 2 if word in SUBJECTS else int(word in CONJUNCTIONS) for word in FUNCTION_WORDS}
"""How much of a gap a function word leaves."""


@dataclass(slots=True)
class Content:
    """Content words: function words left out, word classes folded, definitions expanded."""

    form: list[str]
    start: list[int]
    end: list[int]
    gap: list[int]
    first: list[bool]  # may a window start here: not inside an expansion
    last: list[bool]


class _Collected:
    """Content words while they are collected: whole stretches at a time, since most words stand for themselves."""

    __slots__ = ("end", "form", "gap", "several", "start")

    def __init__(self) -> None:
        self.form: list[str] = []
        self.start: list[int] = []
        self.end: list[int] = []
        self.gap: list[int] = []
        self.several: list[tuple[int, int]] = []

    def add_words(self, found: Words, first: int, last: int, gap: int) -> None:
        """Add some words that stand for themselves; ``gap`` is what was left out before them."""
        self.form += found.form[first:last]
        self.start += found.start_char[first:last]
        self.end += found.end_char[first:last]
        self.gap.append(max(gap, found.gap[first]))
        self.gap += found.gap[first + 1 : last]

    def add(self, forms: Sequence[str], start: int, end: int, gap: int) -> None:
        """Add the forms that one word, phrase or abbreviation of the text stands for."""
        if len(forms) > 1:
            self.several.append((len(self.form), len(forms) - 1))
        self.form += forms
        self.start += [start] * len(forms)
        self.end += [end] * len(forms)
        self.gap += [gap, *[0] * (len(forms) - 1)] if forms else []

    def content(self) -> Content:
        """All of them; a window goes over the whole of several forms or over none of them."""
        first, last = [True] * len(self.form), [True] * len(self.form)
        for place, n in self.several:
            first[place + 1 : place + 1 + n] = last[place : place + n] = [False] * n
        return Content(self.form, self.start, self.end, self.gap, first, last)


@lru_cache(maxsize=1)
def _word_classes() -> tuple[dict[tuple[str, ...], tuple[str, ...]], dict[str, str]]:
    """(tier 1: forms → forms, always folded; tier 2: form → form, folded in the loose key)."""
    always: dict[tuple[str, ...], tuple[str, ...]] = {}
    loose: dict[str, str] = {}
    for row in read_table("word_classes"):
        source, target = tuple(words(row["variant"]).form), tuple(words(row["canonical"]).form)
        if row["tier"] == "1":
            always[source] = target
        elif len(source) == len(target) == 1:
            loose[source[0]] = target[0]
    for source, target in list(always.items()):
        always[source] = tuple(form for part in target for form in always.get((part,), (part,)))
    return always, loose


@lru_cache(maxsize=1)
def organs() -> frozenset[str]:
    """Forms of the organs and regions that the word classes fold adjectives and other names to."""
    named = [row for row in read_table("word_classes") if re.search(r"organ|region|gland", row["reason"])]
    return frozenset(form for row in named for form in content_words(row["canonical"]).form)


def content_words(
    text: str,
    expand: Callable[[Words], Mapping[int, Sequence[str]]] | None = None,
    statements: Sequence[tuple[int, int]] = (),
) -> Content:
    """The words of ``text`` that terms are compared by.

    Args:
        text: a note or a term.
        expand: given the words, the positions of abbreviations and the forms of their long forms; no forms for the
            further words of an abbreviation of several, such as "N/V".
        statements: half-open spans of its sentences: nothing goes on from one to the next.
    """
    found = words(text)
    for start, _ in statements:
        first = bisect_left(found.start_char, start)
        if first < len(found.gap) and (first == 0 or _ends_before(text, found, first)):
            found.gap[first] = 2
    return _content(found, expand(found) if expand else None)


def _ends_before(text: str, found: Words, first: int) -> bool:
    """Whether a sentence really ends before a word: not at the initial of "E. coli", nor at a wrapped line."""
    before, after = found.end_char[first - 1], found.start_char[first]
    if found.gap[first] == 0 and len(found.form[first - 1]) == 1:
        return False
    wrapped = text[before:after].isspace() and (text[after].islower() or text[after].isdigit())
    return not wrapped or found.gap[first] != 1


def _content(found: Words, expand: Mapping[int, Sequence[str]] | None) -> Content:
    always, special = _word_classes()[0], _special()
    out = _Collected()
    form, n, i, gap = found.form, len(found.form), 0, 0
    stops = [number for number, word in enumerate(form) if word in special]
    for stop in (*(sorted({*stops, *expand}) if expand else stops), n):
        if stop < i:
            continue
        if stop > i:  # the words up to here stand for themselves
            out.add_words(found, i, stop, gap)
            gap, i = 0, stop
        if i == n:
            break
        gap = max(gap, found.gap[i])
        if expand and i in expand:
            last = i + 1
            while last in expand and not expand[last]:
                last += 1
            out.add(expand[i], found.start_char[i], found.end_char[last - 1], gap)
            gap, i = 0, last
            continue
        pause = _PAUSES.get(form[i])
        if pause is not None and not (form[i] == "a" and i == n - 1 and n > 1):
            gap = max(gap, pause)
            i += 1
            continue
        length, folded = _fold(found, i, always)
        out.add(folded, found.start_char[i], found.end_char[i + length - 1], gap)
        gap, i = 0, i + length
    return out.content()


@lru_cache(maxsize=1)
def _phrase_starts() -> frozenset[str]:
    """First words of the classes' phrases."""
    return frozenset(source[0] for source in _word_classes()[0] if len(source) > 1)


@lru_cache(maxsize=1)
def _special() -> frozenset[str]:
    """Forms that may be left out, or stand for something else than themselves."""
    return FUNCTION_WORDS.union(_NUMERALS, ["a"], (source[0] for source in _word_classes()[0]))


def _fold(found: Words, i: int, always: Mapping[tuple[str, ...], tuple[str, ...]]) -> tuple[int, tuple[str, ...]]:
    form = found.form
    if i and form[i] in _NUMERALS and form[i - 1] in _NUMERAL_AFTER:
        return 1, (_NUMERALS[form[i]],)
    for length in (3, 2) if form[i] in _phrase_starts() else ():
        if i + length <= len(form) and not any(found.gap[i + 1 : i + length]):
            folded = always.get(tuple(form[i : i + length]))
            if folded:
                return length, folded
    single = "type a" if form[i] == "a" else form[i]
    return 1, always.get((single,), (single,))


def refolded(content: Content, changed: Mapping[int, str]) -> Content:
    """Content words of which some are others than they were written: they stand for what their classes say.

    Args:
        content: the words as they were written.
        changed: the right forms by position.

    >>> words_ = content_words("elevtaed calcium, mlaignant neoplasm")
    >>> refolded(words_, {0: "elevated", 2: "malignant"}).form
    ['increased', 'calcium', 'cancer']
    """
    form = [changed.get(i, own) for i, own in enumerate(content.form)]
    always, out, i = _word_classes()[0], _Collected(), 0
    kept: list[tuple[int, bool, bool]] = []
    while i < len(form):
        length, forms = _refold(content, form, i, always) if not changed.keys().isdisjoint(range(i, i + 3)) else (0, ())
        if length:
            out.add(forms, content.start[i], content.end[i + length - 1], content.gap[i])
            i += length
            continue
        kept.append((len(out.form), content.first[i], content.last[i]))
        out.add([form[i]], content.start[i], content.end[i], content.gap[i])
        i += 1
    found = out.content()
    for at, first, last in kept:
        found.first[at], found.last[at] = first, last
    return found


def _refold(
    content: Content, form: Sequence[str], i: int, always: Mapping[tuple[str, ...], tuple[str, ...]]
) -> tuple[int, tuple[str, ...]]:
    """How many words from here are another class's, and its forms; 0 where none are, or inside an expansion."""
    for length in (3, 2, 1):
        whole = slice(i, i + length)
        folded = always.get(tuple(form[whole])) if i + length <= len(form) else None
        if (
            folded
            and not any(content.gap[i + 1 : i + length])
            and all(content.first[whole])
            and all(content.last[whole])
        ):
            return length, folded
    return 0, ()


def term_forms(term: str) -> list[str]:
    """The forms of ``content_words(term)`` without their places, in a third of the time.

    >>> term_forms("Malignant neoplasm of bladder"), content_words("Malignant neoplasm of bladder").form
    (['cancer', 'bladder'], ['cancer', 'bladder'])
    """
    parts = list(map(_forms_of_word, written_words(term)))
    return content_words(term).form if None in parts else list(chain.from_iterable(parts))  # type: ignore[arg-type]


@lru_cache(maxsize=500_000)
def _forms_of_word(word: str) -> Sequence[str] | None:
    """The forms that a word stands for, none for a function word; None where its neighbours decide."""
    form = normal_form(word)
    if word in AS_WRITTEN or form in _NUMERALS or form == "a" or form in _phrase_starts():
        return None
    return () if form in FUNCTION_WORDS else _word_classes()[0].get((form,), (form,))


@lru_cache(maxsize=50_000)
def long_form(text: str) -> tuple[str, ...]:
    """The forms of ``content_words(text)`` for what a short form stands for, which many notes have."""
    return tuple(content_words(text).form)


def loose_class(form: str) -> str:
    """The form that stands for a form's looser class, itself where it has none."""
    return _word_classes()[1].get(form, form)
