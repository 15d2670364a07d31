"""The matcher: which windows of content words are wordings of a lexicon, for many texts at once.

A window's key is a difference of one running sum over all texts, so the keys of *all* windows of one length are one
subtraction. A bit for each possible head of a key says at once that most of them are no term; what is left is looked
up in the sorted keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.matching.content import Content, content_words
from conceptmap.matching.lexicon import bag_key, form_key, loose_form_key
from conceptmap.matching.wordings import LOOSE
from conceptmap.text.remembered import Remembered

__all__ = ["Hit", "TermMatcher"]

_HEAD_BITS = 23
_MODIFIERS = frozenset(
    """left right bilateral mild moderate severe small large marked significant slight diffuse progressive intense
    extensive multiple several recent persistent important evident possible probable known new
    associated generalized
    predominant discrete moderately severely mildly slightly cm mm""".split()
)
_DISPENSABLE = frozenset(
    """disease disorder syndrome condition state status finding symptom sign type form primary secondary idiopathic
    essential simple common general generalized acute subacute chronic recurrent persistent nontraumatic noninfective
    acquired benign familial hereditary adult juvenile infantile late early stage feeling sensation episode
    attack""".split()
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A window of words whose bag is a wording of some concepts.

    Attributes:
        start_char: first code point in the text.
        end_char: one past the last.
        n_words: content words in the window.
        entries: rows of the lexicon, best first.
        loose: whether the looser word classes were needed.
        pauses: whether it goes on across a comma, a slash, a bracket or a line end.
    """

    start_char: int
    end_char: int
    n_words: int
    entries: tuple[int, ...]
    loose: bool
    pauses: bool = False


@dataclass(frozen=True)
class _Keys:
    """Sorted keys and the entries of each.

    Attributes:
        distinct: keys in order. *Shape:* (n,).
        edges: where each key's entries start in ``entries``. *Shape:* (n + 1,).
        entries: rows of the lexicon by key.
        heads: whether any key begins with these bits. *Shape:* (2 ** _HEAD_BITS,).
    """

    distinct: NDArray[np.uint64]
    edges: NDArray[np.int64]
    entries: NDArray[np.int64]
    heads: NDArray[np.bool_]

    @classmethod
    def of(cls, keys: NDArray[np.uint64]) -> _Keys:
        order = np.argsort(keys, kind="stable")
        distinct, first = np.unique(keys[order], return_index=True)
        heads = np.zeros(1 << _HEAD_BITS, dtype=np.bool_)
        heads[_head(distinct)] = True
        return cls(distinct, np.append(first, len(keys)), order, heads)

    def places(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which of ``keys`` are known, and where among the distinct ones."""
        maybe = np.flatnonzero(self.heads[_head(keys)])
        if not len(maybe):
            return maybe, maybe
        place = np.searchsorted(self.distinct, keys[maybe])
        place[place == len(self.distinct)] = 0
        known = self.distinct[place] == keys[maybe]
        return maybe[known], place[known]

    def at(self, place: int) -> list[int]:
        """Entries of the key at a place."""
        found: list[int] = self.entries[self.edges[place] : self.edges[place + 1]].tolist()
        return found


def _head(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    return (keys >> np.uint64(64 - _HEAD_BITS)).astype(np.int64)


@dataclass(frozen=True)
class _Passage:
    """The content words of some texts one after the other.

    Attributes:
        form: of each word.
        start: first code point of each word in its text.
        end: one past its last.
        gap: what stands before it, as in ``Words``; 2 before the first of a text.
        first: whether a window may start here.
        last: whether it may end here.
        text: number of the text that each word stands in.
    """

    form: list[str]
    start: list[int]
    end: list[int]
    gap: NDArray[np.int64]
    first: NDArray[np.bool_]
    last: NDArray[np.bool_]
    text: NDArray[np.int64]

    @classmethod
    def of(cls, contents: Sequence[Content]) -> _Passage:
        sizes = [len(content.form) for content in contents]
        gap = np.array(list(chain.from_iterable(content.gap for content in contents)), dtype=np.int64)
        starts = np.cumsum([0, *sizes])[:-1]
        gap[starts[np.array(sizes) > 0]] = 2
        return cls(
            list(chain.from_iterable(content.form for content in contents)),
            list(chain.from_iterable(content.start for content in contents)),
            list(chain.from_iterable(content.end for content in contents)),
            gap,
            np.array(list(chain.from_iterable(content.first for content in contents)), dtype=np.bool_),
            np.array(list(chain.from_iterable(content.last for content in contents)), dtype=np.bool_),
            np.repeat(np.arange(len(contents)), sizes),
        )

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """Key of each word's form."""
        return np.array(list(map(_KEYS.__getitem__, self.form)), dtype=np.uint64)

    @cached_property
    def loose_keys(self) -> NDArray[np.uint64]:
        """Key of each word's looser class."""
        return np.array(list(map(_LOOSE_KEYS.__getitem__, self.form)), dtype=np.uint64)

    @cached_property
    def clause(self) -> NDArray[np.int64]:
        """Number of clause ends up to each word."""
        return np.cumsum(self.gap == 2)

    @cached_property
    def pauses(self) -> NDArray[np.int64]:
        """Number of gaps of any kind up to each word."""
        return np.cumsum(self.gap > 0)


@dataclass(frozen=True)
class _Windows:
    """Windows over chosen words of a passage.

    Attributes:
        passage: the words.
        chosen: positions of those that count.
        longest: most words of a window.
    """

    passage: _Passage
    chosen: NDArray[np.int64]
    longest: int

    def among(self, keys: _Keys, *, loose: bool, interrupted: bool = False) -> Iterator[tuple[int, int, int]]:
        """Windows whose key is known: positions of the first and last word among the chosen, place of the key.

        Args:
            keys: what is looked for.
            loose: whether these are loose keys.
            interrupted: only windows that leave a word of the passage out.
        """
        sums, at = self._loose_sums if loose else self._sums, self.chosen
        clause, first, last = self.passage.clause[at], self.passage.first[at], self.passage.last[at]
        for length in range(1 + interrupted, min(self.longest, len(at)) + 1):
            stop = len(at) - length + 1
            valid = (clause[:stop] == clause[length - 1 :]) & first[:stop] & last[length - 1 :]
            if interrupted:
                valid &= at[length - 1 :] - at[:stop] >= length
            start = np.flatnonzero(valid)
            known, place = keys.places(sums[start + length] - sums[start])
            begins = start[known]
            yield from zip(begins.tolist(), (begins + length - 1).tolist(), place.tolist(), strict=True)

    @cached_property
    def _sums(self) -> NDArray[np.uint64]:
        return _running_sum(self.passage.keys[self.chosen])

    @cached_property
    def _loose_sums(self) -> NDArray[np.uint64]:
        return _running_sum(self.passage.loose_keys[self.chosen])


def _running_sum(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    out = np.zeros(len(numbers) + 1, dtype=np.uint64)
    np.cumsum(numbers, out=out[1:])
    return out


_KEYS = Remembered(form_key, most=500_000)
_LOOSE_KEYS = Remembered(loose_form_key, most=500_000)


@dataclass(frozen=True)
class TermMatcher:
    """Finds the wordings of a lexicon in texts.

    Attributes:
        lexicon: a frame of schema ``LEXICON``, sorted by key.
        loosely: also by the looser word classes. A vocabulary that was reviewed holds the adjectives that it needs.
    """

    lexicon: pl.DataFrame
    loosely: bool = True

    @cached_property
    def remembered(self) -> dict[tuple[tuple[int, ...], bool, object], Any]:
        """What ``mentions`` made of entries: the same terms stand in many notes."""
        return {}

    @cached_property
    def concept(self) -> list[int]:
        """Concept position of each entry."""
        return self.lexicon["concept"].to_list()

    @cached_property
    def quality(self) -> list[int]:
        """Quality of each entry."""
        return self.lexicon["quality"].to_list()

    @cached_property
    def _longest(self) -> int:
        """Words of the longest wording."""
        return int(self.lexicon["n_words"].max() or 0)  # type: ignore[arg-type]

    @cached_property
    def _strict(self) -> _Keys:
        return _Keys.of(self.lexicon["key"].to_numpy())

    @cached_property
    def _loose(self) -> _Keys:
        return _Keys.of(self.lexicon["loose_key"].to_numpy())

    @cached_property
    def forms(self) -> list[str]:
        """Forms of each entry, with blanks between them."""
        return self.lexicon["forms"].to_list()

    @cached_property
    def _written(self) -> dict[int, str]:
        rows = self.lexicon.with_row_index("entry").filter(pl.col("written").is_not_null())
        return dict(rows.select("entry", "written").iter_rows())

    @cached_property
    def _near(self) -> _Keys:
        """Keys of all wordings of three words and more that lack one word which adds little."""
        long = self.lexicon.filter(pl.col("n_words") >= 3).select("key", form=pl.col("forms").str.split(" "))
        lacking = long.explode("form").filter(pl.col("form").is_in(sorted(_DISPENSABLE)))
        keys, forms = lacking["key"].to_list(), lacking["form"].to_list()
        short = {bag_key((key, -form_key(form))) for key, form in zip(keys, forms, strict=True)}
        return _Keys.of(np.array(sorted(short), dtype=np.uint64))

    def find(self, text: str, content: Content | None = None) -> list[Hit]:
        """All windows of ``text`` that are a wording of some concept, overlapping ones included.

        Args:
            text: a note or any other text.
            content: its content words, when already known (with its abbreviations expanded, for one).
        """
        return self.find_all([text], [content_words(text) if content is None else content])[0]

    def find_all(self, texts: Sequence[str], contents: Sequence[Content]) -> list[list[Hit]]:
        """``find`` for many texts, which costs less than one after the other."""
        passage = _Passage.of(contents)
        hits: list[dict[tuple[int, int], Hit]] = [{} for _ in texts]
        everything = np.arange(len(passage.form))
        bare = np.flatnonzero(~np.array(list(map(_IS_MODIFIER.__getitem__, passage.form)), dtype=np.bool_))
        for chosen in (everything, bare):
            window = _Windows(passage, chosen, self._longest)
            for loose in (False, True) if self.loosely else (False,):
                keys = self._loose if loose else self._strict
                for i, j, place in window.among(keys, loose=loose, interrupted=chosen is bare):
                    text = int(passage.text[chosen[i]])
                    span = passage.start[chosen[i]], passage.end[chosen[j]]
                    known = hits[text].get(span)
                    if known is not None and (loose or not known.loose):
                        continue
                    if entries := self._entries(texts[text], passage, chosen[i : j + 1], keys.at(place), loose=loose):
                        pauses = bool(passage.pauses[chosen[i]] < passage.pauses[chosen[j]])
                        hits[text][span] = Hit(*span, j - i + 1, tuple(entries), loose, pauses)
        return [sorted(found.values(), key=lambda hit: (hit.start_char, -hit.end_char)) for found in hits]

    def wordings(self, bags: Sequence[Sequence[str]]) -> list[list[int]]:
        """Entries of which each bag of forms is a wording, best first; those shortened too far are left out."""
        out: list[list[int]] = [[] for _ in bags]
        keys = np.array([bag_key(map(form_key, bag)) for bag in bags], dtype=np.uint64)
        for i, place in zip(*(found.tolist() for found in self._strict.places(keys)), strict=True):
            out[i] = [entry for entry in self._strict.at(place) if self.quality[entry] > LOOSE]
        return out

    def find_near(self, contents: Sequence[Content]) -> list[list[tuple[int, int]]]:
        """Windows of each text that would be a wording with one more word of little meaning ("disease", "chronic").

        They are worth asking the vectors about, and nothing more.
        """
        passage = _Passage.of(contents)
        out: list[list[tuple[int, int]]] = [[] for _ in contents]
        for i, j, _ in _Windows(passage, np.arange(len(passage.form)), self._longest).among(self._near, loose=False):
            if passage.pauses[i] == passage.pauses[j]:
                out[int(passage.text[i])].append((passage.start[i], passage.end[j]))
        return out

    def _entries(
        self, text: str, passage: _Passage, chosen: NDArray[np.int64], entries: list[int], *, loose: bool
    ) -> list[int]:
        """Those of the entries of a window's key that are really written there, best first."""
        if len(chosen) > 1 and passage.gap[chosen[1:]].any():
            said = [passage.form[k] for k in chosen]
            entries = [e for e in entries if _same_order(said, self.forms[e].split(), loose=loose)]
        if len(chosen) == 1 and self._written:
            written = text[passage.start[chosen[0]] : passage.end[chosen[0]]]
            entries = [e for e in entries if self._written.get(e, written) in (written, written.removesuffix("s"))]
        if loose:
            entries.sort(key=lambda e: (-self.quality[e], self.concept[e]))
        return entries


def _is_modifier(form: str) -> bool:
    """Whether a word may stand inside a term that does not have it: "loss of 12 kg", "mass of 5 cm in the kidney"."""
    return form in _MODIFIERS or form.isdigit()


_IS_MODIFIER = Remembered(_is_modifier, most=500_000)


def _same_order(said: Sequence[str], printed: Sequence[str], *, loose: bool) -> bool:
    if not loose:
        return list(said) == list(printed)
    return list(map(loose_form_key, said)) == list(map(loose_form_key, printed))
