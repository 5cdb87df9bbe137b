"""Isotonic regression: the closest sequence that never falls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def isotonic(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the non-decreasing sequence closest to (n,) values by weighted least squares, (n,).

    The same as ``scipy.optimize.isotonic_regression(values, weights=weights).x``, which brings 24 MB of solvers into
    every worker. Source: pool adjacent violators; Barlow, Bartholomew, Bremner and Brunk, 1972.

    >>> isotonic(np.array([1.0, 3.0, 2.0, 4.0]), np.array([1.0, 1.0, 1.0, 1.0])).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist()):
        mean, total, length = value, weight, 1
        while pools and pools[-1][0] >= mean:
            before, heavy, long = pools.pop()
            mean = (before * heavy + mean * total) / (heavy + total)
            total, length = total + heavy, length + long
        pools.append((mean, total, length))
    return np.repeat([mean for mean, _, _ in pools], [length for _, _, length in pools]).astype(np.float64)
