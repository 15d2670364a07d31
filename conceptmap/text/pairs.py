"""Questions with their answers in a line: "Fever: no", "Cough? Yes", "Asthma .... NO", "Gout (inactive)", "+SOB"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from conceptmap.text.answers import answer_words

__all__ = [
    "Answered",
    "bare",
    "bracketed",
    "marks_of_pairs",
    "named_lists",
    "pairs",
    "questions",
    "short_pairs",
    "signs",
]


class Answered(NamedTuple):
    """Half-open stretches of a note: what is asked, and the answer to it; ``said`` is one of ``ANSWERS``."""

    start: int
    end: int
    said: str
    said_start: int
    said_end: int


_LONGEST: Final = 120
_ANSWERERS: Final = frozenset({"a", "ans", "answer", "r", "response", "pt", "patient"})
_BULLET: Final = re.compile(
    r"\s*(?:(?:[-\u2013\u2014*\u2022\u00b7\u25aa\u25cf\u25e6>#~]+|\(?\d{1,3}[.)\]]|[a-zA-Z][.)])\s+)*"
)
_STOP: Final = re.compile(r"[.!?;|\t](?=\s)|[:;|\t\n]|\s{3,}")
_ITEM_STOP: Final = re.compile(r"[.!?](?=\s)|[,:;|\t\n()\[\]]|\s(?:and|but|or)\s")
_TAIL: Final = (
    r"(?=\s*(?:\Z|[.,;:!)\]}>/\n|\t]|[-\u2013\u2014(]|\s{2})"
    r"|\s+(?:today|yesterday|currently|now|at|on|in|since|x\s?\d+|\u00d7\s?\d*|\d[\d/.]*|as|per|when|after|but|prior|"
    r"by|this|last|and)\b(?!\s*[:?=])"
    r"|\s+(?:reported|noted|known|seen|found)\s*(?:[.,;]|\Z|\n)"
    r"|\s+[A-Za-z][\w /()'-]{1,40}?\s?[:?=]\s?(?:\S|\Z))"
)
_SEPARATOR: Final = (
    r"(?:[:=]\s*(?:[-\u2013\u2014:]\s*)?|[ ][-\u2013\u2014]{1,2}>?\s*|\.{3,}\s*|_{3,}\s*|\u2026+\s*|\t\s*|[ ]{2,}"
    r"|\|\s*)"
)
_QUESTION: Final = (
    r"\?[ \t]*(?:\r?\n[ \t]*)?(?:[-\u2013\u2014:>]+\s*|(?:A|Ans|Answer|Pt|Patient|Response|R)\s*[:.]\s*)?"
)


_IN_BRACKET: Final = (
    r"(?:\s*(?:[,;.:\d\u00d7][^()\[\]{}<>\n]{0,40}|(?:since|in|on|as|at|per|by|today|now|x\d)\b[^()\[\]{}<>\n]{0,40})?)"
)


@cache
def _answer() -> str:
    """A pattern for any answer, the longest first."""
    words = sorted(answer_words(), key=len, reverse=True)
    plain = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words if len(word) > 1 and word[0].isalnum())
    return rf"(?P<said>\b(?:{plain})\b|(?-i:\b[YN]\b)|(?:\b[yn]\b(?=\s*(?:\Z|\n)))|\b0\b(?=\s*(?:\Z|\n))|\u00f8)"


@cache
def _pair() -> re.Pattern[str]:
    return re.compile(rf"(?P<mark>{_SEPARATOR}){_answer()}{_TAIL}", re.IGNORECASE)


@cache
def _asked() -> re.Pattern[str]:
    return re.compile(rf"(?P<mark>{_QUESTION}){_answer()}{_TAIL}", re.IGNORECASE)


@cache
def _comma() -> re.Pattern[str]:
    """A comma between finding and answer, as a whole line or between semicolons: "Gout, active"."""
    strong = "yes|no|y|n|positive|negative|present|absent|active|inactive|resolved|remote|denies|denied"
    return re.compile(rf"(?P<mark>\s*[,;]\s*)(?P<said>\b(?:{strong}))\s*(?=\.?\s*(?:\Z|\n|;))", re.IGNORECASE)


@cache
def _bare() -> re.Pattern[str]:
    """A line of a few words whose last one answers: "Wheezing none"."""
    return re.compile(
        r"(?P<asked>[A-Za-z][\w/-]*(?: [\w/-]+){0,2})(?<!\bnot)(?<!\bno)(?<!\bis) "
        r"(?P<said>none|absent|present|negative|neg|positive|pos|no|yes|denied|denies|resolved|inactive)\s*\.?\s*\Z",
        re.IGNORECASE,
    )


@cache
def _bracket() -> re.Pattern[str]:
    words = sorted(
        (word for word, said in answer_words().items() if len(word) > 1 and word[0].isalpha()), key=len, reverse=True
    )
    plain = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words)
    return re.compile(rf"\s*[(\[{{<]\s*(?P<said>{plain}|[yn])\b{_IN_BRACKET}[)\]}}>]", re.IGNORECASE)


def pairs(text: str, start: int, end: int) -> Iterator[Answered]:
    """The pairs of a line ``text[start:end]``, left to right."""
    opening = _BULLET.match(text, start, end)
    begin = floor = opening.end() if opening else start
    for match in _matches(text, begin, end):
        first = _key_start(text, floor, match.start(), _STOP)
        if _is_key(text, first, match.start("mark")) and not _goes_on(text, match, end):
            yield Answered(first, match.start("mark"), _said(match["said"]), *match.span("said"))
            floor = match.end()
    if floor == begin and (found := bare(text, begin, end)):
        yield from found
    elif floor == begin:
        for match in _comma().finditer(text, begin, end):
            first = _key_start(text, floor, match.start(), _STOP)
            if "," not in text[first : match.start()] and _is_key(text, first, match.start()):
                yield Answered(first, match.start(), _said(match["said"]), *match.span("said"))
                floor = match.end()


_MAYBE: Final = re.compile(  # the separators, one character first: quick to look for
    r"[ :=.\t|_\u2026](?:(?<= )(?:[-\u2013\u2014]{1,2}>?\s*|[ ]+)|(?<=[:=])\s*(?:[-\u2013\u2014:]\s*)?"
    r"|(?<=\.)\.{2,}\s*|(?<=_)_{2,}\s*|(?<=\u2026)\u2026*\s*|(?<=[\t|])\s*)(?P<word>[^\W_]+)"
)


def _matches(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """Separators with an answer behind them, left to right."""
    first_words, pair = _first_words(), _pair()
    at = start
    while (maybe := _MAYBE.search(text, at, end)) is not None:
        at = maybe.start("word")
        if maybe["word"].lower() in first_words and (match := pair.match(text, maybe.start(), end)) is not None:
            yield match
            at = match.end()


_MARK: Final = re.compile(r"[:=|\t\u2026)(\[{<,;][ \-\u2013\u2014:>]*([^\W_]+)")
_BLANK_MARK: Final = re.compile(r"[ ._](?:(?<= )[ \-\u2013\u2014]|(?<=\.)\.|(?<=_)_)[ \-\u2013\u2014:>]*([^\W_]+)")
_BLANK_MARKS: Final = ("  ", "..", "__", " -", " \u2013", " \u2014")
_SIGN_MARK: Final = re.compile(r"[+\-\u2013](?:(?<=\+)|(?<=[\s,;:(/].)(?=[A-Za-z])|(?=[ ]?[,;])|(?<=\A.)(?=[A-Za-z]))")


def marks_of_pairs(text: str) -> Iterator[int]:
    """Places of what a line must hold to be looked through: a mark before an answer's first word, or a sign."""
    first_words = _first_words()
    blanks = any(mark in text for mark in _BLANK_MARKS)
    for pattern in (_MARK, _BLANK_MARK) if blanks else (_MARK,):
        for match in pattern.finditer(text):
            if match[1].lower() in first_words:
                yield match.start()
    for match in _SIGN_MARK.finditer(text):
        yield match.start()


_SHORT: Final = re.compile(
    r"\n(?!.{50}.*\w).{1,40}[ ]"
    r"(?:none|absent|present|neg|pos|no|yes|denie[sd]|resolved|inactive|(?:nega|posi)tive)\W*$",
    re.IGNORECASE | re.MULTILINE,
)


def short_pairs(text: str) -> Iterator[int]:
    """Starts of the lines of a few words whose last one may answer."""
    for match in _SHORT.finditer("\n" + text):
        yield match.start()


@cache
def _first_words() -> frozenset[str]:
    return frozenset(re.split(r"[\W_]", word)[0] for word in answer_words()) | {"\u00f8"}


def bare(text: str, start: int, end: int) -> list[Answered]:
    """The pair that a line of a few words is without any mark: "Wheezing none"."""
    opening = _BULLET.match(text, start, end)
    begin = opening.end() if opening else start
    match = _bare().match(text, begin, end)
    return [Answered(begin, match.end("asked"), _said(match["said"]), *match.span("said"))] if match else []


def questions(text: str) -> Iterator[Answered]:
    """Questions that end in their mark, with the answer behind it or on the next line."""
    if "?" not in text:
        return
    floor = 0
    for match in _asked().finditer(text):
        line = max(text.rfind("\n", 0, match.start()) + 1, floor)
        opening = _BULLET.match(text, line, match.start())
        first = _key_start(text, opening.end() if opening else line, match.start(), _STOP)
        if _is_key(text, first, match.start()):
            yield Answered(first, match.start(), _said(match["said"]), *match.span("said"))
            floor = match.end()


def bracketed(text: str, start: int, end: int) -> Iterator[Answered]:
    """Answers in brackets behind an item of a line: "pneumonia (resolved), gout (active)"."""
    floor = start
    at = start
    while (maybe := _OPENED.search(text, at, end)) is not None:
        before, at = text[at : maybe.start()], maybe.end()
        if maybe[1].lower() not in _first_words():
            continue
        blanks = len(before) - len(before.rstrip())
        match = _bracket().match(text, maybe.start() - blanks, end)
        if match is None:
            continue
        at = match.end()
        first = _key_start(text, floor, match.start(), _ITEM_STOP)
        if _is_key(text, first, match.start()):
            yield Answered(first, match.start(), _said(match["said"]), *match.span("said"))
            floor = match.end()


_OPENED: Final = re.compile(r"[(\[{<]\s*([^\W_]+)")
_LIST_HEAD: Final = (
    r"(?P<said>inactive|resolved|past|former|remote|entered in error"
    r"|negatives?|neg|absent|pertinent negatives?|not present)"
    r"(?: (?:problems?|diagnos[ie]s|conditions?|issues|symptoms|findings|illness(?:es)?))?"
    r"\s*(?:[:=]|\s-\s)\s*(?=[A-Za-z])"
)
_LISTED: Final = re.compile(rf"(?:^[ \t*\u2022-]{{0,4}}|[.;] ){_LIST_HEAD}", re.IGNORECASE | re.MULTILINE)
_MAYBE_LISTED: Final = re.compile(rf"[\n.;](?:(?<=\n)[ \t*\u2022-]{{0,4}}|(?<=[.;]) ){_LIST_HEAD}", re.IGNORECASE)
_LISTS: Final = dict.fromkeys(("inactive", "resolved", "past", "former", "remote"), "past") | {
    "entered in error": "error"
}
_LIST_END: Final = re.compile(r"\n|\.\s|\b(?:positives?|pos|active|present)\b\s*:", re.IGNORECASE)


def named_lists(text: str) -> Iterator[Answered]:
    """Lists under the answer that all of their items share: "Resolved: pneumonia, rash"."""
    if not _MAYBE_LISTED.search("\n" + text):  # the same, quick to look for
        return
    for match in _LISTED.finditer(text):
        stop = _LIST_END.search(text, match.end())
        said = _LISTS.get(match["said"].lower(), "no")
        yield Answered(match.end(), stop.start() if stop else len(text), said, *match.span("said"))


_SIGN: Final = re.compile(r"(?:(?<=[\s,;:(/])|(?<=^))[+\-\u2013](?=[A-Za-z])|(?<=[,;:] )[+\-\u2013]\s(?=[A-Za-z])")
_BEHIND: Final = re.compile(r"(?<=[A-Za-z)])\s?[+\-\u2013]{1,2}(?=\s*(?:[,;]|\.?\s*\Z|\.\s|\n))")
_SIGNED_END: Final = re.compile(r"[,;\n]|\.\s|\s-\s")


def signs(text: str, start: int, end: int) -> list[Answered]:
    """Findings with a plus or a minus before or behind them; empty where such marks are bullets, dashes or hyphens."""
    before = list(_SIGN.finditer(text, start, end))
    lead = text[start:end].lstrip()[:1]
    inner = [match for match in before if text[start : match.start()].strip()]
    if before and (len(before) > 1 or text[before[0].start()] == "+") and (inner or lead == "+"):
        return list(_signed(text, before, end))
    behind = list(_BEHIND.finditer(text, start, end))
    if len(behind) > 1 or any("+" in match[0] for match in behind):
        return list(_signed_behind(text, behind, start))
    return []


def _signed(text: str, found: list[re.Match[str]], end: int) -> Iterator[Answered]:
    for number, match in enumerate(found):
        limit = found[number + 1].start() if number + 1 < len(found) else end
        stop = _SIGNED_END.search(text, match.end(), limit)
        last = stop.start() if stop else limit
        if last > match.end():
            yield Answered(match.end(), last, "yes" if "+" in match[0] else "no", *match.span())


def _signed_behind(text: str, found: list[re.Match[str]], start: int) -> Iterator[Answered]:
    for match in found:
        first = _key_start(text, start, match.start(), _ITEM_STOP)
        if first < match.start():
            yield Answered(first, match.start(), "yes" if "+" in match[0] else "no", *match.span())
        start = match.end()


def _said(written: str) -> str:
    return answer_words()[" ".join(written.lower().split())]


def _key_start(text: str, floor: int, end: int, stop: re.Pattern[str]) -> int:
    """Where what is asked begins: behind the last stop before its end."""
    first = floor
    for match in stop.finditer(text, max(floor, end - _LONGEST), end):
        first = match.end()
    while first < end and (text[first].isspace() or text[first] in ",;.|"):
        first += 1
    return first


def _is_key(text: str, start: int, end: int) -> bool:
    asked = text[start:end].strip()
    return 0 < len(asked) <= _LONGEST and any(map(str.isalpha, asked)) and asked.lower() not in _ANSWERERS


def _goes_on(text: str, match: re.Match[str], end: int) -> bool:
    """Whether a mere blank or dash stands before a word that only opens a statement: "seen today  no change"."""
    weak = not match["mark"].strip() or match["mark"].strip()[0] in "-\u2013\u2014"
    return weak and text[match.end() : end].lstrip()[:1].isalpha() and "\t" not in match["mark"]
