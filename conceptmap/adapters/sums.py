"""Logistic regression of bags: the odds of the members of a bag are added up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["fitted_sums"]

_STEPS = 100


def fitted_sums(
    rows: NDArray[np.float32],
    starts: NDArray[np.int64],
    right: NDArray[np.bool_],
    *,
    penalty: float,
) -> NDArray[np.float64]:
    """Fit weights w so that the logits of a bag are the logarithm of the sum of its members' odds.

    Args:
        rows: a row for each member, those of a bag together. *Shape:* (n_members, n_features).
        starts: where the members of each bag start; none is empty. *Shape:* (n_bags,) int64.
        right: whether each bag has what is looked for in some member. *Shape:* (n_bags,).
        penalty: of half the squared weights, of columns that are standardised.

    Returns:
        For the columns as given, the intercept last. *Shape:* (n_features + 1,).
    """
    from scipy.optimize import minimize

    mean, spread = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    spread[spread < 1e-9] = np.inf  # a column that says nothing gets no weight
    x = ((rows - mean) / spread).astype(np.float32)
    bag = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(rows)))
    sign = np.where(right, 1.0, -1.0)

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = (x @ w[:-1].astype(np.float32)).astype(np.float64) + w[-1]
        sums = np.logaddexp.reduceat(odds, starts)
        z = sign * sums
        share = np.exp(odds - sums[bag])  # a member's part in its bag
        slope = (-sign / (1.0 + np.exp(np.clip(z, -500, 500))))[bag] * share
        pulled = penalty * w[:-1]
        steep = (slope.astype(np.float32) @ x).astype(np.float64) + pulled
        return float(np.logaddexp(0.0, -z).sum() + 0.5 * (pulled * w[:-1]).sum()), np.append(steep, slope.sum())

    w = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
    plain = w[:-1] / spread
    return np.append(plain, w[-1] - plain @ mean)
