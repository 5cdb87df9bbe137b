"""The law of the two-sample chi-square statistic over all ways to share the same values out to the two samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, ndtr

# A law that leans less than this is taken for a normal one.
SYMMETRIC = 1e-6


def permutation_p_value(
    statistic: NDArray[np.float64], counts: NDArray[np.float64], samples: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probabilities of chi-square statistics this large if the samples differ by chance alone.

    Mean and variance are exact (Haldane, 1940; Dawson, 1954), the third moment is that of independent bins, with what
    they share through their sum taken out; a gamma law has these three moments (Pearson's type III, as in Mielke and
    Berry, 1988). It takes no time to speak of at any number of bins, and holds where most of them are nearly empty; of
    few bins its values are too coarse for a smooth law.

    Args:
        statistic: (d,) of the two samples of each feature.
        counts: (d, B) values in each bin in both samples together; two bins or more have some.
        samples: (2, d) values in each of the two, one or more; four or more together.

    Returns:
        (d,)
    """
    first, second = samples[..., None]
    used = counts > 0
    total, bins = first + second, used.sum(axis=1, keepdims=True)
    mean, variance = _moments(counts, used, first, second)
    share = second / total
    chance = share * (1 - share)
    spread, lean = np.where(used, counts, 1.0) * chance, 1 - 2 * share
    # Central moments of a binomial count of each bin, the third to the sixth.
    third = spread * lean
    squared = spread**2
    fourth = spread * (1 - 6 * chance) + 3 * squared
    fifth = third * (1 - 12 * chance + 10 * spread)
    sixth = (
        spread * (1 - 30 * chance + 120 * chance**2) + squared * (25 - 130 * chance) + 15 * squared * spread
    )
    # The part of a bin's term that follows from its count, as all counts add up to the sample.
    slope = bins * lean / (total * chance)
    terms = (
        (sixth / (squared * spread) - 3 * fourth / squared + 2)
        - 3 * slope * (fifth / squared - 2 * third / spread)
        + 3 * slope**2 * (fourth / spread - spread)
        - slope**3 * third
    )
    variance = np.maximum(variance, 1e-300)
    skewness = np.where(used, terms, 0.0).sum(axis=1) / variance**1.5
    distance = (statistic - mean) / np.sqrt(variance)
    shape = 4 / np.maximum(skewness, SYMMETRIC) ** 2
    leaning = gammaincc(shape, np.maximum(shape + distance * np.sqrt(shape), 0.0))
    return np.asarray(np.where(skewness < SYMMETRIC, ndtr(-distance), leaning))


def _moments(
    counts: NDArray[np.float64],
    used: NDArray[np.bool_],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of the statistic over all permutations, (d,) each.

    counts, used: (d, B). first, second: (d, 1) values in the two samples.
    """
    total, bins = first + second, used.sum(axis=1, keepdims=True)
    inverse = np.where(used, 1 / np.where(used, counts, 1.0), 0.0).sum(axis=1, keepdims=True)
    free_samples = (total - 2) / (total - 1)
    free_bins = (bins - 1) * (total - bins) / (total - 1)
    uneven_samples = (total / first + total / second - 4) / (total - 2)
    uneven_bins = (total * inverse - bins**2) / (total - 2)
    variance = (
        2 * total / (total - 3) * (free_samples - uneven_samples) * (free_bins - uneven_bins)
        + total**2 / (total - 1) * uneven_samples * uneven_bins
    )
    return (total * (bins - 1) / (total - 1))[:, 0], variance[:, 0]
