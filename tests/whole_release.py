"""The embedded ICD-10-CM release, by words alone, for rules that are about its own codes."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl

from conceptmap.mapper import ConceptMapper

__all__ = ["code_rows", "codes_of", "mapper", "stay_codes"]


@cache
def mapper() -> ConceptMapper:
    """Lexical evidence over the release."""
    return ConceptMapper.load("icd10cm", encoder=None)


def code_rows(text: str, *, candidates: bool = False, **settings: Any) -> dict[str, dict[str, Any]]:
    """Rows of the codes of a note, or of its candidates, by code."""
    note = pl.DataFrame({"note_id": ["n"], "text": [text]})
    found = mapper().annotate_many(note, candidates=50, **settings)
    return {row["code"]: row for row in (found.candidates if candidates else found.codes).iter_rows(named=True)}


def codes_of(text: str, **settings: Any) -> set[str]:
    """Codes of a note."""
    return set(code_rows(text, **settings))


def stay_codes(course: str) -> set[str]:
    """The codes of a stay of which nothing but the hospital course is told."""
    return codes_of(f"HOSPITAL COURSE: {course}\n")
