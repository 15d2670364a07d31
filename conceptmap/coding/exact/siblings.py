"""The digits that the words beside a mention choose: site, kind, stage, cause and side, among the code's siblings.

A code that leaves something open ("malignant melanoma of skin, unspecified") gives way to the sibling whose title or
inclusion term is said in full by the mention and its sentence ("melanoma of the right inferior back": C43.59). Siblings
are the codes of the same category, or of a family of categories (``data/families_<system>.csv``); a part of the body
also says the regions that titles name (``data/body_parts_<system>.csv``). Words that the text denies, and sides that it
gives to something else, do not count. Where two siblings are said equally, none is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from typing import Final

from conceptmap.coding.sides import sides
from conceptmap.data.tables import read_rows
from conceptmap.matching.content import term_forms
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["Siblings", "siblings_of"]

_OPEN: Final = re.compile(r"\bunspecified\b|\bnot specified\b|\bNOS\b", re.IGNORECASE)
_WITHOUT: Final = re.compile(
    r",?\s*\b(?:without|not (?:intractable|stated|elsewhere)|non-?intractable)\b[^,]*"
    r"|,?\s*\b(?:(?:unspecified|not specified) as|including)\b[^,]*"
    r"|,?\s*\b(?:uncomplicated|initial encounter)\b|\([^)]*\)|\[[^\]]*\]",
    re.IGNORECASE,
)
_ABSENT: Final = (
    "without;not intractable;not stated;not elsewhere;nonintractable;non-intractable;unspecified as;not specified as;"
    "including;uncomplicated;initial encounter;(;["
).split(";")
"""What ``_WITHOUT`` needs one of."""
_EMPTY: Final = frozenset(
    form
    for word in (
        "unspecified other specified site region part primary unilateral type kind multiple classified elsewhere"
        " body involving single native vessel mention status nature severity degree form localized deep stage"
        " anatomical episode"
    ).split()
    for form in term_forms(word)
)
_LEFT_OVER: Final = re.compile(r"\bother\b(?! parts? of)", re.IGNORECASE)
_NO_FAMILY: Final = parse_ranges("B95-B97 C76-C80 O00-R99 S00-Z99")
"""Chapters whose codes are completed by rules of their own, or not at all."""
_SIDES: Final = frozenset({"left", "right", "bilateral"})
_STAGE: Final = re.compile(
    r"\b(stage|grade|category|cat\.?|type|st\.?)\s*(?:is\s*)?([1-5]|i{1,3}|iv|v)([ab]?)\b", re.IGNORECASE
)
_ROMAN: Final = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5"}
_NAMED: Final = {"cat": "stage", "cat.": "stage", "category": "stage", "grade": "stage", "st": "stage", "st.": "stage"}
_DENIED: Final = re.compile(
    r"\b(?:no|not|without|w/o|w/out|denies|denied|negative for|neg for|never|rather than|r/o|ruled out)\b[^.;,]{0,40}",
    re.IGNORECASE,
)
_END: Final = re.compile(r"[.;\n](?=\s|\Z)")
_PAIR: Final = re.compile(r"\b(\w+) and (\w+)\b")
_BEFORE: Final = 50
_AFTER: Final = 70


@dataclass(frozen=True, eq=False)
class Siblings:
    """The siblings of the codes of one code book, read once each.

    Attributes:
        book: of the index.
    """

    book: CodeBook
    _families: dict[str, _Family] = field(default_factory=dict, repr=False)
    _open_too: dict[str, Sequence[tuple[int, frozenset[str]]]] = field(default_factory=dict, repr=False)
    _titles: dict[int, frozenset[str]] = field(default_factory=dict, repr=False)
    _open: dict[int, bool] = field(default_factory=dict, repr=False)

    def chosen(self, concept: int, text: str, span: tuple[int, int], others: Sequence[tuple[int, int]]) -> int | None:
        """The sibling that the text beside a mention says in full; None where it says no more, or two.

        Args:
            concept: the code of the mention.
            text: the note.
            span: of the mention.
            others: spans of the mentions beside it.
        """
        if not self.is_open(concept):
            return None
        family = self._family(self.book.codes[concept])
        if not family.naming:
            return None
        said, own = self._said(text, span, others), self._title(concept)
        if family.sided:
            said |= set(sides(text, span, others))
        best: list[tuple[int, int]] = []
        for sibling in family.named_by(said - own):
            forms = family.forms[sibling]
            new = forms - own
            if new <= said and len(new) < len(forms) and sibling != concept and (own & _SIDES) <= forms:
                best.append((len(new), sibling))
        if not best:
            return None
        most = max(best)[0]
        winners = {sibling for size, sibling in best if size == most}
        return winners.pop() if len(winners) == 1 else None

    def _title(self, concept: int) -> frozenset[str]:
        """Forms of a code's title."""
        if concept not in self._titles:
            self._titles[concept] = frozenset(_forms(self.book.names[concept]))
        return self._titles[concept]

    def names(self, concept: int, words: str) -> bool:
        """Whether a code's title has one of some words that is no side."""
        return not self._title(concept).isdisjoint(frozenset(_forms(words)) - _SIDES)

    def elsewhere(self, concept: int, first: str, alone: str, end: int) -> int | None:
        """The code of a finding at another site, by the title of its code at the first; None where none or two fit.

        Args:
            concept: the code at the first site.
            first: words of that site.
            alone: the finding as if the note named it at the other site alone, its name first.
            end: where its name ends there.
        """
        said = self._said(alone, (0, end), ()) | set(sides(alone, (0, end), ()))
        own = self._title(concept) - frozenset(_forms(first)) - _SIDES
        category = self.book.codes[concept][:3]
        if category not in self._open_too:
            below = self._below(((category, category),))
            self._open_too[category] = [(c, self._title(c)) for c in below if self.book.billable[c]]
        fits = [
            (len(f), c)
            for c, f in self._open_too[category]
            if own and own < f and (f - own <= said or self._either(c, f - own - said, said))
        ]
        most = max(fits, default=(0, 0))[0]
        winners = [c for size, c in fits if size == most]
        return winners[0] if len(winners) == 1 else None

    def _either(self, concept: int, missing: AbstractSet[str], said: AbstractSet[str]) -> bool:
        """Whether what is missing of a title stands there beside a part that is said: "ankle and foot" is either."""
        pairs = [(set(_forms(m[1])), set(_forms(m[2]))) for m in _PAIR.finditer(self.book.names[concept])]
        return any((missing == a and b <= said) or (missing == b and a <= said) for a, b in pairs)

    def is_open(self, concept: int) -> bool:
        """Whether a code leaves open what a sibling may say."""
        found = self._open.get(concept)
        if found is None:
            rules_of_its_own = self.book.system != "icd10cm" or within(self.book.codes[concept], _NO_FAMILY)
            found = not rules_of_its_own and _OPEN.search(self.book.names[concept]) is not None
            self._open[concept] = found
        return found

    def _said(self, text: str, span: tuple[int, int], others: Sequence[tuple[int, int]]) -> set[str]:
        """What the sentence says beside a mention, what it denies and sides left out."""
        start, end = span
        before = _END.split(_own(text, max(0, start - _BEFORE), start, others))[-1]
        after = _END.split(_own(text, end, end + _AFTER, others))[0]
        words = _DENIED.sub(" ", f"{before} {text[start:end]} {after}")
        found = set(_forms(words)) - _SIDES
        regions = _regions()
        for part in found & regions.keys():
            found.update(regions[part])
        return found

    def _family(self, code: str) -> _Family:
        category = code[:3]
        if category not in self._families:
            self._families[category] = _Family(dict(self._members(category)))
        return self._families[category]

    def _members(self, category: str) -> Iterator[tuple[int, frozenset[str]]]:
        """Billable codes of a category and its family, each with the forms of its title."""
        wider = next((ranges for ranges in _wider(self.book.system) if within(category, ranges)), ())
        ranges = wider or ((category, category),)
        for concept in self._below(ranges):
            name = self.book.names[concept]
            if self.book.billable[concept] and not (_OPEN.search(name) or _LEFT_OVER.search(name)):
                forms = frozenset(_forms(name))
                if forms:
                    yield concept, forms

    def _below(self, ranges: Ranges) -> Iterator[int]:
        """The codes of some categories, without those that only add a 7th character."""
        alone = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
        for code in ranges[0][:1] if alone else self._categories:
            queue = self._categories.get(code, []) if alone or within(code, ranges) else []
            queue = [*queue]
            while queue:
                concept = queue.pop()
                yield concept
                queue += [kid for kid in self.book.children[concept] if not self.book.is_expanded(kid)]

    @cached_property
    def _categories(self) -> Mapping[str, list[int]]:
        """Positions of the categories by their code."""
        kinds = self.book.concepts["kind"].to_list()
        out: dict[str, list[int]] = {}
        for at, code in enumerate(self.book.codes):
            if len(code) == 3 and kinds[at] != "block":
                out.setdefault(code, []).append(at)
        return out


class _Family:
    """The codes of a category and its family, with the forms of their titles.

    Attributes:
        forms: of each code's title.
        naming: the codes that a form stands in the titles of.
        sided: whether some title names a side.
    """

    def __init__(self, forms: Mapping[int, frozenset[str]]) -> None:
        self.forms = forms
        self.naming: dict[str, list[int]] = {}
        for concept, title in forms.items():
            for form in title:
                self.naming.setdefault(form, []).append(concept)
        self.sided = not _SIDES.isdisjoint(self.naming)

    def named_by(self, said: AbstractSet[str]) -> set[int]:
        """The codes with one of some forms in their titles."""
        return {concept for form in self.naming.keys() & said for concept in self.naming[form]}


def _own(text: str, start: int, end: int, others: Sequence[tuple[int, int]]) -> str:
    """A stretch of text with the mentions in it blanked: their words are theirs."""
    part = text[start:end]
    for first, last in others:
        first, last = max(first - start, 0), min(last - start, len(part))
        if first < last:
            part = part[:first] + " " * (last - first) + part[last:]
    return part


@lru_cache(maxsize=8)
def siblings_of(book: CodeBook) -> Siblings:
    """The siblings of a book's codes, kept while it is in use."""
    return Siblings(book)


def _forms(text: str) -> Iterator[str]:
    """Forms of a text, stages joined to their numbers, empty words left out."""
    staged = list(_STAGE.finditer(text))
    for match in staged:
        number = _ROMAN.get(match[2].lower(), match[2])
        yield f"{_NAMED.get(match[1].lower(), match[1].lower())}{number}"
    text = _STAGE.sub(" ", text) if staged else text
    folded = text.lower()
    if not folded.isascii() or any(word in folded for word in _ABSENT):
        text = _WITHOUT.sub(" ", text)
    for form in term_forms(text):
        if form not in _EMPTY:
            yield form


@cache
def _regions() -> Mapping[str, Sequence[str]]:
    """Forms of the regions that a part of the body lies in."""
    out: dict[str, list[str]] = {}
    for row in read_rows("body_parts", "icd10cm"):
        for part in term_forms(row["part"]):
            out.setdefault(part, []).extend(form for word in row["regions"].split() for form in term_forms(word))
    return out


@cache
def _wider(system: str) -> tuple[Ranges, ...]:
    return tuple(parse_ranges(row["codes"]) for row in read_rows("families", system))
