"""The p-value of the two-sample test, a feature at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .significance import two_sample_p_value
from .statistic import Compared, Statistic


class PValue(Statistic):
    """Whether chance alone explains the window; the verdict corrects it for the number of features."""

    name = "p_value"
    title = "p value"
    unit = "ratio"
    help = "Probability of a window this different if nothing had changed (two-sample test on bin counts)."
    worst = "min"
    series = "drift_p_value"

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,)."""
        return two_sample_p_value(compared.reference.counts, compared.counts)
