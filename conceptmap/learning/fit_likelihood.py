"""Fit the head that tells from mentions' vectors how likely coders report a code, from the codes of notes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.sums import fitted_sums
from conceptmap.learned.features import Possible
from conceptmap.learned.likelihood import LikelihoodHead, pairs_of
from conceptmap.learning.count_associations import TrainingNote

__all__ = ["Vectored", "fit_head", "held_out_column"]

PENALTY: Final = 300.0
"""Of half the squared weights of columns of spread 1; 1,000 and 3,000 gain less on case reports."""
MOST: Final = 60_000
"""Codes that a head is fitted to, at most; they are drawn by seed."""
_HOPELESS: Final = -6.0
"""Logits of words below which a code has nothing to teach: one of 400 is right."""


@dataclass(frozen=True, eq=False)
class Vectored:
    """The possible codes of all notes with the vectors of their mentions.

    Attributes:
        case: row of each pair's code, rising. *Shape:* (n_pairs,) int64.
        mention: row of its mention. *Shape:* (n_pairs,) int64.
        name: row of its concept's name. *Shape:* (n_pairs,) int64.
        mentions: of all notes. *Shape:* (n_mentions, dim) float16.
        names: of the different concepts. *Shape:* (n_concepts, name_dim) float16.
    """

    case: NDArray[np.int64]
    mention: NDArray[np.int64]
    name: NDArray[np.int64]
    mentions: NDArray[np.float16]
    names: NDArray[np.float16]

    @classmethod
    def of(cls, notes: Sequence[TrainingNote], parts: Sequence[Possible]) -> Vectored | None:
        """Put the notes' vectors together.

        Args:
            notes: to learn from.
            parts: the possible codes of each.

        Returns:
            None where some note was read by words alone, or no mention leads anywhere.
        """
        case, mention, concept, vectors = [], [], [], []
        n_codes = n_mentions = 0
        for note, part in zip(notes, parts, strict=True):
            if note.facts.vectors is None:
                return None
            pairs = pairs_of(part.found)
            case.append(pairs.place + n_codes)
            mention.append(pairs.mention + n_mentions)
            concept.append(np.array(part.concepts, dtype=np.int64)[pairs.place])
            vectors.append(note.facts.vectors.unit)
            n_codes, n_mentions = n_codes + len(part.codes), n_mentions + len(vectors[-1])
        source = notes[0].facts.vectors
        if source is None or not sum(map(len, case)):
            return None
        different, name = np.unique(np.concatenate(concept), return_inverse=True)
        names = source.names.of(different).astype(np.float16)
        return cls(np.concatenate(case), np.concatenate(mention), name, np.vstack(vectors), names)

    def design(self, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
        """Columns of some pairs: mention, name, product and cosine. *Shape:* (n_pairs, n) float32."""
        mention = self.mentions[self.mention[pairs]].astype(np.float32)
        name = self.names[self.name[pairs]].astype(np.float32)
        if mention.shape[1] != name.shape[1]:
            return np.hstack([mention, name])
        product = mention * name
        return np.hstack([mention, name, product, product.sum(axis=1, keepdims=True)])


def fit_head(
    known: Vectored, right: NDArray[np.bool_], words: NDArray[np.float64], among: NDArray[np.bool_], seed: int
) -> LikelihoodHead:
    """Learn what vectors say.

    Args:
        known: the possible codes and their vectors.
        right: whether coders gave each code. *Shape:* (n_codes,).
        words: logits of each by words alone, from a model that was not fitted to it, which tell what is worth learning
            from. *Shape:* (n_codes,).
        among: the codes that may be learned from. *Shape:* (n_codes,).
        seed: of the draw among too many.
    """
    codes = np.unique(known.case)
    codes = codes[among[codes] & (words[codes] > _HOPELESS)]
    if len(codes) > MOST:
        codes = np.sort(np.random.default_rng(seed).permutation(codes)[:MOST])
    pairs = np.flatnonzero(np.isin(known.case, codes))
    _, starts = np.unique(known.case[pairs], return_index=True)
    weights = fitted_sums(known.design(pairs), starts, right[codes], penalty=PENALTY)
    dim, width = known.mentions.shape[1], known.names.shape[1]
    both = dim if dim == width else 0
    mention, name, product, rest = np.split(weights.astype(np.float32), np.cumsum([dim, width, both]))
    return LikelihoodHead(mention, name, product, rest if both else np.append(np.float32(0.0), rest))


def held_out_column(
    notes: Sequence[TrainingNote],
    parts: Sequence[Possible],
    heads: Sequence[LikelihoodHead],
    fold: NDArray[np.int64],
) -> NDArray[np.float64]:
    """What the head says of each possible code that was fitted without the note's fold.

    Args:
        notes: to learn from.
        parts: the possible codes of each.
        heads: one for each fold that was held out.
        fold: of each note. *Shape:* (n_notes,).

    Returns:
        *Shape:* (n_codes,).
    """
    columns = [
        heads[held].column(part.found, note.facts.vectors)
        for note, part, held in zip(notes, parts, fold.tolist(), strict=True)
        if note.facts.vectors is not None
    ]
    return np.concatenate(columns)
