"""Kullback-Leibler divergence of two normal distributions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .scale import safe_std
from .statistic import Compared, Statistic

# A window that stands still has none; one that nearly does has a value that says no more than that.
MOST_NATS = 100.0


def gaussian_kl_divergence(
    baseline_mean: NDArray[np.float64],
    baseline_std: NDArray[np.float64],
    window_mean: NDArray[np.float64],
    window_std: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return KL(N(baseline) ‖ N(window)) in nats for each feature. All arrays: (d,), in the feature's own unit.

    It is ``ln(q_std/p_std) + (p_std² + (p_mean − q_mean)²) / (2 q_std²) − 1/2`` with p the baseline and q the window.
    A standard deviation of 0 is raised to a small floor, so that the result is always finite.

    >>> one, zero = np.ones(1), np.zeros(1)
    >>> float(gaussian_kl_divergence(zero, one, 5 * one, one)[0])
    12.5
    """
    p_std = safe_std(baseline_std, baseline_mean, baseline_std)
    q_std = safe_std(window_std, baseline_mean, baseline_std)
    shift = (baseline_mean - window_mean) ** 2
    divergence = np.log(q_std / p_std) + (p_std**2 + shift) / (2 * q_std**2) - 0.5
    return np.asarray(np.maximum(divergence, 0.0))


class GaussianKLDivergence(Statistic):
    """KL(baseline ‖ window) of two normal distributions. It needs no bins, and does not saturate before MOST_NATS."""

    name = "gaussian_kl_divergence"
    title = "Gaussian KL divergence"
    unit = "nats"
    help = "KL divergence of the two normal distributions with the same mean and standard deviation, at most 100."

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,); NaN of texts, and where the baseline has one value alone."""
        reference = compared.reference
        divergence = gaussian_kl_divergence(reference.mean, reference.std, compared.mean, compared.std)
        return np.where(reference.varies, np.minimum(divergence, MOST_NATS), np.nan)
