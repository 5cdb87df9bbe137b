"""Whether chance alone explains a window."""

from __future__ import annotations

from functools import lru_cache
from typing import Optional

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from .permutation_law import permutation_p_value

# Below these the chi-square law is only rough: few rows, or bins in which few rows are expected.
SMALL_WINDOW = 200
SMALL_EXPECTED = 5.0
# Above so many bins in use, the statistic takes so many values that a smooth law fits.
FEW_BINS = 8
NULL_DRAWS = 20_000
# Only the upper tenth of the draws is kept: a p-value above a tenth decides nothing.
TAIL_DRAWS = NULL_DRAWS // 10
# Counts that are looked at together: features of a hundred thousand categories each take no memory to speak of.
VALUES_AT_ONCE = 50_000


def two_sample_p_value(
    baseline_counts: NDArray[np.float64],
    window_counts: NDArray[np.float64],
    sizes: Optional[NDArray[np.intp]] = None,
) -> NDArray[np.float64]:
    """Return the probability of counts this different if both samples came from one distribution.

    The statistic is the two-sample chi-square, so the baseline's own sampling error counts too. Its p-value comes from
    the chi-square law. Where that is rough it comes from the exact moments of the statistic, or of few bins, if it is
    small enough to matter, from the values that the statistic takes without drift (Monte Carlo, seeded and cached).

    Args:
        baseline_counts: (d, B), a row for each feature.
        window_counts: the same.
        sizes: (d,) how many of the bins a feature has; the others only pad. All where it is left out.

    Returns:
        (d,); 1.0 where a sample is empty or only one bin is used.
    """
    p_values = chi_square_p_value(baseline_counts, window_counts)
    rough = _rough(baseline_counts, window_counts)
    many = ((baseline_counts + window_counts) > 0).sum(axis=-1) > FEW_BINS
    smooth = np.flatnonzero(rough & many & (_totals(baseline_counts, window_counts).min(axis=0) >= 1))
    at_once = max(1, VALUES_AT_ONCE // baseline_counts.shape[-1])
    for start in range(0, len(smooth), at_once):
        rows = smooth[start : start + at_once]
        p_values[rows] = _permutation_p_value(baseline_counts[rows], window_counts[rows])
    for row in np.flatnonzero(rough & ~many & (p_values < TAIL_DRAWS / NULL_DRAWS)):
        bins = slice(None if sizes is None else int(sizes[row]))
        p_values[row] = monte_carlo_p_value(baseline_counts[row, bins], window_counts[row, bins])
    return p_values


def chi_square(
    baseline_counts: NDArray[np.float64], window_counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the two-sample chi-square statistic and its degrees of freedom, over the last axis.

    Bins that are empty in both samples are left out. Source: Press et al., Numerical Recipes,
    section 14.3 (two binned samples of unequal size).
    """
    m = baseline_counts.sum(axis=-1, keepdims=True)
    n = window_counts.sum(axis=-1, keepdims=True)
    both = baseline_counts + window_counts
    used = both > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(m / n)
        terms = np.where(used, (window_counts * scale - baseline_counts / scale) ** 2 / both, 0.0)
    return terms.sum(axis=-1), used.sum(axis=-1) - 1


def chi_square_p_value(
    baseline_counts: NDArray[np.float64], window_counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the p-value of the two-sample chi-square test by its limiting law, over the last axis."""
    statistic, freedom = chi_square(baseline_counts, window_counts)
    testable = (baseline_counts.sum(axis=-1) > 0) & (window_counts.sum(axis=-1) > 0) & (freedom > 0)
    p_value = chdtrc(np.where(testable, freedom, 1), np.where(testable, statistic, 0.0))
    return np.asarray(np.where(testable, p_value, 1.0))


def _permutation_p_value(
    baseline_counts: NDArray[np.float64], window_counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the p-values of counts, (d, B), by the law of permutations."""
    statistic = chi_square(baseline_counts, window_counts)[0]
    samples = _totals(baseline_counts, window_counts)
    return permutation_p_value(statistic, baseline_counts + window_counts, samples)


def _totals(baseline_counts: NDArray[np.float64], window_counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many values there are in each sample of each feature, (2, d)."""
    return np.stack([baseline_counts.sum(axis=-1), window_counts.sum(axis=-1)])


def monte_carlo_p_value(baseline_counts: NDArray[np.float64], window_counts: NDArray[np.float64]) -> float:
    """Return the p-value of one feature's counts, (B,), from the values that the statistic takes without drift.

    It is a tenth at most, and 1/(NULL_DRAWS + 1) at the largest draw (Davison and Hinkley, 1997, section 4.2.1). Beyond
    that draw the chi-square law takes over, scaled to meet it there.
    """
    statistic, freedom = (float(value) for value in chi_square(baseline_counts, window_counts))
    tail = null_tail(tuple(baseline_counts.tolist()), _rounded(int(window_counts.sum())))
    # The draws are kept as float32; a value that equals one of them must not look larger.
    larger = TAIL_DRAWS - int(np.searchsorted(tail, np.float32(statistic), side="left"))
    if larger:
        return (larger + 1) / (NULL_DRAWS + 1)
    beyond = float(chdtrc(freedom, statistic)) / max(float(chdtrc(freedom, float(tail[-1]))), 1e-300)
    return min(beyond, 1.0) / (NULL_DRAWS + 1)


@lru_cache(maxsize=256)
def null_tail(baseline_counts: tuple[float, ...], samples: int) -> NDArray[np.float32]:
    """Return the TAIL_DRAWS largest of NULL_DRAWS values of the statistic without drift, ascending.

    Both samples are drawn from the baseline's shares, so that the baseline's own sampling error counts too.
    """
    counts = np.array(baseline_counts)
    size = int(counts.sum())
    # What no row of many had is rare, and not impossible.
    chances = np.where(counts > 0, counts, 1.0)
    shares = chances / chances.sum()
    rng = np.random.default_rng(20130101)
    windows = rng.multinomial(samples, shares, size=NULL_DRAWS).astype(np.float64)
    baselines = rng.multinomial(size, shares, size=NULL_DRAWS).astype(np.float64)
    statistics = chi_square(baselines, windows)[0].astype(np.float32)
    return np.sort(statistics)[-TAIL_DRAWS:]


def benjamini_hochberg(p_values: NDArray[np.float64], rate: float) -> NDArray[np.bool_]:
    """Return which p-values, (d,), are significant at the false discovery rate `rate`.

    Source: Benjamini and Hochberg, 1995.

    >>> benjamini_hochberg(np.array([0.001, 0.3, 0.012]), 0.02).tolist()
    [True, False, True]
    """
    order = np.argsort(p_values)
    passed = p_values[order] <= rate * np.arange(1, len(p_values) + 1) / len(p_values)
    significant = np.zeros(len(p_values), dtype=bool)
    if passed.any():
        significant[order[: int(np.flatnonzero(passed)[-1]) + 1]] = True
    return significant


def _rough(baseline_counts: NDArray[np.float64], window_counts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where the chi-square law is only rough, (d,)."""
    n = window_counts.sum(axis=-1)
    both = baseline_counts + window_counts
    total = np.maximum(both.sum(axis=-1), 1.0)
    expected = np.where(both > 0, both, total[..., None]).min(axis=-1) * n / total
    return np.asarray((n < SMALL_WINDOW) | (expected < SMALL_EXPECTED))


def _rounded(samples: int) -> int:
    """Return the nearest of window sizes about a tenth apart, so that few null distributions are drawn."""
    if samples < 20:
        return samples
    step = 10 ** max(len(str(samples)) - 2, 0)
    return int(round(samples / step) * step)
