"""Wasserstein-1 distance of a window to a grid of baseline quantiles."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .scale import safe_std
from .statistic import DISTANCE_MARGIN, Compared, Statistic


# Windows without missing values all have one length. Others have as many lengths as there are numbers of missing
# values; a cache of all of them would make a worker's memory grow for half an hour.
@lru_cache(maxsize=8)
def _steps(samples: int, points: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return the pieces on which quantile functions of `samples` and of `points` equal steps are both constant.

    Returns:
        The step of the first, the step of the second, and the width of each piece.
    """
    borders = np.union1d(np.arange(samples + 1) * points, np.arange(points + 1) * samples)
    left = borders[:-1]
    return left // points, left // samples, np.diff(borders) / (samples * points)


def wasserstein_distance(grid: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return ∫|F⁻¹ − G⁻¹| of two sorted samples, in their unit; 0.0 where either is empty.

    It equals ``scipy.stats.wasserstein_distance(grid, values)``, which sorts both anew. Source: Vallender, 1974.

    Args:
        grid: (K,) baseline values at equally spaced probabilities, ascending.
        values: (n,) finite, ascending.

    >>> wasserstein_distance(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    2.0
    """
    if not len(values) or not len(grid):
        return 0.0
    value_index, grid_index, width = _steps(len(values), len(grid))
    # Not a scalar product: BLAS would share that of a long window out to threads (featurizers/matmul.py).
    return float((np.abs(values[value_index] - grid[grid_index]) * width).sum())


class WassersteinDistance(Statistic):
    """How far the values moved on average. It sees location, and keeps growing where the bins' divergences saturate."""

    name = "wasserstein_distance"
    title = "Wasserstein distance"
    unit = "baseline standard deviations"
    help = "Wasserstein-1 distance, window to baseline, in baseline standard deviations."
    margin = DISTANCE_MARGIN

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,); 0 where the feature has no numbers."""
        reference = compared.reference
        distance = np.zeros(len(reference.grids))
        for column in np.flatnonzero(compared.measured):
            values = compared.sorted_values[column, : compared.finite[column]].astype(np.float64)
            distance[column] = wasserstein_distance(reference.grids[column], values)
            compared.pause()
        return distance / safe_std(reference.std, reference.mean, reference.std)
