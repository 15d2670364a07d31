"""Adapter: what annotated notes taught about one encoder and one index, ready to be applied."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.judge import Judge
from conceptmap.adapters.linear import unit
from conceptmap.adapters.memory import Memory
from conceptmap.encoders.embeddings import Vectors, on_host
from conceptmap.errors import IndexMismatchError
from conceptmap.index.index import ConceptIndex

__all__ = ["Adapter", "Compatibility", "compatibility_of"]


@dataclass(frozen=True, slots=True)
class Compatibility:
    """The encoder and the index that an adapter belongs to.

    Attributes:
        encoder: name of the encoder of the notes, and ``revision`` its version.
        dim: width of its token vectors.
        system: prefix of the ontology, and ``release`` its version.
        index_dim: width of the index's rows.
        rows: sha256 over the codes and terms of these rows, in order.
    """

    encoder: str
    revision: str
    dim: int
    system: str
    release: str
    index_dim: int
    rows: str


def compatibility_of(index: ConceptIndex, *, encoder: str, revision: str, dim: int) -> Compatibility:
    """What an adapter for this index and encoder belongs to."""
    with_rows = index.terms.drop_nulls("row").sort("row")
    digest = hashlib.sha256()
    for column in ("node", "term"):
        digest.update("\n".join(with_rows[column].to_list()).encode())
    return Compatibility(encoder, revision, dim, index.system, index.release, index.dim, digest.hexdigest())


@dataclass(frozen=True, eq=False)
class Adapter:
    """Made by ``conceptmap adapt``, applied by ``ConceptMapper.load(adapter=…)``.

    Attributes:
        fit: the encoder and the index that it belongs to.
        memory: wordings of the training notes.
        matrix: takes unit token vectors into the index's space; None leaves them. *Shape:* (dim, index_dim) float32.
        inside: whether a token is part of a mention: weights of its unit vector, intercept last. *Shape:* (dim + 1,);
            None where it was not learned.
        inside_threshold: weighted sum below which a token outside mentions abstains.
        judge: probability that a mention is right; None where it was not learned.
        card: data, licence, figures.
    """

    made_for: Compatibility
    memory: Memory
    matrix: NDArray[np.float32] | None = None
    inside: NDArray[np.float32] | None = None
    inside_threshold: float = 0.0
    judge: Judge | None = None
    card: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def sha256(self) -> str:
        """Digest of everything that bears on what the adapter does."""
        digest = hashlib.sha256(repr((self.made_for, self.inside_threshold)).encode())
        for array in (self.matrix, self.inside):
            digest.update(b"-" if array is None else np.ascontiguousarray(array, dtype="<f4").tobytes())
        for frame in (self.memory.names, self.memory.seen):
            digest.update(repr(frame.rows()).encode())
        if self.judge is not None:
            digest.update(repr((self.judge.weights.tolist(), self.judge.calibration, self.judge.threshold)).encode())
        return digest.hexdigest()

    def check(self, index: ConceptIndex, encoder: str, revision: str, dim: int) -> None:
        """Refuse another encoder or index.

        Raises:
            IndexMismatchError: the adapter was trained for others; the message names the first difference.
        """
        here = compatibility_of(index, encoder=encoder, revision=revision, dim=dim)
        if here == self.made_for:
            return
        what = "encoder" if (here.encoder, here.revision, here.dim) != self._encoder else "index"
        name = next(name for name in Compatibility.__slots__ if getattr(here, name) != getattr(self.made_for, name))
        raise IndexMismatchError(
            f"the adapter was trained for another {what}: its {name.replace('_', ' ')} differs",
            got=str(getattr(here, name))[:40],
            expected=str(getattr(self.made_for, name))[:40],
            then="train it again: conceptmap adapt",
        )

    @property
    def _encoder(self) -> tuple[str, str, int]:
        return self.made_for.encoder, self.made_for.revision, self.made_for.dim

    def mapped(self, vectors: Vectors) -> Vectors:
        """Token vectors, or means of them, in the index's space. *Shape:* (n, dim) to (n, index_dim)."""
        return vectors if self.matrix is None else _unit_times(vectors, self.matrix)

    def outside(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Whether each vector is surely no part of a mention. *Shape:* (n, dim) to (n,)."""
        if self.inside is None:
            return np.zeros(len(vectors), dtype=np.bool_)
        sums = on_host(_unit_times(vectors, self.inside[:-1])) + self.inside[-1]
        return np.asarray(sums < self.inside_threshold)


def _unit_times(vectors: Vectors, weights: NDArray[np.float32]) -> Vectors:
    """Products of the vectors at length 1. *Shape:* (n, dim) times (dim,) or (dim, width)."""
    if isinstance(vectors, np.ndarray):
        return unit(vectors) @ weights
    from conceptmap.encoders import resident

    return resident.unit(vectors) @ resident.sent(weights, vectors.device)
