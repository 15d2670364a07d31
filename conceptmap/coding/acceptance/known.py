"""What is known of a code of a note, as numbers: what kind of code it is, how it was found, where and how it is said.

Zero is the usual state of each, so that a weight times a number is what speaks for the code, or against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from math import log2
from typing import Final

from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.proposed_codes import ProposedCode
from conceptmap.coding.reporting.principal import is_background
from conceptmap.matching.mentions import Mention
from conceptmap.ontology.codebook import CodeBook

__all__ = ["FEATURES", "KnownOfCodes"]

FEATURES: Final = {
    "unspecified": "its title leaves something unspecified",
    "other": "its title names what is left over",
    "symptom": "it is a symptom or finding (R00-R99)",
    "status": "it is a status or circumstance (Z00-Z78, Z88-Z99)",
    "history": "it is a history (Z80-Z87)",
    "long-term drug": "it is a drug taken for long (Z79)",
    "background": "it is a condition that often accompanies others",
    "unnamed": "no mention names it as such",
    "default": "its last characters are defaults",
    "completed": "words beside a mention complete it",
    "derived": "it follows from the text by a rule",
    "shortened": "only a shortened wording of it is said",
    "excluded": "another code of the note excludes it",
    "partner": "a code that belongs with it is missing",
    "past": "a history section tells of it",
    "findings": "a section of findings tells of it",
    "social": "a social or family history tells of it",
    "mentions": "several mentions tell of it",
    "share": "it fills its line",
    "one word": "a single word says it",
    "rivals": "another code of its category is given",
    "principal": "it is proposed as the principal diagnosis",
    "taken": "a rule takes it away",
    "alternative": "another concept of its mention is preferred",
}
"""Name of each number, in the order of ``Known``, and what it says of a code."""

Known = tuple[float, ...]
"""A number for each of ``FEATURES``, in their order."""

_PAST, _FINDINGS, _SOCIAL = 1, 2, 4
_KINDS: Final = {
    **dict.fromkeys(("past medical history", "past surgical history", "history", "resolved problems"), _PAST),
    **dict.fromkeys(("physical exam", "discharge physical exam", "review of systems", "findings"), _FINDINGS),
    **dict.fromkeys(("results", "imaging", "hospital discharge studies"), _FINDINGS),
    **dict.fromkeys(("social history", "family history", "family and social history"), _SOCIAL),
}
"""Kinds of sections, each a bit, by their name."""
_NO_FETUS: Final = "not applicable or unspecified"
_MOST: Final = 2.0
"""More doublings of mentions, and rivals, than these say no more."""
_PRINCIPAL, _ACCEPTED = (1.0, 0.0, 0.0), (0.0, 0.0, 0.0)
_NOTHING_SAID: Final = (0.0, 0.0, 0.0, 0.0)


class KnownOfCodes:
    """What is known of the codes of one note.

    Args:
        mentions: of the note.
        book: of the index.
        around: where the mentions stand.
    """

    def __init__(self, mentions: Sequence[Mention], book: CodeBook, around: MentionPlaces) -> None:
        self._mentions = mentions
        self._book = book
        self._around = around
        self._categories: Counter[str] = Counter()

    def of_all(self, proposals: Iterable[ProposedCode], first: ProposedCode | None) -> list[Known]:
        """Of the codes that a note is given, one of which is proposed as principal."""
        proposals = list(proposals)
        self._categories = Counter(self._book.codes[proposal.concept][:3] for proposal in proposals)
        return [
            self._of(
                p.concept, p.numbers, p.remarks, self._beside(p.concept) - 1, _PRINCIPAL if p is first else _ACCEPTED
            )
            for p in proposals
        ]

    def of_taken(self, concept: int, numbers: Sequence[int], remarks: Sequence[str]) -> Known:
        """Of a code that a rule took away, beside those that the note is given."""
        return self._of(concept, numbers, remarks, self._beside(concept), (0.0, 1.0, 0.0))

    def of_alternative(self, concept: int, numbers: Sequence[int]) -> Known:
        """Of a code that was not preferred, beside those that the note is given."""
        return self._of(concept, numbers, (), self._beside(concept), (0.0, 0.0, 1.0))

    def of_codes(
        self, codes: Iterable[tuple[int, Sequence[int], Sequence[str], str, bool]], given: Collection[int]
    ) -> list[Known]:
        """Of all codes that a note may have.

        Args:
            codes: concept, numbers of mentions, remarks and role of each, and whether a rule took it away.
            given: concepts of those that the note is given.
        """
        self._categories = Counter(self._book.codes[concept][:3] for concept in given)
        found = []
        for concept, numbers, remarks, role, taken in codes:
            is_given = concept in given
            end = _end(role, taken=taken, given=is_given)
            found.append(self._of(concept, numbers, remarks, self._beside(concept) - is_given, end))
        return found

    def _beside(self, concept: int) -> int:
        return self._categories[self._book.codes[concept][:3]]

    def _of(
        self,
        concept: int,
        numbers: Sequence[int],
        remarks: Sequence[str],
        rivals: int,
        end: tuple[float, float, float],
    ) -> Known:
        book, around = self._book, self._around
        named = derived = whole = False
        kinds, share, one_word = 0, 0.0, True
        for number in numbers:
            mention = self._mentions[number]
            best = mention.candidates[0]
            named = named or book.default(best.concept) == concept
            derived = derived or mention.derived
            whole = whole or best.strength >= 1.0
            start, end_char = around.spans[number]
            kinds |= _KINDS.get(around.section(number) or "", 0)
            at = around.sentence(number)
            first, last = around.sentences[at] if at >= 0 else (0, 0)
            share = max(share, (end_char - start) / max(1, last - first))
            one_word = one_word and len(around.text[start:end_char].split()) == 1
        default, completed, excluded, partner = _of_remarks(remarks) if remarks else _NOTHING_SAID
        return (
            *_of_code(book.system, book.codes[concept], book.names[concept]),
            0.0 if named else 1.0,
            default,
            completed,
            1.0 if derived else 0.0,
            0.0 if derived or whole else 1.0,
            excluded,
            partner,
            1.0 if kinds & _PAST else 0.0,
            1.0 if kinds & _FINDINGS else 0.0,
            1.0 if kinds & _SOCIAL else 0.0,
            min(log2(len(numbers)), _MOST),
            min(share, 1.0),
            1.0 if one_word else 0.0,
            min(float(rivals), _MOST),
            *end,
        )


def _end(role: str, *, taken: bool, given: bool) -> tuple[float, float, float]:
    """Whether a code is principal, taken away, or an alternative of those that are given."""
    return float(role == "principal"), float(taken), float(not (given or taken))


def _of_remarks(remarks: Iterable[str]) -> tuple[float, float, float, float]:
    default = completed = excluded = partner = False
    for remark in remarks:
        default = default or remark.startswith("default of ")
        completed = completed or ": completes " in remark
        excluded = excluded or remark.startswith("Excludes1 ")
        partner = partner or ", not found: " in remark
    return float(default), float(completed), float(excluded), float(partner)


@lru_cache(maxsize=20_000)
def _of_code(system: str, code: str, name: str) -> Known:
    """What kind of code it is: from "unspecified" to "background"."""
    title, status = name.lower(), code.startswith("Z")
    drug, history = code.startswith("Z79"), status and "Z80" <= code[:3] <= "Z87"
    return (
        float("unspecified" in title.replace(_NO_FETUS, "")),
        float(title.startswith("other")),
        float(code.startswith("R")),
        float(status and not drug and not history),
        float(history),
        float(drug),
        float(is_background(code, system)),
    )
