"""What a statistic is: one declaration that the report, the series, the docs and the dashboards follow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, Optional, Protocol

import numpy as np
from numpy.typing import NDArray

from .quantile_grid import QuantileGrid

# A served window may go half as far again as the farthest training window, measured as a distance. A divergence grows
# with the square of a small distance, so its margin is squared.
DISTANCE_MARGIN = 1.5
DIVERGENCE_MARGIN = DISTANCE_MARGIN**2


class BaselineSide(Protocol):
    """The baseline's d features as arrays.

    counts, shares: (d, B) of each bin; shares are smoothed. mean, std: (d,), 0 for texts. missing_bin: (d,), the bin
    that counts missing values. grids: a feature's quantile function; without values for texts. numbers: (d,), how many
    values were not missing. far_rows: (2, d), training values from the quantile on that is far out, on either side.
    numeric: (d,), whether bins are ranges of numbers. varies: (d,), whether there are numbers,
    of more than one value. knows_order: (d,), whether it is known how far the training data's own windows stray.
    """

    counts: NDArray[np.float64]
    shares: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    missing_bin: NDArray[np.intp]
    grids: Sequence[QuantileGrid]
    numbers: NDArray[np.float64]
    far_rows: NDArray[np.float64]
    numeric: NDArray[np.bool_]
    varies: NDArray[np.bool_]
    knows_order: NDArray[np.bool_]


class Compared(Protocol):
    """A window of d features beside the baseline, as arrays.

    samples: rows in the window. counts, shares: (d, B) as the baseline's. measured: (d,), whether the feature has
    numbers on both sides; mean and std, (d,), are the baseline's where it does not. sorted_values: (d, n), ascending,
    of which the first `finite`, (d,), are numbers. numbers: (d,), how many values are not missing; below, above: how
    many of them are beyond the training data's range, infinities included. far_below, far_above: how many are beyond
    its quantiles that are far out. pause: to be called between pieces of work that take long.
    """

    samples: int
    counts: NDArray[np.float64]
    shares: NDArray[np.float64]
    measured: NDArray[np.bool_]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    sorted_values: NDArray[np.float32]
    finite: NDArray[np.intp]
    numbers: NDArray[np.float64]
    below: NDArray[np.intp]
    above: NDArray[np.intp]
    far_below: NDArray[np.intp]
    far_above: NDArray[np.intp]
    pause: Callable[[], None]

    @property
    def reference(self) -> BaselineSide:
        """The baseline's side."""

    def bins(self, columns: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the bins of features, (c,), in consecutive rows up to now, oldest first: (n, c)."""


class Statistic(ABC):
    """One measure of how far each feature's window lies from its baseline.

    A subclass that is added to `STATISTICS` is a value of `FeatureDrift`, a gauge in metrics.yaml and docs/metrics.md,
    a column in the dashboard's table of features and, with a margin, a limit that baselines learn.

    name: the attribute of `FeatureDrift` and the key in baseline files. title: heads a column. unit, help: of the
    gauge. worst: which of several workers' values is the worst. margin: how many times the farthest training window's
    value a served window may reach; None where the training data set no limit. main: whether it has a series for every
    feature of a wide model, and not only for those that drifted. series: the gauge's name after ``model_feature_``,
    where it is not the statistic's.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str]
    help: ClassVar[str]
    worst: ClassVar[Literal["max", "min", "absmax"]] = "max"
    margin: ClassVar[Optional[float]] = None
    main: ClassVar[bool] = False
    series: ClassVar[str] = ""

    @property
    def gauge(self) -> str:
        """Name of the gauge that shows it."""
        return f"model_feature_{self.series or self.name}"

    def limit(self, farthest: float, window: int) -> Optional[float]:
        """Return how far a served window may go; None for no limit, so that this statistic finds no drift in order.

        Args:
            farthest: the farthest training window's value.
            window: rows in each.
        """
        return None if self.margin is None else self.margin * farthest

    @abstractmethod
    def of(self, compared: Compared) -> NDArray[np.float64]:
        """Return the statistic of each feature, (d,), finite for every window, an empty one included.

        NaN is for a feature that never has the statistic, as texts have no mean: it has no series then.
        """
