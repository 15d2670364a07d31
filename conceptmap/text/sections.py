"""Sections of a clinical note: headings found, normalised to a small published set, with LOINC codes where they exist.

The set and the labels that lead to it are ``data/section_headings.csv``. A heading of kind ``part`` (an organ system, a
body region) divides a section and keeps its name. The codes are those of the HL7 value set of document sections.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from operator import attrgetter
from typing import Final

from conceptmap.data.tables import read_table
from conceptmap.text.sentences import LINE_BREAKS

__all__ = ["Section", "section_at", "section_name", "section_names", "sections"]


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a note under one heading; all offsets are half-open code points of the note.

    ``start_char`` to ``end_char`` holds heading and body. Without a heading ``heading_start == heading_end ==
    start_char`` and ``heading_text`` is empty. ``name`` is a name of the published set, or ``None`` before the first
    heading; ``loinc`` is its code where one exists.
    """

    start_char: int
    end_char: int
    heading_start: int
    heading_end: int
    heading_text: str
    name: str | None
    loinc: str | None


@dataclass(frozen=True, slots=True)
class _Heading:
    line_start: int
    start: int
    end: int
    text: str
    kind: str  # "section", "part", or "end" for a place where an open section stops without a heading
    name: str | None
    loinc: str | None
    listed: bool = False  # its line is an item of a list


_LINE: Final = re.compile(rf"[^{LINE_BREAKS}]+")
_PREFIX: Final = re.compile(
    r"\s*(?:[#>*_=~|\-\u2013\u2014\u2022\u00b7\u25aa\u25cf\u25e6]+\s*)?(?:\(?(?:\d{1,2}|[IVX]{1,4}|[A-Z])[.)]\s+)?[*_]{0,3}"
)
_SUFFIX: Final = " \t\u00a0*_#=-\u2013\u2014:"
_INLINE: Final = re.compile(r"(?<=[.;!?,])\s{1,3}(?=([A-Z][A-Za-z/&\- ]{1,45}?)\s?:)")
_CAPITALS: Final = re.compile(r"([A-Z][A-Z/&\-]+(?: [A-Z/&\-]+)+)\s+(?=[A-Z][a-z]|\d)")
_SPACED: Final = re.compile(  # "PMH  asthma", "PSH tonsillectomy"
    r"([A-Z][A-Z/&]{1,11}(?: [A-Z]{2,11}){0,2})"
    r"(?: {2,}|\t\s*|(?<=PMH|PSH|FHX|PMX|HPI|ROS) |(?<=MEDS|PMHX) )(?=\S)"
)
_LEADERS: Final = re.compile(
    r"([A-Za-z][A-Za-z/&\- ]{1,45}?)\s*(?:\.{3,}|\u2026|_{3,})\s*(?=\S)"
)  # "Primary dx ..... gout"
_SPACED_BEFORE: Final = re.compile(  # "FH mom breast CA", "SH nonsmoker", "ALL latex (hives)"
    r"(FH) (?=(?i:mom|mother|father|dad|brother|sister|mgm|mgf|pgm|pgf|neg|non-?contrib|no |maternal|paternal|son\b))"
    r"|(SH) (?=(?i:non|never|former|smok|quit|no |lives|denies|works|retired|married|single|\d))"
    r"|(ALL) (?=NKD?A\b|[A-Za-z]+ \((?:hives|rash|itch|anaph|nausea|swell))"
)
_APART: Final = (_SPACED, _CAPITALS, _LEADERS, _SPACED_BEFORE)
"""Headings that something other than a colon sets apart from what stands behind them; the first that fits is taken."""
_BRACKETS: Final = re.compile(r"\s*[(\[][^)\]]{0,40}[)\]]\s*$")
_SPACES: Final = re.compile(r"\s+")
_WORDS: Final = re.compile(r"[A-Za-z][A-Za-z/&,'\u2019\- ]*$")
_LONGEST_LABEL: Final = 64
# An unlisted label whose last word says what it heads: "PAST ONCOLOGIC SURGICAL HISTORY", "Right knee exam:".
_LAST_WORDS: Final = {
    "examination": "physical exam",
    "exam": "physical exam",
    "medications": "medications",
    "meds": "medications",
    "labs": "results",
    "results": "results",
    "studies": "results",
    "diagnoses": "diagnosis",
    "diagnosis": "diagnosis",
    "dx": "diagnosis",
    "course": "hospital course",
    "instructions": "instructions",
    "precautions": "instructions",
    "recommendations": "plan",
    "plan": "plan",
    "impression": "impression",
    "findings": "findings",
    "procedures": "procedures",
    "allergies": "allergies",
}
_LONG_FORMS: Final = {
    "d/c": "discharge", "dc": "discharge", "adm": "admission", "hosp": "hospital", "dx": "diagnosis",
    "dxs": "diagnoses", "dxes": "diagnoses", "hx": "history", "fam": "family", "soc": "social", "med": "medical",
}  # fmt: skip
_WHICH: Final = frozenset("final active relevant pertinent significant known current brief main all interim".split())
_WHEN: Final = re.compile(
    r" (?:(?:(?P<dated>at|on|upon)|during|for|of|from|by|per) )?(?:(?:the|this|current|time of) ){0,3}"
    r"(?P<time>discharge|admission|transfer|stay|hospitali[sz]ation|hospital stay|problems?|systems?)"
    r"(?: to [\w ]{2,20})?$"
)
# Sections that change the meaning of every mention below them must not leak into a paragraph of another kind.
_PROSE_VERBS: Final = frozenset(
    "is was were are has had presented presents showed shows revealed reveals demonstrated underwent reports".split()
)
_KIN: Final = frozenset(
    "mother father brother sister brothers sisters maternal paternal grandmother grandfather".split()
)
_STRONG: Final = frozenset(
    {"family history", "past medical history", "past surgical history", "instructions", "discharge instructions"}
)


def sections(text: str) -> list[Section]:
    r"""Cut a note into sections at its headings.

    Args:
        text: the note as it is.

    Returns:
        Sections in order that tile the note: the first starts at 0, the last ends at its end. A note without headings
        is one section named ``None``; an empty note has none.

    >>> note = "FAMILY HISTORY: Mother had a stroke.\nPlan:\n- aspirin"
    >>> [(part.name, part.loinc, part.heading_text) for part in sections(note)]
    [('family history', '10157-6', 'FAMILY HISTORY'), ('plan', '18776-5', 'Plan')]
    """
    if not text:
        return []
    found: list[Section] = []
    start, heading = 0, _Heading(0, 0, 0, "", "section", None, None)
    for following in _headings(text):
        if following.line_start > start:
            found.append(_section(start, following.line_start, heading))
        start, heading = following.line_start, following
    found.append(_section(start, len(text), heading))
    return found


_START: Final = attrgetter("start_char")


def section_at(found: Sequence[Section], place: int) -> Section | None:
    """The section that a place of the note lies in; ``None`` where there are no sections.

    >>> section_at(sections("PMH: gout"), 6).name
    'past medical history'
    """
    number = bisect_right(found, place, key=_START) - 1
    return found[number] if number >= 0 else None


def section_name(found: Sequence[Section], place: int) -> str | None:
    """Name of the section that a place of the note lies in; None where it has none.

    >>> section_name(sections("PMH: gout"), 6), section_name(sections("gout"), 0)
    ('past medical history', None)
    """
    section = section_at(found, place)
    return section.name if section else None


@cache
def section_names() -> dict[str, str | None]:
    """Every name that ``sections`` gives, with its LOINC code or ``None``.

    >>> section_names()["hospital course"]
    '8648-8'
    """
    return {name: loinc for kind, name, loinc in _labels().values() if name is not None}


def _section(start: int, end: int, heading: _Heading) -> Section:
    return Section(start, end, heading.start, heading.end, heading.text, heading.name, heading.loinc)


def _headings(text: str) -> Iterator[_Heading]:
    """All headings in order, and the places where a strong section ends without one."""
    state = _State()
    previous_end = 0
    for line in _LINE.finditer(text):
        start, end = line.span()
        content = line[0]
        if not content.strip():
            continue
        breaks = text[previous_end:start]
        previous_end = end
        heading = _line_heading(content, start)
        if heading is None and state.ends_before(content, blank=breaks.count("\n") > 1 or breaks.count("\r") > 2):
            heading = _Heading(start, start, start, "", "end", None, None)
        if heading is not None:
            yield state.enter(heading, own_line=text[heading.end : end].strip(_SUFFIX) == "")
        if len(content) > _SHORT_LINE:
            for inline in _inline_headings(content, start, after=heading.end if heading else start):
                yield state.enter(inline, own_line=False)


class _State:
    """Which section is open, and which one holds it: "- Instructions: ..." under PLAN is nested in it."""

    __slots__ = ("inline", "inside", "nested", "outer")

    def __init__(self) -> None:
        self.inside: _Heading | None = None
        self.outer: _Heading | None = None
        self.inline = False
        self.nested = False

    def ends_before(self, content: str, *, blank: bool) -> bool:
        """Whether an open section that changes the meaning of its mentions stops before a line without a heading."""
        if self.inside is None or self.inside.name not in _STRONG:
            return False
        return (self.inline and (blank or _is_prose(content))) or _looks_like_heading(content)

    def enter(self, heading: _Heading, *, own_line: bool) -> _Heading:
        """Open a section; parts and ends take the name of the section that they stand in."""
        if heading.kind == "section":
            self.nested = heading.listed and not own_line and self.outer is not None
            if own_line:
                self.outer = heading
            elif not self.nested:
                self.outer = None
            self.inside, self.inline = heading, not own_line
            return heading
        strong = self.inside is not None and self.inside.name in _STRONG and self.inline
        if self.nested or strong or heading.kind == "end":
            self.inside, self.inline, self.nested = self.outer if self.nested else None, False, False
        name, loinc = (self.inside.name, self.inside.loinc) if self.inside else (None, None)
        return replace(heading, name=name, loinc=loinc)


_SHORT_LINE: Final = 12


def _line_heading(content: str, offset: int) -> _Heading | None:
    """The heading that a line begins with, if any."""
    prefix = _PREFIX.match(content)
    begin = prefix.end() if prefix else 0
    body = content[begin : begin + _LONGEST_LABEL]
    colon = body.find(":")
    if colon > 0:
        return _heading(content, offset, begin, begin + colon, marked=True)
    dash = body.find(" - ")
    if dash > 0:
        return _heading(content, offset, begin, begin + dash, marked=True, listed=True)
    if len(content) - begin <= _LONGEST_LABEL:
        label_end = begin + len(content[begin:].rstrip(_SUFFIX))
        marked = "#" in content[:begin] or "**" in content[:begin]
        alone = _heading(content, offset, begin, label_end, marked=marked)
        if alone is not None:
            return alone
    apart = next((found for way in _APART if (found := way.match(content, begin))), None)
    if apart:
        return _heading(content, offset, begin, apart.end(apart.lastindex or 1), marked=True, listed=True)
    return None


def _heading(content: str, offset: int, begin: int, end: int, *, marked: bool, listed: bool = False) -> _Heading | None:
    """The heading at ``begin``..``end`` of a line, if its label is known.

    Args:
        content: the line.
        offset: where the line starts in the note.
        begin: start of the label in the line.
        end: end of the label in the line.
        marked: a colon, dash or markdown sign marks the label as a heading; without one it stands alone on its line.
        listed: only labels of the published list count.
    """
    label = content[begin:end].rstrip(_SUFFIX)
    if not label or not (label[0].isupper() or (marked and label[0].isalpha())):
        return None
    known = _lookup(label) or (None if listed else _by_last_word(label, marked=marked))
    if known is None or (known[0] == "part" and not marked):
        return None
    kind, name, loinc = known
    stop = begin + len(label)
    while stop < len(content) and content[stop] in _SUFFIX:
        stop += 1
    stop = begin + len(content[begin:stop].rstrip())
    item = content[:begin].strip() not in {"", "#", "##", "###", "####", "**", "*"}
    return _Heading(offset, offset + begin, offset + stop, label, kind, name, loinc, item)


def _inline_headings(content: str, offset: int, *, after: int) -> Iterator[_Heading]:
    """Headings inside a line: after the end of a sentence, capitalised, known, and followed by a colon."""
    if ":" not in content:
        return
    for match in _INLINE.finditer(content, max(after - offset, 0)):
        label = match[1]
        known = _lookup(label)
        if known is not None and len(label) > 1:
            begin = offset + match.end()
            end = content.index(":", match.end() + len(label) - 1) + 1
            yield _Heading(begin, begin, offset + end, label, *known)


def _looks_like_heading(content: str) -> bool:
    """Whether an unknown line is set like a heading: short, all capitals, no full stop."""
    label = content.strip().strip(_SUFFIX)
    return (
        len(label) > 3
        and len(label) < _LONGEST_LABEL
        and label.isupper()
        and label[-1] not in ".,;"
        and ":" not in label
    )


def _is_prose(content: str) -> bool:
    """Whether a line is a statement of its own, and not an item or a wrapped line: a sentence, or "Weight: 51 kg"."""
    words = content.split()
    if not words[0][0].isupper() or not _KIN.isdisjoint(word.strip(":,.").lower() for word in words):
        return False
    return ":" in content[:40] or (len(words) > 6 and not _PROSE_VERBS.isdisjoint(words))


def _lookup(label: str) -> tuple[str, str | None, str | None] | None:
    key = _SPACES.sub(" ", label.lower()).strip()
    labels, bare = _labels(), _BRACKETS.sub("", key)
    return labels.get(key) or labels.get(bare) or labels.get(key.replace("&", "and")) or _varied(bare)


def _varied(key: str) -> tuple[str, str | None, str | None] | None:
    """The section of a listed heading in short forms, or with words that say which or when beside it.

    "Dx at D/C" is "discharge diagnosis", "relevant PMHx" is "PMHx", "diagnoses this admission" are "diagnoses".
    """
    words = [_LONG_FORMS.get(word, word) for word in key.split()]
    while len(words) > 1 and words[0] in _WHICH:
        words = words[1:]
    plain = " ".join(words)
    if plain != key and (found := _labels().get(plain)):
        return found
    when = _WHEN.search(plain)
    if when is None or not when.start():
        return None
    rest, time = plain[: when.start()], when["time"].replace("transfer", "discharge")
    return (_labels().get(f"{time} {rest}") if when["dated"] else None) or _labels().get(rest)


def _by_last_word(label: str, *, marked: bool) -> tuple[str, str | None, str | None] | None:
    """The section of an unlisted label by its last word; only for capitals or a marked label of a few words."""
    words = label.lower().split()
    if not 1 < len(words) < 7 or not _WORDS.match(label) or not (label.isupper() or marked):
        return None
    if len(words) > 3 and not all(word[0].isupper() for word in label.split() if len(word) > 3):
        return None
    if words[0] in {"examination", "auscultation", "palpation"} and words[1] == "of":
        return "part", None, None
    name = _LAST_WORDS.get(words[-1])
    return ("section", name, section_names()[name]) if name else None


@cache
def _labels() -> dict[str, tuple[str, str | None, str | None]]:
    """Heading in lower case → kind, name, LOINC code."""
    rows = read_table("section_headings")
    return {row["heading"]: (row["kind"], row["name"] or None, row["loinc"] or None) for row in rows}
