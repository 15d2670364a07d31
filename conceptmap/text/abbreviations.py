"""Short forms and what they stand for: as the note itself defines them, else from the reviewed list.

The definitions follow A. Schwartz and M. Hearst, "A simple algorithm for identifying abbreviation definitions in
biomedical text", PSB 2003: the characters of the short form are found from right to left in the words before the
bracket.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from conceptmap.text.remembered import Remembered
from conceptmap.text.sections import Section, section_name, sections
from conceptmap.text.words import Words

__all__ = ["Abbreviation", "ShortForms", "definitions"]

_BRACKET = re.compile(r"\(([^()]{1,80})\)")
_CLAUSE_END = re.compile(r"[()\n;]|\.\s")
_SHORT = re.compile(r"^(?=.*[A-Za-z])[A-Za-z0-9][\w/&.+-]{0,9}(?: [\w/&.+-]{1,6})?$")
_SEVERAL = re.compile(r"[^\w']+")
_MOST_REMEMBERED = 100_000
_LAST_WORD = re.compile(r"(\S+)$")
_DRUG_LISTS: Final = frozenset({"medications", "admission medications", "discharge medications"})
_VACCINES: Final = frozenset({"immunizations"})
_DOSE: Final = re.compile(
    r"[ \t]*\(?(?:(?:\d+(?:[.,/]\d+)*[ ]?(?:mg|mcg|\u00b5g|\u03bcg|gm|grams?|units?|u|iu|meq"
    r"|tabs?|caps?|puffs?|packets?)|\d{1,2}(?:\.\d+)?[ ]?g)\b(?![ ]?/[ ]?(?:d?l|ml|g)\b)"
    r"|(?:bid|b\.i\.d|tid|t\.i\.d|qid|qhs|qam|qpm|q\.?[ ]?\d+[ ]?h)\b"
    r"|(?:tab|tablet|cap|capsule|packet|powder|drip|gtt|inhaler|cream|ointment|syrup|suspension)s?\b)",
    re.IGNORECASE,
)
"""A dose, how often, or the form of a drug."""
_ITEM: Final = re.compile(r"(?:\A|[\n;,\u2022|]|:[ \t])[ \t]*(?:[-*\u2022+]|\d{1,2}[.)])?[ \t]*\Z")
_QUALIFIED: Final = re.compile(
    r"(?:\A|[\n;,.\u2022|&]|:|\band)[ \t]*(?:[-*#\u2022+]+|\d{1,2}[.)])?[ \t]*"
    r"(?:(?:acute|chronic|severe|moderate|mild|recurrent|known|hx|h/o|history of|new|left|right|bilateral|L|R|s/p|prior"
    r"|acute on chronic|decompensated|diffuse|knee|hip)[ \t]+){0,3}\Z",
    re.IGNORECASE,
)
_ITEM_END: Final = re.compile(
    r"[ \t]*(?:\Z|[\n;,.|&(]|[-\u2013\u2014](?=\s)|(?:s/p|on|w/|with|and|in|of|at|since|not|no|diagnosed|dx"
    r"|left|right|L|R)\b|(?:19|20)\d\d)"
)
_LONGEST_ITEM: Final = 40
_DIAGNOSES: Final = frozenset(
    "past medical history|diagnosis|discharge diagnosis|admission diagnosis|problem list|assessment|resolved problems"
    "|assessment and plan|postoperative diagnosis|impression|history".split("|")
)
_VALUE: Final = re.compile(r"[ \t]*(?:is|was|of|=|:|<|>|~)?[ \t]*\d(?![.)]\s)")
_RATIO: Final = re.compile(r"[ \t]*:?[ \t]*\d+[ ]?/[ ]?\d")
_COLON: Final = re.compile(r"[ \t]*:")
_VACCINE: Final = re.compile(
    r"[ \t]*(?:#?\d[ ]?)?(?:vaccin\w*|vax\w*|immuni[sz]\w*|shots?|boosters?|given)\b", re.IGNORECASE
)
_BEHIND: Final = {"colon": _COLON, "number": _VALUE, "ratio": _RATIO, "vaccine": _VACCINE}
"""What stands right behind a short form, by the name that the list calls it by."""


@dataclass(frozen=True, slots=True)
class Abbreviation:
    """One entry of the reviewed list.

    Attributes:
        short: the short form, upper and lower case as written in notes.
        long: what it stands for.
        near: words of which one must be in the note for this reading; empty means none is needed. ``next:tenderness``
            asks for the word right behind the short form, ``before:colon`` for the one right before, ``renal+mass``
            for both words anywhere, ``in:list`` for an item of its own in a list of diagnoses.
        unless: what beside the short form tells of something else: ``next:insulin``, the word right behind it,
            ``before:chest`` the one right before, ``colon``, ``number``, ``ratio`` ("4/4") or ``vaccine`` behind it.
    """

    short: str
    long: str
    near: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()

    def fits(self, forms: frozenset[str]) -> bool:
        """Whether a note with these words may mean this reading."""
        return not self.near or any(forms.issuperset(asked.split("+")) for asked in self.near)


def definitions(text: str) -> dict[str, str]:
    """The short forms that ``text`` defines, with their long forms.

    >>> definitions("Chronic obstructive pulmonary disease (COPD) and AKI (acute kidney injury).")
    {'COPD': 'Chronic obstructive pulmonary disease', 'AKI': 'acute kidney injury'}
    """
    found: dict[str, str] = {}
    for match in _BRACKET.finditer(text):
        before = _CLAUSE_END.split(text[max(0, match.start() - 200) : match.start()])[-1].rstrip()
        inside = match[1].strip()
        inside = re.split(r"[;,]\s", inside, maxsplit=1)[0]
        short, long = inside, before
        if len(inside.split()) > 2 or not _is_short(inside):
            last = _LAST_WORD.search(before)
            short, long = (last.group() if last else ""), inside
        if not _is_short(short):
            continue
        full = _long_form(short, long)
        if full:
            found.setdefault(short, full)
    return found


def _is_short(text: str) -> bool:
    return bool(_SHORT.match(text)) and any(c.isupper() for c in text) and not text.isdigit()


def _may_be_short(word: str) -> bool:
    return len(word) <= 10 and not (word.islower() or word.istitle() or word.isdigit())


def _with_decimals(text: str, found: Words, i: int) -> str:
    """The form of a word; of a number with its decimals, which are a word of their own, both: "92" for "9.2"."""
    whole, point = found.form[i], found.end_char[i]
    if whole.isdigit() and text[point : point + 1] == "." and found.start_char[i + 1 : i + 2] == [point + 1]:
        return whole + found.form[i + 1]
    return whole


def _long_form(short: str, before: str) -> str | None:
    """Best long form: the words whose initials ``short`` is, else the shortest tail with its characters in order.

    Where there is none: the words whose initials it has in another order, as in "myotonic dystrophy (DM)".
    """
    letters = [c.lower() for c in short if c.isalnum()]
    initials = before.split()[-len(letters) :]
    if len(letters) > 1 and [word[0].lower() for word in initials] == letters and short not in initials:
        return " ".join(initials)  # "gas gangrene (GG)": both letters stand in "gangrene", too
    most = min(len(letters) + 5, 2 * len(letters))
    tail = " ".join(before.split()[-most:])
    at = len(tail)
    for i in range(len(letters) - 1, -1, -1):
        at -= 1
        while at >= 0 and (tail[at].lower() != letters[i] or (i == 0 and at > 0 and tail[at - 1].isalnum())):
            at -= 1
        if at < 0:
            return _turned(letters, initials)
    full = tail[tail.rfind(" ", 0, at) + 1 :]
    if len(full) <= len(short) or short in full.split() or len(full.split()) > most:
        return None
    return full


def _turned(letters: Sequence[str], words: Sequence[str]) -> str | None:
    """The words, if their initials are the letters in another order."""
    same = len(letters) > 1 and sorted(word[0].lower() for word in words) == sorted(letters)
    return " ".join(words) if same else None


@dataclass(frozen=True)
class ShortForms:
    """The reviewed list, ready to be looked up.

    Attributes:
        reviewed: entries by short form; several readings of one short form are kept in the order of the list.
    """

    reviewed: Mapping[str, tuple[Abbreviation, ...]]

    @classmethod
    def of(cls, entries: Iterable[Abbreviation]) -> ShortForms:
        """Index ``entries`` by short form."""
        by_short: dict[str, tuple[Abbreviation, ...]] = {}
        for entry in entries:
            by_short[entry.short] = (*by_short.get(entry.short, ()), entry)
        return cls(by_short)

    def long_forms(self, text: str, found: Words, parts: Sequence[Section] | None = None) -> dict[int, str]:
        """The long forms of the short forms in a text, by the number of their word; empty for a phrase's later words.

        Args:
            text: the note.
            found: its words.
            parts: its sections, where they are known.
        """
        written = found.written
        there = set(written)
        short = set(filter(self._short.__getitem__, there))
        long = self.readings(text, short, frozenset(found.form))
        places = {i: long.get(word) for i, word in enumerate(written) if word in short}
        for i, full in places.items():
            if i + 1 < len(written):
                places[i] = self.before(written[i], _with_decimals(text, found, i + 1), full)
            places[i] = self.behind(written[i], found.form[i - 1] if i else "", places[i])
        listed = {i: full for i, none in places.items() if none is None and (full := self._usual(written[i]))}
        if listed:
            parts = sections(text) if parts is None else parts
            places |= {i: full for i, full in listed.items() if _is_diagnosis(text, found, i, parts)}
        known = self.those_meant(text, found, {i: full for i, full in places.items() if full is not None}, parts)
        if there.isdisjoint(self._first_words):
            return known
        return known | self.phrases(text, found.start_char, found.end_char, written)

    def readings(self, text: str, short_forms: Iterable[str], forms: frozenset[str]) -> dict[str, str]:
        """Long forms of the given short forms as they are to be read in ``text``.

        Args:
            text: the note.
            short_forms: words of the note, as written.
            forms: normal forms of all words of the note, against which context is checked.
        """
        defined = definitions(text)
        out: dict[str, str] = {}
        for short in short_forms:
            singular = short[:-1] if short.endswith("s") and len(short) > 2 else short
            long = defined.get(short) or defined.get(singular) or self._reviewed(short, forms)
            if long is None and singular != short:
                long = self._reviewed(singular, forms)
            if long is not None:
                out[short] = long
        return out

    def before(self, short: str, following: str, long: str | None) -> str | None:
        """The reading of a short form by the word behind it: "CVA tenderness" is no stroke, "SBP 140" no peritonitis.

        Args:
            short: as written.
            following: normal form of the word behind it.
            long: its reading in this note.
        """
        entries = self.reviewed.get(short, ())
        if len(following) > 1 and following.isdigit() and any(entry.near and entry.long == long for entry in entries):
            return None
        asked = f"next:{following}"
        return next((entry.long for entry in entries if asked in entry.near), long)

    def behind(self, short: str, preceding: str, long: str | None) -> str | None:
        """The reading of a short form by the word before it: "colon ca" is a cancer in any note.

        Args:
            short: as written.
            preceding: normal form of the word before it; empty where there is none.
            long: its reading in this note.
        """
        asked = f"before:{preceding}"
        return next((entry.long for entry in self.reviewed.get(short, ()) if asked in entry.near), long)

    def those_meant(
        self, text: str, found: Words, places: Mapping[int, str], parts: Sequence[Section] | None = None
    ) -> dict[int, str]:
        """The places but those where what stands beside a short form tells of something else.

        A drug list names drugs, so the first word of its items is no disease, nor is anything with a dose behind it
        ("PEG bid", "NPH 20 units"); an immunization is none either.
        """
        parts = sections(text) if parts is None and places else parts or []
        return {
            i: full
            for i, full in places.items()
            if (entry := self._entry(found.written[i], full)) is None
            or not (
                _DOSE.match(text, found.end_char[i])
                or any(_is_beside(asked, text, found, i) for asked in entry.unless - _told(entry, found, i))
                or _is_listed(text, found, i, section_name(parts, found.start_char[i]))
            )
        }

    def _usual(self, short: str) -> str | None:
        """What a short form stands for as an item of a list of diagnoses, where nothing else in the note says it."""
        return next((entry.long for entry in self.reviewed.get(short, ()) if "in:list" in entry.near), None)

    def _entry(self, word: str, long: str) -> Abbreviation | None:
        """The entry that gives a word its reading; None where the note itself defines it."""
        short = word if word in self.reviewed else word.removesuffix("s")
        return next((entry for entry in self.reviewed.get(short, ()) if entry.long == long), None)

    def phrases(self, text: str, starts: Sequence[int], ends: Sequence[int], written: Sequence[str]) -> dict[int, str]:
        """Short forms of several words: the long form at the first of them, nothing at the others.

        Where the long form has a word for each ("N/V": nausea and vomiting) every one gets its own.
        """
        out: dict[int, str] = {}
        first = self._phrases
        for i in [number for number, word in enumerate(written) if word in first]:
            for entry in first[written[i]] if i not in out else ():
                end = starts[i] + len(entry.short)
                stop = bisect_left(ends, end) + 1
                if stop > len(ends) or ends[stop - 1] != end or not text.startswith(entry.short, starts[i]):
                    continue
                parts = [part for part in entry.long.split() if part != "and"]
                if len(parts) != stop - i:
                    parts = [entry.long, *[""] * (stop - i - 1)]
                out |= dict(zip(range(i, stop), parts, strict=True))
                break
        return out

    @cached_property
    def _short(self) -> Remembered[bool]:
        """Whether a word may be a short form."""
        return Remembered(lambda word: word in self.reviewed or _may_be_short(word), most=_MOST_REMEMBERED)

    @cached_property
    def _first_words(self) -> frozenset[str]:
        return frozenset(self._phrases)

    @cached_property
    def _phrases(self) -> dict[str, list[Abbreviation]]:
        """Short forms of several words by the first of them, the longest first."""
        out: dict[str, list[Abbreviation]] = {}
        for entries in self.reviewed.values():
            if len(words := _SEVERAL.split(entries[0].short)) > 1:
                out.setdefault(words[0], []).append(entries[0])
        return {word: sorted(found, key=lambda entry: -len(entry.short)) for word, found in out.items()}

    def _reviewed(self, short: str, forms: frozenset[str]) -> str | None:
        for entry in self.reviewed.get(short, ()):
            if entry.fits(forms):
                return entry.long
        return None


def _told(entry: Abbreviation, found: Words, i: int) -> frozenset[str]:
    """What tells nothing where the word before names the reading: "breast CA 49" is a cancer at that age."""
    named = i > 0 and f"before:{found.form[i - 1]}" in entry.near
    return frozenset({"number"}) if named else frozenset()


def _is_beside(asked: str, text: str, found: Words, i: int) -> bool:
    """Whether what tells of something else stands beside a word."""
    side, _, word = asked.partition(":")
    if not word:
        return _BEHIND[asked].match(text, found.end_char[i]) is not None
    other = i + 1 if side == "next" else i - 1
    return 0 <= other < len(found.form) and found.form[other] == word and found.gap[max(i, other)] < 2


def _is_diagnosis(text: str, found: Words, i: int, parts: Sequence[Section]) -> bool:
    """Whether a word is, but for what qualifies it, an item of a list of diagnoses: "2. severe AS", "PMH: HTN, RA"."""
    start, end = found.start_char[i], found.end_char[i]
    if section_name(parts, start) not in _DIAGNOSES:
        return False
    before = _QUALIFIED.search(text[max(0, start - _LONGEST_ITEM) : start])
    return before is not None and _ITEM_END.match(text, end) is not None


def _is_listed(text: str, found: Words, i: int, section: str | None) -> bool:
    """Whether a word is the name of an item of a drug list, or anything in a list of vaccines."""
    if section in _VACCINES:
        return True
    start, end = found.start_char[i], found.end_char[i]
    return (
        section in _DRUG_LISTS
        and _ITEM.search(text[max(0, start - 8) : start]) is not None
        and text[end : end + 1] != ":"
    )
