"""Which bin of the baseline a value falls in."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from .pooling import Pooling, pooling_of
from .schema import Feature


def are_places(values: NDArray[np.float64], categories: int) -> NDArray[np.bool_]:
    """Return which values, (n,), are places of so many categories."""
    return np.asarray((values >= 0) & (values < categories) & (values == np.floor(values)))


def assign(feature: Feature, values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return each value's bin index; the last bin is missing (NaN).

    values: (n,), at model precision; texts as category indices, and whatever is none is as if never seen. Infinite
    values fall in the outermost bins.
    """
    if feature.kind == "numeric":
        index = np.searchsorted(feature.edges, values, side="left")
    elif feature.kind == "discrete":
        known = np.asarray(feature.categories, dtype=np.float64)
        index = np.full(len(values), len(known), dtype=np.intp)
        if len(known):
            nearest = np.minimum(np.searchsorted(known, values), len(known) - 1)
            index = np.where(known[nearest] == values, nearest, len(known))
    else:
        unseen = len(feature.categories)
        index = np.where(are_places(values, unseen), values, unseen).astype(np.intp)
    return np.where(np.isnan(values), feature.bins - 1, index)


class Binning:
    """The bins that several features are compared in, side by side, padded to the widest: counts are a (d, B) array.

    They are the features' own bins but for those that are pooled. sizes: (d,) bins of each feature,
    the last of which is that of missing values.

    Args:
        features: in the order of the columns.
        pooling: tells how a feature's bins are pooled; None of one that is compared in its own.
    """

    def __init__(
        self, features: list[Feature], pooling: Callable[[Feature], Optional[Pooling]] = pooling_of
    ) -> None:
        self.features = features
        found = {row: pooling(feature) for row, feature in enumerate(features)}
        self._pooled: dict[int, Pooling] = {row: pooling for row, pooling in found.items() if pooling}
        self.sizes: NDArray[np.intp] = np.array(
            [
                len(self._pooled[row].counts) if row in self._pooled else feature.bins
                for row, feature in enumerate(features)
            ],
            dtype=np.intp,
        )
        self.width = int(self.sizes.max(initial=1))
        self.mask: NDArray[np.bool_] = np.arange(self.width) < self.sizes.reshape(-1, 1)
        self.offsets = np.arange(len(features), dtype=np.intp) * self.width
        self._numeric = [column for column, feature in enumerate(features) if feature.kind == "numeric"]
        self._others = [column for column, feature in enumerate(features) if feature.kind != "numeric"]
        edges = [features[column].edges for column in self._numeric]
        self._missing = np.array([features[column].bins - 1 for column in self._numeric], dtype=np.int16)
        # (e, k): the k-th numeric feature's edges in a column, padded with what no value exceeds.
        self._edges = np.array(list(zip_longest(*edges, fillvalue=np.inf)), dtype=np.float64)

    def assign(self, rows: NDArray[np.float64]) -> NDArray[np.int16]:
        """Return (n, d) bin indices of (n, d) rows, as `assign` does for each column."""
        index = np.zeros(rows.shape, dtype=np.int16)
        if self._numeric:
            # One step an edge for all columns together: a search a column is mostly NumPy's cost of a call.
            values = rows[:, self._numeric]
            bins = np.zeros(values.shape, dtype=np.int16)
            for edges in self._edges:
                bins += values > edges
            index[:, self._numeric] = np.where(np.isnan(values), self._missing, bins)
        for column in self._others:
            found = assign(self.features[column], rows[:, column])
            index[:, column] = self._pooled[column].places[found] if column in self._pooled else found
        return index

    def count(self, index: NDArray[np.int16]) -> NDArray[np.int64]:
        """Return (d, B) counts of (n, d) bin indices."""
        flat = (index + self.offsets).ravel()
        counts = np.bincount(flat, minlength=len(self.features) * self.width)
        return counts.reshape(len(self.features), self.width)

    def baseline_counts(self) -> NDArray[np.float64]:
        """Return the baseline's own (d, B) counts."""
        counts = np.zeros(self.mask.shape)
        for row, feature in enumerate(self.features):
            counts[row, : self.sizes[row]] = (
                self._pooled[row].counts if row in self._pooled else feature.counts
            )
        return counts

    def rebinned(self, row: int, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return counts, (bins,), in the bins that a feature has itself as counts in those that it is compared in."""
        if row not in self._pooled:
            return counts
        places, number = self._pooled[row].places, int(self.sizes[row])
        return np.asarray(np.bincount(places, weights=counts, minlength=number), dtype=np.float64)

    def labels(self, row: int) -> list[str]:
        """Return a short text a bin of a feature, made so that sorting keeps the order."""
        return self._pooled[row].labels if row in self._pooled else self.features[row].bin_labels
