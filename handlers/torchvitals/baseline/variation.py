"""How far the training data's own consecutive windows stray from the whole of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

import msgspec
import numpy as np

QUANTILES = (0.5, 0.9, 0.99, 1.0)
# Fewer disjoint windows than this say too little about their largest.
MIN_WINDOWS = 20
STRIDES_PER_WINDOW = 4
# Rows in the windows that a model is watched with: a short one for what breaks at once, a longer one for small changes.
DEFAULT_WINDOWS = (250, 1000)


class Variation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One feature's statistics over the training data's own windows of one size.

    window: rows. windows: how many were evaluated, a quarter of a window apart. quantiles: by statistic, the
    values at the probabilities QUANTILES, the largest last. pooled: whether bins were pooled (pooling.py); limits of
    bins that were not are far too wide for pooled ones.
    """

    window: int
    windows: int
    quantiles: dict[str, list[float]]
    pooled: bool = False

    def farthest(self, statistic: str) -> Optional[float]:
        """Return the farthest training window's value; None for a statistic that the file was written without."""
        values = self.quantiles.get(statistic)
        return values[-1] if values else None


def summarise(window: int, evaluations: Sequence[dict[str, float]], *, pooled: bool = False) -> Variation:
    """Return the variation of one feature.

    Args:
        window: rows in each window.
        evaluations: one or more windows; the values of the same statistics in each, by name. A statistic that is NaN
            in any is left out.
        pooled: whether the feature's bins were pooled.
    """
    by_statistic = {name: [values[name] for values in evaluations] for name in evaluations[0]}
    quantiles = {
        name: np.quantile(values, QUANTILES).tolist()
        # In the order that formatters of JSON give them, so that a rewritten file keeps its seal.
        for name, values in sorted(by_statistic.items())
        if not np.isnan(values).any()
    }
    return Variation(window=window, windows=len(evaluations), quantiles=quantiles, pooled=pooled)


def usable(variations: Iterable[Variation], window: int) -> Optional[Variation]:
    """Return the variation to judge a window of so many rows by: its own, else that of the next smaller size.

    Larger windows stray less, so a smaller one's limits are safe, only less sharp. None without any.
    """
    fitting = [variation for variation in variations if variation.window <= window]
    return max(fitting, key=lambda variation: variation.window, default=None)


def shortfall(samples: int, window: int) -> int:
    """Return how many more rows in time order it takes to know how windows of so many rows vary; 0 for enough."""
    return max(0, MIN_WINDOWS * window - samples)
