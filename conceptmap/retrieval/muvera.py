"""Fixed dimensional encodings: one vector for each passage, whose product with a query's is about their MaxSim.

MUVERA (Dhulipala et al. 2024, arXiv 2405.19504, section 2). A repetition cuts space by random hyperplanes into clusters
(SimHash). A query's tokens are summed in each cluster, a passage's averaged, and an empty cluster of a passage takes
the token that is nearest by the clusters' signs; each is projected to a few numbers by random signs. The repetitions
stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Muvera"]

ROWS_AT_ONCE = 1 << 15


@dataclass(frozen=True)
class Muvera:
    """Encodings of one shape; equal numbers give equal ones on every machine with the same numpy.

    Attributes:
        dim: width of the token vectors.
        repetitions: how many times space is cut anew.
        planes: hyperplanes of a repetition: ``2 ** planes`` clusters.
        narrow: width that tokens are projected to.
        seed: of the random numbers.
    """

    dim: int
    repetitions: int = 20
    planes: int = 4
    narrow: int = 8
    seed: int = 1

    @property
    def width(self) -> int:
        """Numbers of an encoding."""
        return self.repetitions * self.clusters * self.narrow

    @property
    def clusters(self) -> int:
        """Clusters of a repetition."""
        return 1 << self.planes

    @cached_property
    def _hyperplanes(self) -> NDArray[np.float32]:
        """*Shape:* (dim, repetitions * planes) float32."""
        draw = np.random.default_rng([self.seed, 1])
        return draw.standard_normal((self.dim, self.repetitions * self.planes), dtype=np.float32)

    @cached_property
    def _projections(self) -> NDArray[np.float32]:
        """Random signs over the root of the width. *Shape:* (dim, repetitions * narrow) float32."""
        draw = np.random.default_rng([self.seed, 2])
        signs = draw.integers(0, 2, (self.dim, self.repetitions * self.narrow)).astype(np.float32) * 2 - 1
        return np.asarray(signs / np.sqrt(np.float32(self.narrow)), dtype=np.float32)

    def query(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encode a query.

        Args:
            tokens: of any length above 0; they are scaled to length 1. *Shape:* (n_tokens, dim) float32.

        Returns:
            *Shape:* (width,) float32.
        """
        unit = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
        clusters, narrow = self._clustered(np.asarray(unit, dtype=np.float32))
        out = np.zeros((self.repetitions, self.clusters, self.narrow), dtype=np.float32)
        for repetition in range(self.repetitions):
            np.add.at(out[repetition], clusters[:, repetition], narrow[:, repetition])
        return out.reshape(-1)

    def passages(self, rows: NDArray[Any], edges: NDArray[np.int64]) -> NDArray[np.float32]:
        """Encode passages.

        Args:
            rows: tokens of all passages, of unit length. *Shape:* (n_rows, dim).
            edges: first row of each passage, and the number of rows. *Shape:* (n_passages + 1,) int64.

        Returns:
            *Shape:* (n_passages, width) float32.
        """
        out = np.empty((len(edges) - 1, self.width), dtype=np.float32)
        for some in _blocks(edges):
            first = int(edges[some.start])
            here = np.asarray(rows[first : int(edges[some.stop])], dtype=np.float32)
            out[some] = self._averaged(here, edges[some.start : some.stop + 1] - first)
        return out

    def _clustered(self, unit: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Cluster of each token, and its projection, in each repetition.

        *Shape:* (n, repetitions) int64 and (n, repetitions, narrow) float32.
        """
        signs = (unit @ self._hyperplanes > 0).reshape(len(unit), self.repetitions, self.planes)
        clusters = signs @ (1 << np.arange(self.planes))
        return clusters, (unit @ self._projections).reshape(len(unit), self.repetitions, self.narrow)

    def _averaged(self, rows: NDArray[np.float32], edges: NDArray[np.int64]) -> NDArray[np.float32]:
        """Means of the tokens in each cluster; an empty one has the first token of the nearest that is not."""
        n = len(edges) - 1
        clusters, narrow = self._clustered(rows)
        passage = np.repeat(np.arange(n), np.diff(edges))
        out = np.empty((n, self.repetitions, self.clusters, self.narrow), dtype=np.float32)
        for repetition in range(self.repetitions):
            key = passage * self.clusters + clusters[:, repetition]
            order = np.argsort(key, kind="stable")
            held, firsts, counts = np.unique(key[order], return_index=True, return_counts=True)
            own = narrow[order, repetition]
            means = np.zeros((n * self.clusters, self.narrow), dtype=np.float32)
            heads = np.zeros_like(means)
            means[held] = np.add.reduceat(own, firsts, axis=0) / counts[:, None]
            heads[held] = own[firsts]
            full = np.zeros(n * self.clusters, dtype=np.bool_)
            full[held] = True
            nearest = self._nearest(full.reshape(n, self.clusters)) + np.arange(n)[:, None] * self.clusters
            filled = np.where(full[:, None], means, heads[nearest.reshape(-1)])
            out[:, repetition] = filled.reshape(n, self.clusters, self.narrow)
        return out.reshape(n, -1)

    def _nearest(self, full: NDArray[np.bool_]) -> NDArray[np.int64]:
        """For each cluster the nearest one that holds a token, by differing signs. *Shape:* (n_passages, clusters)."""
        differing = np.arange(self.clusters)[:, None] ^ np.arange(self.clusters)
        apart = np.bitwise_count(differing.astype(np.uint16)).astype(np.int64)
        order = np.argsort(apart, axis=1, kind="stable")  # (cluster, rank): itself first
        rank = np.argmax(full[:, order], axis=2)
        return np.asarray(order[np.arange(self.clusters), rank], dtype=np.int64)


def _blocks(edges: NDArray[np.int64]) -> Iterator[slice]:
    """Passages that are encoded together."""
    first, n = 0, len(edges) - 1
    while first < n:
        stop = max(first + 1, int(np.searchsorted(edges, edges[first] + ROWS_AT_ONCE, side="right")) - 1)
        yield slice(first, stop)
        first = stop
