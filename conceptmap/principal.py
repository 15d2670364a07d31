"""A proposal for the principal diagnosis: the condition found, after study, to have led to the admission.

A note rarely says which one that was, but its sections do: what a discharge or final diagnosis lists first, else the
assessment, the diagnosis at admission, the reason for the visit, the beginning of the note. A symptom is proposed
only where no section names a condition. It is a proposal, said in the notes of the code (ICD-10-CM guidelines II and
IV.G); nothing is moved for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from conceptmap.code_ranges import parse_ranges, within
from conceptmap.codebook import CodeBook
from conceptmap.drafts import Draft
from conceptmap.surroundings import Surroundings

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
    "history of present illness",
    "history",
    "subjective",
    "hospital course",
)
"""None is the beginning of a note, or a note without headings."""
_RANK: Final = {name: place for place, name in enumerate(_SECTIONS)}
_NEVER: Final = {"icd10cm": parse_ranges("B95-B97 R65 V00-Y99 Z00-Z37 Z39-Z99")}
_SYMPTOMS: Final = {"icd10cm": parse_ranges("R00-R99 M25.5 M54 M79.6 G89 H57.1")}


def propose(drafts: Sequence[Draft], book: CodeBook, around: Surroundings) -> None:
    """Say of one code, at most, that it may be the principal diagnosis.

    Args:
        drafts: the codes of a note.
        book: of the index.
        around: where their mentions stand.
    """
    if book.system not in _NEVER:
        return
    first: dict[str | None, tuple[bool, int, Draft]] = {}  # by section: a symptom?, the mention, its code
    for draft in drafts:
        names = {around.section(number): number for number in reversed(draft.numbers)} if draft.affirmed else {}
        named = [(name, number) for name, number in names.items() if name in _RANK]
        if named and not _never(draft, book):
            symptom = within(book.codes[draft.concept], _SYMPTOMS[book.system])
            for name, number in named:
                known = first.get(name)
                if known is None or (symptom, number) < known[:2]:
                    first[name] = (symptom, number, draft)
    if first:
        best = min(first, key=lambda name: (first[name][0], _RANK[name]))
        first[best][2].remark(f"proposed as principal diagnosis: first under {best or 'no heading'}")


def _never(draft: Draft, book: CodeBook) -> bool:
    """Manifestations, organisms, external causes and most factors are no principal diagnosis."""
    return book.is_manifestation(draft.concept) or within(book.codes[draft.concept], _NEVER[book.system])
