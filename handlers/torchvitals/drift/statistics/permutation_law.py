"""The law of the two-sample chi-square statistic over all ways to share the same values out to the two samples."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, ndtr


def permutation_p_value(statistic: float, counts: NDArray[np.float64], samples: tuple[float, float]) -> float:
    """Return the probability of a chi-square statistic this large if the samples differ by chance alone.

    Mean and variance are exact (Haldane, 1940; Dawson, 1954), the third moment is that of independent bins, with what
    they share through their sum taken out; a gamma law has these three moments (Pearson's type III, as in Mielke and
    Berry, 1988). It takes no time to speak of at any number of bins, and holds where most of them are nearly empty; of
    few bins its values are too coarse for a smooth law.

    Args:
        statistic: of the two samples.
        counts: (k,) values in each bin in both samples together; none is 0, two bins or more.
        samples: values in each of the two, one or more; four or more together.
    """
    first, second = samples
    total, bins = first + second, len(counts)
    mean, variance = _moments(counts, first, second)
    share = second / total
    chance = share * (1 - share)
    spread, lean = counts * chance, 1 - 2 * share
    # Central moments of a binomial count of each bin, the third to the sixth.
    third = spread * lean
    fourth = spread * (1 - 6 * chance) + 3 * spread**2
    fifth = third * (1 - 12 * chance + 10 * spread)
    sixth = spread * (1 - 30 * chance + 120 * chance**2) + spread**2 * (25 - 130 * chance) + 15 * spread**3
    # The part of a bin's term that follows from its count, as all counts add up to the sample.
    slope = bins * lean / (total * chance)
    skewness = float(
        (
            (sixth / spread**3 - 3 * fourth / spread**2 + 2)
            - 3 * slope * (fifth / spread**2 - 2 * third / spread)
            + 3 * slope**2 * (fourth / spread - spread)
            - slope**3 * third
        ).sum()
        / max(variance, 1e-300) ** 1.5
    )
    distance = (statistic - mean) / math.sqrt(max(variance, 1e-300))
    if skewness < 1e-6:
        return float(ndtr(-distance))
    shape = 4 / skewness**2
    return float(gammaincc(shape, max(shape + distance * math.sqrt(shape), 0.0)))


def _moments(counts: NDArray[np.float64], first: float, second: float) -> tuple[float, float]:
    """Return mean and variance of the statistic over all permutations."""
    total, bins = first + second, len(counts)
    free_samples = (total - 2) / (total - 1)
    free_bins = (bins - 1) * (total - bins) / (total - 1)
    uneven_samples = (total / first + total / second - 4) / (total - 2)
    uneven_bins = (total * float((1 / counts).sum()) - bins**2) / (total - 2)
    variance = (
        2 * total / (total - 3) * (free_samples - uneven_samples) * (free_bins - uneven_bins)
        + total**2 / (total - 1) * uneven_samples * uneven_bins
    )
    return total * (bins - 1) / (total - 1), variance
