"""Sentences of a clinical note: a regular-expression splitter that knows lists, wrapped lines and abbreviations.

Notes are half prose and half lists. A full stop ends a sentence unless an abbreviation, an initial or an
enumeration owns it; a line break ends one unless the line was merely wrapped.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

__all__ = ["ITEM", "sentences"]

LINE_BREAKS: Final = "\n\r\x0b\x0c\x85\u2028\u2029"
_STOP: Final = re.compile(
    rf"[.!?\u2026{LINE_BREAKS}](?:"  # one character first: quick to look for
    r"(?<=[.!?\u2026])(?<![.!?\u2026].)[.!?\u2026]*[\"'\u2019\u201d)\]}*_]*(?:\s+|$)"  # a sentence's end, perhaps
    rf"|(?<=[{LINE_BREAKS}])\s*"  # the end of a line
    r"|(?<=[a-z]{3}[a-z)]\.)(?=[A-Z][a-z]))"  # a full stop whose space was lost
)
# The first group is never the end of a sentence; the second is when a capital follows.
_NEVER_LAST: Final = frozenset(
    "dr drs mr mrs ms prof st sr jr mt no nos fig figs vs v cf eg ie viz approx ca al resp gen sgt rev hon nr ref refs"
    " chap sec vol pp pg eq inc incl esp i.e e.g".split()
)
_OFTEN_INSIDE: Final = frozenset(
    "etc hx dx tx rx sx fx pt pts ht wt temp neg pos abd ext neuro resp cardiac card msk gi gu dept hosp adm admit"
    " disch dc mg mcg ug g kg ml dl l cc cm mm m hr hrs h min mins sec secs wk wks mo mos yr yrs y/o yo y.o q.d"
    " b.i.d t.i.d q.i.d p.o i.v i.m s.c p.r.n q.h.s h.s a.m p.m bid tid qid qd prn po iv im sq sc tab tabs cap caps"
    " susp inj amp units lt rt bilat r s w c p sp spp var subsp ssp max avg dist prox ant post lat med inf sup mod"
    " sev sig signif jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun ave blvd apt u.s"
    " d.c ph.d m.d d.o r.n soln oz lb lbs in ft freq assoc cont contd hist exam eval incr decr wnl s.p n.p.o".split()
)
ITEM: Final = re.compile(
    r"(?:[-\u2013\u2014*\u2022\u00b7\u25aa\u25cf\u25e6\u2043>#+=|~\u2192]|\[[ xX_]?\]"
    r"|\(?\d{1,3}[.)\]](?!\d)|[a-zA-Z][.)]\s)"
)
_OPEN_END: Final = frozenset(
    "and or nor of with without the a an to for no not in on at by from as is was were are be been has have had his her"
    " its their this that these those due any than then into over under per via including include includes denies"
    " denied reports reported including but which who after before during since until between about than".split()
)
_OPEN_START: Final = frozenset(
    "and or nor of with but which who that in on at by from to for due secondary than".split()
)
_LETTERS: Final = re.compile(r"[a-z]+")
_SHORT_LINE: Final = 22


_KEY: Final = re.compile(r"[A-Za-z][\w/&'()-]*(?: [\w/&'()-]+){0,3}:(?=\s)")


def sentences(text: str, breaks: Sequence[int] = ()) -> list[tuple[int, int]]:
    r"""Cut a note into sentences.

    Args:
        text: the note as it is; any line ends, any script.
        breaks: places in order where a statement begins because the one before is finished: those of its layout.

    Returns:
        Half-open ``(start, end)`` pairs in code points, in order, without overlap, with no white space at either edge.
        Together they hold every character of the note that is not white space.

    >>> note = "Dr. Ames saw him. Temp. 38.5, no\ncough.\n- fever\n- chills"
    >>> [note[start:end] for start, end in sentences(note)]
    ['Dr. Ames saw him.', 'Temp. 38.5, no\ncough.', '- fever', '- chills']
    """
    start = len(text) - len(text.lstrip())
    found: list[tuple[int, int]] = []
    for match in _STOP.finditer(text, start):
        following = match.end()
        if match.start() < start or not _ends(text, start, match.start(), following):
            continue
        end = match.end() if not match[0][-1:].isspace() else match.start() + len(match[0].rstrip())
        while end > start and text[end - 1].isspace():
            end -= 1
        if end > start:
            found.append((start, end))
        start = following
    end = len(text.rstrip())
    if end > start:
        found.append((start, end))
    return _cut(text, found, breaks) if breaks else found


def _cut(text: str, found: Sequence[tuple[int, int]], breaks: Sequence[int]) -> list[tuple[int, int]]:
    """The sentences, those that a statement begins inside cut in two there."""
    out: list[tuple[int, int]] = []
    for start, end in found:
        number = bisect_right(breaks, start)
        while number < len(breaks) and breaks[number] < end:
            before = text[start : breaks[number]].rstrip()
            if before:
                out.append((start, start + len(before)))
            start = breaks[number]
            while start < end and text[start].isspace():
                start += 1
            number += 1
        if start < end:
            out.append((start, end))
    return out


def _ends(text: str, start: int, stop: int, following: int) -> bool:
    """Whether the sentence that began at ``start`` ends at the match ``stop``..``following``."""
    if following >= len(text):
        return True
    first = text[stop]
    if first in LINE_BREAKS:
        return _line_ends(text, start, stop, following)
    if first == "." and not _full_stop_ends(text, start, stop, following):
        gap = text[stop + 1 : following]
        return any(mark in gap for mark in LINE_BREAKS) and _line_ends(text, start, stop + 1, following)
    return True


def _full_stop_ends(text: str, start: int, stop: int, following: int) -> bool:
    """Whether the full stop at ``stop`` ends a sentence, given the word before it and the character after it."""
    before = text[max(start, stop - 24) : stop].split()
    word = before[-1].lower().lstrip("([\"'\u201c\u2018-/") if before else ""
    after = text[following]
    if stop + 1 == following:  # a full stop whose space was lost
        return True
    if word in _NEVER_LAST:
        return False
    if word.isdigit() and stop - len(word) == start:  # "1. Pneumonia"
        return False
    lower = after.islower()
    if word in _OFTEN_INSIDE:
        return not lower and not after.isdigit()
    if len(word) == 1 and word.isalpha():  # "E. coli", "J. Smith", but "hepatitis B. He"
        previous = before[-2].rstrip(".").lower() if len(before) > 1 else ""
        return not lower and previous != "" and previous not in _NEVER_LAST and len(previous) > 1
    return not (lower and "." in word)


def _line_ends(text: str, start: int, stop: int, following: int) -> bool:
    """Whether the line break at ``stop`` ends a sentence, or the line was wrapped and goes on."""
    gap = text[stop:following]
    if sum(gap.count(mark) for mark in LINE_BREAKS) - gap.count("\r\n") > 1:
        return True
    line = text[max(start, stop - 200) : stop].rstrip()
    if not line or line[-1] in ".!?:;" or ITEM.match(text, following):
        return line[-1:] != "." or _full_stop_ends(text, start, stop - 1, following)
    for mark in LINE_BREAKS:
        line = line[line.rfind(mark) + 1 :]
    words = line.rsplit(None, 1)
    if line[-1] == "," or words[-1].lower() in _OPEN_END:
        return False
    head = _LETTERS.match(text, following)
    after = text[following]
    if _KEY.match(text, following):
        return True
    if head and head[0] in _OPEN_START:
        return False
    return not ((after.islower() or after.isdigit() or after in "(/") and len(line) > _SHORT_LINE)
