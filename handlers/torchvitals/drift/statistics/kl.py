"""Kullback-Leibler divergence of two histograms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from .statistic import DIVERGENCE_MARGIN, Compared, Statistic


def kl_divergence(baseline: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return KL(baseline ‖ window) in nats, over the last axis.

    It equals ``scipy.stats.entropy(baseline, window)``. Source: Kullback and Leibler, 1951.

    Args:
        baseline: (..., B) shares that sum to 1.
        window: the same; a bin that is 0 in both adds nothing.

    >>> round(float(kl_divergence(np.array([0.5, 0.5]), np.array([0.9, 0.1]))), 6)
    0.510826
    """
    return np.asarray(rel_entr(baseline, window).sum(axis=-1))


class KLDivergence(Statistic):
    """KL(baseline ‖ window) of the bins. It sees any change of shape, and saturates where the window left every bin."""

    name = "kl_divergence"
    title = "KL divergence"
    unit = "nats"
    main = True
    help = "Histogram KL divergence, baseline to window."
    margin = DIVERGENCE_MARGIN

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,)."""
        return kl_divergence(compared.reference.shares, compared.shares)
