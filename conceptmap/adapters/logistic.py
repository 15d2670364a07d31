"""Logistic regression, the plain kind: what judges mentions, words and scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_logistic", "logits"]


def logits(weights: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted sums. *Shape:* (n_features + 1,) and (n, n_features) to (n,)."""
    return np.asarray(rows @ weights[:-1] + weights[-1], dtype=np.float64)


def fit_logistic(rows: NDArray[np.float64], right: NDArray[np.bool_], *, penalty: float = 1.0) -> NDArray[np.float64]:
    """Logistic regression, ridge penalty on standardised columns; the weights are for the columns as given.

    Args:
        rows: *Shape:* (n, n_features).
        right: *Shape:* (n,).
        penalty: of half the squared weights.

    Returns:
        *Shape:* (n_features + 1,), the intercept last.
    """
    from scipy.optimize import minimize

    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    spread[spread < 1e-9] = np.inf  # a column that says nothing gets no weight
    x = np.column_stack([(rows - mean) / spread, np.ones(len(rows))])
    sign = np.where(right, 1.0, -1.0)
    pull = np.append(np.full(rows.shape[1], penalty), 0.0)

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = sign * (x @ w)
        slope = x.T @ (-sign / (1.0 + np.exp(np.clip(z, -500, 500)))) + pull * w
        return float(np.logaddexp(0.0, -z).sum() + 0.5 * (pull * w * w).sum()), slope

    w = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    plain = w[:-1] / spread
    return np.append(plain, w[-1] - plain @ mean)
