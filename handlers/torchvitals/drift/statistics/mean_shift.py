"""How far the mean has moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .scale import safe_std


def mean_shift_sigmas(
    baseline_mean: NDArray[np.float64],
    baseline_std: NDArray[np.float64],
    window_mean: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return (window mean − baseline mean) in baseline standard deviations, signed. All arrays: (d,).

    >>> float(mean_shift_sigmas(np.array([10.0]), np.array([2.0]), np.array([4.0]))[0])
    -3.0
    """
    return (window_mean - baseline_mean) / safe_std(baseline_std, baseline_mean, baseline_std)
