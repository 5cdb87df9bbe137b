"""The drift verdict: window against baseline, a feature at a time and together."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional

import numpy as np

from ..accuracy.estimate import AccuracyEstimate
from ..baseline.pooling import is_wide
from ..baseline.schema import Feature
from ..baseline.variation import usable
from ..featurizers.row_distance import NAME as ROW_DISTANCE
from .comparison import Comparison
from .floors import Floors
from .statistics import STATISTICS, PopulationStabilityIndex, PValue, benjamini_hochberg

# So that windows of a quarter of the default size, and baselines of a few hundred rows, do not cry wolf. A change that
# reaches a floor in a window of 200 rows is far less likely than this by chance.
FALSE_DISCOVERY_RATE = 0.0005
TINY = 1e-12

PSI = PopulationStabilityIndex.name
P_VALUE = PValue.name


@dataclass(frozen=True)
class FeatureDrift:
    """One feature's statistics: an attribute each, such as `drift.psi`, and all of them in `values`.

    Divergences are in nats, distances and shifts in baseline standard deviations; docs/metrics.md has the unit of each.
    What a feature cannot have is NaN: texts have no mean, and a column of one value no standard deviation.
    `threshold` has, by statistic, the limit learned from the training data's own windows; empty where none is known.
    `full` tells whether the window holds all the rows it can: limits learned from whole windows judge whole ones.
    `knows_order` tells that the training data came in time order; without limits for windows of this size, none is
    judged then.
    A feature without finite values in the window has the baseline's moments and a Wasserstein distance of 0; its
    `missing_ratio` tells.
    """

    name: str
    source: str
    samples: int
    values: dict[str, float]
    drifted: bool
    threshold: dict[str, float] = field(default_factory=dict)
    full: bool = True
    knows_order: bool = False

    def __getattr__(self, name: str) -> float:
        # Through __dict__: pickle and copy look attributes up before there are any values.
        values = self.__dict__.get("values", {})
        if name in values:
            return float(values[name])
        known = f"; its statistics are {', '.join(values)}" if values and not name.startswith("_") else ""
        raise AttributeError(f"FeatureDrift has no attribute '{name}'{known}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.values]

    @property
    def beyond(self) -> bool:
        """Whether it goes beyond the training data's own variation; True where their order is not known."""
        return self.full and self.excess > 1 if self.knows_order else True

    @property
    def excess(self) -> float:
        """How many times its limit the statistic that exceeds it most has; 0 where no limit is known."""
        ratios = (self.values[name] / max(limit, TINY) for name, limit in self.threshold.items())
        return max((ratio for ratio in ratios if not math.isnan(ratio)), default=0.0)


@dataclass(frozen=True)
class DriftReport:
    """All features, worst first: drifted ones, then by how far beyond their limits, then by PSI.

    A row's distance comes after the columns that drifted, which explain it. row_shares: by column, its share in the
    rows' squared distances, largest first; empty without a row distance. accuracy_estimate: of the window's
    predictions, or why there is none; None where the baseline does not know what confidence is worth. segments: the
    same of each segment, by name, the worst first; see `drift.segments`.
    """

    samples: int
    features: dict[str, FeatureDrift] = field(default_factory=dict)
    accuracy_estimate: Optional[AccuracyEstimate] = None
    row_shares: dict[str, float] = field(default_factory=dict)
    segments: dict[str, DriftReport] = field(default_factory=dict)

    @property
    def estimated_accuracy(self) -> Optional[float]:
        """Share of the window's predictions to expect right; None where that is withheld or not known."""
        return None if self.accuracy_estimate is None else self.accuracy_estimate.value

    @property
    def drifted(self) -> bool:
        """Whether any feature drifted, over all rows; of segments, `drifted_segments` tells."""
        return any(feature.drifted for feature in self.features.values())

    @property
    def drifted_segments(self) -> list[str]:
        """The segments of which a feature drifted, the worst first."""
        return [name for name, report in self.segments.items() if report.drifted]

    @property
    def drifted_ratio(self) -> float:
        """Share of features that drifted."""
        return sum(f.drifted for f in self.features.values()) / len(self.features) if self.features else 0.0


def evaluate(
    comparisons: list[Comparison],
    *,
    floors: Mapping[str, Floors],
    ignored: Collection[tuple[str, str]] = (),
    pause: Callable[[], None] = lambda: None,
) -> DriftReport:
    """Judge the windows of one model together.

    A feature drifted when its two-sample tests are significant among all features (Benjamini-Hochberg at 0.05 %), the
    change reaches one of the feature's floors, and, where the baseline knows how far its own windows stray, a statistic
    that has a learned limit goes beyond it.

    Args:
        comparisons: one for each source, inputs and outputs.
        floors: the smallest change that counts as drift, by name of the feature; each feature is in it.
        ignored: source and name of features that are not judged, and not in the report.
        pause: called between pieces of work.

    Raises:
        ValueError: a statistic has not one value for each feature.
    """
    found: list[FeatureDrift] = []
    for comparison in comparisons:
        values = _statistics(comparison, pause)
        for feature, numbers in zip(comparison.reference.features, values):
            if (feature.source, feature.name) in ignored:
                continue
            found.append(
                FeatureDrift(
                    name=feature.name,
                    source=feature.source,
                    samples=comparison.samples,
                    values=numbers,
                    drifted=False,
                    threshold=thresholds(feature, comparison.window),
                    full=comparison.samples >= comparison.window,
                    knows_order=bool(feature.variation),
                )
            )
            pause()
    significant = benjamini_hochberg(
        np.array([drift.values[P_VALUE] for drift in found]), FALSE_DISCOVERY_RATE
    )
    found = [
        replace(drift, drifted=True)
        if flag and drift.beyond and floors[drift.name].reached(drift.values)
        else drift
        for drift, flag in zip(found, significant)
    ]
    found.sort(key=_place)
    samples = max((comparison.samples for comparison in comparisons), default=0)
    features: dict[str, FeatureDrift] = {}
    for drift in found:
        # An input column may be named like an output feature; the worse one keeps the plain name.
        features[drift.name if drift.name not in features else f"{drift.source}.{drift.name}"] = drift
    return DriftReport(samples, features)


def thresholds(feature: Feature, window: int) -> dict[str, float]:
    """Return the limits that the training data's own windows set, by statistic.

    Args:
        feature: the feature, as the baseline describes it.
        window: rows in the window that is judged; the limits are those of this size, else of the next smaller one.

    Returns:
        Limits in the statistics' own units. A statistic that the baseline was built without has none.
    """
    wide = is_wide(feature)
    variation = usable((one for one in feature.variation if one.pooled is wide), window)
    if variation is None:
        return {}
    limits = {}
    for statistic in STATISTICS.learned:
        farthest = variation.farthest(statistic.name)
        limit = None if farthest is None else statistic.limit(farthest, variation.window)
        if limit is not None:
            limits[statistic.name] = limit
    return limits


def _statistics(comparison: Comparison, pause: Callable[[], None]) -> list[dict[str, float]]:
    """Return every statistic by its name, a feature after the other."""
    count = len(comparison.reference.features)
    names, columns = [], []
    for statistic in STATISTICS:
        values = statistic.of(comparison)
        if values.shape != (count,):
            raise ValueError(
                f"statistic '{statistic.name}' has values of shape {values.shape} for {count} features; "
                f"return one value a feature in {type(statistic).__name__}.of"
            )
        names.append(statistic.name)
        # One object for all that are undefined, so that reports of the same rows are equal.
        columns.append([math.nan if math.isnan(value) else value for value in values.tolist()])
        pause()
    return [dict(zip(names, numbers)) for numbers in zip(*columns)]


def _place(drift: FeatureDrift) -> tuple[Any, ...]:
    return not drift.drifted, drift.name == ROW_DISTANCE, -drift.excess, -drift.values[PSI]
