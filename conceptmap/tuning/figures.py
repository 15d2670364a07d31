"""How good a network is on concepts and notes that are held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from conceptmap.tuning.concepts import NamedConcepts, name_key
from conceptmap.tuning.contexts import ReadSentence
from conceptmap.tuning.network import Learner

__all__ = ["Figures", "HeldBack", "held_back", "measured_on"]

MOST_QUERIES, MOST_CANDIDATES, MOST_SENTENCES = 1000, 8000, 200


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of what is right, from 0 to 1; None where nothing of a kind was held back.

    Attributes:
        names_1: names of concepts that are held back whose nearest other name is one of the same concept.
        names_5: the same among the nearest five concepts.
        mentions_1: mentions in notes that are held back, or of such concepts, whose nearest name is their concept's.
        mentions_5: the same among the nearest five concepts.
        kept: mean cosine of the tokens of sentences that are held back with what they were.
    """

    names_1: float | None
    names_5: float | None
    mentions_1: float | None
    mentions_5: float | None
    kept: float | None

    @property
    def score(self) -> float:
        """What tuning is stopped and chosen by: the mean of those shares that there are, tokens as they were aside."""
        shares = [share for name, share in asdict(self).items() if name != "kept" and share is not None]
        return float(np.mean(shares)) if shares else 0.0

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Figures:
        """Out of what `asdict` gives."""
        return cls(**{one.name: value[one.name] for one in fields(cls)})


@dataclass(frozen=True, eq=False)
class HeldBack:
    """What is asked and what it is compared with.

    Attributes:
        names: asked, and ``name_of`` their concepts.
        mentions: asked: a sentence, rows of it, a concept.
        sentences: looked at for what is kept.
        candidates: names that are searched, and ``candidate_of`` their concepts, ascending. With given vectors there
            are none: those are searched.
    """

    names: list[str]
    name_of: NDArray[np.int64]
    mentions: list[tuple[ReadSentence, tuple[int, int], int]]
    sentences: list[ReadSentence]
    candidates: list[str]
    candidate_of: NDArray[np.int64]


def held_back(concepts: NamedConcepts, contexts: Sequence[ReadSentence]) -> HeldBack:
    """Choose, the same for the same input, what is asked: evenly over all that is held back."""
    names = [(name, i) for i in sorted(concepts.held) for name in concepts.own[i]]
    mentions = [
        (context, (first, stop), number)
        for context in contexts
        for first, stop, number in context.mentions
        if context.held or number in concepts.held
    ]
    names, mentions = _evenly(names, MOST_QUERIES), _evenly(mentions, MOST_QUERIES)
    asked = {number for _, number in names} | {number for *_, number in mentions}
    first = [(i, name) for i in sorted(asked) for name in concepts.own[i]]
    rest = [(i, names[0]) for i, names in enumerate(concepts.own) if names and i not in asked]
    searched = sorted([*first, *_evenly(rest, max(1, MOST_CANDIDATES - len(first)))], key=lambda pair: pair[0])
    some = _evenly([context for context in contexts if context.held] or list(contexts), MOST_SENTENCES)
    return HeldBack(
        [name for name, _ in names], np.array([number for _, number in names], dtype=np.int64), mentions, some,
        [name for _, name in searched], np.array([number for number, _ in searched], dtype=np.int64),
    )  # fmt: skip


def _evenly(items: Sequence[Any], most: int) -> list[Any]:
    if len(items) <= most:
        return list(items)
    return [items[int(i)] for i in np.linspace(0, len(items) - 1, most)]


def measured_on(learner: Learner, concepts: NamedConcepts, held: HeldBack) -> Figures:
    """The figures of a network as it is now."""
    with torch.no_grad():
        if concepts.given is None:
            of, matrix = held.candidate_of, learner.names(held.candidates).cpu().numpy()
            keys = np.array([name_key(name) for name in held.candidates])
        else:
            of = np.flatnonzero(concepts.given.any(axis=1))
            matrix, keys = concepts.given[of], np.array([""] * len(of))
        names: list[float | None] = [None, None]
        mentions: list[float | None] = [None, None]
        if held.names and len(of):
            asked = learner.names(held.names).cpu().numpy()
            itself = np.array([name_key(name) for name in held.names])[:, None] == keys[None]
            names = _shares(np.where(itself, -np.inf, asked @ matrix.T), of, held.name_of, concepts)
        if held.mentions and len(of):
            said = learner.spans([c.ids for c, *_ in held.mentions], [rows for _, rows, _ in held.mentions])
            right = np.array([number for *_, number in held.mentions])
            mentions = _shares(said.cpu().numpy() @ matrix.T, of, right, concepts)
        kept = None
        if held.sentences:
            kept = 1.0 - float(learner.moved([context.ids for context in held.sentences])[0])
    return Figures(names[0], names[1], mentions[0], mentions[1], kept)


def _shares(
    scores: NDArray[np.floating[Any]], of: NDArray[np.int64], right: NDArray[np.int64], concepts: NamedConcepts
) -> list[float | None]:
    """How often a concept that is right is the first, and one of five.

    Args:
        scores: *Shape:* (n_asked, n_candidates).
        of: concept of each candidate, ascending. *Shape:* (n_candidates,).
        right: concept of each that is asked; those with one of its names are right too. *Shape:* (n_asked,).
        concepts: say which these are.
    """
    numbers, starts = np.unique(of, return_index=True)
    best = np.maximum.reduceat(scores, starts, axis=1)
    ranks = []
    for row, number in zip(best, right, strict=True):
        own = np.isin(numbers, list(concepts.shares[int(number)]))
        top = row[own].max() if own.any() else -np.inf
        ranks.append(1 + int((row[~own] >= top).sum()) if np.isfinite(top) else len(numbers) + 1)
    return [float(np.mean([rank <= k for rank in ranks])) for k in (1, 5)]
