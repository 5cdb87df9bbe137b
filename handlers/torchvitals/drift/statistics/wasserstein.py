"""Wasserstein-1 distance of a window to a grid of baseline quantiles."""

from __future__ import annotations

from functools import lru_cache
from typing import Union

import numpy as np
from numpy.typing import NDArray

from .quantile_grid import QuantileGrid
from .scale import safe_std
from .statistic import DISTANCE_MARGIN, Compared, Statistic


# Windows without missing values all have one length. Others have as many lengths as there are numbers of missing
# values; a cache of all of them would make a worker's memory grow for half an hour.
@lru_cache(maxsize=8)
def _pieces(
    samples: int, points: int, low: int, high: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return the pieces on which the quantile functions of a window and of a grid are both constant.

    Args:
        samples: equal steps of the window's.
        points, low, high: as in `QuantileGrid`.

    Returns:
        The step of the window's, the step of the grid's, and the width of each piece.
    """
    steps = np.concatenate(
        [
            np.full(low, 1 / points / low),
            np.full(max(points - 2, 0), 1 / points),
            np.full(high, 1 / points / high),
        ]
        if points > 1
        else [np.ones(1)]
    )
    of_window, of_grid = np.arange(1, samples) / samples, np.cumsum(steps)[:-1]
    borders = np.concatenate([[0.0], np.union1d(of_window, of_grid), [1.0]])
    middles = (borders[1:] + borders[:-1]) / 2
    return (
        np.searchsorted(of_window, middles),
        np.searchsorted(of_grid, middles),
        np.diff(borders),
    )


def wasserstein_distance(
    grid: Union[QuantileGrid, NDArray[np.float64]], values: NDArray[np.float64]
) -> float:
    """Return ∫|F⁻¹ − G⁻¹| of two sorted samples, in their unit; 0.0 where either is empty.

    It equals ``scipy.stats.wasserstein_distance(grid, values)``, which sorts both anew. Source: Vallender, 1974.

    Args:
        grid: a quantile function, or (K,) baseline values at equally spaced probabilities, ascending.
        values: (n,) finite, ascending.

    >>> wasserstein_distance(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    2.0
    """
    if not isinstance(grid, QuantileGrid):
        grid = QuantileGrid(grid, len(grid))
    if not len(values) or not len(grid.values):
        return 0.0
    value_index, grid_index, width = _pieces(len(values), grid.points, grid.low, grid.high)
    # Not a scalar product: BLAS would share that of a long window out to threads (featurizers/matmul.py).
    return float((np.abs(values[value_index] - grid.values[grid_index]) * width).sum())


class WassersteinDistance(Statistic):
    """How far the values moved on average. It sees location, and keeps growing where the bins' divergences saturate."""

    name = "wasserstein_distance"
    title = "Wasserstein distance"
    unit = "baseline standard deviations"
    main = True
    help = "Wasserstein-1 distance, window to baseline, in baseline standard deviations."
    margin = DISTANCE_MARGIN

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,).

        It is 0 where the window has no numbers, and NaN of texts and where the baseline has one value alone.
        """
        reference = compared.reference
        distance = np.where(reference.varies, 0.0, np.nan)
        for column in np.flatnonzero(compared.measured & reference.varies).tolist():
            values = compared.sorted_values[column, : compared.finite[column]].astype(np.float64)
            distance[column] = wasserstein_distance(reference.grids[column], values)
            compared.pause()
        return distance / safe_std(reference.std, reference.mean, reference.std)
