"""Population stability index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from .statistic import Compared, Statistic


def population_stability_index(
    baseline: NDArray[np.float64], window: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the PSI in nats, over the last axis: KL both ways, summed.

    By a rule of thumb it is small below 0.1 and large above 0.25. Source: Siddiqi, Credit Risk Scorecards, 2006.

    Args:
        baseline: (..., B) shares that sum to 1.
        window: the same; a bin that is 0 in both adds nothing.

    >>> round(float(population_stability_index(np.array([0.5, 0.5]), np.array([0.9, 0.1]))), 6)
    0.87889
    """
    return np.asarray((rel_entr(baseline, window) + rel_entr(window, baseline)).sum(axis=-1))


class PopulationStabilityIndex(Statistic):
    """KL both ways, of the bins: the size of a change."""

    name = "psi"
    title = "PSI"
    unit = "nats"
    main = True
    help = "Population stability index, window against baseline."

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,)."""
        return population_stability_index(compared.reference.shares, compared.shares)
