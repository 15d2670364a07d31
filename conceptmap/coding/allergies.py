"""The allergies section: what stands there is an allergen, and the reactions in brackets are no findings of today.

"ALLERGIES: penicillin (hives), latex" says allergy to penicillin and to latex, and not urticaria. The allergens that
have a status code are ``data/allergens_<system>.csv``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final

from conceptmap.data.tables import read_rows
from conceptmap.matching.mentions import Candidate, Mention
from conceptmap.ontology.code_ranges import parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.overlaps import Overlaps
from conceptmap.text.sections import Section
from conceptmap.text.words import words

__all__ = ["SECTION", "is_reaction", "with_allergens"]

SECTION: Final = "allergies"
_STRENGTH: Final = 0.95
_MOST_WORDS: Final = 3
_ALLERGIC: Final = {"icd10cm": parse_ranges("J30 J45 K52.2 L20 L23 L50.0 T78 Z00-Z99")}
_REACTIONS: Final = {"icd10cm": parse_ranges("J98.01 K52.9 L20-L30 L50 M79.1 R00-R23 R50-R53 R60 T78.2-T78.4")}
_ALLERGY_TO: Final = re.compile(
    r"\ballerg(?:y|ies|ic)\b(?: to)?[^.;\n]{0,30}?(?:\bw/|\bwith\b|->|[(:,\u2013\u2014-])\s*\Z", re.IGNORECASE
)
_EVERYTHING: Final = (("", "\uffff"),)
_NO_ALLERGEN: Final = re.compile(
    r"\b(?:tolerat\w+|de-?label\w*|desensiti[sz]\w+|not allergic|ok with|can take)\b", re.IGNORECASE
)
_REACH: Final = 120
_REACH_AFTER: Final = 1000
_CLAUSE: Final = re.compile(r"[.;\n]")


def with_allergens(text: str, sections: Sequence[Section], known: Sequence[Mention], book: CodeBook) -> list[Mention]:
    """The mentions of a note and, where none stands already, the allergens of its allergies section, in reading order.

    Args:
        text: the note.
        sections: of the note.
        known: its mentions so far.
        book: of the index; systems without a list of allergens give none.
    """
    lists = [section for section in sections if section.name == SECTION]
    spans = Overlaps([(m.start_char, m.end_char) for m in known])
    gone: set[int] = set()
    named: list[Mention] = []
    for start, end, code in _listed(text, lists, _allergens(book.system)) if lists else ():
        concept = book.position_of_code.get(code)
        beside = [number for number in spans.touching(start, end) if number not in gone]
        if concept is None or any(_is_allergic(known[number], book) for number in beside) or _denied(text, start, end):
            continue
        gone.update(beside)
        named.append(Mention(start, end, (Candidate(concept, 1.0, _STRENGTH, "lexical"),)))
    kept = [mention for number, mention in enumerate(known) if number not in gone]
    return sorted([*kept, *named], key=lambda m: (m.start_char, m.end_char))


def _listed(
    text: str, sections: Sequence[Section], names: Mapping[tuple[str, ...], str]
) -> Iterator[tuple[int, int, str]]:
    """The names in the bodies of some sections with their codes, in reading order; the longest at each place."""
    for section in sections if names else ():
        body = words(text[section.heading_end : section.end_char])
        i = 0
        while i < len(body.form):
            forms = (tuple(body.form[i : i + size]) for size in range(_MOST_WORDS, 0, -1))
            name = next((form for form in forms if form in names), None)
            last = i if name is None else i + len(name) - 1
            if name is not None:
                start, end = body.start_char[i], body.end_char[last]
                yield section.heading_end + start, section.heading_end + end, names[name]
            i = last + 1


def is_reaction(code: str, section: str | None, before: str, system: str) -> bool:
    """Whether a code is only how the patient reacted once: under the heading of the allergies, or behind their name.

    Args:
        code: of the mention.
        section: that it stands in.
        before: what the text says before it.
        system: prefix of the ontology.
    """
    if section == SECTION:
        return not within(code, _ALLERGIC.get(system, _EVERYTHING))
    return within(code, _REACTIONS.get(system, ())) and _ALLERGY_TO.search(before) is not None


def _is_allergic(mention: Mention, book: CodeBook) -> bool:
    """Whether a mention names an allergy already, and not only a reaction."""
    return within(book.codes[mention.candidates[0].concept], _ALLERGIC.get(book.system, ()))


def _denied(text: str, start: int, end: int) -> bool:
    """Whether the clause round an allergen says that it is none."""
    clause = _CLAUSE.split(text[max(0, start - _REACH) : start])[-1] + text[start:end]
    clause += _CLAUSE.split(text[end : end + _REACH_AFTER], maxsplit=1)[0]
    return bool(_NO_ALLERGEN.search(clause))


@cache
def _allergens(system: str) -> Mapping[tuple[str, ...], str]:
    return {tuple(words(row["name"]).form): row["code"] for row in read_rows("allergens", system)}
