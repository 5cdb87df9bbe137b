"""Histograms as counters with our own buckets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .catalogue import Histogram
from .publisher import Publisher


class HistogramCounter:
    """One labelled histogram: observations come in arrays, increments go out at a flush."""

    def __init__(self, histogram: Histogram, labels: tuple[str, ...] = ()) -> None:
        self._histogram = histogram
        self._labels = labels
        self._bounds = np.array(histogram.buckets)
        self._counts = np.zeros(len(histogram.buckets) + 1, dtype=np.int64)
        self._sum = 0.0

    def observe(self, values: NDArray[np.float64]) -> None:
        """Add (n,) observations, in the histogram's unit; NaN must be left out before."""
        if len(values):
            self._counts += np.bincount(np.searchsorted(self._bounds, values), minlength=len(self._counts))
            self._sum += float(values.sum())

    def publish(self, publisher: Publisher, *, create: bool = False) -> None:
        """Send what was observed since the last time; with `create`, every series even if it is 0."""
        total = int(self._counts.sum())
        if not total and not create:
            return
        for le, amount in zip(self._histogram.le_values, np.cumsum(self._counts)):
            if amount or create:
                publisher.increase(self._histogram.bucket, (*self._labels, le), int(amount))
        publisher.increase(self._histogram.sum, self._labels, self._sum)
        publisher.increase(self._histogram.count, self._labels, total)
        self._counts[:] = 0
        self._sum = 0.0
