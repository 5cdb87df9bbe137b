"""Whether chance alone could have made this window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc


def two_sample_p_value(
    baseline_counts: NDArray[np.float64], window_counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the p-value of the chi-square test that both samples share one distribution.

    baseline_counts, window_counts: (..., B). The baseline is finite, so its own sampling error counts
    too. Bins that are empty in both are left out. 1.0 where either sample is empty or one bin is left.
    Source: Press et al., Numerical Recipes, section 14.3 (two binned samples of unequal size).
    """
    m = baseline_counts.sum(axis=-1, keepdims=True)
    n = window_counts.sum(axis=-1, keepdims=True)
    both = baseline_counts + window_counts
    used = both > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(np.where(n > 0, m / n, 0.0))
        difference = window_counts * scale - baseline_counts / scale
        terms = np.where(used, difference**2 / both, 0.0)
    statistic = terms.sum(axis=-1)
    freedom = used.sum(axis=-1) - 1
    testable = (m[..., 0] > 0) & (n[..., 0] > 0) & (freedom > 0)
    p_value = chdtrc(np.where(testable, freedom, 1), np.where(testable, statistic, 0.0))
    return np.asarray(np.where(testable, p_value, 1.0))


def benjamini_hochberg(p_values: NDArray[np.float64], rate: float) -> NDArray[np.bool_]:
    """Return which of the p-values are significant at false discovery rate `rate`.

    p_values: (d,). Source: Benjamini and Hochberg, 1995.

    >>> benjamini_hochberg(np.array([0.001, 0.3, 0.012]), 0.02).tolist()
    [True, False, True]
    """
    order = np.argsort(p_values)
    passed = p_values[order] <= rate * np.arange(1, len(p_values) + 1) / len(p_values)
    significant = np.zeros(len(p_values), dtype=bool)
    if passed.any():
        significant[order[: int(np.flatnonzero(passed)[-1]) + 1]] = True
    return significant
