"""The arrays of both sides that the statistics need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from ..baseline.binning import Binning
from ..baseline.rounding import COARSEST
from ..baseline.schema import Feature
from .statistics import FAR_OUT, QuantileGrid, smoothed_shares
from .window import RollingWindow

# Values that are looked at together: a piece of work is short, and needs little memory, however wide the rows.
VALUES_AT_ONCE = 32_000


class Reference:
    """The baseline's side of a comparison, made once; `statistics.statistic.BaselineSide` has the shapes."""

    def __init__(self, binning: Binning) -> None:
        self.binning = binning
        self.features = features = binning.features
        self.counts = binning.baseline_counts()
        self.shares = smoothed_shares(self.counts, binning.mask)
        self.mean: NDArray[np.float64] = np.array([feature.mean for feature in features], dtype=np.float64)
        self.std: NDArray[np.float64] = np.array([feature.std for feature in features], dtype=np.float64)
        self.missing_bin = binning.sizes - 1
        self.ordered = np.array(
            [feature.kind != "categorical" and bool(feature.quantiles) for feature in features],
            dtype=np.bool_,
        )
        self.grids: Sequence[QuantileGrid] = [
            QuantileGrid.of(feature.quantiles, feature.low_tail, feature.high_tail) for feature in features
        ]
        self.varies: NDArray[np.bool_] = self.ordered & (self.std > 0)
        numeric = np.array([feature.kind == "numeric" for feature in features], dtype=np.bool_)
        self.numbers: NDArray[np.float64] = np.array([float(feature.count) for feature in features])
        self.knows_order: NDArray[np.bool_] = np.array(
            [bool(feature.variation) for feature in features], dtype=np.bool_
        )
        # No type that rows are served in rounds the training data's own extremes beyond these.
        low, high = (np.array([getattr(feature, end) for feature in features]) for end in ("min", "max"))
        some = numeric & self.ordered
        self.low: NDArray[np.float64] = np.where(some, low - COARSEST * np.abs(low), -np.inf)
        self.high: NDArray[np.float64] = np.where(some, high + COARSEST * np.abs(high), np.inf)
        self.far_low, self.far_high, self.far_rows = _far_out(features, numeric)
        self.infinite: NDArray[np.bool_] = np.array(
            [[bool(count) for count in feature.infinite or (0, 0)] for feature in features], dtype=np.bool_
        ).reshape(-1, 2)
        self.numeric: NDArray[np.bool_] = numeric


def _far_out(
    features: list[Feature], numeric: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the training data's quantiles that are far out, (d,) on either side, and how many values lie from them on.

    The latter are (2, d).
    """
    low, high = np.full(len(features), -np.inf), np.full(len(features), np.inf)
    rows = np.ones((2, len(features)))
    for place in np.flatnonzero(numeric):
        feature = features[place]
        if not feature.quantiles:
            continue
        for side, (ends, tail) in enumerate(((low, feature.low_tail[::-1]), (high, feature.high_tail))):
            steps = tail or [(feature.min, feature.max)[side]]
            # Each is so many rows; the outermost are beyond.
            share = 1 / len(feature.quantiles) / len(steps)
            beyond = min(int(FAR_OUT / share), len(steps) - 1)
            value = steps[-1 - beyond]
            ends[place] = value + (-1, 1)[side] * COARSEST * abs(value)
            rows[side, place] = np.ceil(feature.count * share * (beyond + 1))
    return low, high, rows


class Comparison:
    """A window beside its baseline, made anew at each evaluation; `statistics.Compared` has the shapes.

    Args:
        reference: the baseline's side.
        window: the rows to compare, of the same features.
        pause: called between pieces of work, so that a request need not wait for all of them.
        longest: a longer window of the same features, which tells better how their rows hang together.
    """

    def __init__(
        self,
        reference: Reference,
        window: RollingWindow,
        pause: Callable[[], None] = lambda: None,
        longest: Optional[RollingWindow] = None,
    ) -> None:
        view = window.view()
        self.pause = pause
        self.reference = reference
        self.samples = window.samples
        self.window = window.size
        self._longest = longest or window
        self.counts = view.counts.astype(np.float64)
        self.shares = smoothed_shares(self.counts, window.binning.mask)
        columns = len(reference.features)
        self.below, self.above, self.far_below, self.far_above, self.finite = (
            np.zeros(columns, dtype=np.intp) for _ in range(5)
        )
        self.numbers: NDArray[np.float64] = np.zeros(columns)
        self.mean, self.std = reference.mean.copy(), reference.std.copy()
        # NaN and infinities sort to the end; `finite` tells how many in front are numbers.
        self.sorted_values: NDArray[np.float32] = np.empty((columns, len(view.rows)), dtype=np.float32)
        at_once = max(1, VALUES_AT_ONCE // max(len(view.rows), 1))
        for first in range(0, columns, at_once):
            self._measure(view.rows, slice(first, first + at_once))
            pause()
        self.measured: NDArray[np.bool_] = (self.finite > 0) & reference.ordered
        self.mean = np.where(self.measured, self.mean, reference.mean)
        self.std = np.where(self.measured, self.std, reference.std)

    def _measure(self, rows: NDArray[np.float32], some: slice) -> None:
        """Count, average and sort the values of some columns of a window, (n, d)."""
        reference = self.reference
        values = rows[:, some]
        self.below[some] = (values < reference.low[some]).sum(axis=0)
        self.above[some] = (values > reference.high[some]).sum(axis=0)
        self.far_below[some] = (values < reference.far_low[some]).sum(axis=0)
        self.far_above[some] = (values > reference.far_high[some]).sum(axis=0)
        # An infinity is beyond them all, unless training data had some; a missing value is not.
        for side, infinity, counts in (
            (0, -np.inf, (self.below[some], self.far_below[some])),
            (1, np.inf, (self.above[some], self.far_above[some])),
        ):
            for column in np.flatnonzero(reference.infinite[some, side]):
                known = (values[:, column] == infinity).sum()
                for beyond in counts:
                    beyond[column] -= known
        self.numbers[some] = (~np.isnan(values)).sum(axis=0)
        holes = ~np.isfinite(values)
        self.finite[some] = number = len(values) - holes.sum(axis=0)
        divisor = np.maximum(number, 1)
        # Around the baseline's mean: float32 rows far from 0 would lose their variance to rounding.
        centred = values - reference.mean[some]
        centred[holes] = 0.0
        offset = centred.sum(axis=0) / divisor
        centred -= offset
        centred[holes] = 0.0
        np.square(centred, out=centred)
        self.mean[some] += offset
        self.std[some] = np.sqrt(centred.sum(axis=0) / divisor)
        self.sorted_values[some] = np.where(holes, np.inf, values).T
        self.sorted_values[some].sort(axis=1)

    def bins(self, columns: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the bins of some features, (c,), in the rows up to now, oldest first: (n, c)."""
        return self._longest.bins(columns)
