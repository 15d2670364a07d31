"""Uncertain diagnoses of a hospital stay: "suspected pulmonary embolism" at discharge codes as if it were established.

ICD-10-CM guideline II.H has what is still probable, suspected, possible or to be ruled out at discharge coded in a
record of a hospital stay; guideline IV.H forbids it for a visit. What the note takes back anywhere is not coded, nor
what a differential diagnosis or the reason of a test only considers, and in a note with headings only its conclusions
count, not the suspicions of its history.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.reporting.setting import is_stay
from conceptmap.matching.mentions import Mention
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.context import Context

__all__ = ["UNCERTAIN", "as_established"]

UNCERTAIN: Final = "probable"
"""Certainty of what codes although it is not certain."""

_CONCLUSIONS: Final = frozenset(
    "discharge diagnosis;diagnosis;postoperative diagnosis;assessment;assessment and plan;impression;"
    "hospital course".split(";")
)
_ONLY_CONSIDERED: Final = re.compile(
    r"\bdifferential\b|\bunlikely\b|\bto (?:rule out|exclude|discard)\b"
    r"|\b(?:was|were|been) (?:also |initially |briefly )?considered\b(?! (?:to be|as|likely|probable|possible))",
    re.IGNORECASE,
)


def as_established(
    mentions: Sequence[Mention], contexts: Sequence[Context], book: CodeBook, around: MentionPlaces
) -> Sequence[Context]:
    """The contexts as they are coded: what is possible in a stay and never taken back is probable.

    Args:
        mentions: of a note.
        contexts: of the mentions.
        book: of the index; other systems have no such guideline.
        around: where the mentions stand.
    """
    if book.system != "icd10cm" or around.setting == "visit" or all(c.certainty != "possible" for c in contexts):
        return contexts
    if around.setting == "report" and not is_stay(around.text):
        return contexts
    headed = any(section.name for section in around.sections)
    denied = {m.candidates[0].concept for m, context in zip(mentions, contexts, strict=True) if context.negated}
    return [
        replace(context, certainty=UNCERTAIN)
        if context.certainty == "possible"
        and mention.candidates[0].concept not in denied
        and (not headed or around.section(number) in _CONCLUSIONS)
        and not around.in_line(_ONLY_CONSIDERED, number)
        else context
        for number, (mention, context) in enumerate(zip(mentions, contexts, strict=True))
    ]
