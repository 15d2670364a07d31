"""Judge the codes of one note: their probabilities, and which of them is too improbable to stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from conceptmap.coding.acceptance.acceptance import Acceptance
from conceptmap.coding.acceptance.known import Known, KnownOfCodes
from conceptmap.coding.derived.external_causes import INJURED
from conceptmap.coding.mention_places import MentionPlaces
from conceptmap.coding.organisms import ORGANISMS
from conceptmap.coding.proposed_codes import ProposedCode
from conceptmap.coding.reporting.integral import is_listed
from conceptmap.ontology.code_ranges import within
from conceptmap.ontology.codebook import CodeBook

__all__ = ["NoteJudge"]


@dataclass(frozen=True, slots=True)
class NoteJudge:
    """An acceptance model and the codes of one note.

    Attributes:
        model: that holds for them.
        known: what is known of them.
        book: of the index.
        around: where the mentions of the note stand.
        refused: what was known of those that were too improbable, by concept.
    """

    model: Acceptance
    known: KnownOfCodes
    book: CodeBook
    around: MentionPlaces
    refused: dict[int, Known] = field(default_factory=dict)

    def of_all(self, kept: Sequence[ProposedCode], first: ProposedCode | None) -> tuple[list[Known], list[float]]:
        """What is known of the codes that stand, one of them principal, and their probabilities."""
        known = self.known.of_all(kept, first)
        return known, [self.model.probability(its) for its in known]

    def least(self, kept: Sequence[ProposedCode], sure: Sequence[float], first: ProposedCode | None) -> int | None:
        """Place of the least probable code, if it is too improbable to stand; None without one.

        The principal diagnosis stands, what the note lists among its diagnoses is for the coder to weigh, the one
        injury of a note that tells how it happened goes with its cause, and an organism with its infection.
        """
        below = [
            at
            for at, proposal in enumerate(kept)
            if sure[at] < self.model.threshold and proposal.affirmed and proposal is not first
        ]
        below = [at for at in below if not (is_listed(kept[at], self.around) or self._goes_along(kept[at], kept))]
        return min(below, key=lambda at: sure[at], default=None)

    def _goes_along(self, proposal: ProposedCode, kept: Sequence[ProposedCode]) -> bool:
        """Whether other codes ask for it: an infection for its organism, external causes for the only injury."""
        if within(self.book.codes[proposal.concept], ORGANISMS):
            return True  # the rules give one only where an infection leaves it open
        codes = [self.book.codes[other.concept] for other in kept if other is not proposal]
        injury = within(self.book.codes[proposal.concept], INJURED)
        return injury and any(c[0] in "VWXY" for c in codes) and not any(within(c, INJURED) for c in codes)

    def of_taken(self, concept: int, numbers: Sequence[int], remarks: Sequence[str]) -> Known:
        """What is known of a code that was taken away, by the model or by another rule."""
        return self.refused.get(concept) or self.known.of_taken(concept, numbers, remarks)
