"""The rolling window: the last N rows and their bin counts, kept by adding and taking away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .baseline import Feature
from .binning import Binning


@dataclass(frozen=True)
class WindowView:
    """A window at one moment: rows (n, d), oldest first no longer guaranteed, and counts (d, B)."""

    rows: NDArray[np.float32]
    counts: NDArray[np.int64]


class RollingWindow:
    """The last `size` rows of d features.

    The cost of an update depends on the rows it brings, never on the rows served before.
    """

    def __init__(self, features: list[Feature], size: int) -> None:
        self.binning = Binning(features)
        self.size = size
        self.samples = 0
        self._next = 0
        self._rows = np.empty((size, len(features)), dtype=np.float32)
        self._index = np.zeros((size, len(features)), dtype=np.int32)
        self._counts = np.zeros(self.binning.mask.shape, dtype=np.int64)

    def update(self, rows: NDArray[np.float64]) -> NDArray[np.int64]:
        """Add (n, d) rows, newest last; return the bin counts (d, B) of all that were added."""
        index = self.binning.assign(rows)
        added = self.binning.count(index)
        rows, index = rows[-self.size :], index[-self.size :]
        kept = len(rows)
        places = (self._next + np.arange(kept)) % self.size
        leaving = places[: max(0, self.samples + kept - self.size)]
        if self.samples < self.size:
            leaving = places[self.size - self.samples :]
        self._counts += self.binning.count(index) - self.binning.count(self._index[leaving])
        self._rows[places] = rows
        self._index[places] = index
        self._next = (self._next + kept) % self.size
        self.samples = min(self.size, self.samples + kept)
        return added

    def view(self) -> WindowView:
        """Return the rows and counts now in the window; views, not copies."""
        return WindowView(self._rows[: self.samples], self._counts)
