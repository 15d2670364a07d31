"""What weighs the features of a possible code: a logistic regression, or trees of LightGBM in their text format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.logistic import logits
from conceptmap.learned.trees import Trees

__all__ = ["LogisticModel", "Model", "TreeModel", "strongest"]


@dataclass(frozen=True, eq=False)
class LogisticModel:
    """A logistic regression.

    Attributes:
        weights: one for each feature, the intercept last. *Shape:* (n_features + 1,).
        means: of the features in training, from which what each carries is told. *Shape:* (n_features,).
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]

    @property
    def content(self) -> bytes:
        """All that it is, for a digest."""
        return self.weights.astype("<f8").tobytes() + self.means.astype("<f8").tobytes()

    def logits(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """*Shape:* (n, n_features) to (n,)."""
        return logits(self.weights, rows)

    def carried(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits that each feature adds to those of an average code. *Shape:* (n, n_features)."""
        return (rows - self.means) * self.weights[:-1]


@dataclass(frozen=True, eq=False)
class TreeModel:
    """Boosted trees.

    Attributes:
        text: in the text format of LightGBM.
    """

    text: str

    @property
    def content(self) -> bytes:
        """All that it is, for a digest."""
        return self.text.encode()

    @cached_property
    def trees(self) -> Trees:
        """As they are applied.

        Raises:
            ValueError, KeyError: the text is damaged, or has what is not read.
        """
        return Trees.of(self.text)

    def logits(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """*Shape:* (n, n_features) to (n,)."""
        return self.trees.logits(rows)

    def carried(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits that each feature adds (SHAP). *Shape:* (n, n_features)."""
        return self.trees.carried(rows)


Model: TypeAlias = LogisticModel | TreeModel


def strongest(carried: Sequence[float], n: int) -> list[int]:
    """The features that carried a code most, for or against it."""
    return sorted((at for at, moved in enumerate(carried) if moved), key=lambda at: -abs(carried[at]))[:n]
