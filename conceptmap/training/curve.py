"""Learning curve: how much better mentions are found with adapters learned from more and more notes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import polars as pl

from conceptmap.encoders import TokenEncoder
from conceptmap.evaluation.mentions import GoldMentions, measure_mentions
from conceptmap.evaluation.sampled import Measured
from conceptmap.index.index import ConceptIndex
from conceptmap.mapper import ConceptMapper
from conceptmap.notes.marked import MarkedNote
from conceptmap.training.train import TrainingSettings, train

__all__ = ["default_sizes", "learning_curve"]


def default_sizes(n_notes: int) -> list[int]:
    """All notes, half of them and so on, down to about fifty.

    >>> default_sizes(500)
    [62, 125, 250, 500]
    """
    sizes = [n_notes]
    while sizes[-1] // 2 >= 50:
        sizes.append(sizes[-1] // 2)
    return sizes[::-1]


def learning_curve(
    index: ConceptIndex,
    encoder: TokenEncoder,
    training: Sequence[MarkedNote],
    held_out: Sequence[MarkedNote],
    *,
    sizes: Sequence[int],
    settings: TrainingSettings,
) -> Iterator[tuple[int, Measured]]:
    """Measure on held-out notes without an adapter (0 notes), and with one of each size.

    Args:
        index: with vectors.
        encoder: of the notes.
        training: notes to learn from; a smaller part is a part of every larger one.
        held_out: notes to measure on, none of them among the others.
        sizes: numbers of notes.
        settings: how to train; its seed shuffles the notes.

    Raises:
        InputError: as `train`.
    """
    shuffled = random.Random(settings.seed).sample(list(training), len(training))  # noqa: S311 - not for secrets
    gold = GoldMentions.of(held_out, [index.system])
    notes = pl.DataFrame({"note_id": [note.note_id for note in held_out], "text": [note.text for note in held_out]})
    for size in (0, *sizes):
        adapters = (train(index, encoder, shuffled[:size], settings),) if size else ()
        found = ConceptMapper((index,), encoder, adapters).annotate_many(notes)
        seen = {code for note in shuffled[:size] for mention in note.mentions for code in mention.codes}
        yield size, measure_mentions(gold, found.mentions, seen=seen)
