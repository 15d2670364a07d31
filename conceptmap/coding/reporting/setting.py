"""The setting of a note: a hospital stay, a visit, or a report without sections; it decides which guidelines apply.

Uncertain diagnoses code after a stay (ICD-10-CM guideline II.H) and not after a visit (IV.H), the symptoms of a disease
are left out of both (I.B.4-5), and a narrative report keeps them. The setting is read from the headings and
words of the note, unless the caller knows it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from conceptmap.errors import InputError
from conceptmap.text.literals import first_of
from conceptmap.text.sections import Section

__all__ = ["SETTINGS", "check_setting", "is_stay", "setting_of"]

SETTINGS: Final = ("inpatient", "visit", "report")

_STAY_SECTIONS: Final = frozenset(
    "hospital course;discharge diagnosis;admission diagnosis;admission medications;discharge medications;"
    "discharge physical exam;discharge condition;discharge instructions;hospital discharge studies;disposition".split(
        ";"
    )
)
_SUMMARY: Final = re.compile(  # what only the record of a stay says of itself
    r"\b(?:discharge (?:summary|note|letter)|d/c (?:summary|note|meds?|home)|(?:admission|discharge|admit)"
    r" (?:date|dx)|date of (?:admission|discharge)|(?:admitted|discharged?|admit|adm|dc|d/c)\s*:|LOS\b|length of stay"
    r"|reason for admission)",
    re.IGNORECASE,
)
_DAYS: Final = re.compile(r"\b(?:(?:HD|POD|PPD)\s?#?\d|(?:hospital|post-?op(?:erative)?) day)", re.IGNORECASE)
_TITLE: Final = re.compile(
    r"^[^.\n]{0,50}\b(?:discharge|d/c|short stay|hospital stay)\b[^.\n]{0,30}$", re.IGNORECASE | re.MULTILINE
)
_STAY: Final = re.compile(
    r"\b(?:(?:re)?admitted|hospitali[sz](?:ed|ation)|inpatient|intensive care|ICU"
    r"|(?:on|at|after|before|during|upon|since|his|her|hospital|following|prior to) (?:admission|discharge)"
    r"|discharged (?:home|from|on|with|to|at|in|after|without|under)|(?:was|were|being|is|and) discharged)\b",
    re.IGNORECASE,
)
_LETTER: Final = re.compile(r"\A\W{0,5}(?:.{0,200}\n)?\s*Dear (?:Dr|Doctor|Colleague|Prof)\b", re.IGNORECASE)
_VISIT: Final = re.compile(
    r"\A[^.\n]{0,60}\b(?:ED|ER|emergency (?:department|room|medicine)|urgent care|trauma|clinic|office)\b[^.\n]{0,20}"
    r"\b(?:note|visit|record|encounter|evaluation|H&P|consult\w*)\b",
    re.IGNORECASE,
)
_TOP: Final = re.compile(r"\A\W*(?:EMERGENCY (?:DEPARTMENT|ROOM)|TRAUMA|ED|ER)\b")
_EMERGENCY: Final = re.compile(  # what only the record of an emergency room says of itself
    r"(?:\b(?:primary|secondary)|\b[12]\u00b0) survey\b|\blevel (?:I{1,2}|1|2) (?:trauma )?activation\b"
    r"|\b(?:(?:ED|ER) course|trauma (?:activation|alert|bay)|FAST (?:exam )?(?:neg|pos)\w*"
    r"|GCS (?:of )?\d+ on (?:arrival|scene))\b",
    re.IGNORECASE,
)
_FEWEST_HEADINGS: Final = 2
_TITLE_CHARS: Final = 120


def check_setting(name: str | None) -> str | None:
    """The setting asked for; None where the note shall say.

    Raises:
        InputError: a name that is none of ``SETTINGS``.
    """
    if name is not None and name not in SETTINGS:
        raise InputError("setting is unknown", got=name, expected=", ".join(SETTINGS))
    return name


def setting_of(text: str, sections: Sequence[Section]) -> str:
    r"""One of ``SETTINGS``, as the note shows it.

    Args:
        text: the note.
        sections: of the note.

    >>> from conceptmap.text.sections import sections
    >>> note = "HPI: cough.\nHospital course: pneumonia, treated."
    >>> setting_of(note, sections(note)), setting_of("A man with a cough.", [])
    ('inpatient', 'report')
    """
    names = [section.name for section in sections if section.name not in (None, "document")]
    if not _STAY_SECTIONS.isdisjoint(names) or first_of(_SUMMARY, text) or _TITLE.search(text, 0, _TITLE_CHARS):
        return "inpatient"
    if len(names) >= _FEWEST_HEADINGS:
        return "inpatient" if first_of(_DAYS, text) else "visit"
    if first_of(_LETTER, text) and is_stay(text):
        return "inpatient"
    return "visit" if _VISIT.match(text) or _TOP.match(text) or first_of(_EMERGENCY, text) else "report"


def is_stay(text: str) -> bool:
    """Whether a note without headings tells of a hospital stay."""
    return first_of(_STAY, text) is not None
