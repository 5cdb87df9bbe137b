"""How many values lie far out: a fault in a few rows, where large values are nothing unusual."""

from __future__ import annotations

from typing import Optional

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtrik

from .statistic import Compared, Statistic

# Of the training values that lie beyond the quantile of either side.
FAR_OUT = 0.001
# Of independent windows, those that go beyond their limit.
CHANCE = 1e-4


class ExceedanceRatio(Statistic):
    """The share of values beyond the training data's 0.1 % or 99.9 % quantile, of the side that has more.

    In data with heavy tails a hundredfold value moves no mean that moves anyway, and stays within the training range.
    That ten times as many rows lie as far out as one in a thousand did tells it all the same.
    """

    name = "exceedance_ratio"
    title = "Exceedance"
    unit = "ratio"
    help = "Share of values beyond the training data's 0.1 % or 99.9 % quantile, of the side that has more."
    margin = 1.0

    def limit(self, farthest: float, window: int) -> Optional[float]:
        """Return what chance nearly never exceeds in independent rows; None where those of training hang together.

        Where a storm brings the values that lie far out together, the next one may bring any number. Windows in which
        not one is expected do not tell how they come.
        """
        if FAR_OUT * window < 1:
            return None
        most = float(pdtrik(1 - CHANCE, FAR_OUT * window)) / window
        return most if farthest <= most else None

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,): 0 where the window has no numbers, and NaN where bins are no ranges."""
        reference = compared.reference
        share = np.maximum(compared.far_below, compared.far_above) / np.maximum(compared.numbers, 1)
        return np.where(reference.numeric, share, np.nan)
