"""What is said of a mention, where only its code tells how to take it.

A test "for chest pain" that is negative found nothing behind the pain, and denies no pain. A dialysis programme or a
palliative care unit is a name, and yet who goes there has the status (Z99.2, Z51.5). The smoke of others harms the
patient, who is spoken of although a relative smokes; advice that is given to a relative is not the patient's. Several
infections before one test share its outcome ("flu/RSV PCR negative").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.matching.mentions import Mention
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.context import Context

__all__ = ["contexts_as_coded"]

_SYMPTOMS: Final = parse_ranges("G43-G44 R00-R69")
_TESTED: Final = re.compile(
    r"\b(?:trop\w*|EKG|ECG|CXR|CT|CTA|MRI|x-?rays?|ultrasound|US|echo\w*|labs?|films?|scan|EEG|EGD|monitor\w*|biopsy"
    r"|D-dimer|cultures?|work-?up|tests?|checked|obtained|sent|ordered|performed|done|evaluated)\b(?: \w+){0,2}?"
    r" for (?:(?:his|her|the|this|ongoing|new|acute|persistent|severe|her own|recurrent) ){0,2}\Z",
    re.IGNORECASE,
)
_STATUSES: Final = parse_ranges("Z51.5 Z99.2")
_GOES_THERE: Final = re.compile(
    r"\s(?:program(?:me)?|cent(?:er|re)|unit|facility|home|schedule|sessions?|runs?|days?)s?\b", re.IGNORECASE
)
_OF_OTHERS: Final = parse_ranges("Z63 Z77.22")
_ADVICE: Final = parse_ranges("Z71")
_KIN: Final = (
    r"(?:mother|father|mom|mum|dad|parents?|wife|husband|spouse|partner|sons?|daughters?|brothers?|sisters?|family"
    r"|caregivers?|grand\w+|household\w*)"
)
_TO_KIN: Final = re.compile(rf"[^.;\n]{{0,25}}?\b(?:for|to) (?:(?:his|her|their|the|both) )?{_KIN}\b", re.IGNORECASE)
_TOBACCO: Final = parse_ranges("F17 Z72.0")
_SMOKES: Final = re.compile(r"smokes|still|continues|current|\d", re.IGNORECASE)
_CESSATION: Final = re.compile(r"\s(?:cessation|counsel\w*|advice)\b", re.IGNORECASE)
_INFECTIONS: Final = parse_ranges("A00-B99 J09-J18 J20-J21 U07.1")
_NEGATIVE_LIST: Final = re.compile(
    r"(?:\s?(?:/|,|&|\band\b)\s?[\w.-]+(?: [\w.-]+){0,2}?){1,5}"
    r" (?:PCR|antigens?|panel|swabs?|tests?|serolog\w+|cultures?)"
    r"(?: (?:was|were|are|all|both))*[: ]+(?:neg\w*|not detected|nonreactive)\b",
    re.IGNORECASE,
)
_FEARED: Final = parse_ranges("A39 A80-A89 G00-G09 I21-I22 I26 I60-I63 I71")
_DISCUSSED: Final = re.compile(
    r"\s(?:(?:was|were|has been|have been) )?(?:(?:also|briefly|then) )?(?:discussed|talked about|mentioned)\b"
    r"|\s(?:risk|risks)\b",
    re.IGNORECASE,
)
_KNOWN: Final = re.compile(
    r"\b(?:diagnos\w+|his|her|their|patient['\u2019]s|known|recent|prior|acute|confirmed)\b", re.IGNORECASE
)
_BEFORE: Final = 60


def contexts_as_coded(
    mentions: Sequence[Mention], contexts: Sequence[Context], book: CodeBook, around: MentionPlaces
) -> Sequence[Context]:
    """The contexts as they are coded.

    Args:
        mentions: of a note.
        contexts: of the mentions.
        book: of the index; other systems keep theirs.
        around: where the mentions stand.
    """
    if book.system != "icd10cm" or not around.text:
        return contexts
    return [_as_coded(m, context, book, around.text) for m, context in zip(mentions, contexts, strict=True)]


def _as_coded(mention: Mention, context: Context, book: CodeBook, text: str) -> Context:
    code, end = book.codes[mention.candidates[0].concept], mention.end_char
    if context.negated:
        if within(code, _SYMPTOMS) and _TESTED.search(text[max(0, mention.start_char - _BEFORE) : mention.start_char]):
            return replace(context, negated=False)
    elif context.temporality == "hypothetical":
        smokes = mention.derived and within(code, _TOBACCO) and _SMOKES.match(text, mention.start_char)
        if smokes or (within(code, _STATUSES) and _GOES_THERE.match(text, end)):
            return replace(context, temporality="recent")
    elif context.subject == "patient" and within(code, _INFECTIONS) and _NEGATIVE_LIST.match(text, end):
        return replace(context, negated=True)
    elif within(code, _FEARED) and _DISCUSSED.match(text, end) and not _KNOWN.search(text, max(0, end - _BEFORE), end):
        return replace(context, temporality="hypothetical")
    elif context.subject == "patient":
        if within(code, _ADVICE) and _TO_KIN.match(text, end):
            return replace(context, subject="other")
    elif mention.derived and within(code, _OF_OTHERS):
        return replace(context, subject="patient")
    elif within(code, _TOBACCO) and _CESSATION.match(text, end):
        return replace(context, negated=True)
    return context
