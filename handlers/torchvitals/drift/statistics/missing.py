"""Missing values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .statistic import Compared, Statistic


class MissingRatio(Statistic):
    """How much of the window is missing, whatever the baseline's share was."""

    name = "missing_ratio"
    title = "Missing"
    unit = "ratio"
    help = "Share of missing values in the window."

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,); 0 for an empty window."""
        bins = compared.reference.missing_bin
        missing = compared.counts[np.arange(len(bins)), bins]
        return np.asarray(missing / max(compared.samples, 1))
