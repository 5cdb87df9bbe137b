"""How much of the rows changed place: in units that people know."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .statistic import Compared, Statistic


class ShareChange(Statistic):
    """The largest change of the share of a category, of missing values, or of numbers beyond the training range."""

    name = "share_change"
    title = "Share change"
    unit = "ratio"
    help = "Largest change of a share of the rows: a category's, missing values', or that beyond the training range."

    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return it for each feature, (d,); 0 for an empty window."""
        reference = compared.reference
        if not compared.samples:
            return np.zeros(len(reference.numbers))
        change = np.abs(_shares(compared.counts) - _shares(reference.counts))
        missing = change[np.arange(len(change)), reference.missing_bin]
        beyond = np.maximum(compared.below, compared.above) / compared.samples
        return np.where(reference.numeric, np.maximum(missing, beyond), change.max(axis=1, initial=0.0))


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0))
