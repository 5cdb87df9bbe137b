"""How far the training data's own consecutive windows stray from the whole of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

import msgspec
import numpy as np

# How far beyond the farthest training window a served one must go, as a distance. A divergence grows with the square
# of a small distance, so its margin is squared.
MARGIN = 1.5
# Statistics of shape and of location: a narrow window saturates the one, never the other.
MARGINS = {"kl_divergence": MARGIN**2, "wasserstein_distance": MARGIN}
JUDGED = tuple(MARGINS)
QUANTILES = (0.5, 0.9, 0.99, 1.0)
# Fewer disjoint windows than this say too little about their largest.
MIN_WINDOWS = 20
STRIDES_PER_WINDOW = 4


class Variation(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's statistics over the training data's own windows of one size.

    window: rows. windows: how many were evaluated, a quarter of a window apart. quantiles: by statistic, the
    values at the probabilities QUANTILES, the largest last.
    """

    window: int
    windows: int
    quantiles: dict[str, list[float]]

    def limit(self, statistic: str) -> float:
        """Return how far a served window may go: the farthest training window, and a margin."""
        return MARGINS[statistic] * self.quantiles[statistic][-1]


def summarise(window: int, evaluations: list[dict[str, float]]) -> Variation:
    """Return the variation of one feature; an evaluation has a value for each statistic that is judged."""
    quantiles = {
        statistic: np.quantile([values[statistic] for values in evaluations], QUANTILES).tolist()
        for statistic in JUDGED
    }
    return Variation(window=window, windows=len(evaluations), quantiles=quantiles)


def usable(variations: Iterable[Variation], window: int) -> Optional[Variation]:
    """Return the variation to judge a window size by: its own, else that of the next smaller size.

    Larger windows stray less, so a smaller one's limits are safe, only less sharp. None without any.
    """
    fitting = [variation for variation in variations if variation.window <= window]
    return max(fitting, key=lambda variation: variation.window, default=None)


def shortfall(samples: int, window: int) -> int:
    """Return how many more rows in time order it takes to know how windows of this size vary."""
    return max(0, MIN_WINDOWS * window - samples)
