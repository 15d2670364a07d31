"""Neoplasms by organ and behaviour: metastases of a list of organs, and what a biopsy of an organ showed.

"Metastases to the liver, lung and bone" are three secondary neoplasms, and "biopsy of the sigmoid mass: adenocarcinoma"
is a primary one of the sigmoid, though its name says no organ; a metastatic one is secondary in the organ that was
biopsied (Neoplasm chapter, guideline I.C.2). The organs and their codes are ``data/neoplasm_sites_<system>.csv``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from conceptmap.data.tables import read_rows
from conceptmap.matching.mentions import Candidate, Mention
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import all_of

__all__ = ["with_neoplasms"]

_STRENGTH: Final = 0.9
_METASTASES: Final = re.compile(r"\b(?:metasta(?:s[ei]s|tic|tases)|mets?)\b", re.IGNORECASE)
_TO: Final = re.compile(
    r"(?:(?: (?:disease|spread|lesions?|deposits?|implants?))? (?:to|in|within|involving|of)"
    r"|(?: [\w-]+){0,2}? (?:cancer|carcinoma|adenocarcinoma|melanoma|sarcoma) (?:to|involving))"
    r" (?:(?:the|her|his|both|multiple|right|left|bilateral) )*",
    re.IGNORECASE,
)
_GLUE: Final = re.compile(
    r"(?:\s*(?:,|/|&)\s*|\s+(?:and|as well as|plus)\s+|,\s*and\s+)"
    r"(?:(?:to|in|the|her|his|both|multiple|right|left|bilateral|possibly) )*",
    re.IGNORECASE,
)
_OF_PRIMARY: Final = re.compile(r"[^.;\n]{0,30}? (?:of|from) ", re.IGNORECASE)
_IS_PRIMARY: Final = re.compile(r" (?:cancer|carcinoma|adenocarcinoma|melanoma|sarcoma|ca|primary)\b", re.IGNORECASE)
"""Metastases "of breast cancer" are of a primary, and not in it."""
_OPEN: Final = frozenset({"C80.1", "C79.9", "C80.0", "D48.9", "D49.9"})
"""Neoplasms of no organ."""
_MISREAD: Final = parse_ranges("C00-C76 C79.9 C80 D49")
"""What a list of organs gives where each is read by itself."""
_SHOWED: Final = re.compile(
    r"[^.\n]{0,40}?(?:\b(?:show\w*|reveal\w*|demonstrat\w*|confirm\w*|consistent with|positive for|return\w*|c/w"
    r"|grew|was|is|came back|found|biopsy|bx|path)\b|[:=])[^.;\n]{0,40}\Z",
    re.IGNORECASE,
)
_SAMPLED: Final = re.compile(
    r"\b(?:biops\w+|bx|patholog\w+|path|cytolog\w+|FNA|needle aspirat\w+|resect\w+|specimen|brushings?|mass|lesion"
    r"|nodule|tumou?r|polyp|ulcer|histolog\w+|excis\w+)\b",
    re.IGNORECASE,
)
_OF: Final = re.compile(r"(?:,| (?:of|in|arising (?:from|in))) (?:the )?", re.IGNORECASE)
_IS_SECONDARY: Final = re.compile(r"\bmetasta\w+\b", re.IGNORECASE)
_AROUND: Final = 110


def with_neoplasms(text: str, known: Sequence[Mention], book: CodeBook) -> list[Mention]:
    """The mentions of a note with its neoplasms by organ, in reading order.

    Args:
        text: the note.
        known: its mentions so far; what a list or a biopsy says better gives way to it.
        book: of the index; systems without a table of sites give none.
    """
    if not _sites(book.system):
        return list(known)
    found = [*_listed(text, book), *_before(text, book), *(m for one in known for m in _primary(one, text, book))]
    sampled = [m for mention in known for m in _of_organ(mention, text, book)]
    if not found and not sampled:
        return list(known)
    replaced = {(m.start_char, m.end_char) for m in sampled}
    kept = [m for m in known if (m.start_char, m.end_char) not in replaced and not _said_by(m, found, book)]
    taken = {(m.start_char, m.end_char) for m in kept}
    more = {(m.start_char, m.end_char): m for m in (*sampled, *found) if (m.start_char, m.end_char) not in taken}
    return sorted([*kept, *more.values()], key=lambda m: (m.start_char, m.end_char))


def _said_by(mention: Mention, found: Sequence[Mention], book: CodeBook) -> bool:
    code = book.codes[book.default(mention.candidates[0].concept)]
    same = any(m.start_char < mention.end_char and mention.start_char < m.end_char for m in found)
    return same and within(code, _MISREAD)


def _listed(text: str, book: CodeBook) -> Iterator[Mention]:
    """Metastases to each organ of a list behind them."""
    for match in all_of(_METASTASES, text):
        to = _TO.match(text, match.end())
        place = to.end() if to else -1
        while place >= 0:
            organ = _organ(text, place, book.system)
            if organ is None:
                break
            end, _, secondary = organ
            if _OF_PRIMARY.match(text, to.start() if to else 0) and _IS_PRIMARY.match(text, end):
                break
            yield from _mention(place, end, secondary, book)
            glue = _GLUE.match(text, end)
            place = glue.end() if glue else -1


def _before(text: str, book: CodeBook) -> Iterator[Mention]:
    """Metastases of each organ of a list before them: "liver and bone metastases"."""
    for match in all_of(_METASTASES, text):
        end = match.start() - 1
        while end > 0:
            organ = _organ_before(text, end, book.system)
            if organ is None:
                break
            start, secondary = organ
            yield from _mention(start, end, secondary, book)
            glue = _GLUE_BEFORE.search(text, max(0, start - 8), start)
            end = glue.start() if glue else -1


_GLUE_BEFORE: Final = re.compile(r"(?:,| and|,? &)\s\Z", re.IGNORECASE)


def _primary(mention: Mention, text: str, book: CodeBook) -> Iterator[Mention]:
    """The cancer of the organ before a name of metastases that holds its noun: "colon [cancer with metastases]"."""
    noun = _NOUN.match(text, mention.start_char)
    whole = noun is not None and noun.end(1) <= mention.end_char
    organ = _organ_before(text, mention.start_char - 1, book.system, primary=True) if whole else None
    if noun and organ is not None:
        yield from _mention(organ[0], noun.end(1), organ[1], book)


_NOUN: Final = re.compile(
    r"(cancer|carcinoma|adenocarcinoma|malignancy|tumou?r|ca)\b"
    r"(?=,? (?:with|and|w/) ?(?:[\w/-]+,? ){0,5}?(?:metast|mets?\b))",
    re.IGNORECASE,
)


def _of_organ(mention: Mention, text: str, book: CodeBook) -> Iterator[Mention]:
    """A neoplasm without an organ with the one that was biopsied in its sentence, or that it is "of"."""
    if book.codes[book.default(mention.candidates[0].concept)] not in _OPEN:
        return
    start, end = mention.start_char, mention.end_char
    of = _OF.match(text, end)
    organ = _organ(text, of.end(), book.system) if of else None
    if organ is not None:
        yield from _mention(start, end, organ[1], book)
        return
    begin = max(text.rfind("\n", 0, start), text.rfind(". ", 0, start), start - _AROUND) + 1
    code = _sampled(text[begin:start], book, secondary=bool(_IS_SECONDARY.search(text, max(0, start - 14), end)))
    yield from _mention(start, end, code, book)


def _sampled(before: str, book: CodeBook, *, secondary: bool) -> str:
    """The code of the last organ before a neoplasm, in words that tell of its biopsy or mass and what that showed."""
    if not _SAMPLED.search(before):
        return ""
    for match in reversed(list(_any_site(book.system).finditer(before))):
        organ = _organ(before, match.start(), book.system)
        if organ is not None and _SHOWED.match(before, match.end()):
            code = organ[2] if secondary else organ[1]
            side = _SIDE.search(before[: match.start()])
            concept = book.position_of_code.get(code)
            sided = book.variant(concept, side[1].lower()) if side and concept is not None else None
            return code if sided is None else book.codes[sided]
    return ""


_SIDE: Final = re.compile(r"\b(left|right)\s\Z", re.IGNORECASE)


def _organ(text: str, place: int, system: str) -> tuple[int, str, str] | None:
    """Where an organ that stands at a place ends, and its primary and secondary codes; the longest of them."""
    if not _any_site(system).match(text, place):
        return None
    fits = [(m.end(), p, s) for words, _, p, s in _sites(system) if (m := words.match(text, place))]
    return max(fits, default=None)


def _organ_before(text: str, end: int, system: str, *, primary: bool = False) -> tuple[int, str] | None:
    """Where an organ that ends at a place begins, and its secondary code, or its primary one."""
    before = text[max(0, end - 32) : end]
    if not _ends_with_site(system).search(before):
        return None
    sites = ((words, first if primary else second) for _, words, first, second in _sites(system))
    fits = [(len(m[0]), code) for words, code in sites if code and (m := words.search(before))]
    longest = max(fits, default=None)
    return None if longest is None else (end - longest[0], longest[1])


def _mention(start: int, end: int, code: str, book: CodeBook) -> Iterator[Mention]:
    concept = book.position_of_code.get(code)
    if concept is not None:
        yield Mention(start, end, (Candidate(concept, 1.0, _STRENGTH, "lexical"),))


_Site = tuple[re.Pattern[str], re.Pattern[str], str, str]


@cache
def _sites(system: str) -> tuple[_Site, ...]:
    return tuple(
        (
            re.compile(rf"(?:{row['words']})\b", re.IGNORECASE),
            re.compile(rf"\b(?:{row['words']})\Z", re.IGNORECASE),
            row["primary"],
            row["secondary"],
        )
        for row in read_rows("neoplasm_sites", system)
    )


@cache
def _any_site(system: str) -> re.Pattern[str]:
    words = "|".join(row["words"] for row in read_rows("neoplasm_sites", system))
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)


@cache
def _ends_with_site(system: str) -> re.Pattern[str]:
    words = "|".join(row["words"] for row in read_rows("neoplasm_sites", system))
    return re.compile(rf"\b(?:{words})\Z", re.IGNORECASE)
