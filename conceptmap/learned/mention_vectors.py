"""Vectors of a note's mentions in their context, as the likelihood of codes is told from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.linear import unit
from conceptmap.encoders.embeddings import on_host
from conceptmap.linking.pooling import pool

if TYPE_CHECKING:
    from conceptmap.encoders import TokenEmbeddings
    from conceptmap.linking.name_vectors import NameVectors

__all__ = ["MentionVectors", "mention_vectors"]


@dataclass(frozen=True, slots=True)
class MentionVectors:
    """What an encoder says of the mentions of a note.

    Attributes:
        unit: mean of each mention's tokens, before any projection, at length 1. *Shape:* (n_mentions, dim) float16.
        names: vectors of the concepts of the index.
    """

    unit: NDArray[np.float16]
    names: NameVectors


def mention_vectors(
    tokens: TokenEmbeddings, spans: Sequence[tuple[int, int]], asked: Collection[tuple[int, int]], names: NameVectors
) -> MentionVectors:
    """Vectors of mentions.

    Args:
        tokens: of the note.
        spans: of its mentions.
        asked: those whose vectors were asked for; others get a zero row, whatever tokens happen to be there.
        names: of the index.
    """
    vectors = unit(on_host(pool(tokens, spans)))
    vectors[[number for number, span in enumerate(spans) if span not in asked]] = 0.0
    return MentionVectors(vectors.astype(np.float16), names)
