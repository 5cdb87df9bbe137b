"""The rolling window: the last N rows and their bin counts, kept by adding and taking away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..baseline.binning import Binning


@dataclass(frozen=True)
class WindowView:
    """A window at one moment: its rows, (n, d), in no particular order, and their counts, (d, B)."""

    rows: NDArray[np.float32]
    counts: NDArray[np.int64]


class RollingWindow:
    """The last `size` rows of d features, and their counts in the baseline's bins.

    An update costs as much as the rows that it brings, however many are in the window.

    Args:
        binning: the bins of the d features.
        size: rows that fit in.
    """

    def __init__(self, binning: Binning, size: int) -> None:
        self.binning = binning
        self.size = size
        self.samples = 0
        self._next = 0
        columns = len(binning.features)
        self._rows = np.empty((size, columns), dtype=np.float32)
        self._index = np.zeros((size, columns), dtype=np.int16)
        self._counts = np.zeros(binning.mask.shape, dtype=np.int64)

    def update(self, rows: NDArray[np.float64], index: NDArray[np.int16]) -> None:
        """Add rows; the oldest leave where they do not fit.

        Args:
            rows: (n, d), newest last.
            index: (n, d), the bins that `binning` assigns them.
        """
        rows, index = rows[-self.size :], index[-self.size :]
        kept = len(rows)
        places = (self._next + np.arange(kept)) % self.size
        # While the window fills, the first places are empty and nothing leaves them.
        leaving = places[max(0, self.size - self.samples) :]
        self._counts += self.binning.count(index) - self.binning.count(self._index[leaving])
        self._rows[places] = rows
        self._index[places] = index
        self._next = (self._next + kept) % self.size
        self.samples = min(self.size, self.samples + kept)

    def view(self) -> WindowView:
        """Return what is in the window now; the arrays are views that the next update changes."""
        return WindowView(self._rows[: self.samples], self._counts)

    def bins(self, columns: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the bins of some features, (c,), in the window's rows, oldest first: (n, c)."""
        oldest_first = (self._next - self.samples + np.arange(self.samples)) % self.size
        return self._index[oldest_first][:, columns].astype(np.intp)
