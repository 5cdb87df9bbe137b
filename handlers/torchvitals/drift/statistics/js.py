"""Jensen-Shannon distance of two histograms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from .statistic import Compared, Statistic


def js_distance(baseline: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Jensen-Shannon distance to base 2, over the last axis: 0 for the same, 1 for disjoint shares.

    It equals ``scipy.spatial.distance.jensenshannon(baseline, window, base=2)``. Source: Endres and Schindelin, 2003.

    Args:
        baseline: (..., B) shares that sum to 1.
        window: the same.

    >>> float(js_distance(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    1.0
    """
    middle = (baseline + window) / 2
    divergence = (rel_entr(baseline, middle) + rel_entr(window, middle)).sum(axis=-1) / 2
    return np.asarray(np.sqrt(np.maximum(divergence / np.log(2), 0.0)))


class JSDistance(Statistic):
    """Jensen-Shannon distance of the bins: bounded, so that features compare."""

    name = "js_distance"
    title = "Jensen-Shannon distance"
    unit = "ratio"
    help = "Jensen-Shannon distance (base 2), 0 to 1."

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,)."""
        return js_distance(compared.reference.shares, compared.shares)
