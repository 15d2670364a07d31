"""Lexical evidence: the index's own terms, and their usual wordings, found in a text.

A term is a bag of normal forms. Every form has a random 64-bit number and a bag is the sum of its forms' numbers, so
the keys of *all* windows of a note are differences of one running sum, and one sorted look-up finds which of them are
terms. Word order inside a clause is therefore free ("pain in the abdomen", "abdominal pain"); across a comma, a
slash, a line end, "and" or "or" it is not ("abdominal pain, chest tightness" holds no chest pain).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from importlib import resources

import numpy as np
import polars as pl
from numpy.typing import NDArray

from conceptmap.variants import LOOSE, variants
from conceptmap.words import CONJUNCTIONS, FUNCTION_WORDS, Words, words

__all__ = ["LEXICON", "Content", "Hit", "TermMatcher", "build_lexicon", "content_words"]

LEXICON = pl.Schema(
    {
        "key": pl.UInt64,  # bag of forms, organ adjectives and the like already folded
        "loose_key": pl.UInt64,  # the same with looser word classes folded
        "concept": pl.Int32,  # position in the index's concepts frame
        "quality": pl.Int8,
        "n_words": pl.Int8,
        "forms": pl.String,
        "written": pl.String,  # an acronym, which only matches in its own capitals; null for all else
    }
)
"""A row per wording of a term of a concept."""

MAX_WORDS = 12
_MASK = 0xFFFFFFFFFFFFFFFF
_MODIFIERS = frozenset(
    """left right bilateral mild moderate severe small large marked significant slight diffuse progressive intense
    extensive     multiple several recent persistent important evident clear possible probable known new
    associated generalized
    predominant discrete moderately severely mildly slightly""".split()
)
_DISPENSABLE = frozenset(
    """disease disorder syndrome condition state status finding symptom sign type form primary secondary idiopathic
    essential simple common general generalized acute subacute chronic recurrent persistent nontraumatic noninfective
    acquired benign familial hereditary adult juvenile infantile late early stage feeling sensation episode
    attack""".split()
)
_ACRONYM = re.compile(r"(?=(?:[^A-Z]*[A-Z]){2})[A-Za-z0-9][A-Za-z0-9/-]{1,6}")
_NUMERAL_AFTER = frozenset("type stage grade class degree factor".split())
_NUMERALS = {"i": "1", "iv": "4", "v": "5", "vi": "6", "vii": "7", "viii": "8"}


@dataclass(frozen=True, slots=True)
class Hit:
    """A window of words whose bag is a wording of some concepts.

    Attributes:
        start_char: first code point in the text.
        end_char: one past the last.
        n_words: content words in the window.
        entries: rows of the lexicon, best first.
        loose: whether the looser word classes were needed.
    """

    start_char: int
    end_char: int
    n_words: int
    entries: tuple[int, ...]
    loose: bool


@dataclass(slots=True)
class Content:
    """Content words: function words left out, word classes folded, definitions expanded."""

    form: list[str]
    start: list[int]
    end: list[int]
    gap: list[int]
    first: list[bool]  # may a window start here: not inside an expansion
    last: list[bool]

    def add(self, forms: Sequence[str], start: int, end: int, gap: int) -> None:
        """Add the forms that one word, phrase or abbreviation of the text stands for."""
        for i, form in enumerate(forms):
            self.form.append(form)
            self.start.append(start)
            self.end.append(end)
            self.gap.append(gap if i == 0 else 0)
            self.first.append(i == 0)
            self.last.append(i == len(forms) - 1)


@lru_cache(maxsize=1)
def _word_classes() -> tuple[dict[tuple[str, ...], tuple[str, ...]], dict[str, str]]:
    """(tier 1: forms → forms, always folded; tier 2: form → form, folded in the loose key)."""
    always: dict[tuple[str, ...], tuple[str, ...]] = {}
    loose: dict[str, str] = {}
    lines = resources.files("conceptmap").joinpath("data/word_classes.csv").read_text("utf-8").splitlines()
    for row in csv.DictReader(lines):
        source, target = tuple(words(row["variant"]).form), tuple(words(row["canonical"]).form)
        if row["tier"] == "1":
            always[source] = target
        elif len(source) == len(target) == 1:
            loose[source[0]] = target[0]
    for source, target in list(always.items()):
        always[source] = tuple(form for part in target for form in always.get((part,), (part,)))
    return always, loose


def content_words(text: str, expand: Callable[[Words], Mapping[int, Sequence[str]]] | None = None) -> Content:
    """The words of ``text`` that terms are compared by.

    Args:
        text: a note or a term.
        expand: given the words, the positions of abbreviations and the forms of their long forms.
    """
    found = words(text)
    return _content(found, expand(found) if expand else None)


def _content(found: Words, expand: Mapping[int, Sequence[str]] | None) -> Content:
    always, _ = _word_classes()
    out = Content([], [], [], [], [], [])
    form, n, i, gap = found.form, len(found.form), 0, 0
    while i < n:
        gap = max(gap, found.gap[i])
        if expand and i in expand:
            out.add(expand[i], found.start_char[i], found.end_char[i], gap)
            gap, i = 0, i + 1
            continue
        if form[i] in FUNCTION_WORDS and not (form[i] == "a" and i == n - 1 and n > 1):
            gap = max(gap, int(form[i] in CONJUNCTIONS))
            i += 1
            continue
        length, folded = _fold(found, i, always)
        out.add(folded, found.start_char[i], found.end_char[i + length - 1], gap)
        gap, i = 0, i + length
    return out


@lru_cache(maxsize=1)
def _phrase_starts() -> frozenset[str]:
    """First words of the classes' phrases."""
    return frozenset(source[0] for source in _word_classes()[0] if len(source) > 1)


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


@lru_cache(maxsize=500_000)
def _number(form: str) -> int:
    return int.from_bytes(blake2b(form.encode(), digest_size=8).digest(), "little")


@lru_cache(maxsize=500_000)
def _loose_number(form: str) -> int:
    return _number(_word_classes()[1].get(form, form))


def _sum(numbers: Iterable[int]) -> int:
    return sum(numbers) & _MASK


def build_lexicon(
    terms: pl.DataFrame, concept_of: Mapping[str, int], *, stop: frozenset[str], expand_titles: bool
) -> pl.DataFrame:
    """Turn the terms of an ontology into the lexicon that a TermMatcher searches.

    Args:
        terms: columns node, term, kind.
        concept_of: position in the concepts frame by node.
        stop: normalised terms that must never match on their own.
        expand_titles: add the shortened wordings of ``variants`` (for classifications such as ICD-10-CM).

    Returns:
        A frame of schema ``LEXICON``, a row per wording and concept, sorted by key and then best first.
    """
    stop_keys = {_sum(map(_number, content_words(text).form)) for text in stop}
    rows: dict[tuple[int, int], tuple[int, int, int, int, int, str, str | None]] = {}
    for node, term, kind in terms.select("node", "term", "kind").iter_rows():
        concept = concept_of[node]
        curated = kind in ("clinical", "index") or not expand_titles
        for wording, quality in variants(term, curated=curated).items():
            forms = content_words(wording).form
            if not forms or len(forms) > MAX_WORDS or not _tells(forms, wording):
                continue
            key = _sum(map(_number, forms))
            if key in stop_keys or (quality <= LOOSE and len(forms) < 2):
                continue
            known = rows.get((key, concept))
            if known is None or known[3] < quality:
                loose = _sum(map(_loose_number, forms))
                written = wording if _ACRONYM.fullmatch(wording) else None
                rows[key, concept] = (key, loose, concept, quality, len(forms), " ".join(forms), written)
    return pl.DataFrame(list(rows.values()), schema=LEXICON, orient="row").sort(
        ["key", "quality", "concept"], descending=[False, True, False]
    )


def _tells(forms: Sequence[str], wording: str) -> bool:
    """Whether a bag can stand for a concept: numbers and words of one or two letters cannot, acronyms can."""
    return any(len(form) > 2 and not form.isdigit() for form in forms) or bool(_ACRONYM.fullmatch(wording))


@dataclass(frozen=True)
class TermMatcher:
    """Finds the wordings of a lexicon in texts.

    Attributes:
        lexicon: a frame of schema ``LEXICON``, sorted by key.
    """

    lexicon: pl.DataFrame

    @cached_property
    def _keys(self) -> NDArray[np.uint64]:
        return self.lexicon["key"].to_numpy()

    @cached_property
    def _loose(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        keys = self.lexicon["loose_key"].to_numpy()
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    @cached_property
    def _forms(self) -> list[str]:
        return self.lexicon["forms"].to_list()

    @cached_property
    def _written(self) -> dict[int, str]:
        rows = self.lexicon.with_row_index("entry").filter(pl.col("written").is_not_null())
        return dict(rows.select("entry", "written").iter_rows())

    @cached_property
    def _near_keys(self) -> NDArray[np.uint64]:
        """Keys of all wordings of three words and more that lack one word which adds little."""
        long = self.lexicon.filter(pl.col("n_words") >= 3).select("key", form=pl.col("forms").str.split(" "))
        lacking = long.explode("form").filter(pl.col("form").is_in(sorted(_DISPENSABLE)))
        keys, forms = lacking["key"].to_list(), lacking["form"].to_list()
        short = {(key - _number(form)) & _MASK for key, form in zip(keys, forms, strict=True)}
        return np.array(sorted(short), dtype=np.uint64)

    def find_near(self, content: Content) -> list[tuple[int, int]]:
        """Windows that would be a wording with one more word of little meaning ("disease", "chronic").

        They are worth asking the vectors about, and nothing more.
        """
        if not content.form or not len(self._near_keys):
            return []
        window = _Windows.of(content, list(range(len(content.form))))
        found = window.among(self._near_keys, loose=False)
        return [(content.start[i], content.end[j - 1]) for i, j in found if not any(content.gap[i + 1 : j])]

    @cached_property
    def concept(self) -> list[int]:
        """Concept position of each entry."""
        return self.lexicon["concept"].to_list()

    @cached_property
    def quality(self) -> list[int]:
        """Quality of each entry."""
        return self.lexicon["quality"].to_list()

    def find(self, text: str, content: Content | None = None) -> list[Hit]:
        """All windows of ``text`` that are a wording of some concept, overlapping ones included.

        Args:
            text: a note or any other text.
            content: its content words, when already known (with its abbreviations expanded, for one).
        """
        content = content_words(text) if content is None else content
        if not content.form:
            return []
        hits: dict[tuple[int, int], Hit] = {}
        for kept in (None, _MODIFIERS):
            for hit in self._scan(text, content, kept):
                span = hit.start_char, hit.end_char
                if span not in hits or (hits[span].loose and not hit.loose):
                    hits[span] = hit
        return sorted(hits.values(), key=lambda hit: (hit.start_char, -hit.end_char))

    def _scan(self, text: str, content: Content, without: frozenset[str] | None) -> list[Hit]:
        chosen = [i for i, form in enumerate(content.form) if without is None or form not in without]
        if not chosen or (without is not None and len(chosen) == len(content.form)):
            return []
        window = _Windows.of(content, chosen)
        hits = [self._hit(text, content, window, i, j, loose=False) for i, j in window.among(self._keys, loose=False)]
        hits += [
            self._hit(text, content, window, i, j, loose=True) for i, j in window.among(self._loose[0], loose=True)
        ]
        return [hit for hit in hits if hit is not None]

    def _hit(self, text: str, content: Content, window: _Windows, i: int, j: int, *, loose: bool) -> Hit | None:
        key = window.key(i, j, loose=loose)
        keys = self._loose[0] if loose else self._keys
        left, right = np.searchsorted(keys, key, "left"), np.searchsorted(keys, key, "right")
        entries = [int(e) for e in (self._loose[1][left:right] if loose else range(left, right))]
        chosen = window.chosen[i:j]
        if any(content.gap[k] for k in chosen[1:]):
            said = [content.form[k] for k in chosen]
            entries = [e for e in entries if _same_order(said, self._forms[e].split(), loose=loose)]
        if j - i == 1 and self._written:
            said_so = text[content.start[chosen[0]] : content.end[chosen[0]]]
            entries = [e for e in entries if self._written.get(e, said_so) in (said_so, said_so.removesuffix("s"))]
        if not entries:
            return None
        if loose:
            entries.sort(key=lambda e: (-self.quality[e], self.concept[e]))
        return Hit(content.start[chosen[0]], content.end[chosen[-1]], j - i, tuple(entries), loose)


def _same_order(said: Sequence[str], printed: Sequence[str], *, loose: bool) -> bool:
    if not loose:
        return list(said) == list(printed)
    return list(map(_loose_number, said)) == list(map(_loose_number, printed))


@dataclass(frozen=True)
class _Windows:
    chosen: list[int]
    sums: NDArray[np.uint64]  # (n + 1,) running sum of the strict numbers
    loose_sums: NDArray[np.uint64]
    clause: NDArray[np.int64]  # (n,) number of clause ends before each word
    first: NDArray[np.bool_]
    last: NDArray[np.bool_]

    @classmethod
    def of(cls, content: Content, chosen: list[int]) -> _Windows:
        ends = np.cumsum([gap == 2 for gap in content.gap])
        forms = [content.form[i] for i in chosen]
        return cls(
            chosen,
            _running_sum([_number(form) for form in forms]),
            _running_sum([_loose_number(form) for form in forms]),
            ends[chosen],
            np.array(content.first)[chosen],
            np.array(content.last)[chosen],
        )

    def key(self, i: int, j: int, *, loose: bool) -> np.uint64:
        sums = self.loose_sums if loose else self.sums
        return np.uint64((int(sums[j]) - int(sums[i])) & _MASK)

    def among(self, keys: NDArray[np.uint64], *, loose: bool) -> list[tuple[int, int]]:
        """Windows [i, j) whose key is one of the sorted ``keys``."""
        n, sums, out = len(self.chosen), self.loose_sums if loose else self.sums, []
        for length in range(1, min(MAX_WORDS, n) + 1):
            valid = (self.clause[: n - length + 1] == self.clause[length - 1 :]) & self.first[: n - length + 1]
            start = np.flatnonzero(valid & self.last[length - 1 :])
            key = sums[start + length] - sums[start]
            at = np.searchsorted(keys, key)
            at[at == len(keys)] = 0
            out += [(int(i), int(i) + length) for i in start[keys[at] == key]] if len(keys) else []
        return out


def _running_sum(numbers: list[int]) -> NDArray[np.uint64]:
    out = np.zeros(len(numbers) + 1, dtype=np.uint64)
    np.cumsum(np.array(numbers, dtype=np.uint64), out=out[1:])
    return out
