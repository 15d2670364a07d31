"""Senses: which of the concepts that share a name a mention means, as its section and the words beside it tell.

"Glucose" is a substance, a product and a measurement; aspirin under "Allergies" is an allergy to it. Concepts with
types (``data/semantic_types_….csv``) are read so; by default the preferred type of those that all the words name stands
first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from conceptmap.linking.linker import Linker
from conceptmap.matching.content import term_forms
from conceptmap.matching.mentions import Candidate, Mention, is_named
from conceptmap.ontology.semantic_types import SEPARATOR, semantic_types
from conceptmap.text.sections import Section, section_name

__all__ = ["in_place"]

_DRUGS, _PROCEDURES = "CHEM", "PROC"
_RESULTS: Final = frozenset(
    {
        "observable entity",
        "Laboratory or Test Result",
        "Clinical Attribute",
        "Organism Attribute",
        "Laboratory Procedure",
    }
)
_MEDICATIONS: Final = frozenset(
    "medications;admission medications;discharge medications;administered medications".split(";")
)
_OF_RESULTS: Final = frozenset({"results", "vital signs", "hospital discharge studies"})
_OF_PROCEDURES: Final = frozenset({"procedures", "procedure description"})
_ALLERGIES: Final = "allergies"
_ALLERGY_TO: Final = ("allergy to {}", "{} allergy")
_DOSE: Final = re.compile(
    r"[ \t]*,?[ \t]*(?:\w+[ \t]+)?\d[\d.,]*[ \t]*"
    r"(?:mg|mcg|µg|μg|g|ml|units?|iu|meq|tabs?|tablets?|caps?|capsules?|puffs?)\b(?![ \t]*/[ \t]*(?:d?l|ml|min)\b)",
    re.IGNORECASE,
)
_VALUE: Final = re.compile(r"[ \t]*(?:level|value)?[ \t]*(?:is|was|of|:|=|>|<)?[ \t]*\d", re.IGNORECASE)


def in_place(text: str, parts: Sequence[Section], found: Sequence[Mention], linker: Linker) -> Sequence[Mention]:
    """The mentions of a note with the concept first that their place asks for; as they are in a system without types.

    Args:
        text: the note.
        parts: its sections.
        found: its mentions.
        linker: of the index.
    """
    if not linker.book.has_types:
        return found
    return [_read(text, section_name(parts, m.start_char), m, linker) for m in found]


def _read(text: str, section: str | None, mention: Mention, linker: Linker) -> Mention:
    if section == _ALLERGIES and (allergy := _allergy_to(text[mention.start_char : mention.end_char], mention, linker)):
        return replace(mention, candidates=(allergy, *mention.candidates))
    named = [c for c in mention.candidates if is_named(c)]
    wanted = _asked_for(text, section, mention) if len(named) > 1 else ()
    first = next((c for c in named if wanted and _is_of(c.concept, wanted, linker)), None)
    if first is None or first is mention.candidates[0]:
        return mention
    rest = (c for c in mention.candidates if c is not first)
    return replace(mention, candidates=(replace(first, strength=max(first.strength, named[0].strength)), *rest))


def _asked_for(text: str, section: str | None, mention: Mention) -> Collection[str]:
    """Types or groups that the place of a mention asks for, if any."""
    after = text[mention.end_char : mention.end_char + 40]
    if _DOSE.match(after) or section in _MEDICATIONS:
        return {_DRUGS}
    if _VALUE.match(after) or section in _OF_RESULTS:
        return _RESULTS
    return {_PROCEDURES} if section in _OF_PROCEDURES else ()


def _is_of(concept: int, wanted: Collection[str], linker: Linker) -> bool:
    """Whether a concept has one of these types, or a type of one of these groups."""
    types = (linker.book.types[concept] or "").split(SEPARATOR)
    groups = {one.name: one.group for one in semantic_types(linker.index.system)}
    return any(name in wanted or groups.get(name) in wanted for name in types)


def _allergy_to(words: str, mention: Mention, linker: Linker) -> Candidate | None:
    """The allergy to what a mention names, where the release has it by such a name."""
    if not any(is_named(c) and _is_of(c.concept, {_DRUGS}, linker) for c in mention.candidates[:1]):
        return None
    bags = [term_forms(wording.format(words)) for wording in _ALLERGY_TO]
    for entries in linker.matcher.wordings(bags):
        for entry in entries:
            concept = linker.matcher.concept[entry]
            return replace(mention.candidates[0], concept=concept)
    return None
