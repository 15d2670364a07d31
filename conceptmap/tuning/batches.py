"""What a step looks at: drawn anew from its number, so that a run that goes on draws as one that never stopped."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conceptmap.tuning.concepts import NamedConcepts, name_key
from conceptmap.tuning.contexts import ReadSentence
from conceptmap.tuning.settings import TuneSettings

__all__ = ["Batch", "Material", "batch_of", "compared"]

_OTHER_WORDS = 2
"""Background words that are taken for each mention."""


@dataclass(frozen=True, eq=False)
class Material:
    """All that is drawn from.

    Attributes:
        concepts: with names.
        near: hard neighbours of those with several names.
        contexts: sentences that are not held back.
        drawn: for each ontology the concepts that are drawn, and of its mentions, whose concept is taught, the place
            of the sentence and of the mention in it.
    """

    concepts: NamedConcepts
    near: Mapping[int, Sequence[int]]
    contexts: Sequence[ReadSentence]
    drawn: Sequence[tuple[Sequence[int], Sequence[tuple[int, int]]]]

    @classmethod
    def of(
        cls, concepts: NamedConcepts, near: Mapping[int, Sequence[int]], contexts: Sequence[ReadSentence]
    ) -> Material:
        """Each ontology's own: what two call differently is not told apart."""
        some = [context for context in contexts if not context.held]
        mentions = [
            (m[2], (i, j))
            for i, context in enumerate(some)
            for j, m in enumerate(context.mentions)
            if concepts.names[m[2]]
        ]
        ends = [*concepts.first[1:], len(concepts)]
        drawn = [
            ([n for n in near if first <= n < end], [place for n, place in mentions if first <= n < end])
            for first, end in zip(concepts.first, ends, strict=True)
        ]
        return cls(concepts, near, some, [(numbers, places) for numbers, places in drawn if len(numbers) > 1])


@dataclass(frozen=True, eq=False)
class Batch:
    """What is compared in a step.

    Attributes:
        names: names of concepts; the first ``2 n_pairs`` are two of each drawn concept, one after the other.
        concept: of each name. *Shape:* (n_names,) int64.
        n_pairs: how many concepts were drawn.
        mentions: sentence, rows of its mention, and the concept.
        background: sentence and rows of a word that means no concept.
        sentences: to be kept as they were.
    """

    names: list[str]
    concept: NDArray[np.int64]
    n_pairs: int
    mentions: list[tuple[ReadSentence, tuple[int, int], int]]
    background: list[tuple[ReadSentence, tuple[int, int]]]
    sentences: list[ReadSentence]


def batch_of(material: Material, settings: TuneSettings, step: int) -> Batch:
    """Draw what a step looks at, from the seed and its number alone."""
    draw = random.Random(f"{settings.seed} {step}")  # noqa: S311 - no secret
    concepts = material.concepts
    numbers, places = draw.choice(material.drawn)
    pairs = _concepts(material, numbers, settings, draw)
    named = [(name, number) for number in pairs for name in draw.sample(concepts.names[number], 2)]
    if settings.parents:
        taught = [sorted(p for p in concepts.parents[number] if concepts.names[p]) for number in pairs]
        drawn = [draw.choice(parents) for parents in taught if parents]
        named += [(draw.choice(concepts.names[number]), number) for number in drawn]
    mentions, background = [], []
    if settings.context and places:
        for i, j in draw.sample(places, min(settings.mentions, len(places))):
            context = material.contexts[i]
            first, stop, number = context.mentions[j]
            mentions.append((context, (first, stop), number))
            named.append((draw.choice(concepts.names[number]), number))
            if settings.background:
                some = draw.sample(context.background, min(_OTHER_WORDS, len(context.background)))
                background += [(context, rows) for rows in some]
    n_kept = min(settings.sentences, len(material.contexts)) if settings.keeping else 0
    return Batch(
        [name for name, _ in named], np.array([number for _, number in named], dtype=np.int64), len(pairs),
        mentions, background, draw.sample(material.contexts, n_kept),
    )  # fmt: skip


def _concepts(material: Material, numbers: Sequence[int], settings: TuneSettings, draw: random.Random) -> list[int]:
    """Concepts with two names at least, some of them hard to tell from one another."""
    own = set(numbers)
    wanted = min(settings.concepts, len(numbers)) if settings.names or settings.parents else 0
    found: dict[int, None] = {}
    for number in draw.sample(numbers, wanted):
        if len(found) >= wanted:
            break
        found[number] = None
        near = [other for other in material.near[number] if other in own and other not in found]
        draw.shuffle(near)
        found.update(dict.fromkeys(near[: settings.hard]))
    return list(found)[:wanted]


def compared(batch: Batch, concepts: NamedConcepts, *, n_given: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which names say the same of a concept as a query, and which are not to be compared with it.

    Args:
        batch: queries are its names, then its mentions; candidates are its names, then given vectors of concepts.
        concepts: say who is related.
        n_given: how many given vectors there are, one for each different concept in order, or 0.

    Returns:
        positive and left out, *Shape:* (n_names + n_mentions, n_names + n_given) bool both.
    """
    query = np.concatenate([batch.concept, np.array([number for *_, number in batch.mentions], dtype=np.int64)])
    numbers, at = np.unique(query, return_inverse=True)
    related = np.array([[concepts.related(int(a), int(b)) for b in numbers] for a in numbers])
    candidate = np.concatenate([batch.concept, numbers[:n_given]])
    columns = np.searchsorted(numbers, candidate)
    positive = query[:, None] == candidate[None]
    left_out = related[np.ix_(at, columns)] & ~positive
    keys = {key: i for i, key in enumerate(dict.fromkeys(map(name_key, batch.names)))}
    text = np.array([keys[name_key(name)] for name in batch.names], dtype=np.int64)
    same = text[:, None] == text[None]
    n = len(batch.names)
    positive[:n, :n] &= ~same
    left_out[:n, :n] |= same
    return positive, left_out
