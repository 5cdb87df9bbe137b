"""How far the mean moved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .scale import safe_std
from .statistic import Compared, Statistic


def mean_shift_sigmas(
    baseline_mean: NDArray[np.float64],
    baseline_std: NDArray[np.float64],
    window_mean: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return window mean minus baseline mean, in baseline standard deviations. All arrays: (d,).

    >>> float(mean_shift_sigmas(np.array([10.0]), np.array([2.0]), np.array([4.0]))[0])
    -3.0
    """
    return (window_mean - baseline_mean) / safe_std(baseline_std, baseline_mean, baseline_std)


class MeanShift(Statistic):
    """How far the mean moved, and which way."""

    name = "mean_shift_sigmas"
    title = "Mean shift"
    unit = "baseline standard deviations"
    main = True
    help = "Window mean minus baseline mean, in baseline standard deviations."
    worst = "absmax"

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,); NaN of texts, and where the baseline has one value alone."""
        reference = compared.reference
        shift = mean_shift_sigmas(reference.mean, reference.std, compared.mean)
        return np.where(reference.varies, shift, np.nan)
