"""How much narrower the values have become: a stuck sensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .scale import safe_std
from .statistic import Compared, Statistic


class Narrowing(Statistic):
    """The baseline's standard deviation over the window's.

    A divergence of bins saturates, and a window that stands still near the mean is not far; that no training window
    stood so still tells a sensor that is stuck. Spreads of heavy tails vary on their own, so the margin is wide: three
    times as narrow as any window of training. Divisors have a floor, so it is a million at most.
    """

    name = "narrowing"
    title = "Narrowing"
    unit = "times"
    help = "Baseline's standard deviation over the window's: above 1 the values have become narrower."
    margin = 3.0

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,).

        It is 1 where the window has no numbers, and NaN of texts and where the baseline has one value alone.
        """
        reference = compared.reference
        divisor = safe_std(compared.std, reference.mean, reference.std)
        narrowing = np.where(compared.measured, reference.std / divisor, 1.0)
        return np.where(reference.varies, narrowing, np.nan)
