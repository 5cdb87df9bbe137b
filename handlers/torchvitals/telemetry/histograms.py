"""Histograms as counters with our own buckets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import catalogue as m
from .publisher import Publisher


class HistogramCounter:
    """One labelled histogram: observations come in arrays, increments go out at a flush."""

    def __init__(self, histogram: m.Histogram, labels: tuple[str, ...] = ()) -> None:
        self._histogram = histogram
        self._labels = labels
        self._bounds = np.array(histogram.buckets)
        self._counts = np.zeros(len(histogram.buckets) + 1, dtype=np.int64)
        self._sum = 0.0
        self._refused = 0

    def observe(self, values: NDArray[np.float64]) -> None:
        """Add (n,) observations, in the histogram's unit; what is not finite would spoil the sum, and is refused."""
        if not len(values):
            return
        total = float(values.sum())
        if not np.isfinite(total):
            finite = values[np.isfinite(values)]
            self._refused += len(values) - len(finite)
            values, total = finite, float(finite.sum())
        self._counts += np.bincount(np.searchsorted(self._bounds, values), minlength=len(self._counts))
        self._sum += total

    def publish(self, publisher: Publisher, *, create: bool = False) -> None:
        """Send what was observed since the last time; with `create`, every series even if it is 0.

        What is sent counts as sent whether or not the publisher takes it: nothing is ever sent twice.
        """
        counts, amount, refused = self._counts, self._sum, self._refused
        total = int(counts.sum())
        if not total and not refused and not create:
            return
        self._counts, self._sum, self._refused = np.zeros_like(counts), 0.0, 0
        for le, upto in zip(self._histogram.le_values, np.cumsum(counts)):
            if upto or create:
                publisher.increase(self._histogram.bucket, (*self._labels, le), int(upto))
        publisher.increase(self._histogram.sum, self._labels, amount)
        publisher.increase(self._histogram.count, self._labels, total)
        if refused:
            publisher.increase(m.MONITOR_DROPPED, ("not_finite",), refused)
