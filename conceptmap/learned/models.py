"""What weighs the features of a possible code: a logistic regression, or trees of LightGBM in their text format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from conceptmap.adapters.logistic import logits
from conceptmap.errors import InputError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["LogisticModel", "Model", "TreeModel", "lightgbm"]


def lightgbm() -> ModuleType:
    """The package that grows and reads trees.

    Raises:
        InputError: it is not installed.
    """
    try:
        import lightgbm as found
    except ImportError as error:
        raise InputError(
            "trees need LightGBM", got="no lightgbm", then="pip install 'conceptmap[learn]', or adapt --model logistic"
        ) from error
    return found


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
    def _booster(self) -> Any:  # noqa: ANN401 - LightGBM's own
        return lightgbm().Booster(model_str=self.text)

    def logits(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """*Shape:* (n, n_features) to (n,)."""
        return np.asarray(self._booster.predict(rows, raw_score=True, num_threads=1), dtype=np.float64)

    def carried(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits that each feature adds (SHAP; Lundberg 2018, arXiv:1802.03888). *Shape:* (n, n_features)."""
        found = self._booster.predict(rows, pred_contrib=True, num_threads=1)
        return np.asarray(found, dtype=np.float64).reshape(len(rows), -1)[:, :-1]


Model: TypeAlias = LogisticModel | TreeModel


def strongest(carried: Sequence[float], n: int) -> list[int]:
    """The features that carried a code most, for or against it."""
    return sorted((at for at, moved in enumerate(carried) if moved), key=lambda at: -abs(carried[at]))[:n]
