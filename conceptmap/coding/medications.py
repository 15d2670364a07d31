"""The medication lists: a drug that somebody takes for long is coded, as the classification asks (ICD-10-CM Z79).

"DISCHARGE MEDICATIONS: insulin glargine, apixaban" says long-term use of insulin and of an anticoagulant. The drugs
are those of our reviewed terms ("takes apixaban"); a course of some days, and what was stopped or is taken when needed,
is no long-term use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import polars as pl

from conceptmap.coding.named_lists import listed
from conceptmap.matching.mentions import Candidate, Mention
from conceptmap.matching.vocabulary import clinical_synonyms
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.sections import Section
from conceptmap.text.words import words

__all__ = ["SECTIONS", "with_medications"]

SECTIONS: Final = frozenset({"medications", "admission medications", "discharge medications"})
_STRENGTH: Final = 0.9
_TAKES: Final = "takes "
_LONG_TERM: Final = {"icd10cm": parse_ranges("Z79.0 Z79.1 Z79.3-Z79.6 Z79.8")}
_ANY_OTHER: Final = parse_ranges("Z79.89")
_NOT_FOR_LONG: Final = re.compile(
    r"\b(?:prn|as needed|when needed|x\s?\d+\s?(?:d|days?|doses?|weeks?)|for \d+ (?:more )?(?:days?|doses?|weeks?)"
    r"|taper\w*|stop(?:ped)?|held|hold|discontinu\w+|d/c'?d|course|finish\w*|complet\w+|last dose|allerg\w+"
    r"|not taking|no longer)\b",
    re.IGNORECASE,
)
_ITEM: Final = re.compile(r"[;\n,]|\.\s")


def with_medications(text: str, sections: Sequence[Section], known: Sequence[Mention], book: CodeBook) -> list[Mention]:
    """The mentions of a note and, where none stands already, the drugs of its medication lists, in reading order.

    Args:
        text: the note.
        sections: of the note.
        known: its mentions so far.
        book: of the index; systems whose terms name no drug that is taken give none.
    """
    lists = [section for section in sections if section.name in SECTIONS]
    found = list(known)
    for start, end, code, stop in listed(text, lists, _drugs(book.system)) if lists else ():
        concept = book.position_of_code.get(code)
        free = all(end <= m.start_char or m.end_char <= start for m in known)
        if concept is not None and free and _for_long(text, start, end, stop):
            found.append(Mention(start, end, (Candidate(concept, 1.0, _STRENGTH, "lexical"),)))
    return sorted(found, key=lambda m: (m.start_char, m.end_char))


def _for_long(text: str, start: int, end: int, stop: int) -> bool:
    """Whether the item of the list says nothing of a short course, an end or need."""
    before = _ITEM.split(text[max(0, start - 40) : start])[-1]
    return not _NOT_FOR_LONG.search(before + text[start:end] + _line(text, end, stop))


def _line(text: str, start: int, stop: int) -> str:
    """What follows in the line, up to the next item of the list."""
    return re.split(r"[;\n]", text[start : min(stop, start + 80)], maxsplit=1)[0]


@cache
def _drugs(system: str) -> Mapping[tuple[str, ...], str]:
    """Forms of the drugs that our terms say somebody takes, with the code of taking them for long."""
    terms = clinical_synonyms(system)
    out: dict[tuple[str, ...], str] = {}
    if terms is None:
        return out
    taken = terms.filter(pl.col("term").str.starts_with(_TAKES))
    for code, term in taken.select("code", "term").iter_rows():
        if within(code, _LONG_TERM.get(system, ())) and not within(code, _ANY_OTHER):
            out[tuple(words(term.removeprefix(_TAKES)).form)] = code
    return out
