"""A standard deviation that is safe to divide by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RELATIVE_FLOOR = 1e-6


def safe_std(
    std: NDArray[np.float64], baseline_mean: NDArray[np.float64], baseline_std: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return std, but at least a millionth of the baseline's scale. All arrays: (d,).

    The scale is the baseline's standard deviation; for a constant feature its absolute mean, or 1 where that is 0 too.
    """
    scale = np.where(baseline_std > 0, baseline_std, np.abs(baseline_mean))
    scale = np.where(scale > 0, scale, 1.0)
    return np.maximum(std, RELATIVE_FLOOR * scale)
