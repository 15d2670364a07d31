"""A proposal for the principal diagnosis: the condition found, after study, to have led to the admission.

A note rarely says which one that was, but its sections do: what a discharge or final diagnosis lists first, else the
assessment, the diagnosis at admission, the reason for the visit, the beginning of the note. Within a section what the
text calls the reason or the diagnosis ("admitted for", "diagnosed with") goes before what is only listed, and what is
past comes last. A symptom or a habit is proposed only where no section names a condition, and a code that the
classification has sequenced after another of the note ("code first") gives way to it. It is a proposal, said in the
notes of the code (ICD-10-CM guidelines I.A.13, II and IV.G); nothing is moved for it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from conceptmap.coding.drafts import Draft
from conceptmap.coding.surroundings import Surroundings
from conceptmap.ontology.code_ranges import base_code, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["propose"]

_SECTIONS: Final[tuple[str | None, ...]] = (
    "discharge diagnosis",
    "postoperative diagnosis",
    "diagnosis",
    "assessment",
    "assessment and plan",
    "impression",
    "admission diagnosis",
    "reason for visit",
    "chief complaint",
    None,
    "document",
    "hospital course",
    "history of present illness",
    "history",
    "subjective",
)
"""None is the beginning of a note, or a note without headings; "document" what follows its particulars."""
_RANK: Final = {name: place for place, name in enumerate(_SECTIONS)}
_NEVER: Final = {"icd10cm": parse_ranges("B95-B97 R65 V00-Y99 Z00-Z37 Z39-Z99")}
_SYMPTOMS: Final = {"icd10cm": parse_ranges("R00-R99 M25.5 M54 M79.6 G89 H57.1")}
_HABITS: Final = {"icd10cm": parse_ranges("F17 E66 F10.9 F11.9 F12.9 F13.9 F14.9 F15.9 F16.9 F18.9 F19.9")}

_REASON: Final = re.compile(
    r"\b(?:(?:admitted|readmitted|admission|hospitali[sz]ed|referred|consulted|seen|came|presents?|presented|presenting)"
    r"(?: \w+){0,6}? (?:for|with|because of|due to|complaining of)"
    r"|(?:final|definitive|principal|main|discharge|primary) diagnos[ie]s (?:was|were|is|of|:)"
    r"|diagnosed (?:with|as|of)|diagnosis of|treated for)(?: \w+){0,3}\s*\Z",
    re.IGNORECASE,
)
_BEFORE: Final = 90


def propose(drafts: Sequence[Draft], book: CodeBook, around: Surroundings, past: Collection[int] = ()) -> None:
    """Say of one code, at most, that it may be the principal diagnosis.

    Args:
        drafts: the codes of a note.
        book: of the index.
        around: where their mentions stand.
        past: numbers of the mentions that tell of the past.
    """
    if book.system not in _NEVER:
        return
    first: dict[str | None, tuple[tuple[bool, bool, bool, int], Draft]] = {}  # by section
    for draft in drafts:
        if not draft.affirmed or _never(draft, book):
            continue
        weak = any(within(book.codes[draft.concept], group[book.system]) for group in (_SYMPTOMS, _HABITS))
        for number in draft.numbers:
            name = around.section(number)
            key = (weak, number in past, not _is_reason(number, around), number)
            if name in _RANK and (name not in first or key < first[name][0]):
                first[name] = (key, draft)
    if first:
        best = min(first, key=lambda name: (first[name][0][:2], _RANK[name]))
        draft, under = first[best][1], best or "no heading"
        remark = f"proposed as principal diagnosis: first under {under}"
        before = _sequenced_before(draft, drafts, book)
        if before is not draft:
            remark = f"proposed as principal diagnosis: {book.codes[draft.concept]} has it coded first"
        elif _is_reason(first[best][0][-1], around):
            remark = f"proposed as principal diagnosis: the reason or the diagnosis under {under}"
        before.remark(remark)


def _is_reason(number: int, around: Surroundings) -> bool:
    """Whether the words before a mention call it the reason of the encounter or the diagnosis."""
    start = around.spans[number][0]
    sentence = around.sentence(number)
    floor = around.sentences[sentence][0] if sentence >= 0 else 0
    return _REASON.search(around.text[max(floor, start - _BEFORE) : start]) is not None


def _sequenced_before(draft: Draft, drafts: Sequence[Draft], book: CodeBook) -> Draft:
    """The code of the note that the classification wants before this one, or itself."""
    told = {remark.removeprefix("code first ") for remark in draft.remarks if remark.startswith("code first ")}
    wanted = (d for d in drafts if d.affirmed and base_code(book.codes[d.concept]) in told and not _never(d, book))
    return next(wanted, draft)


def _never(draft: Draft, book: CodeBook) -> bool:
    """Manifestations, organisms, external causes and most factors are no principal diagnosis."""
    return book.is_manifestation(draft.concept) or within(book.codes[draft.concept], _NEVER[book.system])
