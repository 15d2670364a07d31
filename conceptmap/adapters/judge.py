"""Judge: how surely a mention is one, and means its first concept, from what is known of it and of its wording.

A logistic regression over a dozen plain features, so that what it learned can be read in the card. It is the "no
concept" head: below its threshold a mention abstains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.calibration import Calibration
from conceptmap.adapters.logistic import logits
from conceptmap.adapters.memory import Memory, forms_within
from conceptmap.matching.content import Content
from conceptmap.matching.mentions import Mention

__all__ = ["FEATURES", "Judge", "best_threshold", "feature_rows"]

FEATURES = (
    "cosine",  # of the first concept, before adapting; 0 where token and index widths differ
    "strength",  # of its wording
    "one word",
    "words",  # at most five
    "annotated",  # log of one more than how often the wording was annotated
    "agreement",  # share of the annotations that had the commonest code
    "seen",  # log of one more than how often it was found in training notes
    "right",  # share of these that were right, drawn towards PRIOR
    "by vectors",
    "capitals",
    "rivals",  # other concepts, at most nine
)
"""What each weight belongs to."""

PRIOR = 0.7


@dataclass(frozen=True)
class Judge:
    """Weights, the curve that turns their sum into a probability, and where to abstain.

    Attributes:
        weights: one for each of ``FEATURES``, the intercept last. *Shape:* (n_features + 1,).
        calibration: of the weighted sum.
        threshold: probability below which a mention abstains.
    """

    weights: NDArray[np.float64]
    calibration: Calibration
    threshold: float

    def judged(
        self, text: str, content: Content, mentions: Sequence[Mention], memory: Memory, cosines: Sequence[float]
    ) -> list[Mention]:
        """The mentions of a note with their probability; improbable ones abstain.

        Args:
            text: the note.
            content: its content words.
            mentions: its mentions.
            memory: what training taught of wordings.
            cosines: of each mention's first concept, before adapting.
        """
        if not mentions:
            return []
        found = self.probabilities(feature_rows(text, content, mentions, memory, cosines))
        return [
            replace(mention, probability=float(probability), abstains=bool(probability < self.threshold))
            for mention, probability in zip(mentions, found, strict=True)
        ]

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability that each mention is right. *Shape:* (n, n_features) to (n,)."""
        return self.calibration(logits(self.weights, rows))


def feature_rows(
    text: str, content: Content, mentions: Sequence[Mention], memory: Memory, cosines: Sequence[float]
) -> NDArray[np.float64]:
    """The features of a note's mentions; arguments as of ``Judge.judged``. *Shape:* (n_mentions, n_features)."""
    rows = np.empty((len(mentions), len(FEATURES)))
    for row, mention, cosine in zip(rows, mentions, cosines, strict=True):
        forms = forms_within(content, mention.start_char, mention.end_char)
        known, best = memory.known(forms), mention.candidates[0]
        row[:] = (
            cosine,
            best.strength,
            len(forms) == 1,
            min(len(forms), 5),
            np.log1p(known.annotated),
            known.agreement,
            np.log1p(known.seen),
            (known.right + PRIOR) / (known.seen + 1.0),
            best.evidence == "vector",
            text[mention.start_char : mention.end_char].isupper(),
            len(mention.candidates) - 1,
        )
    return rows


def best_threshold(probabilities: NDArray[np.float64], right: NDArray[np.bool_], missed: int) -> float:
    """The probability at which to abstain so that F1 is best.

    Args:
        probabilities: of the mentions found. *Shape:* (n,).
        right: whether each is right. *Shape:* (n,).
        missed: gold mentions that none of them finds.
    """
    order = np.argsort(-probabilities, kind="stable")
    hits = np.cumsum(right[order])
    gold = right.sum() + missed
    f1 = 2.0 * hits / (np.arange(1, len(order) + 1) + gold)
    last = int(np.argmax(f1))
    return float(probabilities[order[last]])
